//! What the pages of areas come to: the lines of `smaps`, `smaps_rollup` and `numa_maps` (`man 5 proc`), and `pagemap`.
//!
//! A page that another partition pays for, as Global does for the programs that all run, counts as shared and has no part in
//! Pss: who else uses it is nobody's business, and the sum of all Pss is what the partition pays.

use crate::source::{Areas, MapLine, ResidentPage};
use crate::system_files::{escaped, kib};
use abi::mmu::Protection;
use abi::{PAGE_SHIFT, PAGE_SIZE, Pages};
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt::{Result, Write};
use fallible::{NoMemory, Text};
use memory::space::Traits;
use vfs::{FileOperations, IoContext, Seek};
use wait::{Attempt, Sink};

/// Pages that are looked at in one go.
const STEP: u64 = 512;

/// Parts of a page that those who share it have.
const PARTS: u64 = 4096;

/// What pages come to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Use {
    first: Option<u64>,
    end: u64,
    size: Pages,
    resident: Pages,
    /// In [`PARTS`] of a page.
    part: u64,
    dirty_part: u64,
    locked_part: u64,
    shared: Dirtiness,
    private: Dirtiness,
    anonymous: Pages,
    /// The most spaces that one of them is in.
    most_users: u32,
}

/// How many have been written, and how many have not.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Dirtiness {
    clean: Pages,
    dirty: Pages,
}

impl Dirtiness {
    fn of(&mut self, dirty: bool) -> &mut Pages {
        if dirty {
            &mut self.dirty
        } else {
            &mut self.clean
        }
    }
}

/// An area whose pages are being counted.
pub(crate) struct Counting {
    pub(crate) line: MapLine,
    /// The first address that has not been looked at.
    at: u64,
    used: Use,
}

impl Counting {
    pub(crate) fn new(line: MapLine) -> Self {
        let used = Use {
            first: Some(line.start),
            end: line.end,
            size: Pages((line.end - line.start) >> PAGE_SHIFT),
            ..Use::default()
        };
        Self {
            at: line.start,
            line,
            used,
        }
    }

    /// Counts some more; false when all are counted.
    pub(crate) fn go_on(&mut self, areas: &dyn Areas) -> core::result::Result<bool, NoMemory> {
        let left = self.line.end.saturating_sub(self.at) >> PAGE_SHIFT;
        let count = left.min(STEP);
        for page in areas.residents(self.at >> PAGE_SHIFT, count)? {
            self.used.count(&page, self.line.shared);
        }
        self.at += count << PAGE_SHIFT;
        if left > count {
            return Ok(true);
        }
        if self.line.traits.contains(Traits::LOCKED) {
            self.used.locked_part = self.used.part;
        }
        Ok(false)
    }
}

impl Use {
    fn count(&mut self, page: &ResidentPage, shared: bool) {
        let dirty = page.own || shared && page.written;
        let part = match page.users {
            0 => 0,
            users => PARTS / u64::from(users),
        };
        self.resident += Pages(1);
        self.part += part;
        self.dirty_part += if dirty { part } else { 0 };
        self.anonymous += Pages(u64::from(page.own));
        self.most_users = self.most_users.max(page.users);
        let kind = if page.users == 1 {
            &mut self.private
        } else {
            &mut self.shared
        };
        *kind.of(dirty) += Pages(1);
    }

    /// Adds those of an area.
    pub(crate) fn add(&mut self, area: &Counting) {
        let other = &area.used;
        self.first = self.first.or(other.first);
        self.end = other.end;
        self.size += other.size;
        self.resident += other.resident;
        self.part += other.part;
        self.dirty_part += other.dirty_part;
        self.locked_part += other.locked_part;
        self.shared.clean += other.shared.clean;
        self.shared.dirty += other.shared.dirty;
        self.private.clean += other.private.clean;
        self.private.dirty += other.private.dirty;
        self.anonymous += other.anonymous;
        self.most_users = self.most_users.max(other.most_users);
    }

    /// The lines that all have. Nothing is huge, swapped, or freed only when memory is short.
    fn write(&self, out: &mut Text) -> Result {
        let part = |parts: u64| parts * (PAGE_SIZE as u64 / 1024) / PARTS;
        for (name, value) in [
            ("Rss", kib(self.resident)),
            ("Pss", part(self.part)),
            ("Pss_Dirty", part(self.dirty_part)),
            ("Shared_Clean", kib(self.shared.clean)),
            ("Shared_Dirty", kib(self.shared.dirty)),
            ("Private_Clean", kib(self.private.clean)),
            ("Private_Dirty", kib(self.private.dirty)),
            ("Anonymous", kib(self.anonymous)),
            ("LazyFree", 0),
            ("AnonHugePages", 0),
            ("ShmemPmdMapped", 0),
            ("FilePmdMapped", 0),
            ("Shared_Hugetlb", 0),
            ("Private_Hugetlb", 0),
            ("Swap", 0),
            ("SwapPss", 0),
            ("Locked", part(self.locked_part)),
        ] {
            line(out, name, value)?;
        }
        Ok(())
    }
}

fn line(out: &mut Text, name: &str, kib: u64) -> Result {
    let width = 15usize.saturating_sub(name.len());
    writeln!(out, "{name}:{:width$} {kib:>8} kB", "")
}

