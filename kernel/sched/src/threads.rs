//! The threads of one partition that want a CPU, and which of them is next.
//!
//! Real-time threads come first, by priority and then by the order in which they came; the others share what is left by
//! weight. All of it is within the partition's part: a policy never learns of it. A thread can be bound to CPUs; it is then
//! found there only.

use crate::attributes::Class;
use crate::entity::{Entities, Entity};
use crate::fair::{Bounds, Group};
use crate::nice;
use crate::tree::{Places, Tree};

/// Of so many turns that real-time threads could take, they leave one to the others, 5 % as on Linux: a partition whose
/// real-time thread never waits can still be entered and stopped.
const TURNS: u32 = 20;

/// Whether one thread takes the place of another of its partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Overtaking {
    /// At once.
    Now,
    /// When the one that runs has used so many ticks more.
    After(u64),
    /// Not before the turn ends.
    Never,
}

/// The threads of one partition.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Threads {
    fair: Group,
    realtime: Tree,
    /// The place in the order that the next real-time thread takes.
    order: u64,
    /// Turns that real-time threads have had since the others had one.
    streak: u32,
}

/// The weight of a thread among the others of its partition.
fn weight(entity: &Entity) -> u32 {
    match entity.class {
        Class::Idle => nice::IDLE,
        _ => nice::weight(entity.nice),
    }
}

fn realtime(entity: &Entity) -> bool {
    entity.class.priority().is_some()
}

impl Threads {
    pub const fn new(bounds: Bounds) -> Self {
        Self {
            fair: Group::new(bounds),
            realtime: Tree::new(),
            order: 0,
            streak: 0,
        }
    }

    /// Other limits, of slices above all.
    pub fn set_bounds(&mut self, bounds: Bounds) {
        self.fair.set_bounds(bounds);
    }

    /// A fresh thread, which wants nothing yet.
    pub fn introduce(&self, entities: &mut Entities, index: u32) {
        let Some(weight) = entities.get(index).map(weight) else {
            return;
        };
        self.fair.introduce(&mut entities.members, index, weight);
    }

    /// The thread's weight has changed.
    pub fn reweigh(&mut self, entities: &mut Entities, index: u32) {
        let Some(weight) = entities.get(index).map(weight) else {
            return;
        };
        self.fair.reweigh(&mut entities.members, index, weight);
    }

    /// The thread waits for a CPU. `behind`: it takes its place behind those of its priority.
    pub fn wait(&mut self, entities: &mut Entities, index: u32, behind: bool) {
        let Some(entity) = entities.get_mut(index) else {
            return;
        };
        let Some(priority) = entity.class.priority() else {
            self.fair.activate(&mut entities.members, index, 0);
            return self.fair.enqueue(&mut entities.members, index);
        };
        if behind {
            self.order += 1;
            entity.order = self.order;
        }
        let above = i128::from(u8::MAX - priority.number());
        let key = (above << u64::BITS) | i128::from(entity.order);
        let places = entities.members.places(index);
        let nodes = entities.members.nodes_mut();
        self.realtime.insert_at(nodes, index, key, 0, places);
    }

    /// The thread no longer waits: it goes on a CPU.
    pub fn take(&mut self, entities: &mut Entities, index: u32) {
        match entities.get(index) {
            Some(entity) if realtime(entity) => {
                self.realtime.remove(entities.members.nodes_mut(), index)
            }
            _ => self.fair.dequeue(&mut entities.members, index),
        }
    }

    /// The thread wants no CPU any more, whether it waited for one or was on one.
    pub fn leave(&mut self, entities: &mut Entities, index: u32) {
        self.take(entities, index);
        self.fair.deactivate(&mut entities.members, index, 0);
    }

    /// The thread is on a CPU, and was not one of these before, or not of its class.
    pub fn run(&mut self, entities: &mut Entities, index: u32) {
        if entities.get(index).is_some_and(|entity| !realtime(entity)) {
            self.fair.activate(&mut entities.members, index, 0);
        }
    }

    /// The thread has run for so long.
    pub fn charge(&mut self, entities: &mut Entities, index: u32, ticks: u64) {
        match entities.get_mut(index) {
            Some(entity) if realtime(entity) => entity.spent = entity.spent.saturating_add(ticks),
            _ => self.fair.charge(&mut entities.members, index, ticks),
        }
    }

    /// The thread gives up its turn.
    pub fn yield_turn(&mut self, entities: &mut Entities, index: u32) {
        if entities.get(index).is_some_and(|entity| !realtime(entity)) {
            self.fair.yield_turn(&mut entities.members, index);
        }
    }

    /// Where any of the threads that wait may run.
    pub fn places(&self, entities: &Entities) -> Places {
        self.fair.places(&entities.members) | self.realtime.places(entities.members.nodes())
    }

    /// The real-time thread that is next there. `begins`: with a new turn of the partition, of which now and then one is
    /// left to the others.
    pub fn pick_realtime(
        &mut self,
        entities: &Entities,
        places: Places,
        begins: bool,
    ) -> Option<u32> {
        let next = self
            .realtime
            .first_at(entities.members.nodes(), places, &|_| true)?;
        self.streak += u32::from(begins);
        if self.streak >= TURNS {
            self.streak = 0;
            if self.fair.places(&entities.members) & places != 0 {
                return None;
            }
        }
        Some(next)
    }

    /// Who of the others is next there; `yielded` only when there is nobody else.
    pub fn pick_fair(
        &self,
        entities: &Entities,
        places: Places,
        yielded: Option<u32>,
    ) -> Option<u32> {
        let members = &entities.members;
        self.fair
            .pick(members, places, &|index| Some(index) != yielded)
            .or_else(|| self.fair.pick(members, places, &|_| true))
    }

    /// Whether the thread that has just come takes the place of one that runs.
    pub fn overtakes(&self, entities: &Entities, challenger: u32, running: u32) -> Overtaking {
        let (Some(new), Some(old)) = (entities.get(challenger), entities.get(running)) else {
            return Overtaking::Never;
        };
        let (above, below) = (new.class.standing(), old.class.standing());
        if above > below {
            return Overtaking::Now;
        }
        if above < below || realtime(new) || matches!(new.class, Class::Batch | Class::Idle) {
            return Overtaking::Never;
        }
        self.fair
            .overtakes(&entities.members, challenger, running, 0)
            .map_or(Overtaking::Never, Overtaking::After)
    }
}
