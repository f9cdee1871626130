//! The alternate signal stack (`man 2 sigaltstack`).

use abi::Errno;
use abi::linux::{SS_AUTODISARM, SS_DISABLE, SS_ONSTACK, StackT};

/// Where handlers with `SA_ONSTACK` run; none by default.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AlternateStack {
    sp: u64,
    size: u64,
    disarms: bool,
}

/// Programs built for kernels before 5.14 pass this size, and a signal frame without transactions fits.
const LEAST_SIZE: u64 = 4096;

impl AlternateStack {
    /// Whether a stack pointer is on the alternate stack.
    #[must_use]
    pub fn contains(&self, sp: u64) -> bool {
        // With SS_AUTODISARM the stack is switched off while in use, so nobody is ever "on" it.
        !self.disarms && self.size > 0 && sp > self.sp && sp - self.sp <= self.size
    }

    /// What `sigaltstack` and a signal frame say of it.
    #[must_use]
    pub fn describe(&self, sp: u64) -> StackT {
        let state = match self.size {
            0 => SS_DISABLE,
            _ if self.contains(sp) => SS_ONSTACK,
            _ => 0,
        };
        let flags = state | if self.disarms { SS_AUTODISARM } else { 0 };
        StackT {
            sp: self.sp,
            flags,
            size: self.size,
        }
    }

    /// Replaces it; `sp` is the present stack pointer.
    ///
    /// # Errors
    /// EPERM while running on it; EINVAL for unknown flags; ENOMEM when it is too small.
    pub fn set(&mut self, new: StackT, sp: u64) -> Result<(), Errno> {
        if self.contains(sp) {
            return Err(Errno::EPERM);
        }
        let disarms = new.flags & SS_AUTODISARM != 0;
        *self = match new.flags & !SS_AUTODISARM {
            SS_DISABLE => Self {
                disarms,
                ..Self::default()
            },
            0 | SS_ONSTACK if new.size < LEAST_SIZE => return Err(Errno::ENOMEM),
            0 | SS_ONSTACK => Self {
                sp: new.sp,
                size: new.size,
                disarms,
            },
            _ => return Err(Errno::EINVAL),
        };
        Ok(())
    }

    /// Puts back what a signal frame recorded; errors are of no concern to `sigreturn`.
    pub fn restore(&mut self, recorded: StackT, sp: u64) {
        let mut copy = *self;
        if copy.set(recorded, sp).is_ok() {
            *self = copy;
        }
    }

    /// The stack pointer from which a handler's frame is built downwards; `sp` is the interrupted one.
    ///
    /// A frame that would leave the alternate stack that it is already on gets an address that faults.
    pub fn top(&mut self, on_stack: bool, sp: u64) -> u64 {
        if !on_stack || self.size == 0 || self.contains(sp) {
            return sp;
        }
        let top = self.sp.wrapping_add(self.size);
        if self.disarms {
            *self = Self::default();
        }
        top
    }
}
