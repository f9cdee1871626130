//! The registers of a program.
//!
//! Invariant: while [`UserContext::is_live`] the FP and vector registers, TAR, DSCR and VRSAVE of the running CPU
//! belong to the context and the copies in memory are stale. [`UserContext::leave`] brings them back. It must be
//! called before another context runs on this CPU, before this one is cloned, read through the accessors of those
//! registers, or run on another CPU. A context that is dropped while live needs no `leave`: what is left in the
//! registers is never shown to another program, because a program gets the facilities only with its own state.

use crate::cpu;
use crate::registers::{self, Msr, Spr};
use alloc::alloc::{Layout, alloc_zeroed};
use alloc::boxed::Box;
use core::mem::offset_of;
use core::sync::atomic::Ordering;

/// The 64 vector-scalar registers with their status registers.
///
/// Register n < 32 holds floating-point register n in its high doubleword; register 32 + n is vector register n.
#[derive(Clone, Debug)]
#[repr(C, align(16))]
pub struct VectorState {
    registers: [u128; 64],
    fpscr: u64,
    reserved: u64,
    vscr: u128,
}

/// The registers of a program, as of its last interrupt.
#[derive(Debug)]
#[repr(C, align(16))]
pub struct UserContext {
    /// The general-purpose registers.
    pub gpr: [u64; 32],
    /// The address of the next instruction.
    pub nip: u64,
    msr: u64,
    /// The count register.
    pub ctr: u64,
    /// The link register.
    pub lr: u64,
    /// The fixed-point exception register.
    pub xer: u64,
    /// The condition register, in the low 32 bits.
    pub cr: u64,
    tar: u64,
    dscr: u64,
    vrsave: u64,
    vector: Option<Box<VectorState>>,
    /// TAR, DSCR, VRSAVE of the CPU are this context's.
    resident: bool,
    /// The FP and vector registers of the CPU are this context's; implies `resident`.
    vector_live: bool,
    fp_exceptions: bool,
    single_step: bool,
}

// Keep in step with layout.h.
const _: () = {
    assert!(offset_of!(UserContext, gpr) == 0);
    assert!(offset_of!(UserContext, nip) == 256);
    assert!(offset_of!(UserContext, msr) == 264);
    assert!(offset_of!(UserContext, ctr) == 272);
    assert!(offset_of!(UserContext, lr) == 280);
    assert!(offset_of!(UserContext, xer) == 288);
    assert!(offset_of!(UserContext, cr) == 296);
    assert!(offset_of!(VectorState, fpscr) == 1024);
    assert!(offset_of!(VectorState, vscr) == 1040);
};

/// There is no memory for a program's vector registers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoMemory;

unsafe extern "C" {
    fn vector_save(state: *mut VectorState);
    fn vector_load(state: *const VectorState);
}

/// The NJ bit of a new program's VSCR: Java mode off as Linux has it.
const NEW_VSCR: u128 = 0;

impl Default for UserContext {
    fn default() -> Self {
        Self::new(0, 0)
    }
}

impl UserContext {
    /// A copy, which is not live anywhere.
    ///
    /// # Errors
    /// [`NoMemory`].
    ///
    /// # Panics
    /// In debug builds, when this context is live.
    pub fn try_clone(&self) -> Result<Self, NoMemory> {
        self.assert_left();
        let vector = match &self.vector {
            None => None,
            Some(state) => {
                let mut copy = VectorState::allocate()?;
                copy.clone_from(state);
                Some(copy)
            }
        };
        Ok(Self {
            vector,
            resident: false,
            vector_live: false,
            ..*self
        })
    }
}

impl Drop for UserContext {
    /// A program that ends leaves nothing behind that another could see; its registers are just nobody's.
    fn drop(&mut self) {
        if self.vector_live {
            cpu::block().vectors_live.store(false, Ordering::Relaxed);
        }
    }
}

impl UserContext {
    /// A program that starts at `nip` with the stack pointer `sp`, everything else zero.
    ///
    /// ELFv2 wants r12 to hold the entry point as well: that is the caller's to set.
    #[must_use]
    pub fn new(nip: u64, sp: u64) -> Self {
        let mut gpr = [0; 32];
        gpr[1] = sp;
        Self {
            gpr,
            nip,
            msr: 0,
            ctr: 0,
            lr: 0,
            xer: 0,
            cr: 0,
            tar: 0,
            dscr: 0,
            vrsave: 0,
            vector: None,
            resident: false,
            vector_live: false,
            fp_exceptions: false,
            single_step: false,
        }
    }

