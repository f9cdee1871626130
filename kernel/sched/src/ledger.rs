//! Accounts: every tick of every CPU belongs to exactly one partition or to idleness.
//!
//! A CPU's clock says in which mode its time went, its `owner` whose time it is. Before the owner changes, and
//! before anything is decided, the clock is read and what is new is *settled*: added to the owner's account
//! and to that of the thread on the CPU, taken from the owner's hard maximum, and told to the policy (which while
//! threads follow each other in a partition's turn has nothing to decide, and is told at its end). What
//! is settled and what is still on the clocks add up to the time since the CPUs came online, to the tick.

use crate::clock::Reading;
use crate::{Account, Cpu, EntityId, Refusal, Scheduler, Snapshot};
use abi::{Cid, Ticks};
use alloc::vec::Vec;

/// How often a snapshot is tried again because a CPU crossed a boundary meanwhile.
const ATTEMPTS: usize = 100;

/// What a clock shows beyond what has been settled, as a reading of its own.
///
/// A CPU may name an instant for a boundary just before another CPU reads its clock at a later one: what was
/// settled then as user time proves to have been system time. It stays as it is, and the new mode gets so
/// much less now: modes may be off by the width of that race for a moment, the sum never is.
fn unsettled(shown: Reading, settled: Reading) -> Reading {
    let mut left = shown.total().saturating_sub(settled.total());
    let mut part = |now: u64, before: u64| {
        let part = now.saturating_sub(before).min(left);
        left -= part;
        part
    };
    Reading {
        at: shown.at,
        user: part(shown.user, settled.user),
        system: part(shown.system, settled.system),
        idle: part(shown.idle, settled.idle),
    }
}

fn add(account: &mut Account, more: Account) {
    account.user += more.user;
    account.system += more.system;
}

impl Scheduler {
    /// Settles every CPU's time up to `now`, and tells the policy: before anything that it decides.
    pub(crate) fn settle_all(&mut self, now: Ticks) {
        for number in 0..self.processors.len() {
            self.settle(number, now);
        }
    }

    /// Settles one CPU's time and tells the policy: before the CPU has another owner.
    pub(crate) fn settle(&mut self, number: usize, now: Ticks) {
        self.read_clock(number, now);
        self.tell_spent(number, now);
    }

    /// Tells the policy what it has not been told yet of a CPU's time.
    fn tell_spent(&mut self, number: usize, now: Ticks) {
        let Some(processor) = self.processors.get_mut(number) else {
            return;
        };
        let untold = core::mem::take(&mut processor.untold);
        if untold > 0 {
            let (cpu, owner) = (Cpu(number as u16), processor.owner);
            self.deciders
                .current()
                .charge(now, cpu, owner, Ticks(untold));
        }
    }

    /// Settles the time of the CPUs that work for a partition, so far as the mechanism needs it.
    pub(crate) fn read_clocks_of(&mut self, cid: Cid, now: Ticks) {
        for number in 0..self.processors.len() {
            if self
                .processors
                .get(number)
                .is_some_and(|it| it.owner == cid)
            {
                self.read_clock(number, now);
            }
        }
    }

    /// Settles one CPU's time and leaves the policy to [`settle`](Scheduler::settle).
    pub(crate) fn read_clock(&mut self, number: usize, now: Ticks) {
        let Some(processor) = self.processors.get_mut(number) else {
            return;
        };
        let until = processor.called.map_or(now, |called| called.min(now));
        if processor.read.at >= until.0 {
            return;
        }
        let Some(shown) = processor.clock.as_ref().map(|clock| clock.read(until)) else {
            return;
        };
        let fresh = unsettled(shown, processor.read);
        processor.read.advance(fresh);
        self.idle += Ticks(fresh.idle);
        let spent = fresh.account();
        let total = spent.total().0;
        if total == 0 {
            return;
        }
        let Some(partition) = self
            .partitions
            .get_mut(usize::from(processor.owner.0))
            .and_then(Option::as_mut)
        else {
            return add(&mut self.gone, spent);
        };
        processor.untold += total;
        add(&mut partition.account, spent);
        if let Some(cap) = partition.cap.as_mut() {
            // It is filled when something is decided, after all CPUs have been settled: filled between two of
            // them it would run over with what the second has used already.
            cap.take(total);
        }
        let Some(index) = processor.run else {
            return;
        };
        let Some(entity) = self.entities.get_mut(index) else {
            return;
        };
        if entity.cid != processor.owner {
            return;
        }
        add(&mut entity.account, spent);
        partition.threads.charge(&mut self.entities, index, total);
        let used = processor.grant.min(total);
        processor.grant -= used;
        if !processor.carried {
            partition.held = partition.held.saturating_sub(used);
        }
    }

