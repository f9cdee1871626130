//! Waiting for files to be ready.
//!
//! Every run looks at all files again, part by part. As long as nothing is ready each file enrols the call's waiter, so that
//! whatever changes later wakes the thread; links that were not needed are given up when the run ends. Open files
//! are fetched first: the table of descriptors is not locked while they are asked.

use super::Call;
use crate::dispatch::one_of_many;
use crate::outcome::{Called, Outcome};
use crate::signals;
use crate::system::system;
use abi::linux::{PollFd, Resource, SignalSet, Timespec, Timeval, check_set_size};
use abi::{Errno, Nanos, Ticks};
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::ops::Range;
use fallible::NoMemory;
use vfs::{Descriptor, OpenFile};
use wait::{PollEvents, Waiter};

/// `man 2 poll`.
///
/// # Errors
/// EFAULT, EINVAL for more entries than RLIMIT_NOFILE, ENOMEM.
pub fn poll(call: &mut Call<'_>) -> Called {
    let timeout = call.argument(2) as u32 as i32;
    let span = u64::try_from(timeout)
        .ok()
        .map(|millis| ticks(Nanos(millis * 1_000_000)));
    poll_files(call, span)
}

/// `man 2 ppoll`; stores the time that is left, as Linux does.
///
/// # Errors
/// As [`poll()`]; EINVAL for a time or a set that cannot be.
pub fn ppoll(call: &mut Call<'_>) -> Called {
    let span = timespec(call, 2)?;
    let mask = match call.argument(3) {
        0 => None,
        address => {
            check_set_size(call.argument(4))?;
            Some(SignalSet(call.user.u64(address)?))
        }
    };
    let called = with_mask(call, mask, |call| poll_files(call, span));
    tell_rest(call, 2, span, &called, |rest| {
        Timespec::from_nanos(rest).encode()
    });
    called
}

/// `man 2 select`; stores the time that is left, as Linux does.
///
/// # Errors
/// EBADF, EFAULT, EINVAL for a negative number or time, ENOMEM.
pub fn select(call: &mut Call<'_>) -> Called {
    let span = match call.argument(4) {
        0 => None,
        address => Some(ticks(timeval(Timeval::decode(&call.user.bytes(address)?))?)),
    };
    let called = select_files(call, span);
    tell_rest(call, 4, span, &called, |rest| {
        Timeval::from_nanos(rest).encode()
    });
    called
}

/// `man 2 pselect`; stores the time that is left, as Linux does.
///
/// # Errors
/// As [`select`].
pub fn pselect6(call: &mut Call<'_>) -> Called {
    let span = timespec(call, 4)?;
    let mask = match call.argument(5) {
        0 => None,
        // The sixth argument points to the address of the set and its size.
        pair => match call.user.u64(pair)? {
            0 => None,
            address => {
                check_set_size(call.user.u64(pair.wrapping_add(8))?)?;
                Some(SignalSet(call.user.u64(address)?))
            }
        },
    };
    let called = with_mask(call, mask, |call| select_files(call, span));
    tell_rest(call, 4, span, &called, |rest| {
        Timespec::from_nanos(rest).encode()
    });
    called
}

pub(super) fn ticks(nanos: Nanos) -> Ticks {
    system().timebase.ticks(nanos)
}

pub(super) fn timespec(call: &Call<'_>, index: usize) -> Result<Option<Ticks>, Errno> {
    match call.argument(index) {
        0 => Ok(None),
        address => Ok(Some(ticks(
            Timespec::decode(&call.user.bytes(address)?).nanos()?,
        ))),
    }
}

/// A span for `select`, which takes a second or more of microseconds.
fn timeval(time: Timeval) -> Result<Nanos, Errno> {
    let part = |value: i64| u64::try_from(value).map_err(|_| Errno::EINVAL);
    let (seconds, micros) = (part(time.sec)?, part(time.usec)?);
    Ok(Nanos(
        seconds
            .saturating_mul(1_000_000_000)
            .saturating_add(micros.saturating_mul(1000)),
    ))
}

/// Stores what is left of the timeout of a call that has completed.
fn tell_rest(
    call: &Call<'_>,
    index: usize,
    span: Option<Ticks>,
    called: &Called,
    encode: impl FnOnce(Nanos) -> [u8; 16],
) {
    if span.is_none() || called.is_err() {
        return;
    }
    let until = call.deadline(span).unwrap_or_default();
    let rest = system()
        .timebase
        .nanos(until.saturating_sub(arch::time::now()));
    // A timeout in memory that cannot be written is no error of the call (`man 2 select`, "Linux").
    call.user.write(call.argument(index), &encode(rest)).ok();
}

