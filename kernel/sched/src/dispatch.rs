//! Switches and wake-ups: the part of the mechanism that runs thousands of times a second.

use crate::affinity::place;
use crate::entity::State;
use crate::policy::Choice;
use crate::recording::Happening;
use crate::scheduler::Processor;
use crate::tuning::Tuning;
use crate::{Cpu, Decision, EntityId, Reason, Scheduler};
use abi::{Cid, Ticks};

/// What a CPU may use of a hard maximum in one go.
#[derive(Clone, Copy)]
pub(crate) struct Grant {
    ticks: u64,
    /// Paid by the whole CPUs in the maximum's rate, and not by what is in the bucket.
    carried: bool,
}

impl Scheduler {
    /// What `cpu`, which has put back what it ran, runs next and until when. Its clock is set: kernel time of the
    /// partition picked (call [`enter_user`](crate::CpuClock::enter_user) when leaving for the program), or
    /// idle. [`Decision::others`] says what other CPUs must be told.
    ///
    /// An entity that was not put back is put back as preempted. A CPU that is not online idles.
    pub fn pick(&mut self, cpu: Cpu, now: Ticks) -> Decision {
        let now = self.at(now);
        let number = usize::from(cpu.0);
        if self.current(cpu).is_some() {
            self.put_back(cpu, now, Reason::Preempted);
        }
        self.close_full_recording(now);
        if let Some(id) = self.continue_turn(cpu, now) {
            let mut others = core::mem::take(&mut self.untold);
            self.spread(Some(cpu), now, &mut others);
            return Decision {
                run: Some(id),
                until: self.until(cpu),
                others,
            };
        }
        self.end_turn(cpu, now);
        self.settle_all(now);
        self.release(now);
        self.look_for_starved(now);
        let run = if self
            .processors
            .get(number)
            .is_some_and(|processor| processor.clock.is_some())
        {
            self.dispatch(cpu, now)
        } else {
            None
        };
        if run.is_none() {
            self.go_idle(number, now);
        }
        let until = self.next_interrupt(number, now);
        if let Some(processor) = self.processors.get_mut(number) {
            processor.until = until;
            processor.kicked = false;
        }
        let mut others = core::mem::take(&mut self.untold);
        self.spread(Some(cpu), now, &mut others);
        Decision { run, until, others }
    }

    /// Chooses partition and thread and puts the thread on the CPU.
    fn dispatch(&mut self, cpu: Cpu, now: Ticks) -> Option<EntityId> {
        while self.waiting > 0 && self.wanted() & place(cpu) != 0 {
            let choice = self.choose(cpu, now)?;
            self.choices += 1;
            let Some(grant) = self.grant(choice.cid, now) else {
                self.throttle(choice.cid, now);
                continue;
            };
            let Some(index) = self.choose_thread(cpu, choice.cid, true) else {
                // The count and the queue disagree; the queue is right.
                self.show_as(choice.cid, crate::Demand::default(), now);
                continue;
            };
            return self.put_on(cpu, now, choice, grant, index);
        }
        None
    }

    /// How much of its hard maximum the partition may use in one go; `None`: it has reached it.
    ///
    /// A rate of w whole CPUs and a fraction carries w CPUs for ever: while at most w run, the bucket does not
    /// sink. Those hold nothing of what is in it, which is a slice for all CPUs together and would not do for
    /// many. Only one more is paid from the bucket and the fraction.
    pub(crate) fn grant(&mut self, cid: Cid, now: Ticks) -> Option<Option<Grant>> {
        let Tuning {
            longest_slice,
            quantum,
            ..
        } = self.tuning;
        let Some(partition) = self.partition_mut(cid) else {
            return Some(None);
        };
        let held = partition.held;
        let Some(cap) = partition.cap.as_mut() else {
            return Some(None);
        };
        cap.fill(now, cap.ceiling(longest_slice, quantum));
        let carried = cap.carries(partition.carried, quantum);
        if carried {
            let ticks = longest_slice;
            return Some(Some(Grant { ticks, carried }));
        }
        (cap.level() >= i128::from(held) + i128::from(quantum)).then(|| {
            let ticks = cap.lasts_beyond_whole(held, longest_slice);
            Some(Grant { ticks, carried })
        })
    }

