//! The terminal object and the files that programs have open on it.

use crate::discipline::{Discipline, Meaning};
use crate::jobs::{Caller, JobControl};
use crate::output::Output;
use crate::settings::Settings;
use abi::linux::{LocalFlags, PacketStatus, SignalNumber, VMIN, VTIME, Winsize};
use abi::{Errno, Nanos, Pid};
use alloc::sync::Arc;
use fallible::NoMemory;
use process::TerminalId;
use sync::{Guard, Rank, SpinLock};
use vfs::{FileOperations, IoContext, IoctlArgument};
use wait::{Attempt, PollEvents, Sink, Source, Stop, WaitQueue, Waiter};

/// Where a terminal's output goes. Called with the terminal's lock held: must not call the terminal.
#[expect(
    unused_variables,
    reason = "a default looks at nothing; its parameters have names for those who implement it"
)]
pub trait TerminalOutput: Send + Sync {
    /// Takes bytes; answers how many. After it has taken fewer than all, the driver calls
    /// [`Terminal::output_ready`] when it can take more.
    fn write(&self, bytes: &[u8]) -> usize;

    /// Something that a driver in packet mode passes on. Called with the terminal's lock held.
    fn status(&self, status: PacketStatus) {}

    /// There is room for input again, after [`Terminal::receive`] took less than all. Called without the lock.
    fn input_room(&self) {}

    /// The first file has been opened (true), or the last has been closed (false). Called without the lock.
    fn in_use(&self, used: bool) {}
}

/// A terminal: settings, input that has been typed, output that has not been sent, session and foreground group.
pub struct Terminal {
    id: TerminalId,
    pub(crate) driver: Arc<dyn TerminalOutput>,
    pub(crate) jobs: Arc<dyn JobControl>,
    pub(crate) state: SpinLock<State>,
    /// Those that wait for input, or for readiness.
    input: WaitQueue,
    /// Those that wait for room, for the output to drain, or for readiness.
    pub(crate) output: WaitQueue,
    /// Background processes that have been sent SIGTTIN or SIGTTOU: they try again in the foreground.
    background: WaitQueue,
}

pub(crate) struct State {
    pub(crate) settings: Settings,
    pub(crate) window: Winsize,
    pub(crate) discipline: Discipline,
    pub(crate) output: Output,
    pub(crate) session: Option<Pid>,
    pub(crate) foreground: Option<Pid>,
    /// Files that were opened in an earlier epoch have been hung up.
    epoch: u64,
    /// How many files are open on it.
    files: usize,
    /// The driver has been told to keep input.
    throttled: bool,
    /// The driver has been told that output is stopped.
    told_stopped: bool,
    last_input: Nanos,
    /// When the present read with VMIN 0 and VTIME ends.
    read_until: Option<Nanos>,
}

/// A terminal as one opening of it sees it.
pub struct TerminalFile {
    pub(crate) terminal: Arc<Terminal>,
    epoch: u64,
}

/// A deadline that nobody has come back for in this time belongs to a read that was interrupted.
const STALE: Nanos = Nanos(100_000_000);
/// The unit of VTIME, in nanoseconds.
const TENTH: u64 = 100_000_000;
/// Bytes that a write takes from the program at a time.
const CHUNK: usize = 256;

impl Terminal {
    /// A terminal with the default [`Settings`], no window size and no session.
    pub fn new(
        id: TerminalId,
        driver: Arc<dyn TerminalOutput>,
        jobs: Arc<dyn JobControl>,
    ) -> Result<Arc<Self>, NoMemory> {
        let state = State {
            settings: Settings::default(),
            window: Winsize::default(),
            discipline: Discipline::default(),
            output: Output::default(),
            session: None,
            foreground: None,
            epoch: 0,
            files: 0,
            throttled: false,
            told_stopped: false,
            last_input: Nanos(0),
            read_until: None,
        };
        fallible::arc(Self {
            id,
            driver,
            jobs,
            state: SpinLock::new(Rank::Stream, state),
            input: WaitQueue::new(),
            output: WaitQueue::new(),
            background: WaitQueue::new(),
        })
    }

    /// Its number, by which sessions know it.
    #[must_use]
    pub fn id(&self) -> TerminalId {
        self.id
    }

    /// The process group in the foreground, if it controls a session.
    pub fn foreground(&self) -> Option<Pid> {
        self.state.lock().foreground
    }

