//! The words of the scheduler's interface.

use abi::{BasisPoints, Cid, Ticks};

/// A CPU, numbered from zero in the order of the device tree.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Cpu(pub u16);

/// A set of CPUs, one bit each: at most [`CpuSet::LIMIT`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CpuSet(pub u64);

impl CpuSet {
    /// The greatest number of CPUs that the scheduler can serve.
    pub const LIMIT: usize = 16;
    /// No CPU.
    pub const NONE: CpuSet = CpuSet(0);
    /// Every CPU, those included that there are not.
    pub const ALL: CpuSet = CpuSet(u64::MAX);

    /// Puts `cpu` in; one beyond [`CpuSet::LIMIT`] is ignored.
    pub fn insert(&mut self, cpu: Cpu) {
        self.0 |= 1u64.checked_shl(u32::from(cpu.0)).unwrap_or(0);
    }

    /// Takes `cpu` out.
    pub fn remove(&mut self, cpu: Cpu) {
        self.0 &= !1u64.checked_shl(u32::from(cpu.0)).unwrap_or(0);
    }

    /// Whether `cpu` is in the set.
    #[must_use]
    pub fn contains(self, cpu: Cpu) -> bool {
        self.0 & 1u64.checked_shl(u32::from(cpu.0)).unwrap_or(0) != 0
    }

    /// Whether the set is empty.
    #[must_use]
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// How many CPUs are in the set.
    #[must_use]
    pub fn count(self) -> usize {
        self.0.count_ones() as usize
    }

    /// The CPUs of the set in ascending order.
    pub fn iter(self) -> impl Iterator<Item = Cpu> {
        let mut left = self.0;
        core::iter::from_fn(move || {
            let cpu = (left != 0).then(|| Cpu(left.trailing_zeros() as u16))?;
            left &= left - 1;
            Some(cpu)
        })
    }
}

/// A scheduled entity: a thread or a kernel job, the scheduler does not know which.
///
/// The index is reused after the entity is gone, the generation tells the old one from the new one; an id
/// that is out of date is refused with [`Refusal::Stale`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EntityId {
    /// Place in the table of entities; small, so the kernel can use it as an index of its own.
    pub index: u32,
    /// How often the place has been used before.
    pub generation: u32,
}

/// What a partition may have of the CPUs (specification, section 4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entitlement {
    /// `active`: when false, the other values are kept by the caller but control nothing.
    pub active: bool,
    /// `shares_CPU`, 1..=65535; `None` is unlimited.
    pub shares: Option<u16>,
    /// Part of all CPUs that it gets, while it wants it, before shares are looked at.
    pub minimum: BasisPoints,
    /// Part that it does not exceed while others want the CPU.
    pub soft_maximum: BasisPoints,
    /// Part that it never exceeds in a window of 100 ms or more.
    pub hard_maximum: BasisPoints,
    /// Its resource set: the CPUs on which it may run. Parts are of those of them that are online; where none is, it may run
    /// everywhere.
    pub cpus: CpuSet,
}

impl Default for Entitlement {
    /// The defaults of `mkwpar`: active, unlimited shares, `0%-100%,100%`.
    fn default() -> Self {
        Self {
            active: true,
            shares: None,
            minimum: BasisPoints(0),
            soft_maximum: BasisPoints::WHOLE,
            hard_maximum: BasisPoints::WHOLE,
            cpus: CpuSet::ALL,
        }
    }
}

impl Entitlement {
    /// Global's: unlimited shares and a minimum of 5 %, so that an administrator's shell always runs.
    pub const GLOBAL: Entitlement = Entitlement {
        active: true,
        shares: None,
        minimum: BasisPoints(500),
        soft_maximum: BasisPoints::WHOLE,
        hard_maximum: BasisPoints::WHOLE,
        cpus: CpuSet::ALL,
    };
}

/// Why an entity leaves its CPU.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// Its time is over or a better one has come; it stays runnable.
    Preempted,
    /// It gave way (sched_yield(2)); it stays runnable.
    Yielded,
    /// It waits for something, unless a wake-up has come since it was dispatched: then it stays runnable.
    Blocked,
    /// It is gone; its id is stale from here on.
    Exited,
}

/// What a CPU does next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "the CPU must run what was picked and program its decrementer"]
pub struct Decision {
    /// Whom to run; `None` is idle.
    pub run: Option<EntityId>,
    /// The point of time at which the decrementer must fire; `None`: no tick is needed.
    pub until: Option<Ticks>,
    /// What the other CPUs must be told.
    pub others: Wakeup,
}

/// What a wake-up (or another change of who may run) asks of the CPUs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[must_use = "a CPU that is not told keeps running what it runs, perhaps without a tick"]
pub struct Wakeup {
    /// These have something better to run now: put back (or leave idle) and pick.
    pub preempt: CpuSet,
    /// These go on, but must program their decrementer anew from `Scheduler::until`.
    pub rearm: CpuSet,
}

impl Wakeup {
    /// Adds what another call has asked for, so that a CPU is told once.
    pub fn merge(&mut self, other: Wakeup) {
        self.preempt.0 |= other.preempt.0;
        self.rearm.0 |= other.rearm.0;
    }

    /// Whether no CPU needs to be told anything.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.preempt.is_empty() && self.rearm.is_empty()
    }
}

/// Time that was used, in ticks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Account {
    /// In user mode.
    pub user: Ticks,
    /// In the kernel, for the owner of the account.
    pub system: Ticks,
}

impl Account {
    /// User and system time together; wraps only when the parts do.
    #[must_use]
    pub fn total(self) -> Ticks {
        self.user.saturating_add(self.system)
    }
}

/// All accounts at one instant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Snapshot {
    /// The instant.
    pub at: Ticks,
    /// The sum over the CPUs of the time that each has been online.
    pub elapsed: Ticks,
    /// The part of it in which nobody ran.
    pub idle: Ticks,
    /// What partitions that are gone had used.
    pub gone: Account,
    /// The partitions' accounts in ascending order of cid.
    pub partitions: alloc::vec::Vec<(Cid, Account)>,
}

/// Why the scheduler does not do what it was asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The id is of an entity that is gone.
    Stale,
    /// There is no memory for one more, or the table's limit is reached.
    Full,
    /// No such partition, or one with this cid exists already.
    Partition,
    /// The partition still has entities, or is Global.
    Busy,
    /// The entity is on a CPU: it must be put back first.
    Running,
    /// No such CPU.
    Cpu,
    /// A value is out of its range.
    Range,
}

/// Something that belongs in the error log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Event {
    /// When.
    pub at: Ticks,
    /// The policy that was replaced.
    pub policy: &'static str,
    /// What it did.
    pub fault: Fault,
}

/// What a policy did wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// It left this partition's runnable threads waiting for so long.
    Starved {
        /// The partition.
        cid: Cid,
        /// How long, in ticks.
        waited: Ticks,
    },
    /// It picked a partition that has nothing to run there.
    Nonsense {
        /// The partition.
        cid: Cid,
    },
    /// It left a CPU idle with runnable threads and named no time at which that ends.
    Idled {
        /// The CPU.
        cpu: Cpu,
    },
}