    /// Whether the partition has used up its hard maximum for now, so that what is to be done for it must wait until it is
    /// picked: an entity of its that is woken does.
    pub fn is_at_maximum(&mut self, cid: Cid, now: Ticks) -> bool {
        if self.partition(cid).is_none_or(|it| it.cap.is_none()) {
            return false;
        }
        let now = self.at(now);
        self.read_clocks_of(cid, now);
        self.grant(cid, now).is_none()
    }

    /// Hides the partition from the policy until its hard maximum lets it go on.
    fn throttle(&mut self, cid: Cid, now: Ticks) {
        let capped = |partition: &&mut crate::scheduler::Partition| partition.cap.is_some();
        let Some(partition) = self.partition_mut(cid).filter(capped) else {
            return;
        };
        partition.throttled = true;
        self.file_release(cid, now);
        self.show(cid, now);
    }

    /// Files the time at which a partition at its hard maximum may go on, with what CPUs hold of it now. While
    /// they run, what they hold falls as fast as they empty the bucket, and the time stays right; when one
    /// gives something back, it must be filed again, or the bucket runs over meanwhile.
    ///
    /// It stays for a moment in any case, in which nothing is lost: all CPUs choose anew when it goes on, which ends the
    /// turn of the next one that has just gone on, and so on.
    pub(crate) fn file_release(&mut self, cid: Cid, now: Ticks) {
        let Tuning {
            quantum,
            longest_slice,
            granularity,
            ..
        } = self.tuning;
        let Some(partition) = self.partition_mut(cid) else {
            return;
        };
        let (held, carried) = (partition.held, partition.carried);
        let Some(cap) = partition.cap.as_mut() else {
            return;
        };
        cap.fill(now, cap.ceiling(longest_slice, quantum));
        let back = cap
            .wait_beyond_whole(quantum, held, carried)
            .map_or(u64::MAX, |wait| now.0.saturating_add(wait.max(granularity)));
        let index = u32::from(cid.0);
        self.throttled.remove(&mut self.throttled_nodes, index);
        self.throttled
            .insert(&mut self.throttled_nodes, index, i128::from(back), 0);
    }

    /// A partition is no longer held back; the policy is to be shown that.
    pub(crate) fn let_go_on(&mut self, cid: Cid) {
        self.throttled
            .remove(&mut self.throttled_nodes, u32::from(cid.0));
        if let Some(partition) = self.partition_mut(cid) {
            partition.throttled = false;
        }
    }

    /// Lets those partitions go on whose hard maximum allows it again.
    fn release(&mut self, now: Ticks) {
        while let Some((index, back)) = self.throttled.first(&self.throttled_nodes) {
            if back > i128::from(now.0) {
                return;
            }
            let cid = Cid(index as u16);
            self.let_go_on(cid);
            if self.grant(cid, now).is_none() {
                // What was promised to a CPU has been used meanwhile.
                self.throttle(cid, now);
                continue;
            }
            self.show(cid, now);
        }
    }

    /// The thread of the partition that runs next on `cpu`; `begins`: with a new turn.
    pub(crate) fn choose_thread(&mut self, cpu: Cpu, cid: Cid, begins: bool) -> Option<u32> {
        let processor = self.processors.get_mut(usize::from(cpu.0))?;
        let favoured = processor.favoured.take();
        let yielded = processor.yielded.take();
        let partition = self.partitions.get_mut(usize::from(cid.0))?.as_mut()?;
        let threads = &mut partition.threads;
        if let Some(index) = threads.pick_realtime(&self.entities, place(cpu), begins) {
            return Some(index);
        }
        let favoured = favoured.filter(|&id| {
            self.entities
                .find(id)
                .is_ok_and(|entity| entity.cid == cid && entity.state == State::Waiting)
                && self.entities.members.places(id.index) & place(cpu) != 0
        });
        favoured
            .map(|id| id.index)
            .or_else(|| threads.pick_fair(&self.entities, place(cpu), yielded))
    }