    /// Opens the terminal. It becomes the controlling terminal of a session leader that has none, if it
    /// controls no session and `acquire` (no O_NOCTTY).
    ///
    /// # Errors
    /// [`NoMemory`].
    pub fn open(
        self: &Arc<Self>,
        cx: &IoContext<'_>,
        acquire: bool,
    ) -> Result<Arc<TerminalFile>, NoMemory> {
        let file = fallible::arc(self.view())?;
        if acquire {
            let caller = self.jobs.caller(cx);
            if caller.pid == caller.session && !caller.has_terminal {
                self.control(&caller, false);
            }
        }
        Ok(file)
    }

    /// The terminal as a file opened now sees it.
    pub(crate) fn view(self: &Arc<Self>) -> TerminalFile {
        TerminalFile {
            terminal: self.clone(),
            epoch: self.state.lock().epoch,
        }
    }

    /// Becomes the controlling terminal of the caller's session; answers whether it did. A terminal that controls another
    /// session does only if it is to `steal`.
    pub(crate) fn control(&self, caller: &Caller, steal: bool) -> bool {
        let robbed = {
            let mut state = self.state.lock();
            if state.session.is_some() && !steal {
                return false;
            }
            state.foreground = Some(caller.group);
            state.session.replace(caller.session)
        };
        if let Some(robbed) = robbed {
            self.jobs.set_terminal(robbed, None);
        }
        self.jobs.set_terminal(caller.session, Some(self.id));
        true
    }

    /// Sets the window size; the foreground group is told with SIGWINCH when it changes.
    pub fn set_window(&self, window: Winsize) {
        let group = {
            let mut state = self.state.lock();
            let changed = core::mem::replace(&mut state.window, window) != window;
            state.foreground.filter(|_| changed)
        };
        if let Some(group) = group {
            self.jobs.signal(group, SignalNumber::SIGWINCH);
        }
    }

    /// Takes input from the driver; answers how much. The rest is for the driver to keep until
    /// [`TerminalOutput::input_room`]. May be called from an interrupt.
    pub fn receive(&self, bytes: &[u8]) -> usize {
        let mut taken = 0;
        loop {
            let (more, signal) = self.receive_some(bytes.get(taken..).unwrap_or_default());
            taken += more;
            let Some((group, signal)) = signal else {
                return taken;
            };
            self.jobs.signal(group, signal);
        }
    }

    /// Takes input up to the first character that is a signal.
    fn receive_some(&self, bytes: &[u8]) -> (usize, Option<(Pid, SignalNumber)>) {
        let now = self.jobs.now();
        let mut guard = self.state.lock();
        let state = &mut *guard;
        let (mut taken, mut sent) = (0, None);
        let mut readable = false;
        for byte in bytes {
            if !state.discipline.has_room(&state.settings) {
                state.throttled = true;
                break;
            }
            taken += 1;
            match state
                .discipline
                .receive(&state.settings, &mut state.output, *byte)
            {
                Meaning::Input => readable = true,
                Meaning::Signal(signal) => sent = state.foreground.map(|group| (group, signal)),
                Meaning::Flow | Meaning::Nothing => {}
            }
            if sent.is_some() {
                break;
            }
        }
        if readable {
            state.last_input = now;
            self.input.wake_all();
        }
        self.flush(state);
        (taken, sent)
    }

    /// Whether [`Terminal::receive`] would take anything; when not, [`TerminalOutput::input_room`] will be called.
    pub(crate) fn accepts_input(&self) -> bool {
        let mut state = self.state.lock();
        let accepts = state.discipline.has_room(&state.settings);
        state.throttled |= !accepts;
        accepts
    }

    /// The driver can take more output.
    pub fn output_ready(&self) {
        self.flush(&mut self.state.lock());
    }

    /// The line is gone, or `vhangup`: open files are at their end, the session loses the terminal, its leader and the
    /// foreground group get SIGHUP and SIGCONT.
    pub fn hang_up(&self) {
        let (session, foreground) = self.disconnect();
        if let Some(session) = session {
            self.jobs.set_terminal(session, None);
        }
        let leader = session.filter(|leader| Some(*leader) != foreground);
        for group in leader.into_iter().chain(foreground) {
            self.jobs.signal(group, SignalNumber::SIGHUP);
            self.jobs.signal(group, SignalNumber::SIGCONT);
        }
    }

