//! Address spaces against a naive model: what programs see, what they may do, and that every frame comes back.
#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

mod machine;

use abi::mmu::Protection;
use abi::{Cid, Errno};
use machine::{File, Process};
use memory::space::{Advice, Backing, Fixed, MapRequest, Mapping, RemapFlags, Traits};
use memory::{Access, FaultError, SharedPages, frames, host};
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::sync::Arc;

const BASE: u64 = 0x10_0003_0000;
const WINDOW: u64 = 72;
const OBJECT: u64 = 40;
const CID: Cid = Cid(7);

#[derive(Clone, Copy, Debug, PartialEq)]
enum Origin {
    Anonymous,
    FilePrivate(u64),
    FileShared(u64),
    Shared(u64),
}

#[derive(Clone, Copy, Debug)]
struct Page {
    protection: Protection,
    origin: Origin,
    /// The program's own contents; `None` shows the object.
    own: Option<u64>,
}

#[derive(Clone, Debug)]
enum Op {
    Map {
        at: u64,
        pages: u64,
        protection: u8,
        origin: u8,
        first: u64,
        fixed: u8,
    },
    Unmap {
        at: u64,
        pages: u64,
    },
    Protect {
        at: u64,
        pages: u64,
        protection: u8,
    },
    Load {
        at: u64,
    },
    Fill {
        at: u64,
        pages: u64,
        value: u64,
    },
    Execute {
        at: u64,
    },
    Store {
        at: u64,
        value: u64,
    },
    KernelRead {
        at: u64,
    },
    KernelWrite {
        at: u64,
        value: u64,
    },
    Prepare {
        at: u64,
        value: u64,
    },
    Forget {
        at: u64,
        pages: u64,
    },
    Move {
        at: u64,
        pages: u64,
        to: u64,
        new: u64,
    },
    Resize {
        at: u64,
        pages: u64,
        new: u64,
    },
    Fork,
    Exit,
    Switch(usize),
    Discard,
    Hold {
        at: u64,
    },
}

fn op() -> impl Strategy<Value = Op> {
    // Few places for most of it, so that operations meet: around the edges of the first two chunks.
    let at = prop_oneof![3 => 12..20u64, 1 => 0..WINDOW].boxed();
    let pages = 1..24u64;
    prop_oneof![
        4 => (at.clone(), pages.clone(), 0..8u8, 0..4u8, 0..OBJECT, 0..3u8).prop_map(
            |(at, pages, protection, origin, first, fixed)| Op::Map { at, pages, protection, origin, first, fixed }),
        2 => (at.clone(), pages.clone()).prop_map(|(at, pages)| Op::Unmap { at, pages }),
        2 => (at.clone(), pages.clone(), 0..8u8).prop_map(
            |(at, pages, protection)| Op::Protect { at, pages, protection }),
        4 => at.clone().prop_map(|at| Op::Load { at }),
        1 => at.clone().prop_map(|at| Op::Execute { at }),
        4 => (at.clone(), pages.clone(), any::<u64>()).prop_map(|(at, pages, value)| Op::Fill { at, pages, value }),
        8 => (at.clone(), any::<u64>()).prop_map(|(at, value)| Op::Store { at, value }),
        2 => at.clone().prop_map(|at| Op::KernelRead { at }),
        2 => (at.clone(), any::<u64>()).prop_map(|(at, value)| Op::KernelWrite { at, value }),
        2 => (at.clone(), any::<u64>()).prop_map(|(at, value)| Op::Prepare { at, value }),
        1 => (at.clone(), pages.clone()).prop_map(|(at, pages)| Op::Forget { at, pages }),
        1 => (at.clone(), pages.clone(), at.clone(), pages.clone()).prop_map(
            |(at, pages, to, new)| Op::Move { at, pages, to, new }),
        1 => (at.clone(), pages.clone(), pages).prop_map(|(at, pages, new)| Op::Resize { at, pages, new }),
        2 => Just(Op::Fork),
        1 => Just(Op::Exit),
        2 => (0..4usize).prop_map(Op::Switch),
        1 => Just(Op::Discard),
        1 => at.prop_map(|at| Op::Hold { at }),
    ]
}

fn address(page: u64) -> u64 {
    BASE + page * 4096
}

/// Where in its page each page keeps its word.
fn word(page: u64) -> u64 {
    address(page) + (page % 512) * 8
}

struct World {
    processes: Vec<(Process, BTreeMap<u64, Page>)>,
    current: usize,
    file: Arc<File>,
    shared: Arc<SharedPages>,
    /// Contents of the objects by (object, index, word): pages of the window see different words of one page.
    objects: BTreeMap<(u8, u64, u64), u64>,
    held: Vec<memory::Frame>,
}

