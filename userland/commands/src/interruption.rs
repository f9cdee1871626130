//! Signals that want a command to end.
//!
//! A command that changes something does not die in the middle: it notes the wish and looks at it where it
//! can stop, or undo. Children get the default actions back at exec.

use rustix::event::{PollFd, PollFlags, poll};
use rustix::pipe::{PipeFlags, pipe_with};
use signal_hook::consts::{SIGCHLD, SIGHUP, SIGINT, SIGQUIT, SIGTERM};
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// The signals with which people and programs end a command.
const ENDING: [i32; 3] = [SIGINT, SIGTERM, SIGHUP];

/// Notes that the command is wanted to end.
#[derive(Clone, Debug, Default)]
pub struct Interruption {
    wanted: Arc<AtomicBool>,
}

impl Interruption {
    /// From now on signals are noted and do not kill.
    pub fn note() -> io::Result<Self> {
        let interruption = Self::default();
        for signal in ENDING {
            signal_hook::flag::register(signal, Arc::clone(&interruption.wanted))?;
        }
        Ok(interruption)
    }

    /// Whether one came.
    pub fn wanted(&self) -> bool {
        self.wanted.load(Ordering::Relaxed)
    }
}

/// Signals as events to wait for.
#[derive(Debug)]
pub struct Signals {
    reader: OwnedFd,
    arrived: Vec<(i32, Arc<AtomicBool>)>,
}

impl Signals {
    /// From now on these signals are events.
    pub fn of(signals: &[i32]) -> io::Result<Self> {
        let (reader, writer) = pipe_with(PipeFlags::CLOEXEC | PipeFlags::NONBLOCK)?;
        let mut arrived = Vec::new();
        for &signal in signals {
            let flag = Arc::new(AtomicBool::new(false));
            // The flag first: whoever is woken by the pipe must find it set.
            signal_hook::flag::register(signal, Arc::clone(&flag))?;
            signal_hook::low_level::pipe::register(signal, writer.try_clone()?)?;
            arrived.push((signal, flag));
        }
        Ok(Self { reader, arrived })
    }

    /// Children and everything that wants a command to end, SIGQUIT too.
    pub fn of_children_and_end() -> io::Result<Self> {
        Self::of(&[SIGCHLD, SIGINT, SIGQUIT, SIGTERM, SIGHUP])
    }

    /// Parks until a signal came; gives those that did.
    pub fn wait(&self) -> Vec<i32> {
        loop {
            let mut fds = [PollFd::new(&self.reader, PollFlags::IN)];
            // An interrupted poll means that there is something to read.
            let _interrupted = poll(&mut fds, None);
            let signals = self.take();
            if !signals.is_empty() {
                return signals;
            }
        }
    }

    /// The signals that came since the last time, without waiting.
    pub fn take(&self) -> Vec<i32> {
        let mut buffer = [0; 64];
        let _drained = rustix::io::read(&self.reader, &mut buffer);
        let came = |(signal, flag): &(i32, Arc<AtomicBool>)| {
            flag.swap(false, Ordering::AcqRel).then_some(*signal)
        };
        self.arrived.iter().filter_map(came).collect()
    }
}

/// Readable when signals came.
impl AsFd for Signals {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.reader.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use signal_hook::consts::SIGUSR2;

    #[test]
    fn a_signal_is_an_event() {
        let signals = Signals::of(&[SIGUSR2]).expect("a handler");
        signal_hook::low_level::raise(SIGUSR2).expect("a signal");
        assert_eq!(signals.wait(), [SIGUSR2]);
    }
}
