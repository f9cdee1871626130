use super::*;
use crate::sleeper::{Thread, nameless};
use abi::Cid;
use proptest::prelude::*;
use security::{Credential, Identity};
use std::vec;
use std::vec::Vec;
use vfs::{FileKind, OpenFile, StatusFlags};
use wait::{SliceSink, SliceSource};

const PARK: Stop = Stop::Park;
const AGAIN: Stop = Stop::Error(Errno::EAGAIN);

struct World {
    thread: Arc<Thread>,
    credential: Credential,
}

impl World {
    fn new() -> Self {
        let credential = Credential::new(Cid(1), Identity::user(1, 1), Privileges::empty());
        Self {
            thread: Thread::new(),
            credential,
        }
    }

    fn run<T>(&self, nonblocking: bool, call: impl FnOnce(&IoContext<'_>) -> T) -> T {
        let waiter = self.thread.run();
        call(&IoContext {
            credential: &self.credential,
            caller: &waiter,
            nonblocking,
        })
    }

    fn read(&self, file: &OpenFile, room: usize, nonblocking: bool) -> Attempt<Vec<u8>> {
        let mut bytes = vec![0; room];
        let count = self.run(nonblocking, |cx| {
            file.read(cx, &mut SliceSink::new(&mut bytes))
        })?;
        bytes.truncate(count);
        Ok(bytes)
    }

    fn write(&self, file: &OpenFile, bytes: &[u8], nonblocking: bool) -> Attempt<usize> {
        self.run(nonblocking, |cx| {
            file.write(cx, &mut SliceSource::new(bytes))
        })
    }
}

fn open(end: Arc<PipeEnd>, access: Access) -> Arc<OpenFile> {
    OpenFile::new(end, None, Cid(1), access, StatusFlags::empty()).expect("memory")
}

fn pair() -> (Arc<OpenFile>, Arc<OpenFile>) {
    let (reader, writer) = Pipe::pair(nameless(FileKind::Fifo)).expect("memory");
    (open(reader, Access::READ), open(writer, Access::WRITE))
}

/// A source that breaks off after some bytes, as when a page is not resident.
struct Breaking<'a> {
    inner: SliceSource<'a>,
    good: usize,
}

impl Source for Breaking<'_> {
    fn remaining(&self) -> usize {
        self.inner.remaining()
    }

    fn take(&mut self, buffer: &mut [u8]) -> Attempt<()> {
        self.good = self.good.checked_sub(buffer.len()).ok_or(Stop::Again)?;
        self.inner.take(buffer)
    }
}

/// A sink that breaks off at once.
struct Broken;

impl Sink for Broken {
    fn room(&self) -> usize {
        100
    }

    fn put(&mut self, _bytes: &[u8]) -> Attempt<()> {
        Err(Stop::Again)
    }
}

#[test]
fn a_reader_waits_for_bytes_and_for_the_end() {
    let (reading, writing) = (World::new(), World::new());
    let (reader, writer) = pair();
    assert_eq!(reading.read(&reader, 9, true), Err(AGAIN));
    assert_eq!(reading.read(&reader, 9, false), Err(PARK));
    assert_eq!(writing.write(&writer, b"hello", false), Ok(5));
    assert_eq!(reading.thread.woken(), Some(None));
    assert_eq!(reading.read(&reader, 2, false).unwrap(), b"he");
    assert_eq!(
        reading.run(false, |cx| reader.read(cx, &mut Broken)),
        Err(Stop::Again)
    );
    assert_eq!(reading.read(&reader, 9, false).unwrap(), b"llo");
    assert_eq!(reading.read(&reader, 9, false), Err(PARK));
    drop(writer);
    assert_eq!(reading.thread.woken(), Some(None));
    assert_eq!(reading.read(&reader, 9, false).unwrap(), b"");
}

#[test]
fn a_writer_without_readers_fails() {
    let world = World::new();
    let (reader, writer) = pair();
    let full = vec![1; Pipe::CAPACITY];
    assert_eq!(world.write(&writer, &full, false), Ok(Pipe::CAPACITY));
    assert_eq!(world.write(&writer, b"x", true), Err(AGAIN));
    assert_eq!(world.write(&writer, b"x", false), Err(PARK));
    drop(reader);
    assert_eq!(world.thread.woken(), Some(None));
    assert_eq!(
        world.write(&writer, b"x", false),
        Err(Stop::Error(Errno::EPIPE))
    );
}

