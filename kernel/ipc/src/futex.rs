//! Futexes (`man 2 futex`): the threads that wait on a word of memory.
//!
//! A waiter is completed with 0 by whoever wakes it, so a wait is never run again after a wake and no wake
//! is lost. Timeouts and signals are the kernel's: the thread just leaves its queue. The check of the word and the
//! enrolment are one step under the bucket's lock, and so are the change of the word and a wake for it. Only when very many are
//! woken or moved does the caller come back for the rest of them.

mod owned;
mod waiting;

use abi::Errno;
use alloc::boxed::Box;
use core::cmp::Ordering;
use core::hash::{BuildHasher, BuildHasherDefault, Hasher};
use fallible::{Map, NoMemory};
pub use owned::Contender;
use sync::{Guard, Rank, SpinLock};
use wait::{Attempt, Present, Stop, WaitQueue, Waiter};
use waiting::Waiting;

/// A word of memory, however programs address it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FutexKey {
    /// In memory of one address space (`FUTEX_PRIVATE_FLAG`, and private mappings).
    Private {
        /// Number of the address space, never reused.
        space: u64,
        /// Address of the word.
        address: u64,
    },
    /// In memory that several address spaces may map.
    Shared {
        /// Number of the object that is mapped (inode, anonymous shared memory), never reused.
        object: u64,
        /// Offset of the word in it.
        offset: u64,
    },
}

impl FutexKey {
    /// What it is ordered by: first what tells most words apart.
    const fn parts(self) -> (u64, u64, bool) {
        match self {
            Self::Private { space, address } => (address, space, true),
            Self::Shared { object, offset } => (offset, object, false),
        }
    }

    /// 32 bits that are another's hardly ever.
    fn fold(self) -> u64 {
        BuildHasherDefault::<Fold>::default().hash_one(self)
    }
}

impl Ord for FutexKey {
    fn cmp(&self, other: &Self) -> Ordering {
        self.parts().cmp(&other.parts())
    }
}

impl PartialOrd for FutexKey {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// All words that threads wait on.
pub struct FutexTable {
    /// A power of two of them.
    buckets: Box<[SpinLock<Bucket>]>,
}

#[derive(Default)]
struct Bucket {
    /// Keys of waiters are [`Waiting`]. Queues that have run empty are kept for the next wait on the same
    /// word, and swept when there are many.
    queues: Map<FutexKey, WaitQueue>,
    sweep_at: usize,
}

/// Multiplies and folds: the keys are addresses, not chosen against us within one address space's number.
#[derive(Default)]
struct Fold(u64);

impl Hasher for Fold {
    fn finish(&self) -> u64 {
        self.0 >> 32
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.write_u64(u64::from(*byte));
        }
    }

    fn write_u64(&mut self, word: u64) {
        self.0 = (self.0.rotate_left(29) ^ word).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    }
}

impl Bucket {
    /// The least number of queues at which sweeping is worth while.
    const SWEEP: usize = 8;

    fn queue(&mut self, key: FutexKey) -> Result<&WaitQueue, NoMemory> {
        if self.queues.len() > self.sweep_at && !self.queues.contains_key(&key) {
            self.queues.retain(|_, queue| !queue.is_empty());
            self.sweep_at = Self::SWEEP.max(2 * self.queues.len());
        }
        let queue = self.queues.get_or_insert_with(key, WaitQueue::new)?;
        Ok(queue)
    }

    /// Wakes what is left of a stage.
    ///
    /// # Errors
    /// EINVAL where the first waits for a lock whose word names its owner.
    fn wake(&self, key: FutexKey, bits: u32, mut rest: Rest) -> Result<Dealt, Errno> {
        let Some(queue) = self.queues.get(&key) else {
            return Ok(Dealt::wholly(0));
        };
        let first = queue.first_key().map(Waiting::from_key);
        if first.is_some_and(Waiting::is_for_lock) {
            return Err(Errno::EINVAL);
        }
        let answer = |waiting| Waiting::from_key(waiting).answer(bits);
        let mut count = 0;
        let mut present = rest.present();
        while rest.left > 0
            && let Some((waiter, waiting)) =
                queue.take_present(&mut present, |waiting| answer(waiting).is_some())
        {
            if waiter.wake(answer(waiting)) {
                count += 1;
                rest.left -= 1;
            }
            if rest.left > 0 && !remains::may_go_on() {
                rest.end = present.end();
                return Ok(Dealt::partly(count, rest));
            }
        }
        Ok(Dealt::wholly(count))
    }
}

