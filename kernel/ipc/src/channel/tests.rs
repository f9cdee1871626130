use super::*;
use crate::sleeper::{Thread, nameless};
use abi::Cid;
use proptest::prelude::*;
use security::{Credential, Identity, Privileges};
use std::collections::VecDeque;
use std::vec;
use std::vec::Vec;
use vfs::{Access, FileKind, OpenFile, StatusFlags};
use wait::{SliceSink, SliceSource};

const PARK: Stop = Stop::Park;
const AGAIN: Stop = Stop::Error(Errno::EAGAIN);
const EPIPE: Stop = Stop::Error(Errno::EPIPE);
const RESET: Stop = Stop::Error(Errno::ECONNRESET);
const EVERYTHING: PollEvents = PollEvents::all();
const WRITABLE: PollEvents = PollEvents::WRITABLE.union(PollEvents::WRBAND);
const HUNG_UP: PollEvents = WRITABLE
    .union(PollEvents::READABLE)
    .union(PollEvents::RDHUP)
    .union(PollEvents::HUP);

/// An end with its open file and the thread that uses it.
struct Socket {
    end: Arc<ChannelEnd>,
    file: Arc<OpenFile>,
    thread: Arc<Thread>,
    credential: Credential,
}

fn pair(kind: ChannelKind) -> (Socket, Socket) {
    let [one, two] = Channel::pair(
        kind,
        [nameless(FileKind::Socket), nameless(FileKind::Socket)],
    )
    .expect("memory")
    .map(|end| Socket {
        file: OpenFile::new(
            end.clone(),
            None,
            Cid(1),
            Access::READ | Access::WRITE,
            StatusFlags::empty(),
        )
        .expect("memory"),
        end,
        thread: Thread::new(),
        credential: Credential::new(Cid(1), Identity::user(1, 1), Privileges::empty()),
    });
    (one, two)
}

