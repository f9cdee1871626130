use super::chain::Kin;
use super::*;
use abi::linux::WaitOptions;
use proptest::prelude::*;
use security::{Credential, Identity, Privileges};
use std::collections::BTreeSet;
use std::vec;
use std::vec::Vec;

const EXITED: WaitOptions = WaitOptions::EXITED;
const DONE: ExitStatus = ExitStatus::Exited(3);

fn root(cid: Cid) -> Credential {
    Credential::new(cid, Identity::ROOT, Privileges::of_root(cid))
}

/// A tree with init of Global, which is process 1.
fn tree() -> ProcessTree<u32> {
    let mut tree = ProcessTree::new();
    let init = tree
        .spawn(Birth {
            parent: None,
            cid: Cid::GLOBAL,
            exit_signal: None,
        })
        .unwrap();
    tree.pids.bind(init.handle, 1);
    tree
}

fn fork(tree: &mut ProcessTree<u32>, parent: u32) -> u32 {
    fork_into(tree, parent, Cid::GLOBAL)
}

fn fork_into(tree: &mut ProcessTree<u32>, parent: u32, cid: Cid) -> u32 {
    let birth = Birth {
        parent: Some(Pid(parent)),
        cid,
        exit_signal: Some(SignalNumber::SIGCHLD),
    };
    let child = tree.spawn(birth).unwrap();
    tree.pids.bind(child.handle, child.pid().0);
    child.pid().0
}

/// All that follows from the end of a process.
#[derive(Default)]
struct Exit {
    notices: Vec<Notice>,
    freed: Vec<u32>,
    orphans: Vec<Pid>,
    hang_up: Vec<Pid>,
    lost_terminal: Option<TerminalId>,
    ended_partition: Option<Cid>,
    /// Whom it traced, and who of them is its parent's now.
    tracees: Vec<Pid>,
    handed_over: Vec<Pid>,
}

impl Exit {
    fn add(&mut self, step: Step<u32>) {
        self.notices.extend(step.notice);
        self.freed.extend(step.freed);
        self.orphans.extend(step.orphan);
        self.hang_up.extend(step.hang_up);
    }
}

/// All steps of an end.
fn exit_with(
    tree: &mut ProcessTree<u32>,
    pid: Pid,
    usage: Usage,
    leaves_no_zombie: impl Fn(Pid) -> bool,
) -> Exit {
    let mut exit = Exit::default();
    let Some(end) = tree.end(pid) else {
        return exit;
    };
    (exit.lost_terminal, exit.ended_partition) = (end.lost_terminal, end.ended_partition);
    exit.tracees = tree.tracees(pid).collect();
    for tracee in exit.tracees.clone() {
        if tree.untrace(tracee) {
            exit.handed_over.push(tracee);
            let careless = tree.parent(tracee).is_some_and(&leaves_no_zombie);
            exit.add(tree.hand_over(tracee, careless).unwrap());
        }
    }
    while let Some(step) = {
        let careless = tree.heir(pid).is_some_and(&leaves_no_zombie);
        tree.pass_on(pid, careless)
    } {
        exit.add(step);
    }
    let careless = tree.parent(pid).is_some_and(&leaves_no_zombie);
    exit.add(tree.report_end(pid, DONE, usage, careless));
    exit
}

fn exit(tree: &mut ProcessTree<u32>, pid: u32) -> Exit {
    exit_with(tree, Pid(pid), Usage::default(), |_| false)
}

/// Everybody whom `kill` with this number means.
fn targets(
    tree: &ProcessTree<u32>,
    credential: &Credential,
    caller: Pid,
    number: i32,
) -> Result<Vec<Pid>, Errno> {
    let found: Vec<Pid> = match tree.target(credential, caller, number)? {
        Target::Process(pid) => vec![pid],
        Target::Group(group) => tree.members(group).collect(),
        Target::Partition => {
            let all = tree.of_partition(credential.cid);
            all.filter(|pid| *pid != caller && !tree.is_init(*pid))
                .collect()
        }
    };
    if found.is_empty() {
        Err(Errno::ESRCH)
    } else {
        Ok(found)
    }
}

fn setpgid(tree: &mut ProcessTree<u32>, caller: u32, pid: u32, group: u32) -> Result<(), Errno> {
    tree.setpgid(&root(Cid::GLOBAL), Pid(caller), pid as i32, group as i32)
}

