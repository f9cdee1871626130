//! Tracing: what a tracer and a thread that it traces tell each other (`man 2 ptrace`).
//!
//! Who traces whom and which stops are to be reported stands in the [`ProcessTree`](process::ProcessTree), by number; how a
//! thread is traced and where it has halted stands in the thread, in its [`Tracing`]. A thread halts by itself
//! (`running/traced.rs`): it puts its registers back first, then says that it has halted, and then parks. So whoever sees it
//! halted finds its registers in place; they are not on any CPU until the tracer, or the end of the process, lets it go on.
//!
//! The tracer is a process: each of its threads may ask. Locks: the tree's, under it the thread's own.

pub mod registers;

use crate::family;
use crate::process::Process;
use crate::signals::{self, Origin};
use crate::system::{Tree, system};
use crate::thread::Thread;
use abi::linux::{
    CloneFlags, SI_USER, SigInfo, SignalNumber, TRAP_TRACE, TraceEvent, TraceOptions,
};
use abi::{Errno, Pid};
use alloc::sync::Arc;
use core::sync::atomic::Ordering;
use process::{ExitStatus, Notice};
use security::Privileges;
use wait::Phase;

/// How a thread is traced.
#[derive(Clone, Copy, Debug)]
pub struct Relation {
    /// What its tracer wants to be told.
    pub options: TraceOptions,
    /// By PTRACE_SEIZE: stops that are not of a signal are told as such.
    pub seized: bool,
}

/// Where a traced thread has halted.
#[derive(Clone, Copy, Debug)]
pub enum Halt {
    /// At the start of a system call.
    Entry,
    /// At the end of one.
    Exit,
    /// A signal is about to be delivered.
    Signal(SigInfo),
    /// Its process is stopped by a signal.
    Group(SignalNumber),
    /// Its tracer has asked, or a seized one begins or goes on after a group stop.
    Trap,
    /// Something that the tracer wants to be told.
    Event(TraceEvent),
}

impl Halt {
    /// What `wait4` tells: the signal, with the event in the second byte.
    pub fn code(self, relation: Relation) -> u16 {
        /// Marks a stop of a system call.
        const GOOD: u16 = 0x80;
        let trap = u16::from(SignalNumber::SIGTRAP.get());
        let event = |event: u8| u16::from(event) << 8;
        match self {
            Self::Entry | Self::Exit if relation.options.contains(TraceOptions::SYSGOOD) => {
                trap | GOOD
            }
            Self::Entry | Self::Exit => trap,
            Self::Signal(info) => u16::from(info.signal.get()),
            Self::Group(signal) if relation.seized => {
                u16::from(signal.get()) | event(TraceEvent::STOP)
            }
            Self::Group(signal) => u16::from(signal.get()),
            Self::Trap => trap | event(TraceEvent::STOP),
            Self::Event(kind) => trap | event(kind as u8),
        }
    }

    /// Whether a call that the thread is in is the tracer's to see as it is, not as one that a signal interrupts.
    pub const fn is_of_call(self) -> bool {
        matches!(self, Self::Entry | Self::Event(_))
    }
}

/// How far a thread goes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mode {
    /// Until something happens.
    #[default]
    Run,
    /// To the start or the end of a system call.
    Calls,
    /// One instruction.
    Step,
}

/// What a thread and its tracer have to tell each other.
#[derive(Debug, Default)]
pub struct Tracing {
    /// How it is traced; `None` when it is not any more and just has not noticed yet.
    pub relation: Option<Relation>,
    /// Where it has halted.
    pub halt: Option<Halt>,
    /// It may leave the halt, with this signal.
    resumed: Option<Option<SigInfo>>,
    /// How far it goes.
    pub mode: Mode,
    /// The start of the call that it is in has been told, and its end has not.
    inside: bool,
    /// The end of a call is to be told.
    exit_due: bool,
    /// An event is to be told, with its message.
    event: Option<(TraceEvent, u64)>,
    /// What came with the last event.
    pub message: u64,
    /// It is to halt.
    trap: bool,
    /// In a group stop: its end is to be told, though the tracer has let the thread be.
    listening: bool,
    /// The stop of its process, by number, through which its tracer lets it run.
    passed: Option<u32>,
    /// The first argument of the call whose start or end was told.
    pub argument: u64,
    /// The tracer has put the registers of an interrupted call in place, which had this first argument.
    pub restart: Option<u64>,
    /// The end of the thread has been told.
    end_told: bool,
    /// What the thread has given to `exit`.
    pub exit_code: Option<u8>,
}

