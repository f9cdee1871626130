//! Priorities that threads have for those who wait for their locks (`man 2 futex`, "Priority-inheritance futexes").
//!
//! Who waits for a lock lends its owner its real-time class, within their partition's part as any class counts there. The
//! owner has what was lent for a lock until it gives the lock up, also when the waiter has given up before. Nothing is
//! passed on: an owner that waits itself lends its own class only.
//!
//! Lock: rank `Thread`, under the futex's bucket when a class is lent.

use crate::system::system;
use crate::thread::Thread;
use alloc::vec::Vec;
use fallible::Push;
use ipc::FutexKey;
use sched::{Attributes, Class};
use sync::{Rank, SpinLock};

/// What a thread has been lent.
pub struct Inheritance(SpinLock<Lent>);

#[derive(Default)]
struct Lent {
    /// Its own attributes, as long as it has been lent others.
    own: Option<Attributes>,
    classes: Vec<(FutexKey, Class)>,
}

impl Lent {
    /// What the thread has by all that it was lent.
    fn effective(&self, own: Attributes) -> Attributes {
        let all = self.classes.iter().map(|(_, class)| *class);
        let best = all.fold(own.class, |best, class| {
            if class.priority() > best.priority() {
                class
            } else {
                best
            }
        });
        Attributes { class: best, ..own }
    }
}

impl Inheritance {
    /// Nothing.
    pub const fn new() -> Self {
        let lent = Lent {
            own: None,
            classes: Vec::new(),
        };
        Self(SpinLock::new(Rank::Thread, lent))
    }

    /// The thread's own attributes, where it has others.
    pub fn own(&self) -> Option<Attributes> {
        self.0.lock().own
    }

    /// Lends the owner of a lock the class of who waits for it. Without memory it is not lent.
    pub fn lend(&self, owner: &Thread, lock: FutexKey, class: Class) {
        if class.priority().is_none() {
            return;
        }
        let known = owner.attributes();
        let new = {
            let mut lent = self.0.lock();
            let own = lent.own.unwrap_or(known);
            let before = lent.effective(own);
            match lent.classes.iter().position(|(key, _)| *key == lock) {
                None => {
                    if lent.classes.try_push((lock, class)).is_err() {
                        return;
                    }
                }
                Some(place) => {
                    if let Some((_, had)) = lent.classes.get_mut(place)
                        && class.priority() > had.priority()
                    {
                        *had = class;
                    }
                }
            }
            let after = lent.effective(own);
            lent.own = Some(own);
            (after != before).then_some(after)
        };
        put(owner, new);
    }

    /// The owner has given a lock up.
    pub fn give_up(&self, owner: &Thread, lock: FutexKey) {
        let new = {
            let mut lent = self.0.lock();
            let Some(own) = lent.own else { return };
            let before = lent.effective(own);
            lent.classes.retain(|(key, _)| *key != lock);
            if lent.classes.is_empty() {
                lent.own = None;
            }
            let after = lent.effective(own);
            (after != before).then_some(after)
        };
        put(owner, new);
    }

    /// Gives the thread other attributes of its own.
    pub fn set_own(&self, thread: &Thread, own: Attributes) {
        let new = {
            let mut lent = self.0.lock();
            if lent.own.is_some() {
                lent.own = Some(own);
            }
            lent.effective(own)
        };
        put(thread, Some(new));
    }
}

fn put(thread: &Thread, attributes: Option<Attributes>) {
    if let (Some(attributes), Some(entity)) = (attributes, thread.entity()) {
        system().dispatch.set_attributes(entity, attributes);
    }
}