fn object_of(origin: Origin) -> Option<(u8, u64)> {
    match origin {
        Origin::Anonymous => None,
        Origin::FilePrivate(index) | Origin::FileShared(index) => Some((0, index)),
        Origin::Shared(index) => Some((1, index)),
    }
}

fn allows(protection: Protection, access: Access) -> bool {
    match access {
        Access::Read => protection.intersects(Protection::READ | Protection::WRITE),
        Access::Write => protection.contains(Protection::WRITE),
        Access::Execute => protection.contains(Protection::EXECUTE),
    }
}

impl World {
    fn new() -> Self {
        Self {
            processes: vec![(Process::new(CID), BTreeMap::new())],
            current: 0,
            file: File::new(CID, OBJECT),
            shared: Arc::new(SharedPages::new(CID, OBJECT)),
            objects: BTreeMap::new(),
            held: Vec::new(),
        }
    }

    fn now(&mut self) -> &mut (Process, BTreeMap<u64, Page>) {
        &mut self.processes[self.current]
    }

    fn expect(&self, at: u64, access: Access) -> Result<u64, FaultError> {
        let page = self.processes[self.current]
            .1
            .get(&at)
            .ok_or(FaultError::NoMapping)?;
        if !allows(page.protection, access) {
            return Err(FaultError::Denied);
        }
        if let Some(own) = page.own {
            return Ok(own);
        }
        match object_of(page.origin) {
            Some((_, index)) if index >= OBJECT => Err(FaultError::BeyondEnd),
            Some((object, index)) => Ok(self
                .objects
                .get(&(object, index, at % 512))
                .copied()
                .unwrap_or(0)),
            None => Ok(0),
        }
    }

    fn model_store(&mut self, at: u64, value: u64) {
        let page = *self.now().1.get(&at).unwrap();
        match page.origin {
            Origin::FileShared(_) | Origin::Shared(_) => {
                let (object, index) = object_of(page.origin).unwrap();
                self.objects.insert((object, index, at % 512), value);
            }
            _ => self.now().1.get_mut(&at).unwrap().own = Some(value),
        }
    }

    fn run(&mut self, op: Op) {
        match op {
            Op::Map {
                at,
                pages,
                protection,
                origin,
                first,
                fixed,
            } => self.map(at, pages, protection, origin, first, fixed),
            Op::Unmap { at, pages } => {
                self.now().0.space.unmap(address(at), pages * 4096).unwrap();
                self.now()
                    .1
                    .retain(|page, _| *page < at || *page >= at + pages);
            }
            Op::Protect {
                at,
                pages,
                protection,
            } => {
                let protection = Protection::from_bits_truncate(protection);
                let result = self
                    .now()
                    .0
                    .space
                    .protect(address(at), pages * 4096, protection);
                if (at..at + pages).all(|page| self.now().1.contains_key(&page)) {
                    assert_eq!(result, Ok(()));
                    self.now()
                        .1
                        .range_mut(at..at + pages)
                        .for_each(|(_, page)| page.protection = protection);
                } else {
                    assert_eq!(result, Err(Errno::ENOMEM));
                }
            }
            Op::Load { at } => {
                let expected = self.expect(at, Access::Read);
                assert_eq!(self.now().0.load(word(at)), expected);
            }
            Op::Fill { at, pages, value } => {
                (at..at + pages).for_each(|at| {
                    self.run(Op::Store {
                        at,
                        value: value.wrapping_add(at),
                    })
                });
            }
            Op::Execute { at } => {
                let expected = self.expect(at, Access::Execute).map(drop);
                assert_eq!(
                    self.now().0.access(word(at), Access::Execute).map(drop),
                    expected
                );
            }
            Op::Store { at, value } => {
                let expected = self.expect(at, Access::Write).map(drop);
                assert_eq!(self.now().0.store(word(at), value), expected);
                if expected.is_ok() {
                    self.model_store(at, value);
                }
            }
            Op::KernelRead { at } => {
                let expected = self.expect(at, Access::Read);
                let mut bytes = [0; 8];
                let result = self.now().0.space.read(word(at), &mut bytes);
                assert_eq!(result.map(|()| u64::from_le_bytes(bytes)), expected);
            }
            Op::KernelWrite { at, value } => {
                let expected = self.expect(at, Access::Write).map(drop);
                assert_eq!(
                    self.now().0.space.write(word(at), &value.to_le_bytes()),
                    expected
                );
                if expected.is_ok() {
                    self.model_store(at, value);
                }
            }
            Op::Prepare { at, value } => {
                let expected = self.expect(at, Access::Write).map(drop);
                let space = &mut self.now().0.space;
                assert_eq!(space.prepare(word(at), 8, Access::Write), expected);
                assert_eq!(
                    space
                        .write_resident(word(at), &value.to_le_bytes())
                        .is_some(),
                    expected.is_ok()
                );
                if expected.is_ok() {
                    let mut bytes = [0; 8];
                    assert!(space.read_resident(word(at), &mut bytes).is_some());
                    assert_eq!(u64::from_le_bytes(bytes), value);
                    self.model_store(at, value);
                }
            }
            Op::Forget { at, pages } => {
                let complete = (at..at + pages).all(|page| self.now().1.contains_key(&page));
                let result = self
                    .now()
                    .0
                    .space
                    .advise(address(at), pages * 4096, Advice::DontNeed);
                assert_eq!(result.is_ok(), complete);
                self.now()
                    .1
                    .range_mut(at..at + pages)
                    .for_each(|(_, page)| page.own = None);
            }
            Op::Move { at, pages, to, new } => self.remap(at, pages, new, Some(to)),
            Op::Resize { at, pages, new } => self.remap(at, pages, new, None),
            Op::Fork => {
                if self.processes.len() < 4 {
                    let (parent, model) = self.now();
                    let near: Vec<_> = model.keys().step_by(3).map(|page| address(*page)).collect();
                    let child = (parent.fork_near(&near).unwrap(), model.clone());
                    self.processes.push(child);
                }
            }
            Op::Exit => {
                if self.processes.len() > 1 {
                    self.processes.swap_remove(self.current);
                    self.current = 0;
                }
            }
            Op::Switch(index) => self.current = index % self.processes.len(),
            Op::Discard => {
                self.now().0.space.discard_translations();
                assert!(self.now().0.table.lock().unwrap().is_empty());
            }
            Op::Hold { at } => {
                if let Ok(frame) = self.now().0.space.frame_at(word(at), Access::Read) {
                    self.held.push(frame);
                }
            }
        }
    }

