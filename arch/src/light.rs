//! System calls that are answered without taking the program's registers off the CPU.
//!
//! Most of what a trap costs is the way to the dispatcher and back: 32 registers out and in, two readings of the clock,
//! the questions that are asked at every turn. A call that can neither wait nor change what a turn looks at needs none of
//! that. Such a call is an ordinary function that is called from the vector (`light.S`), with interrupts
//! off and on the stack of the CPU, while the program stays the one that runs: its time is the program's own.
//!
//! A light call must not touch the program's registers, must not wait, and must be over in some dozens of instructions.
//! It reaches the program's memory by [`crate::user`] only, and takes no lock for that which a fault may need: a copy that
//! fails is not resolved there. It may answer [`Answer::NOT_NOW`] as long as nothing has changed that the ordinary call
//! would see; the call then goes the ordinary way.

use abi::Errno;
use core::mem::offset_of;
use core::sync::atomic::{AtomicU64, Ordering};

/// Numbers of light calls are below this.
const LIMIT: usize = 512;

/// What a light call answers; r3 and r4 for `light.S`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub struct Answer {
    value: u64,
    kind: u64,
}

impl Answer {
    /// The call goes the ordinary way.
    pub const NOT_NOW: Answer = Answer { value: 0, kind: 2 };

    /// The call succeeds with a value.
    #[must_use]
    pub const fn value(value: u64) -> Self {
        Self { value, kind: 0 }
    }

    /// The call fails.
    #[must_use]
    pub fn error(errno: Errno) -> Self {
        Self {
            value: u64::from(errno.number()),
            kind: 1,
        }
    }
}

/// A light call; it gets r3 to r8.
pub type LightCall = extern "C" fn(u64, u64, u64, u64, u64, u64) -> Answer;

/// The entries by call number; 0: there is none. `light.S` calls what is in it.
static LIGHT_CALLS: [AtomicU64; LIMIT] = [const { AtomicU64::new(0) }; LIMIT];

// Keep in step with layout.h.
const _: () = {
    assert!(LIMIT == 512);
    assert!(offset_of!(Answer, value) == 0);
    assert!(offset_of!(Answer, kind) == 8);
};

/// The address of the table, for the blocks of CPUs.
pub(crate) fn table() -> u64 {
    LIGHT_CALLS.as_ptr() as u64
}

/// Makes `call` the light form of a system call from now on; a number out of range is ignored.
pub fn install(number: u16, call: LightCall) {
    if let Some(entry) = LIGHT_CALLS.get(usize::from(number)) {
        entry.store(call as usize as u64, Ordering::Release);
    }
}
