//! POSIX message queues (`man 7 mq_overview`).
//!
//! A queue is found by its name in its partition and lives until it has neither a name nor a descriptor. The messages
//! come by descending priority, those of one priority in the order in which they were sent. A message is taken out only
//! after the receiver has it.
//!
//! Lock: a partition's names, then one queue; both are [`Rank::Stream`], and the names' lock is released before.

use abi::Errno;
use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec::Vec;
use fallible::{Map, NoMemory};
use security::{Credential, Mode, Privileges};
use sync::{Rank, SpinLock};
use vfs::{FileOperations, Metadata};
use wait::{Attempt, MayWait, PollEvents, Stop, WaitQueue, Waiter};

/// Longest name, in bytes.
const NAME_LIMIT: usize = 255;
/// Priorities are below this (MQ_PRIO_MAX).
pub const PRIORITIES: u32 = 32_768;
/// Queues of a partition (`/proc/sys/fs/mqueue/queues_max`).
pub const QUEUES: usize = 256;

/// How much a queue holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Capacity {
    /// Messages.
    pub messages: usize,
    /// Bytes of each.
    pub size: usize,
}

impl Capacity {
    /// What a queue has whose maker asks for nothing, and the most that one without the privilege over limits gets.
    pub const ORDINARY: Self = Self {
        messages: 10,
        size: 8192,
    };
    /// The most that anybody gets.
    const GREATEST: Self = Self {
        messages: 65_536,
        size: 16 << 20,
    };

    /// Bytes that a queue counts for: its messages, and what each takes besides (`man 2 getrlimit`, RLIMIT_MSGQUEUE).
    #[must_use]
    pub fn bytes(self) -> u64 {
        /// Of struct msg_msg and struct posix_msg_tree_node.
        const BESIDES: u64 = 48;
        let messages = self.messages as u64;
        let nodes = messages.min(u64::from(PRIORITIES));
        messages * self.size as u64 + (messages + nodes) * BESIDES
    }

    /// Fails when nobody, or not this one, may make such a queue.
    ///
    /// # Errors
    /// EINVAL.
    pub fn require(self, credential: &Credential) -> Result<(), Errno> {
        let limit = if credential.privileges.contains(Privileges::LIMITS) {
            Self::GREATEST
        } else {
            Self::ORDINARY
        };
        let fits = |value, limit| (1..=limit).contains(&value);
        if fits(self.messages, limit.messages) && fits(self.size, limit.size) {
            Ok(())
        } else {
            Err(Errno::EINVAL)
        }
    }
}

struct Message {
    priority: u32,
    text: Vec<u8>,
}

struct State<N> {
    /// By ascending priority; of one priority, the last sent first: the next to receive is the last.
    messages: Vec<Message>,
    bytes: usize,
    /// Who is told when a message comes to the empty queue.
    notice: Option<(u64, N)>,
}

/// A queue. `N` says how somebody is told of a message.
pub struct MessageQueue<N> {
    capacity: Capacity,
    metadata: Metadata,
    /// What it counts for, until nobody has it any more.
    _charge: Option<Charge>,
    state: SpinLock<State<N>>,
    /// Who waits for a message to receive it.
    receivers: WaitQueue,
    /// Who waits for room.
    senders: WaitQueue,
    /// Who waits for any change.
    watchers: WaitQueue,
}

impl<N> MessageQueue<N> {
    fn new(
        capacity: Capacity,
        metadata: Metadata,
        charge: Option<Charge>,
    ) -> Result<Arc<Self>, Errno> {
        let state = State {
            messages: Vec::new(),
            bytes: 0,
            notice: None,
        };
        Ok(fallible::arc(Self {
            capacity,
            metadata,
            _charge: charge,
            state: SpinLock::new(Rank::Stream, state),
            receivers: WaitQueue::new(),
            senders: WaitQueue::new(),
            watchers: WaitQueue::new(),
        })?)
    }

    /// How much it holds.
    #[must_use]
    pub fn capacity(&self) -> Capacity {
        self.capacity
    }