/// What follows the line of an area in `smaps`.
pub(crate) fn write_use(out: &mut Text, area: &Counting) -> Result {
    line(out, "Size", kib(area.used.size))?;
    line(out, "KernelPageSize", kib(Pages(1)))?;
    line(out, "MMUPageSize", kib(Pages(1)))?;
    area.used.write(out)?;
    out.write_str("THPeligible:    0\nVmFlags: ")?;
    let MapLine {
        allowed,
        maximum,
        traits,
        ..
    } = area.line;
    for (flag, applies) in [
        ("rd", allowed.contains(Protection::READ)),
        ("wr", allowed.contains(Protection::WRITE)),
        ("ex", allowed.contains(Protection::EXECUTE)),
        ("sh", area.line.shared),
        ("mr", maximum.contains(Protection::READ)),
        ("mw", maximum.contains(Protection::WRITE)),
        ("me", maximum.contains(Protection::EXECUTE)),
        ("gd", area.line.grows),
        ("lo", traits.contains(Traits::LOCKED)),
        ("dc", traits.contains(Traits::NOT_INHERITED)),
        ("wf", traits.contains(Traits::WIPED)),
        ("dd", traits.contains(Traits::NOT_DUMPED)),
    ] {
        if applies {
            write!(out, "{flag} ")?;
        }
    }
    out.write_str("\n")
}

/// The text of `smaps_rollup`; none for who has no memory.
pub(crate) fn write_sum(out: &mut Text, sum: &Use) -> Result {
    let Some(first) = sum.first else {
        return Ok(());
    };
    let before = out.len();
    write!(out, "{first:08x}-{:08x} ---p 00000000 00:00 0", sum.end)?;
    let width = 73usize.saturating_sub(out.len() - before).max(1);
    writeln!(out, "{:width$}[rollup]", "")?;
    sum.write(out)
}

/// A line of `numa_maps`: there is one node, and no policy for a range of memory.
pub(crate) fn write_nodes(out: &mut Text, area: &Counting) -> Result {
    let (line, used) = (&area.line, &area.used);
    write!(out, "{:08x} default", line.start)?;
    match line.name.as_slice() {
        b"[heap]" => out.write_str(" heap")?,
        b"[stack]" => out.write_str(" stack")?,
        name if name.starts_with(b"/") => {
            out.write_str(" file=")?;
            escaped(out, name)?;
        }
        _ => {}
    }
    let objects = used.resident.saturating_sub(used.anonymous);
    let dirty = used.shared.dirty + used.private.dirty;
    for (name, pages) in [
        ("anon", used.anonymous),
        ("dirty", dirty),
        ("mapped", objects),
    ] {
        if pages != Pages(0) {
            write!(out, " {name}={pages}")?;
        }
    }
    if used.most_users > 1 {
        write!(out, " mapmax={}", used.most_users)?;
    }
    if used.resident != Pages(0) {
        write!(out, " N0={}", used.resident)?;
    }
    writeln!(out, " kernelpagesize_kB={}", kib(Pages(1)))
}

/// `pagemap`: eight bytes for each page of the address space (Linux, admin-guide/mm/pagemap). The numbers of frames are told
/// to nobody.
pub(crate) struct PageMap(pub(crate) Arc<dyn Areas>);

impl PageMap {
    /// Bytes of an entry.
    const ENTRY: usize = 8;
    /// Entries that are made in one go.
    const ENTRIES: u64 = 4096;
    /// The page is there.
    const PRESENT: u64 = 1 << 63;
    /// It is of a file, or shared.
    const OF_OBJECT: u64 = 1 << 61;
    /// Nobody else has it.
    const ALONE: u64 = 1 << 56;

    fn entry(page: &ResidentPage) -> u64 {
        let if_so = |is, bit| if is { bit } else { 0 };
        Self::PRESENT | if_so(!page.own, Self::OF_OBJECT) | if_so(page.users == 1, Self::ALONE)
    }
}

impl FileOperations for PageMap {
    /// Nothing at the end of what a program can address.
    ///
    /// # Errors
    /// EINVAL for less than whole entries.
    fn read(&self, _cx: &IoContext<'_>, position: u64, sink: &mut dyn Sink) -> Attempt<usize> {
        let entry = Self::ENTRY as u64;
        if !position.is_multiple_of(entry) || !sink.room().is_multiple_of(Self::ENTRY) {
            return Err(abi::Errno::EINVAL.into());
        }
        let first = position / entry;
        let left = self.0.limit().saturating_sub(first);
        let count = (sink.room() as u64 / entry).min(Self::ENTRIES).min(left);
        let mut entries: Vec<u8> = fallible::filled(0, count as usize * Self::ENTRY)?;
        for page in self.0.residents(first, count)? {
            let at = page.number.saturating_sub(first) as usize * Self::ENTRY;
            let place = entries
                .get_mut(at..)
                .and_then(|rest| rest.first_chunk_mut());
            if let Some(place) = place {
                *place = Self::entry(&page).to_le_bytes();
            }
        }
        sink.put(&entries)?;
        Ok(entries.len())
    }

    fn seek(&self) -> Seek {
        Seek::Yes
    }
}
