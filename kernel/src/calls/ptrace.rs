//! What a tracer asks (`man 2 ptrace`), and other ways to look into a process.

use super::Call;
use super::thread::target;
use crate::outcome::{Called, Outcome};
use crate::process::Process;
use crate::ptrace::registers::{self, GENERAL, LARGEST, RegisterSet, Restart};
use crate::ptrace::{self, Halt, Mode, Relation};
use crate::signals::{self, Origin};
use crate::system::{Numbered, system};
use crate::thread::{Body, Thread};
use crate::user::Segment;
use abi::linux::{
    AUDIT_ARCH, Field, PeekSigInfo, SIGINFO_SIZE, SigInfo, SignalNumber, SignalSet, TraceCallInfo,
    TraceOptions, TraceRequest,
};
use abi::mmu::Access;
use abi::{Cid, Errno, PAGE_SIZE};
use alloc::sync::Arc;
use process::signal::Pending;

/// Whether the caller may look into a process, as `man 2 ptrace` has it under "Ptrace access mode checking".
///
/// # Errors
/// EPERM.
pub fn may_inspect(call: &Call<'_>, target: &Process) -> Result<(), Errno> {
    if target.pid == call.process().pid {
        return Ok(());
    }
    let dumpable = target.with(|state| state.conduct.dumpable);
    call.credential()
        .may_inspect(&target.credential(), dumpable)
}

/// `man 2 ptrace`.
///
/// # Errors
/// EIO for what there is not, EPERM, ESRCH, EFAULT, EINVAL, ENOMEM.
pub fn ptrace(call: &mut Call<'_>) -> Called {
    use TraceRequest as R;
    let request = TraceRequest::from_number(call.argument(0)).ok_or(Errno::EIO)?;
    if request == R::TraceMe {
        return trace_me(call);
    }
    let number = u32::try_from(call.argument(1) as i32)
        .ok()
        .filter(|number| *number > 0);
    let thread = target(call, u64::from(number.ok_or(Errno::ESRCH)?))?;
    let (address, data) = (call.argument(2), call.argument(3));
    let tracer = call.process();
    match request {
        R::Attach => return attach(call, &thread),
        R::Seize => return seize(call, &thread, address, data),
        R::Interrupt => {
            ptrace::interrupt(tracer, &thread)?;
            return Ok(0);
        }
        R::Kill => {
            ptrace::with(tracer, &thread, |_, _| Ok(()))?;
            let kill = SigInfo::kernel(SignalNumber::SIGKILL);
            signals::send(&thread.process, None, kill, Origin::Inside)?;
            return Ok(0);
        }
        _ => {}
    }
    let halt = ptrace::halt_of(tracer, &thread)?;
    match request {
        // A program that it has executed meanwhile may not be the tracer's to read.
        R::PeekText | R::PeekData | R::PokeText | R::PokeData
            if may_inspect(call, &thread.process).is_err() =>
        {
            Err(Errno::EIO.into())
        }
        R::PeekText | R::PeekData => {
            let word = peek(&thread, address)?;
            store(call, data, &word)
        }
        R::PokeText | R::PokeData => poke(&thread, address, &data.to_le_bytes()),
        R::PeekUser => {
            let word = peek_user(call, &thread, halt, address)?;
            store(call, data, &word.to_le_bytes())
        }
        R::PokeUser => poke_user(call, &thread, halt, address, data),
        R::GetRegs => get_all(call, &thread, halt, RegisterSet::General),
        R::SetRegs => set_all(call, &thread, halt, RegisterSet::General),
        R::GetFpRegs => get_all(call, &thread, halt, RegisterSet::Floating),
        R::SetFpRegs => set_all(call, &thread, halt, RegisterSet::Floating),
        R::GetVrRegs => get_all(call, &thread, halt, RegisterSet::Vector),
        R::SetVrRegs => set_all(call, &thread, halt, RegisterSet::Vector),
        R::GetVsrRegs => get_all(call, &thread, halt, RegisterSet::VectorScalar),
        R::SetVsrRegs => set_all(call, &thread, halt, RegisterSet::VectorScalar),
        R::GetRegSet | R::SetRegSet => register_set(call, &thread, halt, request),
        R::Cont => go_on(call, &thread, Mode::Run, data),
        R::Syscall => go_on(call, &thread, Mode::Calls, data),
        R::SingleStep => go_on(call, &thread, Mode::Step, data),
        R::Detach => {
            ptrace::detach(tracer, &thread, signal_of(data)?)?;
            Ok(0)
        }
        R::Listen => {
            ptrace::listen(tracer, &thread)?;
            Ok(0)
        }
        R::SetOptions => {
            let options = options_of(data)?;
            ptrace::with(tracer, &thread, |_, own| {
                own.relation.as_mut().ok_or(Errno::ESRCH)?.options = options;
                Ok(0)
            })
            .map_err(Into::into)
        }
        R::GetEventMsg => {
            let message = ptrace::with(tracer, &thread, |_, own| Ok(own.message))?;
            store(call, data, &message.to_le_bytes())
        }
        R::GetSigInfo => {
            let info = signal_info(tracer, &thread, halt)?;
            store(call, data, &info.encode())
        }
        R::SetSigInfo => set_signal_info(call, &thread, data),
        R::PeekSigInfo => peek_signals(call, &thread, address, data),
        R::GetSigMask | R::SetSigMask => signal_mask(call, &thread, request),
        R::GetSyscallInfo => call_info(call, &thread, halt),
        R::TraceMe | R::Attach | R::Seize | R::Interrupt | R::Kill => Err(Errno::EIO.into()),
    }
}