#[test]
fn status_words_are_those_of_man_wait() {
    let killed = |core| {
        Report::Ended(ExitStatus::Killed {
            signal: SignalNumber::SIGSEGV,
            core,
        })
    };
    assert_eq!(Report::Ended(ExitStatus::Exited(2)).wait_status(), 0x200);
    assert_eq!(killed(false).wait_status(), 11);
    assert_eq!(killed(true).wait_status(), 0x8b);
    assert_eq!(Report::Stopped(SignalNumber::SIGTSTP).wait_status(), 0x147f);
    assert_eq!(Report::Continued.wait_status(), 0xffff);
}

#[test]
fn an_ended_child_waits_to_be_reaped() {
    let mut tree = tree();
    let child = fork(&mut tree, 1);
    assert_eq!(tree.wait(Pid(1), Selector::Any, EXITED), Ok(None));
    let used = Usage {
        user: Nanos(5),
        ..Usage::default()
    };
    let end = exit_with(&mut tree, Pid(child), used, |_| false);
    let [notice] = end.notices[..] else {
        panic!("one notice")
    };
    assert_eq!(
        (notice.parent, notice.child, notice.signal),
        (Pid(1), Pid(child), Some(SignalNumber::SIGCHLD))
    );
    assert!(tree.is_zombie(Pid(child)));
    let peeked = tree
        .wait(Pid(1), Selector::Any, EXITED | WaitOptions::NOWAIT)
        .unwrap()
        .unwrap();
    assert_eq!(peeked.reaped, None);
    assert_eq!(tree.children_usage(Pid(1)), Usage::default());
    let waited = tree
        .wait(Pid(1), Selector::Process(Pid(child)), EXITED)
        .unwrap()
        .unwrap();
    assert_eq!(
        (waited.reaped, waited.report),
        (Some(child), Report::Ended(DONE))
    );
    assert_eq!(tree.children_usage(Pid(1)), used);
    assert_eq!(tree.wait(Pid(1), Selector::Any, EXITED), Err(Errno::ECHILD));
    assert_eq!(tree.pids.population(Cid::GLOBAL), 1);
}

#[test]
fn a_parent_that_ignores_sigchld_gets_no_zombies() {
    let mut tree = tree();
    let child = fork(&mut tree, 1);
    let end = exit_with(&mut tree, Pid(child), Usage::default(), |parent| {
        parent == Pid(1)
    });
    assert_eq!((end.freed, end.notices.len()), (vec![child], 1));
    assert_eq!(tree.wait(Pid(1), Selector::Any, EXITED), Err(Errno::ECHILD));
}

#[test]
fn stops_and_continues_are_reported_once_and_when_asked_for() {
    let mut tree = tree();
    let child = fork(&mut tree, 1);
    assert!(tree.resume(Pid(child)).is_none());
    assert!(tree.stop(Pid(child), SignalNumber::SIGSTOP).is_some());
    assert_eq!(tree.wait(Pid(1), Selector::Any, EXITED), Ok(None));
    let waited = tree
        .wait(Pid(1), Selector::Any, EXITED | WaitOptions::UNTRACED)
        .unwrap()
        .unwrap();
    assert_eq!(waited.report, Report::Stopped(SignalNumber::SIGSTOP));
    assert_eq!(
        tree.wait(Pid(1), Selector::Any, EXITED | WaitOptions::UNTRACED),
        Ok(None)
    );
    assert_eq!(tree.resume(Pid(child)).unwrap().report, Report::Continued);
    assert_eq!(
        tree.wait(Pid(1), Selector::Any, EXITED | WaitOptions::UNTRACED),
        Ok(None)
    );
    let waited = tree
        .wait(Pid(1), Selector::Any, WaitOptions::CONTINUED)
        .unwrap()
        .unwrap();
    assert_eq!((waited.report, waited.reaped), (Report::Continued, None));
}

#[test]
fn kinds_of_children_are_told_apart() {
    let mut tree = tree();
    let birth = Birth {
        parent: Some(Pid(1)),
        cid: Cid::GLOBAL,
        exit_signal: None,
    };
    let cloned = tree.spawn(birth).unwrap().pid();
    assert_eq!(tree.wait(Pid(1), Selector::Any, EXITED), Err(Errno::ECHILD));
    assert_eq!(
        tree.wait(Pid(1), Selector::Any, EXITED | WaitOptions::CLONE),
        Ok(None)
    );
    assert_eq!(
        tree.wait(Pid(1), Selector::Any, EXITED | WaitOptions::ALL_KINDS),
        Ok(None)
    );
    tree.executed(cloned);
    assert_eq!(tree.wait(Pid(1), Selector::Any, EXITED), Ok(None));
}

