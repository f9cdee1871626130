//! The vDSO in programs: one object and one page of data for the whole machine, mapped at the same place in each.
//!
//! On powerpc the kernel, not libc, says where a signal handler returns to: into this object.

use crate::system::{WallClock, system};
use abi::mmu::Protection;
use abi::{Cid, Errno, Nanos, PAGE_SIZE};
use alloc::sync::Arc;
use core::sync::atomic::{AtomicU64, Ordering, fence};
use memory::space::{Backing, Fixed, MapRequest, Mapping, Traits};
use memory::{AddressSpace, Frame, PageSource, SharedPages};
use spin::Once;
use sync::Guard;
use vdso::{Clock, Clocks};

/// Where the object is in every program (AT_SYSINFO_EHDR): above all mappings, below the stack's range.
pub const ADDRESS: u64 = 0x7fff_f7ff_0000;

/// Where signal handlers return to.
pub const SIGNAL_RETURN: u64 = ADDRESS + vdso::SIGNAL_RETURN;

/// The object and its data.
const PAGES: u64 = 2;

struct Object {
    source: Arc<dyn PageSource>,
    name: Arc<str>,
    data: Frame,
    sequence: AtomicU64,
}

static OBJECT: Once<Object> = Once::new();

/// Makes the object, with the clocks as they are.
///
/// # Errors
/// ENOMEM.
pub fn prepare() -> Result<(), Errno> {
    let pages = SharedPages::new(Cid::GLOBAL, PAGES);
    let page = |index| pages.page(index, true).map_err(|_| Errno::ENOMEM);
    page(0)?.write(0, vdso::OBJECT);
    let page = page(1)?;
    let object = Object {
        source: fallible::arc(pages)?,
        name: fallible::arc_str("[vdso]")?,
        data: page,
        sequence: AtomicU64::new(0),
    };
    OBJECT.call_once(|| object);
    tell(&system().wall.lock());
    Ok(())
}

/// Tells programs how the wall clock goes from now on: the lock that guards the clock guards the page too.
pub fn tell(wall: &Guard<'_, WallClock>) {
    let Some(object) = OBJECT.get() else { return };
    let system = system();
    let clocks = Clocks {
        ticks_per_second: system.timebase.ticks_per_second,
        monotonic: Clock {
            start: system.booted,
            shown: Nanos(0),
        },
        realtime: Clock {
            start: wall.at,
            shown: wall.nanos,
        },
    };
    let sequence = object.sequence.load(Ordering::Relaxed);
    let (changing, changed) = (sequence + 1, sequence + 2);
    object.data.write(0, &changing.to_le_bytes());
    fence(Ordering::SeqCst);
    object.data.write(0, &clocks.encode(changing));
    fence(Ordering::SeqCst);
    object.data.write(0, &changed.to_le_bytes());
    object.sequence.store(changed, Ordering::Relaxed);
}

/// Maps the object into a new program.
///
/// # Errors
/// ENOMEM, EEXIST when the program itself has something there.
pub fn map(space: &mut AddressSpace) -> Result<(), Errno> {
    let object = OBJECT.get().ok_or(Errno::ENOMEM)?;
    let allowed = Protection::READ | Protection::EXECUTE;
    space.map(MapRequest {
        hint: ADDRESS,
        fixed: Fixed::NoReplace,
        length: PAGES * PAGE_SIZE as u64,
        protection: allowed,
        maximum: allowed,
        mapping: Mapping::Shared(Backing {
            source: object.source.clone(),
            first: 0,
        }),
        traits: Traits::empty(),
        name: Some(object.name.clone()),
    })?;
    Ok(())
}