fn store(call: &Call<'_>, address: u64, bytes: &[u8]) -> Called {
    call.user.write(address, bytes)?;
    Ok(0)
}

fn options_of(data: u64) -> Result<TraceOptions, Errno> {
    let bits = u32::try_from(data).map_err(|_| Errno::EINVAL)?;
    TraceOptions::from_bits(bits).ok_or(Errno::EINVAL)
}

/// The signal that a thread is to go on with.
fn signal_of(data: u64) -> Result<Option<SignalNumber>, Errno> {
    match data {
        0 => Ok(None),
        number => SignalNumber::new(number).map(Some).map_err(|_| Errno::EIO),
    }
}

fn trace_me(call: &Call<'_>) -> Called {
    let own = call.process();
    let parent = {
        let tree = system().tree.lock();
        let parent = tree.parent(own.pid).and_then(|pid| tree.pids.by_pid(pid));
        parent.and_then(Numbered::process).ok_or(Errno::EPERM)?
    };
    // Nobody traces more than he might attach to.
    parent.credential().may_inspect(call.credential(), true)?;
    let relation = Relation {
        options: TraceOptions::empty(),
        seized: false,
    };
    ptrace::attach(parent.pid, call.thread, relation)?;
    Ok(0)
}

/// Who may be traced by the caller.
fn may_trace(call: &Call<'_>, thread: &Thread) -> Result<(), Errno> {
    let own = call.process().pid == thread.process.pid;
    // When init of Global ends, the machine does.
    let first = system().tree.lock().init(Cid::GLOBAL);
    if own || first == Some(thread.process.pid) {
        return Err(Errno::EPERM);
    }
    may_inspect(call, &thread.process)
}

fn attach(call: &Call<'_>, thread: &Arc<Thread>) -> Called {
    may_trace(call, thread)?;
    let relation = Relation {
        options: TraceOptions::empty(),
        seized: false,
    };
    ptrace::attach(call.process().pid, thread, relation)?;
    let stop = SigInfo::kernel(SignalNumber::SIGSTOP);
    signals::send(&thread.process, Some(thread), stop, Origin::Outside)?;
    // One that is stopped already halts as a traced one.
    thread.interrupt();
    Ok(0)
}

fn seize(call: &Call<'_>, thread: &Arc<Thread>, address: u64, data: u64) -> Called {
    if address != 0 {
        return Err(Errno::EIO.into());
    }
    let options = options_of(data).map_err(|_| Errno::EIO)?;
    may_trace(call, thread)?;
    let relation = Relation {
        options,
        seized: true,
    };
    ptrace::attach(call.process().pid, thread, relation)?;
    thread.interrupt();
    Ok(0)
}

