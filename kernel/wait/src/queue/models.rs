//! Every interleaving of waking and parking.
//!
//! [`Thread`] parks and wakes as the kernel's threads do.

extern crate std;

use super::*;
use crate::{Attention, Phase, Run, Woken};
use loom::sync::Arc as Shared;
use loom::sync::atomic::{AtomicU32, Ordering};
use loom::thread;

struct Thread {
    run: SpinLock<Run>,
    attention: Attention,
    /// How often the scheduler was told to run it.
    made_ready: AtomicU32,
}

impl Sleeper for Thread {
    fn wake(&self, ticket: Ticket, completion: Option<i64>) -> bool {
        let woken = self.run.lock().wake(ticket, completion);
        if woken == Woken::FromPark {
            self.made_ready.fetch_add(1, Ordering::Relaxed);
        }
        woken != Woken::Not
    }

    fn linked(&self, _ticket: Ticket, _link: Link) -> Option<Link> {
        None
    }
}

impl Thread {
    fn new() -> Arc<Self> {
        Arc::new(Self {
            run: SpinLock::new(Rank::Thread, Run::default()),
            attention: Attention::new(false),
            made_ready: AtomicU32::new(0),
        })
    }

    fn begin(self: &Arc<Self>) -> Waiter {
        let ticket = self.run.lock().begin();
        Waiter::new(self.clone(), ticket)
    }

    fn park(&self) -> bool {
        self.run.lock().park(&self.attention)
    }

    /// Its run ends for another reason, a signal or its deadline; what it was handed by then.
    fn give_up(&self) -> Option<i64> {
        self.run.lock().end().completion
    }

    fn interrupt(&self) {
        if self.run.lock().interrupt(&self.attention) {
            self.made_ready.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn is_asleep(&self) -> bool {
        self.run.lock().phase() == Phase::Parked
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

/// WAIT0031: a hand-off goes to somebody who waits or is found by who gives up at that moment.
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
            thread::spawn(move || {
                thread.interrupt();
                thread.give_up().is_some()
            })
        };
        assert_eq!(queue.wake_where(1, Some(7), |_| true), 1);
        let taken = quitter.join().expect("the first");
        let handed = !threads[1].is_asleep();
        assert_eq!(u32::from(taken) + u32::from(handed), 1);
    });
}

/// WAIT0033: who is brought back from a park by an interruption knows that there is something to look at.
#[test]
fn wait0033_nobody_is_interrupted_without_being_told() {
    loom::model(|| {
        let thread = Thread::new();
        let interrupter = {
            let thread = thread.clone();
            thread::spawn(move || thread.interrupt())
        };
        // What it looks at has not changed, so it parks once more.
        let parked = thread.park() || thread.attention.take() && thread.park();
        interrupter.join().expect("the interrupter");
        let brought_back = parked && !thread.is_asleep();
        assert_eq!(brought_back, thread.attention.is_called());
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