/// What a call that wakes, or moves, many has done in one step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Dealt {
    /// How many it has woken or moved.
    pub count: u32,
    /// What the next step has to do.
    pub rest: Option<Rest>,
}

impl Dealt {
    const fn partly(count: u32, rest: Rest) -> Self {
        let rest = Some(rest);
        Self { count, rest }
    }

    const fn wholly(count: u32) -> Self {
        Self { count, rest: None }
    }

    /// With those of an earlier stage.
    const fn and(self, count: u32) -> Self {
        Self {
            count: self.count + count,
            ..self
        }
    }
}

/// Which waiters a call deals with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// Those of the only word that it wakes.
    Only,
    /// Those that it wakes of the first word; others are dealt with after them.
    First,
    /// Those whom it moves to the second word, or wakes of that.
    Second,
}

/// What is left of a call that deals with many: with nobody who has come since it began.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rest {
    /// Where it is.
    pub stage: Stage,
    /// How many more this stage may deal with.
    pub left: u32,
    /// [`Present::end`].
    end: u64,
}

impl Rest {
    /// All of a stage.
    const fn all(stage: Stage, left: u32) -> Self {
        let end = u64::MAX;
        Self { stage, left, end }
    }

    const fn present(self) -> Present {
        Present::below(self.end)
    }
}

impl FutexTable {
    /// A waiter or waker of every bit (`FUTEX_BITSET_MATCH_ANY`).
    pub const ANY: u32 = u32::MAX;