fn go_on(call: &Call<'_>, thread: &Thread, mode: Mode, data: u64) -> Called {
    ptrace::resume(call.process(), thread, mode, signal_of(data)?)?;
    Ok(0)
}

fn peek(thread: &Thread, address: u64) -> Result<[u8; 8], Errno> {
    let mut word = [0; 8];
    let space = thread.process.space()?;
    let read = space.lock().peek(address, &mut word);
    read.map_err(|_| Errno::EIO)?;
    Ok(word)
}

fn poke(thread: &Thread, address: u64, bytes: &[u8]) -> Called {
    let space = thread.process.space()?;
    let written = space.lock().poke(address, bytes);
    match written {
        Ok(()) => Ok(0),
        Err(memory::FaultError::OutOfMemory) => Err(Errno::ENOMEM.into()),
        Err(_) => Err(Errno::EIO.into()),
    }
}

/// Looks at or changes the body of a thread that has halted. It may just be looking itself whether it is to go on, on another
/// CPU, and then has it: the call is run again.
fn with_body<T>(thread: &Thread, act: impl FnOnce(&mut Body) -> T) -> Result<T, Outcome> {
    thread.with_body(act).ok_or(Outcome::Again)
}

/// The general registers.
fn general(call: &Call<'_>, thread: &Thread, halt: Halt) -> Result<[u64; GENERAL], Outcome> {
    let argument = ptrace::with(call.process(), thread, |_, own| Ok(own.argument))?;
    with_body(thread, |body| registers::general(body, halt, argument))
}

fn set_general(
    call: &Call<'_>,
    thread: &Thread,
    halt: Halt,
    words: &[u64; GENERAL],
) -> Result<(), Outcome> {
    let restart = with_body(thread, |body| {
        let mut restart = Restart::default();
        registers::set_general(body, &mut restart, halt, words);
        restart
    })?;
    ptrace::with(call.process(), thread, |_, own| {
        own.set_restart(restart);
        Ok(())
    })?;
    Ok(())
}

/// The bytes of a set of registers.
struct Bytes {
    bytes: [u8; LARGEST],
    size: usize,
}

impl Bytes {
    fn get(&self) -> &[u8] {
        self.bytes.get(..self.size).unwrap_or_default()
    }

    fn get_mut(&mut self) -> &mut [u8] {
        self.bytes.get_mut(..self.size).unwrap_or_default()
    }
}

fn read_set(
    call: &Call<'_>,
    thread: &Thread,
    halt: Halt,
    set: RegisterSet,
) -> Result<Bytes, Outcome> {
    let mut bytes = Bytes {
        bytes: [0; LARGEST],
        size: set.size(),
    };
    if set == RegisterSet::General {
        general(call, thread, halt)?.put(bytes.get_mut());
    } else {
        with_body(thread, |body| set.read(&body.context, bytes.get_mut()))?;
    }
    Ok(bytes)
}

fn write_set(
    call: &Call<'_>,
    thread: &Thread,
    halt: Halt,
    set: RegisterSet,
    bytes: &Bytes,
) -> Result<(), Outcome> {
    if set == RegisterSet::General {
        return set_general(call, thread, halt, &Field::get(bytes.get()));
    }
    Ok(with_body(thread, |body| {
        set.write(&mut body.context, bytes.get())
    })??)
}

fn get_all(call: &Call<'_>, thread: &Thread, halt: Halt, set: RegisterSet) -> Called {
    let bytes = read_set(call, thread, halt, set)?;
    store(call, call.argument(3), bytes.get())
}

fn set_all(call: &Call<'_>, thread: &Thread, halt: Halt, set: RegisterSet) -> Called {
    let mut bytes = read_set(call, thread, halt, set)?;
    call.user.read(call.argument(3), bytes.get_mut())?;
    write_set(call, thread, halt, set, &bytes)?;
    Ok(0)
}