    /// Messages in it.
    #[must_use]
    pub fn len(&self) -> usize {
        self.state.lock().messages.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Sends a message (`man 2 mq_timedsend`). Answers who is to be told of it.
    ///
    /// # Errors
    /// EMSGSIZE, EINVAL for a priority that cannot be, ENOMEM; `late` without a waiter while the queue is full.
    pub fn send(
        &self,
        priority: u32,
        text: &[u8],
        waiter: Result<&dyn MayWait, Errno>,
    ) -> Attempt<Option<N>> {
        if priority >= PRIORITIES {
            return Err(Errno::EINVAL.into());
        }
        if text.len() > self.capacity.size {
            return Err(Errno::EMSGSIZE.into());
        }
        let mut state = self.state.lock();
        if state.messages.len() >= self.capacity.messages {
            self.senders.enrol(waiter?.waiter());
            return Err(Stop::Park);
        }
        let mut copy = Vec::new();
        copy.try_reserve_exact(text.len())
            .and_then(|()| state.messages.try_reserve(1))
            .map_err(|_| Errno::ENOMEM)?;
        copy.extend_from_slice(text);
        let at = state
            .messages
            .partition_point(|message| message.priority < priority);
        let first = state.messages.is_empty();
        state.bytes += copy.len();
        let message = Message {
            priority,
            text: copy,
        };
        state.messages.insert(at, message);
        // A receiver that waits takes it, and nobody is told.
        let taken = !self.receivers.is_empty();
        self.receivers.wake_all();
        self.watchers.wake_all();
        let told = if first && !taken {
            state.notice.take()
        } else {
            None
        };
        Ok(told.map(|(_, notice)| notice))
    }

    /// Receives the first message of the highest priority into `room` bytes (`man 2 mq_timedreceive`). It is consumed when
    /// `deliver` has succeeded. Answers its length.
    ///
    /// # Errors
    /// EMSGSIZE when a message might not fit; the waiter's error while the queue is empty; what `deliver` says.
    pub fn receive(
        &self,
        room: usize,
        waiter: Result<&dyn MayWait, Errno>,
        deliver: impl FnOnce(u32, &[u8]) -> Attempt<()>,
    ) -> Attempt<usize> {
        if room < self.capacity.size {
            return Err(Errno::EMSGSIZE.into());
        }
        let mut state = self.state.lock();
        let Some(message) = state.messages.last() else {
            self.receivers.enrol(waiter?.waiter());
            return Err(Stop::Park);
        };
        deliver(message.priority, &message.text)?;
        let taken = state.messages.pop();
        let length = taken.as_ref().map_or(0, |message| message.text.len());
        state.bytes -= length;
        self.senders.wake_all();
        self.watchers.wake_all();
        drop(state);
        drop(taken);
        Ok(length)
    }

    /// Lets `owner` be told, once, of a message that comes to the empty queue (`man 2 mq_notify`).
    ///
    /// # Errors
    /// EBUSY when somebody is to be told already who is still `there`.
    pub fn notify(
        &self,
        owner: u64,
        notice: N,
        there: impl FnOnce(&N) -> bool,
    ) -> Result<(), Errno> {
        let mut state = self.state.lock();
        if state
            .notice
            .as_ref()
            .is_some_and(|(_, notice)| there(notice))
        {
            return Err(Errno::EBUSY);
        }
        let former = state.notice.replace((owner, notice));
        drop(state);
        drop(former);
        Ok(())
    }

    /// `owner` is not to be told any more, if it was.
    pub fn forget(&self, owner: u64) {
        let mut state = self.state.lock();
        let forgotten = state.notice.take_if(|(other, _)| *other == owner);
        drop(state);
        drop(forgotten);
    }
}

impl<N: Send + Sync + 'static> FileOperations for MessageQueue<N> {
    fn poll(&self, wanted: PollEvents, waiter: Option<&Waiter>) -> PollEvents {
        let state = self.state.lock();
        let mut ready = PollEvents::empty();
        if !state.messages.is_empty() {
            ready |= PollEvents::READABLE;
        }
        if state.messages.len() < self.capacity.messages {
            ready |= PollEvents::WRITABLE;
        }
        ready &= wanted | PollEvents::ALWAYS;
        ready.or_enrol(waiter, &self.watchers)
    }

