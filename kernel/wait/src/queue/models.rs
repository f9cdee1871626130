//! Every interleaving of waking and parking.
//!
//! [`Thread`] parks and wakes as the kernel's threads do: a wake-up before the park is remembered, and the ticket of a run
//! that is over is refused.

extern crate std;

use super::*;
use loom::sync::Arc as Shared;
use loom::sync::atomic::{AtomicU32, Ordering};
use loom::thread;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Phase {
    Ready,
    Parked,
}

struct Run {
    ticket: Ticket,
    woken: bool,
    phase: Phase,
}

struct Thread {
    run: SpinLock<Run>,
    /// How often the scheduler was told to run it.
    made_ready: AtomicU32,
}

impl Sleeper for Thread {
    fn wake(&self, ticket: Ticket, _completion: Option<i64>) -> bool {
        let mut run = self.run.lock();
        if run.ticket != ticket || run.woken {
            return false;
        }
        run.woken = true;
        if run.phase == Phase::Parked {
            run.phase = Phase::Ready;
            self.made_ready.fetch_add(1, Ordering::Relaxed);
        }
        true
    }

    fn linked(&self, _ticket: Ticket, _link: Link) -> Option<Link> {
        None
    }
}

impl Thread {
    fn new() -> Arc<Self> {
        let run = Run {
            ticket: Ticket(0),
            woken: false,
            phase: Phase::Ready,
        };
        Arc::new(Self {
            run: SpinLock::new(Rank::Thread, run),
            made_ready: AtomicU32::new(0),
        })
    }

    fn begin(self: &Arc<Self>) -> Waiter {
        let mut run = self.run.lock();
        run.ticket.0 += 1;
        run.woken = false;
        Waiter::new(self.clone(), run.ticket)
    }

    /// Whether it is parked now; a wake-up that has come already is used up.
    fn park(&self) -> bool {
        let mut run = self.run.lock();
        if core::mem::take(&mut run.woken) {
            return false;
        }
        run.phase = Phase::Parked;
        true
    }

    /// Its run ends for another reason, a signal or its deadline.
    fn give_up(&self) {
        let mut run = self.run.lock();
        run.ticket.0 += 1;
        run.phase = Phase::Ready;
    }

    fn is_asleep(&self) -> bool {
        self.run.lock().phase == Phase::Parked
    }
}

/// WAIT0030: a wake-up between the look at a condition and the park is not lost, and makes the thread ready once.
#[test]
fn wait0030_no_wake_up_is_lost() {
    loom::model(|| {
        let condition = Shared::new(SpinLock::new(Rank::Stream, false));
        let queue = Arc::new(WaitQueue::new());
        let sleeper = Thread::new();
        let waker = {
            let (condition, queue) = (condition.clone(), queue.clone());
            thread::spawn(move || {
                let mut condition = condition.lock();
                *condition = true;
                queue.wake_all();
            })
        };
        let waiter = sleeper.begin();
        let enrolled = {
            let condition = condition.lock();
            if !*condition {
                queue.enrol(&waiter);
            }
            !*condition
        };
        let parked = enrolled && sleeper.park();
        waker.join().expect("the waker");
        assert!(!sleeper.is_asleep());
        let made_ready = sleeper.made_ready.load(Ordering::Relaxed);
        assert_eq!(made_ready, u32::from(parked));
    });
}

/// WAIT0031: a hand-off goes to somebody who waits, also when the first in the queue gives up at the same time.
#[test]
fn wait0031_no_hand_off_is_lost() {
    loom::model(|| {
        let queue = Arc::new(WaitQueue::new());
        let threads = [Thread::new(), Thread::new()];
        for thread in &threads {
            queue.enrol(&thread.begin());
            assert!(thread.park());
        }
        let quitter = {
            let thread = threads[0].clone();
            thread::spawn(move || thread.give_up())
        };
        assert!(queue.wake_one());
        quitter.join().expect("the first");
        let woken = threads
            .iter()
            .map(|thread| thread.made_ready.load(Ordering::Relaxed));
        assert_eq!(woken.sum::<u32>(), 1);
    });
}

/// WAIT0032: two wakers hand on to two waiters, and nobody is woken twice.
#[test]
fn wait0032_two_wakers_wake_two() {
    loom::model(|| {
        let queue = Arc::new(WaitQueue::new());
        let threads = [Thread::new(), Thread::new()];
        for thread in &threads {
            queue.enrol(&thread.begin());
            assert!(thread.park());
        }
        let other = {
            let queue = queue.clone();
            thread::spawn(move || queue.wake_one())
        };
        assert!(queue.wake_one());
        assert!(other.join().expect("the other waker"));
        for thread in &threads {
            assert_eq!(thread.made_ready.load(Ordering::Relaxed), 1);
        }
        assert!(queue.is_empty());
    });
}
