use super::*;
use proptest::prelude::*;
use security::Identity;
use std::collections::BTreeMap as Map;
use std::vec::Vec;

fn root(cid: Cid) -> Credential {
    Credential::new(cid, Identity::ROOT, Privileges::of_root(cid))
}

#[test]
fn the_first_process_of_each_partition_is_1() {
    let mut table = PidTable::new();
    assert_eq!(table.reserve(Cid::GLOBAL).unwrap().vpid, VPid::INIT);
    let inside = table.reserve(Cid(7)).unwrap();
    assert_eq!((inside.pid(), inside.vpid), (Pid(2), VPid::INIT));
    table.bind(inside.handle, "init");
    assert_eq!(table.find(&root(Cid(7)), VPid(1)), Ok(&"init"));
    assert_eq!(table.find(&root(Cid(8)), VPid(1)), Err(Absent));
    assert_eq!(table.find(&root(Cid::GLOBAL), VPid(2)), Ok(&"init"));
    let user = Credential::new(Cid::GLOBAL, Identity::user(9, 9), Privileges::empty());
    assert_eq!(table.find(&user, VPid(2)), Err(Absent));
    assert_eq!(table.seen(Pid(2), Cid(7)), VPid(1));
    assert_eq!(table.seen(Pid(2), Cid(8)), VPid::NONE);
    assert_eq!(table.seen(Pid(1), Cid(7)), VPid::NONE);
    assert_eq!(table.retire(Cid(7)), Err(Errno::EBUSY));
    assert_eq!(table.unbind(inside.handle), Some("init"));
    assert_eq!(table.retire(Cid(7)), Ok(()));
}

#[test]
fn a_number_named_by_a_group_does_not_come_back() {
    let mut table = PidTable::<()>::with_limit(4);
    let first = table.reserve(Cid::GLOBAL).unwrap();
    table.hold(first.pid());
    table.unbind(first.handle);
    table.unbind(first.handle);
    assert_eq!(table.reserve(Cid::GLOBAL).unwrap().pid(), Pid(2));
    assert_eq!(table.reserve(Cid::GLOBAL).unwrap().pid(), Pid(3));
    assert_eq!(table.reserve(Cid::GLOBAL), Err(Errno::EAGAIN));
    table.release(first.pid());
    table.cursor = 1;
    assert_eq!(table.reserve(Cid::GLOBAL).unwrap().pid(), Pid(1));
}

#[derive(Clone, Debug)]
enum Step {
    Reserve(u16),
    Unbind(usize),
    Look(u16, u32),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        3 => (0u16..3).prop_map(Step::Reserve),
        2 => any::<usize>().prop_map(Step::Unbind),
        1 => (0u16..3, 0u32..20).prop_map(|(cid, number)| Step::Look(cid, number)),
    ]
}

proptest! {
    /// Numbers are unique in both spaces while in use, and lead to what they were bound to and to nothing else.
    #[test]
    fn behaves_as_a_map(steps in prop::collection::vec(step(), 1..200)) {
        let mut table = PidTable::with_limit(16);
        let mut live: Vec<(Reserved, u64)> = Vec::new();
        let mut tokens = 0;
        for step in steps {
            match step {
                Step::Reserve(cid) => match table.reserve(Cid(cid)) {
                    Ok(new) => {
                        prop_assert!((1..16).contains(&new.pid().0));
                        prop_assert!(live.iter().all(|(old, _)| old.pid() != new.pid()));
                        prop_assert!(live.iter().all(|(old, _)| (old.cid, old.vpid) != (new.cid, new.vpid)));
                        tokens += 1;
                        prop_assert_eq!(table.bind(new.handle, tokens), None);
                        live.push((new, tokens));
                    }
                    // The area below the low-water mark is used at most once, so a full table may be less than all.
                    Err(errno) => {
                        prop_assert_eq!(errno, Errno::EAGAIN);
                        prop_assert!(live.len() >= 8);
                    }
                },
                Step::Unbind(which) if !live.is_empty() => {
                    let (old, token) = live.swap_remove(which % live.len());
                    prop_assert_eq!(table.unbind(old.handle), Some(token));
                    prop_assert_eq!(table.get(old.handle), None);
                }
                Step::Unbind(_) => {}
                Step::Look(cid, number) => {
                    let model: Map<u32, u64> = live
                        .iter()
                        .filter(|(entry, _)| cid == 0 || entry.cid == Cid(cid))
                        .map(|(entry, token)| (if cid == 0 { entry.pid().0 } else { entry.vpid.0 }, *token))
                        .collect();
                    let found = table.find(&root(Cid(cid)), VPid(number)).ok();
                    prop_assert_eq!(found, model.get(&number));
                    let next = table.next(&root(Cid(cid)), VPid(number)).map(|(at, token)| (at.0, *token));
                    prop_assert_eq!(next, model.range(number..).next().map(|(at, token)| (*at, *token)));
                }
            }
        }
    }
}
