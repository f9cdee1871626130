//! The registers of a thread that does not run, in the layouts of `ptrace` and core files (asm/ptrace.h, linux/elf.h).
//!
//! A call that a signal interrupts waits with its arguments in place; a tracer is shown what Linux shows: r3 is
//! ERESTARTSYS with CR0's summary-overflow bit, and the argument is in `orig_r3`. When it changes where the thread goes on,
//! or what the call seems to have answered, the call is given up.

use super::{Halt, Tracing};
use crate::thread::Body;
use abi::Errno;
use abi::linux::{
    ERESTARTSYS, Field, NT_PPC_DSCR, NT_PPC_TAR, NT_PPC_VMX, NT_PPC_VSX, NT_PRFPREG, NT_PRSTATUS,
    PT_CCR, PT_CTR, PT_DSCR, PT_LNK, PT_MSR, PT_NIP, PT_ORIG_R3, PT_RESULT, PT_SOFTE, PT_TRAP,
    PT_XER,
};
use arch::UserContext;

/// A set of registers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RegisterSet {
    /// The general ones, and what has a PT_ place.
    General,
    /// f0 to f31, FPSCR.
    Floating,
    /// v0 to v31, VSCR, VRSAVE.
    Vector,
    /// The low halves of the first 32 vector-scalar registers.
    VectorScalar,
    /// TAR.
    Target,
    /// DSCR.
    DataStream,
}

/// Words of the general registers.
pub const GENERAL: usize = 48;

/// The largest set, in bytes.
pub const LARGEST: usize = 34 * 16;

/// In `trap`: the thread is in a system call.
const TRAP_CALL: u64 = 0xc00;
/// In `trap`: it is not.
const TRAP_NONE: u64 = 0x900;
/// CR0's summary-overflow bit: the call has failed.
const FAILED: u64 = 0x1000_0000;

impl RegisterSet {
    /// The set with a note type.
    pub const fn of_note(kind: u32) -> Option<Self> {
        Some(match kind {
            NT_PRSTATUS => Self::General,
            NT_PRFPREG => Self::Floating,
            NT_PPC_VMX => Self::Vector,
            NT_PPC_VSX => Self::VectorScalar,
            NT_PPC_TAR => Self::Target,
            NT_PPC_DSCR => Self::DataStream,
            _ => return None,
        })
    }

    /// Its size in bytes.
    pub const fn size(self) -> usize {
        match self {
            Self::General => GENERAL * 8,
            Self::Floating => 33 * 8,
            Self::Vector => LARGEST,
            Self::VectorScalar => 32 * 8,
            Self::Target | Self::DataStream => 8,
        }
    }

    /// Writes the set, but for the general registers, to the start of `bytes`.
    pub fn read(self, context: &UserContext, bytes: &mut [u8]) {
        let mut words = bytes.chunks_exact_mut(8);
        let mut put = |word: u64| {
            if let Some(place) = words.next() {
                word.put(place);
            }
        };
        let special = context.special();
        match self {
            Self::General => {}
            Self::Target => put(special.tar),
            Self::DataStream => put(special.dscr),
            Self::Floating => {
                let Some(state) = context.vector() else {
                    return;
                };
                (0..32).for_each(|n| put(state.fpr(n)));
                put(state.fpscr());
            }
            Self::VectorScalar => {
                let Some(state) = context.vector() else {
                    return;
                };
                (0..32).for_each(|n| put(state.vsr_low(n)));
            }
            Self::Vector => {
                let mut put = |word: u128| {
                    put(word as u64);
                    put((word >> 64) as u64);
                };
                let Some(state) = context.vector() else {
                    return;
                };
                (0..32).for_each(|n| put(state.vr(n)));
                put(u128::from(state.vscr()));
                put(u128::from(special.vrsave));
            }
        }
    }

