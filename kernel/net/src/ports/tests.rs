use super::*;
use alloc::sync::Arc;
use core::net::SocketAddr;
use proptest::prelude::*;
use std::collections::BTreeSet;
use std::vec::Vec;

fn claim(at: &str, sharing: Sharing, socket: &Arc<()>) -> Claim<()> {
    let endpoint: SocketAddr = at.parse().unwrap();
    Claim {
        local: Local {
            endpoint,
            only_v6: false,
        },
        sharing,
        peer: None,
        listens: false,
        socket: Arc::downgrade(socket),
    }
}

const ALONE: Sharing = Sharing {
    address: false,
    port: false,
    uid: 0,
};
const BY_ADDRESS: Sharing = Sharing {
    address: true,
    ..ALONE
};
const BY_PORT: Sharing = Sharing {
    port: true,
    ..ALONE
};

#[test]
fn a_port_is_shared_only_by_those_who_agree() {
    let (one, two) = (Arc::new(()), Arc::new(()));
    let used = Err(Errno::EADDRINUSE);
    let stranger = Sharing { uid: 1, ..BY_PORT };
    let table = [
        ("0.0.0.0:80", ALONE, "127.0.0.1:80", ALONE, used),
        ("127.0.0.2:80", ALONE, "127.0.0.1:80", ALONE, Ok(80)),
        ("0.0.0.0:80", BY_ADDRESS, "0.0.0.0:80", ALONE, used),
        ("0.0.0.0:80", BY_ADDRESS, "0.0.0.0:80", BY_ADDRESS, Ok(80)),
        ("[::]:80", BY_PORT, "0.0.0.0:80", BY_PORT, Ok(80)),
        ("[::]:80", BY_PORT, "0.0.0.0:80", stranger, used),
        ("[::1]:80", ALONE, "0.0.0.0:80", ALONE, Ok(80)),
    ];
    for (first, how, second, other, expected) in table {
        let mut ports = Ports::new();
        assert_eq!(ports.claim(claim(first, how, &one)), Ok(80));
        assert_eq!(ports.claim(claim(second, other, &two)), expected);
        ports.release(80, &Arc::downgrade(&one));
        ports.release(80, &Arc::downgrade(&two));
        assert!(ports.is_empty());
    }
}

#[test]
fn one_who_listens_does_not_share_and_its_connections_outlive_it() {
    let (one, two) = (Arc::new(()), Arc::new(()));
    let mut ports = Ports::new();
    let weak = Arc::downgrade(&one);
    ports.claim(claim("0.0.0.0:80", BY_ADDRESS, &one)).unwrap();
    ports.listen(80, &weak).unwrap();
    let again = |sharing| claim("0.0.0.0:80", sharing, &two);
    assert_eq!(ports.claim(again(BY_ADDRESS)), Err(Errno::EADDRINUSE));
    ports
        .connected("127.0.0.1:80".parse().unwrap(), true)
        .unwrap();
    ports.release(80, &weak);
    let elsewhere = claim("127.0.0.2:80", ALONE, &one);
    assert_eq!(ports.claim(elsewhere), Ok(80));
    ports.release(80, &weak);
    assert_eq!(ports.claim(again(ALONE)), Err(Errno::EADDRINUSE));
    assert_eq!(ports.claim(again(BY_ADDRESS)), Ok(80));
    ports.release(80, &Arc::downgrade(&two));
    ports.disconnected("127.0.0.1:80".parse().unwrap(), true);
    assert!(ports.is_empty());
}

#[test]
fn every_port_is_chosen_once_and_then_there_is_none() {
    let mut ports = Ports::<()>::new();
    let chosen: BTreeSet<u16> = (0..CHOSEN.len()).map(|_| ports.choose().unwrap()).collect();
    assert_eq!(chosen, CHOSEN.collect());
    assert_eq!(ports.choose(), Err(Errno::EADDRNOTAVAIL));
    ports.give_back(40_000);
    assert_eq!(ports.choose(), Ok(40_000));
    let socket = Arc::new(());
    let used = ports.claim(claim("127.0.0.1:40000", BY_ADDRESS, &socket));
    assert_eq!(used, Err(Errno::EADDRINUSE));
    CHOSEN.for_each(|number| ports.give_back(number));
    assert!(ports.is_empty());
}

#[test]
fn the_best_fit_gets_what_comes() {
    let sockets: Vec<Arc<()>> = (0..4).map(|_| Arc::new(())).collect();
    let mut ports = Ports::new();
    let places = ["[::]:80", "0.0.0.0:80", "127.0.0.2:80"];
    for (place, socket) in places.iter().zip(&sockets) {
        let sharing = BY_ADDRESS;
        ports.claim(claim(place, sharing, socket)).unwrap();
    }
    let found = |to: &str| ports.find(to.parse().unwrap(), 80, 0, |_| Some(0));
    for (to, socket) in [("::1", 0), ("127.0.0.1", 1), ("127.0.0.2", 2)] {
        assert!(found(to).unwrap().ptr_eq(&Arc::downgrade(&sockets[socket])));
    }
    assert!(
        ports
            .find("::1".parse().unwrap(), 81, 0, |_| Some(0))
            .is_none()
    );
}

proptest! {
    /// No two sockets that do not share are ever at one address, and nothing is left at the end.
    #[test]
    fn claims_never_collide(
        steps in proptest::collection::vec((0..6usize, 0..4u16, any::<bool>(), 0..3u8), 1..60)
    ) {
        let sockets: Vec<Arc<()>> = (0..6).map(|_| Arc::new(())).collect();
        let mut held: Vec<Option<(u16, u8)>> = std::vec![None; 6];
        let mut ports = Ports::new();
        for (who, port, release, address) in steps {
            let socket = &sockets[who];
            if let Some((number, _)) = held[who] {
                if release {
                    ports.release(number, &Arc::downgrade(socket));
                    held[who] = None;
                }
                continue;
            }
            let at = std::format!("127.0.0.{address}:{}", if port == 0 { 0 } else { port + 40_000 });
            let at = at.replace("127.0.0.0", "0.0.0.0");
            let free = |number: u16| {
                let mut others = held.iter().flatten();
                others.all(|&(other, where_)| {
                    other != number || where_ != address && where_ != 0 && address != 0
                })
            };
            match ports.claim(claim(&at, ALONE, socket)) {
                Ok(number) => {
                    prop_assert!(free(number) && (port == 0 || number == port + 40_000));
                    held[who] = Some((number, address));
                }
                Err(errno) => {
                    prop_assert_eq!(errno, Errno::EADDRINUSE);
                    prop_assert!(!free(port + 40_000));
                }
            }
        }
        for (socket, held) in sockets.iter().zip(held) {
            if let Some((number, _)) = held {
                ports.release(number, &Arc::downgrade(socket));
            }
        }
        prop_assert!(ports.is_empty());
    }
}