    fn map(&mut self, at: u64, pages: u64, protection: u8, origin: u8, first: u64, fixed: u8) {
        let protection = Protection::from_bits_truncate(protection);
        let file = Backing {
            source: self.file.clone(),
            first,
        };
        let mapping = match origin {
            0 => Mapping::Anonymous,
            1 => Mapping::Private(file),
            2 => Mapping::Shared(file),
            _ => Mapping::Shared(Backing {
                source: self.shared.clone(),
                first,
            }),
        };
        let fixed = [Fixed::Replace, Fixed::NoReplace, Fixed::No][usize::from(fixed)];
        let length = pages * 4096;
        let request = MapRequest {
            hint: address(at),
            fixed,
            length,
            protection,
            maximum: Protection::all(),
            mapping,
            traits: Traits::empty(),
            name: None,
        };
        let occupied = self.now().1.range(at..at + pages).next().is_some();
        let result = self.now().0.space.map(request);
        if occupied && fixed != Fixed::Replace {
            if fixed == Fixed::NoReplace {
                assert_eq!(result, Err(Errno::EEXIST));
            } else {
                // It went somewhere else, where nothing was.
                let place = result.unwrap();
                assert!(
                    place >= address(WINDOW + 48) && place + length <= machine::LIMIT - (128 << 20)
                );
                self.now().0.space.unmap(place, length).unwrap();
            }
            return;
        }
        assert_eq!(result, Ok(address(at)));
        for (index, page) in (at..at + pages).enumerate() {
            let index = first + index as u64;
            let origin = match origin {
                0 => Origin::Anonymous,
                1 => Origin::FilePrivate(index),
                2 => Origin::FileShared(index),
                _ => Origin::Shared(index),
            };
            self.now().1.insert(
                page,
                Page {
                    protection,
                    origin,
                    own: None,
                },
            );
        }
    }

