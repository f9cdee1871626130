//! Options that every socket takes and that change nothing of one without a network (`man 7 socket`): they are kept and shown.

use crate::ChannelEnd;
use abi::Errno;
use abi::linux::{
    SO_BROADCAST, SO_DONTROUTE, SO_KEEPALIVE, SO_OOBINLINE, SO_PRIORITY, SO_RCVBUFFORCE,
    SO_RCVLOWAT, SO_REUSEADDR, SO_REUSEPORT, SO_SNDBUFFORCE, SO_TIMESTAMP, SO_TIMESTAMPNS,
};
use core::sync::atomic::{AtomicU32, AtomicU64, Ordering};

/// Those that are on or off, each with its bit.
const SWITCHES: [u32; 6] = [
    SO_REUSEADDR,
    SO_REUSEPORT,
    SO_BROADCAST,
    SO_DONTROUTE,
    SO_KEEPALIVE,
    SO_OOBINLINE,
];

/// Highest priority that needs no privilege.
const PRIORITY_MAX: i32 = 6;

/// What programs have set.
#[derive(Debug, Default)]
pub struct KeptOptions {
    switches: AtomicU32,
    priority: AtomicU32,
    /// One less than the least that a receive wants, in bytes.
    more_than: AtomicU32,
    /// SO_LINGER: whether, and for how many seconds.
    linger: AtomicU64,
    /// SO_TIMESTAMP or SO_TIMESTAMPNS, whichever is on; 0 for neither.
    stamp: AtomicU32,
}

/// How many bytes a buffer is asked to hold (`man 7 socket`, SO_SNDBUF, SO_RCVBUF): it is then made for twice as many. With
/// SO_SNDBUFFORCE and SO_RCVBUFFORCE the limit is that of numbers (`/proc/sys/net/core/rmem_max`, `wmem_max`, otherwise).
#[must_use]
pub fn asked_buffer(option: u32, value: i32) -> usize {
    const FORCED_MAX: usize = (i32::MAX / 2) as usize;
    if matches!(option, SO_SNDBUFFORCE | SO_RCVBUFFORCE) {
        return usize::try_from(value).unwrap_or(0).min(FORCED_MAX);
    }
    // A negative size is taken for a very large one, as on Linux.
    let most = ChannelEnd::BUFFER_MAX;
    usize::try_from(value).unwrap_or(most).min(most)
}

fn bit(option: u32) -> Option<u32> {
    let place = SWITCHES.iter().position(|&switch| switch == option)?;
    Some(1 << place)
}

impl KeptOptions {
    /// The value of an option that is a number; `None` for one that is not kept here.
    #[must_use]
    pub fn number(&self, option: u32) -> Option<u32> {
        Some(match option {
            SO_PRIORITY => self.priority.load(Ordering::Relaxed),
            SO_RCVLOWAT => self.more_than.load(Ordering::Relaxed).saturating_add(1),
            SO_TIMESTAMP | SO_TIMESTAMPNS => u32::from(self.stamp() == Some(option)),
            switch => u32::from(self.switches.load(Ordering::Relaxed) & bit(switch)? != 0),
        })
    }

    /// Sets such an option.
    ///
    /// # Errors
    /// ENOPROTOOPT for one that is not kept here; EPERM for a priority that needs a privilege.
    pub fn set_number(&self, option: u32, value: i32) -> Result<(), Errno> {
        match option {
            SO_PRIORITY if !(0..=PRIORITY_MAX).contains(&value) => return Err(Errno::EPERM),
            SO_PRIORITY => self.priority.store(value.unsigned_abs(), Ordering::Relaxed),
            SO_RCVLOWAT => {
                // A negative number is taken for the largest, as on Linux.
                let least = u32::try_from(value).unwrap_or(i32::MAX.unsigned_abs());
                self.more_than
                    .store(least.saturating_sub(1), Ordering::Relaxed);
            }
            SO_TIMESTAMP | SO_TIMESTAMPNS => {
                let stamp = if value == 0 { 0 } else { option };
                self.stamp.store(stamp, Ordering::Relaxed);
            }
            switch => {
                let bit = bit(switch).ok_or(Errno::ENOPROTOOPT)?;
                if value != 0 {
                    self.switches.fetch_or(bit, Ordering::Relaxed);
                } else {
                    self.switches.fetch_and(!bit, Ordering::Relaxed);
                }
            }
        }
        Ok(())
    }