impl Socket {
    fn run<T>(&self, nonblocking: bool, call: impl FnOnce(&IoContext<'_>) -> T) -> T {
        let waiter = self.thread.run();
        call(&IoContext {
            credential: &self.credential,
            caller: &waiter,
            nonblocking,
        })
    }

    fn send(&self, bytes: &[u8]) -> Attempt<usize> {
        self.run(false, |cx| self.end.send(cx, &mut SliceSource::new(bytes)))
    }

    fn send_now(&self, bytes: &[u8]) -> Attempt<usize> {
        self.run(true, |cx| self.end.send(cx, &mut SliceSource::new(bytes)))
    }

    fn take(&self, room: usize, nonblocking: bool, peek: bool) -> Attempt<(Vec<u8>, usize)> {
        let mut bytes = vec![0; room];
        let received = self.run(nonblocking, |cx| {
            self.end.receive(cx, &mut SliceSink::new(&mut bytes), peek)
        })?;
        bytes.truncate(received.count);
        Ok((bytes, received.length))
    }

    fn receive(&self, room: usize) -> Attempt<Vec<u8>> {
        self.take(room, false, false).map(|(bytes, _)| bytes)
    }

    fn poll(&self) -> PollEvents {
        self.file.poll(EVERYTHING, None)
    }

    fn is_woken(&self) -> bool {
        self.thread.woken() == Some(None)
    }

    fn close(self) {
        drop(self.file);
    }
}

const KINDS: [ChannelKind; 3] = [
    ChannelKind::Stream,
    ChannelKind::SeqPacket,
    ChannelKind::Datagram,
];

#[test]
fn a_stream_merges_and_records_stay_apart() {
    let (one, two) = pair(ChannelKind::Stream);
    one.send(b"ab").unwrap();
    one.send(b"cd").unwrap();
    assert_eq!(two.take(3, false, true), Ok((b"abc".to_vec(), 3)));
    assert_eq!(two.receive(3).unwrap(), b"abc");
    assert_eq!(two.receive(3).unwrap(), b"d");
    for kind in [ChannelKind::SeqPacket, ChannelKind::Datagram] {
        let (one, two) = pair(kind);
        for record in [&b"abcd"[..], b"", b"ef"] {
            one.send(record).unwrap();
        }
        assert_eq!(two.take(9, false, true), Ok((b"abcd".to_vec(), 4)));
        // What there is no room for is lost.
        assert_eq!(two.take(3, false, false), Ok((b"abc".to_vec(), 4)));
        assert_eq!(two.take(9, false, false), Ok((vec![], 0)));
        assert_eq!(two.receive(9).unwrap(), b"ef");
        assert_eq!(two.receive(9), Err(PARK));
    }
}

#[test]
fn both_ways_are_separate() {
    for kind in KINDS {
        let (one, two) = pair(kind);
        one.send(b"ping").unwrap();
        assert_eq!(one.receive(9), Err(PARK));
        assert_eq!(two.receive(9).unwrap(), b"ping");
        assert!(!one.is_woken());
        two.send(b"pong").unwrap();
        assert!(one.is_woken());
        assert_eq!(one.receive(9).unwrap(), b"pong");
        assert_eq!(one.take(9, true, false), Err(AGAIN));
    }
}

#[test]
fn a_closed_peer_is_the_end_of_connected_kinds() {
    for kind in [ChannelKind::Stream, ChannelKind::SeqPacket] {
        let (one, two) = pair(kind);
        one.send(b"last").unwrap();
        assert_eq!(two.receive(9).unwrap(), b"last");
        assert_eq!(two.receive(9), Err(PARK));
        one.close();
        assert!(two.is_woken());
        assert_eq!(two.poll(), HUNG_UP);
        assert_eq!(two.receive(9).unwrap(), b"");
        assert_eq!(two.take(9, true, false), Ok((vec![], 0)));
        assert_eq!(two.send(b"x"), Err(EPIPE));
        assert_eq!(two.end.take_error(), None);
    }
}

#[test]
fn what_a_peer_left_unread_resets_the_connection_once() {
    let (one, two) = pair(ChannelKind::Stream);
    two.send(b"for you").unwrap();
    one.send(b"for me").unwrap();
    one.close();
    assert_eq!(two.poll(), HUNG_UP | PollEvents::ERR);
    // The bytes of a stream come before the error, records after it.
    assert_eq!(two.receive(9).unwrap(), b"for me");
    assert_eq!(two.receive(9), Err(RESET));
    assert_eq!(two.receive(9).unwrap(), b"");
    let (one, two) = pair(ChannelKind::SeqPacket);
    two.send(b"for you").unwrap();
    one.send(b"for me").unwrap();
    one.close();
    assert_eq!(two.receive(9), Err(RESET));
    assert_eq!(two.receive(9).unwrap(), b"for me");
    assert_eq!(two.receive(9).unwrap(), b"");
    let (one, two) = pair(ChannelKind::SeqPacket);
    two.send(b"for you").unwrap();
    one.close();
    assert_eq!(two.end.take_error(), Some(Errno::ECONNRESET));
    assert_eq!(two.send(b"x"), Err(EPIPE));
}

#[test]
fn a_datagram_end_notices_a_closed_peer_when_it_sends() {
    let (one, two) = pair(ChannelKind::Datagram);
    one.send(b"never seen").unwrap();
    one.close();
    assert_eq!(two.poll(), WRITABLE | PollEvents::READABLE);
    assert!(two.end.has_peer());
    assert_eq!(two.send(b"x"), Err(Errno::ECONNREFUSED.into()));
    assert_eq!(two.send(b"x"), Err(Errno::ENOTCONN.into()));
    assert!(!two.end.has_peer());
    assert_eq!(two.receive(9), Err(PARK));
}

#[test]
fn a_direction_is_shut_down_for_both_ends() {
    for kind in [ChannelKind::Stream, ChannelKind::SeqPacket] {
        let (one, two) = pair(kind);
        one.send(b"rest").unwrap();
        assert_eq!(one.receive(9), Err(PARK));
        one.end.shut_down(Directions::SEND);
        assert!(one.is_woken());
        assert_eq!(one.send(b"x"), Err(EPIPE));
        assert_eq!(two.receive(9).unwrap(), b"rest");
        assert_eq!(two.receive(9).unwrap(), b"");
        let half = WRITABLE | PollEvents::READABLE | PollEvents::RDHUP;
        assert_eq!((one.poll(), two.poll()), (WRITABLE, half));
        // The other way still works.
        two.send(b"more").unwrap();
        assert_eq!(one.receive(9).unwrap(), b"more");
        one.end.shut_down(Directions::RECEIVE);
        assert_eq!(two.send(b"x"), Err(EPIPE));
        assert_eq!(one.receive(9).unwrap(), b"");
        assert_eq!((one.poll(), two.poll()), (HUNG_UP, HUNG_UP));
    }
    let (one, two) = pair(ChannelKind::Datagram);
    one.end.shut_down(Directions::RECEIVE);
    assert_eq!(two.send(b"x"), Err(EPIPE));
    assert_eq!(one.take(9, true, false), Err(AGAIN));
    assert_eq!(one.receive(9).unwrap(), b"");
    assert_eq!(one.send(b"x"), Ok(1));
    one.end.shut_down(Directions::SEND);
    assert_eq!(one.send(b"x"), Err(EPIPE));
    assert_eq!(two.receive(9).unwrap(), b"x");
    assert_eq!(two.receive(9), Err(PARK));
}

#[test]
fn a_full_stream_takes_parts_and_wakes_when_mostly_empty() {
    let (one, two) = pair(ChannelKind::Stream);
    let much = vec![7; ChannelEnd::BUFFER + 5];
    assert_eq!(one.send_now(&much), Ok(ChannelEnd::BUFFER));
    assert_eq!(one.send_now(b"x"), Err(AGAIN));
    assert_eq!(one.poll(), PollEvents::empty());
    assert_eq!(one.send(b"x"), Err(PARK));
    two.receive(ChannelEnd::BUFFER / 2).unwrap();
    assert!(!one.is_woken());
    two.receive(ChannelEnd::BUFFER / 4).unwrap();
    assert!(one.is_woken());
    assert_eq!(one.poll(), WRITABLE);
    assert_eq!(one.send(b"x"), Ok(1));
}

#[test]
fn a_record_waits_for_room_for_all_of_it() {
    let (one, two) = pair(ChannelKind::SeqPacket);
    one.end.set_send_buffer(5_000);
    assert_eq!(one.end.send_buffer(), 10_000);
    let most = 10_000 - RECORD_COST;
    assert_eq!(one.send(&vec![1; most + 1]), Err(Errno::EMSGSIZE.into()));
    one.send(&[1; 100]).unwrap();
    one.send(&[2; 6000]).unwrap();
    assert_eq!(one.send(&vec![3; most]), Err(PARK));
    two.receive(9).unwrap();
    assert!(!one.is_woken());
    two.receive(9).unwrap();
    assert!(one.is_woken());
    assert_eq!(one.send(&vec![3; most]), Ok(most));
    // More room by a larger buffer wakes too.
    assert_eq!(one.send(b"x"), Err(PARK));
    one.end.set_send_buffer(ChannelEnd::BUFFER_MAX);
    assert!(one.is_woken());
    assert_eq!(
        one.send(&vec![3; ChannelEnd::RECORD_MAX]),
        Err(PARK),
        "the longest record has to wait for an empty queue"
    );
    one.end.set_send_buffer(0);
    assert_eq!(one.end.send_buffer(), ChannelEnd::SEND_MIN);
    one.end.set_receive_buffer(3000);
    assert_eq!(one.end.receive_buffer(), 6000);
    // Empty records are not free.
    let sent = (0..100).take_while(|_| two.send_now(b"").is_ok()).count();
    two.end.set_send_buffer(0);
    assert_eq!((sent, two.send_now(b"")), (100, Err(AGAIN)));
}

#[test]
fn a_sender_in_wait_learns_that_the_peer_is_gone() {
    for (kind, error) in KINDS
        .into_iter()
        .zip([EPIPE, EPIPE, Errno::ECONNREFUSED.into()])
    {
        let (one, two) = pair(kind);
        while one.send_now(&[1; 50_000]).is_ok() {}
        assert_eq!(one.send(&[1; 50_000]), Err(PARK));
        two.close();
        assert!(one.is_woken());
        let told = one.send(b"x");
        // A sequenced end hears of the reset first.
        assert_eq!(
            told,
            Err(if kind == ChannelKind::SeqPacket {
                RESET
            } else {
                error
            })
        );
    }
}

/// A sink and source that fails after some bytes, as when a page is not resident.
struct Breaking(usize);

impl Source for Breaking {
    fn remaining(&self) -> usize {
        10_000
    }

