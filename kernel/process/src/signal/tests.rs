use super::*;
use abi::linux::{Detail, SI_KERNEL, SI_QUEUE, SI_TKILL, SI_USER, StackT, SystemCall};
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::vec::Vec;

fn signal(number: u8) -> SignalNumber {
    SignalNumber::new(u64::from(number)).unwrap()
}

fn queued(number: u8, value: u64) -> SigInfo {
    let detail = Detail::Sender {
        pid: 1,
        uid: 1,
        value,
    };
    SigInfo {
        signal: signal(number),
        errno: 0,
        code: SI_QUEUE,
        detail,
    }
}

fn value(info: &SigInfo) -> u64 {
    match info.detail {
        Detail::Sender { value, .. } => value,
        _ => u64::MAX,
    }
}

fn handler(flags: ActionFlags, mask: SignalSet) -> Action {
    Action {
        handler: Handler::Function(0x1000),
        flags,
        restorer: 0,
        mask,
    }
}

fn process(protected: bool) -> (ThreadSignals, ProcessSignals) {
    (ThreadSignals::default(), ProcessSignals::new(protected))
}

#[test]
fn init_is_protected_from_its_own_partition_only() {
    let (mut thread, mut init) = process(true);
    for number in (1..=64).map(signal) {
        assert!(init.discards(number, false, false));
    }
    assert!(!init.discards(SignalNumber::SIGKILL, false, true));
    init.actions
        .set(
            SignalNumber::SIGTERM,
            handler(ActionFlags::empty(), SignalSet::EMPTY),
        )
        .unwrap();
    assert!(!init.discards(SignalNumber::SIGTERM, false, false));
    init.pending
        .post(SigInfo::kernel(SignalNumber::SIGHUP), 9)
        .unwrap();
    assert_eq!(deliver(&mut thread, &mut init, || false), None);
    init.pending
        .post(SigInfo::kernel(SignalNumber::SIGKILL), 9)
        .unwrap();
    let killed = Delivery::Terminate {
        signal: SignalNumber::SIGKILL,
        core: false,
    };
    assert_eq!(deliver(&mut thread, &mut init, || false), Some(killed));
}

#[test]
fn a_fault_is_not_to_be_ignored() {
    let fault = SigInfo::fault(SignalNumber::SIGSEGV, 1, 0xdead);
    let (mut thread, mut init) = process(true);
    thread.set_mask(SignalSet::FULL);
    init.actions
        .set(
            SignalNumber::SIGSEGV,
            handler(ActionFlags::empty(), SignalSet::EMPTY),
        )
        .unwrap();
    force(&mut thread, &mut init, fault);
    let died = Delivery::Terminate {
        signal: SignalNumber::SIGSEGV,
        core: true,
    };
    assert_eq!(deliver(&mut thread, &mut init, || false), Some(died));

    let (mut thread, mut program) = process(false);
    let action = handler(ActionFlags::SIGINFO, SignalSet::EMPTY);
    program.actions.set(SignalNumber::SIGSEGV, action).unwrap();
    thread
        .pending
        .post(SigInfo::kernel(SignalNumber::SIGHUP), 9)
        .unwrap();
    force(&mut thread, &mut program, fault);
    let handled = Delivery::Handle {
        info: fault,
        action,
        mask: SignalSet::EMPTY,
    };
    assert_eq!(deliver(&mut thread, &mut program, || false), Some(handled));
}

#[test]
fn stop_and_continue_cancel_each_other() {
    assert_eq!(
        effects(SignalNumber::SIGCONT),
        Effects {
            cancels: SignalSet::STOPPING,
            resumes: true
        }
    );
    let cancels = SignalSet::of(&[SignalNumber::SIGCONT]);
    assert_eq!(
        effects(SignalNumber::SIGTTIN),
        Effects {
            cancels,
            resumes: false
        }
    );
    assert!(effects(SignalNumber::SIGKILL).resumes);
    let (mut thread, mut process) = process(false);
    process
        .pending
        .post(SigInfo::kernel(SignalNumber::SIGTSTP), 9)
        .unwrap();
    assert_eq!(
        deliver(&mut thread, &mut process, || false),
        Some(Delivery::Stop(SignalNumber::SIGTSTP))
    );
    process
        .pending
        .post(SigInfo::kernel(SignalNumber::SIGTSTP), 9)
        .unwrap();
    assert_eq!(deliver(&mut thread, &mut process, || true), None);
    process
        .pending
        .post(SigInfo::kernel(SignalNumber::SIGSTOP), 9)
        .unwrap();
    assert_eq!(
        deliver(&mut thread, &mut process, || true),
        Some(Delivery::Stop(SignalNumber::SIGSTOP))
    );
}

