//! Recordings: what the scheduler has been told and has done, event by event, for the simulator to replay.
//!
//! A recording begins with what is there (CPUs, partitions with their entitlements, threads with their states) and goes
//! on with every change until it is stopped or full; what comes after that is counted, not kept, for a replay needs the
//! beginning. It is made before it is started, and keeping an event takes no memory. The partitions' accounts at
//! both ends are in it, so that what a replay gives them can be held against what they have had.
//!
//! As text (`text.rs`) it is lines of one length, so that any part of it can be shown without the rest.

mod text;

pub use text::{LINE, Line};

use crate::entity::State;
use crate::table::Table;
use crate::{Account, Attributes, Cpu, CpuSet, Entitlement, EntityId, Reason, Refusal, Scheduler};
use abi::{Cid, Ticks, Timebase};
use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;

/// Room for partitions that are loaded while it records.
const MORE_PARTITIONS: usize = 64;

/// Where an entity is when it appears in a recording.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It waits for something else than a CPU.
    Asleep,
    /// It waits for a CPU.
    Waiting,
    /// It is on this CPU.
    Running(Cpu),
}

impl From<State> for Standing {
    fn from(state: State) -> Self {
        match state {
            State::Asleep => Standing::Asleep,
            State::Waiting => Standing::Waiting,
            State::Running(cpu) => Standing::Running(cpu),
        }
    }
}

/// What has happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Happening {
    /// A CPU came into use.
    Online(Cpu),
    /// A CPU went out of use.
    Offline(Cpu),
    /// A partition is there, or is entitled to something else.
    Partition(Cid, Entitlement),
    /// A partition has gone.
    Unloaded(Cid),
    /// An entity is there, is in another partition, or has other attributes.
    Entity {
        /// Which.
        id: EntityId,
        /// Its partition.
        cid: Cid,
        /// What it asks for.
        attributes: Attributes,
        /// Where it is.
        standing: Standing,
        /// What it has used so far.
        used: Ticks,
    },
    /// It wants a CPU.
    Woken(EntityId),
    /// It wants none any more although it waited for one: it was stopped.
    Held(EntityId),
    /// It is on a CPU.
    Placed(EntityId, Cpu),
    /// It has left its CPU, and has used so much in its life.
    Left(EntityId, Reason, Ticks),
}

/// A happening and its time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Record {
    /// When.
    pub at: Ticks,
    /// What.
    pub what: Happening,
}

/// A partition's account at both ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Used {
    /// Which.
    pub cid: Cid,
    /// At the beginning; zero where it was not there.
    pub before: Ticks,
    /// At the end, or when it went.
    pub after: Ticks,
    /// Its name, for people.
    pub name: String,
}

/// A recording.
#[derive(Debug)]
pub struct Recording {
    records: Table<Option<Record>>,
    capacity: usize,
    length: usize,
    /// Happenings after it was full.
    pub lost: u64,
    /// Ticks in a second.
    pub timebase: Timebase,
    /// When it was started.
    pub began: Ticks,
    /// When it was stopped, or found full.
    pub ended: Option<Ticks>,
    /// The policy at the beginning.
    pub policy: &'static str,
    /// What CPUs rested meanwhile, together; before that, at the beginning.
    pub idle: Ticks,
    /// The partitions that there were.
    pub accounts: Vec<Used>,
}

impl Recording {
    /// The most happenings that one can hold.
    pub const LIMIT: usize = 1 << 18;

    /// An empty one with room for so many happenings.
    ///
    /// # Errors
    /// [`Refusal::Range`]: none, or more than [`Recording::LIMIT`]; [`Refusal::Full`]: no memory.
    pub fn new(capacity: usize) -> Result<Self, Refusal> {
        if !(1..=Self::LIMIT).contains(&capacity) {
            return Err(Refusal::Range);
        }
        let mut records = Table::new();
        records.reserve(capacity, |_| None)?;
        Ok(Self {
            records,
            capacity,
            length: 0,
            lost: 0,
            timebase: Timebase {
                ticks_per_second: 1,
            },
            began: Ticks(0),
            ended: None,
            policy: "",
            idle: Ticks(0),
            accounts: Vec::new(),
        })
    }

    /// What has happened, in its order.
    pub fn records(&self) -> impl Iterator<Item = &Record> {
        (0..self.length).filter_map(|place| self.records.get(place)?.as_ref())
    }

    fn is_full(&self) -> bool {
        self.lost > 0
    }

    fn push(&mut self, at: Ticks, what: Happening) {
        if self.length >= self.capacity {
            self.lost += 1;
        } else if let Some(place) = self.records.get_mut(self.length) {
            *place = Some(Record { at, what });
            self.length += 1;
        }
    }

