use super::*;
use crate::options::Value;
use crate::world::{AGAIN, Open, Thread, at, clock, metadata, now, udp};
use abi::linux::{IPPROTO_TCP, SO_RCVBUF, SO_REUSEADDR, SOL_SOCKET};
use proptest::prelude::*;
use std::vec::Vec;
use wait::{SliceSink, SliceSource, Stop};

const NONE: Privileges = Privileges::empty();

fn stack() -> Arc<Stack> {
    Arc::new(Stack::new(clock))
}

fn bound(stack: &Arc<Stack>, place: &str) -> Open<UdpSocket> {
    let socket = udp(stack);
    socket.0.bind(at(place), NONE).unwrap();
    socket
}

fn send(socket: &Open<UdpSocket>, to: &str, bytes: &[u8]) -> Attempt<usize> {
    let to = (!to.is_empty()).then(|| at(to));
    let mut source = SliceSource::new(bytes);
    socket.0.send(to, Departure::default(), &mut source)
}

fn receive(socket: &Open<UdpSocket>, room: usize) -> Attempt<(Vec<u8>, usize, SocketAddr)> {
    let mut bytes = std::vec![0; room];
    let (received, arrival) =
        now(|cx| socket.0.receive(cx, &mut SliceSink::new(&mut bytes), false))?;
    let from = arrival.map(|arrival| arrival.from);
    bytes.truncate(received.count);
    Ok((bytes, received.length, from.unwrap_or(at("0.0.0.0:0"))))
}

#[test]
fn datagrams_keep_their_borders_and_tell_where_they_come_from() {
    let stack = stack();
    let server = bound(&stack, "0.0.0.0:5300");
    let client = udp(&stack);
    assert_eq!(send(&client, "127.0.0.9:5300", b"one"), Ok(3));
    assert_eq!(send(&client, "127.0.0.9:5300", b""), Ok(0));
    let from = SocketAddr::new(at("127.0.0.1:1").ip(), client.0.local().port());
    assert_eq!(receive(&server, 2), Ok((b"on".to_vec(), 3, from)));
    assert_eq!(receive(&server, 2), Ok((Vec::new(), 0, from)));
    assert_eq!(receive(&server, 2), Err(AGAIN));
    assert_eq!(send(&client, "", b"x"), Err(Errno::EDESTADDRREQ.into()));
    assert_eq!(
        send(&client, "10.1.1.1:5", b"x"),
        Err(Errno::ENETUNREACH.into())
    );
    let long = std::vec![0; UdpSocket::DATAGRAM_MAX + 1];
    assert_eq!(
        send(&client, "127.0.0.1:5300", &long),
        Err(Errno::EMSGSIZE.into())
    );
    drop((server, client));
    assert!(stack.udp.lock().is_empty());
}

#[test]
fn a_peer_is_heard_alone_and_its_absence_is_told_once() {
    let stack = stack();
    let server = bound(&stack, "127.0.0.1:5300");
    let (friend, stranger) = (bound(&stack, "127.0.0.1:5301"), udp(&stack));
    server.0.connect(Some(at("127.0.0.1:5301"))).unwrap();
    assert_eq!(send(&stranger, "127.0.0.1:5300", b"x"), Ok(1));
    assert_eq!(receive(&server, 9), Err(AGAIN));
    assert_eq!(send(&friend, "127.0.0.1:5300", b"x"), Ok(1));
    assert!(receive(&server, 9).is_ok());
    drop(friend);
    assert_eq!(send(&server, "", b"x"), Ok(1));
    assert!(
        server
            .0
            .poll(PollEvents::all(), None)
            .contains(PollEvents::ERR)
    );
    let refused = Err(Errno::ECONNREFUSED.into());
    assert_eq!(receive(&server, 9).map(drop), refused);
    assert_eq!(receive(&server, 9), Err(AGAIN));
    // One without a peer is told nothing.
    assert_eq!(send(&stranger, "127.0.0.1:9", b"x"), Ok(1));
    assert_eq!(receive(&stranger, 9), Err(AGAIN));
    server.0.connect(None).unwrap();
    assert_eq!(
        (server.0.peer(), server.0.local()),
        (Err(Errno::ENOTCONN), at("127.0.0.1:5300"))
    );
    assert_eq!(send(&stranger, "127.0.0.1:5300", b"x"), Ok(1));
    assert!(receive(&server, 9).is_ok());
}

#[test]
fn a_port_that_was_chosen_goes_with_the_association() {
    let stack = stack();
    let client = udp(&stack);
    client.0.connect(Some(at("127.0.0.1:9"))).unwrap();
    assert_eq!(client.0.local().ip(), at("127.0.0.1:1").ip());
    client.0.connect(None).unwrap();
    assert_eq!(client.0.local(), at("0.0.0.0:0"));
    assert!(stack.udp.lock().is_empty());
}

