use super::*;
use crate::world::{AGAIN, clock, metadata, now, request};
use proptest::prelude::*;
use std::vec;
use wait::{SliceSink, SliceSource};

/// Types and lengths of the messages of the next answer.
fn next(socket: &NetlinkSocket) -> Attempt<Vec<(u16, Vec<u8>)>> {
    let mut bytes = vec![0; 4096];
    let received = now(|cx| socket.receive(cx, &mut SliceSink::new(&mut bytes), false))?;
    let mut rest = &bytes[..received.count];
    let mut found = Vec::new();
    while let Some((message, length)) = Request::read(rest, 0) {
        assert_eq!(message.sequence, 77);
        found.push((message.kind, message.bytes[HEADER..].to_vec()));
        rest = &rest[length.next_multiple_of(4)..];
    }
    assert!(rest.is_empty());
    Ok(found)
}

fn socket() -> Arc<NetlinkSocket> {
    let stack = Arc::new(Stack::new(clock));
    NetlinkSocket::new(stack, NetlinkProtocol::Route, metadata()).expect("memory")
}

fn ask(bytes: &[u8]) -> Vec<(u16, Vec<u8>)> {
    let socket = socket();
    let sent = socket.send(&mut SliceSource::new(bytes), &Nobody);
    assert_eq!(sent, Ok(bytes.len()));
    assert_ne!(socket.port(), 0);
    let found = next(&socket).unwrap();
    assert_eq!(next(&socket).err(), Some(AGAIN));
    found
}

fn kinds(found: &[(u16, Vec<u8>)]) -> Vec<u16> {
    found.iter().map(|(kind, _)| *kind).collect()
}

#[test]
fn interfaces_and_addresses_are_told() {
    let links = ask(&request(GET_LINK, 1 | DUMP, &[0; 16]));
    assert_eq!(kinds(&links), [NEW_LINK, DONE]);
    assert!(links[0].1.windows(3).any(|part| part == b"lo\0"));
    let all = ask(&request(GET_ADDRESS, 1 | DUMP, &[0; 8]));
    assert_eq!(kinds(&all), [NEW_ADDRESS, NEW_ADDRESS, DONE]);
    let six = ask(&request(GET_ADDRESS, 1 | DUMP, &[10, 0, 0, 0, 0, 0, 0, 0]));
    assert_eq!((kinds(&six), six[0].1[1]), (vec![NEW_ADDRESS, DONE], 128));
    let mut routes = kinds(&ask(&request(GET_ROUTE, 1 | DUMP, &[0; 12])));
    assert_eq!((routes.pop(), routes), (Some(DONE), vec![NEW_ROUTE; 4]));
    let six = ask(&request(GET_ROUTE, 1 | DUMP, &[10; 1]));
    assert_eq!(kinds(&six), [NEW_ROUTE, NEW_ROUTE, DONE]);
    assert_eq!(
        kinds(&ask(&request(GET_NEIGHBOUR, 1 | DUMP, &[0; 12]))),
        [DONE]
    );
    let rules = ask(&request(GET_RULE, 1 | DUMP, &[2; 1]));
    assert_eq!(kinds(&rules), [NEW_RULE, NEW_RULE, NEW_RULE, DONE]);
    let mut by_name = vec![0; 16];
    attribute(&mut by_name, 3, b"lo\0");
    assert_eq!(kinds(&ask(&request(GET_LINK, 1, &by_name))), [NEW_LINK]);
}

#[test]
fn a_route_is_found_to_what_is_here() {
    let to = |family: u8, address: &[u8]| {
        let mut body = vec![0; Route::BODY];
        body[0] = family;
        attribute(&mut body, 1, address);
        ask(&request(GET_ROUTE, 1, &body))
    };
    let here = to(2, &[127, 3, 2, 1]);
    assert_eq!(kinds(&here), [NEW_ROUTE]);
    assert_eq!(here[0].1[..8], [2, 32, 0, 0, LOCAL, 2, UNIVERSE, HERE]);
    assert_eq!(kinds(&to(10, &Ipv6Addr::LOCALHOST.octets())), [NEW_ROUTE]);
    for (family, address) in [
        (2, &[10, 0, 0, 1][..]),
        (10, &[1; 16]),
        (2, &[]),
        (7, &[1; 16]),
    ] {
        assert_eq!(kinds(&to(family, address)), [ERROR]);
    }
}

#[test]
fn what_cannot_be_done_is_an_error() {
    let errno = |bytes: &[u8]| {
        let found = ask(bytes);
        assert_eq!(kinds(&found), [ERROR]);
        i32::from_le_bytes(found[0].1[..4].try_into().unwrap())
    };
    assert_eq!(errno(&request(NEW_ADDRESS, 5, &[0; 8])), -1);
    assert_eq!(errno(&request(GET_LINK, 1, &[0; 16])), -19);
    assert_eq!(errno(&request(90, 1, &[])), -95);
    assert_eq!(errno(&request(0, 1 | ACKNOWLEDGE, &[])), 0);
}

#[test]
fn addresses_are_given_once() {
    let socket = socket();
    assert_eq!(socket.bind(&NetlinkSocket::address(5)), Ok(()));
    assert_eq!(socket.bind(&NetlinkSocket::address(0)), Ok(()));
    assert_eq!(
        (socket.port(), socket.bind(&NetlinkSocket::address(6))),
        (5, Err(Errno::EINVAL))
    );
    assert_eq!(socket.bind(&[0; 12]), Err(Errno::EINVAL));
}

proptest! {
    #[test]
    fn any_bytes_are_taken(bytes: Vec<u8>) {
        let socket = socket();
        let sent = socket.send(&mut SliceSource::new(&bytes), &Nobody);
        prop_assert_eq!(sent, Ok(bytes.len()));
    }
}