#[test]
fn small_writes_are_whole_and_long_ones_are_taken_in_parts() {
    let world = World::new();
    let (reader, writer) = pair();
    assert_eq!(
        world.write(&writer, &vec![1; Pipe::CAPACITY - 100], true),
        Ok(Pipe::CAPACITY - 100)
    );
    assert_eq!(world.write(&writer, &[2; 101], true), Err(AGAIN));
    assert_eq!(world.write(&writer, &[2; 5000], false), Err(PARK));
    assert_eq!(world.write(&writer, &[2; 5000], true), Ok(100));
    assert_eq!(world.write(&writer, &[3; 5000], false), Err(PARK));
    // Woken once there is room for any atomic write, not before.
    world.run(false, |_| ());
    assert_eq!(world.write(&writer, &[3; 5000], false), Err(PARK));
    let other = World::new();
    other.read(&reader, Pipe::ATOMIC - 1, false).unwrap();
    assert_eq!(world.thread.woken(), None);
    other.read(&reader, 1, false).unwrap();
    assert_eq!(world.thread.woken(), Some(None));
    assert_eq!(world.write(&writer, &[3; 5000], false), Ok(Pipe::ATOMIC));
}

#[test]
fn a_write_that_breaks_off_is_done_or_undone() {
    let world = World::new();
    let (reader, writer) = pair();
    world.write(&writer, &[7; 3000], false).unwrap();
    let bytes = [8; 9000];
    let broken = |length: usize, good| {
        let mut source = Breaking {
            inner: SliceSource::new(&bytes[..length]),
            good,
        };
        world.run(false, |cx| writer.write(cx, &mut source))
    };
    // Atomic: it spans two pages, and the second fails.
    assert_eq!(broken(4000, 2000), Err(Stop::Again));
    assert_eq!(broken(9000, 0), Err(Stop::Again));
    // Not atomic: what was stored counts.
    assert_eq!(broken(9000, 6000), Ok(PAGE_SIZE - 3000 + PAGE_SIZE));
    let found = world.read(&reader, 20_000, false).unwrap();
    assert_eq!(
        (found.len(), &found[..3000]),
        (3000 + 1096 + 4096, &[7; 3000][..])
    );
    assert!(found[3000..].iter().all(|byte| *byte == 8));
}

#[test]
fn poll_tells_the_state_of_both_ends() {
    let world = World::new();
    let (reader, writer) = pair();
    let all = PollEvents::READABLE | PollEvents::WRITABLE;
    assert_eq!(reader.poll(all, None), PollEvents::empty());
    assert_eq!(writer.poll(all, None), PollEvents::WRITABLE);
    let waiter = world.thread.run();
    assert_eq!(
        reader.poll(PollEvents::IN, Some(&waiter)),
        PollEvents::empty()
    );
    World::new()
        .write(&writer, &vec![0; Pipe::CAPACITY], false)
        .unwrap();
    assert_eq!(world.thread.woken(), Some(None));
    assert_eq!(reader.poll(PollEvents::IN, None), PollEvents::IN);
    assert_eq!(writer.poll(all, None), PollEvents::empty());
    drop(writer);
    assert_eq!(
        reader.poll(all, None),
        PollEvents::READABLE | PollEvents::HUP
    );
    let (reader, writer) = pair();
    drop(reader);
    assert_eq!(writer.poll(PollEvents::empty(), None), PollEvents::ERR);
}

#[test]
fn the_capacity_can_be_changed() {
    let world = World::new();
    let (reader, writer) = pair();
    let pipe = Pipe::new();
    assert_eq!(world.run(false, |cx| pipe.set_capacity(cx, 1)), Ok(4096));
    assert_eq!(world.run(false, |cx| pipe.set_capacity(cx, 5000)), Ok(8192));
    assert_eq!(
        world.run(false, |cx| pipe.set_capacity(cx, Pipe::CAPACITY_MAX + 1)),
        Err(Errno::EPERM)
    );
    assert_eq!(pipe.capacity(), 8192);
    let end: &dyn core::any::Any = &**writer.operations();
    let pipe = end.downcast_ref::<PipeEnd>().unwrap().pipe();
    world.write(&writer, &[0; 5000], false).unwrap();
    assert_eq!(
        world.run(false, |cx| pipe.set_capacity(cx, 4096)),
        Err(Errno::EBUSY)
    );
    drop(reader);
}