    fn account(&mut self, cid: Cid) -> Option<&mut Used> {
        let accounts = &mut self.accounts;
        let place = match accounts.binary_search_by_key(&cid, |it| it.cid) {
            Ok(place) => place,
            Err(place) if accounts.len() < accounts.capacity() => {
                accounts.insert(
                    place,
                    Used {
                        cid,
                        before: Ticks(0),
                        after: Ticks(0),
                        name: String::new(),
                    },
                );
                place
            }
            Err(_) => return None,
        };
        accounts.get_mut(place)
    }

    /// A cid that is used again is another partition: what both have used counts together.
    fn leave(&mut self, cid: Cid, account: Account) {
        if self.ended.is_none()
            && let Some(used) = self.account(cid)
        {
            used.after += account.total();
        }
    }
}

impl Scheduler {
    /// Begins to record, with what there is. One pass over all partitions and entities.
    ///
    /// # Errors
    /// [`Refusal::Busy`]: it is recording already; [`Refusal::Full`]: no memory.
    pub fn start_recording(
        &mut self,
        mut recording: Box<Recording>,
        now: Ticks,
    ) -> Result<(), Refusal> {
        if self.recording.is_some() {
            return Err(Refusal::Busy);
        }
        let now = self.at(now);
        self.settle_all(now);
        let partitions = self.partitions.iter().flatten().count();
        recording
            .accounts
            .try_reserve_exact(partitions + MORE_PARTITIONS)
            .map_err(|_| Refusal::Full)?;
        recording.timebase = self.tuning.timebase;
        recording.began = now;
        recording.policy = self.policy_name();
        recording.idle = self.idle;
        for cpu in self.online.iter() {
            recording.push(now, Happening::Online(cpu));
        }
        for (cid, partition) in (0..).map(Cid).zip(self.partitions.iter()) {
            let Some(partition) = partition else {
                continue;
            };
            recording.push(now, Happening::Partition(cid, partition.entitlement));
            if let Some(used) = recording.account(cid) {
                used.before = partition.account.total();
            }
        }
        for index in 0..self.entities.places() {
            if let Some(what) = self.describe(index) {
                recording.push(now, what);
            }
        }
        self.recording = Some(recording);
        Ok(())
    }

    /// Ends recording; `None` when nothing was recorded.
    pub fn stop_recording(&mut self, now: Ticks) -> Option<Box<Recording>> {
        let now = self.at(now);
        self.settle_all(now);
        self.close_recording(now);
        self.recording.take()
    }

    /// Whether anything is recorded.
    #[must_use]
    pub fn is_recording(&self) -> bool {
        self.recording.is_some()
    }

    /// Notes the accounts in a recording that has become full. To be called where something is decided.
    pub(crate) fn close_full_recording(&mut self, now: Ticks) {
        if self
            .recording
            .as_ref()
            .is_some_and(|it| it.is_full() && it.ended.is_none())
        {
            self.settle_all(now);
            self.close_recording(now);
        }
    }

    /// Notes the accounts, which are settled, at the end.
    fn close_recording(&mut self, now: Ticks) {
        let Some(recording) = self.recording.as_mut().filter(|it| it.ended.is_none()) else {
            return;
        };
        for (cid, partition) in (0..).map(Cid).zip(self.partitions.iter()) {
            if let Some(partition) = partition {
                recording.leave(cid, partition.account);
            }
        }
        recording.idle = self.idle.saturating_sub(recording.idle);
        recording.ended = Some(now);
    }

    /// Records something, where that is wanted.
    #[inline]
    pub(crate) fn record(&mut self, what: Happening) {
        if self.recording.is_some() {
            self.keep(what);
        }
    }

    #[cold]
    fn keep(&mut self, what: Happening) {
        if let Some(recording) = self.recording.as_mut() {
            recording.push(self.latest, what);
        }
    }

    /// Records an entity as it is.
    pub(crate) fn record_entity(&mut self, index: u32) {
        if self.recording.is_some()
            && let Some(what) = self.describe(index)
        {
            self.keep(what);
        }
    }

    /// Records that a partition has gone, with what it had used.
    pub(crate) fn record_unloaded(&mut self, cid: Cid, account: Account) {
        if let Some(recording) = self.recording.as_mut() {
            recording.leave(cid, account);
            self.keep(Happening::Unloaded(cid));
        }
    }

    fn describe(&self, index: u32) -> Option<Happening> {
        let id = self.entities.id(index)?;
        let entity = self.entities.get(index)?;
        Some(Happening::Entity {
            id,
            cid: entity.cid,
            attributes: entity.attributes(),
            standing: entity.state.into(),
            used: entity.account.total(),
        })
    }
}

/// The CPUs of a set that there can be.
const fn real(cpus: CpuSet) -> u64 {
    cpus.0 & ((1 << CpuSet::LIMIT) - 1)
}
