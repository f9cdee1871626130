//! Where threads may run: resource sets of partitions, CPUs that threads are bound to.
//!
//! Both are kept by the mechanism, whatever the policy answers: it is offered a partition on a CPU only when a thread of
//! it waits that may run there. Where nothing has ever been bound, nothing of this is looked at.

use crate::entity::State;
use crate::scheduler::{Partition, Processor, claim, reach};
use crate::tree::{ANYWHERE, Places};
use crate::{Class, Cpu, CpuSet, Demand, EntityId, Refusal, Scheduler};
use abi::{Cid, Ticks};

/// A CPU as a place.
pub(crate) fn place(cpu: Cpu) -> Places {
    1_u16.checked_shl(u32::from(cpu.0)).unwrap_or(0)
}

/// Whether the set leaves out no CPU that there can be.
fn covers_all(cpus: CpuSet) -> bool {
    let all = u64::from(ANYWHERE);
    cpus.0 & all == all
}

impl Scheduler {
    /// The CPUs on which a partition may run, of those that are online; none when it is not loaded.
    #[must_use]
    pub fn partition_cpus(&self, cid: Cid) -> CpuSet {
        self.partition(cid).map_or(CpuSet::NONE, |partition| {
            reach(&partition.entitlement, self.online_cpus())
        })
    }

    /// The CPUs on which an entity may run, of those that are online.
    ///
    /// # Errors
    /// [`Refusal::Stale`].
    pub fn cpus_of(&self, id: EntityId) -> Result<CpuSet, Refusal> {
        let entity = self.entities.find(id)?;
        Ok(self.cpus_for(entity.cid, entity.cpus))
    }

    /// What counts of a wish for CPUs: those of the partition, or all of them where none is wanted of those.
    fn cpus_for(&self, cid: Cid, wanted: CpuSet) -> CpuSet {
        let allowed = self.partition_cpus(cid);
        match allowed.0 & wanted.0 {
            0 => allowed,
            some => CpuSet(some),
        }
    }

    /// Where the entity, which is in no queue, may run from now on.
    pub(crate) fn bind(&mut self, index: u32) {
        let Some(entity) = self.entities.get(index) else {
            return;
        };
        let cpus = self.cpus_for(entity.cid, entity.cpus);
        let everywhere = cpus == self.online_cpus() && self.is_free(entity.cid, entity.cpus);
        let places = if everywhere {
            ANYWHERE
        } else {
            cpus.0 as Places
        };
        self.binding |= places != ANYWHERE;
        self.entities.members.place(index, places);
    }

    /// An entity that is about to wait, having run on `cpu`, leaves that to those who are bound there, where there is an
    /// idle CPU for it, or one whose thread can leave it for an idle one, and so on: until it runs again it is for that
    /// one only. (A step of an augmenting path: Berge, "Two theorems in graph theory", 1957.)
    pub(crate) fn leave_to_the_bound(&mut self, index: u32, cpu: Cpu) {
        if self.wanted() & place(cpu) == 0 {
            return;
        }
        let places = self.entities.members.places(index) & !place(cpu);
        let idle = self.places_of(|it| it.turn.is_none());
        let mut open = idle;
        while open != 0 && places & open == 0 {
            let leaves = |it: &Processor| {
                let there = it.run.map_or(0, |it| self.entities.members.places(it));
                there & open != 0
            };
            let more = self.places_of(leaves) & !open & !place(cpu);
            if more == 0 {
                return;
            }
            open |= more;
        }
        let next = (0..).map(Cpu).take(self.processors.len());
        let Some(next) = next.into_iter().find(|&it| places & open & place(it) != 0) else {
            return;
        };
        self.entities.members.place(index, place(next));
        if idle & place(next) == 0
            && let Some(processor) = self.processors.get_mut(usize::from(next.0))
        {
            processor.kicked = true;
            self.untold.preempt.insert(next);
        }
    }

    /// The CPUs that are at work, have not been told to pick, and of which this is so.
    fn places_of(&self, so: impl Fn(&Processor) -> bool) -> Places {
        let processors = (0_u16..).map(Cpu).zip(&self.processors);
        processors
            .filter(|(_, it)| it.clock.is_some() && !it.kicked && so(it))
            .fold(0, |places, (cpu, _)| places | place(cpu))
    }