/// Runs a call with a signal mask in place, until it completes without a handler.
pub(super) fn with_mask<'a>(
    call: &mut Call<'a>,
    mask: Option<SignalSet>,
    run: impl FnOnce(&mut Call<'a>) -> Called,
) -> Called {
    let Some(mask) = mask else { return run(call) };
    call.thread.signals.lock().suspend_mask(mask);
    let mut called = run(call);
    if matches!(called, Err(Outcome::Park(_)) | Ok(0)) && signals::are_due(call.thread) {
        // The mask lets one through that was pending before: it comes before the wait and before the timeout.
        call.thread.call_attention();
        called = Err(Outcome::Again);
    }
    if matches!(called, Ok(_) | Err(Outcome::Failed(_))) {
        call.thread.signals.lock().restore_mask();
    }
    called
}

/// What is looked at and what is wanted of it; `None` for a descriptor that is not open.
struct Watch {
    file: Option<Arc<OpenFile>>,
    wanted: PollEvents,
}

impl Watch {
    /// What it is ready for; enrols the waiter if that is nothing.
    fn look(&self, waiter: Option<&Waiter>) -> PollEvents {
        match &self.file {
            None => PollEvents::NVAL,
            Some(file) => file.poll(self.wanted, waiter) & (self.wanted | PollEvents::ALWAYS),
        }
    }
}

/// Fetches the files of descriptors under one lock.
fn watch(
    call: &Call<'_>,
    wanted: impl Iterator<Item = (Descriptor, PollEvents)>,
) -> Result<Vec<Watch>, Errno> {
    let files = call.process().files()?;
    let files = files.lock();
    let open = |descriptor| {
        files
            .get(descriptor)
            .ok()
            .filter(|file| !file.access().is_empty())
    };
    let watch = |(descriptor, wanted)| Watch {
        file: open(descriptor),
        wanted,
    };
    Ok(fallible::collect(wanted.map(watch))?)
}

/// Whether the time of a call is over.
pub(super) fn is_late(until: Option<Ticks>) -> bool {
    until.is_some_and(|until| arch::time::now() >= until)
}

fn poll_files(call: &mut Call<'_>, span: Option<Ticks>) -> Called {
    let count = call.argument(1) & 0xffff_ffff;
    let limit = call.process().limit(Resource::OpenFiles);
    if count > limit.min(u64::from(vfs::DESCRIPTOR_LIMIT)) {
        return Err(Errno::EINVAL.into());
    }
    let until = call.deadline(span);
    let may_wait = span != Some(Ticks(0)) && !is_late(until);
    let mut ready = 0;
    for first in (0..count).step_by(PART) {
        let part = (count - first).min(PART as u64) as usize;
        let offset = first * PollFd::SIZE as u64;
        let address = call.argument(0).checked_add(offset).ok_or(Errno::EFAULT)?;
        poll_part(call, address, part, may_wait, &mut ready)?;
    }
    if ready == 0 && may_wait {
        call.waiter();
        return call.wait_until(until);
    }
    Ok(ready)
}

/// Descriptors that are fetched under one lock, and dealt with before the next are looked at.
const PART: usize = 256;

/// Polls a part of an array, and stores what it has found.
fn poll_part(
    call: &Call<'_>,
    address: u64,
    count: usize,
    may_wait: bool,
    ready: &mut u64,
) -> Result<(), Errno> {
    let mut bytes = fallible::filled(0, count * PollFd::SIZE)?;
    call.user.read(address, &mut bytes)?;
    let (entries, _) = bytes.as_chunks();
    let mut entries = fallible::collect(entries.iter().map(PollFd::decode))?;
    let asked = |entry: &&mut PollFd| entry.fd >= 0;
    let wanted = entries.iter().filter(|entry| entry.fd >= 0).map(|entry| {
        (
            Descriptor(entry.fd.cast_unsigned()),
            PollEvents::from_bits_truncate(entry.events),
        )
    });
    let watches = watch(call, wanted)?;
    entries.iter_mut().for_each(|entry| entry.revents = 0);
    for (entry, watch) in entries.iter_mut().filter(asked).zip(&watches) {
        let waiter = (may_wait && *ready == 0).then(|| call.waiter());
        let found = watch.look(waiter);
        entry.revents = found.bits();
        *ready += u64::from(!found.is_empty());
        one_of_many();
    }
    let bytes = fallible::collect(entries.iter().flat_map(PollFd::encode))?;
    call.user.write(address, &bytes)
}

