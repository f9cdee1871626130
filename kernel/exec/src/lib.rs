//! What `execve` has to know of a program before it can run.
//!
//! Also the layout of the file that a program leaves which a signal has ended ([`CoreLayout`]).
//!
//! Pure functions over bytes: an ELF file's header and segments ([`Image`]), a script's first line
//! ([`Interpreter`]), and the stack that a new program starts with ([`InitialStack`]). A file is untrusted: every
//! number in it is checked before it is used, and a bad one is ENOEXEC (`man 2 execve`), never a panic.
//!
//! This crate holds no state, takes no lock, opens no file and maps no page: the kernel does, as it is told here.

#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

mod core_file;
mod image;
mod script;
mod stack;

pub use core_file::{
    CoreLayout, CoreRange, NT_AUXV, NT_FILE, NT_PRPSINFO, NT_PRSTATUS, NT_SIGINFO, Notes,
    ProcessStatus, ThreadStatus,
};
pub use image::{Image, Segment};
pub use script::Interpreter;
pub use stack::{AuxiliaryVector, Contents, InitialStack};