#[test]
fn a_full_inbox_loses_datagrams_and_wakes_nobody() {
    let stack = stack();
    let server = bound(&stack, "127.0.0.1:5300");
    server
        .0
        .set_option(SOL_SOCKET, SO_RCVBUF, Value::Number(1))
        .unwrap();
    let client = udp(&stack);
    let sent = (0..50)
        .filter(|_| send(&client, "127.0.0.1:5300", &[0; 100]) == Ok(100))
        .count();
    let got = core::iter::repeat_with(|| receive(&server, 100))
        .take_while(Result::is_ok)
        .count();
    // As many as on Linux, where each occupies 768 bytes of the least buffer, 2304, beyond which the last one may go.
    assert_eq!((sent, got), (50, 4));
    assert_eq!(server.0.used(), 0);
}

#[test]
fn who_waits_is_woken_and_a_direction_that_is_shut_ends_the_wait() {
    let stack = stack();
    let server = bound(&stack, "127.0.0.1:5300");
    let thread = Thread::new();
    let mut byte = [0];
    let mut blocked = || {
        thread.run(false, |cx| {
            let received = server.0.receive(cx, &mut SliceSink::new(&mut byte), false);
            received.map(|(received, _)| received.count)
        })
    };
    assert_eq!(blocked(), Err(Stop::Park));
    send(&udp(&stack), "127.0.0.1:5300", b"x").unwrap();
    assert!(thread.woken());
    assert_eq!((blocked(), blocked()), (Ok(1), Err(Stop::Park)));
    assert_eq!(
        server.0.shut_down(Directions::RECEIVE),
        Err(Errno::ENOTCONN)
    );
    assert!(thread.woken());
    assert_eq!(blocked(), Ok(0));
}

#[test]
fn options_of_another_protocol_are_refused() {
    let stack = stack();
    let socket =
        Open::new(UdpSocket::new(stack, Datagrams::Udp, Domain::V6, metadata()).expect("memory"));
    let set = socket.0.set_option(IPPROTO_TCP, 1, Value::Number(1));
    assert_eq!(set, Err(Errno::ENOPROTOOPT));
    assert_eq!(
        socket.0.option(SOL_SOCKET, SO_REUSEADDR),
        Ok(Value::Number(0))
    );
}

proptest! {
    /// What arrives is what was sent, in order, each to its own socket; nothing is left.
    #[test]
    fn datagrams_arrive_whole(
        steps in proptest::collection::vec((0..3usize, 0..3usize, 0..3000usize, any::<bool>()), 1..80)
    ) {
        let stack = stack();
        let places = ["127.0.0.1:5300", "127.0.0.1:5301", "127.0.0.2:5300"];
        let sockets: Vec<_> = places.iter().map(|place| bound(&stack, place)).collect();
        let mut waiting: Vec<VecDeque<(usize, usize)>> = (0..3).map(|_| VecDeque::new()).collect();
        for (from, to, length, sending) in steps {
            if sending {
                prop_assert_eq!(send(&sockets[from], places[to], &std::vec![from as u8; length]), Ok(length));
                waiting[to].push_back((from, length));
            } else {
                match (receive(&sockets[to], 4000), waiting[to].pop_front()) {
                    (Ok((bytes, whole, source)), Some((from, length))) => {
                        prop_assert_eq!((bytes, whole, source), (std::vec![from as u8; length], length, at(places[from])));
                    }
                    (Err(stop), None) => prop_assert_eq!(stop, AGAIN),
                    (got, wanted) => prop_assert!(false, "{got:?} for {wanted:?}"),
                }
            }
        }
        drop(sockets);
        prop_assert!(stack.udp.lock().is_empty());
    }
}

#[test]
fn an_echo_comes_back_to_who_asked() {
    let stack = stack();
    let made = |domain| UdpSocket::new(stack.clone(), Datagrams::Echo, domain, metadata());
    let (one, other) = (
        Open::new(made(Domain::V4).unwrap()),
        Open::new(made(Domain::V4).unwrap()),
    );
    let request = [8, 0, 1, 2, 3, 4, 0, 9, b'x'];
    assert_eq!(send(&one, "127.0.0.2:0", &request), Ok(9));
    assert_eq!(receive(&other, 99), Err(AGAIN));
    let (answer, _, from) = receive(&one, 99).unwrap();
    assert_eq!(from, at("127.0.0.2:0"));
    assert_eq!((answer[0], &answer[6..]), (0, &[0, 9, b'x'][..]));
    assert_eq!(answer[4..6], one.0.local().port().to_be_bytes());
    assert_eq!(
        send(&one, "127.0.0.2:0", &request[..7]),
        Err(Errno::EINVAL.into())
    );
    assert_eq!(
        send(&one, "10.0.0.1:0", &request),
        Err(Errno::ENETUNREACH.into())
    );
    // Identifiers are no ports of UDP.
    let same = SocketAddr::new(at("127.0.0.1:0").ip(), one.0.local().port());
    let plain = udp(&stack);
    assert_eq!(plain.0.bind(same, NONE), Ok(()));
    drop((one, other, plain));
    assert!(stack.echo.lock().is_empty());
}

