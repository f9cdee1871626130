//! Sixteen bytes about each frame.

use core::sync::atomic::{AtomicU8, AtomicU16, AtomicU32, Ordering::Relaxed};

use super::Kind;
use abi::Cid;

/// The metadata of one frame. Links, owner, state and order change only under the allocator's lock, except by
/// the heap for frames that it holds; `references` counts [`super::Frame`] handles.
///
/// | frame is | references | next, prev | owner | order |
/// |---|---|---|---|---|
/// | free, head of a block | 0 | list of its order | – | of the block |
/// | free, on the hot list | 0 | next hot frame | – | 0 |
/// | allocated | handles, or 0 for a bare block | for a table: its user's notes | charged partition | of the block |
/// | a heap run | 0 | – | who pays for the object | of the block |
/// | a heap slab | objects in use | slabs with room | next object never used | – |
#[repr(C)]
pub(crate) struct Meta {
    pub(crate) references: AtomicU32,
    pub(crate) next: AtomicU32,
    pub(crate) prev: AtomicU32,
    pub(crate) owner: AtomicU16,
    state: AtomicU8,
    pub(crate) order: AtomicU8,
}

/// Who pays for a frame, and as what.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Payment {
    owner: u16,
    kind: u8,
}

impl Payment {
    /// Who pays.
    pub(crate) fn owner(self) -> Cid {
        Cid(self.owner)
    }

    /// What the frame is used for.
    pub(crate) fn kind(self) -> Kind {
        Kind::from_bits(self.kind)
    }
}

/// Never granted, or inside a block whose head says more.
const BODY: u8 = 0;
/// The first frame of a free block.
const FREE: u8 = 1;
/// A single free frame on the hot list.
const HOT: u8 = 2;
/// Allocated; the low bits are the kind.
const USED: u8 = 0x10;
/// With `USED`: the instruction caches agree with the contents.
const CLEAN: u8 = 0x80;

impl Meta {
    pub(crate) const fn absent() -> Self {
        Self {
            references: AtomicU32::new(0),
            next: AtomicU32::new(0),
            prev: AtomicU32::new(0),
            owner: AtomicU16::new(0),
            state: AtomicU8::new(BODY),
            order: AtomicU8::new(0),
        }
    }

    #[inline]
    pub(crate) fn set_body(&self) {
        self.state.store(BODY, Relaxed);
    }

    #[inline]
    pub(crate) fn set_free(&self, order: u32) {
        self.state.store(FREE, Relaxed);
        self.order.store(order as u8, Relaxed);
    }

    #[inline]
    pub(crate) fn set_hot(&self) {
        self.state.store(HOT, Relaxed);
    }

    #[inline]
    pub(crate) fn set_used(&self, owner: u16, kind: Kind, order: u32) {
        self.owner.store(owner, Relaxed);
        self.state.store(USED | kind as u8, Relaxed);
        self.order.store(order as u8, Relaxed);
    }

    /// Whether this is the head of a free block of `order`.
    #[inline]
    pub(crate) fn is_free(&self, order: u32) -> bool {
        self.state.load(Relaxed) == FREE && u32::from(self.order.load(Relaxed)) == order
    }

    /// Who pays for an allocated frame, and as what.
    #[inline]
    pub(crate) fn payment(&self) -> Payment {
        Payment {
            owner: self.owner.load(Relaxed),
            kind: self.state.load(Relaxed) & 0x0f,
        }
    }

    /// What an allocated frame is used for.
    #[inline]
    pub(crate) fn kind(&self) -> Kind {
        Kind::from_bits(self.state.load(Relaxed) & 0x0f)
    }

    /// Whether the frame, or the block of which it is the head, is allocated.
    #[inline]
    pub(crate) fn is_used(&self) -> bool {
        self.state.load(Relaxed) & USED != 0
    }

    /// Notes that the instruction caches agree with the contents; false when that was noted before.
    #[inline]
    pub(crate) fn mark_clean(&self) -> bool {
        self.state.fetch_or(CLEAN, Relaxed) & CLEAN == 0
    }

    /// Notes that the contents change.
    #[inline]
    pub(crate) fn mark_written(&self) {
        if self.state.load(Relaxed) & CLEAN != 0 {
            self.state.fetch_and(!CLEAN, Relaxed);
        }
    }
}

const _: () = assert!(size_of::<Meta>() == 16);