#[test]
fn what_makes_a_process_go_on_overtakes_a_stop_that_was_taken() {
    let (mut thread, mut process) = process(false);
    let stop = SigInfo::kernel(SignalNumber::SIGSTOP);
    let stopped = Some(Delivery::Stop(SignalNumber::SIGSTOP));
    process.note_resumption();
    assert_eq!(act(&mut thread, &mut process, stop, || false), stopped);
    assert!(!is_overtaken(&thread, &process));
    process.note_resumption();
    assert!(is_overtaken(&thread, &process));
    assert_eq!(act(&mut thread, &mut process, stop, || false), stopped);
    assert!(!is_overtaken(&thread, &process));
    // One that was killed while a tracer had the signal does not stop.
    let kill = SigInfo::kernel(SignalNumber::SIGKILL);
    process.pending.post(kill, 9).unwrap();
    assert_eq!(act(&mut thread, &mut process, stop, || false), None);
}

#[test]
fn a_handler_runs_with_its_mask_and_the_old_one_comes_back() {
    let (mut thread, mut process) = process(false);
    let usr1 = SignalSet::of(&[SignalNumber::SIGUSR1]);
    let usr2 = SignalSet::of(&[SignalNumber::SIGUSR2]);
    let action = handler(ActionFlags::RESETHAND, usr2);
    process.actions.set(SignalNumber::SIGUSR1, action).unwrap();
    thread.set_mask(usr1);
    process
        .pending
        .post(SigInfo::kernel(SignalNumber::SIGUSR1), 9)
        .unwrap();
    assert_eq!(deliver(&mut thread, &mut process, || false), None);
    // sigsuspend with an empty mask, run twice.
    thread.suspend_mask(SignalSet::EMPTY);
    thread.suspend_mask(SignalSet::EMPTY);
    let Some(Delivery::Handle { mask, .. }) = deliver(&mut thread, &mut process, || false) else {
        panic!()
    };
    assert_eq!(
        (mask, thread.mask, thread.saved_mask),
        (usr1, usr1.union(usr2), None)
    );
    assert_eq!(
        process.actions.get(SignalNumber::SIGUSR1),
        Action::default()
    );
    assert_eq!(thread.set_mask(SignalSet::FULL), usr1.union(usr2));
    assert!(!thread.mask.contains(SignalNumber::SIGKILL));
}

#[test]
fn interrupted_calls_follow_the_manual_page() {
    let plain = handler(ActionFlags::empty(), SignalSet::EMPTY);
    let restart = handler(ActionFlags::RESTART, SignalSet::EMPTY);
    let table = [
        (
            SystemCall::Read,
            false,
            [Resumption::Again, Resumption::Fail, Resumption::Again],
        ),
        (
            SystemCall::Wait4,
            false,
            [Resumption::Again, Resumption::Fail, Resumption::Again],
        ),
        (
            SystemCall::Futex,
            false,
            [Resumption::Again, Resumption::Fail, Resumption::Again],
        ),
        (
            SystemCall::Futex,
            true,
            [Resumption::Again, Resumption::Fail, Resumption::Fail],
        ),
        (
            SystemCall::Poll,
            false,
            [Resumption::Again, Resumption::Fail, Resumption::Fail],
        ),
        (
            SystemCall::Nanosleep,
            true,
            [Resumption::Again, Resumption::Fail, Resumption::Fail],
        ),
        (
            SystemCall::RtSigsuspend,
            false,
            [Resumption::Again, Resumption::Fail, Resumption::Fail],
        ),
        (
            SystemCall::EpollWait,
            false,
            [Resumption::Fail, Resumption::Fail, Resumption::Fail],
        ),
    ];
    for (call, timed, expected) in table {
        let interrupted = interruption(call, timed);
        let found =
            [None, Some(&plain), Some(&restart)].map(|action| interrupted.resumption(action));
        assert_eq!(found, expected, "{call}");
    }
}

