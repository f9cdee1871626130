//! A CPU leaves: what it ran, what it was promised, and its time.

use crate::recording::Happening;
use crate::scheduler::{Partition, Processor, reach};
use crate::{Account, Cpu, CpuSet, Entitlement, Reason, Refusal, Scheduler, Wakeup};
use abi::{Cid, Ticks};

impl Scheduler {
    /// `cpu` is to leave: it is told to put back what it runs. Then [`Scheduler::is_recalled`] says so until it has left by
    /// [`Scheduler::offline`], which cannot be refused any more; it does not pick meanwhile.
    ///
    /// # Errors
    /// [`Refusal::Cpu`]: no such CPU, or it is not online, or has been told already; [`Refusal::Busy`]: no other
    /// would be left.
    pub fn recall(&mut self, cpu: Cpu) -> Result<Wakeup, Refusal> {
        let stays = |it: &&Processor| it.clock.is_some() && !it.recalled;
        let staying = self.processors.iter().filter(stays).count();
        let processor = self
            .processors
            .get_mut(usize::from(cpu.0))
            .filter(|it| it.clock.is_some() && !it.recalled)
            .ok_or(Refusal::Cpu)?;
        if staying <= 1 {
            return Err(Refusal::Busy);
        }
        processor.recalled = true;
        processor.kicked = true;
        let mut wakeup = Wakeup::default();
        wakeup.preempt.insert(cpu);
        Ok(wakeup)
    }

    /// Whether `cpu` is to leave.
    #[must_use]
    pub fn is_recalled(&self, cpu: Cpu) -> bool {
        self.processors
            .get(usize::from(cpu.0))
            .is_some_and(|it| it.recalled)
    }

    /// The partitions that have only `cpu` left of their resource sets: without it they run everywhere.
    pub fn confined_to(&self, cpu: Cpu) -> impl Iterator<Item = Cid> {
        let online = self.online_cpus();
        let mut only = CpuSet::NONE;
        only.insert(cpu);
        let confined = move |partition: &Partition| {
            let Entitlement { active, cpus, .. } = partition.entitlement;
            active && only != online && CpuSet(cpus.0 & online.0) == only
        };
        (0..)
            .map(Cid)
            .zip(self.partitions.iter())
            .filter(move |(_, it)| it.as_ref().is_some_and(confined))
            .map(|(cid, _)| cid)
    }

    /// What each CPU that has ever been online has spent, in programs and in the kernel, and idle, while it was. The second
    /// value says whether it is online.
    pub fn spent(&self, now: Ticks) -> impl Iterator<Item = (Cpu, bool, Account, Ticks)> {
        (0..).map(Cpu).zip(&self.processors).map(move |(cpu, it)| {
            let mut reading = it.past;
            if let Some(clock) = &it.clock {
                reading.advance(clock.read(now));
            }
            let online = it.clock.is_some();
            (cpu, online, reading.account(), Ticks(reading.idle))
        })
    }

    /// `cpu` leaves at `now`: what it runs is put back, and its time so far stays in the accounts. Percentages are of
    /// one CPU less at once, hard maxima too: CPUs that run a partition with one are told to pick, and so are those that
    /// can take what has been put back. The CPU itself calls this, so that its clock shows nothing later, and does
    /// not move that clock any more. [`Scheduler::online`] brings it back with a new clock.
    ///
    /// # Errors
    /// [`Refusal::Cpu`]: no such CPU, or it is not online; [`Refusal::Busy`]: it is the last.
    pub fn offline(&mut self, cpu: Cpu, now: Ticks) -> Result<Wakeup, Refusal> {
        let now = self.at(now);
        let number = usize::from(cpu.0);
        let online = |it: &&Processor| it.clock.is_some();
        if self.processors.get(number).filter(online).is_none() {
            return Err(Refusal::Cpu);
        }
        if self.online.count() == 1 {
            return Err(Refusal::Busy);
        }
        if let Some(processor) = self.processors.get_mut(number) {
            processor.called = None;
        }
        self.put_back(cpu, now, Reason::Preempted);
        self.end_turn(cpu, now);
        self.settle_all(now);
        if let Some(processor) = self.processors.get_mut(number) {
            self.departed += Ticks(processor.read.total());
            let mut past = processor.past;
            past.advance(processor.read);
            *processor = Processor {
                past,
                ..Processor::default()
            };
        }
        self.online.remove(cpu);
        self.record(Happening::Offline(cpu));
        self.rebase_caps(now);
        let machine = self.machine();
        self.deciders.machine(now, machine);
        self.rebind_all(now);
        let mut wakeup = core::mem::take(&mut self.untold);
        for number in 0..self.processors.len() {
            let capped = |cid: Cid| self.partition(cid).is_some_and(|it| it.cap.is_some());
            if self.runs_on(number).is_some_and(capped)
                && let Some(processor) = self.processors.get_mut(number)
            {
                processor.kicked = true;
                wakeup.preempt.insert(Cpu(number as u16));
            }
        }
        self.spread(None, now, &mut wakeup);
        Ok(wakeup)
    }

    /// Hard maxima are parts of the CPUs that are online: from `now` on they fill at a rate of that.
    pub(crate) fn rebase_caps(&mut self, now: Ticks) {
        let online = self.online_cpus();
        for partition in self.partitions.iter_mut().flatten() {
            if let Some(cap) = partition.cap.as_mut() {
                let most = cap.ceiling(self.tuning.longest_slice, self.tuning.quantum);
                cap.fill(now, most);
                let cpus = reach(&partition.entitlement, online).count();
                cap.set_rate(partition.entitlement.hard_maximum, cpus);
            }
        }
    }
}