#[test]
fn orphans_go_to_init_of_their_own_partition() {
    let mut tree = tree();
    let starter = fork(&mut tree, 1);
    let init = fork_into(&mut tree, starter, Cid(5));
    assert!(tree.is_init(Pid(init)));
    assert_eq!(tree.pids.place(Pid(init)), Some((Cid(5), VPid(1))));
    let service = fork_into(&mut tree, init, Cid(5));
    let worker = fork_into(&mut tree, service, Cid(5));
    assert_eq!(exit(&mut tree, service).orphans, [Pid(worker)]);
    assert_eq!(tree.parent(Pid(worker)), Some(Pid(init)));
    // The process that started the partition ends: init of Global takes over, not the partition itself.
    exit(&mut tree, starter);
    assert_eq!(tree.parent(Pid(init)), Some(Pid(1)));
    let end = exit(&mut tree, init);
    assert_eq!(end.ended_partition, Some(Cid(5)));
    assert_eq!((tree.parent(Pid(worker)), end.freed), (None, vec![service]));
    assert_eq!(exit(&mut tree, worker).freed, [worker]);
    assert_eq!(tree.pids.population(Cid(5)), 1);
    tree.wait(Pid(1), Selector::Process(Pid(init)), EXITED)
        .unwrap()
        .unwrap();
    assert_eq!(tree.pids.retire(Cid(5)), Ok(()));
}

#[test]
fn a_subreaper_adopts_before_init() {
    let mut tree = tree();
    let reaper = fork(&mut tree, 1);
    tree.set_subreaper(Pid(reaper), true);
    let middle = fork(&mut tree, reaper);
    let lower = fork(&mut tree, middle);
    let last = fork(&mut tree, lower);
    exit(&mut tree, lower);
    assert_eq!(tree.parent(Pid(last)), Some(Pid(reaper)));
    exit(&mut tree, reaper);
    assert_eq!(tree.parent(Pid(last)), Some(Pid(1)));
}

#[test]
fn setpgid_keeps_the_rules_of_its_manual_page() {
    let mut tree = tree();
    let shell = fork(&mut tree, 1);
    tree.setsid(Pid(shell)).unwrap();
    let (job, other) = (fork(&mut tree, shell), fork(&mut tree, shell));
    let grandchild = fork(&mut tree, job);
    assert_eq!(setpgid(&mut tree, shell, job, 0), Ok(()));
    assert_eq!(setpgid(&mut tree, shell, other, job), Ok(()));
    assert_eq!(
        tree.members(Pid(job)).collect::<Vec<_>>(),
        [Pid(job), Pid(other)]
    );
    assert_eq!(setpgid(&mut tree, shell, grandchild, 0), Err(Errno::ESRCH));
    assert_eq!(setpgid(&mut tree, shell, shell, 0), Err(Errno::EPERM));
    assert_eq!(setpgid(&mut tree, shell, job, 1), Err(Errno::EPERM));
    assert_eq!(setpgid(&mut tree, shell, job, 999), Err(Errno::EPERM));
    assert_eq!(
        tree.setpgid(&root(Cid::GLOBAL), Pid(shell), 0, -1),
        Err(Errno::EINVAL)
    );
    tree.executed(Pid(other));
    assert_eq!(setpgid(&mut tree, shell, other, other), Err(Errno::EACCES));
    assert_eq!(tree.setsid(Pid(job)), Err(Errno::EPERM));
    assert_eq!(tree.setsid(Pid(other)), Ok(()));
    assert_eq!(
        tree.getsid(&root(Cid::GLOBAL), Pid(1), other as i32),
        Ok(VPid(other))
    );
    assert_eq!(
        tree.getpgid(&root(Cid(9)), Pid(1), job as i32),
        Err(Errno::ESRCH)
    );
}

