//! Restartable sequences (linux/rseq.h; Mathieu Desnoyers, "The 5-year journey to bring restartable sequences to Linux").
//!
//! A thread registers an area of its memory. In it the kernel keeps the number of the CPU, and the thread the
//! address of the section that it is in. A thread that was disturbed in the middle of a section, by another thread on its CPU, by a
//! handler or by a barrier, goes on at the section's abort address. Nothing happens at the disturbance itself: it is noted, and what
//! is to be done is done before the thread is in its program again ([`Rseq::is_stale`]).
//!
//! A section makes no system calls, so a thread that waits in one is in no section, and going back to the same CPU costs it nothing.

use crate::user::User;
use abi::Errno;
use abi::linux::{RSEQ_ALIGNMENT, RSEQ_CPU_ID_UNINITIALIZED, RseqArea, RseqSection};
use arch::UserContext;
use core::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};

/// Offset of the address of the section in the area.
const SECTION: u64 = 8;

/// What a thread has registered. Only the CPU that runs the thread changes it, but for the note that it was disturbed.
#[derive(Debug)]
pub struct Rseq {
    /// Address of the area; 0: there is none.
    area: AtomicU64,
    /// Size of the area, in bytes.
    length: AtomicU32,
    /// What stands before every abort address of the program.
    signature: AtomicU32,
    /// The CPU that the area names, counted from 1; 0: none yet.
    told: AtomicU32,
    /// The thread may have been in a section when something came between.
    disturbed: AtomicBool,
}

impl Rseq {
    /// Nothing is registered.
    pub const fn new() -> Self {
        Self {
            area: AtomicU64::new(0),
            length: AtomicU32::new(0),
            signature: AtomicU32::new(0),
            told: AtomicU32::new(0),
            disturbed: AtomicBool::new(false),
        }
    }

    fn area(&self) -> u64 {
        self.area.load(Ordering::Relaxed)
    }

    /// Registers an area, and tells the program on which CPU it is.
    ///
    /// # Errors
    /// EBUSY when it is registered already; EINVAL when another is, and for a bad address or size; EPERM for another
    /// signature; EFAULT, ENOMEM.
    pub fn register(
        &self,
        user: &User,
        [area, length]: [u64; 2],
        signature: u32,
        cpu: u32,
    ) -> Result<(), Errno> {
        if self.area() != 0 {
            self.check([area, length], signature)?;
            return Err(Errno::EBUSY);
        }
        if length < RSEQ_ALIGNMENT || !area.is_multiple_of(RSEQ_ALIGNMENT) {
            return Err(Errno::EINVAL);
        }
        let last = area.checked_add(length - 1).ok_or(Errno::EFAULT)?;
        let mut found = RseqArea::decode(&user.bytes::<{ RseqArea::SIZE }>(area)?);
        user.bytes::<1>(last)?;
        found.cpu_id_start = cpu;
        found.cpu_id = cpu;
        found.rseq_cs = 0;
        found.node_id = 0;
        user.write(area, &found.encode())?;
        self.length.store(length as u32, Ordering::Relaxed);
        self.signature.store(signature, Ordering::Relaxed);
        self.told.store(cpu + 1, Ordering::Relaxed);
        self.disturbed.store(false, Ordering::Relaxed);
        self.area.store(area, Ordering::Relaxed);
        Ok(())
    }

    /// Gives the area back to the program.
    ///
    /// # Errors
    /// EINVAL when it is not registered so, EPERM for another signature, EFAULT, ENOMEM.
    pub fn unregister(&self, user: &User, area: [u64; 2], signature: u32) -> Result<(), Errno> {
        if self.area() == 0 {
            return Err(Errno::EINVAL);
        }
        self.check(area, signature)?;
        let mut found = RseqArea::decode(&user.bytes::<{ RseqArea::SIZE }>(area[0])?);
        found.cpu_id_start = 0;
        found.cpu_id = RSEQ_CPU_ID_UNINITIALIZED;
        found.node_id = 0;
        user.write(area[0], &found.encode())?;
        self.forget();
        Ok(())
    }

