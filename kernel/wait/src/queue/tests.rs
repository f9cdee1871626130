use super::*;
use alloc::vec::Vec;
use core::sync::atomic::{AtomicU64, Ordering};

#[derive(Default)]
struct Thread {
    current: AtomicU64,
    woken: AtomicU64,
    links: spin::Mutex<Vec<Link>>,
}

impl Sleeper for Thread {
    fn wake(&self, ticket: Ticket, _completion: Option<i64>) -> bool {
        let current = self.current.load(Ordering::SeqCst) == ticket.0;
        if current {
            self.woken.fetch_add(1, Ordering::SeqCst);
            self.current.fetch_add(1, Ordering::SeqCst);
        }
        current
    }

    fn linked(&self, _ticket: Ticket, link: Link) -> Option<Link> {
        self.links.lock().push(link);
        None
    }
}

#[test]
fn wake_one_passes_over_a_waiter_whose_run_is_over() {
    let queue = WaitQueue::new();
    let (gone, here) = (Arc::new(Thread::default()), Arc::new(Thread::default()));
    queue.enrol(&Waiter::new(gone.clone(), Ticket(0)));
    queue.enrol(&Waiter::new(here.clone(), Ticket(0)));
    gone.current.store(5, Ordering::SeqCst);
    assert!(queue.wake_one());
    assert_eq!(
        (
            gone.woken.load(Ordering::SeqCst),
            here.woken.load(Ordering::SeqCst)
        ),
        (0, 1)
    );
    assert!(!queue.wake_one());
}

#[test]
fn a_withdrawn_waiter_leaves_nothing_behind() {
    let queue = WaitQueue::new();
    let thread = Arc::new(Thread::default());
    queue.enrol(&Waiter::new(thread.clone(), Ticket(0)));
    thread.links.lock().drain(..).for_each(Link::withdraw);
    assert!(queue.is_empty());
    assert_eq!(Arc::strong_count(&thread), 1);
}

#[test]
fn keys_select_who_is_woken_and_moved() {
    let (queue, other) = (WaitQueue::new(), WaitQueue::new());
    let threads: Vec<_> = (0..4).map(|_| Arc::new(Thread::default())).collect();
    for (key, thread) in threads.iter().enumerate() {
        queue.enrol_keyed(&Waiter::new(thread.clone(), Ticket(0)), key as u64);
    }
    assert_eq!(queue.wake_where(9, None, |key| key & 1 == 1), 2);
    let first = queue.take_present(&mut Present::default(), |_| true);
    other.enrol_keyed(&first.expect("the first").0, 9);
    assert_eq!(other.wake_where(9, None, |key| key == 9), 1);
    assert!(queue.wake_one());
}

/// WAIT0033: whoever deals with those present in steps leaves out who has come since, also after the number was kept
/// elsewhere.
#[test]
fn wait0033_those_present_are_told_from_newcomers() {
    let queue = WaitQueue::new();
    let threads: Vec<_> = (0..4).map(|_| Arc::new(Thread::default())).collect();
    let enrol = |thread: &Arc<Thread>| queue.enrol(&Waiter::new(thread.clone(), Ticket(0)));
    threads.iter().take(3).for_each(enrol);
    let mut present = Present::default();
    assert!(queue.take_present(&mut present, |_| true).is_some());
    threads.iter().skip(3).for_each(enrol);
    let mut later = Present::below(present.end());
    assert!(queue.take_present(&mut later, |_| true).is_some());
    assert!(queue.take_present(&mut later, |_| true).is_some());
    assert!(queue.take_present(&mut later, |_| true).is_none());
    assert!(queue.wake_one());
    assert_eq!(threads[3].woken.load(Ordering::SeqCst), 1);
}

#[test]
fn a_weak_waiter_wakes_its_run_and_keeps_nobody_alive() {
    let thread = Arc::new(Thread::default());
    let weak = Waiter::new(thread.clone(), Ticket(0)).downgrade();
    assert!(weak.wake(None));
    assert!(!weak.wake(None), "the run is over");
    drop(thread);
    assert!(weak.sleeper.upgrade().is_none());
    assert!(!weak.wake(None));
}