    /// In which form a message is to come with its time, as the option that asks for it; `None` when it is not.
    #[must_use]
    pub fn stamp(&self) -> Option<u32> {
        let stamp = self.stamp.load(Ordering::Relaxed);
        (stamp != 0).then_some(stamp)
    }

    /// Whether closing waits, and for how many seconds.
    #[must_use]
    pub fn linger(&self) -> (i32, i32) {
        let both = self.linger.load(Ordering::Relaxed);
        ((both >> 32) as i32, both as u32 as i32)
    }

    /// Changes that.
    pub fn set_linger(&self, on: i32, seconds: i32) {
        let both = u64::from(on != 0) << 32 | u64::from(seconds.cast_unsigned());
        self.linger.store(both, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_set_is_shown() {
        let kept = KeptOptions::default();
        for option in SWITCHES {
            assert_eq!(kept.number(option), Some(0));
            assert_eq!(kept.set_number(option, -3), Ok(()));
            assert_eq!(kept.number(option), Some(1));
        }
        assert_eq!(kept.set_number(SO_REUSEPORT, 0), Ok(()));
        assert_eq!(
            (kept.number(SO_REUSEPORT), kept.number(SO_BROADCAST)),
            (Some(0), Some(1))
        );
        assert_eq!(
            (kept.set_number(SO_PRIORITY, 6), kept.number(SO_PRIORITY)),
            (Ok(()), Some(6))
        );
        assert_eq!(kept.set_number(SO_PRIORITY, 7), Err(Errno::EPERM));
        for (set, shown) in [(0, 1), (1, 1), (9, 9), (-1, i32::MAX.unsigned_abs())] {
            assert_eq!(kept.set_number(SO_RCVLOWAT, set), Ok(()));
            assert_eq!(kept.number(SO_RCVLOWAT), Some(shown));
        }
        for (option, other) in [
            (SO_TIMESTAMP, SO_TIMESTAMPNS),
            (SO_TIMESTAMPNS, SO_TIMESTAMP),
        ] {
            assert_eq!(kept.set_number(option, 1), Ok(()));
            assert_eq!(
                (kept.number(option), kept.number(other), kept.stamp()),
                (Some(1), Some(0), Some(option))
            );
        }
        assert_eq!(kept.set_number(SO_TIMESTAMP, 0), Ok(()));
        assert_eq!(kept.stamp(), None);
        kept.set_linger(5, -1);
        assert_eq!(kept.linger(), (1, -1));
        assert_eq!(
            (kept.number(99), kept.set_number(99, 1)),
            (None, Err(Errno::ENOPROTOOPT))
        );
    }

    #[test]
    fn a_buffer_is_as_large_as_may_be_asked() {
        use abi::linux::{SO_RCVBUF, SO_SNDBUF};
        let most = ChannelEnd::BUFFER_MAX;
        for (option, value, bytes) in [
            (SO_SNDBUF, 5000, 5000),
            (SO_RCVBUF, 1 << 20, most),
            (SO_SNDBUF, -1, most),
            (SO_RCVBUFFORCE, 1 << 20, 1 << 20),
            (SO_SNDBUFFORCE, i32::MAX, i32::MAX as usize / 2),
            (SO_SNDBUFFORCE, -1, 0),
        ] {
            assert_eq!(asked_buffer(option, value), bytes);
        }
    }
}
