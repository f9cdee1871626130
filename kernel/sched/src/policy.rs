//! The contract between the mechanism and a scheduling policy.
//!
//! The mechanism ([`Scheduler`](crate::Scheduler)) knows the entities, keeps the accounts, programs the
//! slices, holds partitions at their hard maximum and shares a partition's time among its threads. The
//! **policy** answers one question: of the partitions that have something to run, which one is next on this
//! CPU, and for how long?
//!
//! A policy is a value that is called under the scheduler's lock, with interrupts off, by one CPU at a time.
//! It keeps whatever it likes about each partition in tables indexed by cid, for which it reserves room in
//! [`Policy::reserve`], the only method that may allocate. It must not take a lock, must not panic, and should
//! need no more than O(log n) steps for n partitions with demand: 8192 may be loaded.
//!
//! It cannot do harm. Every answer is checked: a partition that has nothing waiting, may not run there or is at
//! its hard maximum is refused, a slice is cut to the mechanism's limit, and a partition that is left waiting
//! beyond the watchdog's bound ends the policy. In each of these cases the built-in
//! [`RoundRobin`] takes over at once and the error log gets an [`Event`](crate::Event).
//!
//! It learns neither of threads nor of jobs, the kernel's work without a thread: only how many of a partition's entities could
//! run. A job looks like a thread that now and then stays for a step, of some ten microseconds, beyond its slice, and that is
//! charged like all that it does. So a policy has nothing to do for it.
//!
//! `README.md` of this crate shows how to write one.

use crate::{Cpu, Edf, Refusal, RoundRobin, Stride, Wlm};
use abi::{BasisPoints, Cid, Ticks};
use alloc::boxed::Box;

/// What a partition is entitled to, with the rules of the specification already applied: an inactive one
/// has the values that control nothing, unlimited shares are a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Claim {
    /// Weight against the others, 1..=65535.
    pub weight: u16,
    /// Part of all CPUs, before weights are looked at.
    pub minimum: BasisPoints,
    /// Part of all CPUs that is not exceeded while others want them.
    pub soft_maximum: BasisPoints,
    /// Part that is never exceeded. The mechanism sees to that; it tells a policy what the partition can use.
    pub hard_maximum: BasisPoints,
    /// How many CPUs it may run on, where not all. Which ones they are, `may` of [`Policy::pick`] knows.
    pub cpus: Option<usize>,
}

/// How many entities of a partition could run or do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Demand {
    /// Runnable, not on a CPU, and not held back by a hard maximum.
    pub waiting: u32,
    /// On a CPU.
    pub running: u32,
    /// Runnable, not on a CPU, and held back by a hard maximum: they will wait when that lets the partition go on.
    pub held: u32,
}

impl Demand {
    /// Whether something runs or could be picked.
    #[must_use]
    pub fn is_active(self) -> bool {
        self.waiting > 0 || self.running > 0
    }
}

/// A policy's answer: this partition for so long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Choice {
    /// The partition.
    pub cid: Cid,
    /// For how long, in ticks; the mechanism brings it within its own limits, and lets it run on without a
    /// tick when nothing else waits.
    pub slice: Ticks,
}

/// What runs on a CPU, when the policy is asked whether a wake-up should end it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Running {
    /// The CPU.
    pub cpu: Cpu,
    /// Its partition.
    pub cid: Cid,
}

/// The machine as far as a policy must know it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Machine {
    /// CPUs online: percentages are of this many.
    pub cpus: usize,
    /// The slice that the system is tuned for, in ticks.
    pub slice: Ticks,
    /// The longest slice that the mechanism allows (4 ms), in ticks.
    pub longest_slice: Ticks,
    /// The time that a partition held back may use before it is held back again (0.5 ms), in ticks.
    pub quantum: Ticks,
}

/// A scheduling policy: divides the CPUs among partitions.
///
/// The methods are called by the mechanism only, in this order: [`reserve`](Policy::reserve) and
/// [`machine`](Policy::machine) first, then [`attach`](Policy::attach) for every partition, then
/// [`demand`](Policy::demand) for those with any, then everything as it comes. A policy that takes over at
/// run time sees exactly the same beginning. `now` never goes back.
#[expect(
    unused_variables,
    reason = "a default looks at nothing; its parameters have names for those who implement it"
)]
pub trait Policy: Send {
    /// The name under which it is chosen and logged.
    fn name(&self) -> &'static str;

