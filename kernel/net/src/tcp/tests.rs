use super::*;
use crate::world::{AGAIN, Open, Thread, at, clock, metadata, now, tcp};
use abi::linux::{
    IPPROTO_TCP, SO_LINGER, SO_OOBINLINE, SO_RCVBUF, SO_REUSEADDR, SO_SNDBUF, SOL_SOCKET,
    TCP_NODELAY,
};
use proptest::prelude::*;
use std::vec::Vec;
use wait::{Manner, SliceSource, Ticket};

const NONE: Privileges = Privileges::empty();
const REFUSED: Stop = Stop::Error(Errno::ECONNREFUSED);
const RESET: Stop = Stop::Error(Errno::ECONNRESET);
const EPIPE: Stop = Stop::Error(Errno::EPIPE);
const IN_PROGRESS: Stop = Stop::Error(Errno::EINPROGRESS);
const ALREADY: Stop = Stop::Error(Errno::EALREADY);
const EVERYTHING: PollEvents = PollEvents::all();

fn stack() -> Arc<Stack> {
    Arc::new(Stack::new(clock))
}

fn nothing_left(stack: &Arc<Stack>) -> bool {
    let tcp = stack.tcp.lock();
    let empty = tcp.ports.is_empty();
    drop(tcp);
    empty && stack.connections() == 0
}

fn listener(stack: &Arc<Stack>, place: &str, backlog: usize) -> Open<TcpSocket> {
    let socket = tcp(stack);
    socket.0.bind(at(place), NONE).unwrap();
    socket.0.listen(backlog).unwrap();
    socket
}

fn connect(socket: &Open<TcpSocket>, place: &str) -> Attempt<()> {
    Thread::new().run(false, |cx| socket.0.connect(cx, at(place)))
}

/// The two ends of a connection, the listener being gone.
fn pair(stack: &Arc<Stack>) -> (Open<TcpSocket>, Open<TcpSocket>) {
    let server = listener(stack, "127.0.0.1:8000", 1);
    let client = tcp(stack);
    connect(&client, "127.0.0.1:8000").unwrap();
    let accepted = server.accept().unwrap();
    (client, accepted)
}

fn ready(socket: &Open<TcpSocket>) -> PollEvents {
    socket.0.poll(EVERYTHING, None)
}

fn set(socket: &Open<TcpSocket>, option: u32, value: i32) {
    let value = Value::Number(value);
    socket.0.set_option(SOL_SOCKET, option, value).unwrap();
}

#[test]
fn a_connection_has_two_addresses_and_leaves_nothing() {
    let stack = stack();
    {
        let server = listener(&stack, "0.0.0.0:8000", 5);
        let client = tcp(&stack);
        assert_eq!(ready(&client), PollEvents::WRITABLE | PollEvents::HUP);
        assert_eq!(server.accept().err(), Some(AGAIN));
        connect(&client, "127.0.0.3:8000").unwrap();
        assert_eq!(ready(&server), PollEvents::READABLE);
        assert_eq!(client.send(b"early"), Ok(5));
        let accepted = server.accept().unwrap();
        assert_eq!(accepted.receive(9), Ok(b"early".to_vec()));
        assert_eq!(accepted.receive(9), Err(AGAIN));
        assert_eq!(client.0.peer(), Ok(at("127.0.0.3:8000")));
        assert_eq!(client.0.local(), accepted.0.peer().unwrap());
        assert_eq!(accepted.0.local(), at("127.0.0.3:8000"));
        assert_eq!(
            connect(&client, "127.0.0.1:8000"),
            Err(Errno::EISCONN.into())
        );
        assert_eq!(stack.connections(), 1);
    }
    assert!(nothing_left(&stack));
}

#[test]
fn nobody_at_a_port_refuses_at_once() {
    let stack = stack();
    let client = tcp(&stack);
    assert_eq!(connect(&client, "127.0.0.1:9"), Err(REFUSED));
    assert_eq!(
        connect(&client, "10.0.0.1:9"),
        Err(Errno::ENETUNREACH.into())
    );
    let bound = tcp(&stack);
    bound.0.bind(at("127.0.0.1:8000"), NONE).unwrap();
    assert_eq!(connect(&client, "127.0.0.1:8000"), Err(REFUSED));
    // Without waiting the refusal is told later: to poll, to SO_ERROR or to the next connect.
    let later = || now(|cx| client.0.connect(cx, at("127.0.0.1:9")));
    assert_eq!(later(), Err(IN_PROGRESS));
    assert!(ready(&client).contains(PollEvents::ERR | PollEvents::HUP | PollEvents::IN));
    assert_eq!(later(), Err(REFUSED));
    assert_eq!(later(), Err(IN_PROGRESS));
    assert_eq!(client.0.take_error(), Some(Errno::ECONNREFUSED));
    assert_eq!(later(), Err(Errno::ECONNABORTED.into()));
    bound.0.listen(0).unwrap();
    assert_eq!(connect(&client, "127.0.0.1:8000"), Ok(()));
}