    /// Only checks what both outcomes must obey: success moves exactly the pages, failure changes nothing.
    fn remap(&mut self, at: u64, pages: u64, new: u64, to: Option<u64>) {
        let flags = if to.is_some() {
            RemapFlags::MAY_MOVE | RemapFlags::FIXED
        } else {
            RemapFlags::empty()
        };
        let target = to.unwrap_or(at);
        let space = &mut self.now().0.space;
        // Each page keeps its word at its own offset; a move by a multiple of 512 pages does not exist here, so only
        // mappings without contents can be compared after a move.
        let one_area = space
            .area_at(address(at))
            .is_some_and(|area| area.end >= address(at + pages));
        let overlap = target < at + pages && at < target + new;
        let result = space.remap(
            address(at),
            pages * 4096,
            new * 4096,
            flags,
            address(target),
        );
        if to.is_none() {
            match result {
                Ok(place) => {
                    assert_eq!(place, address(at));
                    let last = self.now().1[&(at + pages - 1)];
                    self.now()
                        .1
                        .retain(|page, _| *page < at + new.min(pages) || *page >= at + pages);
                    for page in at + pages..at + new {
                        let beyond = page - (at + pages - 1);
                        let origin = match last.origin {
                            Origin::Anonymous => Origin::Anonymous,
                            Origin::FilePrivate(index) => Origin::FilePrivate(index + beyond),
                            Origin::FileShared(index) => Origin::FileShared(index + beyond),
                            Origin::Shared(index) => Origin::Shared(index + beyond),
                        };
                        let before = self.now().1.insert(
                            page,
                            Page {
                                origin,
                                own: None,
                                ..last
                            },
                        );
                        assert!(before.is_none());
                    }
                }
                Err(_) => assert!(!one_area || new > pages),
            }
            return;
        }
        if !one_area || overlap {
            assert!(result.is_err());
            return;
        }
        assert_eq!(result, Ok(address(target)));
        let old: Vec<Page> = (at..at + pages).map(|page| self.now().1[&page]).collect();
        self.now()
            .1
            .retain(|page, _| *page < at || *page >= at + pages);
        self.now()
            .1
            .retain(|page, _| *page < target || *page >= target + new);
        // Forget contents: the words lie at other offsets now.
        for index in 0..new {
            let page = old.get(index as usize).copied().unwrap_or_else(|| {
                let last = old[old.len() - 1];
                let beyond = index - (old.len() as u64 - 1);
                let origin = match last.origin {
                    Origin::Anonymous => Origin::Anonymous,
                    Origin::FilePrivate(index) => Origin::FilePrivate(index + beyond),
                    Origin::FileShared(index) => Origin::FileShared(index + beyond),
                    Origin::Shared(index) => Origin::Shared(index + beyond),
                };
                Page {
                    origin,
                    own: None,
                    ..last
                }
            });
            if let (Some(own), true) = (page.own, index < pages) {
                let mut bytes = [0; 8];
                let offset = ((at + index) % 512) * 8;
                if allows(page.protection, Access::Read) {
                    self.now()
                        .0
                        .space
                        .read(address(target + index) + offset, &mut bytes)
                        .unwrap();
                    assert_eq!(u64::from_le_bytes(bytes), own);
                }
            }
            self.now()
                .1
                .insert(target + index, Page { own: None, ..page });
        }
        self.now()
            .0
            .space
            .advise(address(target), new * 4096, Advice::DontNeed)
            .unwrap();
    }

    /// What must hold after every step.
    fn check(&mut self) {
        for index in 0..self.processes.len() {
            self.current = index;
            let (process, model) = &self.processes[index];
            process.space.check();
            let pages: u64 = process.space.areas().map(|area| area.pages()).sum();
            assert_eq!(pages, model.len() as u64);
            assert_eq!(process.space.size().0, pages);
            for area in process.space.areas() {
                for page in (area.start - BASE) / 4096..(area.end - BASE) / 4096 {
                    assert_eq!(model[&page].protection, area.protection);
                }
            }
            let table = process.table.lock().unwrap().clone();
            for (page, (frame, allowed)) in table {
                let at = page - BASE / 4096;
                let expected = &self.processes[index].1[&at];
                assert!(
                    (expected.protection | Protection::READ).contains(allowed),
                    "{at}: {allowed:?}"
                );
                if allows(expected.protection, Access::Read) {
                    let value = self.expect(at, Access::Read);
                    assert_eq!(
                        Ok(host::load(frame, (word(at) & 0xfff) as usize)),
                        value,
                        "page {at}"
                    );
                }
            }
        }
        self.current = 0;
    }

    /// What every process sees at the end.
    fn look(&mut self) {
        for index in 0..self.processes.len() {
            self.current = index;
            (0..WINDOW).for_each(|at| self.run(Op::Load { at }));
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: if cfg!(debug_assertions) { 100 } else { 4000 }, failure_persistence: None, ..ProptestConfig::default() })]

    /// MEMORY0101: programs see what the model says, and every frame comes back.
    #[test]
    fn spaces_behave_like_the_model(ops in prop::collection::vec(op(), 1..120)) {
        let _alone = host::alone();
        let (free, usage) = (frames::free(), frames::usage(CID));
        {
            let mut world = World::new();
            for op in ops {
                let current = world.current;
                world.run(op);
                let kept = world.current.min(world.processes.len() - 1);
                world.check();
                world.current = if kept == current { current } else { kept };
            }
            world.look();
            world.check();
        }
        prop_assert_eq!(frames::free(), free);
        prop_assert_eq!(frames::usage(CID), usage);
    }
}