/// PTRACE_GETREGSET and PTRACE_SETREGSET: the note type, and a `struct iovec`.
fn register_set(call: &Call<'_>, thread: &Thread, halt: Halt, request: TraceRequest) -> Called {
    let set = u32::try_from(call.argument(2))
        .ok()
        .and_then(RegisterSet::of_note);
    let set = set.ok_or(Errno::EINVAL)?;
    let at = call.argument(3);
    let [base, length]: [u64; 2] = Field::get(&call.user.bytes::<16>(at)?);
    let moved = length.min(set.size() as u64);
    if !moved.is_multiple_of(8) {
        return Err(Errno::EINVAL.into());
    }
    call.user.gather(
        Segment {
            address: at,
            length: 16,
        },
        Access::Write,
    )?;
    let mut bytes = read_set(call, thread, halt, set)?;
    let part = bytes.bytes.get_mut(..moved as usize).unwrap_or_default();
    if request == TraceRequest::GetRegSet {
        call.user.write(base, part)?;
    } else {
        call.user.read(base, part)?;
        write_set(call, thread, halt, set, &bytes)?;
    }
    call.user.write(at.wrapping_add(8), &moved.to_le_bytes())?;
    Ok(0)
}

/// A register by its place in the user area.
#[derive(Clone, Copy)]
enum UserPlace {
    General(usize),
    Floating(usize),
}

fn user_place(address: u64) -> Result<UserPlace, Errno> {
    /// PT_FPR0: where the floating-point registers begin.
    const FLOATING: usize = 48;
    /// PT_FPSCR.
    const STATUS: usize = 80;
    let word = usize::try_from(address / 8).map_err(|_| Errno::EIO)?;
    match word {
        _ if !address.is_multiple_of(8) => Err(Errno::EIO),
        0..FLOATING => Ok(UserPlace::General(word)),
        FLOATING..=STATUS => Ok(UserPlace::Floating(word - FLOATING)),
        _ => Err(Errno::EIO),
    }
}

fn peek_user(call: &Call<'_>, thread: &Thread, halt: Halt, address: u64) -> Called {
    match user_place(address)? {
        UserPlace::General(word) => {
            let words = general(call, thread, halt)?;
            Ok(words.get(word).copied().ok_or(Errno::EIO)?)
        }
        UserPlace::Floating(word) => {
            let bytes = read_set(call, thread, halt, RegisterSet::Floating)?;
            Ok(u64::get(bytes.get().get(word * 8..).unwrap_or_default()))
        }
    }
}

fn poke_user(call: &Call<'_>, thread: &Thread, halt: Halt, address: u64, data: u64) -> Called {
    match user_place(address)? {
        UserPlace::General(word) => {
            let mut words = general(call, thread, halt)?;
            *words.get_mut(word).ok_or(Errno::EIO)? = data;
            set_general(call, thread, halt, &words)?;
        }
        UserPlace::Floating(word) => {
            let mut bytes = read_set(call, thread, halt, RegisterSet::Floating)?;
            data.put(bytes.get_mut().get_mut(word * 8..).unwrap_or_default());
            write_set(call, thread, halt, RegisterSet::Floating, &bytes)?;
        }
    }
    Ok(0)
}

/// What came with the signal that the thread has halted for.
fn signal_info(tracer: &Process, thread: &Thread, halt: Halt) -> Result<SigInfo, Errno> {
    let relation = ptrace::with(tracer, thread, |_, own| own.relation.ok_or(Errno::ESRCH))?;
    let signal = match halt {
        Halt::Signal(info) => return Ok(info),
        // It has none, which tells it from a signal.
        Halt::Group(_) if !relation.seized => return Err(Errno::EINVAL),
        Halt::Group(signal) => signal,
        Halt::Entry | Halt::Exit | Halt::Trap | Halt::Event(_) => SignalNumber::SIGTRAP,
    };
    let pid = thread.virtual_tid();
    let uid = thread.credential().identity.uid;
    let code = i32::from(halt.code(relation));
    Ok(SigInfo::sent(signal, code, pid.0, uid))
}

