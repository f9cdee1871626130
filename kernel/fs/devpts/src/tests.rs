extern crate std;

use super::*;
use abi::linux::{SignalNumber, SignalSet, TIOCSPTLCK};
use abi::{Nanos, Pid};
use alloc::collections::BTreeSet;
use alloc::string::String;
use alloc::vec::Vec;
use process::{TerminalId, VPid};
use proptest::prelude::*;
use security::{Identity, Privileges};
use tty::{Caller, JobControl};
use vfs::{Access, Change, FileOperations, Flow, IoctlArgument};
use wait::{Attempt, Sleeper, Stop, Ticket, Waiter};

const OWNER: Cid = Cid(7);

struct Nobody;
impl Sleeper for Nobody {
    fn wake(&self, _: Ticket, _: Option<i64>) -> bool {
        false
    }
    fn linked(&self, _: Ticket, _: wait::Link) -> Option<wait::Link> {
        None
    }
}

struct Noon;
impl Clock for Noon {
    fn now(&self) -> Timestamp {
        Timestamp {
            seconds: 12,
            nanoseconds: 0,
        }
    }
}

/// A process that leads no session.
struct Loner;
impl JobControl for Loner {
    fn caller(&self, _: &IoContext<'_>) -> Caller {
        Caller {
            pid: Pid(2),
            group: Pid(2),
            session: Pid(1),
            has_terminal: false,
            deaf_to: SignalSet::EMPTY,
        }
    }
    fn is_orphaned(&self, _: Pid) -> bool {
        false
    }
    fn signal(&self, _: Pid, _: SignalNumber) {}
    fn seen(&self, _: &IoContext<'_>, number: Pid) -> VPid {
        VPid(number.0)
    }
    fn group(&self, _: &IoContext<'_>, _: VPid) -> Result<(Pid, Pid), Errno> {
        Err(Errno::ESRCH)
    }
    fn set_terminal(&self, _: Pid, _: Option<TerminalId>) {}
    fn now(&self) -> Nanos {
        Nanos(0)
    }
    fn wake_at(&self, _: &Waiter, _: Nanos) {}
}

struct Zero;
impl IoctlArgument for Zero {
    fn value(&self) -> u64 {
        0
    }
    fn get(&mut self, buffer: &mut [u8]) -> Attempt<()> {
        buffer.fill(0);
        Ok(())
    }
    fn put(&mut self, _: &[u8]) -> Attempt<()> {
        Ok(())
    }
}

