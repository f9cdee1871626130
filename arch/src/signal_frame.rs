//! Signal frames in the memory of a program: its registers and what else stands there, in one go.
//!
//! The layout is [`SignalFrame`]'s. What is read from a frame is the program's word; none of it can give more than user
//! mode, for which the context itself sees to.

use crate::context::{UserContext, VectorState};
use crate::exposure::Exposure;
use crate::user::{self, UserFault};
use abi::linux::{SIGINFO_SIZE, SignalFrame};
use abi::mmu::Access;
use core::mem::offset_of;

/// What stands in a frame besides registers.
#[derive(Debug)]
#[repr(C)]
pub struct Parts {
    /// Flags and link, which are 0, the alternate stack (3 words), the mask to come back.
    pub head: [u64; 6],
    /// The signal, the handler, the old mask, the address of the registers.
    pub signal: [u64; 4],
    /// The addresses of `info` and of the frame.
    pub addresses: [u64; 2],
    /// What comes with the signal.
    pub info: [u8; SIGINFO_SIZE],
}

/// What a frame says besides registers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct Found {
    /// The alternate stack, 3 words.
    pub stack: [u64; 3],
    /// The mask to come back.
    pub mask: u64,
    /// Which state the frame holds.
    pub msr: u64,
    /// Address of the vector registers, or 0.
    pub vectors: u64,
}

// Keep in step with signal_frame.S.
const _: () = {
    assert!(offset_of!(Parts, signal) == 48);
    assert!(offset_of!(Parts, addresses) == 80);
    assert!(offset_of!(Parts, info) == 96);
    assert!(offset_of!(Found, msr) == 32);
    assert!(offset_of!(Found, vectors) == 40);
    assert!(SignalFrame::SIGNAL == 200);
    assert!(SignalFrame::REGISTERS == 232);
    assert!(SignalFrame::FLOATING_POINT == 616);
    assert!(SignalFrame::VECTORS_ADDRESS == 880);
    assert!(SignalFrame::VECTORS == 896);
    assert!(SignalFrame::INFO_ADDRESS == 1744);
    assert!(SignalFrame::INFO == 1760);
    assert!(SignalFrame::STACK_GAP == 128);
};

unsafe extern "C" {
    fn user_put_frame(
        frame: u64,
        parts: *const Parts,
        context: *const UserContext,
        msr: u64,
        state: *const VectorState,
        vrsave: u64,
    ) -> u64;
    fn user_get_frame(frame: u64, found: *mut Found, context: *mut UserContext) -> u64;
    fn user_get_vectors(
        floating_point: u64,
        vectors: u64,
        state: *mut VectorState,
        vrsave: *mut u64,
    ) -> u64;
}

/// Bytes of the FP registers with FPSCR, and of the vector registers with all that follows them.
const FLOATING_POINT: usize = 33 * 8;
const VECTORS: usize = 34 * 16 + 32 * 8;

/// Writes a frame at an address, with the registers of a context that is not live, and before it the back chain to the
/// context's stack.
///
/// # Errors
/// [`UserFault`]; a part may have been written then.
pub fn put(at: u64, parts: &Parts, context: &UserContext, msr: u64) -> Result<(), UserFault> {
    let start = at.wrapping_sub(SignalFrame::STACK_GAP);
    let length = SignalFrame::STACK_GAP as usize + SignalFrame::WRITTEN;
    user::check(start, length, Access::Write)?;
    let state = context
        .vector()
        .map_or(core::ptr::null(), |state| &raw const *state);
    let vrsave = context.special().vrsave;
    let _exposure = Exposure::begin();
    // SAFETY: loads come from the arguments, stores go to the places checked above, and a fault ends it.
    let failed = unsafe { user_put_frame(at, parts, context, msr, state, vrsave) };
    user::outcome(failed, Access::Write)
}

/// Reads the general registers of a frame into a context, and answers what else it says.
///
/// # Errors
/// [`UserFault`]; a part may be in the context then.
pub fn get(context: &mut UserContext, at: u64) -> Result<Found, UserFault> {
    user::check(at, SignalFrame::VECTORS, Access::Read)?;
    let _exposure = Exposure::begin();
    let mut found = Found::default();
    // SAFETY: stores go to `found` and to registers of the context that may have any value; loads come from the places
    // checked above, and a fault ends it.
    let failed = unsafe { user_get_frame(at, &raw mut found, context) };
    user::outcome(failed, Access::Read)?;
    Ok(found)
}

/// Reads the FP registers of a frame and the vector registers at `vectors` into a state, and answers VRSAVE.
///
/// # Errors
/// [`UserFault`]; some of them may be in `state` then.
pub fn get_vectors(state: &mut VectorState, at: u64, vectors: u64) -> Result<u32, UserFault> {
    let floating_point = at.wrapping_add(SignalFrame::FLOATING_POINT as u64);
    user::check(floating_point, FLOATING_POINT, Access::Read)?;
    user::check(vectors, VECTORS, Access::Read)?;
    let _exposure = Exposure::begin();
    let mut vrsave = 0;
    // SAFETY: stores go to `state` and `vrsave`, loads come from the places checked above, and a fault ends it.
    let failed = unsafe { user_get_vectors(floating_point, vectors, state, &raw mut vrsave) };
    user::outcome(failed, Access::Read)?;
    Ok(vrsave as u32)
}