    /// A table with at least `buckets` buckets; a few for each CPU.
    #[must_use]
    #[cfg_attr(
        target_os = "none",
        expect(
            clippy::disallowed_methods,
            reason = "boot, before there is anybody who could be told"
        )
    )]
    pub fn new(buckets: usize) -> Self {
        let buckets = buckets.max(1).next_power_of_two();
        Self {
            buckets: (0..buckets)
                .map(|_| SpinLock::new(Rank::Futex, Bucket::default()))
                .collect(),
        }
    }

    fn place(&self, key: FutexKey) -> usize {
        key.fold() as usize & (self.buckets.len() - 1)
    }

    fn bucket(&self, place: usize) -> Result<Guard<'_, Bucket>, Errno> {
        // A place is always in the table; an error here would be one of ours, not the program's.
        self.buckets
            .get(place)
            .map(SpinLock::lock)
            .ok_or(Errno::EINVAL)
    }

    /// Whether anybody waits on a word. A thread that is about to wait and is not seen yet finds the word as the caller has
    /// left it.
    #[must_use]
    pub fn is_awaited(&self, key: FutexKey) -> bool {
        let Ok(bucket) = self.bucket(self.place(key)) else {
            return false;
        };
        let queue = bucket.queues.get(&key);
        queue.is_some_and(|queue| !queue.is_empty())
    }

    /// Locks the buckets of two words in the order of their places; one lock when it is the same bucket.
    fn both(&self, first: FutexKey, second: FutexKey) -> Result<Both<'_>, Errno> {
        let (one, two) = (self.place(first), self.place(second));
        if one == two {
            return Ok(Both::Same(self.bucket(one)?));
        }
        let low = self.bucket(one.min(two))?;
        let high = self.bucket(one.max(two))?;
        Ok(if one < two {
            Both::Two(low, high)
        } else {
            Both::Two(high, low)
        })
    }

    /// Waits on a word as long as `unchanged` says that it has the expected value.
    ///
    /// `unchanged` runs under the bucket's lock and must take no lock of a lower rank: it reads a page that is
    /// resident, or answers [`Stop::Again`].
    ///
    /// # Errors
    /// EAGAIN when the word has changed, EINVAL for an empty bit set, what `unchanged` says; else always
    /// [`Stop::Park`], and the waker completes the call with 0.
    pub fn wait(
        &self,
        key: FutexKey,
        bits: u32,
        waiter: &Waiter,
        unchanged: impl FnOnce() -> Attempt<bool>,
    ) -> Attempt<()> {
        if bits == 0 {
            return Err(Errno::EINVAL.into());
        }
        let waiting = Waiting::Bits { bits, index: 0 };
        self.enrol(key, waiting, waiter, unchanged)
    }

    /// Waits on one of several words (`man 2 futex_waitv`); the waker completes the call with the word's index.
    ///
    /// # Errors
    /// As [`FutexTable::wait`].
    pub fn wait_among(
        &self,
        key: FutexKey,
        index: u8,
        waiter: &Waiter,
        unchanged: impl FnOnce() -> Attempt<bool>,
    ) -> Attempt<()> {
        let waiting = Waiting::Bits {
            bits: Self::ANY,
            index,
        };
        self.enrol(key, waiting, waiter, unchanged)
    }

    fn enrol(
        &self,
        key: FutexKey,
        waiting: Waiting,
        waiter: &Waiter,
        unchanged: impl FnOnce() -> Attempt<bool>,
    ) -> Attempt<()> {
        let mut bucket = self.bucket(self.place(key))?;
        if !unchanged()? {
            return Err(Errno::EAGAIN.into());
        }
        bucket.queue(key)?.enrol_keyed(waiter, waiting.key());
        Err(Stop::Park)
    }

    /// Wakes up to `limit` waiters that share a bit with `bits`, first come first served, or in a further step what is
    /// `left` of them.
    ///
    /// # Errors
    /// EINVAL for an empty bit set, and where the first waits for a lock whose word names its owner.
    pub fn wake(
        &self,
        key: FutexKey,
        bits: u32,
        limit: u32,
        left: Option<Rest>,
    ) -> Result<Dealt, Errno> {
        if bits == 0 {
            return Err(Errno::EINVAL);
        }
        let rest = left.unwrap_or(Rest::all(Stage::Only, limit));
        self.bucket(self.place(key))?.wake(key, bits, rest)
    }

    /// Wakes up to `wake` waiters of one word and lets up to `moved` others wait on another word
    /// (`FUTEX_REQUEUE`, and `FUTEX_CMP_REQUEUE` where `unchanged` checks the first word), or does in a further step what
    /// is `left` of that.
    ///
    /// # Errors
    /// EAGAIN when the word has changed; EINVAL where the first waits for a lock whose word names its owner; what
    /// `unchanged` says, which is bound as in [`FutexTable::wait`]; ENOMEM.
    pub fn requeue(
        &self,
        [from, to]: [FutexKey; 2],
        [wake, moved]: [u32; 2],
        left: Option<Rest>,
        unchanged: impl FnOnce() -> Attempt<bool>,
    ) -> Attempt<Dealt> {
        let mut both = self.both(from, to)?;
        if left.is_none() && !unchanged()? {
            return Err(Errno::EAGAIN.into());
        }
        let mut rest = left.unwrap_or(Rest::all(Stage::First, wake));
        let mut count = 0;
        if rest.stage == Stage::First {
            let dealt = both.first().wake(from, Self::ANY, rest)?;
            if dealt.rest.is_some() {
                return Ok(dealt);
            }
            count = dealt.count;
            rest = Rest::all(Stage::Second, moved);
        }
        let source = both.first().queues.get(&from).and_then(WaitQueue::share);
        let Some(source) =
            source.filter(|source| from != to && rest.left > 0 && !source.is_empty())
        else {
            return Ok(Dealt::wholly(count));
        };
        let target = both.second().queue(to)?;
        let mut present = rest.present();
        while rest.left > 0
            && let Some((waiter, waiting)) = source.take_present(&mut present, |_| true)
        {
            target.enrol_keyed(&waiter, waiting);
            count += 1;
            rest.left -= 1;
            if !remains::may_go_on() {
                rest.end = present.end();
                return Ok(Dealt::partly(count, rest));
            }
        }
        Ok(Dealt::wholly(count))
    }

    /// Changes the second word, wakes waiters of the first, and of the second if its old value says so
    /// (`FUTEX_WAKE_OP`), or wakes in a further step those who are `left`.
    ///
    /// `change` carries out the [`WakeOperation`] atomically and answers the old value; it is bound as in
    /// [`FutexTable::wait`].
    ///
    /// # Errors
    /// What `change` says.
    pub fn wake_op(
        &self,
        [first, second]: [FutexKey; 2],
        [wake_first, wake_second]: [u32; 2],
        operation: WakeOperation,
        left: Option<Rest>,
        change: impl FnOnce() -> Attempt<u32>,
    ) -> Attempt<Dealt> {
        let mut both = self.both(first, second)?;
        let rest = match left {
            Some(rest) => rest,
            None if operation.wakes(change()?) => Rest::all(Stage::First, wake_first),
            None => Rest::all(Stage::Only, wake_first),
        };
        if rest.stage == Stage::Second {
            return Ok(both.second().wake(second, Self::ANY, rest)?);
        }
        let dealt = both.first().wake(first, Self::ANY, rest)?;
        if rest.stage == Stage::Only || dealt.rest.is_some() {
            return Ok(dealt);
        }
        let rest = Rest::all(Stage::Second, wake_second);
        let others = both.second().wake(second, Self::ANY, rest)?;
        Ok(others.and(dealt.count))
    }
}