/// What a traced thread does next.
#[derive(Clone, Copy, Debug)]
pub enum Next {
    /// Nothing that tracing asks for.
    Free,
    /// It stays halted.
    Stay,
    /// It leaves a halt, with a signal.
    Leave(Halt, Option<SigInfo>),
    /// It halts.
    Halt(Halt),
}

impl Tracing {
    fn wants(&self, event: TraceEvent) -> bool {
        let wanted = event.option();
        self.relation
            .is_some_and(|relation| relation.options.contains(wanted))
    }

    /// What is next; `stop` is the number of the present stop of the process with its signal.
    fn next(&mut self, stop: Option<(u32, SignalNumber)>) -> Next {
        if let Some(halt) = self.halt {
            if let Some(signal) = self.resumed.take() {
                self.halt = None;
                if matches!(halt, Halt::Group(_) | Halt::Trap) {
                    self.passed = stop.map(|(number, _)| number);
                }
                return Next::Leave(halt, signal);
            }
            if self.listening && (stop.is_none() || self.trap) {
                self.listening = false;
                return Next::Halt(Halt::Trap);
            }
            return Next::Stay;
        }
        if self.relation.is_none() {
            return Next::Free;
        }
        if let Some((event, message)) = self.event.take() {
            self.message = message;
            return Next::Halt(Halt::Event(event));
        }
        if core::mem::take(&mut self.exit_due) {
            return Next::Halt(Halt::Exit);
        }
        match stop {
            Some((number, signal)) if self.passed != Some(number) => {
                Next::Halt(Halt::Group(signal))
            }
            _ if self.trap => Next::Halt(Halt::Trap),
            _ => Next::Free,
        }
    }
}

/// Makes a process trace a thread.
///
/// # Errors
/// EPERM for one that is traced or the tracer's own, ESRCH for one that has ended, ENOMEM.
pub fn attach(tracer: Pid, thread: &Arc<Thread>, relation: Relation) -> Result<(), Errno> {
    let fresh = fallible::boxed(Tracing::default())?;
    let mut tree = system().tree.lock();
    if thread.phase() == Phase::Dead {
        return Err(Errno::ESRCH);
    }
    tree.trace(tracer, thread.tid(), thread.process.pid)?;
    let mut own = thread.tracing.lock();
    let own = own.get_or_insert(fresh);
    own.relation = Some(relation);
    thread.traced.store(true, Ordering::Release);
    Ok(())
}

/// Lets the tracer of a thread that makes another trace that too, when it wants to. The new one has not run.
///
/// # Errors
/// ENOMEM.
pub fn inherit(
    parent: &Thread,
    child: &Arc<Thread>,
    flags: CloneFlags,
    event: TraceEvent,
) -> Result<(), Errno> {
    if !parent.is_traced() {
        return Ok(());
    }
    let relation = {
        let own = parent.tracing.lock();
        let wants = |own: &Tracing| own.wants(event) && !flags.contains(CloneFlags::UNTRACED);
        let traces = |own: &Tracing| wants(own) || flags.contains(CloneFlags::PTRACE);
        let own = own.as_ref().filter(|own| traces(own));
        own.and_then(|own| own.relation)
    };
    let Some(relation) = relation else {
        return Ok(());
    };
    let tracer = system().tree.lock().tracer(parent.tid());
    let attached = tracer.map(|tracer| attach(tracer, child, relation));
    match attached {
        Some(Err(Errno::ENOMEM)) => return Err(Errno::ENOMEM),
        // The tracer has just ended.
        None | Some(Err(_)) => return Ok(()),
        Some(Ok(())) => {}
    }
    if relation.seized {
        if let Some(own) = child.tracing.lock().as_mut() {
            own.trap = true;
        }
    } else {
        let stop = SigInfo::kernel(SignalNumber::SIGSTOP);
        child.signals.lock().pending.replace(stop);
    }
    Ok(())
}

/// Takes back what [`inherit`] has done, for a thread that does not come to be.
pub fn disinherit(child: &Thread) {
    if child.is_traced() {
        let _no_process_has_ended = system().tree.lock().untrace(child.tid());
    }
}