    /// Makes room for the cids below `cids`. Called before any other method names such a cid.
    ///
    /// The only method that may allocate; [`Refusal::Full`] when there is no memory, in which case the partition
    /// is not loaded, or the policy not taken.
    fn reserve(&mut self, cids: usize) -> Result<(), Refusal>;

    /// Tells the machine's figures; again whenever they change (a CPU comes online).
    fn machine(&mut self, now: Ticks, machine: Machine);

    /// A partition appears, with no demand. Its cid may have been another partition's before.
    fn attach(&mut self, now: Ticks, cid: Cid, claim: Claim);

    /// An attached partition's claim is another from now on; it may have demand and may be on CPUs.
    fn change(&mut self, now: Ticks, cid: Cid, claim: Claim);

    /// A partition goes. The mechanism has withdrawn its demand before.
    fn detach(&mut self, now: Ticks, cid: Cid);

    /// The partition's demand is now this. Called after every change of either number: after a wake-up, a pick
    /// (one less waits, one more runs), a put-back, and when a hard maximum holds it back (what waits is `held`
    /// instead) or lets it go on. Changes that follow each other may be told together, but before any other method is called
    /// than [`charge`](Policy::charge).
    fn demand(&mut self, now: Ticks, cid: Cid, demand: Demand);

    /// The partition has used `ran` ticks of `cpu` that it had not been charged before, running or by work that
    /// the kernel did for it: so this is also called for partitions without demand. Always called before a
    /// decision, so that the policy decides on figures that are exact to the tick.
    fn charge(&mut self, now: Ticks, cpu: Cpu, cid: Cid, ran: Ticks);

    /// What was picked for `cpu` runs there no longer. Its time has been charged, its demand is told before the next decision.
    fn stopped(&mut self, now: Ticks, cpu: Cpu) {}

    /// Which partition `cpu` runs next. Only partitions for which `may` answers true can be chosen; it is
    /// true for those with `waiting` above zero that may run on this CPU.
    ///
    /// `None` leaves the CPU idle. If something waits, that is a fault unless
    /// [`next_event`](Policy::next_event) says when the policy is to be asked again.
    fn pick(&mut self, now: Ticks, cpu: Cpu, may: &dyn Fn(Cid) -> bool) -> Option<Choice>;

    /// A thread of `challenger` has just become runnable while `running` is on a CPU: for how many ticks may
    /// that go on before the CPU should pick again? `None`: until its slice ends. Not called for a partition
    /// against itself. The policy is then asked to [`pick`](Policy::pick); what it promised here it should keep.
    fn overtakes(&mut self, now: Ticks, challenger: Cid, running: Running) -> Option<Ticks> {
        None
    }

    /// When the policy wants to pick again although no slice ends and nobody wakes (a budget is refilled).
    fn next_event(&self, now: Ticks) -> Option<Ticks> {
        None
    }
}

/// Makes a policy that knows no partition yet.
type Make = fn() -> Result<Box<dyn Policy>, Refusal>;

/// What is shipped, by name.
const SHIPPED: [(&str, Make); 4] = [
    ("wlm", || boxed(Wlm::new())),
    ("edf", || boxed(Edf::new())),
    ("stride", || boxed(Stride::new())),
    ("round-robin", || boxed(RoundRobin::new())),
];

fn boxed(policy: impl Policy + 'static) -> Result<Box<dyn Policy>, Refusal> {
    let policy = fallible::boxed(policy).map_err(|_| Refusal::Full)?;
    Ok(policy)
}

/// The shipped policy of this name.
///
/// # Errors
/// [`Refusal::Range`]: there is none; [`Refusal::Full`]: there is no memory.
pub fn policy_by_name(name: &str) -> Result<Box<dyn Policy>, Refusal> {
    let (_, make) = SHIPPED
        .iter()
        .find(|(known, _)| *known == name)
        .ok_or(Refusal::Range)?;
    make()
}

/// The names of the shipped policies.
pub fn policy_names() -> impl Iterator<Item = &'static str> {
    SHIPPED.iter().map(|(name, _)| *name)
}
