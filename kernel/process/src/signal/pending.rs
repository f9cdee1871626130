//! Signals that have been sent and not yet delivered.

use abi::Errno;
use abi::linux::{SI_QUEUE, SI_USER, SigInfo, SignalNumber, SignalSet};
use alloc::collections::{BTreeMap, VecDeque};
use smallvec::SmallVec;

/// A set of pending signals: standard ones once each, real-time ones as often as they were sent.
#[derive(Clone, Debug, Default)]
pub struct Pending {
    set: SignalSet,
    /// What came with standard signals, at most one each; there is seldom more than one.
    standard: SmallVec<[SigInfo; 1]>,
    /// What came with real-time signals; one in `set` without an entry came when the queue was full.
    realtime: BTreeMap<SignalNumber, VecDeque<SigInfo>>,
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
            self.realtime.entry(signal).or_default().push_back(info);
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
        self.queued += 1;
        if info.signal.is_realtime() {
            self.realtime.insert(info.signal, VecDeque::from([info]));
        } else {
            self.standard.push(info);
        }
    }

    /// Takes the first of the `wanted` signals: lowest number first, then oldest.
    pub fn take(&mut self, wanted: SignalSet) -> Option<SigInfo> {
        let signal = self.set.intersection(wanted).first()?;
        let info = self.take_info(signal);
        if !self.realtime.contains_key(&signal) {
            self.set = self.set.without(signal);
        }
        self.queued -= u64::from(info.is_some());
        Some(info.unwrap_or_else(|| unknown(signal)))
    }

    fn take_info(&mut self, signal: SignalNumber) -> Option<SigInfo> {
        if let Some(at) = self.standard_at(signal) {
            return Some(self.standard.swap_remove(at));
        }
        let queue = self.realtime.get_mut(&signal)?;
        let info = queue.pop_front();
        if queue.is_empty() {
            self.realtime.remove(&signal);
        }
        info
    }

    fn standard_at(&self, signal: SignalNumber) -> Option<usize> {
        self.standard.iter().position(|info| info.signal == signal)
    }

    /// What came with the instances of a signal, oldest first.
    fn infos(&self, signal: SignalNumber) -> impl Iterator<Item = &SigInfo> {
        let standard = self
            .standard_at(signal)
            .and_then(|at| self.standard.get(at));
        let realtime = self.realtime.get(&signal).into_iter().flatten();
        standard.into_iter().chain(realtime)
    }

    /// Whether one of a signal is pending with what `is_it` says that came with it.
    pub fn contains(&self, signal: SignalNumber, is_it: impl Fn(&SigInfo) -> bool) -> bool {
        self.infos(signal).any(is_it)
    }

    /// What [`Pending::take`] would give.
    #[must_use]
    pub fn peek(&self, wanted: SignalSet) -> Option<SigInfo> {
        let signal = self.set.intersection(wanted).first()?;
        let first = self.infos(signal).next();
        Some(first.copied().unwrap_or_else(|| unknown(signal)))
    }

    /// Removes signals.
    pub fn cancel(&mut self, signals: SignalSet) {
        let gone = self.set.intersection(signals);
        if gone.is_empty() {
            return;
        }
        self.set = self.set.difference(signals);
        self.standard.retain(|info| !gone.contains(info.signal));
        self.realtime.retain(|signal, _| !gone.contains(*signal));
        let realtime: usize = self.realtime.values().map(VecDeque::len).sum();
        self.queued = (self.standard.len() + realtime) as u64;
    }
}

/// A signal that came when there was no room for what came with it.
fn unknown(signal: SignalNumber) -> SigInfo {
    SigInfo::sent(signal, SI_USER, 0, 0)
}