/// The thread that runs here has come to something that its tracer may want to be told.
pub fn happened(thread: &Thread, event: TraceEvent, message: u64) {
    if !thread.is_traced() {
        return;
    }
    if let Some(own) = thread.tracing.lock().as_mut()
        && own.wants(event)
    {
        own.event = Some((event, message));
        thread.call_attention();
    }
}

/// The thread that runs here has executed a program; it had the number `former` before, as its partition counts.
pub fn executed(thread: &Arc<Thread>, former: Pid) {
    if !thread.is_traced() {
        return;
    }
    happened(thread, TraceEvent::Exec, u64::from(former.0));
    let trap = {
        let own = thread.tracing.lock();
        let old_style = |own: &Tracing| {
            let relation = own.relation.filter(|relation| !relation.seized);
            relation.is_some_and(|relation| !relation.options.contains(TraceOptions::EXEC))
        };
        own.as_ref().is_some_and(|own| old_style(own))
    };
    if trap {
        let pid = thread.process.virtual_pid();
        let uid = thread.credential().identity.uid;
        let info = SigInfo::sent(SignalNumber::SIGTRAP, SI_USER, pid.0, uid);
        signals::send(&thread.process, Some(thread), info, Origin::Inside).ok();
    }
}

/// Whether a program gives the thread no more rights than it has: its tracer could use them without having them.
pub fn withholds_rights(thread: &Thread) -> bool {
    if !thread.is_traced() {
        return false;
    }
    let tracer = {
        let tree = system().tree.lock();
        let tracer = tree.tracer(thread.tid());
        tracer.and_then(|tracer| tree.pids.by_pid(tracer)?.process())
    };
    tracer.is_some_and(|tracer| {
        let credential = tracer.credential();
        credential.require(Privileges::INSPECTION).is_err()
    })
}

/// Whether the call that the thread which runs here is about to run has to be told first.
pub fn enters_call(thread: &Thread) -> bool {
    let own = thread.tracing.lock();
    let enters = |own: &Tracing| own.relation.is_some() && own.mode == Mode::Calls && !own.inside;
    own.as_ref().is_some_and(|own| enters(own))
}

/// Whether the call that the thread is in and that a signal interrupts has to be told as ended first.
pub fn is_inside(thread: &Thread) -> bool {
    let own = thread.tracing.lock();
    let inside = |own: &Tracing| own.relation.is_some() && own.mode == Mode::Calls && own.inside;
    own.as_ref().is_some_and(|own| inside(own))
}

/// The call of the thread that runs here is over; `at` is the address where it goes on.
pub fn call_is_over(thread: &Arc<Thread>, at: u64) {
    let stepping = {
        let mut own = thread.tracing.lock();
        let Some(own) = own.as_mut() else { return };
        let told = core::mem::take(&mut own.inside);
        own.exit_due |= told && own.mode == Mode::Calls;
        own.relation.is_some() && own.mode == Mode::Step
    };
    thread.call_attention();
    if stepping {
        signals::fault(
            thread,
            SigInfo::fault(SignalNumber::SIGTRAP, TRAP_TRACE, at),
        );
    }
}

/// What the thread that runs here does next.
pub fn next(thread: &Thread) -> Next {
    let stop = thread.process.with(|state| {
        let stopped = state.stopped;
        stopped.then_some((state.stops, state.stop_signal))
    });
    let mut own = thread.tracing.lock();
    let Some(tracing) = own.as_mut() else {
        return Next::Free;
    };
    let next = tracing.next(stop);
    if tracing.relation.is_none() && tracing.halt.is_none() {
        thread.traced.store(false, Ordering::Release);
        let _over = own.take();
    }
    next
}

/// How far the thread goes, to be told its context.
pub fn mode(thread: &Thread) -> Mode {
    let own = thread.tracing.lock();
    own.as_ref().map_or(Mode::Run, |own| own.mode)
}

/// The registers of the thread have been put back, and it halts: tells its tracer. False when it has none.
pub fn halted(thread: &Thread, halt: Halt, argument: u64) -> bool {
    let notice = {
        let mut tree = system().tree.lock();
        let code = {
            let mut own = thread.tracing.lock();
            let Some(own) = own.as_mut() else {
                return false;
            };
            let Some(relation) = own.relation else {
                return false;
            };
            own.halt = Some(halt);
            own.resumed = None;
            match halt {
                Halt::Entry => (own.inside, own.argument) = (true, argument),
                Halt::Exit => own.inside = false,
                Halt::Group(_) | Halt::Trap => own.trap = false,
                Halt::Event(TraceEvent::Exit) => own.end_told = true,
                Halt::Event(TraceEvent::Seccomp) => own.argument = argument,
                Halt::Signal(_) | Halt::Event(_) => {}
            }
            halt.code(relation)
        };
        tree.trapped(thread.tid(), code)
    };
    tell(notice);
    true
}

