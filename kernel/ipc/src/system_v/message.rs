//! Message queues (`man 2 msgop`).
//!
//! A message is taken out of its queue only after the receiver has it. Senders wait in one queue, receivers in another,
//! and both look again whenever anything has gone or come.

use super::registry::{Access, Create, Ownership, Permission, Registry, Visit};
use abi::Errno;
use alloc::collections::VecDeque;
use alloc::vec::Vec;
use sync::{Rank, SpinLock};
use wait::{Attempt, MayWait, Stop, WaitQueue};

/// Limits of a partition's queues (`man 2 msgget`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MessageLimits {
    /// Bytes of a message (MSGMAX).
    pub message: usize,
    /// Bytes of a queue, at first (MSGMNB).
    pub queue: u64,
    /// Queues (MSGMNI).
    pub queues: u32,
}

/// The limits that Linux begins with.
pub const MESSAGES_IN_ALL: MessageLimits = MessageLimits {
    message: 8192,
    queue: 16_384,
    queues: 32_000,
};

/// Which message to receive (`man 2 msgrcv`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Selector {
    /// The first.
    Any,
    /// The first of this type.
    Of(i64),
    /// The first of another type (MSG_EXCEPT).
    Except(i64),
    /// The first of the lowest type that is at most this.
    Lowest(i64),
    /// The one at this place; it stays (MSG_COPY).
    CopyOf(usize),
}

/// What IPC_STAT tells of a queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MessageStatus {
    /// Its number.
    pub id: i32,
    /// Whose it is.
    pub permission: Permission,
    /// When a message was last sent, in seconds; 0 for never.
    pub sent: i64,
    /// When one was last received.
    pub received: i64,
    /// When it was made or changed.
    pub changed: i64,
    /// Bytes in it.
    pub bytes: u64,
    /// Messages in it.
    pub messages: u64,
    /// Bytes that it may hold.
    pub capacity: u64,
    /// Who sent last.
    pub sender: u32,
    /// Who received last.
    pub receiver: u32,
}

struct Message {
    kind: i64,
    text: Vec<u8>,
}

struct Queue {
    messages: VecDeque<Message>,
    status: MessageStatus,
    senders: WaitQueue,
    receivers: WaitQueue,
}

impl Queue {
    fn new(now: i64) -> Self {
        let permission = Permission {
            key: 0,
            uid: 0,
            gid: 0,
            creator_uid: 0,
            creator_gid: 0,
            mode: 0,
            sequence: 0,
        };
        Self {
            messages: VecDeque::new(),
            status: MessageStatus {
                id: 0,
                permission,
                sent: 0,
                received: 0,
                changed: now,
                bytes: 0,
                messages: 0,
                capacity: MESSAGES_IN_ALL.queue,
                sender: 0,
                receiver: 0,
            },
            senders: WaitQueue::new(),
            receivers: WaitQueue::new(),
        }
    }

    /// Whether one more message of `length` bytes fits. Empty ones count too: there are never more than bytes allowed.
    fn has_room(&self, length: usize) -> bool {
        let bytes = self.status.bytes.saturating_add(length as u64);
        bytes <= self.status.capacity && self.status.messages < self.status.capacity
    }

    fn find(&self, selector: Selector) -> Option<usize> {
        let kinds = || self.messages.iter().map(|message| message.kind);
        match selector {
            Selector::Any => (!self.messages.is_empty()).then_some(0),
            Selector::Of(wanted) => kinds().position(|kind| kind == wanted),
            Selector::Except(other) => kinds().position(|kind| kind != other),
            Selector::Lowest(limit) => {
                let lowest = kinds().filter(|kind| *kind <= limit).min()?;
                kinds().position(|kind| kind == lowest)
            }
            Selector::CopyOf(place) => (place < self.messages.len()).then_some(place),
        }
    }

    fn take(&mut self, at: usize, visit: Visit<'_>) -> Option<Message> {
        let message = self.messages.remove(at)?;
        let status = &mut self.status;
        status.bytes -= message.text.len() as u64;
        status.messages -= 1;
        status.received = visit.now;
        status.receiver = visit.pid;
        self.senders.wake_all();
        Some(message)
    }

    fn status(&self, id: i32, permission: Permission) -> MessageStatus {
        MessageStatus {
            id,
            permission,
            ..self.status
        }
    }
}

/// The message queues of a partition.
pub struct Messages(SpinLock<Registry<Queue>>);

impl Default for Messages {
    fn default() -> Self {
        Self::new()
    }
}

impl Messages {
    /// None.
    #[must_use]
    pub const fn new() -> Self {
        Self(SpinLock::new(Rank::Stream, Registry::new()))
    }

    /// The number of a queue (`man 2 msgget`).
    ///
    /// # Errors
    /// ENOENT, EEXIST, EACCES, ENOSPC, ENOMEM.
    pub fn get(&self, visit: Visit<'_>, wanted: Create) -> Result<i32, Errno> {
        self.0.lock().get(
            visit,
            wanted,
            MESSAGES_IN_ALL.queues,
            |_| Ok(()),
            || Ok(Queue::new(visit.now)),
        )
    }