    /// The leader of the session has ended (`Exit::lost_terminal`), or gives the terminal up: the foreground
    /// group gets SIGHUP and SIGCONT.
    pub fn session_ended(&self) {
        let (_, foreground) = self.disconnect();
        if let Some(group) = foreground {
            self.jobs.signal(group, SignalNumber::SIGHUP);
            self.jobs.signal(group, SignalNumber::SIGCONT);
        }
    }

    fn disconnect(&self) -> (Option<Pid>, Option<Pid>) {
        let mut state = self.state.lock();
        state.epoch += 1;
        state.discipline.discard();
        state.output.stopped = false;
        state.settings = Settings::default();
        self.wake_everybody();
        (state.session.take(), state.foreground.take())
    }

    /// Lets everybody look again; the lock is held.
    pub(crate) fn wake_everybody(&self) {
        self.input.wake_all();
        self.output.wake_all();
        self.background.wake_all();
    }

    /// Hands output to the driver and wakes those that wait for room.
    pub(crate) fn flush(&self, state: &mut State) {
        let stopped = state.output.stopped;
        if core::mem::replace(&mut state.told_stopped, stopped) != stopped {
            self.driver.status(if stopped {
                PacketStatus::STOP
            } else {
                PacketStatus::START
            });
        }
        if state.output.flush(|bytes| self.driver.write(bytes)) && state.output.has_room() {
            self.output.wake_all();
        }
    }

    /// Tells the driver that input has been taken, if it waits for that.
    pub(crate) fn unthrottle(&self, mut state: Guard<'_, State>) {
        let throttled = core::mem::take(&mut state.throttled);
        drop(state);
        if throttled {
            self.driver.input_room();
        }
    }

    /// Whether the caller is in the background of its own terminal.
    fn in_background(state: &State, caller: &Caller) -> bool {
        state.session == Some(caller.session)
            && state.foreground.is_some_and(|group| group != caller.group)
    }

    /// Stops a process that reads (SIGTTIN) or changes (SIGTTOU) its terminal from the background (POSIX 11.1.4).
    ///
    /// # Errors
    /// EIO when the signal would do no good; [`Stop::Park`] when it has been sent: the call runs again in the foreground.
    pub(crate) fn require_foreground(
        &self,
        cx: &IoContext<'_>,
        caller: &Caller,
        signal: SignalNumber,
    ) -> Attempt<()> {
        if !Self::in_background(&self.state.lock(), caller) {
            return Ok(());
        }
        let deaf = caller.deaf_to.contains(signal);
        if deaf && signal == SignalNumber::SIGTTOU {
            return Ok(());
        }
        if deaf || self.jobs.is_orphaned(caller.group) {
            return Err(Errno::EIO.into());
        }
        {
            let state = self.state.lock();
            if !Self::in_background(&state, caller) {
                return Ok(());
            }
            self.background.enrol(cx.waiter());
        }
        self.jobs.signal(caller.group, signal);
        Err(Stop::Park)
    }
}

impl TerminalFile {
    /// The terminal.
    #[must_use]
    pub fn terminal(&self) -> &Arc<Terminal> {
        &self.terminal
    }

    pub(crate) fn hung_up(&self, state: &State) -> bool {
        state.epoch != self.epoch
    }

    /// Whether a read without lines gets what there is, or when to look again.
    fn raw_ready(&self, state: &mut State, room: usize, now: Nanos) -> Readiness {
        let least = usize::from(state.settings.value(VMIN));
        let time = Nanos(u64::from(state.settings.value(VTIME)) * TENTH);
        let available = state.discipline.available(&state.settings);
        if available >= least.min(room).max(1) || (least == 0 && time == Nanos(0)) {
            return Readiness::Now;
        }
        if time == Nanos(0) {
            return Readiness::Input;
        }
        let deadline = match (least, available) {
            // The time runs from the start of the read, which may have been an earlier run of this call.
            (0, _) => match state.read_until {
                Some(deadline) if deadline.saturating_add(STALE) > now => deadline,
                _ => now.saturating_add(time),
            },
            (_, 0) => return Readiness::Input,
            // The time runs from the last byte.
            _ => state.last_input.saturating_add(time),
        };
        if now >= deadline {
            return Readiness::Now;
        }
        state.read_until = Some(deadline).filter(|_| least == 0);
        Readiness::Until(deadline)
    }
}

