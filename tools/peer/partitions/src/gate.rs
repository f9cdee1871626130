//! A gate behind which children wait, so that all of them begin at once, and a roll of those that have become programs.
//!
//! Both are pipes at the standard input, because only standard descriptors come along into a partition.

use rustix::fd::OwnedFd;
use rustix::io::{Errno, FdFlags};
use rustix::pipe::PipeFlags;
use std::io;

/// The standard input of children is a pipe into which nothing is written: its end is the signal to begin.
pub struct Gate {
    writer: Option<OwnedFd>,
}

impl Gate {
    /// Closed; makes it the standard input of this process and of its children to come.
    pub fn new() -> io::Result<Self> {
        let (reader, writer) = rustix::pipe::pipe()?;
        rustix::stdio::dup2_stdin(&reader)?;
        Ok(Self {
            writer: Some(writer),
        })
    }

    /// Lets the children begin.
    pub fn open(&mut self) {
        self.writer = None;
    }

    /// In a child: waits until the gate is open.
    pub fn pass(&mut self) {
        // The child's own copy would keep it closed for ever.
        self.writer = None;
        while rustix::io::read(rustix::stdio::stdin(), &mut [0; 1]) == Err(Errno::INTR) {}
    }
}

/// Standard input of children is the writing end of a pipe that closes when they execute a program: the pipe is at its end
/// when all have done so.
pub struct Roll {
    reader: OwnedFd,
}

impl Roll {
    /// For all children to come.
    pub fn new() -> io::Result<Self> {
        let (reader, writer) = rustix::pipe::pipe_with(PipeFlags::CLOEXEC)?;
        rustix::stdio::dup2_stdin(&writer)?;
        rustix::io::fcntl_setfd(rustix::stdio::stdin(), FdFlags::CLOEXEC)?;
        Ok(Self { reader })
    }

    /// Waits until all have executed a program, or ended.
    pub fn complete(self) -> io::Result<()> {
        rustix::stdio::dup2_stdin(&self.reader)?;
        while rustix::io::read(&self.reader, &mut [0; 1]) == Err(Errno::INTR) {}
        Ok(())
    }
}
