//! Pseudoterminals (`man 7 pty`): a terminal whose driver is another program.
//!
//! The slave is an ordinary [`Terminal`]. What it prints goes into a queue that the master reads; what the
//! master writes is typed. Lock order: the terminal, then the queue, both of rank [`Rank::Stream`].

use crate::jobs::JobControl;
use crate::terminal::{Terminal, TerminalOutput};
use abi::Errno;
use abi::linux::{
    FIONREAD, TCFLSH, TCGETS, TCSETS, TCSETSF, TCSETSW, TIOCGPTLCK, TIOCGPTN, TIOCGWINSZ,
    TIOCSPTLCK, TIOCSWINSZ,
};
use alloc::collections::VecDeque;
use alloc::sync::Arc;
use process::TerminalId;
use sync::{Rank, SpinLock};
use vfs::{FileOperations, IoContext, IoctlArgument};
use wait::{Attempt, PollEvents, Sink, Source, Stop, WaitQueue, Waiter};

/// The master's end of a pty. It stands behind one open file; when that is closed the slave is hung up.
pub struct PtyMaster {
    number: u32,
    terminal: Arc<Terminal>,
    queue: Arc<Queue>,
}

/// What the slave has printed and the master has not read.
struct Queue {
    state: SpinLock<State>,
    readers: WaitQueue,
    writers: WaitQueue,
}

struct State {
    bytes: VecDeque<u8>,
    /// The slave has been open and is no more.
    deserted: bool,
    locked: bool,
    /// How often the terminal has had room for input again: a writer that saw none looks whether this has changed.
    rooms: u64,
}

/// Bytes that the queue holds before the slave's output waits.
const CAPACITY: usize = 4096;
const CHUNK: usize = 256;

impl TerminalOutput for Queue {
    fn write(&self, bytes: &[u8]) -> usize {
        let mut state = self.state.lock();
        let (now, _) = bytes.split_at(bytes.len().min(CAPACITY.saturating_sub(state.bytes.len())));
        if state.bytes.is_empty() && !now.is_empty() {
            self.readers.wake_all();
        }
        state.bytes.extend(now);
        now.len()
    }

    fn input_room(&self) {
        let mut state = self.state.lock();
        state.rooms = state.rooms.wrapping_add(1);
        self.writers.wake_all();
    }

    fn in_use(&self, used: bool) {
        self.state.lock().deserted = !used;
        self.readers.wake_all();
        self.writers.wake_all();
    }
}

impl PtyMaster {
    /// A pty; `number` is its name in `/dev/pts`. The slave is locked until the master unlocks it
    /// (`man 3 unlockpt`).
    #[must_use]
    pub fn new(number: u32, id: TerminalId, jobs: Arc<dyn JobControl>) -> Arc<Self> {
        let state = State {
            bytes: VecDeque::new(),
            deserted: false,
            locked: true,
            rooms: 0,
        };
        let queue = Arc::new(Queue {
            state: SpinLock::new(Rank::Stream, state),
            readers: WaitQueue::new(),
            writers: WaitQueue::new(),
        });
        let terminal = Terminal::new(id, queue.clone(), jobs);
        Arc::new(Self {
            number,
            terminal,
            queue,
        })
    }

    /// The slave, for `/dev/pts`.
    ///
    /// # Errors
    /// EIO while it is locked.
    pub fn slave(&self) -> Result<&Arc<Terminal>, Errno> {
        if self.queue.state.lock().locked {
            Err(Errno::EIO)
        } else {
            Ok(&self.terminal)
        }
    }

    /// Its name in `/dev/pts`.
    #[must_use]
    pub fn number(&self) -> u32 {
        self.number
    }
}

impl FileOperations for PtyMaster {
    fn read(&self, cx: &IoContext<'_>, _position: u64, sink: &mut dyn Sink) -> Attempt<usize> {
        let room = sink.room();
        if room == 0 {
            return Ok(0);
        }
        let count = {
            let mut state = self.queue.state.lock();
            if state.bytes.is_empty() {
                if state.deserted {
                    return Err(Errno::EIO.into());
                }
                return cx.wait(|waiter| self.queue.readers.enrol(waiter));
            }
            let (front, _) = state.bytes.as_slices();
            let (now, _) = front.split_at(front.len().min(room));
            sink.put(now)?;
            let count = now.len();
            state.bytes.drain(..count);
            count
        };
        self.terminal.output_ready();
        Ok(count)
    }

    fn write(&self, cx: &IoContext<'_>, _position: u64, source: &mut dyn Source) -> Attempt<usize> {
        let wanted = source.remaining();
        let mut count = 0;
        let mut chunk = [0; CHUNK];
        while count < wanted {
            let rooms = self.queue.state.lock().rooms;
            let (part, _) = chunk.split_at_mut(CHUNK.min(wanted - count));
            match source.take(part) {
                Ok(()) => {}
                Err(stop) if count == 0 => return Err(stop),
                Err(_) => break,
            }
            let taken = self.terminal.receive(part);
            count += taken;
            if taken == part.len() {
                continue;
            }
            if count > 0 {
                break;
            }
            let state = self.queue.state.lock();
            if state.rooms != rooms {
                return Err(Stop::Again);
            }
            return cx.wait(|waiter| self.queue.writers.enrol(waiter));
        }
        Ok(count)
    }

    fn poll(&self, wanted: PollEvents, waiter: Option<&Waiter>) -> PollEvents {
        // Asked first: the terminal's lock comes before the queue's.
        let accepts = self.terminal.accepts_input();
        let state = self.queue.state.lock();
        let mut ready = PollEvents::empty();
        if !state.bytes.is_empty() {
            ready |= PollEvents::READABLE;
        }
        if accepts {
            ready |= PollEvents::WRITABLE;
        }
        if state.deserted {
            ready |= PollEvents::HUP;
        }
        ready &= wanted | PollEvents::ALWAYS;
        if let Some(waiter) = waiter.filter(|_| ready.is_empty()) {
            self.queue.readers.enrol(waiter);
            self.queue.writers.enrol(waiter);
        }
        ready
    }

    fn ioctl(
        &self,
        cx: &IoContext<'_>,
        request: u32,
        argument: &mut dyn IoctlArgument,
    ) -> Attempt<i64> {
        let answer = match request {
            TIOCGPTN => self.number,
            TIOCGPTLCK => u32::from(self.queue.state.lock().locked),
            FIONREAD => u32::try_from(self.queue.state.lock().bytes.len()).unwrap_or(u32::MAX),
            TIOCSPTLCK => {
                let mut bytes = [0; 4];
                argument.get(&mut bytes)?;
                self.queue.state.lock().locked = bytes != [0; 4];
                return Ok(0);
            }
            TCGETS | TCSETS | TCSETSW | TCSETSF | TCFLSH | TIOCGWINSZ | TIOCSWINSZ => {
                return self.terminal.view().control_request(cx, request, argument);
            }
            _ => return Err(Errno::ENOTTY.into()),
        };
        argument.put(&answer.to_le_bytes())?;
        Ok(0)
    }

    fn released(&self) {
        self.terminal.hang_up();
    }
}

#[cfg(test)]
mod tests;