/// Whether a read can be answered.
enum Readiness {
    Now,
    Input,
    Until(Nanos),
}

impl FileOperations for TerminalFile {
    fn read(&self, cx: &IoContext<'_>, _position: u64, sink: &mut dyn Sink) -> Attempt<usize> {
        let room = sink.room();
        if room == 0 {
            return Ok(0);
        }
        let terminal = &*self.terminal;
        let caller = terminal.jobs.caller(cx);
        terminal.require_foreground(cx, &caller, SignalNumber::SIGTTIN)?;
        let now = terminal.jobs.now();
        let mut guard = terminal.state.lock();
        let state = &mut *guard;
        if self.hung_up(state) {
            return Ok(0);
        }
        if !state.settings.canonical() {
            match self.raw_ready(state, room, now) {
                Readiness::Now => state.read_until = None,
                Readiness::Input => return cx.wait(|waiter| terminal.input.enrol(waiter)),
                Readiness::Until(deadline) => {
                    let parked = cx.wait(|waiter| terminal.input.enrol(waiter));
                    drop(guard);
                    if parked == Err(Stop::Park) {
                        terminal.jobs.wake_at(cx.waiter(), deadline);
                    }
                    return parked;
                }
            }
        }
        let Some(bytes) = state.discipline.next(&state.settings, room) else {
            return cx.wait(|waiter| terminal.input.enrol(waiter));
        };
        let count = bytes.len();
        if count > 0 {
            sink.put(bytes)?;
        }
        state.discipline.consume(&state.settings, count);
        terminal.unthrottle(guard);
        Ok(count)
    }

    fn write(&self, cx: &IoContext<'_>, _position: u64, source: &mut dyn Source) -> Attempt<usize> {
        let terminal = &*self.terminal;
        if terminal
            .state
            .lock()
            .settings
            .local
            .contains(LocalFlags::TOSTOP)
        {
            let caller = terminal.jobs.caller(cx);
            terminal.require_foreground(cx, &caller, SignalNumber::SIGTTOU)?;
        }
        let mut guard = terminal.state.lock();
        let state = &mut *guard;
        if self.hung_up(state) {
            return Err(Errno::EIO.into());
        }
        let wanted = source.remaining();
        let mut count = 0;
        let mut chunk = [0; CHUNK];
        while count < wanted {
            if !state.output.has_room() {
                terminal.flush(state);
            }
            if !state.output.has_room() {
                break;
            }
            let (part, _) = chunk.split_at_mut(CHUNK.min(wanted - count));
            let room = state.output.reserve(part.len()).map_err(Stop::from);
            match room.and_then(|()| source.take(part)) {
                Ok(()) => {}
                Err(stop) if count == 0 => return Err(stop),
                Err(_) => break,
            }
            state.output.print(&state.settings, part);
            count += part.len();
        }
        terminal.flush(state);
        if count == 0 && wanted > 0 {
            return cx.wait(|waiter| terminal.output.enrol(waiter));
        }
        Ok(count)
    }

    fn poll(&self, wanted: PollEvents, waiter: Option<&Waiter>) -> PollEvents {
        let state = self.terminal.state.lock();
        let mut ready = PollEvents::empty();
        if self.hung_up(&state) {
            ready |=
                PollEvents::READABLE | PollEvents::WRITABLE | PollEvents::HUP | PollEvents::ERR;
        }
        if state.discipline.is_readable(&state.settings) {
            ready |= PollEvents::READABLE;
        }
        if state.output.has_room() {
            ready |= PollEvents::WRITABLE;
        }
        ready &= wanted | PollEvents::ALWAYS;
        ready.or_enrol_for(wanted, waiter, &self.terminal.input, &self.terminal.output)
    }

    fn ioctl(
        &self,
        cx: &IoContext<'_>,
        request: u32,
        argument: &mut dyn IoctlArgument,
    ) -> Attempt<i64> {
        self.control_request(cx, request, argument)
    }

    fn opened(&self) {
        let first = {
            let mut state = self.terminal.state.lock();
            state.files += 1;
            state.files == 1
        };
        if first {
            self.terminal.driver.in_use(true);
        }
    }

    fn released(&self) {
        let last = {
            let mut state = self.terminal.state.lock();
            state.files = state.files.saturating_sub(1);
            state.files == 0
        };
        if last {
            self.terminal.driver.in_use(false);
        }
    }
}

#[cfg(test)]
pub(crate) mod tests;
