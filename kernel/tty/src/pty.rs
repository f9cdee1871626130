//! Pseudoterminals (`man 7 pty`): a terminal whose driver is another program.
//!
//! The slave is an ordinary [`Terminal`]. What it prints goes into a queue that the master reads; what the
//! master writes is typed. In packet mode (TIOCPKT) the master's reads begin with a byte that is 0 before data, and otherwise
//! tells what has changed at the slave. Lock order: the terminal, then the queue, both of rank [`Rank::Stream`].

use crate::jobs::JobControl;
use crate::terminal::{Terminal, TerminalOutput};
use abi::Errno;
use abi::linux::{
    FIONREAD, PacketStatus, SignalNumber, TCFLSH, TCGETA, TCGETS, TCSETA, TCSETAF, TCSETAW, TCSETS,
    TCSETSF, TCSETSW, TIOCGPGRP, TIOCGPKT, TIOCGPTLCK, TIOCGPTN, TIOCGSID, TIOCGWINSZ, TIOCPKT,
    TIOCSIG, TIOCSPTLCK, TIOCSWINSZ,
};
use alloc::boxed::Box;
use alloc::collections::VecDeque;
use alloc::sync::Arc;
use core::any::Any;
use fallible::NoMemory;
use process::TerminalId;
use sync::{Rank, SpinLock};
use vfs::{FileOperations, IoContext, IoctlArgument};
use wait::{Attempt, PollEvents, Sink, Source, Stop, WaitQueue, Waiter};

/// The master's end of a pty. When the last file that it stands behind is closed the slave is hung up.
pub struct PtyMaster {
    number: u32,
    terminal: Arc<Terminal>,
    queue: Arc<Queue>,
}

/// What a pty holds as long as one of its ends exists: its number. Dropped without a lock of the pty.
pub type Lease = Box<dyn Any + Send + Sync>;

/// What the slave has printed and the master has not read.
struct Queue {
    state: SpinLock<State>,
    readers: WaitQueue,
    writers: WaitQueue,
    /// Held, never looked at: it goes with the queue, which both ends refer to.
    _lease: Lease,
}

struct State {
    bytes: VecDeque<u8>,
    /// The slave has been open and is no more.
    deserted: bool,
    locked: bool,
    /// How many files the master stands behind.
    masters: usize,
    /// There have been some, and there are none any more.
    hung_up: bool,
    /// In packet mode: what the master has not been told.
    packet: Option<PacketStatus>,
    /// How often the terminal has had room for input again: a writer that saw none looks whether this has changed.
    rooms: u64,
}

/// Bytes that the queue holds before the slave's output waits.
const CAPACITY: usize = 4096;
const CHUNK: usize = 256;
/// Signals that TIOCSIG can send: those that can be typed.
const TYPED: [SignalNumber; 3] = [
    SignalNumber::SIGINT,
    SignalNumber::SIGQUIT,
    SignalNumber::SIGTSTP,
];

impl TerminalOutput for Queue {
    fn write(&self, bytes: &[u8]) -> usize {
        let mut state = self.state.lock();
        let room = CAPACITY.saturating_sub(state.bytes.len());
        let (now, _) = bytes.split_at(bytes.len().min(room));
        if state.bytes.is_empty() && !now.is_empty() {
            self.readers.wake_all();
        }
        state.bytes.extend(now);
        now.len()
    }

