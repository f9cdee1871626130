//! The life of an entity: admission, change of partition or weight, retirement.

use crate::entity::{Entity, State};
use crate::{Account, Attributes, Cpu, EntityId, Refusal, Scheduler, Wakeup, nice};
use abi::{Cid, Ticks};

impl Scheduler {
    /// A new entity of `cid`, asleep until [`wake`](Scheduler::wake).
    ///
    /// # Errors
    /// [`Refusal::Partition`]; [`Refusal::Full`] when there is no memory for one more.
    pub fn admit(&mut self, cid: Cid, attributes: Attributes) -> Result<EntityId, Refusal> {
        if self.partition(cid).is_none() {
            return Err(Refusal::Partition);
        }
        let entity = Entity {
            cid,
            nice: attributes.nice.clamp(-20, 19),
            state: State::Asleep,
            woken: false,
            account: Account::default(),
        };
        let id = self.entities.admit(entity)?;
        if let Some(partition) = self
            .partitions
            .get_mut(usize::from(cid.0))
            .and_then(Option::as_mut)
        {
            partition.entities += 1;
            partition.threads.introduce(
                &mut self.entities.members,
                id.index,
                nice::weight(entity.nice),
            );
        }
        Ok(id)
    }

    /// An entity that is on no CPU goes; its final account is returned.
    ///
    /// # Errors
    /// [`Refusal::Stale`]; [`Refusal::Running`]: put it back with [`Reason::Exited`](crate::Reason::Exited).
    pub fn retire(&mut self, id: EntityId, now: Ticks) -> Result<Account, Refusal> {
        self.suspend(id, now)?;
        let account = self.entities.find(id)?.account;
        self.forget_entity(id.index);
        Ok(account)
    }

    pub(crate) fn forget_entity(&mut self, index: u32) {
        let Some(entity) = self.entities.remove(index) else {
            return;
        };
        if let Some(partition) = self.partition_mut(entity.cid) {
            partition.entities = partition.entities.saturating_sub(1);
        }
    }

    /// A waiting entity stops being runnable (a stop signal, a freeze); one that sleeps goes on sleeping.
    ///
    /// # Errors
    /// [`Refusal::Stale`]; [`Refusal::Running`].
    pub fn suspend(&mut self, id: EntityId, now: Ticks) -> Result<(), Refusal> {
        let now = self.at(now);
        let entity = *self.entities.find(id)?;
        match entity.state {
            State::Running(_) => Err(Refusal::Running),
            State::Asleep => Ok(()),
            State::Waiting => {
                self.settle_all(now);
                self.stop_waiting(id.index, entity.cid);
                self.show(entity.cid, now);
                Ok(())
            }
        }
    }

    fn stop_waiting(&mut self, index: u32, cid: Cid) {
        if let Some(entity) = self.entities.get_mut(index) {
            entity.state = State::Asleep;
        }
        if let Some(partition) = self
            .partitions
            .get_mut(usize::from(cid.0))
            .and_then(Option::as_mut)
        {
            partition
                .threads
                .deactivate(&mut self.entities.members, index, 0);
            partition.waiting = partition.waiting.saturating_sub(1);
        }
    }

    /// The entity belongs to `cid` from `now` on, also while it is on a CPU (a process enters a partition);
    /// that CPU is then told to pick.
    ///
    /// # Errors
    /// [`Refusal::Stale`]; [`Refusal::Partition`].
    pub fn transfer(&mut self, id: EntityId, cid: Cid, now: Ticks) -> Result<Wakeup, Refusal> {
        let now = self.at(now);
        let entity = *self.entities.find(id)?;
        if self.partition(cid).is_none() {
            return Err(Refusal::Partition);
        }
        let mut wakeup = Wakeup::default();
        if entity.cid == cid {
            return Ok(wakeup);
        }
        self.settle_all(now);
        match entity.state {
            State::Asleep => self.move_entity(id.index, entity, cid),
            State::Waiting => {
                self.stop_waiting(id.index, entity.cid);
                self.move_entity(id.index, entity, cid);
                self.start_waiting(id.index, cid);
            }
            State::Running(cpu) => {
                self.move_running(id.index, entity, cid, cpu);
                wakeup.preempt.insert(cpu);
            }
        }
        self.show(entity.cid, now);
        self.show(cid, now);
        self.spread(None, now, &mut wakeup);
        Ok(wakeup)
    }

    fn move_entity(&mut self, index: u32, entity: Entity, cid: Cid) {
        if let Some(old) = self.partition_mut(entity.cid) {
            old.entities = old.entities.saturating_sub(1);
        }
        if let Some(moved) = self.entities.get_mut(index) {
            moved.cid = cid;
        }
        if let Some(new) = self
            .partitions
            .get_mut(usize::from(cid.0))
            .and_then(Option::as_mut)
        {
            new.entities += 1;
            new.threads
                .introduce(&mut self.entities.members, index, nice::weight(entity.nice));
        }
    }

    fn move_running(&mut self, index: u32, entity: Entity, cid: Cid, cpu: Cpu) {
        let now = self.latest;
        self.deciders.current().stopped(now, cpu);
        self.return_grant(cpu, entity.cid);
        if let Some(old) = self
            .partitions
            .get_mut(usize::from(entity.cid.0))
            .and_then(Option::as_mut)
        {
            old.running = old.running.saturating_sub(1);
            old.threads.deactivate(&mut self.entities.members, index, 0);
        }
        self.move_entity(index, entity, cid);
        if let Some(new) = self
            .partitions
            .get_mut(usize::from(cid.0))
            .and_then(Option::as_mut)
        {
            new.running += 1;
            new.threads.activate(&mut self.entities.members, index, 0);
        }
        if let Some(processor) = self.processors.get_mut(usize::from(cpu.0)) {
            processor.kicked = true;
            processor.turn = Some(cid);
            if processor.owner == entity.cid {
                processor.owner = cid;
            }
        }
    }

    /// A new nice value; one out of range counts as the nearest.
    ///
    /// # Errors
    /// [`Refusal::Stale`].
    pub fn set_nice(&mut self, id: EntityId, nice: i8, now: Ticks) -> Result<(), Refusal> {
        let now = self.at(now);
        let cid = self.entities.find(id)?.cid;
        self.settle_all(now);
        if let Some(entity) = self.entities.get_mut(id.index) {
            entity.nice = nice.clamp(-20, 19);
        }
        if let Some(partition) = self
            .partitions
            .get_mut(usize::from(cid.0))
            .and_then(Option::as_mut)
        {
            partition
                .threads
                .reweigh(&mut self.entities.members, id.index, nice::weight(nice));
        }
        Ok(())
    }
}
