use super::*;
use crate::sleeper::{Thread, nameless};
use abi::Cid;
use security::{Credential, Identity, Privileges};
use vfs::FileKind;
use wait::{SliceSink, SliceSource, Stop};

fn counter(count: u32, semaphore: bool) -> Arc<EventCounter> {
    let metadata = nameless(FileKind::Regular);
    EventCounter::new(count, semaphore, metadata).expect("memory")
}

fn run<T>(thread: &Arc<Thread>, nonblocking: bool, call: impl FnOnce(&IoContext<'_>) -> T) -> T {
    let credential = Credential::new(Cid(1), Identity::user(1, 1), Privileges::empty());
    let waiter = thread.run();
    call(&IoContext {
        credential: &credential,
        caller: &waiter,
        nonblocking,
    })
}

fn read(counter: &EventCounter, thread: &Arc<Thread>, nonblocking: bool) -> Attempt<u64> {
    let mut bytes = [0; 8];
    run(thread, nonblocking, |cx| {
        counter.read(cx, 0, &mut SliceSink::new(&mut bytes))
    })?;
    Ok(u64::from_le_bytes(bytes))
}

fn write(
    counter: &EventCounter,
    thread: &Arc<Thread>,
    value: u64,
    nonblocking: bool,
) -> Attempt<usize> {
    run(thread, nonblocking, |cx| {
        counter.write(cx, 0, &mut SliceSource::new(&value.to_le_bytes()))
    })
}

#[test]
fn a_read_takes_everything_or_one() {
    let thread = Thread::new();
    let whole = counter(3, false);
    assert_eq!(write(&whole, &thread, 4, true), Ok(8));
    assert_eq!(read(&whole, &thread, true), Ok(7));
    assert_eq!(read(&whole, &thread, true), Err(Errno::EAGAIN.into()));
    let semaphore = counter(2, true);
    assert_eq!(read(&semaphore, &thread, true), Ok(1));
    assert_eq!(read(&semaphore, &thread, true), Ok(1));
    assert_eq!(read(&semaphore, &thread, true), Err(Errno::EAGAIN.into()));
}

#[test]
fn a_write_wakes_a_reader_and_a_read_a_writer() {
    let (reader, writer) = (Thread::new(), Thread::new());
    let counter = counter(0, false);
    assert_eq!(read(&counter, &reader, false), Err(Stop::Park));
    assert_eq!(write(&counter, &writer, 0, false), Ok(8));
    assert_eq!(reader.woken(), None);
    assert_eq!(write(&counter, &writer, EventCounter::MAX, false), Ok(8));
    assert_eq!(reader.woken(), Some(None));
    assert_eq!(write(&counter, &writer, 1, false), Err(Stop::Park));
    assert_eq!(read(&counter, &reader, false), Ok(EventCounter::MAX));
    assert_eq!(writer.woken(), Some(None));
}

#[test]
fn what_is_no_count_is_refused() {
    let thread = Thread::new();
    let counter = counter(0, false);
    let refused = Err(Errno::EINVAL.into());
    assert_eq!(write(&counter, &thread, u64::MAX, true), refused);
    for (length, expected) in [(0, refused), (7, refused), (16, Ok(8))] {
        let written = run(&thread, true, |cx| {
            counter.write(cx, 0, &mut SliceSource::new(&[0; 16][..length]))
        });
        assert_eq!(written, expected);
    }
    let short = run(&thread, true, |cx| {
        counter.read(cx, 0, &mut SliceSink::new(&mut [0; 7]))
    });
    assert_eq!(short, refused);
}

#[test]
fn a_reader_that_faults_consumes_nothing() {
    struct Faulting;
    impl Sink for Faulting {
        fn room(&self) -> usize {
            8
        }
        fn put(&mut self, _bytes: &[u8]) -> Attempt<()> {
            Err(Errno::EFAULT.into())
        }
    }
    let thread = Thread::new();
    let counter = counter(5, false);
    let faulted = run(&thread, true, |cx| counter.read(cx, 0, &mut Faulting));
    assert_eq!(faulted, Err(Errno::EFAULT.into()));
    assert_eq!(read(&counter, &thread, true), Ok(5));
}

#[test]
fn readiness_follows_the_count() {
    let (thread, poller) = (Thread::new(), Thread::new());
    let counter = counter(0, false);
    let both = PollEvents::READABLE | PollEvents::WRITABLE;
    assert_eq!(counter.poll(both, None), PollEvents::WRITABLE);
    let waiter = poller.run();
    assert!(counter.poll(PollEvents::READABLE, Some(&waiter)).is_empty());
    assert_eq!(write(&counter, &thread, EventCounter::MAX, true), Ok(8));
    assert_eq!(poller.woken(), Some(None));
    assert_eq!(counter.poll(both, None), PollEvents::READABLE);
}