    fn status(&self, status: PacketStatus) {
        /// Which take back each other.
        const PAIRS: [PacketStatus; 2] = [
            PacketStatus::STOP.union(PacketStatus::START),
            PacketStatus::NOSTOP.union(PacketStatus::DOSTOP),
        ];
        if let Some(untold) = &mut self.state.lock().packet {
            let pair = PAIRS.into_iter().find(|pair| pair.contains(status));
            untold.remove(pair.unwrap_or_default());
            untold.insert(status);
            self.readers.wake_all();
        }
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
    /// A pty; `number` is its name in `/dev/pts`, and `lease` goes when both ends have gone. The slave is locked
    /// until the master unlocks it (`man 3 unlockpt`).
    ///
    /// # Errors
    /// [`NoMemory`].
    pub fn new(
        number: u32,
        id: TerminalId,
        jobs: Arc<dyn JobControl>,
        lease: Lease,
    ) -> Result<Arc<Self>, NoMemory> {
        // All that it may ever hold: output goes on when there is no memory.
        let mut bytes = VecDeque::new();
        bytes.try_reserve_exact(CAPACITY).map_err(NoMemory::from)?;
        let state = State {
            bytes,
            deserted: false,
            locked: true,
            masters: 0,
            hung_up: false,
            packet: None,
            rooms: 0,
        };
        let queue = fallible::arc(Queue {
            state: SpinLock::new(Rank::Stream, state),
            readers: WaitQueue::new(),
            writers: WaitQueue::new(),
            _lease: lease,
        })?;
        let terminal = Terminal::new(id, queue.clone(), jobs)?;
        fallible::arc(Self {
            number,
            terminal,
            queue,
        })
    }

    /// The slave, for `/dev/pts`.
    ///
    /// # Errors
    /// EIO while it is locked, and when the master has been closed.
    pub fn slave(&self) -> Result<&Arc<Terminal>, Errno> {
        let state = self.queue.state.lock();
        if state.locked || state.hung_up {
            Err(Errno::EIO)
        } else {
            Ok(&self.terminal)
        }
    }

    /// The terminal that the slave is, locked or not: for those who only look.
    #[must_use]
    pub fn terminal(&self) -> &Arc<Terminal> {
        &self.terminal
    }

    /// Whether the master has not been closed: the slave has a name in `/dev/pts` until then.
    #[must_use]
    pub fn is_open(&self) -> bool {
        !self.queue.state.lock().hung_up
    }

    /// Its name in `/dev/pts`.
    #[must_use]
    pub fn number(&self) -> u32 {
        self.number
    }

    /// TIOCGPGRP (0 when no group is in the foreground) and TIOCGSID.
    fn session_request(&self, cx: &IoContext<'_>, request: u32) -> Result<u32, Errno> {
        let (session, foreground) = {
            let state = self.terminal.state.lock();
            (state.session, state.foreground)
        };
        let seen = |number| self.terminal.jobs.seen(cx, number).0;
        if request == TIOCGPGRP {
            return Ok(foreground.map_or(0, seen));
        }
        session.map(seen).ok_or(Errno::ENOTTY)
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
            if let Some(untold) = state.packet.filter(|untold| !untold.is_empty()) {
                sink.put(&[untold.bits()])?;
                state.packet = Some(PacketStatus::default());
                return Ok(1);
            }
            if state.bytes.is_empty() {
                if state.deserted {
                    return Err(Errno::EIO.into());
                }
                return cx.wait(|waiter| self.queue.readers.enrol(waiter));
            }
            // A packet of data has a byte before it that is 0.
            let head = usize::from(state.packet.is_some());
            let (front, _) = state.bytes.as_slices();
            let (now, _) = front.split_at(front.len().min(room - head));
            sink.put(&[0][..head])?;
            sink.put(now)?;
            let count = now.len();
            state.bytes.drain(..count);
            head + count
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
        let (accepts, state) = loop {
            let rooms = self.queue.state.lock().rooms;
            // Asked first: the terminal's lock comes before the queue's.
            let accepts = self.terminal.accepts_input();
            let state = self.queue.state.lock();
            if accepts || state.rooms == rooms {
                break (accepts, state);
            }
        };
        let mut ready = PollEvents::empty();
        if !state.bytes.is_empty() {
            ready |= PollEvents::READABLE;
        }
        if state.packet.is_some_and(|untold| !untold.is_empty()) {
            ready |= PollEvents::READABLE | PollEvents::PRI;
        }
        if accepts {
            ready |= PollEvents::WRITABLE;
        }
        if state.deserted {
            ready |= PollEvents::HUP;
        }
        ready &= wanted | PollEvents::ALWAYS;
        ready.or_enrol_for(wanted, waiter, &self.queue.readers, &self.queue.writers)
    }

    fn ioctl(
        &self,
        cx: &IoContext<'_>,
        request: u32,
        argument: &mut dyn IoctlArgument,
    ) -> Attempt<i64> {
        let answer = match request {
            TIOCGPTN => self.number,
            TIOCGPKT => u32::from(self.queue.state.lock().packet.is_some()),
            TIOCPKT => {
                let mut bytes = [0; 4];
                argument.get(&mut bytes)?;
                let mut state = self.queue.state.lock();
                let former = state.packet.unwrap_or_default();
                state.packet = (bytes != [0; 4]).then_some(former);
                return Ok(0);
            }
            TIOCGPTLCK => u32::from(self.queue.state.lock().locked),
            FIONREAD => u32::try_from(self.queue.state.lock().bytes.len()).unwrap_or(u32::MAX),
            TIOCSPTLCK => {
                let mut bytes = [0; 4];
                argument.get(&mut bytes)?;
                self.queue.state.lock().locked = bytes != [0; 4];
                return Ok(0);
            }
            TCGETA | TCSETA | TCSETAW | TCSETAF | TCGETS | TCSETS | TCSETSW | TCSETSF | TCFLSH
            | TIOCGWINSZ | TIOCSWINSZ => {
                return self.terminal.view().control_request(cx, request, argument);
            }
            // The master's holder may ask without belonging to the session.
            TIOCGPGRP | TIOCGSID => self.session_request(cx, request)?,
            TIOCSIG => {
                let signal = SignalNumber::new(argument.value())?;
                if !TYPED.contains(&signal) {
                    return Err(Errno::EINVAL.into());
                }
                if let Some(group) = self.terminal.foreground() {
                    self.terminal.jobs.signal(group, signal);
                }
                return Ok(0);
            }
            _ => return Err(Errno::ENOTTY.into()),
        };
        argument.put(&answer.to_le_bytes())?;
        Ok(0)
    }

    fn opened(&self) {
        self.queue.state.lock().masters += 1;
    }

    fn released(&self) {
        {
            let mut state = self.queue.state.lock();
            state.masters = state.masters.saturating_sub(1);
            if state.masters > 0 {
                return;
            }
            state.hung_up = true;
        }
        self.terminal.hang_up();
    }
}

#[cfg(test)]
mod tests;
