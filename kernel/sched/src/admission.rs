//! The life of an entity: admission, change of partition or weight, retirement.

use crate::entity::{Entity, State};
use crate::recording::Happening;
use crate::{Account, Attributes, Class, Cpu, EntityId, Reason, Refusal, Scheduler, Wakeup};
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
            class: attributes.class,
            nice: attributes.nice.clamp(-20, 19),
            cpus: attributes.cpus,
            reset_on_fork: attributes.reset_on_fork,
            order: 0,
            spent: 0,
            state: State::Asleep,
            asleep_since: self.latest,
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
            partition.threads.introduce(&mut self.entities, id.index);
        }
        self.bind(id.index);
        self.record_entity(id.index);
        Ok(id)
    }

    /// An entity that is on no CPU goes; its final account is returned.
    ///
    /// # Errors
    /// [`Refusal::Stale`]; [`Refusal::Running`]: put it back with [`Reason::Exited`].
    pub fn retire(&mut self, id: EntityId, now: Ticks) -> Result<Account, Refusal> {
        self.suspend(id, now)?;
        let account = self.entities.find(id)?.account;
        self.forget_entity(id.index);
        Ok(account)
    }

    pub(crate) fn forget_entity(&mut self, index: u32) {
        let id = self.entities.id(index);
        let Some(entity) = self.entities.remove(index) else {
            return;
        };
        if let Some(id) = id {
            let used = entity.account.total();
            self.record(Happening::Left(id, Reason::Exited, used));
        }
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
                self.record(Happening::Held(id));
                self.stop_waiting(id.index, entity.cid);
                self.show(entity.cid, now);
                Ok(())
            }
        }
    }

    pub(crate) fn stop_waiting(&mut self, index: u32, cid: Cid) {
        if let Some(entity) = self.entities.get_mut(index) {
            entity.state = State::Asleep;
            entity.asleep_since = self.latest;
        }
        if let Some(partition) = self
            .partitions
            .get_mut(usize::from(cid.0))
            .and_then(Option::as_mut)
        {
            partition.threads.leave(&mut self.entities, index);
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
                self.start_waiting(id.index, cid, true);
            }
            State::Running(cpu) => {
                self.move_running(id.index, entity, cid, cpu);
                wakeup.preempt.insert(cpu);
            }
        }
        self.record_entity(id.index);
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
            new.threads.introduce(&mut self.entities, index);
        }
        self.bind(index);
    }

    fn move_running(&mut self, index: u32, entity: Entity, cid: Cid, cpu: Cpu) {
        let now = self.latest;
        self.policy(now).stopped(now, cpu);
        self.return_grant(cpu, entity.cid);
        if let Some(old) = self
            .partitions
            .get_mut(usize::from(entity.cid.0))
            .and_then(Option::as_mut)
        {
            old.running = old.running.saturating_sub(1);
            old.threads.leave(&mut self.entities, index);
        }
        self.move_entity(index, entity, cid);
        if let Some(new) = self
            .partitions
            .get_mut(usize::from(cid.0))
            .and_then(Option::as_mut)
        {
            new.running += 1;
            new.threads.run(&mut self.entities, index);
        }
        if let Some(processor) = self.processors.get_mut(usize::from(cpu.0)) {
            processor.kicked = true;
            processor.turn = Some(cid);
            if processor.owner == entity.cid {
                processor.owner = cid;
            }
        }
    }

    /// What the entity has asked for.
    ///
    /// # Errors
    /// [`Refusal::Stale`].
    pub fn attributes(&self, id: EntityId) -> Result<Attributes, Refusal> {
        Ok(self.entities.find(id)?.attributes())
    }

    /// How long a thread of a class runs before another of the same standing does; 0 where that is never.
    #[must_use]
    pub fn interval(&self, class: Class) -> Ticks {
        Ticks(match class {
            Class::RoundRobin(_) => self.tuning.round,
            Class::Fifo(_) => 0,
            Class::Other | Class::Batch | Class::Idle => self.tuning.slice,
        })
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
            partition.threads.reweigh(&mut self.entities, id.index);
        }
        Ok(())
    }

    /// New attributes, with effect at once: a CPU that runs the entity is told to pick.
    ///
    /// # Errors
    /// [`Refusal::Stale`].
    pub fn set_attributes(
        &mut self,
        id: EntityId,
        attributes: Attributes,
        now: Ticks,
    ) -> Result<Wakeup, Refusal> {
        let now = self.at(now);
        let before = *self.entities.find(id)?;
        let mut wakeup = Wakeup::default();
        self.set_nice(id, attributes.nice, now)?;
        match before.state {
            State::Asleep => self.adopt(id.index, before.cid, &attributes),
            State::Waiting => {
                self.stop_waiting(id.index, before.cid);
                self.adopt(id.index, before.cid, &attributes);
                let behind = before.class != attributes.class;
                self.start_waiting(id.index, before.cid, behind);
                self.announce(id, before.cid, now, &mut wakeup);
            }
            State::Running(cpu) => {
                if let Some(partition) = self
                    .partitions
                    .get_mut(usize::from(before.cid.0))
                    .and_then(Option::as_mut)
                {
                    partition.threads.leave(&mut self.entities, id.index);
                }
                self.adopt(id.index, before.cid, &attributes);
                if let Some(partition) = self
                    .partitions
                    .get_mut(usize::from(before.cid.0))
                    .and_then(Option::as_mut)
                {
                    partition.threads.run(&mut self.entities, id.index);
                }
                if let Some(processor) = self.processors.get_mut(usize::from(cpu.0)) {
                    processor.kicked = true;
                    wakeup.preempt.insert(cpu);
                }
            }
        }
        self.record_entity(id.index);
        Ok(wakeup)
    }

    /// Gives the entity, which is in no queue, its new attributes.
    fn adopt(&mut self, index: u32, cid: Cid, attributes: &Attributes) {
        if let Some(entity) = self.entities.get_mut(index) {
            entity.class = attributes.class;
            entity.cpus = attributes.cpus;
            entity.reset_on_fork = attributes.reset_on_fork;
            entity.spent = 0;
        }
        if let Some(partition) = self
            .partitions
            .get_mut(usize::from(cid.0))
            .and_then(Option::as_mut)
        {
            partition.threads.reweigh(&mut self.entities, index);
        }
        self.bind(index);
    }
}
