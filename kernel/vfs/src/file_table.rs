//! A process's descriptors.

use crate::OpenFile;
use abi::Errno;
use alloc::sync::Arc;
use alloc::vec::Vec;
use fallible::NoMemory;

/// The number of an open file in a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Descriptor(pub u32);

impl Descriptor {
    /// From the register of a system call.
    ///
    /// # Errors
    /// EBADF when it is negative.
    pub fn from_register(value: u64) -> Result<Self, Errno> {
        // The ABI passes an int: the upper half is whatever the program left there.
        let number = value as u32 as i32;
        u32::try_from(number).map(Self).map_err(|_| Errno::EBADF)
    }
}

/// More descriptors than this no process can have, whatever its limit (as `/proc/sys/fs/nr_open`).
pub const DESCRIPTOR_LIMIT: u32 = 1 << 20;

#[derive(Clone)]
struct Slot {
    file: Arc<OpenFile>,
    close_on_exec: bool,
}

/// Descriptors that are copied at once: those of whole words of [`Numbers::full`], and some tens of microseconds' work.
const PART: usize = 64 * 64;

/// Files that have been taken out of a table; the first place is never empty.
pub type Taken = [Option<Arc<OpenFile>>; 32];

/// The descriptors of one process, or of several that share them (CLONE_FILES); the kernel keeps it in a
/// `SpinLock` of rank `FileTable`.
///
/// What is taken out is handed to the caller, who drops it after releasing the lock: closing a file may do much.
/// Limits are those of the process (RLIMIT_NOFILE) and are passed in.
#[derive(Default)]
pub struct FileTable {
    slots: Vec<Option<Slot>>,
    used: Numbers,
}