    /// Time on `cpu` from `since` on goes to the account of `cid` (an interrupt or a packet for it), until the next
    /// call or pick. `since` may be past, as far as the trap by which the CPU has come into the kernel: only then it is
    /// known whom the interrupt is for. Answers whose account it went to before, so that the caller can go back to it.
    ///
    /// # Errors
    /// [`Refusal::Partition`]; [`Refusal::Cpu`]: not online.
    pub fn charge_to(&mut self, cpu: Cpu, since: Ticks, cid: Cid) -> Result<Cid, Refusal> {
        let now = self.at(since);
        if self.partition(cid).is_none() {
            return Err(Refusal::Partition);
        }
        let number = usize::from(cpu.0);
        if let Some(processor) = self.processors.get_mut(number) {
            processor.called = None;
        }
        // What has been settled beyond `since` meanwhile, because another CPU has decided, stays where it is.
        self.read_clock(number, since);
        self.tell_spent(number, now);
        let processor = self
            .processors
            .get_mut(number)
            .filter(|it| it.clock.is_some())
            .ok_or(Refusal::Cpu)?;
        Ok(core::mem::replace(&mut processor.owner, cid))
    }

    /// One partition's account at `now`, running time included.
    ///
    /// # Errors
    /// [`Refusal::Partition`].
    pub fn account(&self, cid: Cid, now: Ticks) -> Result<Account, Refusal> {
        let mut account = self.partition(cid).ok_or(Refusal::Partition)?.account;
        for processor in self
            .processors
            .iter()
            .filter(|processor| processor.owner == cid)
        {
            if let Some(clock) = &processor.clock {
                add(
                    &mut account,
                    unsettled(clock.read(now.max(self.latest)), processor.read).account(),
                );
            }
        }
        Ok(account)
    }

    /// One entity's account at `now`, running time included; kernel time on its CPU that was charged to
    /// another partition is not in it.
    ///
    /// # Errors
    /// [`Refusal::Stale`].
    pub fn entity_account(&self, id: EntityId, now: Ticks) -> Result<Account, Refusal> {
        let entity = self.entities.find(id)?;
        let mut account = entity.account;
        if let crate::entity::State::Running(cpu) = entity.state
            && let Some(processor) = self.processors.get(usize::from(cpu.0))
            && let Some(clock) = &processor.clock
            && processor.owner == entity.cid
        {
            add(
                &mut account,
                unsettled(clock.read(now.max(self.latest)), processor.read).account(),
            );
        }
        Ok(account)
    }

    /// All accounts at one instant, not earlier than `now`: the partitions, those that are gone and idleness add
    /// up to the time that the CPUs have been online, to the tick.
    ///
    /// # Errors
    /// [`Refusal::Full`]: no memory for the answer.
    pub fn snapshot(&self, now: Ticks) -> Result<Snapshot, Refusal> {
        let mut readings: Vec<Reading> = Vec::new();
        readings
            .try_reserve_exact(self.processors.len())
            .map_err(|_| Refusal::Full)?;
        let mut at = now.max(self.latest);
        for _ in 0..ATTEMPTS {
            readings.clear();
            for processor in &self.processors {
                readings.push(
                    processor
                        .clock
                        .as_ref()
                        .map_or(Reading::default(), |clock| clock.read(at)),
                );
            }
            let latest = readings
                .iter()
                .map(|reading| Ticks(reading.at))
                .max()
                .unwrap_or(at);
            if latest <= at {
                break;
            }
            at = latest;
        }
        let loaded = self.partitions.iter().flatten().count();
        let mut partitions = Vec::new();
        partitions
            .try_reserve_exact(loaded)
            .map_err(|_| Refusal::Full)?;
        for (number, partition) in self.partitions.iter().enumerate() {
            if let Some(partition) = partition {
                partitions.push((Cid(number as u16), partition.account));
            }
        }
        let mut snapshot = Snapshot {
            at,
            elapsed: self.departed,
            idle: self.idle,
            gone: self.gone,
            partitions,
        };
        for (processor, &shown) in self.processors.iter().zip(&readings) {
            if processor.clock.is_some() {
                snapshot.add(processor.owner, unsettled(shown, processor.read));
                snapshot.elapsed += at.saturating_sub(processor.online_at);
            }
        }
        Ok(snapshot)
    }
}

impl Snapshot {
    fn add(&mut self, owner: Cid, fresh: Reading) {
        self.idle += Ticks(fresh.idle);
        let spent = fresh.account();
        match self
            .partitions
            .binary_search_by_key(&owner, |&(cid, _)| cid)
        {
            Ok(place) => {
                if let Some((_, account)) = self.partitions.get_mut(place) {
                    add(account, spent);
                }
            }
            Err(_) => add(&mut self.gone, spent),
        }
    }

    /// The sum of all accounts and of idleness; equal to `elapsed`.
    #[must_use]
    pub fn accounted(&self) -> Ticks {
        let parts = self.partitions.iter().map(|(_, account)| account.total());
        parts.fold(
            self.idle.saturating_add(self.gone.total()),
            Ticks::saturating_add,
        )
    }
}
