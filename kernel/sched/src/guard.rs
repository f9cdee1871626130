//! What keeps a policy honest: the fallback, the watchdog, the replacement of one policy by another.

use crate::affinity::place;
use crate::policy::{Choice, Machine, Policy};
use crate::scheduler::claim;
use crate::tuning::Tuning;
use crate::{Claim, Cpu, Demand, Event, Fault, Refusal, RoundRobin, Scheduler, Wakeup};
use abi::{BasisPoints, Cid, Ticks};
use alloc::boxed::Box;

/// The policy that decides, and the built-in one that is always ready to.
pub(crate) struct Deciders {
    chosen: Option<Box<dyn Policy>>,
    fallback: RoundRobin,
}

impl Deciders {
    pub fn new(policy: Box<dyn Policy>) -> Self {
        Self {
            chosen: Some(policy),
            fallback: RoundRobin::new(),
        }
    }

    pub fn current(&mut self) -> &mut dyn Policy {
        match &mut self.chosen {
            Some(policy) => policy.as_mut(),
            None => &mut self.fallback,
        }
    }

    fn name(&self) -> &'static str {
        self.chosen
            .as_ref()
            .map_or_else(|| self.fallback.name(), |policy| policy.name())
    }

    pub fn reserve(&mut self, cids: usize) -> Result<(), Refusal> {
        self.fallback.reserve(cids)?;
        self.current().reserve(cids)
    }

    pub fn machine(&mut self, now: Ticks, machine: Machine) {
        self.fallback.machine(now, machine);
        self.current().machine(now, machine);
    }
}