#[test]
fn opening_a_fifo_waits_for_the_other_side() {
    let (one, two) = (World::new(), World::new());
    let fifo = Arc::new(Pipe::new());
    let try_open = |world: &World, access, nonblocking| {
        world
            .run(nonblocking, |cx| fifo.open_fifo(cx, access))
            .map(|end| open(end, access))
    };
    assert_eq!(
        try_open(&two, Access::WRITE, true).err(),
        Some(Stop::Error(Errno::ENXIO))
    );
    assert_eq!(try_open(&one, Access::READ, false).err(), Some(PARK));
    // The reader that waits is enough for a writer, which comes, writes and goes before the reader runs.
    let writer = try_open(&two, Access::WRITE, true).unwrap();
    assert_eq!(one.thread.woken(), Some(None));
    assert_eq!(two.write(&writer, b"note", false), Ok(4));
    drop(writer);
    let reader = try_open(&one, Access::READ, false).unwrap();
    assert_eq!(one.read(&reader, 9, false).unwrap(), b"note");
    assert_eq!(one.read(&reader, 9, false).unwrap(), b"");
    assert_eq!(reader.poll(PollEvents::IN, None), PollEvents::HUP);
    drop(reader);
    // Nothing is left: everybody waits again.
    assert_eq!(try_open(&two, Access::WRITE, false).err(), Some(PARK));
    let reader = try_open(&one, Access::READ, true).unwrap();
    assert_eq!(two.thread.woken(), Some(None));
    // Let in, the writer counts although it has yet to run.
    assert_eq!(one.read(&reader, 9, false).err(), Some(PARK));
    let writer = try_open(&two, Access::WRITE, false).unwrap();
    drop(writer);
    assert_eq!(one.read(&reader, 9, false).unwrap(), b"");
    let both = try_open(&one, Access::READ | Access::WRITE, false).unwrap();
    assert_eq!(both.poll(PollEvents::OUT, None), PollEvents::OUT);
    // A reader that has never seen a writer is not hung up.
    drop((both, reader));
    let reader = try_open(&one, Access::READ, true).unwrap();
    assert_eq!(reader.poll(PollEvents::IN, None), PollEvents::empty());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    /// Bytes come out as they went in, none lost, none doubled, and never more than the capacity is kept.
    #[test]
    fn behaves_as_a_queue(steps in prop::collection::vec((any::<bool>(), 1usize..12_000, any::<bool>()), 1..60)) {
        let world = World::new();
        let (reader, writer) = pair();
        let (mut next_in, mut next_out, mut held) = (0u32, 0u32, 0usize);
        for (writes, length, nonblocking) in steps {
            if writes {
                let bytes: Vec<u8> = (0..length as u32).map(|at| (next_in.wrapping_add(at) % 251) as u8).collect();
                match world.write(&writer, &bytes, nonblocking) {
                    Ok(count) => {
                        prop_assert!(count == length || length > Pipe::ATOMIC);
                        prop_assert!(count > 0);
                        next_in += count as u32;
                        held += count;
                        prop_assert!(held <= Pipe::CAPACITY);
                    }
                    Err(stop) => {
                        prop_assert_eq!(stop, if nonblocking { AGAIN } else { PARK });
                        prop_assert!(Pipe::CAPACITY - held < length.min(Pipe::ATOMIC));
                    }
                }
            } else {
                match world.read(&reader, length, nonblocking) {
                    Ok(bytes) => {
                        prop_assert_eq!(bytes.len(), held.min(length));
                        for byte in bytes {
                            prop_assert_eq!(u32::from(byte), next_out % 251);
                            next_out += 1;
                        }
                        held = (next_in - next_out) as usize;
                    }
                    Err(_) => prop_assert_eq!(held, 0),
                }
            }
        }
    }
}

#[derive(Clone, Debug)]
enum Move {
    Write(Vec<u8>),
    Read(usize),
    /// Takes so many out, of which so many are delivered.
    Claim(usize, usize),
    /// Promises room for so many, of which so many come.
    Reserve(usize, usize),
    Copy(usize),
}