#[test]
fn a_stopped_job_is_hung_up_when_its_shell_ends() {
    let mut tree = tree();
    let shell = fork(&mut tree, 1);
    tree.setsid(Pid(shell)).unwrap();
    tree.set_terminal(Pid(shell), Some(TerminalId(7)));
    let (job, running) = (fork(&mut tree, shell), fork(&mut tree, shell));
    setpgid(&mut tree, shell, job, 0).unwrap();
    setpgid(&mut tree, shell, running, 0).unwrap();
    assert!(!tree.orphaned(Pid(job)));
    tree.stop(Pid(job), SignalNumber::SIGTSTP);
    let end = exit(&mut tree, shell);
    assert_eq!(
        (end.hang_up, end.lost_terminal),
        (vec![Pid(job)], Some(TerminalId(7)))
    );
    assert!(tree.orphaned(Pid(job)));
    assert_eq!(tree.job(Pid(job)).unwrap().terminal, None);
}

#[test]
fn a_group_keeps_the_number_of_its_dead_leader() {
    let mut tree = tree();
    let leader = fork(&mut tree, 1);
    setpgid(&mut tree, leader, 0, 0).unwrap();
    let member = fork(&mut tree, leader);
    exit(&mut tree, leader);
    tree.wait(Pid(1), Selector::Process(Pid(leader)), EXITED)
        .unwrap()
        .unwrap();
    assert!(!tree.contains(Pid(leader)));
    assert_eq!(
        tree.getpgid(&root(Cid::GLOBAL), Pid(member), 0),
        Ok(VPid(leader))
    );
    assert_eq!(
        targets(&tree, &root(Cid::GLOBAL), Pid(1), -(leader as i32)),
        Ok(vec![Pid(member)])
    );
    exit(&mut tree, member);
    tree.wait(Pid(1), Selector::Any, EXITED).unwrap().unwrap();
    assert_eq!(tree.pids.population(Cid::GLOBAL), 1);
}

#[test]
fn kill_of_everything_stays_in_the_partition() {
    let mut tree = tree();
    let init = fork_into(&mut tree, 1, Cid(2));
    let inside = fork_into(&mut tree, init, Cid(2));
    let (one, two) = (fork(&mut tree, 1), fork(&mut tree, 1));
    assert_eq!(
        targets(&tree, &root(Cid::GLOBAL), Pid(one), -1),
        Ok(vec![Pid(two)])
    );
    assert_eq!(
        targets(&tree, &root(Cid(2)), Pid(init), -1),
        Ok(vec![Pid(inside)])
    );
    assert_eq!(
        targets(&tree, &root(Cid(2)), Pid(inside), -1),
        Err(Errno::ESRCH)
    );
    assert_eq!(
        targets(&tree, &root(Cid(2)), Pid(inside), two as i32),
        Err(Errno::ESRCH)
    );
    assert_eq!(
        targets(&tree, &root(Cid(2)), Pid(inside), 1),
        Ok(vec![Pid(init)])
    );
}

#[test]
fn entering_a_partition_gives_a_number_there() {
    let mut tree = tree();
    let init = fork_into(&mut tree, 1, Cid(2));
    let login = fork(&mut tree, 1);
    let session = tree.job(Pid(login)).unwrap().session;
    assert_eq!(tree.enter(Pid(login), Cid(2), true), Err(Errno::EBUSY));
    assert_eq!(tree.enter(Pid(login), Cid(2), false), Ok(VPid(2)));
    assert_eq!(tree.pids.seen(Pid(login), Cid(2)), VPid(2));
    assert_eq!(tree.pids.seen(Pid(login), Cid::GLOBAL), VPid(login));
    assert_eq!(tree.pids.seen(Pid(login), Cid(3)), VPid::NONE);
    assert_eq!(tree.parent(Pid(login)), Some(Pid(1)));
    assert_eq!(tree.job(Pid(login)).unwrap().session, session);
    assert_eq!(tree.init(Cid(2)), Some(Pid(init)));
    assert!(!tree.of_partition(Cid::GLOBAL).any(|pid| pid == Pid(login)));
}

#[test]
fn the_first_to_enter_an_empty_partition_as_init_is_number_one() {
    let mut tree = tree();
    let first = fork(&mut tree, 1);
    assert_eq!(tree.enter(Pid(first), Cid(5), true), Ok(VPid::INIT));
    assert_eq!(tree.init(Cid(5)), Some(Pid(first)));
    assert_eq!(tree.enter(Pid(first), Cid(6), true), Err(Errno::EPERM));
}