impl FileTable {
    /// A table without descriptors. `clone` makes the table of a forked process.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            slots: Vec::new(),
            used: Numbers::new(),
        }
    }

    /// Whether a descriptor below `limit` is free.
    #[must_use]
    pub fn has_free(&self, limit: u32) -> bool {
        self.used.lowest_free(0) < limit
    }

    /// Gives `file` the lowest free descriptor from `lowest` on.
    ///
    /// # Errors
    /// EMFILE when there is none below `limit`; ENOMEM; EINVAL when `lowest` is not below it (`man 2 fcntl`, F_DUPFD).
    pub fn insert(
        &mut self,
        file: Arc<OpenFile>,
        close_on_exec: bool,
        lowest: u32,
        limit: u32,
    ) -> Result<Descriptor, Errno> {
        let limit = limit.min(DESCRIPTOR_LIMIT);
        if lowest >= limit && lowest > 0 {
            return Err(Errno::EINVAL);
        }
        let number = self.used.lowest_free(lowest);
        if number >= limit {
            return Err(Errno::EMFILE);
        }
        self.put(
            number,
            Slot {
                file,
                close_on_exec,
            },
        )?;
        Ok(Descriptor(number))
    }

    fn put(&mut self, number: u32, slot: Slot) -> Result<Option<Arc<OpenFile>>, NoMemory> {
        let index = number as usize;
        if self.slots.len() <= index {
            self.slots.try_reserve(index + 1 - self.slots.len())?;
            self.used.reserve(index + 1)?;
            self.slots.resize_with(index + 1, || None);
        }
        self.used.set(number);
        let former = self
            .slots
            .get_mut(index)
            .and_then(|place| place.replace(slot));
        Ok(former.map(|slot| slot.file))
    }

    fn slot(&self, descriptor: Descriptor) -> Result<&Slot, Errno> {
        self.slots
            .get(descriptor.0 as usize)
            .and_then(Option::as_ref)
            .ok_or(Errno::EBADF)
    }

    /// The file of a descriptor.
    ///
    /// # Errors
    /// EBADF.
    pub fn get(&self, descriptor: Descriptor) -> Result<Arc<OpenFile>, Errno> {
        self.slot(descriptor).map(|slot| slot.file.clone())
    }

    /// Frees a descriptor and hands out its file.
    ///
    /// # Errors
    /// EBADF.
    pub fn remove(&mut self, descriptor: Descriptor) -> Result<Arc<OpenFile>, Errno> {
        let place = self
            .slots
            .get_mut(descriptor.0 as usize)
            .ok_or(Errno::EBADF)?;
        let slot = place.take().ok_or(Errno::EBADF)?;
        self.used.clear(descriptor.0);
        Ok(slot.file)
    }

    /// Makes `to` refer to the file of `from` and hands out what it referred to (dup2, dup3).
    ///
    /// # Errors
    /// EBADF when `from` is not open or `to` is not below `limit`, EINVAL when they are the same; ENOMEM.
    pub fn duplicate_to(
        &mut self,
        from: Descriptor,
        to: Descriptor,
        close_on_exec: bool,
        limit: u32,
    ) -> Result<Option<Arc<OpenFile>>, Errno> {
        let file = self.get(from)?;
        if to.0 >= limit.min(DESCRIPTOR_LIMIT) {
            return Err(Errno::EBADF);
        }
        if from == to {
            return Err(Errno::EINVAL);
        }
        let former = self.put(
            to.0,
            Slot {
                file,
                close_on_exec,
            },
        )?;
        Ok(former)
    }

    /// Whether a descriptor is closed by exec.
    ///
    /// # Errors
    /// EBADF.
    pub fn close_on_exec(&self, descriptor: Descriptor) -> Result<bool, Errno> {
        self.slot(descriptor).map(|slot| slot.close_on_exec)
    }

    /// Sets whether a descriptor is closed by exec.
    ///
    /// # Errors
    /// EBADF.
    pub fn set_close_on_exec(&mut self, descriptor: Descriptor, close: bool) -> Result<(), Errno> {
        let slot = self
            .slots
            .get_mut(descriptor.0 as usize)
            .and_then(Option::as_mut)
            .ok_or(Errno::EBADF)?;
        slot.close_on_exec = close;
        Ok(())
    }

    /// A table of the same files, for the process that `fork` makes.
    ///
    /// # Errors
    /// [`NoMemory`].
    pub fn try_clone(&self) -> Result<Self, NoMemory> {
        let mut copy = Self::new();
        while !self.copy_part(&mut copy)? {}
        Ok(copy)
    }

    /// Whether [`FileTable::try_clone`] is better done in steps.
    #[must_use]
    pub fn is_large(&self) -> bool {
        self.slots.len() > PART
    }

    /// Gives `copy`, at first an empty table, the files of some thousand further descriptors; answers whether it has all.
    /// What becomes of a descriptor after that is this table's own affair.
    ///
    /// # Errors
    /// [`NoMemory`]; `copy` is as before.
    pub fn copy_part(&self, copy: &mut Self) -> Result<bool, NoMemory> {
        let from = copy.slots.len();
        let rest = self.slots.get(from..).unwrap_or_default();
        let part = rest.get(..PART).unwrap_or(rest);
        // All that is needed at once, so that nothing is moved later.
        copy.slots.try_reserve_exact(rest.len())?;
        copy.used.reserve(from + part.len())?;
        copy.slots.extend_from_slice(part);
        copy.used.copy_from(&self.used, from);
        Ok(copy.slots.len() >= self.slots.len())
    }

    /// Takes out what exec closes, some at a time as [`FileTable::take_range`].
    #[must_use]
    pub fn take_for_exec(&mut self, at: &mut u32) -> Option<Taken> {
        self.take_where(at, u32::MAX, |slot| slot.close_on_exec)
    }

    /// Takes out everything from `at` to `last` (close_range, exit), some at a time, so that no memory is needed for it:
    /// until there is nothing more. `at` goes up.
    #[must_use]
    pub fn take_range(&mut self, at: &mut u32, last: u32) -> Option<Taken> {
        self.take_where(at, last, |_| true)
    }

    fn take_where(
        &mut self,
        at: &mut u32,
        last: u32,
        wanted: impl Fn(&Slot) -> bool,
    ) -> Option<Taken> {
        let mut taken = Taken::default();
        let mut places = taken.iter_mut();
        while let Some(number) = self.used.lowest_used(*at).filter(|number| *number <= last) {
            *at = number;
            let slot = self.slots.get_mut(number as usize);
            if let Some(slot) = slot.filter(|slot| slot.as_ref().is_some_and(&wanted)) {
                let Some(place) = places.next() else {
                    return Some(taken);
                };
                *place = slot.take().map(|slot| slot.file);
                self.used.clear(number);
            }
            *at += 1;
        }
        *at = last.saturating_add(1);
        taken.first().is_some_and(Option::is_some).then_some(taken)
    }

    /// The open descriptors in ascending order, from `first` on.
    pub fn iter_from(&self, first: u32) -> impl Iterator<Item = (Descriptor, &Arc<OpenFile>)> {
        let mut from = first;
        core::iter::from_fn(move || {
            let number = self.used.lowest_used(from)?;
            from = number + 1;
            let slot = self.slots.get(number as usize)?.as_ref()?;
            Some((Descriptor(number), &slot.file))
        })
    }

    /// How many descriptors the table has room for (`FDSize` of `/proc/PID/status`).
    #[must_use]
    pub fn capacity(&self) -> usize {
        self.slots.len().next_multiple_of(64)
    }
}