    /// Sets the registers of the set, but for the general ones, as far as `bytes` has them.
    ///
    /// # Errors
    /// ENOMEM.
    pub fn write(self, context: &mut UserContext, bytes: &[u8]) -> Result<(), Errno> {
        let mut words = bytes.chunks_exact(8).map(u64::get);
        let mut special = context.special();
        match self {
            Self::General => return Ok(()),
            Self::Target => special.tar = words.next().unwrap_or(special.tar),
            Self::DataStream => special.dscr = words.next().unwrap_or(special.dscr),
            Self::Floating => {
                let state = context.vector_mut().map_err(|_| Errno::ENOMEM)?;
                (0..32)
                    .zip(words.by_ref())
                    .for_each(|(n, word)| state.set_fpr(n, word));
                if let Some(word) = words.next() {
                    state.set_fpscr(word);
                }
            }
            Self::VectorScalar => {
                let state = context.vector_mut().map_err(|_| Errno::ENOMEM)?;
                (0..32)
                    .zip(words)
                    .for_each(|(n, word)| state.set_vsr_low(n, word));
            }
            Self::Vector => {
                let mut words = bytes.chunks_exact(16).map(u128::get);
                let state = context.vector_mut().map_err(|_| Errno::ENOMEM)?;
                (0..32)
                    .zip(words.by_ref())
                    .for_each(|(n, word)| state.set_vr(n, word));
                if let Some(word) = words.next() {
                    state.set_vscr(word as u32);
                }
                special.vrsave = words.next().map_or(special.vrsave, |word| word as u64);
            }
        }
        context.set_special(special);
        Ok(())
    }
}

/// Whether the thread is in a call that is shown as interrupted.
fn is_interrupted(body: &Body, halt: Halt) -> bool {
    !halt.is_of_call() && body.call.is_some_and(|call| !call.progress.holds_signals())
}

/// The general registers of a thread that has halted, by their places; `argument` is the first one of its last call.
pub fn general(body: &Body, halt: Halt, argument: u64) -> [u64; GENERAL] {
    let context = &body.context;
    let mut words = [0; GENERAL];
    words
        .iter_mut()
        .zip(context.gpr)
        .for_each(|(place, word)| *place = word);
    let in_call = body.call.is_some() || matches!(halt, Halt::Entry | Halt::Exit | Halt::Event(_));
    words[PT_NIP] = context.nip;
    words[PT_MSR] = context.msr();
    words[PT_CTR] = context.ctr;
    words[PT_LNK] = context.lr;
    words[PT_XER] = context.xer;
    words[PT_CCR] = context.cr;
    words[PT_SOFTE] = 1;
    words[PT_TRAP] = if in_call { TRAP_CALL } else { TRAP_NONE };
    words[PT_DSCR] = context.special().dscr;
    words[PT_ORIG_R3] = if body.call.is_some() {
        context.gpr[3]
    } else {
        argument
    };
    if is_interrupted(body, halt) {
        words[3] = ERESTARTSYS;
        words[PT_CCR] |= FAILED;
        words[PT_RESULT] = ERESTARTSYS.wrapping_neg();
    }
    words
}

/// Sets the general registers of a thread that has halted.
pub fn set_general(body: &mut Body, own: &mut Restart, halt: Halt, words: &[u64; GENERAL]) {
    /// The call is made again: ERESTARTSYS, ERESTARTNOINTR, ERESTARTNOHAND, ERESTART_RESTARTBLOCK.
    const RESTARTS: [u64; 4] = [ERESTARTSYS, 513, 514, 516];
    let interrupted = is_interrupted(body, halt);
    let shown = |words: &[u64; GENERAL]| {
        words[PT_TRAP] & !0xf == TRAP_CALL
            && RESTARTS.contains(&words[3])
            && words[PT_CCR] & FAILED != 0
            && words[PT_ORIG_R3] != u64::MAX
    };
    let context = &mut body.context;
    let kept = interrupted && shown(words) && words[PT_NIP] == context.nip;
    let first = context.gpr[3];
    context
        .gpr
        .iter_mut()
        .zip(words)
        .for_each(|(place, word)| *place = *word);
    context.nip = words[PT_NIP] & !3;
    context.ctr = words[PT_CTR];
    context.lr = words[PT_LNK];
    context.xer = words[PT_XER];
    own.0 = None;
    if kept {
        // What is shown of it is not what it has.
        context.gpr[3] = first;
        context.cr = words[PT_CCR] & !FAILED;
        return;
    }
    context.cr = words[PT_CCR];
    if interrupted {
        body.call = None;
    }
    let of_signal = matches!(halt, Halt::Signal(_) | Halt::Group(_) | Halt::Trap);
    if of_signal && shown(words) {
        own.0 = Some(words[PT_ORIG_R3]);
    }
}

/// The first argument of a call that the tracer wants made again.
#[derive(Clone, Copy, Debug, Default)]
pub struct Restart(pub Option<u64>);

impl Tracing {
    /// Notes what [`set_general`] has found.
    pub fn set_restart(&mut self, restart: Restart) {
        self.restart = restart.0;
    }
}