/// Many partitions with 8 processes each (an eighth of the design size) come and go in time that grows with their number only.
#[test]
fn many_partitions_come_and_go() {
    let mut tree = tree();
    let mut all = Vec::new();
    for cid in 1..=1024 {
        let init = fork_into(&mut tree, 1, Cid(cid));
        all.extend((0..7).map(|_| fork_into(&mut tree, init, Cid(cid))));
        all.push(init);
    }
    assert_eq!(tree.nodes.len(), 8193);
    for pid in all {
        let parent = tree.parent(Pid(pid)).unwrap();
        exit(&mut tree, pid);
        let waited = tree.wait(parent, Selector::Any, EXITED).unwrap().unwrap();
        assert_eq!(waited.reaped, Some(pid));
    }
    assert_eq!(tree.nodes.len(), 1);
}

fn reporting(tree: &ProcessTree<u32>, parent: Pid) -> BTreeSet<Pid> {
    chain::iter(&tree.nodes, parent, Kin::Reporting).collect()
}

/// Everything that must hold between the parts of the tree.
fn check(tree: &ProcessTree<u32>, ending: &[Pid]) {
    for (pid, node) in &tree.nodes {
        if let Some(parent) = node.parent {
            assert!(tree.children(parent).any(|child| child == *pid));
            assert!(!tree.nodes.get(&parent).unwrap().ended || ending.contains(&parent));
            assert_eq!(reporting(tree, parent).contains(pid), node.report.is_some());
        }
        let children: BTreeSet<Pid> = tree.children(*pid).collect();
        assert_eq!(children.len(), tree.children(*pid).count());
        assert!(
            children
                .iter()
                .all(|child| tree.parent(*child) == Some(*pid))
        );
        assert!(reporting(tree, *pid).is_subset(&children));
        assert!(tree.members(node.group).any(|member| member == *pid));
        assert_eq!(tree.session_of_group(node.group), Some(node.session));
        assert_eq!(tree.pids.by_pid(*pid), Some(&pid.0));
    }
    for (number, group) in &tree.groups {
        let members: BTreeSet<Pid> = tree.members(*number).collect();
        assert!(!members.is_empty());
        assert_eq!(group.members, members.len());
        assert!(
            members
                .iter()
                .all(|member| tree.nodes.get(member).unwrap().group == *number)
        );
        assert!(tree.pids.place(*number).is_some());
        let stopped = members.iter().filter(|pid| tree.is_stopped(**pid)).count();
        assert_eq!(group.stopped, stopped);
    }
    assert_eq!(tree.members.len(), tree.nodes.len());
    for (number, session) in &tree.sessions {
        let groups = tree
            .groups
            .values()
            .filter(|group| group.session == *number)
            .count();
        assert_eq!(groups, session.groups);
        assert!(groups > 0 && tree.pids.place(*number).is_some());
    }
    let mut named: BTreeSet<Pid> = tree.nodes.keys().copied().collect();
    named.extend(tree.groups.keys().chain(tree.sessions.keys()));
    let used: usize = (0..3).map(|cid| tree.pids.population(Cid(cid))).sum();
    assert_eq!(used, named.len());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    /// Whatever processes do, the parts of the tree agree, no number is lost and every zombie can be reaped.
    #[test]
    fn stays_consistent(steps in prop::collection::vec((0u8..11, any::<u8>(), any::<u8>()), 1..120)) {
        let mut tree = tree();
        // Whose end has begun, and is cut.
        let mut ending: Vec<Pid> = Vec::new();
        for (kind, one, two) in steps {
            let alive: Vec<u32> = tree.nodes.iter().filter(|(_, node)| !node.ended).map(|(pid, _)| pid.0).collect();
            let pick = |choice: u8| alive[usize::from(choice) % alive.len()];
            let (first, second) = (pick(one), pick(two));
            let cid = tree.nodes.get(&Pid(first)).unwrap().cid;
            match kind {
                0..=2 => { fork_into(&mut tree, first, cid); }
                3 if first == 1 => { fork_into(&mut tree, 1, Cid(u16::from(two % 3))); }
                3 | 4 if first != 1 => {
                    exit_with(&mut tree, Pid(first), Usage::default(), |parent| parent.0 % 5 == 0);
                }
                5 => {
                    let target = tree.pids.seen(Pid(second), cid).0 as i32;
                    let _unimportant = tree.setpgid(&root(cid), Pid(first), target, if two % 2 == 0 { 0 } else { target });
                }
                6 => { let _unimportant = tree.setsid(Pid(first)); }
                7 => {
                    tree.stop(Pid(first), SignalNumber::SIGSTOP);
                    if two % 2 == 0 { tree.resume(Pid(first)); }
                }
                8 if first != 1 => {
                    if tree.end(Pid(first)).is_some() { ending.push(Pid(first)); }
                }
                9 if !ending.is_empty() => {
                    let at = usize::from(one) % ending.len();
                    let pid = ending[at];
                    if tree.pass_on(pid, two % 4 == 0).is_none() {
                        ending.remove(at);
                        tree.report_end(pid, DONE, Usage::default(), two % 4 == 0);
                    }
                }
                _ => {
                    let options = EXITED | WaitOptions::UNTRACED | WaitOptions::ALL_KINDS;
                    if let Ok(Some(waited)) = tree.wait(Pid(first), Selector::Any, options) {
                        prop_assert_eq!(waited.reaped.is_some(), matches!(waited.report, Report::Ended(_)));
                    }
                }
            }
            check(&tree, &ending);
        }
        // Everybody but init ends, and init reaps: nothing is left.
        for pid in ending {
            while tree.pass_on(pid, false).is_some() {}
            tree.report_end(pid, DONE, Usage::default(), false);
        }
        let rest: Vec<Pid> = tree.nodes.keys().copied().filter(|pid| *pid != Pid(1)).collect();
        for pid in rest {
            exit_with(&mut tree, pid, Usage::default(), |_| false);
        }
        while tree.wait(Pid(1), Selector::Any, EXITED | WaitOptions::ALL_KINDS).is_ok() {}
        check(&tree, &[]);
        prop_assert_eq!(tree.nodes.len(), 1);
    }
}