    fn put_on(
        &mut self,
        cpu: Cpu,
        now: Ticks,
        choice: Choice,
        grant: Option<Grant>,
        index: u32,
    ) -> Option<EntityId> {
        let Tuning {
            longest_slice,
            granularity,
            ..
        } = self.tuning;
        let processor = self.processors.get_mut(usize::from(cpu.0))?;
        processor.turn = Some(choice.cid);
        let carried = grant.is_some_and(|grant| grant.carried);
        let grant = grant.map(|grant| grant.ticks);
        processor.grant = grant.unwrap_or(0);
        processor.carried = carried;
        processor.declined = false;
        let slice = choice.slice.0.clamp(granularity, longest_slice);
        processor.slice_end = Tuning::after(now, grant.unwrap_or(slice).min(slice));
        let partition = self.partition_mut(choice.cid)?;
        partition.running += 1;
        if carried {
            partition.carried += 1;
        } else {
            partition.held += grant.unwrap_or(0);
        }
        self.occupy(cpu, now, choice.cid, index)
    }

    fn go_idle(&mut self, number: usize, now: Ticks) {
        let declined = self.wanted() & place(Cpu(number as u16)) != 0;
        if let Some(processor) = self.processors.get_mut(number) {
            processor.owner = Cid::GLOBAL;
            processor.called = None;
            processor.overtaken = None;
            processor.declined = declined;
            processor.dispatched = now;
            if let Some(clock) = &processor.clock {
                clock.enter_idle(now);
            }
        }
    }

    /// When the CPU must be interrupted at the latest; `None`: alone or idle, with nothing to wait for.
    fn next_interrupt(&mut self, number: usize, now: Ticks) -> Option<Ticks> {
        let look = self.next_look();
        let processor = self.processors.get(number)?;
        let runs = processor.turn.is_some();
        let mut soonest: Option<Ticks> = None;
        let mut consider = |at: Ticks| soonest = Some(soonest.map_or(at, |so_far| so_far.min(at)));
        if runs && (self.waiting > 0 || processor.grant > 0) {
            consider(processor.slice_end);
        }
        let at = |key: i128| {
            u64::try_from(key)
                .ok()
                .filter(|&at| at < u64::MAX)
                .map(Ticks)
        };
        if let Some(back) = self
            .throttled
            .first(&self.throttled_nodes)
            .and_then(|(_, back)| at(back))
        {
            consider(back);
        }
        if !runs && let Some(look) = look {
            consider(look);
        }
        if let Some(event) = self.policy(now).next_event(now) {
            // At once would be for ever.
            consider(event.max(Tuning::after(now, self.tuning.granularity)));
        }
        soonest
    }