    /// The arguments of a system call: its number, and r3 to r8.
    #[must_use]
    pub fn call(&self) -> (u64, [u64; 6]) {
        let [r0, _, _, r3, r4, r5, r6, r7, r8, ..] = self.gpr;
        (r0, [r3, r4, r5, r6, r7, r8])
    }

    /// Ends a system call well: r3 and a clear summary-overflow bit in CR0 (Linux, "powerpc system call ABI").
    pub fn succeed(&mut self, value: u64) {
        self.gpr[3] = value;
        self.cr &= !CR0_SO;
    }

    /// Ends a system call with a positive error number and CR0's summary-overflow bit set.
    pub fn fail(&mut self, error: abi::Errno) {
        self.fail_with(error.number());
    }

    /// As [`UserContext::fail`], with any number.
    pub fn fail_with(&mut self, error: u16) {
        self.gpr[3] = u64::from(error);
        self.cr |= CR0_SO;
    }

    /// Makes the program run the `sc` it stopped at again; its registers are still those of the call.
    pub fn repeat_call(&mut self) {
        self.nip = self.nip.wrapping_sub(4);
    }

    /// Whether the CPU holds registers of this context: see the module's invariant.
    #[must_use]
    pub fn is_live(&self) -> bool {
        self.resident
    }

    /// Whether the program has used FP or vector registers.
    #[must_use]
    pub fn is_vec_used(&self) -> bool {
        self.vector.is_some()
    }

    /// Lets enabled floating-point exceptions of the program trap (`prctl(PR_SET_FPEXC)`), precisely.
    pub fn set_fp_exceptions(&mut self, on: bool) {
        self.fp_exceptions = on;
    }

    /// Makes every instruction of the program trap with [`crate::Trap::SingleStep`].
    pub fn set_single_step(&mut self, on: bool) {
        self.single_step = on;
    }

    /// The MSR that the program runs with, as a signal frame shows it.
    #[must_use]
    pub fn msr(&self) -> u64 {
        let facilities = if self.vector_live {
            Msr::FP | Msr::VEC | Msr::VSX
        } else {
            0
        };
        let exceptions = if self.fp_exceptions {
            Msr::FE0 | Msr::FE1
        } else {
            0
        };
        let step = if self.single_step { Msr::SE } else { 0 };
        Msr::USER | facilities | exceptions | step
    }

    /// SRR1 of the interrupt that ended the last run.
    pub(crate) fn interrupt_status(&self) -> u64 {
        self.msr
    }

    /// Before a run: the small registers are brought in and the MSR is composed from scratch.
    pub(crate) fn prepare(&mut self) {
        if !self.resident {
            debug_assert!(
                !cpu::block().vectors_live.load(Ordering::Relaxed),
                "another context has not left"
            );
            // SAFETY: three registers that only programs use.
            unsafe {
                registers::write::<{ Spr::TAR }>(self.tar);
                registers::write::<{ Spr::DSCR }>(self.dscr);
                registers::write::<{ Spr::VRSAVE }>(self.vrsave);
            }
            self.resident = true;
        }
        self.msr = self.msr();
    }

    /// Gives the program the FP and vector registers with its own state in them.
    pub(crate) fn enable_vectors(&mut self) -> Result<(), NoMemory> {
        if self.vector.is_none() {
            self.vector = Some(VectorState::allocate()?);
        }
        let state = self.vector.as_ref().ok_or(NoMemory)?;
        // SAFETY: the registers are no live context's (see the invariant), and the state is complete.
        unsafe { vector_load(&raw const **state) };
        cpu::block().vectors_live.store(true, Ordering::Relaxed);
        self.vector_live = true;
        Ok(())
    }

    /// Takes all registers off the CPU into the context: to be called when another context is to run, and before
    /// anything named in the module's invariant. Cheap when nothing is live.
    pub fn leave(&mut self) {
        if !self.resident {
            return;
        }
        self.resident = false;
        self.tar = registers::read::<{ Spr::TAR }>();
        self.dscr = registers::read::<{ Spr::DSCR }>();
        self.vrsave = registers::read::<{ Spr::VRSAVE }>();
        if let (true, Some(state)) = (self.vector_live, &mut self.vector) {
            // SAFETY: the registers are this context's.
            unsafe { vector_save(&raw mut **state) };
        }
        self.vector_live = false;
        cpu::block().vectors_live.store(false, Ordering::Relaxed);
    }

    /// As [`UserContext::leave`], when the state of the FP and vector registers is to be replaced: it is not kept.
    pub fn leave_without_vectors(&mut self) {
        self.vector_live = false;
        cpu::block().vectors_live.store(false, Ordering::Relaxed);
        self.leave();
    }

    fn assert_left(&self) {
        debug_assert!(!self.resident, "the context is live");
    }