fn wait_for(tree: &mut ProcessTree<u32>, parent: u32, pid: u32) -> Option<(u32, Report)> {
    let selector = Selector::Process(Pid(pid));
    let options = EXITED | WaitOptions::UNTRACED | WaitOptions::CONTINUED;
    let found = tree.wait(Pid(parent), selector, options).unwrap()?;
    if found.handed_over {
        tree.hand_over(found.pid, false).unwrap();
    }
    Some((found.pid.0, found.report))
}

#[test]
fn a_tracer_is_told_before_the_parent() {
    let mut tree = tree();
    let (tracer, parent) = (fork(&mut tree, 1), fork(&mut tree, 1));
    let child = fork(&mut tree, parent);
    let pid = Pid(child);
    assert_eq!(tree.trace(pid, pid, pid), Err(Errno::EPERM));
    tree.trace(Pid(tracer), pid, pid).unwrap();
    assert_eq!(tree.trace(Pid(parent), pid, pid), Err(Errno::EPERM));
    assert_eq!(tree.tracer(pid), Some(Pid(tracer)));
    let notice = tree.trapped(pid, 5).unwrap();
    assert_eq!((notice.parent.0, notice.child.0), (tracer, child));
    assert_eq!(wait_for(&mut tree, parent, child), None);
    assert_eq!(
        wait_for(&mut tree, tracer, child),
        Some((child, Report::Trapped(5)))
    );
    assert_eq!(wait_for(&mut tree, tracer, child), None);
    // A stop that is over is told to nobody.
    tree.trapped(pid, 19);
    tree.released(pid);
    assert_eq!(wait_for(&mut tree, tracer, child), None);
    let ended = exit(&mut tree, child);
    assert_eq!(ended.notices[0].parent.0, tracer);
    assert_eq!(wait_for(&mut tree, parent, child), None);
    let told = Some((child, Report::Ended(DONE)));
    assert_eq!(wait_for(&mut tree, tracer, child), told);
    assert_eq!(tree.tracer(pid), None);
    assert_eq!(wait_for(&mut tree, parent, child), told);
    assert!(!tree.contains(pid));
}

