//! Which CPUs may be using translations of user addresses at this moment, for machines that invalidate late.
//!
//! When `tlbsync` and `ptesync` are done, no CPU uses what `tlbie` has invalidated (Power ISA, Book III, "TLB
//! Invalidate Entry"). QEMU before 9.1 does not wait: each CPU of it forgets when it has finished the *block* of
//! instructions that it executes, and if the host has stopped it in the middle, that may be milliseconds later. A program
//! could write to a page that has been taken from it and given to somebody else. So on QEMU an invalidation is followed by a
//! handshake with the CPUs that have the address space active:
//!
//! - A CPU counts in its block when it begins and when it ends to use user addresses: as long as it is in a program, and for
//!   each access of the kernel. The count is odd in between.
//! - The count is stored before, and the access is in a later block: it is behind a branch. Whoever finds an even
//!   count after `tlbie` knows that the CPU will forget before its next access.
//! - An odd count is waited for. A CPU in a program is interrupted for that; it answers without a lock, as an access of the
//!   kernel ends without one. So this may be called with any lock held.

use crate::cpu::{self, CpuBlock};
use crate::interrupts::controller;
use crate::process_id::Identity;
use crate::rtas;
use core::sync::atomic::{Ordering, fence};

/// As long as it exists, this CPU may use user addresses.
pub(crate) struct Exposure(Option<&'static CpuBlock>);

impl Exposure {
    /// Begins. To be followed by a call of assembly that makes the accesses.
    pub(crate) fn begin() -> Self {
        if !rtas::is_emulated() {
            return Self(None);
        }
        let block = cpu::block();
        let count = block.exposed.load(Ordering::Relaxed);
        if count & 1 != 0 {
            // In a program already, for which a light call (`light.rs`) makes an access.
            return Self(None);
        }
        block.exposed.store(count + 1, Ordering::Relaxed);
        fence(Ordering::SeqCst);
        Self(Some(block))
    }
}

impl Drop for Exposure {
    fn drop(&mut self) {
        if let Some(block) = self.0 {
            let count = block.exposed.load(Ordering::Relaxed);
            block.exposed.store(count + 1, Ordering::Release);
        }
    }
}

/// Waits until no other CPU is in the middle of using translations of the space with this identity which were invalidated
/// before.
pub(crate) fn wait(identity: Identity) {
    if !rtas::is_emulated() {
        return;
    }
    fence(Ordering::SeqCst);
    let me = cpu::this();
    for (number, block) in cpu::blocks() {
        if number == me || block.active_space.load(Ordering::Relaxed) != identity.0 {
            continue;
        }
        let count = block.exposed.load(Ordering::Relaxed);
        if count & 1 == 0 {
            continue;
        }
        controller().call(number);
        while block.exposed.load(Ordering::Relaxed) == count {
            core::hint::spin_loop();
        }
    }
    // What comes after has not been begun before the counts were read. One barrier for all of them.
    fence(Ordering::Acquire);
}