    fn metadata(&self) -> Option<Metadata> {
        Some(self.metadata)
    }
}

type Named<N> = Map<Box<[u8]>, Arc<MessageQueue<N>>>;

/// The queues of a partition, by their names.
pub struct QueueNames<N> {
    names: SpinLock<Named<N>>,
    charges: Arc<Charges>,
}

/// Bytes of the queues of a partition, by the user who made them.
type Charges = SpinLock<Map<u32, u64>>;

/// What a queue counts for against its maker's limit, as long as it is there.
struct Charge {
    of: Arc<Charges>,
    uid: u32,
    bytes: u64,
}

impl Charge {
    /// Counts for a user, of whose queues there may be so many bytes.
    ///
    /// # Errors
    /// EMFILE beyond the limit, ENOMEM.
    fn new(of: &Arc<Charges>, uid: u32, bytes: u64, limit: u64) -> Result<Self, Errno> {
        let mut charges = of.lock();
        let sum = charges
            .get(&uid)
            .map_or(bytes, |sum| sum.saturating_add(bytes));
        if sum > limit {
            return Err(Errno::EMFILE);
        }
        charges.insert(uid, sum)?;
        let of = of.clone();
        Ok(Self { of, uid, bytes })
    }
}

impl Drop for Charge {
    fn drop(&mut self) {
        let mut charges = self.of.lock();
        if let Some(sum) = charges.get_mut(&self.uid) {
            *sum -= self.bytes;
            if *sum == 0 {
                charges.remove(&self.uid);
            }
        }
    }
}

/// How to open a queue.
pub struct Opening<'a> {
    /// On whose behalf.
    pub credential: &'a Credential,
    /// For reading, writing or both.
    pub access: Mode,
    /// What a new one holds; `None`: there must be one.
    pub create: Option<Capacity>,
    /// There must be none.
    pub exclusive: bool,
    /// How many bytes the queues that the user has made may hold together (RLIMIT_MSGQUEUE).
    pub limit: u64,
}

impl<N> QueueNames<N> {
    /// No names.
    ///
    /// # Errors
    /// [`NoMemory`].
    pub fn new() -> Result<Self, NoMemory> {
        let charges = SpinLock::new(Rank::Stream, Map::new());
        Ok(Self {
            names: SpinLock::new(Rank::Stream, Map::new()),
            charges: fallible::arc(charges)?,
        })
    }

    /// The queue of a name (`man 2 mq_open`), a new one with `metadata` if there is none and one is to be made.
    ///
    /// # Errors
    /// ENOENT, EEXIST, EACCES, EINVAL for a capacity that cannot be, ENOSPC, EMFILE beyond the user's limit,
    /// ENAMETOOLONG, ENOMEM.
    pub fn open(
        &self,
        name: &[u8],
        opening: &Opening<'_>,
        metadata: impl FnOnce() -> Metadata,
    ) -> Result<Arc<MessageQueue<N>>, Errno> {
        check(name)?;
        let mut names = self.names.lock();
        if let Some(queue) = names.get(name) {
            if opening.exclusive && opening.create.is_some() {
                return Err(Errno::EEXIST);
            }
            let of = &queue.metadata;
            let credential = opening.credential;
            credential.may_access(of.uid, of.gid, of.st_mode(), opening.access)?;
            return Ok(queue.clone());
        }
        let capacity = opening.create.ok_or(Errno::ENOENT)?;
        capacity.require(opening.credential)?;
        if names.len() >= QUEUES {
            return Err(Errno::ENOSPC);
        }
        let key = fallible::boxed_slice(name)?;
        let uid = opening.credential.identity.uid;
        let charge = Charge::new(&self.charges, uid, capacity.bytes(), opening.limit)?;
        let queue = MessageQueue::new(capacity, metadata(), Some(charge))?;
        names.insert(key, queue.clone())?;
        Ok(queue)
    }