#[test]
fn what_a_tracer_leaves_is_the_parents() {
    let mut tree = tree();
    let (tracer, parent) = (fork(&mut tree, 1), fork(&mut tree, 1));
    let child = fork(&mut tree, parent);
    tree.trace(Pid(tracer), Pid(child), Pid(child)).unwrap();
    exit(&mut tree, child);
    // A parent that ends meanwhile passes it on untold.
    exit(&mut tree, parent);
    assert_eq!(wait_for(&mut tree, 1, child), None);
    let left = exit(&mut tree, tracer);
    assert_eq!(left.tracees, [Pid(child)]);
    assert_eq!(left.handed_over, [Pid(child)]);
    assert_eq!(tree.tracer(Pid(child)), None);
    let told = Some((child, Report::Ended(DONE)));
    assert_eq!(wait_for(&mut tree, 1, child), told);
}

#[test]
fn a_traced_thread_keeps_its_number_until_its_end_is_known() {
    let mut tree = tree();
    let (tracer, child) = (fork(&mut tree, 1), fork(&mut tree, 1));
    let thread = tree.pids.reserve(Cid::GLOBAL).unwrap();
    let tid = thread.pid();
    tree.trace(Pid(tracer), tid, Pid(child)).unwrap();
    tree.thread_ended(tid, DONE).unwrap();
    tree.pids.unbind(thread.handle);
    assert_eq!(tree.pids.seen(tid, Cid::GLOBAL).0, tid.0);
    let told = Some((tid.0, Report::Ended(DONE)));
    assert_eq!(wait_for(&mut tree, tracer, tid.0), told);
    assert_eq!(tree.pids.seen(tid, Cid::GLOBAL), VPid::NONE);
    // One that executes a program is traced by the number of its process.
    let thread = tree.pids.reserve(Cid::GLOBAL).unwrap();
    tree.trace(Pid(tracer), thread.pid(), Pid(child)).unwrap();
    tree.leads(thread.pid(), Pid(child));
    tree.pids.unbind(thread.handle);
    assert_eq!(tree.tracer(thread.pid()), None);
    assert_eq!(tree.tracer(Pid(child)), Some(Pid(tracer)));
    assert_eq!(tree.pids.seen(thread.pid(), Cid::GLOBAL), VPid::NONE);
}

/// A tracer lets go of a process between the beginning and the end of that one's end: its parent is told once.
#[test]
fn a_tracer_that_leaves_an_end_that_is_cut_leaves_nothing_untold() {
    let mut tree = tree();
    let (tracer, parent) = (fork(&mut tree, 1), fork(&mut tree, 1));
    let child = fork(&mut tree, parent);
    tree.trace(Pid(tracer), Pid(child), Pid(child)).unwrap();
    tree.end(Pid(child)).unwrap();
    assert!(!tree.untrace(Pid(child)));
    assert!(tree.hand_over(Pid(child), false).is_none());
    let step = tree.report_end(Pid(child), DONE, Usage::default(), false);
    assert_eq!(step.notice.unwrap().parent.0, parent);
    let told = Some((child, Report::Ended(DONE)));
    assert_eq!(wait_for(&mut tree, parent, child), told);
}

/// A parent that ends between its child's release by a tracer and the telling passes it on, and is not told instead.
#[test]
fn an_end_that_is_being_handed_over_goes_to_the_next_parent() {
    let mut tree = tree();
    let (tracer, parent) = (fork(&mut tree, 1), fork(&mut tree, 1));
    let child = fork(&mut tree, parent);
    tree.trace(Pid(tracer), Pid(child), Pid(child)).unwrap();
    exit(&mut tree, child);
    assert!(tree.untrace(Pid(child)));
    assert!(exit(&mut tree, parent).notices.len() == 1);
    assert_eq!(wait_for(&mut tree, 1, child), None);
    let step = tree.hand_over(Pid(child), false).unwrap();
    assert_eq!(step.notice.unwrap().parent, Pid(1));
    assert!(tree.hand_over(Pid(child), false).is_none());
    let told = Some((child, Report::Ended(DONE)));
    assert_eq!(wait_for(&mut tree, 1, child), told);
}

/// A stop that the parent has not been told of is still told when the end has to wait for the tracer.
#[test]
fn a_stop_is_told_while_the_end_is_the_tracers() {
    let mut tree = tree();
    let (tracer, parent) = (fork(&mut tree, 1), fork(&mut tree, 1));
    let child = fork(&mut tree, parent);
    tree.trace(Pid(tracer), Pid(child), Pid(child)).unwrap();
    tree.stop(Pid(child), SignalNumber::SIGSTOP).unwrap();
    exit(&mut tree, child);
    let stopped = Some((child, Report::Stopped(SignalNumber::SIGSTOP)));
    assert_eq!(wait_for(&mut tree, parent, child), stopped);
    assert_eq!(wait_for(&mut tree, parent, child), None);
    let told = Some((child, Report::Ended(DONE)));
    assert_eq!(wait_for(&mut tree, tracer, child), told);
    assert_eq!(wait_for(&mut tree, parent, child), told);
}