enum Both<'a> {
    Same(Guard<'a, Bucket>),
    Two(Guard<'a, Bucket>, Guard<'a, Bucket>),
}

impl Both<'_> {
    fn first(&mut self) -> &mut Bucket {
        let (Both::Same(bucket) | Both::Two(bucket, _)) = self;
        bucket
    }

    fn second(&mut self) -> &mut Bucket {
        let (Both::Same(bucket) | Both::Two(_, bucket)) = self;
        bucket
    }
}

/// What `FUTEX_WAKE_OP` does to the second word, and when it wakes the waiters of that.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WakeOperation {
    change: Change,
    argument: u32,
    comparison: Comparison,
    threshold: i32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Change {
    Set,
    Add,
    Or,
    AndNot,
    Xor,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Comparison {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

impl WakeOperation {
    /// From the word that programs pass as `val3`.
    ///
    /// # Errors
    /// ENOSYS for an operation or comparison that does not exist.
    pub fn decode(word: u32) -> Result<Self, Errno> {
        let signed = |bits: u32| (bits << 20).cast_signed() >> 20;
        let shifted = word >> 31 == 1;
        let argument = signed(word >> 12 & 0xfff).cast_unsigned();
        let change = match word >> 28 & 7 {
            0 => Change::Set,
            1 => Change::Add,
            2 => Change::Or,
            3 => Change::AndNot,
            4 => Change::Xor,
            _ => return Err(Errno::ENOSYS),
        };
        let comparison = match word >> 24 & 0xf {
            0 => Comparison::Equal,
            1 => Comparison::NotEqual,
            2 => Comparison::Less,
            3 => Comparison::LessOrEqual,
            4 => Comparison::Greater,
            5 => Comparison::GreaterOrEqual,
            _ => return Err(Errno::ENOSYS),
        };
        let argument = if shifted {
            1 << (argument & 31)
        } else {
            argument
        };
        Ok(Self {
            change,
            argument,
            comparison,
            threshold: signed(word & 0xfff),
        })
    }

    /// The new value of the word.
    #[must_use]
    pub fn apply(self, old: u32) -> u32 {
        match self.change {
            Change::Set => self.argument,
            Change::Add => old.wrapping_add(self.argument),
            Change::Or => old | self.argument,
            Change::AndNot => old & !self.argument,
            Change::Xor => old ^ self.argument,
        }
    }

    /// Whether the waiters of the word are woken, given its old value.
    #[must_use]
    pub fn wakes(self, old: u32) -> bool {
        let old = old.cast_signed();
        match self.comparison {
            Comparison::Equal => old == self.threshold,
            Comparison::NotEqual => old != self.threshold,
            Comparison::Less => old < self.threshold,
            Comparison::LessOrEqual => old <= self.threshold,
            Comparison::Greater => old > self.threshold,
            Comparison::GreaterOrEqual => old >= self.threshold,
        }
    }
}

#[cfg(test)]
mod tests;