    /// The entity on `cpu` leaves it. The kernel picks next on this CPU; the time until then still goes to the
    /// partition that it belonged to. Does nothing if nothing runs there.
    pub fn put_back(&mut self, cpu: Cpu, now: Ticks, reason: Reason) {
        let now = self.at(now);
        let number = usize::from(cpu.0);
        self.read_clock(number, now);
        let Some(processor) = self.processors.get_mut(number) else {
            return;
        };
        let Some(index) = processor.run.take() else {
            return;
        };
        if reason == Reason::Yielded {
            processor.yielded = Some(index);
        }
        let Some(entity) = self.entities.get_mut(index) else {
            return;
        };
        let cid = entity.cid;
        let stays = match reason {
            Reason::Preempted | Reason::Yielded => true,
            Reason::Blocked => entity.woken,
            Reason::Exited => false,
        };
        entity.state = State::Asleep;
        entity.asleep_since = now;
        let used = entity.account.total();
        // One that was woken before it could sleep has only given way.
        let left = if stays && reason == Reason::Blocked {
            Reason::Yielded
        } else {
            reason
        };
        if self.recording.is_some()
            && reason != Reason::Exited
            && let Some(id) = self.entities.id(index)
        {
            self.record(Happening::Left(id, left, used));
        }
        if let Some(partition) = self
            .partitions
            .get_mut(usize::from(cid.0))
            .and_then(Option::as_mut)
        {
            if reason == Reason::Yielded {
                partition.threads.yield_turn(&mut self.entities, index);
            }
            if !stays {
                partition.threads.leave(&mut self.entities, index);
            }
        }
        if stays {
            let behind = reason != Reason::Preempted || self.ends_round(index);
            if self.binding && reason == Reason::Preempted {
                self.leave_to_the_bound(index, cpu);
            }
            self.start_waiting(index, cid, behind);
        } else if reason == Reason::Exited {
            self.forget_entity(index);
        }
        if !self.keeps_turn(number, now) {
            self.end_turn(cpu, now);
        }
    }

    /// The entity on `cpu` makes room, as [`put_back`](Scheduler::put_back) has it, after an interrupt at `since`. Where a
    /// wake-up has called the CPU, its time from then on goes to whom it picks, for whom all that is, and not to whom it
    /// interrupts; until that is known it is Global's.
    pub fn make_room(&mut self, cpu: Cpu, since: Ticks, now: Ticks) {
        let number = usize::from(cpu.0);
        let called = |it: &Processor| it.kicked && it.run.is_some();
        if self.processors.get(number).is_some_and(called) {
            self.settle(number, since);
            if let Some(processor) = self.processors.get_mut(number) {
                processor.called = Some(since);
                processor.owner = Cid::GLOBAL;
            }
        }
        self.put_back(cpu, now, Reason::Preempted);
    }

    /// The entity waits for a CPU; `behind` the others of its priority, where it has one.
    pub(crate) fn start_waiting(&mut self, index: u32, cid: Cid, behind: bool) {
        if let Some(entity) = self.entities.get_mut(index) {
            entity.state = State::Waiting;
        }
        let Tuning { quantum, .. } = self.tuning;
        if let Some(partition) = self
            .partitions
            .get_mut(usize::from(cid.0))
            .and_then(Option::as_mut)
        {
            if partition.waiting == 0
                && partition.running == 0
                && let Some(cap) = partition.cap.as_mut()
            {
                // Time that was not wanted is not saved up.
                cap.spill(quantum);
            }
            partition.waiting += 1;
            partition.threads.wait(&mut self.entities, index, behind);
        }
    }

    /// Whether `cpu` should put back what it runs (or stop idling) and pick. For the decrementer's interrupt and
    /// for interrupts from other CPUs; when it answers false, program the decrementer from
    /// [`until`](Scheduler::until).
    #[must_use]
    pub fn must_preempt(&self, cpu: Cpu, now: Ticks) -> bool {
        self.processors
            .get(usize::from(cpu.0))
            .is_some_and(|processor| {
                processor.kicked
                    || processor.alarm().is_some_and(|alarm| alarm <= now)
                    || (processor.clock.is_some()
                        && processor.turn.is_none()
                        && self.wanted() & place(cpu) != 0
                        && !processor.declined)
            })
    }

    /// Whether anything waits that would run in the place of what gives way. Where nothing does, a yield is over at once.
    #[must_use]
    pub fn is_contended(&self) -> bool {
        self.waiting > 0
    }

    /// When the decrementer of `cpu` must fire, as things are now; `None`: not at all.
    #[must_use]
    pub fn until(&self, cpu: Cpu) -> Option<Ticks> {
        self.processors.get(usize::from(cpu.0))?.alarm()
    }

    /// What runs on `cpu`.
    #[must_use]
    pub fn current(&self, cpu: Cpu) -> Option<EntityId> {
        self.entities
            .id(self.processors.get(usize::from(cpu.0))?.run?)
    }
}