    fn take(&mut self, buffer: &mut [u8]) -> Attempt<()> {
        self.0 = self.0.checked_sub(buffer.len()).ok_or(Stop::Again)?;
        Ok(())
    }
}

impl Sink for Breaking {
    fn room(&self) -> usize {
        10_000
    }

    fn put(&mut self, bytes: &[u8]) -> Attempt<()> {
        self.0 = self.0.checked_sub(bytes.len()).ok_or(Stop::Again)?;
        Ok(())
    }
}

#[test]
fn a_record_that_breaks_off_is_as_if_never_sent_or_received() {
    let (one, two) = pair(ChannelKind::SeqPacket);
    let broken = one.run(false, |cx| one.end.send(cx, &mut Breaking(9_000)));
    assert_eq!(broken, Err(Stop::Again));
    assert_eq!(two.receive(9), Err(PARK));
    one.send(&[5; 10_000]).unwrap();
    let broken = two.run(false, |cx| two.end.receive(cx, &mut Breaking(9_000), false));
    assert_eq!(broken, Err(Stop::Again));
    assert_eq!(two.receive(20_000).unwrap(), [5; 10_000]);
    // Of a stream, what was put counts.
    let (one, two) = pair(ChannelKind::Stream);
    one.send(&[5; 10_000]).unwrap();
    let part = two.run(false, |cx| two.end.receive(cx, &mut Breaking(9_000), false));
    let part = part.unwrap().count;
    assert!(part > 0 && part <= 9_000);
    assert_eq!(two.receive(20_000).unwrap().len(), 10_000 - part);
}

#[test]
fn poll_enrols_for_every_change() {
    let changes: [fn(&Socket); 3] = [
        |peer| assert_eq!(peer.send(b"x"), Ok(1)),
        |peer| peer.end.shut_down(Directions::SEND),
        |peer| peer.file.operations().released(),
    ];
    for change in changes {
        let (one, two) = pair(ChannelKind::Stream);
        let waiter = one.thread.run();
        let wanted = PollEvents::IN | PollEvents::RDHUP;
        assert_eq!(one.file.poll(wanted, Some(&waiter)), PollEvents::empty());
        change(&two);
        assert!(one.is_woken());
        assert!(!one.file.poll(wanted, None).is_empty());
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    /// Each direction is a queue of what was sent, cut into records or not; nothing is lost, doubled or mixed, and no
    /// more than the send buffer is kept.
    #[test]
    fn each_direction_behaves_as_a_queue(
        kind in prop::sample::select(&KINDS[..]),
        steps in prop::collection::vec((any::<bool>(), 0u8..4, 0usize..30_000), 1..80),
    ) {
        let (one, two) = pair(kind);
        one.end.set_send_buffer(20_000);
        two.end.set_send_buffer(20_000);
        let mut models = [VecDeque::<Vec<u8>>::new(), VecDeque::new()];
        let mut next = 0u32;
        for (forward, action, length) in steps {
            let (from, to) = if forward { (&one, &two) } else { (&two, &one) };
            let model = &mut models[usize::from(forward)];
            let held: usize = model.iter().map(|record| record.len() + RECORD_COST * usize::from(kind.keeps_records())).sum();
            if action == 0 {
                let bytes: Vec<u8> = (0..length as u32).map(|at| (next.wrapping_add(at) % 251) as u8).collect();
                match from.send_now(&bytes) {
                    Ok(count) => {
                        prop_assert!(count == length || !kind.keeps_records());
                        prop_assert!(held + count <= 40_000);
                        next += count as u32;
                        if kind.keeps_records() || count > 0 {
                            model.push_back(bytes[..count].to_vec());
                        }
                    }
                    Err(stop) => {
                        prop_assert_eq!(stop, AGAIN);
                        let least = if kind.keeps_records() { length + RECORD_COST } else { 1 };
                        prop_assert!(held + least > 40_000);
                    }
                }
                continue;
            }
            let peek = action == 1;
            let expected = if kind.keeps_records() {
                model.front().map(|record| (record[..record.len().min(length)].to_vec(), record.len()))
            } else {
                let all: Vec<u8> = model.iter().flatten().copied().take(length).collect();
                let some = length == 0 || !all.is_empty();
                some.then(|| (all.clone(), all.len()))
            };
            prop_assert_eq!(to.take(length, true, peek), expected.clone().ok_or(AGAIN));
            if let (false, Some((bytes, _))) = (peek, expected) {
                if kind.keeps_records() {
                    model.pop_front();
                } else {
                    let rest: Vec<u8> = model.iter().flatten().copied().skip(bytes.len()).collect();
                    model.clear();
                    model.push_back(rest);
                }
            }
        }
    }
}