    /// Sends a message (`man 2 msgsnd`); the waiter, when there is one, is enrolled while there is no room.
    ///
    /// # Errors
    /// EINVAL for a queue that is not there, a type below 1 and a text that is too long; EACCES, ENOMEM; EAGAIN without a
    /// waiter.
    pub fn send(
        &self,
        visit: Visit<'_>,
        id: i32,
        kind: i64,
        text: &[u8],
        waiter: Option<&dyn MayWait>,
    ) -> Attempt<()> {
        if kind < 1 || text.len() > MESSAGES_IN_ALL.message {
            return Err(Errno::EINVAL.into());
        }
        let mut registry = self.0.lock();
        let object = registry.find(id)?;
        object.permission.require(visit.credential, Access::Alter)?;
        let queue = &mut object.value;
        if !queue.has_room(text.len()) {
            queue.senders.enrol(waiter.ok_or(Errno::EAGAIN)?.waiter());
            return Err(Stop::Park);
        }
        let mut copy = Vec::new();
        let room = copy.try_reserve_exact(text.len());
        room.and_then(|()| queue.messages.try_reserve(1))
            .map_err(|_| Errno::ENOMEM)?;
        copy.extend_from_slice(text);
        queue.messages.push_back(Message { kind, text: copy });
        let status = &mut queue.status;
        status.bytes += text.len() as u64;
        status.messages += 1;
        status.sent = visit.now;
        status.sender = visit.pid;
        queue.receivers.wake_all();
        Ok(())
    }

    /// Receives a message of at most `room` bytes; a longer one is cut when `cut` says so. `deliver` gets its type and what of
    /// it the receiver takes; the message is consumed when it has succeeded. Answers how many bytes that was.
    ///
    /// # Errors
    /// EINVAL, EACCES, E2BIG, ENOMSG without a waiter, what `deliver` says.
    pub fn receive(
        &self,
        visit: Visit<'_>,
        id: i32,
        selector: Selector,
        (room, cut): (usize, bool),
        waiter: Option<&dyn MayWait>,
        deliver: impl FnOnce(i64, &[u8]) -> Attempt<()>,
    ) -> Attempt<usize> {
        let taken;
        let mut registry = self.0.lock();
        let object = registry.find(id)?;
        object.permission.require(visit.credential, Access::Read)?;
        let queue = &mut object.value;
        let found = queue
            .find(selector)
            .and_then(|at| queue.messages.get(at).map(|message| (at, message)));
        let Some((at, message)) = found else {
            queue.receivers.enrol(waiter.ok_or(Errno::ENOMSG)?.waiter());
            return Err(Stop::Park);
        };
        if message.text.len() > room && !cut {
            return Err(Errno::E2BIG.into());
        }
        let length = message.text.len().min(room);
        deliver(message.kind, message.text.get(..length).unwrap_or_default())?;
        if !matches!(selector, Selector::CopyOf(_)) {
            taken = queue.take(at, visit);
            drop(registry);
            drop(taken);
        }
        Ok(length)
    }

    /// What IPC_STAT tells, to who may read it or, with `any`, to everybody.
    ///
    /// # Errors
    /// EINVAL, EACCES.
    pub fn status(&self, visit: Visit<'_>, id: i32, any: bool) -> Result<MessageStatus, Errno> {
        let mut registry = self.0.lock();
        let object = registry.find(id)?;
        if !any {
            object.permission.require(visit.credential, Access::Read)?;
        }
        Ok(object.value.status(id, object.permission))
    }

    /// The number of the queue at a place (MSG_STAT).
    ///
    /// # Errors
    /// EINVAL.
    pub fn at(&self, index: u32) -> Result<i32, Errno> {
        let registry = self.0.lock();
        registry
            .at(index)
            .map(|object| object.id)
            .ok_or(Errno::EINVAL)
    }

    /// Changes whose a queue is, and how much it holds (IPC_SET).
    ///
    /// # Errors
    /// EINVAL; EPERM also for a capacity above the limit without the privilege over limits.
    pub fn set(
        &self,
        visit: Visit<'_>,
        id: i32,
        new: Ownership,
        capacity: u64,
    ) -> Result<(), Errno> {
        let mut registry = self.0.lock();
        let object = registry.find(id)?;
        object.permission.require_owner(visit.credential)?;
        if capacity > MESSAGES_IN_ALL.queue {
            visit.credential.require(security::Privileges::LIMITS)?;
        }
        object.permission.set(new);
        object.value.status.capacity = capacity;
        object.value.status.changed = visit.now;
        // There may be room now, and others may have to be refused.
        object.value.senders.wake_all();
        object.value.receivers.wake_all();
        Ok(())
    }

    /// Removes a queue (IPC_RMID): whoever waits at it looks again and does not find it.
    ///
    /// # Errors
    /// EINVAL, EPERM.
    pub fn remove(&self, visit: Visit<'_>, id: i32) -> Result<(), Errno> {
        let removed = {
            let mut registry = self.0.lock();
            let object = registry.find(id)?;
            object.permission.require_owner(visit.credential)?;
            let removed = registry.remove(id);
            if let Some(object) = &removed {
                object.value.senders.wake_all();
                object.value.receivers.wake_all();
            }
            removed
        };
        drop(removed);
        Ok(())
    }

    /// The last place taken, and how many queues, messages and bytes there are (MSG_INFO).
    #[must_use]
    pub fn usage(&self) -> (u32, u32, u64, u64) {
        let registry = self.0.lock();
        let sum = |of: fn(&MessageStatus) -> u64| {
            let each = registry.iter().map(|object| of(&object.value.status));
            each.sum()
        };
        let (messages, bytes) = (sum(|status| status.messages), sum(|status| status.bytes));
        (registry.last(), registry.len(), messages, bytes)
    }

    /// All queues, whoever may read them (`/proc/sysvipc/msg`).
    ///
    /// # Errors
    /// ENOMEM.
    pub fn all(&self) -> Result<Vec<MessageStatus>, Errno> {
        let registry = self.0.lock();
        let each = registry.iter();
        let each = each.map(|object| object.value.status(object.id, object.permission));
        Ok(fallible::collect(each)?)
    }
}