/// The three sets of a select, as words of 64 descriptors.
#[derive(Clone, Default)]
struct Sets([Vec<u64>; 3]);

/// What counts as ready for each set, as on Linux (fs/select.c: POLLIN_SET, POLLOUT_SET, POLLEX_SET).
const READY: [PollEvents; 3] = [
    PollEvents::READABLE
        .union(PollEvents::RDBAND)
        .union(PollEvents::HUP)
        .union(PollEvents::ERR),
    PollEvents::WRITABLE
        .union(PollEvents::WRBAND)
        .union(PollEvents::ERR),
    PollEvents::PRI,
];

impl Sets {
    /// Reads the sets, of which the first `words` words count.
    fn fetch(call: &Call<'_>, words: usize) -> Result<Self, Errno> {
        let mut sets = Self::default();
        for (index, set) in sets.0.iter_mut().enumerate() {
            let address = call.argument(index + 1);
            if address == 0 {
                continue;
            }
            let mut bytes = fallible::filled(0u8, words * 8)?;
            call.user.read(address, &mut bytes)?;
            let (chunks, _) = bytes.as_chunks();
            *set = fallible::collect(chunks.iter().map(|chunk| u64::from_le_bytes(*chunk)))?;
        }
        Ok(sets)
    }

    /// Sets without members, of the same sizes.
    fn emptied(&self) -> Result<Self, NoMemory> {
        let [reading, writing, exceptional] = &self.0;
        let emptied = |set: &Vec<u64>| fallible::filled(0, set.len());
        Ok(Self([
            emptied(reading)?,
            emptied(writing)?,
            emptied(exceptional)?,
        ]))
    }

    fn store(&self, call: &Call<'_>) -> Result<(), Errno> {
        for (index, set) in self.0.iter().enumerate().filter(|(_, set)| !set.is_empty()) {
            let bytes = fallible::collect(set.iter().flat_map(|word| word.to_le_bytes()))?;
            call.user.write(call.argument(index + 1), &bytes)?;
        }
        Ok(())
    }

    fn contains(&self, set: usize, number: u32) -> bool {
        let word = self
            .0
            .get(set)
            .and_then(|set| set.get(number as usize / 64));
        word.is_some_and(|word| word >> (number % 64) & 1 == 1)
    }

    fn insert(&mut self, set: usize, number: u32) {
        if let Some(word) = self
            .0
            .get_mut(set)
            .and_then(|set| set.get_mut(number as usize / 64))
        {
            *word |= 1 << (number % 64);
        }
    }

    /// What is wanted of some descriptors.
    fn wanted(&self, numbers: Range<u32>) -> Result<Vec<(Descriptor, PollEvents)>, NoMemory> {
        let of = |number| {
            READY
                .iter()
                .enumerate()
                .fold(PollEvents::empty(), |wanted, (set, events)| {
                    if self.contains(set, number) {
                        wanted | *events
                    } else {
                        wanted
                    }
                })
        };
        let all = numbers.map(|number| (Descriptor(number), of(number)));
        fallible::collect(all.filter(|(_, wanted)| !wanted.is_empty()))
    }
}

fn select_files(call: &mut Call<'_>, span: Option<Ticks>) -> Called {
    let count = u32::try_from(call.argument(0) as u32 as i32).map_err(|_| Errno::EINVAL)?;
    // Beyond the table nothing is open, and programs may pass sets that end there.
    let capacity = call.process().files()?.lock().capacity();
    let count = count.min(u32::try_from(capacity).unwrap_or(u32::MAX));
    let sets = Sets::fetch(call, count.div_ceil(64) as usize)?;
    let until = call.deadline(span);
    let may_wait = span != Some(Ticks(0)) && !is_late(until);
    let mut found = sets.emptied()?;
    let mut ready = 0;
    for first in (0..count).step_by(PART) {
        let wanted = sets.wanted(first..count.min(first + PART as u32))?;
        let watches = watch(call, wanted.iter().copied())?;
        if watches.iter().any(|watch| watch.file.is_none()) {
            return Err(Errno::EBADF.into());
        }
        for ((descriptor, _), watch) in wanted.iter().zip(&watches) {
            let waiter = (may_wait && ready == 0).then(|| call.waiter());
            let events = watch.look(waiter);
            for (set, counted) in READY.iter().enumerate() {
                if sets.contains(set, descriptor.0) && events.intersects(*counted) {
                    found.insert(set, descriptor.0);
                    ready += 1;
                }
            }
            one_of_many();
        }
    }
    if ready == 0 && may_wait {
        call.waiter();
        return call.wait_until(until);
    }
    found.store(call)?;
    Ok(ready)
}
