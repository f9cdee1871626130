//! What the tests need of a machine: translations that a "program" uses, and a file.
#![allow(dead_code, reason = "no test uses all of it")]
#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

use abi::Cid;
use abi::mmu::{Exhausted, FrameNumber, PageNumber, Protection, Translations};
use memory::frames::Kind;
use memory::space::{Fixed, MapRequest, Mapping, Traits};
use memory::{Access, AddressSpace, FaultError, Frame, PageError, PageSource, host};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};

/// The table that the mock MMU keeps.
pub type Table = Arc<Mutex<BTreeMap<u64, (FrameNumber, Protection)>>>;

/// A mock MMU.
#[derive(Default)]
pub struct Mmu {
    pub table: Table,
    pub fail: Arc<Mutex<bool>>,
}

impl Translations for Mmu {
    fn activate(&mut self) {}

    fn install(
        &mut self,
        page: PageNumber,
        frame: FrameNumber,
        allowed: Protection,
    ) -> Result<(), Exhausted> {
        if *self.fail.lock().unwrap() {
            return Err(Exhausted);
        }
        self.table.lock().unwrap().insert(page.0, (frame, allowed));
        Ok(())
    }

    fn protect(&mut self, first: PageNumber, count: u64, allowed: Protection) {
        for (_, entry) in self
            .table
            .lock()
            .unwrap()
            .range_mut(first.0..first.0 + count)
        {
            entry.1 = allowed;
        }
    }

    fn remove(&mut self, first: PageNumber, count: u64) {
        self.table
            .lock()
            .unwrap()
            .retain(|page, _| *page < first.0 || *page >= first.0 + count);
    }

    fn discard(&mut self) {
        self.table.lock().unwrap().clear();
    }
}

/// A process: a space, and what the hardware sees of it.
pub struct Process {
    pub space: AddressSpace,
    pub table: Table,
    pub fail: Arc<Mutex<bool>>,
    pub faults: u32,
}

pub const LIMIT: u64 = 1 << 46;

impl Process {
    pub fn new(owner: Cid) -> Self {
        let mmu = Mmu::default();
        let (table, fail) = (mmu.table.clone(), mmu.fail.clone());
        let layout = memory::space::Layout::below(LIMIT);
        Self {
            space: AddressSpace::new(owner, layout, Box::new(mmu)),
            table,
            fail,
            faults: 0,
        }
    }

    pub fn fork(&mut self) -> Result<Self, abi::Errno> {
        self.fork_near(&[])
    }

    /// A fork that copies the pages of these addresses ahead.
    pub fn fork_near(&mut self, near: &[u64]) -> Result<Self, abi::Errno> {
        let mmu = Mmu::default();
        let (table, fail) = (mmu.table.clone(), mmu.fail.clone());
        Ok(Self {
            space: self.space.fork(Box::new(mmu), near)?,
            table,
            fail,
            faults: 0,
        })
    }

    /// The frame of an access by the program, after as many faults as it takes (at most one).
    pub fn access(&mut self, address: u64, access: Access) -> Result<FrameNumber, FaultError> {
        let wanted = match access {
            Access::Read => Protection::READ,
            Access::Write => Protection::WRITE,
            Access::Execute => Protection::EXECUTE,
        };
        for _ in 0..2 {
            let entry = self.table.lock().unwrap().get(&(address >> 12)).copied();
            if let Some((frame, _)) = entry.filter(|(_, allowed)| allowed.contains(wanted)) {
                return Ok(frame);
            }
            self.faults += 1;
            self.space.fault(address, access)?;
        }
        panic!("a fault at {address:x} for {access:?} was answered and nothing is installed");
    }

    pub fn load(&mut self, address: u64) -> Result<u64, FaultError> {
        Ok(host::load(
            self.access(address, Access::Read)?,
            (address & 0xfff) as usize,
        ))
    }

    pub fn store(&mut self, address: u64, value: u64) -> Result<(), FaultError> {
        host::store(
            self.access(address, Access::Write)?,
            (address & 0xfff) as usize,
            value,
        );
        Ok(())
    }
}

/// A file whose pages are all resident.
pub struct File {
    pub frames: Vec<Frame>,
    pub dirty: Mutex<BTreeSet<u64>>,
}

impl File {
    pub fn new(owner: Cid, pages: u64) -> Arc<Self> {
        let frames = (0..pages)
            .map(|_| Frame::allocate(owner, Kind::File).unwrap())
            .collect();
        Arc::new(Self {
            frames,
            dirty: Mutex::default(),
        })
    }
}

impl PageSource for File {
    fn page(&self, index: u64, _: bool) -> Result<Frame, PageError> {
        self.frames
            .get(index as usize)
            .cloned()
            .ok_or(PageError::BeyondEnd)
    }

    fn resident(&self, first: u64, around: &mut [Option<Frame>]) {
        for (index, slot) in (first..).zip(around).filter(|(_, slot)| slot.is_none()) {
            *slot = self.frames.get(index as usize).cloned();
        }
    }

    fn dirtied(&self, index: u64) {
        self.dirty.lock().unwrap().insert(index);
    }
}

/// A request for memory at an address, or anywhere for 0.
pub fn request(hint: u64, pages: u64, mapping: Mapping) -> MapRequest {
    MapRequest {
        hint,
        fixed: if hint == 0 { Fixed::No } else { Fixed::Replace },
        length: pages * 4096,
        protection: Protection::READ | Protection::WRITE,
        maximum: Protection::all(),
        mapping,
        traits: Traits::empty(),
        name: None,
    }
}

/// A request for memory from nowhere.
pub fn anonymous(hint: u64, pages: u64) -> MapRequest {
    request(hint, pages, Mapping::Anonymous)
}