#[test]
fn without_waiting_a_connection_is_in_progress_and_then_told_once() {
    let stack = stack();
    let server = listener(&stack, "127.0.0.1:8000", 5);
    let client = tcp(&stack);
    let again = || now(|cx| client.0.connect(cx, at("127.0.0.1:8000")));
    assert_eq!(again(), Err(IN_PROGRESS));
    assert_eq!(ready(&client), PollEvents::WRITABLE);
    assert_eq!((again(), again()), (Ok(()), Err(Errno::EISCONN.into())));
    assert!(server.accept().is_ok());
}

#[test]
fn a_full_backlog_makes_connections_wait_in_order() {
    let stack = stack();
    let server = listener(&stack, "127.0.0.1:8000", 0);
    let to = at("127.0.0.1:8000");
    let first = tcp(&stack);
    connect(&first, "127.0.0.1:8000").unwrap();
    let (thread, waiting) = (Thread::new(), tcp(&stack));
    let blocked = || thread.run(false, |cx| waiting.0.connect(cx, to));
    assert_eq!((blocked(), thread.woken()), (Err(Stop::Park), false));
    let (later, gone) = (tcp(&stack), tcp(&stack));
    let later_again = || now(|cx| later.0.connect(cx, to));
    assert_eq!(now(|cx| gone.0.connect(cx, to)), Err(IN_PROGRESS));
    assert_eq!(
        (later_again(), later_again()),
        (Err(IN_PROGRESS), Err(ALREADY))
    );
    assert_eq!(
        (ready(&later), later.send(b"x")),
        (PollEvents::empty(), Err(AGAIN))
    );
    assert_eq!(later.0.peer(), Err(Errno::ENOTCONN));
    drop(gone);
    assert_eq!(stack.connections(), 3);
    let one = server.accept().unwrap();
    assert!(thread.woken());
    assert_eq!((blocked(), later_again()), (Ok(()), Err(ALREADY)));
    let two = server.accept().unwrap();
    assert_eq!((later_again(), later.send(b"x")), (Ok(()), Ok(1)));
    let three = server.accept().unwrap();
    assert_eq!(three.receive(5), Ok(b"x".to_vec()));
    assert_eq!(one.0.peer().unwrap(), first.0.local());
    assert_eq!(two.0.peer().unwrap(), waiting.0.local());
}

#[test]
fn a_listener_that_goes_resets_and_refuses_those_who_wait() {
    let stack = stack();
    let server = listener(&stack, "127.0.0.1:8000", 0);
    let (taken, asked) = (tcp(&stack), tcp(&stack));
    connect(&taken, "127.0.0.1:8000").unwrap();
    let thread = Thread::new();
    let blocked = || thread.run(false, |cx| asked.0.connect(cx, at("127.0.0.1:8000")));
    assert_eq!(blocked(), Err(Stop::Park));
    drop(server);
    assert!(thread.woken());
    assert_eq!((blocked(), taken.receive(1)), (Err(REFUSED), Err(RESET)));
    drop((taken, asked));
    assert!(nothing_left(&stack));
}

#[test]
fn a_listener_that_is_shut_down_wakes_who_accepts() {
    let stack = stack();
    let server = listener(&stack, "127.0.0.1:8000", 0);
    let thread = Thread::new();
    let accept = || thread.run(false, |cx| server.0.accept(cx, metadata()).map(drop));
    assert_eq!(accept(), Err(Stop::Park));
    assert_eq!(server.0.shut_down(Directions::all()), Ok(()));
    assert!(thread.woken());
    assert_eq!(accept(), Err(Errno::EINVAL.into()));
    assert_eq!(connect(&tcp(&stack), "127.0.0.1:8000"), Err(REFUSED));
}