/// What must hold between tracers, tracees and their processes, besides [`check`].
fn check_traces(tree: &ProcessTree<u32>, ending: &[Pid]) {
    let mut traced = 0;
    for tracer in tree.nodes.keys() {
        for tid in tree.tracees(*tracer) {
            assert_eq!(tree.tracer(tid), Some(*tracer));
            traced += 1;
        }
        let ended = tree.is_zombie(*tracer) && !ending.contains(tracer);
        assert!(!ended || tree.tracees(*tracer).next().is_none());
    }
    let all: Vec<Pid> = tree
        .nodes
        .keys()
        .copied()
        .filter(|pid| tree.tracer(*pid).is_some())
        .collect();
    assert_eq!(traced, all.len());
    for (pid, node) in &tree.nodes {
        assert!(node.untold.is_none() || node.ended && tree.tracer(*pid).is_some());
    }
}

proptest! {
    /// Whatever traces, stops, ends, also step by step, and waits: nobody is traced by two or by one that is gone, no number
    /// stays in use, and each end is told to the parent once.
    #[test]
    fn tracing_stays_consistent(steps in proptest::collection::vec((0..9u8, 0..6u32, 0..6u32), 1..90)) {
        let mut tree = tree();
        let mut people: Vec<u32> = (0..3).map(|_| fork(&mut tree, 1)).collect();
        // The others have a parent that may end before them.
        for parent in 0..3 {
            people.push(fork(&mut tree, people[parent]));
        }
        // Whose end has begun, and is cut.
        let mut ending: Vec<Pid> = Vec::new();
        for (step, one, other) in steps {
            let (one, other) = (people[one as usize], people[other as usize]);
            match step {
                0 | 1 => {
                    tree.trace(Pid(one), Pid(other), Pid(other)).ok();
                }
                2 => {
                    tree.trapped(Pid(one), 5);
                }
                3 if !tree.is_zombie(Pid(one)) && tree.contains(Pid(one)) => {
                    exit(&mut tree, one);
                }
                4 => {
                    if let Ok(Some(found)) = tree.wait(Pid(one), Selector::Any, EXITED)
                        && found.handed_over
                    {
                        prop_assert!(tree.hand_over(found.pid, false).is_some());
                    }
                }
                5 => {
                    if tree.end(Pid(one)).is_some() {
                        ending.push(Pid(one));
                    }
                }
                6 => {
                    if let Some(pid) = ending.first().copied() {
                        ending.rotate_left(1);
                        go_on_ending(&mut tree, pid, &mut ending);
                    }
                }
                7 => {
                    tree.stop(Pid(one), SignalNumber::SIGSTOP);
                }
                _ => {
                    if tree.untrace(Pid(one)) {
                        prop_assert!(tree.hand_over(Pid(one), false).is_some());
                    }
                }
            }
            check(&tree, &ending);
            check_traces(&tree, &ending);
        }
        while let Some(pid) = ending.first().copied() {
            go_on_ending(&mut tree, pid, &mut ending);
        }
        for person in &people {
            if tree.contains(Pid(*person)) && !tree.is_zombie(Pid(*person)) {
                exit(&mut tree, *person);
            }
        }
        while let Ok(Some(_)) = tree.wait(Pid(1), Selector::Any, EXITED) {}
        prop_assert_eq!(tree.pids.population(Cid::GLOBAL), 1);
    }
}

/// One step in the end of a process; with the last one it leaves those that are `ending`.
fn go_on_ending(tree: &mut ProcessTree<u32>, pid: Pid, ending: &mut Vec<Pid>) {
    let tracee = tree.tracees(pid).next();
    if let Some(tracee) = tracee {
        if tree.untrace(tracee) {
            tree.hand_over(tracee, false).unwrap();
        }
    } else if tree.pass_on(pid, false).is_none() {
        ending.retain(|other| *other != pid);
        tree.report_end(pid, DONE, Usage::default(), false);
    }
}