    /// Takes a name away (`man 2 mq_unlink`).
    ///
    /// # Errors
    /// ENOENT; EPERM for who neither owns the queue nor has the privilege over files.
    pub fn unlink(&self, credential: &Credential, name: &[u8]) -> Result<(), Errno> {
        check(name)?;
        let mut names = self.names.lock();
        let queue = names.get(name).ok_or(Errno::ENOENT)?;
        if queue.metadata.uid != credential.identity.fsuid {
            credential.require(Privileges::FILE_OWNER)?;
        }
        let removed = names.remove(name);
        drop(names);
        drop(removed);
        Ok(())
    }
}

fn check(name: &[u8]) -> Result<(), Errno> {
    match name {
        b"" => Err(Errno::ENOENT),
        _ if name.len() > NAME_LIMIT => Err(Errno::ENAMETOOLONG),
        b"." | b".." => Err(Errno::EACCES),
        _ if name.contains(&b'/') => Err(Errno::EACCES),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sleeper::{Thread, nameless};
    use abi::Cid;
    use alloc::vec;
    use proptest::prelude::*;
    use security::Identity;
    use vfs::FileKind;

    fn user(uid: u32) -> Credential {
        Credential::new(Cid(1), Identity::user(uid, uid), Privileges::empty())
    }

    fn small() -> Arc<MessageQueue<u8>> {
        let capacity = Capacity {
            messages: 2,
            size: 4,
        };
        MessageQueue::new(capacity, nameless(FileKind::Regular), None).expect("memory")
    }

    const FULL: Result<&dyn MayWait, Errno> = Err(Errno::EAGAIN);

    #[test]
    fn names_lead_to_queues_of_those_who_may() {
        let names = QueueNames::<u8>::new().expect("memory");
        let (owner, other) = (user(1), user(2));
        let opening = |credential, create| Opening {
            credential,
            access: Mode::READ,
            create,
            exclusive: false,
            limit: u64::MAX,
        };
        let open = |name: &[u8], opening: Opening<'_>| {
            let opened = names.open(name, &opening, || nameless(FileKind::Regular));
            opened.map(|queue| queue.capacity())
        };
        assert_eq!(open(b"q", opening(&owner, None)), Err(Errno::ENOENT));
        let greedy = Capacity {
            messages: 11,
            size: 1,
        };
        let refused = open(b"q", opening(&owner, Some(greedy)));
        assert_eq!(refused, Err(Errno::EINVAL));
        let made = open(b"q", opening(&owner, Some(Capacity::ORDINARY)));
        assert_eq!(made, Ok(Capacity::ORDINARY));
        assert_eq!(open(b"q", opening(&other, None)), Err(Errno::EACCES));
        let exclusive = Opening {
            exclusive: true,
            limit: u64::MAX,
            ..opening(&owner, Some(greedy))
        };
        assert_eq!(open(b"q", exclusive), Err(Errno::EEXIST));
        assert_eq!(open(b"a/b", opening(&owner, None)), Err(Errno::EACCES));
        assert_eq!(open(b"", opening(&owner, None)), Err(Errno::ENOENT));
        let long = vec![b'n'; 256];
        assert_eq!(open(&long, opening(&owner, None)), Err(Errno::ENAMETOOLONG));
        assert_eq!(names.unlink(&other, b"q"), Err(Errno::EPERM));
        assert_eq!(names.unlink(&owner, b"q"), Ok(()));
        assert_eq!(names.unlink(&owner, b"q"), Err(Errno::ENOENT));
    }

    #[test]
    fn what_a_user_has_made_counts_until_nobody_has_it() {
        let names = QueueNames::<u8>::new().expect("memory");
        let (one, other) = (user(1), user(2));
        let open = |credential, name: &[u8]| {
            let opening = Opening {
                credential,
                access: Mode::READ,
                create: Some(Capacity::ORDINARY),
                exclusive: false,
                limit: 2 * Capacity::ORDINARY.bytes(),
            };
            names.open(name, &opening, || nameless(FileKind::Regular))
        };
        let kept = open(&one, b"a").expect("room");
        open(&one, b"b").expect("room");
        assert_eq!(open(&one, b"c").map(drop), Err(Errno::EMFILE));
        open(&other, b"c").expect("room of its own");
        // One that is there already costs nothing.
        open(&one, b"b").expect("room");
        let root = Credential::new(Cid(1), Identity::ROOT, Privileges::all());
        names.unlink(&root, b"a").expect("a name");
        assert_eq!(open(&one, b"d").map(drop), Err(Errno::EMFILE));
        drop(kept);
        open(&one, b"d").expect("room again");
        for name in [b"b", b"c", b"d"] {
            names.unlink(&root, name).expect("a name");
        }
        assert!(names.charges.lock().is_empty());
    }

    #[test]
    fn who_waits_is_woken_and_nothing_is_lost_undelivered() {
        let queue = small();
        let (receiver, sender) = (Thread::new(), Thread::new());
        let run = receiver.run();
        let parked = queue.receive(4, Ok(&run), |_, _| Ok(()));
        assert_eq!(parked, Err(Stop::Park));
        assert_eq!(queue.send(1, b"a", FULL), Ok(None));
        assert!(receiver.woken().is_some());
        queue.send(1, b"b", FULL).unwrap();
        let run = sender.run();
        assert_eq!(queue.send(1, b"c", Ok(&run)), Err(Stop::Park));
        let refused = queue.receive(4, FULL, |_, _| Err(Stop::Again));
        assert_eq!(refused, Err(Stop::Again));
        assert!(sender.woken().is_none());
        assert_eq!(queue.receive(4, FULL, |_, _| Ok(())), Ok(1));
        assert!(sender.woken().is_some());
        let short = queue.receive(3, FULL, |_, _| Ok(()));
        assert_eq!(short, Err(Stop::Error(Errno::EMSGSIZE)));
        let long = queue.send(1, b"12345", FULL);
        assert_eq!(long, Err(Stop::Error(Errno::EMSGSIZE)));
    }

    #[test]
    fn one_is_told_once_of_a_message_that_nobody_waits_for() {
        let queue = small();
        let receiver = Thread::new();
        queue.notify(1, 7, |_| true).unwrap();
        assert_eq!(queue.notify(2, 8, |_| true), Err(Errno::EBUSY));
        let run = receiver.run();
        assert!(queue.receive(4, Ok(&run), |_, _| Ok(())).is_err());
        assert_eq!(queue.send(0, b"x", FULL), Ok(None));
        queue.receive(4, FULL, |_, _| Ok(())).unwrap();
        assert_eq!(queue.send(0, b"x", FULL), Ok(Some(7)));
        assert_eq!(queue.notify(2, 8, |_| true), Ok(()));
        assert_eq!(queue.send(0, b"x", FULL), Ok(None), "it was not empty");
        queue.forget(1);
        assert_eq!(queue.notify(1, 7, |_| true), Err(Errno::EBUSY));
        queue.forget(2);
        assert_eq!(queue.notify(1, 7, |_| true), Ok(()));
        assert_eq!(queue.notify(2, 8, |_| false), Ok(()));
    }

    proptest! {
        /// Messages come by priority, and in order within one.
        #[test]
        fn order(sent in proptest::collection::vec(0u32..4, 1..40)) {
            let capacity = Capacity { messages: 40, size: 8 };
            let queue = MessageQueue::<u8>::new(capacity, nameless(FileKind::Regular), None).expect("memory");
            for (number, priority) in (0u8..).zip(&sent) {
                queue.send(*priority, &[number], FULL).unwrap();
            }
            let mut expected: Vec<(u32, u8)> = sent.into_iter().zip(0u8..).collect();
            expected.sort_by_key(|&(priority, number)| (PRIORITIES - priority, number));
            for wanted in expected {
                let mut got = None;
                queue.receive(8, FULL, |priority, text| {
                    got = Some((priority, text[0]));
                    Ok(())
                }).unwrap();
                prop_assert_eq!(got, Some(wanted));
            }
            prop_assert!(queue.is_empty());
        }
    }
}