/// A set of numbers that finds its lowest gap quickly: a bit a number, and a bit a full word above it.
#[derive(Default)]
struct Numbers {
    words: Vec<u64>,
    full: Vec<u64>,
}

impl Numbers {
    const fn new() -> Self {
        Self {
            words: Vec::new(),
            full: Vec::new(),
        }
    }

    /// Makes room for the numbers below `count`, so that [`Numbers::set`] has it.
    fn reserve(&mut self, count: usize) -> Result<(), NoMemory> {
        let words = count.div_ceil(64).max(self.words.len());
        let full = words.div_ceil(64).max(self.full.len());
        self.words.try_reserve(words - self.words.len())?;
        self.full.try_reserve(full - self.full.len())?;
        self.words.resize(words, 0);
        self.full.resize(full, 0);
        Ok(())
    }

    /// Takes over what `other` has of the numbers from `first` on for which there is room; `first` begins a whole part.
    fn copy_from(&mut self, other: &Self, first: usize) {
        let words = first / 64;
        let pairs = [
            (&mut self.words, &other.words, words),
            (&mut self.full, &other.full, words / 64),
        ];
        for (into, from, first) in pairs {
            let from = from.get(first..).unwrap_or_default();
            let into = into.get_mut(first..).unwrap_or_default();
            for (into, from) in into.iter_mut().zip(from) {
                *into = *from;
            }
        }
    }

    fn set(&mut self, number: u32) {
        let (word, bit) = split(number as usize);
        let Some(bits) = self.words.get_mut(word) else {
            return;
        };
        *bits |= bit;
        if *bits == u64::MAX {
            let (above, bit) = split(word);
            if let Some(bits) = self.full.get_mut(above) {
                *bits |= bit;
            }
        }
    }

    fn clear(&mut self, number: u32) {
        let (word, bit) = split(number as usize);
        if let Some(bits) = self.words.get_mut(word) {
            *bits &= !bit;
        }
        let (above, bit) = split(word);
        if let Some(bits) = self.full.get_mut(above) {
            *bits &= !bit;
        }
    }

    fn lowest_free(&self, from: u32) -> u32 {
        let (word, bit) = split(from as usize);
        let Some(bits) = self.words.get(word) else {
            return from;
        };
        // Bits below `from` count as used.
        let taken = bits | (bit - 1);
        if taken != u64::MAX {
            return (word * 64) as u32 + taken.trailing_ones();
        }
        let word = self.word_with_gap(word + 1);
        let taken = self.words.get(word).copied().unwrap_or(0);
        (word * 64) as u32 + taken.trailing_ones()
    }

    fn lowest_used(&self, from: u32) -> Option<u32> {
        let (first, bit) = split(from as usize);
        let words = self.words.iter().enumerate().skip(first);
        words
            .map(|(index, bits)| {
                let used = if index == first {
                    bits & !(bit - 1)
                } else {
                    *bits
                };
                (index, used)
            })
            .find(|(_, used)| *used != 0)
            .map(|(index, used)| (index * 64) as u32 + used.trailing_zeros())
    }

    /// The first word from `from` on that is not full.
    fn word_with_gap(&self, from: usize) -> usize {
        let (first, bit) = split(from);
        for (index, bits) in self.full.iter().enumerate().skip(first) {
            let taken = if index == first {
                bits | (bit - 1)
            } else {
                *bits
            };
            if taken != u64::MAX {
                return index * 64 + taken.trailing_ones() as usize;
            }
        }
        from.max(self.full.len() * 64)
    }
}

fn split(number: usize) -> (usize, u64) {
    (number / 64, 1 << (number % 64))
}

#[cfg(test)]
mod tests;