    /// Whether neither the partition nor the wish leaves out a CPU, be it online or not.
    fn is_free(&self, cid: Cid, wanted: CpuSet) -> bool {
        covers_all(wanted)
            && self
                .partition(cid)
                .is_none_or(|it| !it.entitlement.active || covers_all(it.entitlement.cpus))
    }

    /// Binds all entities of a partition anew, those that wait included.
    pub(crate) fn rebind(&mut self, cid: Cid) {
        self.rebind_those(|owner| owner == cid);
    }

    /// Binds all entities anew: the CPUs that are online are others.
    pub(crate) fn rebind_all(&mut self, now: Ticks) {
        if !self.binding {
            return;
        }
        self.rebind_those(|_| true);
        let (unlimited, online) = (self.unlimited, self.online_cpus());
        for number in 0..self.partitions.len() {
            let cid = Cid(number as u16);
            let Some(entitlement) = self.partition(cid).map(|it| it.entitlement) else {
                continue;
            };
            if !covers_all(entitlement.cpus) {
                // Parts of its resource set are other parts of the whole now.
                self.forget_shown(cid, now);
                let claim = claim(&entitlement, unlimited, online);
                self.policy(now).change(now, cid, claim);
            }
            self.show(cid, now);
        }
    }

    fn rebind_those(&mut self, those: impl Fn(Cid) -> bool) {
        for index in 0..self.entities.places() {
            let Some(entity) = self.entities.get(index).copied() else {
                continue;
            };
            if !those(entity.cid) {
                continue;
            }
            let waits = entity.state == State::Waiting;
            if waits {
                self.stop_waiting(index, entity.cid);
            }
            self.bind(index);
            if waits {
                self.start_waiting(index, entity.cid, false);
            } else if let State::Running(cpu) = entity.state
                && self.entities.members.places(index) & place(cpu) == 0
                && let Some(processor) = self.processors.get_mut(usize::from(cpu.0))
            {
                processor.kicked = true;
                self.untold.preempt.insert(cpu);
            }
        }
    }

    /// Where that which the policy is told to be waiting may run.
    pub(crate) fn waits_at(&self, cid: Cid, demand: &Demand) -> Places {
        if demand.waiting == 0 {
            0
        } else if self.binding {
            self.partition(cid)
                .map_or(0, |partition| partition.threads.places(&self.entities))
        } else {
            ANYWHERE
        }
    }

    /// Whether a thread of the partition waits that may run on a CPU.
    pub(crate) fn waits_for(&self, number: usize, partition: &Partition) -> bool {
        !self.binding || partition.threads.places(&self.entities) & place(Cpu(number as u16)) != 0
    }

    /// A partition's threads wait at other places.
    pub(crate) fn count_waiting(&mut self, before: Places, now: Places) {
        for (places, more) in [(now, true), (before, false)] {
            let count = |count: &mut u32| {
                *count = if more {
                    *count + 1
                } else {
                    count.saturating_sub(1)
                };
                *count > 0
            };
            if places == ANYWHERE {
                count(&mut self.waiting_anywhere);
                continue;
            }
            for cpu in CpuSet(u64::from(places)).iter() {
                let counted = self.waiting_at.get_mut(usize::from(cpu.0));
                if counted.is_some_and(count) {
                    self.wanted_at |= place(cpu);
                } else {
                    self.wanted_at &= !place(cpu);
                }
            }
        }
    }

    /// The places where something waits that the policy may choose.
    pub(crate) fn wanted(&self) -> Places {
        if self.waiting_anywhere > 0 {
            ANYWHERE
        } else {
            self.wanted_at
        }
    }

    /// Whether an entity that gives way goes behind the others of its priority: it has had its time among them.
    pub(crate) fn ends_round(&mut self, index: u32) -> bool {
        let round = self.tuning.round;
        let Some(entity) = self.entities.get_mut(index) else {
            return false;
        };
        let ended = matches!(entity.class, Class::RoundRobin(_)) && entity.spent >= round;
        if ended {
            entity.spent = 0;
        }
        ended
    }
}
