//! The signal frame of ppc64le (asm/sigcontext.h, asm/ucontext.h; OpenPOWER ELFv2 ABI, 2.2.2.4 for the red zone).
//!
//! The kernel builds a [`SignalFrame`] below the interrupted stack pointer (its last 512 bytes are the red zone,
//! which is not written) and starts the handler with r1 at [`SignalFrame::STACK_GAP`] bytes below the frame, r3 signal, r4
//! address of `info`, r5 address of the `ucontext` (the frame itself), r12 = nip = handler, and LR at the way back in the vDSO
//! (`__kernel_sigtramp_rt64`), whose instructions unwinders recognize. There is no second context of a
//! suspended transaction: transactional memory is not offered in AT_HWCAP2.

use super::record::record;
use super::signal::{SIGINFO_SIZE, StackT};

/// Places in `gp_regs` behind the 32 general registers (asm/ptrace.h).
pub const PT_NIP: usize = 32;
/// Place in `gp_regs`: machine state.
pub const PT_MSR: usize = 33;
/// Place in `gp_regs`: r3 at the system call.
pub const PT_ORIG_R3: usize = 34;
/// Place in `gp_regs`: CTR.
pub const PT_CTR: usize = 35;
/// Place in `gp_regs`: LR.
pub const PT_LNK: usize = 36;
/// Place in `gp_regs`: XER.
pub const PT_XER: usize = 37;
/// Place in `gp_regs`: CR.
pub const PT_CCR: usize = 38;
/// Place in `gp_regs`: soft-enable state; 1.
pub const PT_SOFTE: usize = 39;
/// Place in `gp_regs`: interrupt vector.
pub const PT_TRAP: usize = 40;
/// Place in `gp_regs`: DAR.
pub const PT_DAR: usize = 41;
/// Place in `gp_regs`: DSISR.
pub const PT_DSISR: usize = 42;
/// Place in `gp_regs`: result.
pub const PT_RESULT: usize = 43;
/// Place in `gp_regs`: DSCR.
pub const PT_DSCR: usize = 44;

/// MSR bit: the frame has VMX registers.
pub const MSR_VEC: u64 = 1 << 25;
/// MSR bit: the frame has the low halves of VSX registers.
pub const MSR_VSX: u64 = 1 << 23;
/// MSR bit: floating point is on.
pub const MSR_FP: u64 = 1 << 13;

record! {
    /// `struct sigcontext` of powerpc64: the registers of the interrupted thread.
    Sigcontext [1528] {
        /// Unused.
        0 unused: [u64; 4],
        /// The signal.
        32 signal: i32,
        /// Address of the handler.
        40 handler: u64,
        /// Unused: low bits of the mask.
        48 oldmask: u64,
        /// Address of `gp_regs`, for unwinders.
        56 regs: u64,
        /// r0 to r31, then by the PT_ places.
        64 gp_regs: [u64; 48],
        /// f0 to f31, FPSCR.
        448 fp_regs: [u64; 33],
        /// Address of the VMX registers, the first multiple of 16 in `vmx_reserve`; 0 when there are none.
        712 v_regs: u64,
        /// v0 to v31, VSCR, VRSAVE (16 bytes each), then the low doublewords of vs0 to vs31.
        720 vmx_reserve: [u64; 101],
    }

    /// `struct ucontext` of powerpc64.
    Ucontext [1696] {
        /// 0.
        0 flags: u64,
        /// 0.
        8 link: u64,
        /// The alternate stack.
        16 stack: StackT,
        /// The mask to come back.
        40 sigmask: u64,
        /// The registers.
        168 mcontext: Sigcontext,
    }

    /// `struct rt_sigframe` of powerpc64.
    SignalFrame [2400] {
        /// What the handler's third argument points to.
        0 ucontext: Ucontext,
        /// Unused; the trampoline of kernels without vDSO.
        1712 trampoline: [u32; 7],
        /// Address of `info`.
        1744 info_address: u64,
        /// Address of `ucontext`.
        1752 ucontext_address: u64,
        /// What the handler's second argument points to.
        1760 info: [u8; SIGINFO_SIZE],
    }
}

impl Sigcontext {
    /// Bytes from the start of a frame to `vmx_reserve`.
    pub const VMX_RESERVE: u64 = 168 + 720;
    /// Words of 64 bits from the first VMX register to the low halves of the VSX registers.
    pub const VSX_WORDS: usize = 68;
}

impl SignalFrame {
    /// Bytes between the handler's stack pointer and the frame: room for the callee's linkage (`__SIGNAL_FRAMESIZE`).
    pub const STACK_GAP: u64 = 128;

    /// The least stack that a handler can begin on, in bytes (`AT_MINSIGSTKSZ`).
    pub const LEAST_STACK: u64 = Self::SIZE as u64 + Self::STACK_GAP;

