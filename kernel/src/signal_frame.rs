//! Signal frames: what a handler finds on the stack, and the way back.
//!
//! The layout is Linux's for ppc64le ([`SignalFrame`]); unwinders, `sigcontext` readers and libc's
//! `swapcontext` depend on it. What `sigreturn` finds is the program's: nothing of it can give more than user mode.

use crate::calls::process::STACK_POINTER;
use crate::thread::Thread;
use crate::user::User;
use crate::vdso;
use abi::Errno;
use abi::linux::{
    ActionFlags, FPE_FLTDIV, FPE_FLTINV, FPE_FLTOVF, FPE_FLTRES, FPE_FLTUND, MSR_FP, MSR_VEC,
    MSR_VSX, SIGINFO_SIZE, SigInfo, SignalFrame, SignalSet, StackT,
};
use alloc::sync::Arc;
use arch::signal_frame::{self, Parts};
use arch::{Special, UserContext, VectorState};
use process::signal::{Action, Handler};

/// What says in a saved MSR which state the frame holds.
const MSR_STATE: u64 = MSR_FP | MSR_VEC | MSR_VSX;
/// MSR as programs see it: 64-bit, external interrupts on, user mode, translation on, recoverable, little-endian.
const MSR_USER: u64 = 1 << 63 | 1 << 15 | 1 << 14 | 1 << 12 | 1 << 5 | 1 << 4 | 1 << 1 | 1;

/// Puts a frame onto the stack and makes the context enter the handler.
///
/// # Errors
/// EFAULT when the frame cannot be written; the context is unchanged then.
pub fn push(
    thread: &Arc<Thread>,
    context: &mut UserContext,
    user: &User,
    info: &SigInfo,
    action: &Action,
    mask: SignalSet,
) -> Result<(), Errno> {
    let Handler::Function(handler) = action.handler else {
        return Err(Errno::EINVAL);
    };
    context.leave();
    let sp = context.gpr[STACK_POINTER];
    let (stack, top) = {
        let mut own = thread.signals.lock();
        let described = own.stack.describe(sp);
        let on_stack = action.flags.contains(ActionFlags::ONSTACK);
        (described, own.stack.top(on_stack, sp))
    };
    let at = SignalFrame::address(top);
    let place = |offset: usize| at.wrapping_add(offset as u64);
    let info_at = place(SignalFrame::INFO);
    let number = u64::from(info.signal.get());
    let (flags, registers) = (u64::from(stack.flags), place(SignalFrame::REGISTERS));
    let mut parts = Parts {
        head: [0, 0, stack.sp, flags, stack.size, mask.0],
        signal: [number, handler, 0, registers],
        addresses: [info_at, at],
        info: [0; SIGINFO_SIZE],
    };
    info.encode_into(&mut parts.info);
    let state = if context.is_vec_used() { MSR_STATE } else { 0 };
    user.persist(|| signal_frame::put(at, &parts, context, MSR_USER | state))?;
    if context.is_vec_used()
        && let Ok(state) = context.vector_mut()
    {
        // A handler starts with all floating-point exceptions off.
        state.set_fpscr(0);
    }
    context.gpr[STACK_POINTER] = at.wrapping_sub(SignalFrame::STACK_GAP);
    context.gpr[3] = number;
    context.gpr[4] = info_at;
    context.gpr[5] = at;
    context.gpr[12] = handler;
    context.nip = handler;
    context.lr = vdso::SIGNAL_RETURN;
    Ok(())
}

/// Puts back what [`push`] saved, as the handler has left it. A signal that the mask lets through then is looked at.
///
/// # Errors
/// EFAULT when the frame cannot be read, ENOMEM; the context may have some of it then.
pub fn pop(thread: &Arc<Thread>, context: &mut UserContext, user: &User) -> Result<(), Errno> {
    let at = SignalFrame::at_return(context.gpr[STACK_POINTER]);
    let found = user.persist(|| signal_frame::get(context, at))?;
    if found.msr & MSR_STATE != 0 {
        restore_vectors(context, user, at, found.vectors)?;
    }
    let [stack, flags, size] = found.stack;
    let recorded = StackT {
        sp: stack,
        flags: flags as u32,
        size,
    };
    let shared = thread.process.signals.lock();
    let mut own = thread.signals.lock();
    own.set_mask(SignalSet(found.mask));
    own.stack.restore(recorded, context.gpr[STACK_POINTER]);
    if !own.deliverable(&shared).is_empty() {
        thread.call_attention();
    }
    Ok(())
}

/// Puts back the floating-point registers of a frame and, unless their address is 0, the vector registers too.
fn restore_vectors(
    context: &mut UserContext,
    user: &User,
    at: u64,
    vectors: u64,
) -> Result<(), Errno> {
    if vectors == 0 {
        return restore_floating_point(context, user, at);
    }
    context.leave_without_vectors();
    let state = context.vector_mut().map_err(|_| Errno::ENOMEM)?;
    let vrsave = user.persist(|| signal_frame::get_vectors(state, at, vectors))?;
    let vrsave = u64::from(vrsave);
    let special = context.special();
    context.set_special(Special { vrsave, ..special });
    Ok(())
}

fn restore_floating_point(context: &mut UserContext, user: &User, at: u64) -> Result<(), Errno> {
    context.leave();
    let mut words = [0; 33];
    let from = at.wrapping_add(SignalFrame::FLOATING_POINT as u64);
    user.persist(|| arch::user::words_in(&mut words, from))?;
    let state = context.vector_mut().map_err(|_| Errno::ENOMEM)?;
    let [registers @ .., fpscr] = words;
    for (n, value) in registers.into_iter().enumerate() {
        state.set_fpr(n, value);
    }
    state.set_fpscr(fpscr);
    Ok(())
}

/// `si_code` of a floating-point exception, from FPSCR (Power ISA, Book I, 4.2.2).
pub fn floating_point_code(context: &mut UserContext) -> i32 {
    const INVALID: u64 = 0x2000_0000;
    const OVERFLOW: u64 = 0x1000_0000;
    const UNDERFLOW: u64 = 0x0800_0000;
    const DIVIDE: u64 = 0x0400_0000;
    context.leave();
    match context.vector().map_or(0, VectorState::fpscr) {
        bits if bits & INVALID != 0 => FPE_FLTINV,
        bits if bits & OVERFLOW != 0 => FPE_FLTOVF,
        bits if bits & UNDERFLOW != 0 => FPE_FLTUND,
        bits if bits & DIVIDE != 0 => FPE_FLTDIV,
        _ => FPE_FLTRES,
    }
}
