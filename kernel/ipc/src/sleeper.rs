//! A thread for tests, which parks and remembers how it was woken, and what the files that it uses tell.

use abi::Cid;
use alloc::sync::Arc;
use core::sync::atomic::{AtomicU64, Ordering};
use spin::Mutex;
use std::vec::Vec;
use vfs::{DeviceNumber, FileKind, InodeId, Metadata, Mode, Timestamp};
use wait::{Link, Sleeper, Ticket, Waiter};

#[derive(Default)]
pub struct Thread {
    ticket: AtomicU64,
    completion: Mutex<Option<Option<i64>>>,
    links: Mutex<Vec<Link>>,
}

impl Sleeper for Thread {
    fn wake(&self, ticket: Ticket, completion: Option<i64>) -> bool {
        let mut woken = self.completion.lock();
        let current = self.ticket.load(Ordering::SeqCst) == ticket.0 && woken.is_none();
        if current {
            *woken = Some(completion);
        }
        current
    }

    fn linked(&self, _ticket: Ticket, link: Link) -> Option<Link> {
        self.links.lock().push(link);
        None
    }
}

impl Thread {
    pub fn new() -> Arc<Self> {
        Arc::new(Self::default())
    }

    /// Starts a new run of a call.
    pub fn run(self: &Arc<Self>) -> Waiter {
        self.leave();
        let ticket = self.ticket.fetch_add(1, Ordering::SeqCst) + 1;
        *self.completion.lock() = None;
        Waiter::new(self.clone(), Ticket(ticket))
    }

    /// How it was woken since the last run began.
    pub fn woken(&self) -> Option<Option<i64>> {
        *self.completion.lock()
    }

    /// Leaves every queue, as after a timeout.
    pub fn leave(&self) {
        let links: Vec<Link> = self.links.lock().drain(..).collect();
        links.into_iter().for_each(Link::withdraw);
    }
}

/// What `fstat` tells of user 1's object without a name.
pub fn nameless(kind: FileKind) -> Metadata {
    let id = InodeId {
        device: DeviceNumber::default(),
        number: 1,
    };
    Metadata {
        mode: Mode::new(0o600),
        uid: 1,
        gid: 1,
        ..Metadata::new(id, Cid(1), kind, Timestamp::default())
    }
}