#[test]
fn one_direction_ends_and_the_other_goes_on() {
    let stack = stack();
    let (client, server) = pair(&stack);
    client.send(b"question").unwrap();
    client.0.shut_down(Directions::SEND).unwrap();
    assert_eq!(client.send(b"x"), Err(EPIPE));
    let half = PollEvents::READABLE | PollEvents::WRITABLE | PollEvents::RDHUP;
    assert_eq!(ready(&server), half);
    assert_eq!(server.receive(100), Ok(b"question".to_vec()));
    assert_eq!(
        (server.receive(1), server.receive(1)),
        (Ok(Vec::new()), Ok(Vec::new()))
    );
    assert_eq!(server.send(b"answer"), Ok(6));
    assert_eq!(client.receive(100), Ok(b"answer".to_vec()));
    server.0.shut_down(Directions::SEND).unwrap();
    assert!(ready(&client).contains(PollEvents::HUP) && ready(&server).contains(PollEvents::HUP));
    assert_eq!(client.receive(1), Ok(Vec::new()));
}

#[test]
fn one_that_does_not_receive_any_more_tells_nobody() {
    let stack = stack();
    let (client, server) = pair(&stack);
    client.0.shut_down(Directions::RECEIVE).unwrap();
    assert_eq!(client.receive(1), Ok(Vec::new()));
    assert_eq!(ready(&server), PollEvents::WRITABLE);
    assert_eq!(server.send(b"x"), Ok(1));
    assert_eq!(client.receive(1), Ok(b"x".to_vec()));
    client.0.shut_down(Directions::SEND).unwrap();
    // Now what comes is answered with a reset.
    assert_eq!((server.send(b"x"), server.send(b"x")), (Ok(1), Err(EPIPE)));
    assert_eq!(client.0.take_error(), Some(Errno::ECONNRESET));
}

#[test]
fn what_is_sent_to_one_that_has_gone_is_answered_with_a_reset() {
    let stack = stack();
    let (client, server) = pair(&stack);
    server.send(b"last").unwrap();
    drop(server);
    assert_eq!(client.send(b"to nobody"), Ok(9));
    assert!(ready(&client).contains(PollEvents::ERR | PollEvents::HUP));
    assert_eq!(client.receive(9), Ok(b"last".to_vec()));
    assert_eq!(client.send(b"x"), Err(EPIPE));
    assert_eq!(client.send(b"x"), Err(EPIPE));
    assert_eq!(client.receive(9), Ok(Vec::new()));
    assert_eq!(client.0.shut_down(Directions::SEND), Err(Errno::ENOTCONN));
}

#[test]
fn closing_with_bytes_unread_or_with_no_time_to_linger_resets() {
    let stack = stack();
    for lingering in [false, true] {
        let (client, server) = pair(&stack);
        server.send(b"last").unwrap();
        if lingering {
            let value = Value::Linger(1, 0);
            server.0.set_option(SOL_SOCKET, SO_LINGER, value).unwrap();
        } else {
            client.send(b"unread").unwrap();
        }
        let thread = Thread::new();
        drop(server);
        assert_eq!(client.receive(9), Ok(b"last".to_vec()));
        let next = thread.run(false, |cx| {
            client
                .0
                .receive(cx, &mut wait::SliceSink::new(&mut [0]), false)
        });
        assert_eq!(next.map(|_| ()), Err(RESET));
        assert_eq!(client.receive(9), Ok(Vec::new()));
        drop(client);
        assert!(nothing_left(&stack));
    }
}

#[test]
fn an_address_in_use_is_shared_as_the_options_say() {
    let stack = stack();
    let server = listener(&stack, "127.0.0.1:8000", 5);
    let other = tcp(&stack);
    let used = Err(Errno::EADDRINUSE);
    assert_eq!(other.0.bind(at("0.0.0.0:8000"), NONE), used);
    set(&other, SO_REUSEADDR, 1);
    set(&server, SO_REUSEADDR, 1);
    assert_eq!(other.0.bind(at("0.0.0.0:8000"), NONE), used);
    let client = tcp(&stack);
    connect(&client, "127.0.0.1:8000").unwrap();
    let accepted = server.accept().unwrap();
    drop(server);
    // The connection is still there: only a socket that shares gets the port.
    assert_eq!(tcp(&stack).0.bind(at("127.0.0.1:8000"), NONE), used);
    assert_eq!(other.0.bind(at("127.0.0.1:8000"), NONE), Ok(()));
    assert_eq!(other.0.bind(at("127.0.0.1:8001"), NONE), Err(Errno::EINVAL));
    assert_eq!(other.0.listen(5), Ok(()));
    drop((accepted, client, other));
    assert!(nothing_left(&stack));
    let low = tcp(&stack);
    assert_eq!(low.0.bind(at("127.0.0.1:80"), NONE), Err(Errno::EACCES));
    assert_eq!(low.0.bind(at("127.0.0.1:80"), Privileges::PORTS), Ok(()));
    let far = tcp(&stack).0.bind(at("192.168.1.1:8000"), NONE);
    assert_eq!(far, Err(Errno::EADDRNOTAVAIL));
}

