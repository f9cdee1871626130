//! The areas and pages of a process, as procfs tells of them.

use crate::space::{Space, USER_LIMIT};
use abi::PAGE_SHIFT;
use alloc::sync::Weak;
use alloc::vec::Vec;
use fallible::NoMemory;
use memory::space::Mapping;
use procfs::{Areas, MapLine, ResidentPage};

/// The areas of an address space that is not kept by that.
pub(super) struct OfSpace(pub(super) Weak<Space>);

impl Areas for OfSpace {
    fn lines(&self, from: u64, room: usize) -> Result<Vec<MapLine>, NoMemory> {
        let Some(space) = self.0.upgrade() else {
            return Ok(Vec::new());
        };
        let mut lines = fallible::list(room)?;
        let description = space.lock();
        for area in description.areas_from(from).take(room) {
            lines.push(MapLine {
                start: area.start,
                end: area.end,
                allowed: area.protection,
                maximum: area.maximum,
                grows: matches!(area.mapping, Mapping::Stack),
                traits: area.traits,
                // The vDSO is one for all, and yet private as programs see it.
                shared: area.mapping.is_shared() && !area.label().starts_with('['),
                offset: area.offset(),
                identity: area
                    .mapping
                    .backing()
                    .map_or((0, 0), |backing| backing.source.identity()),
                name: fallible::copy(area.label().as_bytes())?,
            });
        }
        Ok(lines)
    }

    fn residents(&self, first: u64, count: u64) -> Result<Vec<ResidentPage>, NoMemory> {
        let Some(space) = self.0.upgrade() else {
            return Ok(Vec::new());
        };
        let mut pages = fallible::list(count as usize)?;
        let description = space.lock();
        let payer = description.owner();
        for page in description.residents(first..first.saturating_add(count)) {
            let paid = page.frame.owner() == payer;
            pages.push(ResidentPage {
                number: page.number.0,
                own: page.own,
                written: page.written,
                users: if paid { page.users() } else { 0 },
            });
        }
        Ok(pages)
    }

    fn limit(&self) -> u64 {
        USER_LIMIT >> PAGE_SHIFT
    }
}
