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
            self.used.reserve(number)?;
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
        Ok(Self {
            slots: fallible::copy(&self.slots)?,
            used: Numbers {
                words: fallible::copy(&self.used.words)?,
                full: fallible::copy(&self.used.full)?,
            },
        })
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
        let slots = self.slots.get(first as usize..).unwrap_or_default();
        let numbered = (first..).zip(slots);
        numbered
            .filter_map(|(number, slot)| slot.as_ref().map(|slot| (Descriptor(number), &slot.file)))
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

    /// Makes room for a number, so that [`Numbers::set`] has it.
    fn reserve(&mut self, number: u32) -> Result<(), NoMemory> {
        let (word, _) = split(number as usize);
        let more = |length: usize, wanted: usize| wanted.saturating_sub(length);
        self.words.try_reserve(more(self.words.len(), word + 1))?;
        self.full
            .try_reserve(more(self.full.len(), word / 64 + 1))?;
        self.words.resize(self.words.len().max(word + 1), 0);
        self.full.resize(self.full.len().max(word / 64 + 1), 0);
        Ok(())
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