#[test]
fn two_connections_never_have_the_same_addresses() {
    let stack = stack();
    let server = listener(&stack, "127.0.0.1:8000", 5);
    let clients = [tcp(&stack), tcp(&stack)];
    for client in &clients {
        set(client, SO_REUSEADDR, 1);
        client.0.bind(at("127.0.0.1:7000"), NONE).unwrap();
    }
    assert_eq!(connect(&clients[0], "127.0.0.1:8000"), Ok(()));
    let same = connect(&clients[1], "127.0.0.1:8000");
    assert_eq!(same, Err(Errno::EADDRNOTAVAIL.into()));
    let other = listener(&stack, "127.0.0.2:8000", 5);
    assert_eq!(connect(&clients[1], "127.0.0.2:8000"), Ok(()));
    drop((server, other, clients));
    assert!(nothing_left(&stack));
}

#[test]
fn one_socket_of_ipv6_serves_both_families_unless_told_otherwise() {
    let stack = stack();
    let six = || Open::new(TcpSocket::new(stack.clone(), Domain::V6, metadata()).expect("memory"));
    let server = six();
    server.0.bind(at("[::]:8000"), NONE).unwrap();
    server.0.listen(5).unwrap();
    let four = tcp(&stack);
    connect(&four, "127.0.0.1:8000").unwrap();
    assert_eq!(server.accept().unwrap().0.local(), at("127.0.0.1:8000"));
    let client = six();
    connect(&client, "[::1]:8000").unwrap();
    assert_eq!(
        server.accept().unwrap().0.peer().unwrap().ip(),
        at("[::1]:1").ip()
    );
    assert_eq!(
        tcp(&stack).0.bind(at("0.0.0.0:8000"), NONE),
        Err(Errno::EADDRINUSE)
    );
    let only = six();
    let value = Value::Number(1);
    only.0
        .set_option(abi::linux::IPPROTO_IPV6, abi::linux::IPV6_V6ONLY, value)
        .unwrap();
    only.0.bind(at("[::]:8001"), NONE).unwrap();
    only.0.listen(5).unwrap();
    assert_eq!(connect(&tcp(&stack), "127.0.0.1:8001"), Err(REFUSED));
    assert_eq!(tcp(&stack).0.bind(at("0.0.0.0:8001"), NONE), Ok(()));
}

#[test]
fn who_accepts_has_the_options_of_who_listens() {
    let stack = stack();
    let server = listener(&stack, "127.0.0.1:8000", 5);
    let value = Value::Number(1);
    server
        .0
        .set_option(IPPROTO_TCP, TCP_NODELAY, value)
        .unwrap();
    server.0.timeouts().set_receive(Some(abi::Nanos(5)));
    let client = tcp(&stack);
    connect(&client, "127.0.0.1:8000").unwrap();
    let accepted = server.accept().unwrap();
    assert_eq!(accepted.0.option(IPPROTO_TCP, TCP_NODELAY), Ok(value));
    assert_eq!(accepted.0.timeouts().receive(), Some(abi::Nanos(5)));
    assert_eq!(
        accepted.0.option(IPPROTO_TCP, 9999),
        Err(Errno::ENOPROTOOPT)
    );
}

#[test]
fn who_finds_no_room_is_woken_when_a_third_is_free_and_not_before() {
    let stack = stack();
    let (client, server) = pair(&stack);
    set(&client, SO_SNDBUF, 1);
    set(&server, SO_RCVBUF, 1);
    let all = client.0.buffers().send + server.0.buffers().receive;
    let bytes = std::vec![7; all + 1];
    assert_eq!(client.send(&bytes), Ok(all));
    let thread = Thread::new();
    let blocked = thread.run(false, |cx| {
        client.0.send(cx, &mut SliceSource::new(b"x"), false)
    });
    assert_eq!(blocked, Err(Stop::Park));
    assert!(!ready(&client).contains(PollEvents::OUT));
    server.receive(all / 4).unwrap();
    assert!(!thread.woken());
    server.receive(all / 4).unwrap();
    assert!(thread.woken() && ready(&client).contains(PollEvents::OUT));
}

