//! The table of entities: a slab with generations.

use crate::fair::Members;
use crate::{Account, Attributes, Class, Cpu, CpuSet, EntityId, Refusal};
use abi::{Cid, Ticks};
use alloc::vec::Vec;

/// Where an entity is. There is one of these values per entity, so it is on one CPU at most.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    Asleep,
    Waiting,
    Running(Cpu),
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Entity {
    pub cid: Cid,
    pub class: Class,
    pub nice: i8,
    /// The CPUs that it has asked for.
    pub cpus: CpuSet,
    pub reset_on_fork: bool,
    /// In a real-time class: its place among those of its priority, and what it has used of its time among them.
    pub order: u64,
    pub spent: u64,
    pub state: State,
    /// Since when it sleeps, or did last.
    pub asleep_since: Ticks,
    /// A wake-up has come since it was dispatched.
    pub woken: bool,
    pub account: Account,
}

impl Entity {
    /// What it has asked for.
    pub fn attributes(&self) -> Attributes {
        Attributes {
            class: self.class,
            nice: self.nice,
            cpus: self.cpus,
            reset_on_fork: self.reset_on_fork,
        }
    }
}

#[derive(Clone, Copy, Debug)]
struct Slot {
    generation: u32,
    entity: Option<Entity>,
}

/// The entities, and their membership in the groups of their partitions, by the same index.
#[derive(Debug, Default)]
pub(crate) struct Entities {
    slots: Vec<Slot>,
    free: Vec<u32>,
    pub members: Members,
}

impl Entities {
    pub fn admit(&mut self, entity: Entity) -> Result<EntityId, Refusal> {
        if self.free.is_empty() {
            self.grow()?;
        }
        let index = self.free.pop().ok_or(Refusal::Full)?;
        let slot = self.slots.get_mut(index as usize).ok_or(Refusal::Full)?;
        slot.entity = Some(entity);
        Ok(EntityId {
            index,
            generation: slot.generation,
        })
    }

    fn grow(&mut self) -> Result<(), Refusal> {
        let index = u32::try_from(self.slots.len())
            .ok()
            .filter(|&index| index < u32::MAX)
            .ok_or(Refusal::Full)?;
        self.members.reserve(self.slots.len() + 1)?;
        self.slots.try_reserve(1).map_err(|_| Refusal::Full)?;
        // Room for every slot, so that giving one back never allocates.
        self.free
            .try_reserve(self.slots.len() + 1)
            .map_err(|_| Refusal::Full)?;
        self.slots.push(Slot {
            generation: 0,
            entity: None,
        });
        self.free.push(index);
        Ok(())
    }

    pub fn remove(&mut self, index: u32) -> Option<Entity> {
        let slot = self.slots.get_mut(index as usize)?;
        let entity = slot.entity.take()?;
        slot.generation = slot.generation.wrapping_add(1);
        self.free.push(index);
        Some(entity)
    }

    /// How many places the table has.
    pub fn places(&self) -> u32 {
        self.slots.len() as u32
    }

    /// The entity of an id that is up to date.
    pub fn find(&self, id: EntityId) -> Result<&Entity, Refusal> {
        self.slots
            .get(id.index as usize)
            .filter(|slot| slot.generation == id.generation)
            .and_then(|slot| slot.entity.as_ref())
            .ok_or(Refusal::Stale)
    }

    pub fn get(&self, index: u32) -> Option<&Entity> {
        self.slots.get(index as usize)?.entity.as_ref()
    }

    pub fn get_mut(&mut self, index: u32) -> Option<&mut Entity> {
        self.slots.get_mut(index as usize)?.entity.as_mut()
    }

    pub fn id(&self, index: u32) -> Option<EntityId> {
        let slot = self.slots.get(index as usize)?;
        slot.entity.as_ref().map(|_| EntityId {
            index,
            generation: slot.generation,
        })
    }
}