impl Scheduler {
    /// The name of the policy that decides.
    #[must_use]
    pub fn policy_name(&self) -> &'static str {
        self.deciders.name()
    }

    /// Another policy takes over, without losing an entity or a tick: accounts, threads and hard maxima are the
    /// mechanism's and stay as they are.
    ///
    /// # Errors
    /// [`Refusal::Full`]: no memory for its tables; the old one goes on.
    pub fn set_policy(
        &mut self,
        mut policy: Box<dyn Policy>,
        now: Ticks,
    ) -> Result<Wakeup, Refusal> {
        let now = self.at(now);
        policy.reserve(self.partitions.len())?;
        self.settle_all(now);
        self.replace(Some(policy), now);
        let mut wakeup = Wakeup::default();
        for (number, processor) in self.processors.iter_mut().enumerate() {
            // What the old policy promised does not bind the new one.
            if processor.turn.is_some() {
                processor.kicked = true;
                wakeup.preempt.insert(Cpu(number as u16));
            }
            processor.declined = false;
        }
        self.spread(None, now, &mut wakeup);
        Ok(wakeup)
    }

    fn replace(&mut self, policy: Option<Box<dyn Policy>>, now: Ticks) {
        for number in 0..self.partitions.len() {
            self.deciders.fallback.detach(now, Cid(number as u16));
        }
        self.deciders.chosen = policy;
        let machine = self.machine();
        self.deciders.machine(now, machine);
        let online = self.online_cpus();
        for (number, partition) in self.partitions.iter().enumerate() {
            if let Some(partition) = partition {
                let claim = claim(&partition.entitlement, self.unlimited, online);
                self.deciders
                    .current()
                    .attach(now, Cid(number as u16), claim);
            }
        }
        self.untold_demand = None;
        for (number, partition) in self.partitions.iter_mut().enumerate() {
            if let Some(partition) = partition {
                partition.told = partition.shown;
                if partition.told != Demand::default() {
                    self.deciders
                        .current()
                        .demand(now, Cid(number as u16), partition.told);
                }
            }
        }
        self.watch_afresh(now);
    }

    /// The oldest event that has not been taken yet.
    pub fn take_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    /// Sets the watchdog's least bound, in ticks; the bound for a partition is longer when its share of the
    /// machine is so small that even an ideal division would make it wait.
    pub fn set_patience(&mut self, patience: Ticks) {
        self.tuning.patience = patience.0.max(self.tuning.longest_slice);
    }

    /// The policy did something that it must not: the fallback takes over.
    pub(crate) fn depose(&mut self, fault: Fault, now: Ticks) {
        let event = Event {
            at: now,
            policy: self.deciders.name(),
            fault,
        };
        if self.events.len() < self.events.capacity() {
            self.events.push_back(event);
        }
        self.replace(None, now);
    }

    /// Asks the policy, and the fallback if the answer is no answer.
    pub(crate) fn choose(&mut self, cpu: Cpu, now: Ticks) -> Option<Choice> {
        self.tell_demand(now);
        for _ in 0..2 {
            let partitions = &self.partitions;
            let may = |cid: Cid| {
                let partition = partitions.get(usize::from(cid.0)).and_then(Option::as_ref);
                partition.is_some_and(|partition| {
                    partition.shown.waiting > 0 && partition.shown_at & place(cpu) != 0
                })
            };
            let fault = match self.deciders.current().pick(now, cpu, &may) {
                Some(choice) if may(choice.cid) => return Some(choice),
                Some(choice) => Fault::Nonsense { cid: choice.cid },
                None if self.wanted() & place(cpu) == 0 => return None,
                None if self
                    .deciders
                    .current()
                    .next_event(now)
                    .is_some_and(|at| at > now) =>
                {
                    return None;
                }
                None => Fault::Idled { cpu },
            };
            self.depose(fault, now);
        }
        None
    }

    /// The policy, to be asked or told something.
    pub(crate) fn policy(&mut self, now: Ticks) -> &mut dyn Policy {
        self.tell_demand(now);
        self.deciders.current()
    }

    /// Tells the policy the demand that it has not been told yet.
    fn tell_demand(&mut self, now: Ticks) {
        let Some(cid) = self.untold_demand.take() else {
            return;
        };
        let Some(partition) = self.partition_mut(cid) else {
            return;
        };
        let demand = partition.shown;
        if core::mem::replace(&mut partition.told, demand) != demand {
            self.deciders.current().demand(now, cid, demand);
        }
    }

    /// Shows the policy a partition's demand as it is now, if that is news.
    pub(crate) fn show(&mut self, cid: Cid, now: Ticks) {
        self.note_load(cid, now);
        let Some(partition) = self.partition(cid) else {
            return;
        };
        let (waiting, held) = if partition.throttled {
            (0, partition.waiting)
        } else {
            (partition.waiting, 0)
        };
        let running = partition.running;
        let demand = Demand {
            waiting,
            running,
            held,
        };
        self.show_as(cid, demand, now);
    }

    /// Shows the policy a demand. It is not told before it is asked or told anything else but what a CPU has been used for: who
    /// begins to wait in a turn of its partition is mostly on a CPU by then, and who leaves a CPU is charged the rest first.
    pub(crate) fn show_as(&mut self, cid: Cid, demand: Demand, now: Ticks) {
        let at = self.waits_at(cid, &demand);
        let Some(partition) = self.partition_mut(cid) else {
            return;
        };
        let before = partition.shown;
        let was_at = core::mem::replace(&mut partition.shown_at, at);
        if was_at != at {
            self.count_waiting(was_at, at);
        }
        if before == demand {
            return;
        }
        let (unlimited, online) = (self.unlimited, self.online_cpus());
        let Some(partition) = self.partition_mut(cid) else {
            return;
        };
        partition.shown = demand;
        if before.is_active() != demand.is_active() {
            let claim = claim(&partition.entitlement, unlimited, online);
            self.count_wanting(&before, &claim, false);
            self.count_wanting(&demand, &claim, true);
        }
        self.waiting =
            (self.waiting + u64::from(demand.waiting)).saturating_sub(u64::from(before.waiting));
        self.watch(cid, now);
        if self.untold_demand != Some(cid) {
            self.tell_demand(now);
            self.untold_demand = Some(cid);
        }
    }

    /// Keeps the sums over the partitions with demand.
    pub(crate) fn count_wanting(&mut self, demand: &Demand, claim: &Claim, add: bool) {
        if !demand.is_active() {
            return;
        }
        let (weight, minimum) = (u64::from(claim.weight), u64::from(claim.minimum.0));
        if add {
            self.wanting_weight += weight;
            self.wanting_minimum += minimum;
        } else {
            self.wanting_weight = self.wanting_weight.saturating_sub(weight);
            self.wanting_minimum = self.wanting_minimum.saturating_sub(minimum);
        }
    }

    /// Starts or ends the watch over a partition that waits and runs nowhere.
    fn watch(&mut self, cid: Cid, now: Ticks) {
        let Some(shown) = self.partition(cid).map(|partition| partition.shown) else {
            return;
        };
        if shown.waiting == 0 || shown.running > 0 {
            self.watched.remove(cid);
        } else if !self.watched.contains(cid) {
            let choices = self.choices;
            if let Some(partition) = self.partition_mut(cid) {
                partition.waiting_since = now;
                partition.waiting_choices = choices;
            }
            self.watched.push(cid, now);
        }
    }

    fn watch_afresh(&mut self, now: Ticks) {
        while let Some((cid, _)) = self.watched.first() {
            self.watched.remove(cid);
        }
        for number in 0..self.partitions.len() {
            self.watch(Cid(number as u16), now);
        }
    }

    /// How long a partition may wait: several times what an ideal division would make it wait between two
    /// slices, and never less than the patience.
    fn patience_for(&self, cid: Cid) -> u64 {
        let Some(partition) = self.partition(cid) else {
            return self.tuning.patience;
        };
        let claim = claim(&partition.entitlement, self.unlimited, self.online_cpus());
        let others = self
            .wanting_minimum
            .saturating_sub(u64::from(claim.minimum.0));
        let whole = u64::from(BasisPoints::WHOLE.0);
        let slice = u128::from(self.tuning.longest_slice) * 8;
        let mut bound = u128::from(self.tuning.patience);
        // What minima leave, divided by weights.
        let free = u128::from(whole.saturating_sub(others).max(1));
        let turn = slice * u128::from(self.wanting_weight) / u128::from(claim.weight.max(1));
        bound = bound.max(turn * u128::from(whole) / free);
        if others >= whole && claim.minimum.0 == 0 {
            bound = u128::from(u64::MAX / 4);
        }
        match claim.soft_maximum.0 {
            0 => bound = u128::from(u64::MAX / 4),
            soft => bound = bound.max(slice * u128::from(whole) / u128::from(soft)),
        }
        u64::try_from(bound)
            .unwrap_or(u64::MAX / 4)
            .min(u64::MAX / 4)
    }

    /// Whether the policy has chosen about as often as it can in so much time since the partition began to wait. A machine whose
    /// processors are taken away, by a hypervisor or the host of an emulator, lets slices end late: then the wait is
    /// not the policy's doing.
    fn has_had_chances(&self, cid: Cid, bound: u64) -> bool {
        let before = self.partition(cid).map_or(0, |it| it.waiting_choices);
        let choices = self.choices.saturating_sub(before);
        let spent = u128::from(choices) * u128::from(self.tuning.longest_slice) * 2;
        // Where it leaves a CPU idle it does not choose.
        spent >= u128::from(bound) || self.processors.iter().any(|it| it.declined)
    }

    /// When the watchdog is to look again.
    pub(crate) fn next_look(&self) -> Option<Ticks> {
        self.watched
            .first()
            .map(|(_, looked_at)| Tuning::after(looked_at, self.tuning.patience))
    }

    /// Replaces a policy that has left a partition waiting over its bound.
    pub(crate) fn look_for_starved(&mut self, now: Ticks) {
        while self.next_look().is_some_and(|at| at <= now)
            && let Some((cid, _)) = self.watched.first()
        {
            let since = self
                .partition(cid)
                .map_or(now, |partition| partition.waiting_since);
            let waited = now.saturating_sub(since);
            // The bound as it is now: others may have come since the watch began.
            let bound = self.patience_for(cid);
            if waited.0 >= bound
                && self.has_had_chances(cid, bound)
                && self.deciders.chosen.is_some()
            {
                return self.depose(Fault::Starved { cid, waited }, now);
            }
            self.watched.remove(cid);
            self.watched.push(cid, now);
        }
    }
}
