//! System V semaphores, message queues and shared memory (`man 7 sysvipc`).
//!
//! Each partition has objects and keys of its own: there is one [`Semaphores`], one [`Messages`] and one
//! [`SharedMemory`] for each, and nothing here knows another partition. What differs between the kinds is in their
//! modules; here is what is the same: numbers, keys and permissions.
//!
//! Lock: all objects of one kind in a partition ([`Rank::Stream`](sync::Rank::Stream)).

mod message;
mod registry;
mod semaphore;
mod shared_memory;

pub use message::{MESSAGES_IN_ALL, MessageLimits, MessageStatus, Messages, Selector};
pub use registry::{Access, Create, Ownership, Permission, Visit};
pub use semaphore::{
    Operation, SEMAPHORE_LIMITS, SemaphoreLimits, SemaphoreStatus, Semaphores, VALUE_LIMIT, Waiting,
};
pub use shared_memory::{SEGMENTS, Segment, SegmentStatus, SharedMemory};

/// All that a partition has of the three kinds.
#[derive(Default)]
pub struct SystemV {
    /// Sets of semaphores.
    pub semaphores: Semaphores,
    /// Message queues.
    pub messages: Messages,
    /// Segments of shared memory.
    pub shared_memory: SharedMemory,
}

#[cfg(test)]
mod tests;
