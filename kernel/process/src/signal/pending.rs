//! Signals that have been sent and not yet delivered.

use abi::Errno;
use abi::linux::{SI_QUEUE, SI_USER, SigInfo, SignalNumber, SignalSet};
use alloc::collections::{BTreeMap, VecDeque};

/// A set of pending signals: standard ones once each, real-time ones as often as they were sent.
#[derive(Clone, Debug, Default)]
pub struct Pending {
    set: SignalSet,
    /// What came with them; a signal in `set` without an entry came when the queue was full.
    queues: BTreeMap<SignalNumber, VecDeque<SigInfo>>,
    queued: u64,
}

impl Pending {
    /// Which signals are pending.
    #[must_use]
    pub fn set(&self) -> SignalSet {
        self.set
    }

    /// How many instances are pending with what came with them.
    #[must_use]
    pub fn queued(&self) -> u64 {
        self.queued
    }

    /// Adds a signal. A standard signal that is pending already is merged with it.
    ///
    /// `limit` is `RLIMIT_SIGPENDING`; Corral counts it for each set, where Linux counts it for each user.
    /// Beyond it a real-time signal from `kill` or the kernel is still noted once, without what came with it.
    ///
    /// # Errors
    /// EAGAIN for a queued real-time signal beyond the limit.
    pub fn post(&mut self, info: SigInfo, limit: u64) -> Result<(), Errno> {
        let signal = info.signal;
        if !signal.is_realtime() {
            if !self.set.contains(signal) {
                self.replace(info);
            }
            return Ok(());
        }
        if self.queued < limit {
            self.set = self.set.with(signal);
            self.queues.entry(signal).or_default().push_back(info);
            self.queued += 1;
            return Ok(());
        }
        if info.code <= SI_QUEUE {
            return Err(Errno::EAGAIN);
        }
        self.set = self.set.with(signal);
        Ok(())
    }

    /// Adds a signal in place of what is pending of it.
    pub fn replace(&mut self, info: SigInfo) {
        self.cancel(SignalSet::of(&[info.signal]));
        self.set = self.set.with(info.signal);
        self.queues.insert(info.signal, VecDeque::from([info]));
        self.queued += 1;
    }

    /// Takes the first of the `wanted` signals: lowest number first, then oldest.
    pub fn take(&mut self, wanted: SignalSet) -> Option<SigInfo> {
        let signal = self.set.intersection(wanted).first()?;
        let info = self.queues.get_mut(&signal).and_then(VecDeque::pop_front);
        if self.queues.get(&signal).is_some_and(VecDeque::is_empty) {
            self.queues.remove(&signal);
        }
        if !self.queues.contains_key(&signal) {
            self.set = self.set.without(signal);
        }
        match info {
            Some(info) => {
                self.queued -= 1;
                Some(info)
            }
            None => Some(unknown(signal)),
        }
    }

    /// Whether one of a signal is pending with what `is_it` says that came with it.
    pub fn contains(&self, signal: SignalNumber, is_it: impl Fn(&SigInfo) -> bool) -> bool {
        self.queues
            .get(&signal)
            .is_some_and(|queue| queue.iter().any(is_it))
    }

    /// What [`Pending::take`] would give.
    #[must_use]
    pub fn peek(&self, wanted: SignalSet) -> Option<SigInfo> {
        let signal = self.set.intersection(wanted).first()?;
        let first = self.queues.get(&signal).and_then(VecDeque::front);
        Some(first.copied().unwrap_or_else(|| unknown(signal)))
    }

    /// Removes signals.
    pub fn cancel(&mut self, signals: SignalSet) {
        let mut rest = self.set.intersection(signals);
        self.set = self.set.difference(signals);
        while let Some(signal) = rest.first() {
            rest = rest.without(signal);
            if let Some(queue) = self.queues.remove(&signal) {
                self.queued -= queue.len() as u64;
            }
        }
    }
}

/// A signal that came when there was no room for what came with it.
fn unknown(signal: SignalNumber) -> SigInfo {
    SigInfo::sent(signal, SI_USER, 0, 0)
}
