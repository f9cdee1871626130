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
    ActionFlags, FPE_FLTDIV, FPE_FLTINV, FPE_FLTOVF, FPE_FLTRES, FPE_FLTUND, FrameBytes, MSR_FP,
    MSR_VEC, MSR_VSX, PT_CCR, PT_CTR, PT_LNK, PT_MSR, PT_NIP, PT_ORIG_R3, PT_SOFTE, PT_XER,
    SigInfo, SignalFrame, SignalSet,
};
use alloc::sync::Arc;
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
        (
            described,
            own.stack
                .top(action.flags.contains(ActionFlags::ONSTACK), sp),
        )
    };
    let at = SignalFrame::address(top);
    let place = |offset: usize| at.wrapping_add(offset as u64);
    let info_at = place(SignalFrame::INFO);
    let mut frame = FrameBytes::new();
    frame.put(SignalFrame::STACK, stack);
    frame.put(SignalFrame::MASK, mask.0);
    frame.put(SignalFrame::SIGNAL, i32::from(info.signal.get()));
    frame.put(SignalFrame::HANDLER, handler);
    let registers_at = place(SignalFrame::REGISTERS);
    frame.put(SignalFrame::REGISTERS_ADDRESS, registers_at);
    put_registers(&mut frame, context);
    let end = match context.vector() {
        Some(state) => {
            frame.put(SignalFrame::VECTORS_ADDRESS, place(SignalFrame::VECTORS));
            put_vectors(&mut frame, state, context.special());
            SignalFrame::VECTORS_END
        }
        None => SignalFrame::VECTORS,
    };
    frame.put_all(SignalFrame::INFO_ADDRESS, [info_at, at].into_iter());
    let info_bytes = frame.bytes_mut(SignalFrame::INFO..SignalFrame::WRITTEN);
    info_bytes.copy_from_slice(&info.encode());
    let entered_at = at.wrapping_sub(SignalFrame::STACK_GAP);
    user.write(at, frame.bytes(0..end))?;
    let rest = SignalFrame::INFO_ADDRESS..SignalFrame::WRITTEN;
    user.write(place(rest.start), frame.bytes(rest))?;
    // The back chain.
    user.write(entered_at, &sp.to_le_bytes())?;
    if context.is_vec_used()
        && let Ok(state) = context.vector_mut()
    {
        // A handler starts with all floating-point exceptions off.
        state.set_fpscr(0);
    }
    context.gpr[STACK_POINTER] = entered_at;
    context.gpr[3] = u64::from(info.signal.get());
    context.gpr[4] = info_at;
    context.gpr[5] = at;
    context.gpr[12] = handler;
    context.nip = handler;
    context.lr = vdso::SIGNAL_RETURN;
    Ok(())
}

/// The place of a register in a frame, by its PT_ number.
const fn register(number: usize) -> usize {
    SignalFrame::REGISTERS + number * 8
}

fn put_registers(frame: &mut FrameBytes, context: &UserContext) {
    frame.put_all(SignalFrame::REGISTERS, context.gpr.into_iter());
    let state = if context.is_vec_used() { MSR_STATE } else { 0 };
    frame.put(register(PT_NIP), context.nip);
    frame.put(register(PT_MSR), MSR_USER | state);
    frame.put(register(PT_ORIG_R3), context.gpr[3]);
    frame.put(register(PT_CTR), context.ctr);
    frame.put(register(PT_LNK), context.lr);
    frame.put(register(PT_XER), context.xer);
    frame.put(register(PT_CCR), context.cr);
    frame.put(register(PT_SOFTE), 1u64);
}

fn put_vectors(frame: &mut FrameBytes, state: &VectorState, special: Special) {
    frame.put_all(SignalFrame::FLOATING_POINT, (0..32).map(|n| state.fpr(n)));
    frame.put(SignalFrame::FLOATING_POINT + 32 * 8, state.fpscr());
    frame.put_all(SignalFrame::VECTORS, (0..32).map(|n| state.vr(n)));
    frame.put(SignalFrame::VSCR, state.vscr());
    frame.put(SignalFrame::VRSAVE, special.vrsave as u32);
    frame.put_all(SignalFrame::VSX, (0..32).map(|n| state.vsr_low(n)));
}

/// Puts back what [`push`] saved, as the handler has left it.
///
/// # Errors
/// EFAULT when the frame cannot be read, ENOMEM.
pub fn pop(thread: &Arc<Thread>, context: &mut UserContext, user: &User) -> Result<(), Errno> {
    let at = SignalFrame::at_return(context.gpr[STACK_POINTER]);
    let mut frame = FrameBytes::new();
    user.read(at, frame.bytes_mut(0..SignalFrame::VECTORS))?;
    context.leave();
    if frame.get::<u64>(register(PT_MSR)) & MSR_STATE != 0 {
        let vectors_at = frame.get::<u64>(SignalFrame::VECTORS_ADDRESS);
        if vectors_at != 0 {
            let place = SignalFrame::VECTORS..SignalFrame::VECTORS_END;
            user.read(vectors_at, frame.bytes_mut(place))?;
        }
        restore_vectors(context, &frame, vectors_at != 0)?;
    }
    let saved = frame.all(SignalFrame::REGISTERS);
    for (place, value) in context.gpr.iter_mut().zip(saved) {
        *place = value;
    }
    context.nip = frame.get(register(PT_NIP));
    context.ctr = frame.get(register(PT_CTR));
    context.lr = frame.get(register(PT_LNK));
    context.xer = frame.get(register(PT_XER));
    context.cr = frame.get(register(PT_CCR));
    let sp = context.gpr[STACK_POINTER];
    let mut own = thread.signals.lock();
    own.set_mask(SignalSet(frame.get(SignalFrame::MASK)));
    own.stack.restore(frame.get(SignalFrame::STACK), sp);
    Ok(())
}

/// Puts back the floating-point registers, and with `all` the vector registers too.
fn restore_vectors(context: &mut UserContext, frame: &FrameBytes, all: bool) -> Result<(), Errno> {
    let mut special = context.special();
    let state = context.vector_mut().map_err(|_| Errno::ENOMEM)?;
    let floating = frame.all(SignalFrame::FLOATING_POINT);
    (0..32)
        .zip(floating)
        .for_each(|(n, value)| state.set_fpr(n, value));
    state.set_fpscr(frame.get(SignalFrame::FLOATING_POINT + 32 * 8));
    if all {
        let vectors = frame.all(SignalFrame::VECTORS);
        (0..32)
            .zip(vectors)
            .for_each(|(n, value)| state.set_vr(n, value));
        let low = frame.all(SignalFrame::VSX);
        (0..32)
            .zip(low)
            .for_each(|(n, value)| state.set_vsr_low(n, value));
        state.set_vscr(frame.get(SignalFrame::VSCR));
        special.vrsave = u64::from(frame.get::<u32>(SignalFrame::VRSAVE));
        context.set_special(special);
    }
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
