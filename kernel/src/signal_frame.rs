//! Signal frames: what a handler finds on the stack, and the way back.
//!
//! The layout is Linux's for ppc64le ([`SignalFrame`]); unwinders, `sigcontext` readers and libc's
//! `swapcontext` depend on it. What `sigreturn` finds is the program's: nothing of it can give more than user mode.

use crate::calls::process::STACK_POINTER;
use crate::space::Space;
use crate::thread::Thread;
use crate::user::User;
use crate::vdso;
use abi::Errno;
use abi::linux::{
    ActionFlags, FPE_FLTDIV, FPE_FLTINV, FPE_FLTOVF, FPE_FLTRES, FPE_FLTUND, Field, MSR_FP,
    MSR_VEC, MSR_VSX, PT_CCR, PT_CTR, PT_LNK, PT_MSR, PT_NIP, PT_ORIG_R3, PT_SOFTE, PT_XER,
    SigInfo, Sigcontext, SignalFrame, SignalSet, Ucontext,
};
use alloc::sync::Arc;
use alloc::vec::Vec;
use arch::{Special, UserContext, VectorState};
use process::signal::{Action, Handler};

/// Where the vector area begins in a frame, seen from the context's `v_regs`: 32 vector registers, VSCR, VRSAVE.
const VSCR_AT: usize = 32 * 16;
const VRSAVE_AT: usize = 33 * 16;
const VSX_AT: usize = 34 * 16;
/// Bytes of vector state in a frame.
const VECTOR_AREA: usize = VSX_AT + 32 * 8;

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
    space: &Arc<Space>,
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
    let vector_at = SignalFrame::vmx_address(at);
    let info_at = at.wrapping_add(INFO_OFFSET);
    let frame = SignalFrame {
        ucontext: Ucontext {
            stack,
            sigmask: mask.0,
            mcontext: registers(context, info, handler, at),
            ..Ucontext::default()
        },
        info_address: info_at,
        ucontext_address: at,
        info: info.encode(),
        ..SignalFrame::default()
    };
    let bytes = frame.encode();
    let entered_at = at.wrapping_sub(SignalFrame::STACK_GAP);
    {
        let mut description = space.lock();
        description.write(at, bytes.get(..SignalFrame::WRITTEN).unwrap_or(&bytes))?;
        if let Some(state) = context.vector() {
            description.write(vector_at, &vector_area(state, context.special()))?;
        }
        // The back chain.
        description.write(entered_at, &sp.to_le_bytes())?;
    }
    if let Ok(state) = context.vector_mut() {
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

/// Offset of the `siginfo_t` in a frame.
const INFO_OFFSET: u64 = 1760;

fn registers(context: &UserContext, info: &SigInfo, handler: u64, at: u64) -> Sigcontext {
    let mut saved = Sigcontext {
        signal: i32::from(info.signal.get()),
        handler,
        ..Sigcontext::default()
    };
    let vector = context.vector();
    for (place, value) in saved.gp_regs.iter_mut().zip(context.gpr) {
        *place = value;
    }
    let state = if vector.is_some() { MSR_STATE } else { 0 };
    for (index, value) in [
        (PT_NIP, context.nip),
        (PT_MSR, MSR_USER | state),
        (PT_ORIG_R3, context.gpr[3]),
        (PT_CTR, context.ctr),
        (PT_LNK, context.lr),
        (PT_XER, context.xer),
        (PT_CCR, context.cr),
        (PT_SOFTE, 1),
    ] {
        if let Some(place) = saved.gp_regs.get_mut(index) {
            *place = value;
        }
    }
    if let Some(state) = vector {
        for (index, place) in saved.fp_regs.iter_mut().enumerate() {
            *place = if index < 32 {
                state.fpr(index)
            } else {
                state.fpscr()
            };
        }
        saved.v_regs = SignalFrame::vmx_address(at);
    }
    saved.regs = at.wrapping_add(REGISTERS_OFFSET);
    saved
}

/// Offset of the general registers in a frame: those of `uc_mcontext` and of `gp_regs` in it.
const REGISTERS_OFFSET: u64 = 168 + 64;

fn vector_area(state: &VectorState, special: Special) -> Vec<u8> {
    let mut area = alloc::vec![0; VECTOR_AREA];
    let mut put = |at: usize, bytes: &[u8]| {
        if let Some(place) = area.get_mut(at..at + bytes.len()) {
            place.copy_from_slice(bytes);
        }
    };
    for register in 0..32 {
        put(register * 16, &state.vr(register).to_le_bytes());
        put(
            VSX_AT + register * 8,
            &state.vsr_low(register).to_le_bytes(),
        );
    }
    put(VSCR_AT, &state.vscr().to_le_bytes());
    put(VRSAVE_AT, &(special.vrsave as u32).to_le_bytes());
    area
}

/// Puts back what [`push`] saved, as the handler has left it.
///
/// # Errors
/// EFAULT when the frame cannot be read, ENOMEM.
pub fn pop(thread: &Arc<Thread>, context: &mut UserContext, user: &User) -> Result<(), Errno> {
    let at = SignalFrame::at_return(context.gpr[STACK_POINTER]);
    let ucontext = Ucontext::decode(&user.bytes::<{ Ucontext::SIZE }>(at)?);
    let saved = &ucontext.mcontext;
    let register = |index: usize| saved.gp_regs.get(index).copied().unwrap_or(0);
    context.leave();
    if register(PT_MSR) & MSR_STATE != 0 {
        let mut area = [0; VECTOR_AREA];
        if saved.v_regs != 0 {
            user.read(saved.v_regs, &mut area)?;
        }
        restore_vector(context, saved, &area)?;
    }
    for (place, value) in context.gpr.iter_mut().zip(saved.gp_regs) {
        *place = value;
    }
    context.nip = register(PT_NIP);
    context.ctr = register(PT_CTR);
    context.lr = register(PT_LNK);
    context.xer = register(PT_XER);
    context.cr = register(PT_CCR);
    let sp = context.gpr[STACK_POINTER];
    let mut own = thread.signals.lock();
    own.set_mask(SignalSet(ucontext.sigmask));
    own.stack.restore(ucontext.stack, sp);
    Ok(())
}

fn restore_vector(
    context: &mut UserContext,
    saved: &Sigcontext,
    area: &[u8; VECTOR_AREA],
) -> Result<(), Errno> {
    let mut special = context.special();
    let state = context.vector_mut().map_err(|_| Errno::ENOMEM)?;
    for (index, value) in saved.fp_regs.iter().enumerate() {
        if index < 32 {
            state.set_fpr(index, *value);
        } else {
            state.set_fpscr(*value);
        }
    }
    if saved.v_regs != 0 {
        let from = |at: usize| area.get(at..).unwrap_or_default();
        for register in 0..32 {
            state.set_vr(register, u128::get(from(register * 16)));
            state.set_vsr_low(register, u64::get(from(VSX_AT + register * 8)));
        }
        state.set_vscr(u32::get(from(VSCR_AT)));
        special.vrsave = u64::from(u32::get(from(VRSAVE_AT)));
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
