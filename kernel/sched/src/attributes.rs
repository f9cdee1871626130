//! What a thread asks of the scheduler: class, nice value, CPUs.

use crate::CpuSet;

/// How a thread shares its partition's part with the others of the partition (sched(7)). No class takes anything from
/// outside that part.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Class {
    /// `SCHED_OTHER`: by nice value.
    #[default]
    Other,
    /// `SCHED_BATCH`: by nice value; its wake-ups take the CPU from nobody.
    Batch,
    /// `SCHED_IDLE`: with the least weight, and it makes way for anybody at once.
    Idle,
    /// `SCHED_FIFO`: before all of less priority, until it waits or yields.
    Fifo(Priority),
    /// `SCHED_RR`: as FIFO, but in turns with those of the same priority.
    RoundRobin(Priority),
}

/// A priority of a real-time class, 1 (least) to 99.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Priority(u8);

impl Priority {
    /// The least.
    pub const LEAST: Priority = Priority(1);
    /// The greatest.
    pub const GREATEST: Priority = Priority(99);

    /// A priority, where the number is one.
    #[must_use]
    pub fn new(number: u8) -> Option<Self> {
        (Self::LEAST.0..=Self::GREATEST.0)
            .contains(&number)
            .then_some(Self(number))
    }

    /// Its number.
    #[must_use]
    pub fn number(self) -> u8 {
        self.0
    }
}

impl Class {
    /// The priority, in a real-time class.
    #[must_use]
    pub fn priority(self) -> Option<Priority> {
        match self {
            Class::Fifo(priority) | Class::RoundRobin(priority) => Some(priority),
            Class::Other | Class::Batch | Class::Idle => None,
        }
    }

    /// Who is above whom where the order is not one of time: 0 for idle threads, 1 for ordinary ones, then priorities.
    pub(crate) fn standing(self) -> u8 {
        match self.priority() {
            Some(priority) => 1 + priority.0,
            None => u8::from(self != Class::Idle),
        }
    }
}

/// What is known of an entity when it is admitted, and can be changed later.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Attributes {
    /// How it shares with the others of its partition.
    pub class: Class,
    /// Nice value, −20 (most) to 19 (least); values outside are brought to the nearest (setpriority(2)).
    pub nice: i8,
    /// The CPUs on which it wants to run; those count that are online and its partition's. Where none of them is, all of the
    /// partition's do.
    pub cpus: CpuSet,
    /// Its children begin without its class and without a nice value that is better than the usual one
    /// (`SCHED_RESET_ON_FORK`).
    pub reset_on_fork: bool,
}

impl Default for Attributes {
    fn default() -> Self {
        Self {
            class: Class::Other,
            nice: 0,
            cpus: CpuSet::ALL,
            reset_on_fork: false,
        }
    }
}

/// What a thread may take without a privilege (`RLIMIT_NICE`, `RLIMIT_RTPRIO`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Allowance {
    /// The best nice value, 20 where there is none.
    pub nice: i8,
    /// The greatest real-time priority, 0 where there is none.
    pub priority: u8,
}

impl Allowance {
    /// The allowance of these limits of a process: 20 less the nice value, and the priority.
    #[must_use]
    pub fn of_limits(nice: u64, priority: u64) -> Self {
        Self {
            nice: 20 - nice.min(40) as i8,
            priority: priority.min(u64::from(Priority::GREATEST.0)) as u8,
        }
    }
}

impl Attributes {
    /// Whether a thread that has these may take `new` ones without a privilege (sched(7), "Privileges and resource
    /// limits"). CPUs are not looked at.
    #[must_use]
    pub fn may_become(&self, new: &Attributes, allowance: Allowance) -> bool {
        if let Some(priority) = new.class.priority() {
            let same = core::mem::discriminant(&self.class) == core::mem::discriminant(&new.class);
            let raised = self.class.priority().is_none_or(|had| priority > had);
            if (!same && allowance.priority == 0) || (raised && priority.0 > allowance.priority) {
                return false;
            }
        }
        let better = new.nice < self.nice && new.nice < allowance.nice;
        let awakes =
            self.class == Class::Idle && new.class != Class::Idle && self.nice < allowance.nice;
        let forgets = self.reset_on_fork && !new.reset_on_fork;
        !better && !awakes && !forgets
    }

    /// What a child begins with (sched(7), "Resetting scheduling policy for child processes").
    #[must_use]
    pub fn for_child(self) -> Self {
        if !self.reset_on_fork {
            return self;
        }
        Self {
            class: match self.class {
                Class::Fifo(_) | Class::RoundRobin(_) => Class::Other,
                class => class,
            },
            nice: self.nice.max(0),
            cpus: self.cpus,
            reset_on_fork: false,
        }
    }
}