#[test]
fn the_alternate_stack_keeps_the_rules_of_its_manual_page() {
    let mut stack = AlternateStack::default();
    assert_eq!(stack.describe(0x5000).flags, 2);
    assert_eq!(
        stack.set(
            StackT {
                sp: 0x10_0000,
                flags: 0,
                size: 100
            },
            0
        ),
        Err(Errno::ENOMEM)
    );
    assert_eq!(
        stack.set(
            StackT {
                sp: 0x10_0000,
                flags: 8,
                size: 8192
            },
            0
        ),
        Err(Errno::EINVAL)
    );
    stack
        .set(
            StackT {
                sp: 0x10_0000,
                flags: 0,
                size: 8192,
            },
            0,
        )
        .unwrap();
    assert_eq!(stack.top(false, 0x5000), 0x5000);
    assert_eq!(stack.top(true, 0x5000), 0x10_2000);
    assert_eq!(stack.top(true, 0x10_1000), 0x10_1000);
    assert_eq!(stack.describe(0x10_1000).flags, 1);
    assert_eq!(
        stack.set(
            StackT {
                sp: 0,
                flags: 2,
                size: 0
            },
            0x10_1000
        ),
        Err(Errno::EPERM)
    );
    assert_eq!(
        stack.set(
            StackT {
                sp: 0,
                flags: 2,
                size: 0
            },
            0x5000
        ),
        Ok(())
    );
    assert_eq!(stack.top(true, 0x5000), 0x5000);
}

#[test]
fn handlers_end_with_the_program_and_ignored_signals_stay_ignored() {
    let mut actions = Actions::default();
    actions
        .set(
            SignalNumber::SIGUSR1,
            handler(ActionFlags::empty(), SignalSet::EMPTY),
        )
        .unwrap();
    actions
        .set(
            SignalNumber::SIGUSR2,
            Action {
                handler: Handler::Ignore,
                ..Action::default()
            },
        )
        .unwrap();
    assert_eq!(
        actions.set(SignalNumber::SIGKILL, Action::default()),
        Err(Errno::EINVAL)
    );
    actions.forget_handlers();
    assert_eq!(actions.get(SignalNumber::SIGUSR1).handler, Handler::Default);
    assert_eq!(actions.get(SignalNumber::SIGUSR2).handler, Handler::Ignore);
    assert!(actions.forgets(SignalNumber::SIGCHLD) && !actions.reaps_children_itself());
    actions
        .set(
            SignalNumber::SIGCHLD,
            Action {
                handler: Handler::Ignore,
                ..Action::default()
            },
        )
        .unwrap();
    assert!(actions.reaps_children_itself());
}

#[test]
fn a_full_queue_still_notes_a_kill() {
    let mut pending = Pending::default();
    pending.post(queued(40, 1), 1).unwrap();
    assert_eq!(pending.post(queued(41, 2), 1), Err(Errno::EAGAIN));
    assert_eq!(
        pending.post(SigInfo::sent(signal(41), SI_TKILL, 1, 1), 1),
        Err(Errno::EAGAIN)
    );
    pending
        .post(SigInfo::sent(signal(42), SI_USER, 7, 7), 1)
        .unwrap();
    pending
        .post(
            SigInfo {
                code: SI_KERNEL,
                ..queued(5, 3)
            },
            1,
        )
        .unwrap();
    let order: Vec<u8> = core::iter::from_fn(|| pending.take(SignalSet::FULL))
        .map(|info| info.signal.get())
        .collect();
    assert_eq!(order, [5, 40, 42]);
    assert_eq!(pending.queued(), 0);
}

/// A timer's signal that means nothing is given all the same, for its timer to be told.
#[test]
fn a_timer_is_told_of_a_signal_that_means_nothing() {
    let (mut thread, mut process) = process(false);
    let info = |code| SigInfo {
        code,
        ..SigInfo::kernel(SignalNumber::SIGCONT)
    };
    process.pending.post(info(SI_KERNEL), 9).unwrap();
    assert_eq!(deliver(&mut thread, &mut process, || false), None);
    process.pending.post(info(SI_TIMER), 9).unwrap();
    let told = Some(Delivery::Ignore(info(SI_TIMER)));
    assert_eq!(deliver(&mut thread, &mut process, || false), told);
    assert_eq!(deliver(&mut thread, &mut process, || false), None);
}

