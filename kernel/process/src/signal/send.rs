//! Sending a signal to a process or to one of its threads, in one step.

use super::{ProcessSignals, ThreadSignals, effects};
use abi::Errno;
use abi::linux::{SigInfo, SignalNumber};

/// Whom a signal is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Recipient<K> {
    /// Any thread of the process (`kill`).
    Process,
    /// One thread (`tgkill`).
    Thread(K),
}

/// What follows from sending a signal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sent<K> {
    /// The process goes on if it is stopped ([`crate::ProcessTree::resume`]), whatever becomes of the signal.
    pub resumes: bool,
    /// The thread that is to look at its signals: interrupt what it waits for, or the CPU that it runs on.
    /// Nobody when the signal was discarded, or all threads block it. When that thread finds a
    /// [`super::Delivery::Terminate`] or [`super::Delivery::Stop`], it is for the kernel to interrupt the others.
    pub wake: Option<K>,
}

/// Sends a signal, after [`security::Credential::may_signal`]. `threads` are those of the process, the one to prefer first.
///
/// The caller holds the lock of the process. `limit` is `RLIMIT_SIGPENDING`; `from_outside` says that the
/// kernel sends it, or Global to a partition, against which init is not protected.
///
/// # Errors
/// EAGAIN for a queued real-time signal beyond the limit; ESRCH when the thread is not among `threads`.
pub fn send<'a, K: Copy + Eq>(
    process: &mut ProcessSignals,
    threads: impl Iterator<Item = (K, &'a mut ThreadSignals)>,
    to: Recipient<K>,
    info: SigInfo,
    limit: u64,
    from_outside: bool,
) -> Result<Sent<K>, Errno> {
    let signal = info.signal;
    let effects = effects(signal);
    process.pending.cancel(effects.cancels);
    let open =
        |thread: &ThreadSignals| !thread.mask.contains(signal) || thread.awaiting.contains(signal);
    let mut taker = None;
    for (key, thread) in threads {
        thread.pending.cancel(effects.cancels);
        let fits = match to {
            Recipient::Thread(wanted) => key == wanted,
            Recipient::Process => open(thread),
        };
        if fits && taker.is_none() {
            taker = Some((key, thread));
        }
    }
    if taker.is_none() && matches!(to, Recipient::Thread(_)) {
        return Err(Errno::ESRCH);
    }
    let kept = taker
        .as_ref()
        .is_none_or(|(_, thread)| thread.mask.contains(signal) || thread.awaiting.contains(signal));
    let mut sent = Sent {
        resumes: effects.resumes,
        wake: None,
    };
    if signal == SignalNumber::SIGKILL {
        sent.resumes = !process.discards(signal, kept, from_outside);
    }
    if process.discards(signal, kept, from_outside) {
        return Ok(sent);
    }
    let Some((key, thread)) = taker else {
        process.pending.post(info, limit)?;
        return Ok(sent);
    };
    sent.wake = Some(key).filter(|_| open(thread));
    match to {
        Recipient::Process => process.pending.post(info, limit)?,
        Recipient::Thread(_) => thread.pending.post(info, limit)?,
    }
    Ok(sent)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::signal::{Action, Delivery, Handler, deliver};
    use abi::linux::SignalSet;

    type Threads = [ThreadSignals; 2];

    fn send_to(
        process: &mut ProcessSignals,
        threads: &mut Threads,
        to: Recipient<usize>,
        signal: SignalNumber,
    ) -> Result<Sent<usize>, Errno> {
        let info = SigInfo::kernel(signal);
        send(
            process,
            threads.iter_mut().enumerate(),
            to,
            info,
            100,
            false,
        )
    }

    #[test]
    fn a_thread_that_does_not_block_takes_it() {
        let (mut process, mut threads) = (ProcessSignals::new(false), Threads::default());
        let term = SignalNumber::SIGTERM;
        threads[0].set_mask(SignalSet::of(&[term]));
        let mut to_process = |threads: &mut Threads| {
            send_to(&mut process, threads, Recipient::Process, term).unwrap()
        };
        assert_eq!(to_process(&mut threads).wake, Some(1));
        threads[1].set_mask(SignalSet::of(&[term]));
        assert_eq!(to_process(&mut threads).wake, None);
        threads[0].awaiting = SignalSet::of(&[term]);
        assert_eq!(to_process(&mut threads).wake, Some(0));
        let own = send_to(
            &mut process,
            &mut threads,
            Recipient::Thread(1),
            SignalNumber::SIGUSR1,
        )
        .unwrap();
        assert_eq!((own.wake, own.resumes), (Some(1), false));
        assert!(threads[1].pending.set().contains(SignalNumber::SIGUSR1));
        assert_eq!(
            send_to(&mut process, &mut threads, Recipient::Thread(5), term),
            Err(Errno::ESRCH)
        );
    }

    #[test]
    fn an_ignored_signal_is_kept_for_who_blocks_or_awaits_it() {
        let (mut process, mut threads) = (ProcessSignals::new(false), Threads::default());
        let child = SignalNumber::SIGCHLD;
        send_to(&mut process, &mut threads, Recipient::Process, child).unwrap();
        assert!(process.pending.set().is_empty());
        for thread in &mut threads {
            thread.set_mask(SignalSet::of(&[child]));
        }
        send_to(&mut process, &mut threads, Recipient::Process, child).unwrap();
        assert!(process.pending.set().contains(child));
    }

    #[test]
    fn continue_cancels_stops_even_when_ignored() {
        let (mut process, mut threads) = (ProcessSignals::new(false), Threads::default());
        let ignore = Action {
            handler: Handler::Ignore,
            ..Action::default()
        };
        process.actions.set(SignalNumber::SIGCONT, ignore).unwrap();
        send_to(
            &mut process,
            &mut threads,
            Recipient::Process,
            SignalNumber::SIGSTOP,
        )
        .unwrap();
        send_to(
            &mut process,
            &mut threads,
            Recipient::Thread(1),
            SignalNumber::SIGTSTP,
        )
        .unwrap();
        let sent = send_to(
            &mut process,
            &mut threads,
            Recipient::Process,
            SignalNumber::SIGCONT,
        )
        .unwrap();
        assert_eq!(
            sent,
            Sent {
                resumes: true,
                wake: None
            }
        );
        assert!(
            threads
                .iter_mut()
                .all(|thread| deliver(thread, &mut process, || false).is_none())
        );
    }

    #[test]
    fn kill_ends_any_process_but_a_protected_init() {
        let mut threads = Threads::default();
        threads[0].set_mask(SignalSet::FULL);
        for protected in [false, true] {
            let mut process = ProcessSignals::new(protected);
            let sent = send_to(
                &mut process,
                &mut threads,
                Recipient::Process,
                SignalNumber::SIGKILL,
            )
            .unwrap();
            assert_eq!(
                sent,
                Sent {
                    resumes: !protected,
                    wake: Some(0).filter(|_| !protected)
                }
            );
            let killed = Delivery::Terminate {
                signal: SignalNumber::SIGKILL,
                core: false,
            };
            let expected = Some(killed).filter(|_| !protected);
            assert_eq!(deliver(&mut threads[1], &mut process, || false), expected);
        }
    }
}
