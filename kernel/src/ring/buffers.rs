//! Groups of buffers from which one is chosen when there is something to put into it (`man 3 io_uring_register_buf_ring`,
//! IORING_OP_PROVIDE_BUFFERS).
//!
//! A group is a list that the kernel keeps, or a ring in the program's memory, of which the kernel keeps only how far
//! it has come. Whatever stands in such a ring is believed no more than any address in an entry.

use crate::user::User;
use abi::Errno;
use abi::linux::UringBuffer;
use alloc::collections::VecDeque;
use fallible::{Map, NoMemory};

/// The groups of a ring, by their numbers.
#[derive(Default)]
pub struct Groups(Map<u16, Group>);

enum Group {
    /// Buffers that entries have provided.
    Provided(VecDeque<Buffer>),
    /// A ring in the program's memory.
    Shared(Shared),
}

#[derive(Clone, Copy, PartialEq, Eq)]
struct Shared {
    address: u64,
    /// Places, a power of two.
    entries: u16,
    /// How many have been taken.
    head: u16,
}

/// A buffer that has been chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Buffer {
    /// Its address.
    pub address: u64,
    /// Its size in bytes.
    pub length: u32,
    /// What the program calls it.
    pub number: u16,
}

/// Where the next buffer of a group is.
pub enum Next {
    /// Here; it has been taken.
    Taken(Buffer),
    /// In the program's memory.
    InRing(Place),
}

/// A place in a group's ring.
#[derive(Clone, Copy)]
pub struct Place(Shared);

impl Groups {
    /// Most buffers of a group.
    pub const BUFFERS_MAX: usize = 1 << 16;

    /// Takes the next buffer, or tells where it is.
    ///
    /// # Errors
    /// ENOBUFS.
    pub fn next(&mut self, group: u16) -> Result<Next, Errno> {
        match self.0.get_mut(&group) {
            Some(Group::Provided(buffers)) => {
                buffers.pop_front().map(Next::Taken).ok_or(Errno::ENOBUFS)
            }
            Some(Group::Shared(ring)) => Ok(Next::InRing(Place(*ring))),
            None => Err(Errno::ENOBUFS),
        }
    }

    /// Takes the buffer at a place; false when another one has been taken meanwhile.
    pub fn take(&mut self, group: u16, place: Place) -> bool {
        match self.0.get_mut(&group) {
            Some(Group::Shared(ring)) if *ring == place.0 => {
                ring.head = ring.head.wrapping_add(1);
                true
            }
            _ => false,
        }
    }

    /// Gives a buffer back that nothing was put into. In a ring only the last one that was taken can be: another one is
    /// lost to the program, which then lacks it as if it had been filled.
    pub fn give_back(&mut self, group: u16, buffer: Buffer) {
        match self.0.get_mut(&group) {
            // It had its place there.
            Some(Group::Provided(buffers)) => buffers.push_front(buffer),
            Some(Group::Shared(ring)) => ring.head = ring.head.wrapping_sub(1),
            None => {}
        }
    }

    /// Adds `count` buffers of `length` bytes each that lie one behind the other and have numbers from `number` on.
    ///
    /// # Errors
    /// EINVAL when the group is a ring, ENOMEM.
    pub fn provide(&mut self, group: u16, count: u16, first: Buffer) -> Result<(), Errno> {
        let found = self
            .0
            .get_or_insert_with(group, || Group::Provided(VecDeque::new()))?;
        let Group::Provided(buffers) = found else {
            return Err(Errno::EINVAL);
        };
        if buffers.len() + usize::from(count) > Self::BUFFERS_MAX {
            return Err(Errno::ENOMEM);
        }
        // One place more for each that may be given back is there: what was taken has left its own.
        buffers
            .try_reserve(usize::from(count))
            .map_err(NoMemory::from)?;
        buffers.extend((0..count).map(|index| Buffer {
            address: first.address + u64::from(first.length) * u64::from(index),
            length: first.length,
            number: first.number.wrapping_add(index),
        }));
        Ok(())
    }

    /// Takes up to `count` buffers away; answers how many.
    ///
    /// # Errors
    /// ENOENT without such a group, EINVAL when it is a ring.
    pub fn remove(&mut self, group: u16, count: usize) -> Result<usize, Errno> {
        let Some(found) = self.0.get_mut(&group) else {
            return Err(Errno::ENOENT);
        };
        let Group::Provided(buffers) = found else {
            return Err(Errno::EINVAL);
        };
        let count = count.min(buffers.len());
        buffers.drain(..count);
        if buffers.is_empty() {
            self.0.remove(&group);
        }
        Ok(count)
    }

    /// Makes a ring in the program's memory a group.
    ///
    /// # Errors
    /// EEXIST when there is the group, ENOMEM.
    pub fn share(&mut self, group: u16, address: u64, entries: u16) -> Result<(), Errno> {
        if self.0.contains_key(&group) {
            return Err(Errno::EEXIST);
        }
        let ring = Shared {
            address,
            entries,
            head: 0,
        };
        self.0.insert(group, Group::Shared(ring))?;
        Ok(())
    }

    /// Forgets a ring.
    ///
    /// # Errors
    /// ENOENT without such a group, EINVAL when it is no ring.
    pub fn unshare(&mut self, group: u16) -> Result<(), Errno> {
        match self.0.get(&group) {
            Some(Group::Shared(_)) => {
                self.0.remove(&group);
                Ok(())
            }
            Some(Group::Provided(_)) => Err(Errno::EINVAL),
            None => Err(Errno::ENOENT),
        }
    }
}

impl Place {
    /// Offset of the word in which the program counts what it has put there: it lies over the first place.
    const TAIL: u64 = 14;

    /// The buffer there.
    ///
    /// # Errors
    /// ENOBUFS when the program has put none there, EFAULT.
    pub fn read(&self, user: &User) -> Result<Buffer, Errno> {
        let Self(ring) = self;
        let tail = u16::from_le_bytes(user.bytes(ring.address.wrapping_add(Self::TAIL))?);
        if tail == ring.head {
            return Err(Errno::ENOBUFS);
        }
        let index = u64::from(ring.head & (ring.entries - 1));
        let at = ring.address.wrapping_add(index * UringBuffer::SIZE as u64);
        let found = UringBuffer::decode(&user.bytes::<{ UringBuffer::SIZE }>(at)?);
        Ok(Buffer {
            address: found.addr,
            length: found.len,
            number: found.bid,
        })
    }
}