fn moves() -> impl Strategy<Value = Move> {
    prop_oneof![
        prop::collection::vec(any::<u8>(), 1..6000).prop_map(Move::Write),
        (1usize..6000).prop_map(Move::Read),
        (1usize..9000, 0usize..9000).prop_map(|(taken, moved)| Move::Claim(taken, moved)),
        (1usize..9000, 0usize..9000).prop_map(|(room, came)| Move::Reserve(room, came)),
        (1usize..9000).prop_map(Move::Copy),
    ]
}

proptest! {
    /// IPC0140: what is taken out and not delivered is where it was, what comes by a promise is in order, and a pipe
    /// never holds more than it can.
    #[test]
    fn ipc0140_claims_lose_nothing(steps in prop::collection::vec(moves(), 1..60)) {
        let world = World::new();
        let (reader, writer) = pair();
        let end: &dyn core::any::Any = &**reader.operations();
        let pipe = end.downcast_ref::<PipeEnd>().unwrap().pipe().clone();
        let mut model = std::collections::VecDeque::new();
        for step in steps {
            match step {
                Move::Write(bytes) => {
                    if let Ok(count) = world.write(&writer, &bytes, true) {
                        model.extend(&bytes[..count]);
                    }
                }
                Move::Read(room) => match world.read(&reader, room, true) {
                    Ok(bytes) => {
                        for byte in bytes {
                            prop_assert_eq!(Some(byte), model.pop_front());
                        }
                    }
                    Err(stop) => prop_assert!(stop == AGAIN && model.is_empty()),
                },
                Move::Claim(limit, moved) => match world.run(true, |cx| pipe.claim(cx, limit)) {
                    Ok(mut claim) => {
                        prop_assert_eq!(claim.bytes.len(), limit.min(model.len()));
                        let moved = moved.min(claim.bytes.len());
                        let mut out = vec![0; moved];
                        claim.bytes.copy(&mut SliceSink::new(&mut out), moved, true).unwrap();
                        claim.bytes.discard(moved);
                        if claim.bytes.len() == model.len() {
                            // Nobody takes it for the end of the file meanwhile.
                            prop_assert_eq!(world.read(&reader, 1, true), Err(AGAIN));
                        }
                        pipe.settle(claim);
                        for byte in out {
                            prop_assert_eq!(Some(byte), model.pop_front());
                        }
                    }
                    Err(stop) => prop_assert!(stop == AGAIN && model.is_empty()),
                },
                Move::Reserve(limit, came) => match world.run(true, |cx| pipe.reserve(cx, limit)) {
                    Ok(room) => {
                        let bytes: Vec<u8> = (0..came.min(room.bytes())).map(|at| at as u8).collect();
                        let mut collector = Collector::new(room.bytes());
                        collector.put(&bytes).unwrap();
                        pipe.fill(room, collector.bytes);
                        model.extend(&bytes);
                    }
                    Err(stop) => prop_assert!(stop == AGAIN && model.len() == Pipe::CAPACITY),
                },
                Move::Copy(limit) => {
                    let mut out = vec![0; limit];
                    let sink = &mut SliceSink::new(&mut out);
                    match world.run(true, |cx| pipe.copy(cx, sink, limit)) {
                        Ok(count) => prop_assert!(out[..count].iter().eq(model.iter().take(limit))),
                        Err(stop) => prop_assert!(stop == AGAIN && model.is_empty()),
                    }
                }
            }
            prop_assert!(model.len() <= Pipe::CAPACITY);
        }
    }
}

/// IPC0141: who waits for bytes is woken when some come back, and when none can any more.
#[test]
fn ipc0141_claims_wake() {
    let (world, other) = (World::new(), World::new());
    let (reader, writer) = pair();
    let end: &dyn core::any::Any = &**reader.operations();
    let pipe = end.downcast_ref::<PipeEnd>().unwrap().pipe().clone();
    world.write(&writer, b"abc", false).unwrap();
    let claim = world.run(false, |cx| pipe.claim(cx, 8)).ok().unwrap();
    drop(writer);
    assert_eq!(other.read(&reader, 8, false), Err(PARK));
    pipe.settle(claim);
    assert!(other.thread.woken().is_some());
    assert_eq!(other.read(&reader, 8, false), Ok(b"abc".to_vec()));
    assert_eq!(other.read(&reader, 8, false), Ok(Vec::new()));
}