    /// Bytes of a frame that are the kernel's to write. The rest of it is the interrupted program's red zone: leaf
    /// functions keep registers there.
    pub const WRITTEN: usize = 1760 + SIGINFO_SIZE;

    /// Where a frame lies, built down from a stack pointer; a multiple of 16.
    #[must_use]
    pub const fn address(top: u64) -> u64 {
        top.wrapping_sub(Self::SIZE as u64) & !15
    }

    /// The frame that the stack pointer at `rt_sigreturn` means; the trampoline has added the gap.
    #[must_use]
    pub const fn at_return(sp: u64) -> u64 {
        sp
    }

    /// Words at the start of a frame: flags, link, the alternate stack and the mask to come back.
    pub const HEAD: usize = 6;
    /// Place in a frame: the alternate stack.
    pub const STACK: usize = 16;
    /// Place in a frame: the signal, the handler, the old mask and [`SignalFrame::REGISTERS_ADDRESS`], a word each.
    pub const SIGNAL: usize = Self::CONTEXT + 32;
    /// Place in a frame: address of [`SignalFrame::REGISTERS`].
    pub const REGISTERS_ADDRESS: usize = Self::CONTEXT + 56;
    /// Place in a frame: the general registers, then what has a PT_ place.
    pub const REGISTERS: usize = Self::CONTEXT + 64;
    /// Place in a frame: f0 to f31, FPSCR.
    pub const FLOATING_POINT: usize = Self::CONTEXT + 448;
    /// Place in a frame: address of [`SignalFrame::VECTORS`], or 0.
    pub const VECTORS_ADDRESS: usize = Self::CONTEXT + 712;
    /// Place in a frame: v0 to v31, VSCR, VRSAVE (16 bytes each), the low doublewords of vs0 to vs31; frames are aligned, so
    /// it is the first multiple of 16 in `vmx_reserve`.
    pub const VECTORS: usize = 896;
    /// Place in a frame: address of what comes with the signal; that of the frame and that itself follow.
    pub const INFO_ADDRESS: usize = 1744;
    /// Place in a frame: what comes with the signal.
    pub const INFO: usize = 1760;

    /// Words from [`SignalFrame::SIGNAL`] to the end of what has a PT_ place.
    pub const CONTEXT_WORDS: usize = (Self::FLOATING_POINT - Self::SIGNAL) / 8;

    /// The word behind [`SignalFrame::SIGNAL`] that has a PT_ place.
    #[must_use]
    pub const fn word(register: usize) -> usize {
        (Self::REGISTERS - Self::SIGNAL) / 8 + register
    }

    const CONTEXT: usize = 168;

    /// Where the VMX registers of a frame at an address lie.
    #[must_use]
    pub const fn vmx_address(frame: u64) -> u64 {
        (frame.wrapping_add(Sigcontext::VMX_RESERVE).wrapping_add(15)) & !15
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::linux::Field;

    /// The places are those of the structure that is held against the compiler's headers.
    #[test]
    fn places_are_the_structures() {
        assert_eq!(SignalFrame::vmx_address(0), SignalFrame::VECTORS as u64);
        const { assert!(SignalFrame::VECTORS + 34 * 16 + 32 * 8 <= Ucontext::SIZE) };
        let mut whole = [0; SignalFrame::SIZE];
        let mut put = |place: usize, value: u64| value.put(&mut whole[place..]);
        let stack = StackT {
            sp: 1,
            flags: 2,
            size: 3,
        };
        for (place, value) in (SignalFrame::STACK..).step_by(8).zip(1..=4) {
            put(place, value);
        }
        put(SignalFrame::SIGNAL, 5);
        put(SignalFrame::SIGNAL + 8, 6);
        put(SignalFrame::REGISTERS_ADDRESS, 7);
        for register in 0..48 {
            let place = SignalFrame::SIGNAL + SignalFrame::word(register) * 8;
            put(place, 100 + register as u64);
        }
        for register in 0..33 {
            put(
                SignalFrame::FLOATING_POINT + register * 8,
                200 + register as u64,
            );
        }
        put(SignalFrame::VECTORS_ADDRESS, 8);
        put(SignalFrame::INFO_ADDRESS, 9);
        put(SignalFrame::INFO_ADDRESS + 8, 10);
        put(SignalFrame::INFO, 11);
        let frame = SignalFrame::decode(&whole);
        let context = frame.ucontext.mcontext;
        assert_eq!((frame.ucontext.stack, frame.ucontext.sigmask), (stack, 4));
        assert_eq!(SignalFrame::STACK + 4 * 8, SignalFrame::HEAD * 8);
        assert_eq!((context.signal, context.handler, context.regs), (5, 6, 7));
        assert!(context.gp_regs.into_iter().eq(100..148));
        assert!(context.fp_regs.into_iter().eq(200..233));
        assert_eq!(context.v_regs, 8);
        assert_eq!((frame.info_address, frame.ucontext_address), (9, 10));
        assert_eq!(frame.info[0], 11);
    }
}