#[test]
fn a_watcher_learns_of_every_send_and_of_the_connection() {
    let stack = stack();
    let server = listener(&stack, "127.0.0.1:8000", 5);
    let client = tcp(&stack);
    let thread = Thread::new();
    let watch = |socket: &Open<TcpSocket>| {
        thread.run(false, |cx| {
            let sleeper: Arc<dyn wait::Sleeper> = thread.clone();
            let Ticket(ticket) = cx.waiter().ticket();
            let waiter = Waiter::watching(sleeper, Ticket(ticket), Manner::CHANGES);
            socket.0.poll(EVERYTHING, Some(&waiter))
        })
    };
    watch(&client);
    assert_eq!(
        now(|cx| client.0.connect(cx, at("127.0.0.1:8000"))),
        Err(IN_PROGRESS)
    );
    assert!(thread.woken());
    let accepted = server.accept().unwrap();
    for _ in 0..2 {
        watch(&accepted);
        client.send(b"x").unwrap();
        assert!(thread.woken());
    }
    watch(&accepted);
    drop(client);
    assert!(thread.woken());
}

#[test]
fn an_association_is_taken_back_by_a_reset() {
    let stack = stack();
    let (client, server) = pair(&stack);
    client.0.disconnect();
    assert_eq!(server.receive(1), Err(RESET));
    assert_eq!(client.0.peer(), Err(Errno::ENOTCONN));
    assert_eq!(client.send(b"x"), Err(EPIPE));
}

#[derive(Clone, Copy, Debug)]
enum Step {
    Send(usize),
    Receive(usize),
    Shut,
}

fn step() -> impl Strategy<Value = (bool, Step)> {
    let what = prop_oneof![
        8 => (1..30_000usize).prop_map(Step::Send),
        8 => (1..30_000usize).prop_map(Step::Receive),
        1 => Just(Step::Shut),
    ];
    (any::<bool>(), what)
}

proptest! {
    /// Every byte arrives once and in order, whatever the two ends do, and the end comes after the last of them.
    #[test]
    fn streams_arrive_exactly(
        steps in proptest::collection::vec(step(), 1..60),
        buffers in proptest::collection::vec(1..60_000i32, 4),
    ) {
        let stack = stack();
        let (client, server) = pair(&stack);
        let ends = [&client, &server];
        for (at, end) in ends.iter().enumerate() {
            set(end, SO_SNDBUF, buffers[2 * at]);
            set(end, SO_RCVBUF, buffers[2 * at + 1]);
        }
        let (mut sent, mut received, mut shut) = ([0usize; 2], [0usize; 2], [false; 2]);
        let byte = |direction: usize, at: usize| (at * 31 + at / 256 + direction * 7) as u8;
        for (second, step) in steps {
            let (own, other) = (usize::from(second), usize::from(!second));
            match step {
                Step::Send(length) => {
                    let bytes: Vec<u8> = (0..length).map(|at| byte(own, sent[own] + at)).collect();
                    match ends[own].send(&bytes) {
                        Ok(count) => {
                            prop_assert!(!shut[own] && count > 0);
                            sent[own] += count;
                        }
                        Err(AGAIN) => prop_assert!(!shut[own] && sent[own] > received[other]),
                        Err(stop) => prop_assert!(shut[own] && stop == EPIPE),
                    }
                }
                Step::Receive(limit) => {
                    let waiting = sent[other] - received[own];
                    match ends[own].receive(limit) {
                        Ok(bytes) => {
                            prop_assert_eq!(bytes.len(), waiting.min(limit));
                            prop_assert!(waiting > 0 || shut[other]);
                            for (at, got) in bytes.iter().enumerate() {
                                prop_assert_eq!(*got, byte(other, received[own] + at));
                            }
                            received[own] += bytes.len();
                        }
                        Err(stop) => prop_assert!(stop == AGAIN && waiting == 0 && !shut[other]),
                    }
                }
                Step::Shut => {
                    ends[own].0.shut_down(Directions::SEND).unwrap();
                    shut[own] = true;
                }
            }
        }
        drop((client, server));
        prop_assert!(nothing_left(&stack));
    }

    /// Sockets that connect, accept and go in any order leave no port and no connection.
    #[test]
    fn nothing_is_left(
        backlog in 0..4usize,
        steps in proptest::collection::vec((0..4u8, 0..8usize, any::<bool>()), 1..80),
    ) {
        let stack = stack();
        let mut server = Some(listener(&stack, "127.0.0.1:8000", backlog));
        let mut clients: Vec<Option<Open<TcpSocket>>> = (0..8).map(|_| None).collect();
        let mut accepted = Vec::new();
        for (what, who, blocking) in steps {
            match what {
                0 => {
                    let client = clients[who].get_or_insert_with(|| tcp(&stack));
                    let to = at("127.0.0.1:8000");
                    let connected = Thread::new().run(!blocking, |cx| client.0.connect(cx, to));
                    // With nobody to wait for, nothing waits.
                    prop_assert!(server.is_some() || connected != Err(Stop::Park));
                }
                1 => clients[who] = None,
                2 => accepted.extend(server.as_ref().and_then(|server| server.accept().ok())),
                _ if blocking => {
                    if server.take().is_none() {
                        let again = tcp(&stack);
                        set(&again, SO_REUSEADDR, 1);
                        if again.0.bind(at("127.0.0.1:8000"), NONE).is_ok() {
                            again.0.listen(backlog).unwrap();
                            server = Some(again);
                        }
                    }
                }
                _ => { accepted.pop(); }
            }
        }
        drop((server, clients, accepted));
        prop_assert!(nothing_left(&stack));
    }
}