/// The thread ends: whether its tracer wants to be told, and has not been.
pub fn tells_its_end(thread: &Thread) -> bool {
    let own = thread.tracing.lock();
    let tells = |own: &Tracing| own.wants(TraceEvent::Exit) && !own.end_told;
    own.as_ref().is_some_and(|own| tells(own))
}

/// Whether the tracer of a thread is to be asked about a call that a filter leaves to it; it finds a `message` then.
pub fn asks(thread: &Thread, message: u64) -> bool {
    let mut own = thread.tracing.lock();
    let asked = own.as_mut().filter(|own| own.wants(TraceEvent::Seccomp));
    match asked {
        Some(own) => {
            own.message = message;
            true
        }
        None => false,
    }
}

/// Whether a thread has halted for its tracer.
pub fn is_halted(thread: &Thread) -> bool {
    let own = thread.tracing.lock();
    let halted = |own: &Tracing| own.halt.is_some() && own.resumed.is_none();
    thread.is_traced() && own.as_ref().is_some_and(|own| halted(own))
}

/// Whether the thread has halted at its end.
pub fn is_at_end(thread: &Thread) -> bool {
    let own = thread.tracing.lock();
    own.as_ref()
        .is_some_and(|own| matches!(own.halt, Some(Halt::Event(TraceEvent::Exit))))
}

/// How a thread ends: with what it has given to `exit`, else as its process does.
pub fn end_of(thread: &Thread, process: Option<ExitStatus>) -> ExitStatus {
    let own = thread.tracing.lock();
    let code = own.as_ref().and_then(|own| own.exit_code);
    match (code, process) {
        (Some(code), _) => ExitStatus::Exited(code),
        (None, Some(status)) => status,
        (None, None) => ExitStatus::Exited(0),
    }
}

/// Whether the tracer lets the thread run though its process is stopped.
pub fn passes_stop(thread: &Thread) -> bool {
    let stop = thread.process.with(|state| state.stops);
    let own = thread.tracing.lock();
    let passes = |own: &Tracing| own.relation.is_some() && own.passed == Some(stop);
    own.as_ref().is_some_and(|own| passes(own))
}

/// Notes what the thread that ends tells.
pub fn set_message(thread: &Thread, message: u64) {
    if let Some(own) = thread.tracing.lock().as_mut() {
        own.message = message;
    }
}

/// Leaves whatever halt the thread is in: its process ends.
pub fn tear_away(thread: &Thread) {
    let mut tree = system().tree.lock();
    if let Some(own) = thread.tracing.lock().as_mut() {
        own.halt = None;
        own.resumed = None;
    }
    tree.released(thread.tid());
}

/// Where a thread that `tracer` traces has halted.
///
/// # Errors
/// ESRCH when it is not traced by it, or has not halted.
pub fn halt_of(tracer: &Process, thread: &Thread) -> Result<Halt, Errno> {
    with(tracer, thread, |_, own| {
        let halt = own.halt.filter(|_| own.resumed.is_none());
        halt.ok_or(Errno::ESRCH)
    })
}

/// Looks at or changes how a thread is traced.
///
/// # Errors
/// ESRCH when it is not traced by `tracer`; what `act` answers.
pub fn with<T>(
    tracer: &Process,
    thread: &Thread,
    act: impl FnOnce(&mut Tree, &mut Tracing) -> Result<T, Errno>,
) -> Result<T, Errno> {
    let mut tree = system().tree.lock();
    if tree.tracer(thread.tid()) != Some(tracer.pid) {
        return Err(Errno::ESRCH);
    }
    let mut own = thread.tracing.lock();
    act(&mut tree, own.as_mut().ok_or(Errno::ESRCH)?)
}

/// Lets a halted thread go on.
///
/// # Errors
/// ESRCH.
pub fn resume(
    tracer: &Process,
    thread: &Thread,
    mode: Mode,
    signal: Option<SignalNumber>,
) -> Result<(), Errno> {
    with(tracer, thread, |tree, own| {
        let halt = own.halt.filter(|_| own.resumed.is_none());
        let info = injected(tracer, halt.ok_or(Errno::ESRCH)?, signal);
        own.resumed = Some(info);
        own.mode = mode;
        own.listening = false;
        tree.released(thread.tid());
        Ok(())
    })?;
    thread.interrupt();
    Ok(())
}

