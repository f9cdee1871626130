//! Wake-ups: who becomes runnable, and which CPU is told.

use crate::affinity::place;
use crate::entity::State;
use crate::policy::Running;
use crate::recording::Happening;
use crate::scheduler::Processor;
use crate::threads::Overtaking;
use crate::tree::Places;
use crate::tuning::Tuning;
use crate::{Cpu, EntityId, Refusal, Scheduler, Wakeup};
use abi::{Cid, Ticks};

impl Scheduler {
    /// The entity becomes runnable. The answer says which CPUs must be told.
    ///
    /// One that waits already stays as it is. One that is still on a CPU (it is just about to park) stays runnable
    /// when it is put back as blocked: no wake-up is lost between the check and the park.
    ///
    /// # Errors
    /// [`Refusal::Stale`].
    pub fn wake(&mut self, id: EntityId, now: Ticks) -> Result<Wakeup, Refusal> {
        let now = self.at(now);
        let entity = *self.entities.find(id)?;
        let mut wakeup = Wakeup::default();
        match entity.state {
            State::Waiting => return Ok(wakeup),
            State::Running(_) => {
                if let Some(entity) = self.entities.get_mut(id.index) {
                    entity.woken = true;
                }
                return Ok(wakeup);
            }
            State::Asleep => {}
        }
        self.settle_for(entity.cid, now);
        self.fill_cap(entity.cid, now);
        self.record(Happening::Woken(id));
        self.start_waiting(id.index, entity.cid, true);
        self.announce(id, entity.cid, now, &mut wakeup);
        Ok(wakeup)
    }

    /// Finds a CPU for an entity that has just begun to wait.
    pub(crate) fn announce(&mut self, id: EntityId, cid: Cid, now: Ticks, wakeup: &mut Wakeup) {
        self.show(cid, now);
        let places = self.entities.members.places(id.index);
        if self
            .partition(cid)
            .is_some_and(|partition| !partition.throttled)
            && !self.wake_idle(places, wakeup)
        {
            self.preempt_for(id, cid, now, wakeup);
        }
        self.spread(None, now, wakeup);
    }

    /// Settles what the wake-up of a thread of `cid` depends on. A partition that is there already takes nobody's
    /// place in the policy's eyes, and without a hard maximum only the times of its threads count that run.
    fn settle_for(&mut self, cid: Cid, now: Ticks) {
        let there = |it: &crate::scheduler::Partition| it.running > 0 && it.cap.is_none();
        if !self.partition(cid).is_some_and(there) {
            return self.settle_all(now);
        }
        for number in 0..self.processors.len() {
            if self.runs_on(number) == Some(cid) {
                self.read_clock(number, now);
            }
        }
    }

    fn fill_cap(&mut self, cid: Cid, now: Ticks) {
        let Tuning {
            longest_slice,
            quantum,
            ..
        } = self.tuning;
        if let Some(cap) = self
            .partition_mut(cid)
            .and_then(|partition| partition.cap.as_mut())
        {
            cap.fill(now, cap.ceiling(longest_slice, quantum));
        }
    }

    /// Sends one idle CPU of `places` to pick.
    fn wake_idle(&mut self, places: Places, wakeup: &mut Wakeup) -> bool {
        for (number, processor) in self.processors.iter_mut().enumerate() {
            let cpu = Cpu(number as u16);
            if processor.clock.is_some()
                && processor.turn.is_none()
                && !processor.kicked
                && places & place(cpu) != 0
            {
                processor.kicked = true;
                wakeup.preempt.insert(cpu);
                return true;
            }
        }
        false
    }

