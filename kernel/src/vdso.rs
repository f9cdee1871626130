//! The vDSO in programs: one object and one page of data for the whole machine, mapped at the same place in each.
//!
//! On powerpc the kernel, not libc, says where a signal handler returns to: into this object.

use crate::system::{WallClock, system};
use abi::mmu::Protection;
use abi::{Cid, Errno, Nanos, PAGE_SIZE};
use alloc::sync::Arc;
use core::sync::atomic::{Ordering, fence};
use memory::space::{Backing, Fixed, MapRequest, Mapping};
use memory::{AddressSpace, Frame, PageSource, SharedPages};
use spin::Once;
use sync::{Rank, SpinLock};
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
    data: SpinLock<Data>,
}

struct Data {
    page: Frame,
    sequence: u64,
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
    OBJECT.call_once(|| Object {
        source: Arc::new(pages),
        name: Arc::from("[vdso]"),
        data: SpinLock::new(Rank::Log, Data { page, sequence: 0 }),
    });
    let system = system();
    tell(*system.wall.lock());
    Ok(())
}

/// Tells programs how the wall clock goes from now on. Called in the order of the changes, under the clock's lock.
pub fn tell(wall: WallClock) {
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
    let mut data = object.data.lock();
    let (changing, changed) = (data.sequence + 1, data.sequence + 2);
    data.page.write(0, &changing.to_le_bytes());
    fence(Ordering::SeqCst);
    data.page.write(0, &clocks.encode(changing));
    fence(Ordering::SeqCst);
    data.page.write(0, &changed.to_le_bytes());
    data.sequence = changed;
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
        name: Some(object.name.clone()),
    })?;
    Ok(())
}