    /// The FP and vector state; `None` when the program has not used it, all zero then.
    ///
    /// # Panics
    /// In debug builds, when the context is live.
    #[must_use]
    pub fn vector(&self) -> Option<&VectorState> {
        self.assert_left();
        self.vector.as_deref()
    }

    /// The FP and vector state for writing, made when there is none.
    ///
    /// # Errors
    /// [`NoMemory`] when it cannot be made.
    ///
    /// # Panics
    /// In debug builds, when the context is live.
    pub fn vector_mut(&mut self) -> Result<&mut VectorState, NoMemory> {
        self.assert_left();
        if self.vector.is_none() {
            self.vector = Some(VectorState::allocate()?);
        }
        self.vector.as_deref_mut().ok_or(NoMemory)
    }

    /// Forgets the FP and vector state, TAR, DSCR, VRSAVE: for `execve`.
    pub fn clear_vector(&mut self) {
        self.leave();
        self.vector = None;
        (self.tar, self.dscr, self.vrsave) = (0, 0, 0);
    }

    /// VRSAVE, TAR and DSCR.
    ///
    /// # Panics
    /// In debug builds, when the context is live.
    #[must_use]
    pub fn special(&self) -> Special {
        self.assert_left();
        Special {
            vrsave: self.vrsave,
            tar: self.tar,
            dscr: self.dscr,
        }
    }

    /// Sets VRSAVE, TAR and DSCR.
    ///
    /// # Panics
    /// In debug builds, when the context is live.
    pub fn set_special(&mut self, special: Special) {
        self.assert_left();
        self.vrsave = special.vrsave & 0xffff_ffff;
        self.tar = special.tar;
        self.dscr = special.dscr & DSCR_MASK;
    }
}

/// CR0's summary-overflow bit.
const CR0_SO: u64 = 0x1000_0000;

/// The bits of DSCR that have a meaning.
const DSCR_MASK: u64 = 0x01ff_ffff;

/// Small registers that programs may write.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Special {
    /// VRSAVE, 32 bits.
    pub vrsave: u64,
    /// The target address register.
    pub tar: u64,
    /// The data stream control register.
    pub dscr: u64,
}

impl VectorState {
    /// A zeroed state on the heap, without taking the kernel down when there is no memory.
    fn allocate() -> Result<Box<Self>, NoMemory> {
        let layout = Layout::new::<Self>();
        // SAFETY: the layout has a size.
        let memory = unsafe { alloc_zeroed(layout) }.cast::<Self>();
        if memory.is_null() {
            return Err(NoMemory);
        }
        // SAFETY: allocated with the type's layout; all zeros is a value of it.
        let mut state = unsafe { Box::from_raw(memory) };
        state.vscr = NEW_VSCR;
        Ok(state)
    }

    /// Floating-point register `n` modulo 32.
    #[must_use]
    pub fn fpr(&self, n: usize) -> u64 {
        (self.registers[n % 32] >> 64) as u64
    }

    /// Sets floating-point register `n` modulo 32; the other half of its vector-scalar register stays.
    pub fn set_fpr(&mut self, n: usize, value: u64) {
        let register = &mut self.registers[n % 32];
        *register = u128::from(value) << 64 | u128::from(*register as u64);
    }

    /// The low doubleword of vector-scalar register `n` modulo 32: the part that is no FP register.
    #[must_use]
    pub fn vsr_low(&self, n: usize) -> u64 {
        self.registers[n % 32] as u64
    }

    /// Sets the low doubleword of vector-scalar register `n` modulo 32.
    pub fn set_vsr_low(&mut self, n: usize, value: u64) {
        let register = &mut self.registers[n % 32];
        *register = *register >> 64 << 64 | u128::from(value);
    }

    /// Vector register `n` modulo 32.
    #[must_use]
    pub fn vr(&self, n: usize) -> u128 {
        self.registers[32 + n % 32]
    }

    /// Sets vector register `n` modulo 32.
    pub fn set_vr(&mut self, n: usize, value: u128) {
        self.registers[32 + n % 32] = value;
    }

    /// The floating-point status and control register.
    #[must_use]
    pub fn fpscr(&self) -> u64 {
        self.fpscr
    }

    /// Sets the floating-point status and control register.
    pub fn set_fpscr(&mut self, value: u64) {
        self.fpscr = value;
    }

    /// The vector status and control register, in the low 32 bits.
    #[must_use]
    pub fn vscr(&self) -> u32 {
        self.vscr as u32
    }

    /// Sets the vector status and control register.
    pub fn set_vscr(&mut self, value: u32) {
        self.vscr = u128::from(value);
    }
}