    /// Finds the CPU that the challenger can have soonest, and shortens its slice.
    fn preempt_for(&mut self, id: EntityId, cid: Cid, now: Ticks, wakeup: &mut Wakeup) {
        let places = self.entities.members.places(id.index);
        let mut best: Option<((Ticks, u8), usize)> = None;
        for number in 0..self.processors.len() {
            if places & place(Cpu(number as u16)) == 0 {
                continue;
            }
            let Some(at) = self.overtakes_on(number, id.index, cid, now) else {
                continue;
            };
            // Of several that it could have at once, the one that does what matters least.
            let at = (at, self.standing_on(number));
            if best.is_none_or(|(soonest, _)| at < soonest) {
                best = Some((at, number));
            }
        }
        let Some(((at, _), number)) = best else {
            return;
        };
        let sibling = self.runs_on(number) == Some(cid);
        let Some(processor) = self.processors.get_mut(number) else {
            return;
        };
        // It was weighed against the thread that runs. Against others that wait in its partition it was not.
        processor.favoured = sibling.then_some(id);
        if sibling {
            if processor.overtaken.is_none_or(|so_far| at < so_far) {
                processor.overtaken = Some(at);
                let told = if at <= now {
                    &mut wakeup.preempt
                } else {
                    &mut wakeup.rearm
                };
                told.insert(Cpu(number as u16));
            }
        } else if at <= now {
            processor.kicked = true;
            wakeup.preempt.insert(Cpu(number as u16));
        } else if processor.until.is_none_or(|until| at < until) {
            processor.until = Some(at);
            wakeup.rearm.insert(Cpu(number as u16));
        }
    }

    /// When the challenger may take this CPU from what runs there.
    fn overtakes_on(
        &mut self,
        number: usize,
        challenger: u32,
        cid: Cid,
        now: Ticks,
    ) -> Option<Ticks> {
        let processor = self
            .processors
            .get(number)
            .filter(|processor| !processor.kicked)?;
        let index = processor.run?;
        let running = self.entities.get(index)?.cid;
        let talks = running == cid && self.slept_briefly(challenger, now);
        let grain = if talks {
            self.tuning.conversation_grain()
        } else {
            self.tuning.granularity
        };
        let earliest = Tuning::after(processor.dispatched, grain);
        let after = if running == cid {
            let threads = &self.partition(cid)?.threads;
            match threads.overtakes(&self.entities, challenger, index) {
                Overtaking::Now => return Some(now),
                Overtaking::After(ticks) if self.tuning.wake_ups => Ticks(ticks),
                Overtaking::After(_) => return None,
                Overtaking::Never => return None,
            }
        } else if !self.tuning.wake_ups {
            return None;
        } else {
            let running = Running {
                cpu: Cpu(number as u16),
                cid: running,
            };
            self.settle_all(now);
            self.policy(now).overtakes(now, cid, running)?
        };
        Some(now.saturating_add(after).max(earliest))
    }

    /// Whether an entity that has been woken has slept for less than the grain that it then leaves to its siblings.
    fn slept_briefly(&self, index: u32, now: Ticks) -> bool {
        let grain = self.tuning.conversation_grain();
        self.entities
            .get(index)
            .is_some_and(|entity| now < Tuning::after(entity.asleep_since, grain))
    }

    /// The standing of the thread that runs on a CPU.
    fn standing_on(&self, number: usize) -> u8 {
        let index = self.processors.get(number).and_then(|it| it.run);
        index
            .and_then(|index| self.entities.get(index))
            .map_or(0, |entity| entity.class.standing())
    }

    /// Sees to it that no CPU idles, or runs without a tick, while something waits.
    pub(crate) fn spread(&mut self, except: Option<Cpu>, now: Ticks, wakeup: &mut Wakeup) {
        let (mut waiting, wanted) = (self.waiting, self.wanted());
        for (number, processor) in self.processors.iter_mut().enumerate() {
            let cpu = Cpu(number as u16);
            if waiting == 0 {
                return;
            }
            if processor.clock.is_none() || except == Some(cpu) {
                continue;
            }
            if processor.kicked {
                waiting -= 1;
            } else if processor.turn.is_some() {
                arm(processor, cpu, now, wakeup);
            } else if !processor.declined && wanted & place(cpu) != 0 {
                processor.kicked = true;
                wakeup.preempt.insert(cpu);
                waiting -= 1;
            }
        }
    }
}

/// A CPU that runs without a tick, or with a late one, gets its slice's end now that something waits.
fn arm(processor: &mut Processor, cpu: Cpu, now: Ticks, wakeup: &mut Wakeup) {
    let end = processor.slice_end.max(now);
    if processor.until.is_none_or(|until| until > end) {
        processor.until = Some(end);
        wakeup.rearm.insert(cpu);
    }
}