#[test]
fn the_urgent_byte_is_received_by_itself_and_nothing_across_it() {
    let stack = stack();
    let (client, server) = pair(&stack);
    let none = Err(Errno::EINVAL.into());
    let marked = || server.0.end().is_some_and(End::is_at_mark);
    let urgent = || ready(&server).contains(PollEvents::PRI);
    assert_eq!(server.receive_urgent(false), none);
    assert_eq!(client.send_urgent(b"abc"), Ok(3));
    assert_eq!(client.send(b"def"), Ok(3));
    assert!(urgent() && !marked());
    assert_eq!(server.0.end().map(End::waiting), Some(2));
    assert_eq!(server.receive_urgent(true), Ok(b'c'));
    assert_eq!(server.receive_urgent(false), Ok(b'c'));
    assert_eq!(server.receive_urgent(false), none);
    assert!(!urgent());
    assert_eq!(server.receive(9), Ok(b"ab".to_vec()));
    assert!(marked());
    assert_eq!(server.receive(2), Ok(b"de".to_vec()));
    assert!(!marked());
    assert_eq!(server.receive(9), Ok(b"f".to_vec()));
    // Whoever does not ask for it loses it.
    assert_eq!(client.send_urgent(b"x"), Ok(1));
    assert!(urgent() && marked() && !ready(&server).contains(PollEvents::IN));
    assert_eq!(server.receive(9), Err(AGAIN));
    assert_eq!(server.receive_urgent(false), none);
    // The next one makes it ordinary, unless it would have been the next to be received.
    assert_eq!(client.send_urgent(b"pq"), Ok(2));
    assert_eq!(client.send_urgent(b"r"), Ok(1));
    assert_eq!(server.receive(9), Ok(b"pq".to_vec()));
    assert_eq!(client.send_urgent(b"s"), Ok(1));
    assert_eq!(server.receive_urgent(false), Ok(b's'));
    assert_eq!(server.receive(9), Err(AGAIN));
}

#[test]
fn in_line_the_urgent_byte_is_one_like_others_behind_a_mark() {
    let stack = stack();
    let (client, server) = pair(&stack);
    set(&server, SO_OOBINLINE, 1);
    assert_eq!(server.0.urgents(), Some(0));
    assert_eq!(client.send_urgent(b"abc"), Ok(3));
    assert_eq!(client.send(b"d"), Ok(1));
    assert_eq!(server.receive_urgent(false), Err(Errno::EINVAL.into()));
    assert_eq!((client.0.urgents(), server.0.urgents()), (Some(0), Some(1)));
    assert_eq!(server.receive(9), Ok(b"ab".to_vec()));
    assert!(server.0.end().is_some_and(End::is_at_mark));
    assert_eq!(server.receive(9), Ok(b"cd".to_vec()));
    assert!(!server.0.end().is_some_and(End::is_at_mark));
}