#[test]
fn it_is_told_how_a_datagram_has_come() {
    use abi::linux::{IP_RECVTTL, IP_TOS, IP_TTL, IPPROTO_IP};
    let stack = stack();
    let (server, client) = (bound(&stack, "0.0.0.0:5300"), udp(&stack));
    let set = |socket: &Open<UdpSocket>, option, number| {
        socket
            .0
            .set_option(IPPROTO_IP, option, Value::Number(number))
    };
    assert_eq!(
        server.0.option(IPPROTO_IP, IP_RECVTTL),
        Ok(Value::Number(0))
    );
    assert_eq!(set(&server, IP_RECVTTL, 7), Ok(()));
    assert_eq!(
        server.0.option(IPPROTO_IP, IP_RECVTTL),
        Ok(Value::Number(1))
    );
    assert_eq!(
        (set(&client, IP_TTL, 9), set(&client, IP_TOS, 16)),
        (Ok(()), Ok(()))
    );
    send(&client, "127.0.0.9:5300", b"x").unwrap();
    let mut bytes = [0; 4];
    let received = now(|cx| server.0.receive(cx, &mut SliceSink::new(&mut bytes), false));
    let arrival = received.unwrap().1.unwrap();
    let way = Way {
        to: at("127.0.0.9:1").ip(),
        time_to_live: 9,
        service: 16,
        mark: 0,
    };
    assert_eq!((arrival.way, arrival.told), (way, Told::TIME_TO_LIVE));
}

#[test]
fn what_finds_nobody_comes_back_to_who_wants_it() {
    use abi::linux::{IP_RECVERR, IPPROTO_IP};
    let (stack, refused) = (stack(), Err(Errno::ECONNREFUSED.into()));
    let client = udp(&stack);
    let take = |peek| {
        let mut bytes = [0; 2];
        let (received, to, why) = client
            .0
            .receive_returned(&mut SliceSink::new(&mut bytes), peek)?;
        assert_eq!(why, Return::Lost);
        Attempt::Ok((received.count, received.length, to))
    };
    // Without a peer nothing is told, unless it is wanted.
    assert_eq!(send(&client, "127.0.0.1:9", b"one"), Ok(3));
    assert_eq!(
        (send(&client, "127.0.0.1:9", b"one"), take(false)),
        (Ok(3), Err(AGAIN))
    );
    let on = Value::Number(1);
    assert_eq!(client.0.set_option(IPPROTO_IP, IP_RECVERR, on), Ok(()));
    assert_eq!(send(&client, "127.0.0.1:9", b"one"), Ok(3));
    let ready = client.0.poll(PollEvents::READABLE, None);
    assert!(ready.contains(PollEvents::ERR));
    assert_eq!(send(&client, "127.0.0.1:9", b"two"), refused);
    assert_eq!(take(true), Ok((2, 3, at("127.0.0.1:9"))));
    assert_eq!(
        (take(false), take(false)),
        (Ok((2, 3, at("127.0.0.1:9"))), Err(AGAIN))
    );
    assert!(
        !client
            .0
            .poll(PollEvents::READABLE, None)
            .contains(PollEvents::ERR)
    );
    // So many are kept.
    for _ in 0..2 * 64 {
        send(&client, "127.0.0.1:9", b"x").ok();
    }
    let kept = core::iter::from_fn(|| take(false).ok()).count();
    assert_eq!(kept, 64);
}