#[test]
fn ignoring_a_signal_drops_it() {
    let (mut thread, mut process) = process(false);
    let usr1 = SignalSet::of(&[SignalNumber::SIGUSR1]);
    assert_eq!(thread.change_mask(0, usr1), Ok(SignalSet::EMPTY));
    assert_eq!(thread.change_mask(3, usr1), Err(Errno::EINVAL));
    process
        .pending
        .post(SigInfo::kernel(SignalNumber::SIGUSR1), 9)
        .unwrap();
    assert_eq!(thread.held_back(&process), usr1);
    let ignore = Action {
        handler: Handler::Ignore,
        ..Action::default()
    };
    let (old, void) = process.set_action(SignalNumber::SIGUSR1, ignore).unwrap();
    assert_eq!(
        (old, void, process.pending.set()),
        (Action::default(), usr1, SignalSet::EMPTY)
    );
    process
        .pending
        .post(SigInfo::kernel(SignalNumber::SIGUSR1), 9)
        .unwrap();
    let awaited = thread.await_signal(&mut process, SignalSet::FULL).unwrap();
    assert_eq!(awaited.signal, SignalNumber::SIGUSR1);
    assert_eq!(thread.change_mask(1, usr1), Ok(usr1));
}

proptest! {
    /// Standard signals merge and keep the first, real-time signals queue in order, low numbers come first.
    #[test]
    fn pending_behaves_as_its_model(steps in prop::collection::vec((0u8..8, 28u8..36, any::<u64>()), 0..100)) {
        let mut pending = Pending::default();
        let mut model: BTreeMap<u8, Vec<u64>> = BTreeMap::new();
        for (kind, number, bits) in steps {
            match kind {
                0..=3 => {
                    pending.post(queued(number, bits), u64::MAX).unwrap();
                    let queue = model.entry(number).or_default();
                    if number >= 32 || queue.is_empty() {
                        queue.push(bits);
                    }
                }
                4..=6 => {
                    let found = pending.take(SignalSet(bits));
                    let next = model.keys().copied().find(|number| bits >> (number - 1) & 1 == 1);
                    let expected = next.and_then(|number| {
                        let queue = model.get_mut(&number)?;
                        let first = queue.remove(0);
                        Some((number, first))
                    });
                    model.retain(|_, queue| !queue.is_empty());
                    prop_assert_eq!(found.map(|info| (info.signal.get(), value(&info))), expected);
                }
                _ => {
                    pending.cancel(SignalSet(bits));
                    model.retain(|number, _| bits >> (number - 1) & 1 == 0);
                }
            }
            let set = model.keys().fold(SignalSet::EMPTY, |set, number| set.with(signal(*number)));
            prop_assert_eq!(pending.set(), set);
            prop_assert_eq!(pending.queued(), model.values().map(Vec::len).sum::<usize>() as u64);
        }
    }

    /// Nothing blocked is ever delivered, and delivery stops only when nothing deliverable is left.
    #[test]
    fn delivery_respects_the_mask(mask in any::<u64>(), sent in prop::collection::vec(1u8..=64, 0..20), handled in any::<u64>()) {
        let (mut thread, mut process) = process(false);
        for number in (1..=64).filter(|number| handled >> (number - 1) & 1 == 1).map(signal) {
            let _kill_and_stop = process.actions.set(number, handler(ActionFlags::NODEFER, SignalSet::EMPTY));
        }
        thread.set_mask(SignalSet(mask));
        for (at, number) in sent.iter().enumerate() {
            let pending = if at % 2 == 0 { &mut thread.pending } else { &mut process.pending };
            pending.post(SigInfo::kernel(signal(*number)), 100).unwrap();
        }
        let blocked = thread.mask;
        while let Some(delivery) = deliver(&mut thread, &mut process, || false) {
            let number = match delivery {
                Delivery::Handle { info, .. } | Delivery::Ignore(info) => info.signal,
                Delivery::Stop(number) | Delivery::Terminate { signal: number, .. } => number,
            };
            prop_assert!(!blocked.contains(number));
            prop_assert!(sent.contains(&number.get()));
        }
        prop_assert!(thread.deliverable(&process).is_empty());
    }
}