fn set_signal_info(call: &Call<'_>, thread: &Thread, data: u64) -> Called {
    let bytes = call.user.bytes::<SIGINFO_SIZE>(data)?;
    let number = u32::get(&bytes);
    ptrace::with(call.process(), thread, |_, own| match &mut own.halt {
        Some(Halt::Signal(info)) => {
            let signal = SignalNumber::new(u64::from(number)).unwrap_or(info.signal);
            *info = SigInfo::decode(signal, &bytes)?;
            Ok(0)
        }
        _ => Err(Errno::EINVAL),
    })
    .map_err(Into::into)
}

/// PTRACE_PEEKSIGINFO: answers how many it has told, at most a page of them.
fn peek_signals(call: &Call<'_>, thread: &Thread, arguments: u64, data: u64) -> Called {
    /// Those of the process.
    const SHARED: u32 = 1;
    const ROOM: usize = PAGE_SIZE / SIGINFO_SIZE;
    let wanted = PeekSigInfo::decode(&call.user.bytes(arguments)?);
    let count = i32::try_from(wanted.count).map_err(|_| Errno::EINVAL)?;
    if wanted.flags & !SHARED != 0 {
        return Err(Errno::EINVAL.into());
    }
    let first = usize::try_from(wanted.offset).unwrap_or(usize::MAX);
    let room = ROOM.min(count.unsigned_abs() as usize);
    let mut found = fallible::list(room)?;
    let mut take = |pending: &Pending| {
        // There is room for all of them.
        found.extend(pending.iter().skip(first).take(room).copied());
    };
    if wanted.flags & SHARED != 0 {
        take(&thread.process.signals.lock().pending);
    } else {
        take(&thread.signals.lock().pending);
    }
    for (at, info) in found.iter().enumerate() {
        let address = data.wrapping_add((at * SIGINFO_SIZE) as u64);
        call.user.write(address, &info.encode())?;
    }
    Ok(found.len() as u64)
}

fn signal_mask(call: &Call<'_>, thread: &Thread, request: TraceRequest) -> Called {
    if call.argument(2) != size_of::<SignalSet>() as u64 {
        return Err(Errno::EINVAL.into());
    }
    let address = call.argument(3);
    if request == TraceRequest::GetSigMask {
        let mask = {
            let own = thread.signals.lock();
            own.saved_mask.unwrap_or(own.mask)
        };
        return store(call, address, &mask.0.to_le_bytes());
    }
    let mask = SignalSet(call.user.u64(address)?);
    {
        let mut own = thread.signals.lock();
        own.saved_mask = None;
        own.set_mask(mask);
    }
    Ok(0)
}

/// PTRACE_GET_SYSCALL_INFO: the size of the buffer, and its address; answers how much there is to tell.
fn call_info(call: &Call<'_>, thread: &Thread, halt: Halt) -> Called {
    /// CR0's summary-overflow bit.
    const FAILED: u64 = 0x1000_0000;
    let words = general(call, thread, halt)?;
    let mut info = TraceCallInfo {
        arch: AUDIT_ARCH,
        instruction_pointer: words[abi::linux::PT_NIP],
        stack_pointer: words[super::process::STACK_POINTER],
        ..TraceCallInfo::default()
    };
    let size = match halt {
        Halt::Entry => {
            info.op = 1;
            info.first = words[0];
            info.rest
                .iter_mut()
                .zip(words.iter().skip(3))
                .for_each(|(place, word)| *place = *word);
            TraceCallInfo::ENTRY
        }
        Halt::Exit => {
            info.op = 2;
            let failed = words[abi::linux::PT_CCR] & FAILED != 0;
            info.first = if failed {
                words[3].wrapping_neg()
            } else {
                words[3]
            };
            info.rest[0] = u64::from(failed);
            TraceCallInfo::EXIT
        }
        _ => TraceCallInfo::NONE,
    };
    let told = size.min(usize::try_from(call.argument(2)).unwrap_or(usize::MAX));
    let bytes = info.encode();
    call.user
        .write(call.argument(3), bytes.get(..told).unwrap_or_default())?;
    Ok(size as u64)
}