#[test]
fn a_datagram_is_marked_with_the_time_and_leaves_as_it_is_told_to() {
    use abi::linux::{SO_TIMESTAMP, SO_TIMESTAMPNS};
    let stack = stack();
    let (server, client) = (bound(&stack, "0.0.0.0:5300"), udp(&stack));
    let arrival = || {
        let mut bytes = [0; 4];
        let received = now(|cx| server.0.receive(cx, &mut SliceSink::new(&mut bytes), false));
        received.unwrap().1.unwrap()
    };
    let set = |option, on| server.0.set_option(SOL_SOCKET, option, Value::Number(on));
    let shown = || {
        [SO_TIMESTAMP, SO_TIMESTAMPNS].map(|option| server.0.option(SOL_SOCKET, option).unwrap())
    };
    send(&client, "127.0.0.1:5300", b"x").unwrap();
    assert_eq!(
        (arrival().at, arrival_times(&server)),
        (Nanos(0), Told::empty())
    );
    for (option, told, values) in [
        (SO_TIMESTAMP, Told::TIME, [1, 0]),
        (SO_TIMESTAMPNS, Told::TIME_NANOS, [0, 1]),
    ] {
        assert_eq!(set(option, 1), Ok(()));
        assert_eq!(shown(), values.map(Value::Number));
        send(&client, "127.0.0.1:5300", b"x").unwrap();
        let came = arrival();
        assert_eq!((came.at, came.told), (clock(), told));
    }
    assert_eq!(set(SO_TIMESTAMP, 0), Ok(()));
    assert_eq!(shown(), [Value::Number(0); 2]);
    let leave = |from: &str| {
        let departure = Departure {
            from: Some(at(from).ip()),
            time_to_live: Some(3),
            service: None,
            ..Departure::default()
        };
        let mut source = SliceSource::new(b"x");
        client
            .0
            .send(Some(at("127.0.0.1:5300")), departure, &mut source)
    };
    assert_eq!(leave("127.0.0.77:0"), Ok(1));
    let came = arrival();
    assert_eq!(
        (came.from.ip(), came.way.time_to_live),
        (at("127.0.0.77:0").ip(), 3)
    );
    assert_eq!(leave("10.0.0.1:0"), Err(Errno::EINVAL.into()));
    assert_eq!(leave("[::1]:0"), Err(Errno::ENETUNREACH.into()));
}

fn arrival_times(server: &Open<UdpSocket>) -> Told {
    server.0.state.lock().options.told
}

fn receive_all(socket: &UdpSocket) -> std::vec::Vec<std::vec::Vec<u8>> {
    let mut all = std::vec::Vec::new();
    loop {
        let mut bytes = [0; 16];
        match now(|cx| socket.receive(cx, &mut SliceSink::new(&mut bytes), false)) {
            Ok((received, _)) => all.push(bytes[..received.count].to_vec()),
            Err(_) => return all,
        }
    }
}

#[test]
fn a_datagram_is_cut_into_pieces_for_who_asks() {
    use abi::linux::{IPPROTO_UDP, UDP_SEGMENT};
    let stack = stack();
    let (server, client) = (udp(&stack), udp(&stack));
    server
        .0
        .bind(at("127.0.0.1:5300"), Privileges::empty())
        .unwrap();
    let size = Value::Number(3);
    assert_eq!(client.0.set_option(IPPROTO_UDP, UDP_SEGMENT, size), Ok(()));
    assert_eq!(send(&client, "127.0.0.1:5300", b"abcdefgh"), Ok(8));
    assert_eq!(receive_all(&server.0), [&b"abc"[..], b"def", b"gh"]);
    // What is not longer goes as it is; there are not too many pieces.
    assert_eq!(send(&client, "127.0.0.1:5300", b"abc"), Ok(3));
    assert_eq!(receive_all(&server.0), [b"abc"]);
    let one = Value::Number(1);
    assert_eq!(client.0.set_option(IPPROTO_UDP, UDP_SEGMENT, one), Ok(()));
    let invalid = Err(Errno::EINVAL.into());
    assert_eq!(send(&client, "127.0.0.1:5300", &[0; 65]), invalid);
    assert_eq!(send(&client, "127.0.0.1:5300", &[0; 64]), Ok(64));
    assert_eq!(receive_all(&server.0).len(), 64);
    let large = Value::Number(65_536);
    let refused = client.0.set_option(IPPROTO_UDP, UDP_SEGMENT, large);
    assert_eq!(refused, Err(Errno::EINVAL));
}

#[test]
fn losses_and_marks_come_with_what_is_received() {
    use abi::linux::{SO_MARK, SO_RCVBUF, SOL_SOCKET};
    let stack = stack();
    let (server, client) = (udp(&stack), udp(&stack));
    server
        .0
        .bind(at("127.0.0.1:5300"), Privileges::empty())
        .unwrap();
    // Two such datagrams fill it: the first leaves room for one that goes beyond it.
    let room = Value::Number(1500);
    assert_eq!(server.0.set_option(SOL_SOCKET, SO_RCVBUF, room), Ok(()));
    let mark = Value::Number(77);
    assert_eq!(client.0.set_option(SOL_SOCKET, SO_MARK, mark), Ok(()));
    let arrival = || {
        let mut bytes = [0; 1];
        let taken = now(|cx| server.0.receive(cx, &mut SliceSink::new(&mut bytes), false));
        taken.unwrap().1.unwrap()
    };
    for _ in 0..4 {
        assert_eq!(send(&client, "127.0.0.1:5300", &[0; 1500]), Ok(1500));
    }
    let first = arrival();
    assert_eq!((first.losses, first.way.mark, first.port), (0, 77, 5300));
    assert_eq!(arrival().losses, 0);
    assert_eq!(send(&client, "127.0.0.1:5300", &[0; 1500]), Ok(1500));
    assert_eq!(arrival().losses, 2);
}