/// What comes with the signal that a thread goes on with.
fn injected(tracer: &Process, halt: Halt, signal: Option<SignalNumber>) -> Option<SigInfo> {
    match (halt, signal?) {
        (Halt::Signal(info), signal) if info.signal == signal => Some(info),
        // A number would need the tree's lock again; the tracer is in the same partition.
        (_, signal) => Some(SigInfo::sent(signal, SI_USER, tracer.virtual_pid().0, 0)),
    }
}

/// Ends the tracing of a halted thread, which goes on with a signal.
///
/// # Errors
/// ESRCH.
pub fn detach(
    tracer: &Process,
    thread: &Thread,
    signal: Option<SignalNumber>,
) -> Result<(), Errno> {
    with(tracer, thread, |tree, own| {
        let halt = own.halt.filter(|_| own.resumed.is_none());
        let info = injected(tracer, halt.ok_or(Errno::ESRCH)?, signal);
        own.let_go(info);
        let _it_has_not_ended = tree.untrace(thread.tid());
        Ok(())
    })?;
    thread.interrupt();
    Ok(())
}

impl Tracing {
    /// The thread is traced no more; it leaves the halt that it may be in.
    fn let_go(&mut self, signal: Option<SigInfo>) {
        *self = Self {
            halt: self.halt,
            resumed: self.halt.map(|_| signal),
            restart: self.restart,
            exit_code: self.exit_code,
            end_told: true,
            ..Self::default()
        };
    }
}

/// Asks a seized thread to halt.
///
/// # Errors
/// ESRCH, EIO for one that is not seized.
pub fn interrupt(tracer: &Process, thread: &Thread) -> Result<(), Errno> {
    with(tracer, thread, |_, own| {
        own.relation
            .filter(|relation| relation.seized)
            .ok_or(Errno::EIO)?;
        own.trap = true;
        Ok(())
    })?;
    thread.interrupt();
    Ok(())
}

/// Leaves a thread in the group stop that it has halted in, and has its end told.
///
/// # Errors
/// ESRCH, EIO for one that is not seized or not in a group stop.
pub fn listen(tracer: &Process, thread: &Thread) -> Result<(), Errno> {
    with(tracer, thread, |tree, own| {
        let seized = own.relation.is_some_and(|relation| relation.seized);
        match own.halt.filter(|_| own.resumed.is_none()) {
            None => Err(Errno::ESRCH),
            Some(Halt::Group(_) | Halt::Trap) if seized => {
                own.listening = true;
                tree.released(thread.tid());
                Ok(())
            }
            Some(_) => Err(Errno::EIO),
        }
    })?;
    // The stop may have ended before.
    thread.interrupt();
    Ok(())
}

/// A process whose end has begun lets go of one thread that it traces, which nobody traces any more; false when it traces
/// none.
pub fn let_go_of_one(tracer: Pid) -> bool {
    let (tid, thread, killed, zombie) = {
        let mut tree = system().tree.lock();
        let Some(tid) = tree.tracees(tracer).next() else {
            return false;
        };
        let thread = tree.pids.by_pid(tid).and_then(|found| found.thread());
        let zombie = tree.untrace(tid);
        let killed = thread.as_ref().is_some_and(|thread| {
            let mut own = thread.tracing.lock();
            let Some(own) = own.as_mut() else {
                return false;
            };
            let options = own.relation.map(|relation| relation.options);
            let signal = match own.halt {
                Some(Halt::Signal(info)) => Some(info),
                _ => None,
            };
            own.let_go(signal);
            options.is_some_and(|options| options.contains(TraceOptions::EXIT_KILL))
        });
        (tid, thread, killed, zombie)
    };
    if zombie {
        family::hand_over(tid);
    }
    if let Some(thread) = thread {
        if killed {
            let kill = SigInfo::kernel(SignalNumber::SIGKILL);
            signals::post(&thread.process, kill, Origin::Outside);
        }
        thread.interrupt();
    }
    true
}

/// A thread that does not lead its process has ended; told under the tree's lock, before its number is given up.
pub fn tell(notice: Option<Notice>) {
    if let Some(notice) = notice {
        family::tell(&notice);
    }
}
