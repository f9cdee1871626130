//! A partition's turn on a CPU: from the policy's choice until its slice ends, somebody better comes, or it has
//! nothing more to run there.
//!
//! Within a turn the partition's threads follow each other without the policy: a thread that waits or gives way
//! leaves the rest of the turn to its siblings. So what two threads of a partition tell each other costs no decision
//! between partitions, and a thread that yields at once gives nothing of its partition's part away.

use crate::entity::State;
use crate::recording::Happening;
use crate::{Cpu, EntityId, Scheduler};
use abi::{Cid, Ticks};

impl Scheduler {
    /// Whether another thread of the partition whose turn it is may have the CPU, which runs none now.
    pub(crate) fn keeps_turn(&self, number: usize, now: Ticks) -> bool {
        let Some(processor) = self.processors.get(number) else {
            return false;
        };
        let Some(cid) = processor.turn else {
            return false;
        };
        let Some(partition) = self.partition(cid) else {
            return false;
        };
        let gives_way = |index: &u32| {
            self.entities
                .get(*index)
                .is_some_and(|it| it.cid == cid && it.state == State::Waiting)
        };
        let yielded = u32::from(processor.yielded.as_ref().is_some_and(gives_way));
        !processor.kicked
            && now < processor.slice_end
            && processor.until.is_none_or(|until| now < until)
            && partition.waiting > yielded
            && self.waits_for(number, partition)
            && (partition.cap.is_none() || processor.grant > 0)
    }

    /// The next thread of the turn, on the CPU; `None` when the turn is over.
    pub(crate) fn continue_turn(&mut self, cpu: Cpu, now: Ticks) -> Option<EntityId> {
        let number = usize::from(cpu.0);
        if !self.keeps_turn(number, now) {
            return None;
        }
        let processor = self.processors.get(number)?;
        let cid = processor.turn?;
        if processor.owner == cid {
            self.read_clock(number, now);
        } else {
            self.settle(number, now);
        }
        let index = self.choose_thread(cpu, cid, false)?;
        let id = self.occupy(cpu, now, cid, index);
        let waiting = self.waiting;
        let processor = self.processors.get_mut(number)?;
        if waiting > 0 {
            let end = processor.slice_end;
            processor.until = Some(processor.until.map_or(end, |until| until.min(end)));
        }
        id
    }

    /// Puts a waiting thread on the CPU that its partition has.
    pub(crate) fn occupy(
        &mut self,
        cpu: Cpu,
        now: Ticks,
        cid: Cid,
        index: u32,
    ) -> Option<EntityId> {
        if self.binding {
            self.bind(index);
        }
        let processor = self.processors.get_mut(usize::from(cpu.0))?;
        let entity = self.entities.get_mut(index)?;
        entity.state = State::Running(cpu);
        entity.woken = false;
        processor.run = Some(index);
        processor.owner = cid;
        processor.called = None;
        processor.dispatched = now;
        processor.overtaken = None;
        if let Some(clock) = &processor.clock {
            clock.enter_kernel(now);
        }
        let partition = self
            .partitions
            .get_mut(usize::from(cid.0))
            .and_then(Option::as_mut)?;
        partition.threads.take(&mut self.entities, index);
        partition.waiting = partition.waiting.saturating_sub(1);
        self.show(cid, now);
        let id = self.entities.id(index)?;
        self.record(Happening::Placed(id, cpu));
        Some(id)
    }

    /// The turn on `cpu` is over: the policy learns what it has cost. Does nothing where there is none.
    pub(crate) fn end_turn(&mut self, cpu: Cpu, now: Ticks) {
        let processor = self.processors.get_mut(usize::from(cpu.0));
        let Some(cid) = processor.and_then(|it| it.turn.take()) else {
            return;
        };
        self.settle_all(now);
        self.policy(now).stopped(now, cpu);
        self.return_grant(cpu, cid);
        if let Some(partition) = self.partition_mut(cid) {
            partition.running = partition.running.saturating_sub(1);
        }
        self.show(cid, now);
    }

    /// Ends the turns of a partition that runs nothing more.
    pub(crate) fn end_turns_of(&mut self, cid: Cid, now: Ticks) {
        for number in 0..self.processors.len() {
            if self.runs_on(number) == Some(cid) {
                self.end_turn(Cpu(number as u16), now);
            }
        }
    }

    /// The partition whose turn it is on a CPU.
    pub(crate) fn runs_on(&self, number: usize) -> Option<Cid> {
        self.processors.get(number)?.turn
    }

    /// Gives back what a CPU has not used of a hard maximum.
    pub(crate) fn return_grant(&mut self, cpu: Cpu, cid: Cid) {
        let Some(processor) = self.processors.get_mut(usize::from(cpu.0)) else {
            return;
        };
        let unused = core::mem::take(&mut processor.grant);
        let carried = core::mem::take(&mut processor.carried);
        let Some(partition) = self.partition_mut(cid) else {
            return;
        };
        if carried {
            // A carried CPU has become free: the partition may go on although the bucket has nothing for one more.
            partition.carried = partition.carried.saturating_sub(1);
        } else {
            partition.held = partition.held.saturating_sub(unused);
        }
        if !partition.throttled || (!carried && unused == 0) {
            return;
        }
        if carried || self.grant(cid, self.latest).is_some() {
            // Not a moment later: an interrupt of all CPUs for that would end the turn of the next one that has a maximum, which
            // would then give back, and so on.
            self.let_go_on(cid);
        } else {
            self.file_release(cid, self.latest);
        }
    }
}
