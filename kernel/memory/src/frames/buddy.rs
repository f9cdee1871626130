//! Free blocks: a binary buddy system with a list of hot single frames before it.
//!
//! Reference: K. C. Knowlton, "A fast storage allocator", CACM 8(10), 1965. A block of order `n` is
//! `1 << n` frames, aligned to its size. Links are frame numbers in the metadata; 0 ends a list (frame 0 is
//! never granted). Everything is O(orders).
//!
//! Single frames that become free go to the hot list first and are merged only when it is full or when a larger
//! block is not to be had: a fork and exit takes and gives the same few frames again and again.

use super::meta::Meta;
use crate::contents::Ram;
use core::sync::atomic::Ordering::Relaxed;

/// The number of block sizes: 1 frame to 64 MiB.
pub(crate) const ORDERS: u32 = 15;
/// How many frames the hot list holds: 8 MiB, what a program maps and unmaps in one go without splitting and merging.
const HOT: u32 = 2048;
const NONE: u32 = 0;

/// The free frames.
pub(crate) struct Buddy {
    lists: [u32; ORDERS as usize],
    /// Bit `n` is set when the list of order `n` is not empty.
    filled: u32,
    hot: u32,
    hot_count: u32,
    free: u32,
}

impl Buddy {
    pub(crate) const fn new() -> Self {
        Self {
            lists: [NONE; ORDERS as usize],
            filled: 0,
            hot: NONE,
            hot_count: 0,
            free: 0,
        }
    }

    /// Free frames, hot ones included.
    #[inline]
    pub(crate) fn free(&self) -> u32 {
        self.free
    }

    /// Takes one frame.
    #[inline]
    pub(crate) fn take_one(&mut self, ram: &Ram) -> Option<(u32, &'static Meta)> {
        if self.hot != NONE {
            let number = self.hot;
            let meta = ram.meta(number)?;
            self.hot = meta.next.load(Relaxed);
            self.hot_count -= 1;
            self.free -= 1;
            return Some((number, meta));
        }
        let number = self.take_merged(ram, 0)?;
        self.free -= 1;
        Some((number, ram.meta(number)?))
    }

    /// Gives one frame back.
    #[inline]
    pub(crate) fn give_one(&mut self, ram: &Ram, number: u32, meta: &Meta) {
        if self.hot_count < HOT {
            meta.set_hot();
            meta.next.store(self.hot, Relaxed);
            self.hot = number;
            self.hot_count += 1;
            self.free += 1;
        } else {
            self.give(ram, number, 0);
        }
    }

    /// Takes a block of `order`.
    pub(crate) fn take(&mut self, ram: &Ram, order: u32) -> Option<u32> {
        if order >= ORDERS {
            return None;
        }
        let number = match self.take_merged(ram, order) {
            Some(number) => number,
            None => {
                self.cool(ram);
                self.take_merged(ram, order)?
            }
        };
        self.free -= 1 << order;
        Some(number)
    }

    /// Gives a block of `order` back.
    pub(crate) fn give(&mut self, ram: &Ram, number: u32, order: u32) {
        self.free += 1 << order;
        self.merge(ram, number, order);
    }

    /// Gives `count` frames from `first` on back, in the largest aligned blocks.
    pub(crate) fn give_run(&mut self, ram: &Ram, first: u32, count: u32) {
        let (mut number, mut rest) = (first, count);
        while rest > 0 {
            let order = number.trailing_zeros().min(rest.ilog2()).min(ORDERS - 1);
            self.give(ram, number, order);
            number += 1 << order;
            rest -= 1 << order;
        }
    }

    /// Moves all hot frames to the buddy lists.
    fn cool(&mut self, ram: &Ram) {
        while self.hot != NONE {
            let number = self.hot;
            let Some(meta) = ram.meta(number) else { return };
            self.hot = meta.next.load(Relaxed);
            self.hot_count -= 1;
            self.merge(ram, number, 0);
        }
    }

    fn take_merged(&mut self, ram: &Ram, order: u32) -> Option<u32> {
        let fitting = self.filled >> order;
        if fitting == 0 {
            return None;
        }
        let mut found = order + fitting.trailing_zeros();
        let number = self.lists[found as usize];
        self.unlink(ram, number, found);
        while found > order {
            found -= 1;
            self.link(ram, number + (1 << found), found);
        }
        Some(number)
    }

    fn merge(&mut self, ram: &Ram, number: u32, order: u32) {
        let (mut number, mut order) = (number, order);
        while order < ORDERS - 1 {
            let buddy = number ^ (1 << order);
            if !ram.meta(buddy).is_some_and(|meta| meta.is_free(order)) {
                break;
            }
            self.unlink(ram, buddy, order);
            if let Some(meta) = ram.meta(number.max(buddy)) {
                meta.set_body();
            }
            number = number.min(buddy);
            order += 1;
        }
        self.link(ram, number, order);
    }

    fn link(&mut self, ram: &Ram, number: u32, order: u32) {
        let Some(meta) = ram.meta(number) else { return };
        let head = self.lists[order as usize];
        meta.set_free(order);
        meta.prev.store(NONE, Relaxed);
        meta.next.store(head, Relaxed);
        if let Some(head) = ram.meta(head).filter(|_| head != NONE) {
            head.prev.store(number, Relaxed);
        }
        self.lists[order as usize] = number;
        self.filled |= 1 << order;
    }

    fn unlink(&mut self, ram: &Ram, number: u32, order: u32) {
        let Some(meta) = ram.meta(number) else { return };
        let (prev, next) = (meta.prev.load(Relaxed), meta.next.load(Relaxed));
        meta.set_body();
        if let Some(next) = ram.meta(next).filter(|_| next != NONE) {
            next.prev.store(prev, Relaxed);
        }
        match ram.meta(prev).filter(|_| prev != NONE) {
            Some(prev) => prev.next.store(next, Relaxed),
            None => {
                self.lists[order as usize] = next;
                if next == NONE {
                    self.filled &= !(1 << order);
                }
            }
        }
    }
}