    fn check(&self, [area, length]: [u64; 2], signature: u32) -> Result<(), Errno> {
        if area != self.area() || length != u64::from(self.length.load(Ordering::Relaxed)) {
            return Err(Errno::EINVAL);
        }
        if signature != self.signature.load(Ordering::Relaxed) {
            return Err(Errno::EPERM);
        }
        Ok(())
    }

    /// Nothing is registered any more: `execve`.
    pub fn forget(&self) {
        self.area.store(0, Ordering::Relaxed);
    }

    /// Takes over what the maker of a process with its own copy of the memory has registered.
    pub fn inherit(&self, maker: &Self) {
        for (own, other) in [
            (&self.length, &maker.length),
            (&self.signature, &maker.signature),
        ] {
            own.store(other.load(Ordering::Relaxed), Ordering::Relaxed);
        }
        self.area.store(maker.area(), Ordering::Relaxed);
    }

    /// Notes that something has come between two instructions of the program.
    pub fn disturb(&self) {
        if self.area() != 0 {
            self.disturbed.store(true, Ordering::Relaxed);
        }
    }

    /// Whether [`Rseq::renew`] has something to do before the program goes on here.
    pub fn is_stale(&self, cpu: u32) -> bool {
        self.area() != 0
            && (self.disturbed.load(Ordering::Relaxed)
                || self.told.load(Ordering::Relaxed) != cpu + 1)
    }

    /// Leaves the section that the thread was disturbed in, and tells the program on which CPU it is. `interrupted`: a
    /// handler is about to be entered.
    ///
    /// # Errors
    /// EFAULT and EINVAL when the area or the section is not what it should be; ENOMEM, and it may be done again.
    pub fn renew(
        &self,
        context: &mut UserContext,
        user: &User,
        cpu: u32,
        interrupted: bool,
    ) -> Result<(), Errno> {
        let area = self.area();
        if area == 0 {
            return Ok(());
        }
        let moved = self.told.load(Ordering::Relaxed) != cpu + 1;
        let disturbed = self.disturbed.swap(false, Ordering::Relaxed);
        let renewed = (|| {
            if moved || disturbed || interrupted {
                self.leave_section(context, user, area)?;
            }
            if moved {
                let word = u64::from(cpu) << 32 | u64::from(cpu);
                user.persist(|| arch::user::store_u64(area, word))?;
                self.told.store(cpu + 1, Ordering::Relaxed);
            }
            Ok(())
        })();
        if renewed.is_err() {
            self.disturbed.store(true, Ordering::Relaxed);
        }
        renewed
    }

    fn leave_section(
        &self,
        context: &mut UserContext,
        user: &User,
        area: u64,
    ) -> Result<(), Errno> {
        let at = user.persist(|| arch::user::load_u64(area + SECTION))?;
        if at == 0 {
            return Ok(());
        }
        let section = RseqSection::decode(&user.bytes::<{ RseqSection::SIZE }>(at)?);
        let inside =
            |address: u64| address.wrapping_sub(section.start_ip) < section.post_commit_offset;
        let ends = section.start_ip.checked_add(section.post_commit_offset);
        if section.version != 0 || ends.is_none() || inside(section.abort_ip) {
            return Err(Errno::EINVAL);
        }
        // An abort address without the signature may be one that an attacker has chosen.
        let before = section.abort_ip.wrapping_sub(4);
        if user.persist(|| arch::user::load_u32(before))? != self.signature.load(Ordering::Relaxed)
        {
            return Err(Errno::EINVAL);
        }
        let enters = inside(context.nip);
        if enters {
            let flags = RseqArea::decode(&user.bytes::<{ RseqArea::SIZE }>(area)?).flags;
            if flags | section.flags != 0 {
                return Err(Errno::EINVAL);
            }
        }
        user.persist(|| arch::user::store_u64(area + SECTION, 0))?;
        if enters {
            context.nip = section.abort_ip;
        }
        Ok(())
    }
}
