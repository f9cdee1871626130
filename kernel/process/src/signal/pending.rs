//! Signals that have been sent and not yet delivered.

use abi::Errno;
use abi::linux::{Detail, SI_QUEUE, SI_TIMER, SI_USER, SigInfo, SignalNumber, SignalSet};
use alloc::collections::VecDeque;
use fallible::{Map, PushBack};
use smallvec::SmallVec;

/// A set of pending signals: standard ones once each, real-time ones as often as they were sent.
#[derive(Clone, Debug, Default)]
pub struct Pending {
    set: SignalSet,
    /// What came with standard signals, at most one each; there is seldom more than one.
    standard: SmallVec<[SigInfo; 1]>,
    /// What came with real-time signals; one in `set` without an entry came when the queue was full, or there was no
    /// memory.
    realtime: Map<SignalNumber, VecDeque<SigInfo>>,
    /// The timers whose signals are among these.
    timers: Map<(SignalNumber, i32), ()>,
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
        if self.queued < limit && self.queue(info) {
            self.set = self.set.with(signal);
            return Ok(());
        }
        if info.code <= SI_QUEUE {
            return Err(Errno::EAGAIN);
        }
        self.set = self.set.with(signal);
        Ok(())
    }

    /// Adds a signal in place of what is pending of it. Without memory it is noted without what came with it.
    pub fn replace(&mut self, info: SigInfo) {
        self.cancel(SignalSet::of(&[info.signal]));
        self.set = self.set.with(info.signal);
        self.queue(info);
    }

    /// Keeps what came with a signal; false when there is no memory for it.
    fn queue(&mut self, info: SigInfo) -> bool {
        let kept = if info.signal.is_realtime() {
            if let Some(timer) = timer_of(&info)
                && self.timers.insert(timer, ()).is_err()
            {
                return false;
            }
            let queue = self.realtime.get_or_insert_with(info.signal, VecDeque::new);
            let kept = queue.and_then(|queue| queue.try_push_back(info));
            if kept.is_err()
                && self
                    .realtime
                    .get(&info.signal)
                    .is_some_and(VecDeque::is_empty)
            {
                self.realtime.remove(&info.signal);
            }
            if let Some(timer) = timer_of(&info).filter(|_| kept.is_err()) {
                self.timers.remove(&timer);
            }
            kept.is_ok()
        } else {
            let room = self.standard.try_reserve(1).is_ok();
            if room {
                self.standard.push(info);
            }
            room
        };
        self.queued += u64::from(kept);
        kept
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
        if let Some(timer) = info.as_ref().and_then(timer_of) {
            self.timers.remove(&timer);
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

    /// What came with all that is pending, of each signal the oldest first.
    pub fn iter(&self) -> impl Iterator<Item = &SigInfo> {
        let realtime = self.realtime.values().flatten();
        self.standard.iter().chain(realtime)
    }

    /// Whether the signal of a timer is pending.
    #[must_use]
    pub fn has_timer(&self, signal: SignalNumber, id: i32) -> bool {
        if signal.is_realtime() {
            return self.timers.contains_key(&(signal, id));
        }
        let mut infos = self.infos(signal);
        infos.any(|info| timer_of(info) == Some((signal, id)))
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
        self.timers
            .retain(|(signal, _), ()| !gone.contains(*signal));
        let realtime: usize = self.realtime.values().map(VecDeque::len).sum();
        self.queued = (self.standard.len() + realtime) as u64;
    }
}

/// The timer that a signal comes from, if it does.
fn timer_of(info: &SigInfo) -> Option<(SignalNumber, i32)> {
    match info.detail {
        Detail::Timer { id, .. } if info.code == SI_TIMER => Some((info.signal, id)),
        _ => None,
    }
}

/// A signal that came when there was no room for what came with it.
fn unknown(signal: SignalNumber) -> SigInfo {
    SigInfo::sent(signal, SI_USER, 0, 0)
}
