//! The page that signal handlers return through.
//!
//! On powerpc the kernel, not libc, says where a handler returns to: to two instructions in a page that every
//! program has mapped at the same place. The frame is one for the whole machine. It will grow into the vDSO.

use abi::linux::{TRAMPOLINE, TRAMPOLINE_MARK, TRAMPOLINE_MARK_OFFSET};
use abi::mmu::Protection;
use abi::{Cid, Errno, PAGE_SIZE};
use alloc::sync::Arc;
use memory::space::{Backing, Fixed, MapRequest, Mapping};
use memory::{AddressSpace, PageSource, SharedPages};
use spin::Once;

/// Where the page is in every program: above all mappings, below the stack's range.
pub const ADDRESS: u64 = 0x7fff_f7ff_0000;

struct Page {
    source: Arc<dyn PageSource>,
    name: Arc<str>,
}

static PAGE: Once<Page> = Once::new();

/// Makes the page.
///
/// # Errors
/// ENOMEM.
pub fn prepare() -> Result<(), Errno> {
    let pages = SharedPages::new(Cid::GLOBAL, 1);
    let frame = pages.page(0, true).map_err(|_| Errno::ENOMEM)?;
    for (index, instruction) in TRAMPOLINE.iter().enumerate() {
        frame.write(index * 4, &instruction.to_le_bytes());
    }
    frame.write(TRAMPOLINE_MARK_OFFSET, &TRAMPOLINE_MARK.to_le_bytes());
    PAGE.call_once(|| Page {
        source: Arc::new(pages),
        name: Arc::from("[vdso]"),
    });
    Ok(())
}

/// Maps the page into a new program.
///
/// # Errors
/// ENOMEM, EEXIST when the program itself has something there.
pub fn map(space: &mut AddressSpace) -> Result<(), Errno> {
    let page = PAGE.get().ok_or(Errno::ENOMEM)?;
    let allowed = Protection::READ | Protection::EXECUTE;
    space.map(MapRequest {
        hint: ADDRESS,
        fixed: Fixed::NoReplace,
        length: PAGE_SIZE as u64,
        protection: allowed,
        maximum: allowed,
        mapping: Mapping::Shared(Backing {
            source: page.source.clone(),
            first: 0,
        }),
        name: Some(page.name.clone()),
    })?;
    Ok(())
}
