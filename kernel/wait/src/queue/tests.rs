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
    assert_eq!(queue.requeue(&other, 1, |_| Some(9)), 1);
    assert_eq!(other.wake_where(9, None, |key| key == 9), 1);
    assert!(queue.wake_one());
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