fn within<T>(cid: Cid, act: impl FnOnce(&IoContext<'_>) -> T) -> T {
    let credential = Credential::new(cid, Identity::user(30, 30), Privileges::empty());
    let waiter = Waiter::new(Arc::new(Nobody), Ticket(0));
    act(&IoContext {
        credential: &credential,
        caller: &waiter,
        nonblocking: false,
    })
}

fn inside<T>(act: impl FnOnce(&IoContext<'_>) -> T) -> T {
    within(OWNER, act)
}

fn devpts(limit: u32) -> Devpts {
    Devpts::new(DeviceNumber::new(0, 3), OWNER, limit, Arc::new(Noon)).expect("memory")
}

fn open(devpts: &Devpts) -> Result<Arc<PtyMaster>, Errno> {
    inside(|cx| {
        let master = devpts.open_master(cx, |number, lease| {
            let id = TerminalId(u64::from(number));
            Ok(PtyMaster::new(number, id, Arc::new(Loner), lease).expect("memory"))
        })?;
        master.opened();
        Ok(master)
    })
}

fn close(master: Arc<PtyMaster>) {
    master.released();
}

fn names(devpts: &Devpts) -> Vec<String> {
    let mut names = Vec::new();
    inside(|cx| {
        devpts.root().expect("memory").entries(cx, 0, &mut |entry| {
            names.push(String::from_utf8(entry.name.to_vec()).unwrap());
            Ok(Flow::Continue)
        })
    })
    .unwrap();
    names
}

fn lookup(devpts: &Devpts, name: &str) -> Attempt<Arc<dyn Inode>> {
    inside(|cx| devpts.root().expect("memory").lookup(cx, name.as_bytes()))
}

fn failed<T>(result: Attempt<T>) -> Errno {
    match result {
        Err(Stop::Error(errno)) => errno,
        _ => panic!("it did not fail"),
    }
}

#[test]
fn a_slave_can_be_opened_when_it_is_unlocked() {
    let devpts = devpts(4);
    let master = open(&devpts).unwrap();
    let node = lookup(&devpts, "0").unwrap();
    let status = inside(|cx| node.metadata(cx)).unwrap();
    assert_eq!((status.uid, status.gid, status.mode), (30, 5, SLAVE_MODE));
    assert_eq!(status.device, DeviceNumber::new(136, 0));
    let access = Access::READ | Access::WRITE;
    assert_eq!(failed(inside(|cx| node.open(cx, access))), Errno::EIO);
    inside(|cx| master.ioctl(cx, TIOCSPTLCK, &mut Zero)).unwrap();
    assert!(inside(|cx| node.open(cx, access)).unwrap().is_some());
    close(master);
    assert_eq!(failed(inside(|cx| node.open(cx, access))), Errno::EIO);
    assert_eq!(failed(lookup(&devpts, "0")), Errno::ENOENT);
}

#[test]
fn a_number_is_taken_until_the_slave_is_closed_too() {
    let devpts = devpts(4);
    let master = open(&devpts).unwrap();
    inside(|cx| master.ioctl(cx, TIOCSPTLCK, &mut Zero)).unwrap();
    let node = lookup(&devpts, "0").unwrap();
    let slave = inside(|cx| node.open(cx, Access::READ)).unwrap();
    close(master);
    assert!(names(&devpts).is_empty());
    assert!(inside(|cx| node.metadata(cx)).is_ok());
    assert_eq!(open(&devpts).unwrap().number(), 1);
    drop(slave);
    let next = open(&devpts).unwrap();
    assert_eq!(next.number(), 0);
    // The old node is not the new terminal's.
    assert_eq!(failed(inside(|cx| node.metadata(cx))), Errno::ENOENT);
    assert_eq!(
        failed(inside(|cx| node.change(cx, &Change::default()))),
        Errno::ENOENT
    );
}

#[test]
fn another_partition_sees_nothing() {
    let devpts = devpts(4);
    let _master = open(&devpts).unwrap();
    within(Cid(8), |cx| {
        assert_eq!(
            failed(devpts.root().expect("memory").lookup(cx, b"0")),
            Errno::ENOENT
        );
        let made = devpts.open_master(cx, |_, _| Err(Errno::EIO));
        assert_eq!(made.err(), Some(Errno::ENOENT));
    });
}

#[test]
fn only_numbers_are_names() {
    let devpts = devpts(4);
    let _master = open(&devpts).unwrap();
    for name in ["00", "+0", "-0", "0 ", "", "x", "4294967296", "1"] {
        assert_eq!(failed(lookup(&devpts, name)), Errno::ENOENT, "{name}");
    }
}

#[test]
fn a_number_comes_back_when_the_pty_cannot_be_made() {
    let devpts = devpts(1);
    let made = inside(|cx| devpts.open_master(cx, |_, _| Err(Errno::ENOMEM)));
    assert_eq!(made.err(), Some(Errno::ENOMEM));
    assert_eq!(open(&devpts).unwrap().number(), 0);
}

proptest! {
    /// Numbers are the lowest free ones, whatever is opened and closed, and the directory shows exactly them.
    #[test]
    fn numbers_are_the_lowest_free(steps in prop::collection::vec(0usize..12, 1..80)) {
        const LIMIT: u32 = 6;
        let devpts = devpts(LIMIT);
        let mut open_ones: Vec<Arc<PtyMaster>> = Vec::new();
        for step in steps {
            if step < open_ones.len() {
                close(open_ones.swap_remove(step));
            } else {
                let taken: BTreeSet<u32> = open_ones.iter().map(|master| master.number()).collect();
                let lowest = (0..).find(|number| !taken.contains(number)).unwrap();
                match open(&devpts) {
                    Ok(master) => {
                        prop_assert_eq!(master.number(), lowest);
                        open_ones.push(master);
                    }
                    Err(errno) => {
                        prop_assert_eq!((errno, lowest), (Errno::ENOSPC, LIMIT));
                    }
                }
            }
            let shown: Vec<u32> = names(&devpts).iter().map(|name| name.parse().unwrap()).collect();
            let taken: BTreeSet<u32> = open_ones.iter().map(|master| master.number()).collect();
            prop_assert_eq!(shown, taken.into_iter().collect::<Vec<_>>());
        }
    }
}
