//! Signals that a file sends its owner when it can be read or written (`man 2 fcntl`, "Managing signals"; `man 7 signal`,
//! SIGIO), or when something urgent has come (`man 7 tcp`, SIGURG).
//!
//! A file that has been given an owner has a [`FileSignals`], which lasts as long as the file. While the file has O_ASYNC, or
//! an owner and a kind to which something urgent may come, it stands in the wait queues of what is open, as epoll does. It is
//! woken there under the locks of a pipe or a socket, where no signal can be sent; so it only sets a timer that is due at
//! once, and sends the signal and enrols anew when that expires. What happens in between is told with the same signal. Lock:
//! rank `Readiness`.

use crate::family;
use crate::process::Process;
use crate::signals::{self, Origin};
use crate::system::system;
use crate::thread::Thread;
use crate::timers::{Expire, Timeout};
use abi::linux::{Detail, POLL_ERR, POLL_HUP, POLL_IN, POLL_OUT, SigInfo, SignalNumber};
use abi::{Errno, Pid, Ticks};
use alloc::sync::{Arc, Weak};
use alloc::vec::Vec;
use core::any::Any;
use fallible::{NoMemory, This};
use security::Credential;
use sync::{Rank, SpinLock};
use vfs::OpenFile;
use wait::{Link, Manner, PollEvents, Sleeper, Ticket, Waiter};

/// The signals of one open file.
pub struct FileSignals {
    this: This<FileSignals>,
    file: Weak<OpenFile>,
    state: SpinLock<State>,
}

struct State {
    owner: Option<Owner>,
    /// What is sent, with the descriptor that it was asked for with (F_SETSIG); SIGIO without either otherwise.
    signal: Option<(SignalNumber, i32)>,
    /// Whether the file has O_ASYNC.
    asynchronous: bool,
    /// How much that is urgent has been told.
    urgents: Option<u64>,
    /// The present enrolment, and whether it has been woken.
    ticket: Ticket,
    woken: bool,
    links: Vec<Link>,
}

/// Who gets the signals, and who has said so: he must be allowed to send them.
#[derive(Clone)]
pub struct Owner {
    /// Who gets them.
    pub recipient: Recipient,
    /// The credential of who has named him.
    pub named_by: Arc<Credential>,
}

/// Who gets signals.
#[derive(Clone)]
pub enum Recipient {
    /// A process.
    Process(Weak<Process>),
    /// A thread.
    Thread(Weak<Thread>),
    /// A process group.
    Group(Pid),
}

/// What stands in wait queues, without keeping the file.
struct Watch(Weak<FileSignals>);

impl Sleeper for Watch {
    fn wake(&self, ticket: Ticket, _completion: Option<i64>) -> bool {
        self.0
            .upgrade()
            .is_some_and(|signals| signals.woken(ticket))
    }

    fn linked(&self, ticket: Ticket, link: Link) -> Option<Link> {
        match self.0.upgrade() {
            Some(signals) => signals.linked(ticket, link),
            None => Some(link),
        }
    }
}

impl FileSignals {
    /// Those of an open file; made when it has none yet.
    ///
    /// # Errors
    /// [`NoMemory`].
    pub fn of(file: &Arc<OpenFile>) -> Result<Arc<Self>, NoMemory> {
        let kept = file.keep(|| {
            let made = Self {
                this: This::new(),
                file: Arc::downgrade(file),
                state: SpinLock::new(
                    Rank::Readiness,
                    State {
                        owner: None,
                        signal: None,
                        asynchronous: false,
                        urgents: file.operations().urgents(),
                        ticket: Ticket(0),
                        woken: false,
                        links: Vec::new(),
                    },
                ),
            };
            let made: Arc<dyn Any + Send + Sync> =
                fallible::arc_with_this(made, |signals| &signals.this)?;
            Ok(made)
        })?;
        kept.clone().downcast().map_err(|_| NoMemory)
    }

    /// Those of an open file that has any.
    pub fn known(file: &OpenFile) -> Option<Arc<Self>> {
        file.kept()?.clone().downcast().ok()
    }

    /// Who gets the signals.
    pub fn owner(&self) -> Option<Owner> {
        self.state.lock().owner.clone()
    }

    /// Says who gets the signals.
    pub fn set_owner(&self, owner: Option<Owner>) {
        // Dropped after the lock is released: it may be the last owner of a process.
        let file = self.file.upgrade();
        let urgents = file.and_then(|file| file.operations().urgents());
        let _former = {
            let mut state = self.state.lock();
            // Only what comes from now on is his.
            state.urgents = urgents;
            core::mem::replace(&mut state.owner, owner)
        };
        self.watch();
    }

    /// Which signal is sent instead of SIGIO.
    pub fn signal(&self) -> Option<SignalNumber> {
        self.state.lock().signal.map(|(signal, _)| signal)
    }

    /// Says which signal is sent, and which descriptor comes with it.
    pub fn set_signal(&self, signal: Option<(SignalNumber, i32)>) {
        self.state.lock().signal = signal;
    }

    /// Whether signals are sent.
    pub fn is_asynchronous(&self) -> bool {
        self.state.lock().asynchronous
    }

    /// Begins to send signals, or ceases to.
    pub fn set_asynchronous(&self, asynchronous: bool) {
        let before = core::mem::replace(&mut self.state.lock().asynchronous, asynchronous);
        if before != asynchronous {
            self.watch();
        }
    }

    /// Enrols anew, if at all; answers what the file is ready for.
    fn watch(&self) -> PollEvents {
        let (ticket, asynchronous, owned, former) = {
            let mut state = self.state.lock();
            state.ticket.0 += 1;
            state.woken = false;
            let former = core::mem::take(&mut state.links);
            let owned = state.owner.is_some();
            (state.ticket, state.asynchronous, owned, former)
        };
        former.into_iter().for_each(Link::withdraw);
        let Some(file) = self.file.upgrade() else {
            return PollEvents::empty();
        };
        let wanted = if asynchronous {
            PollEvents::READABLE | PollEvents::WRITABLE | PollEvents::PRI
        } else if owned && file.operations().urgents().is_some() {
            PollEvents::PRI
        } else {
            return PollEvents::empty();
        };
        let Ok(watch) = fallible::arc(Watch(self.this.weak())) else {
            log::error!("no memory to watch a file for its owner");
            return PollEvents::empty();
        };
        let waiter = Waiter::watching(watch, ticket, Manner::CHANGES);
        file.poll(wanted, Some(&waiter))
    }

    fn linked(&self, ticket: Ticket, link: Link) -> Option<Link> {
        let mut state = self.state.lock();
        if state.ticket != ticket || state.links.try_reserve(1).is_err() {
            return Some(link);
        }
        state.links.push(link);
        None
    }

    fn woken(&self, ticket: Ticket) -> bool {
        {
            let mut state = self.state.lock();
            if state.ticket != ticket || state.woken {
                return false;
            }
            state.woken = true;
        }
        let timer: Weak<dyn Expire> = self.this.weak();
        let now = arch::time::now();
        system().timers.add(now, Timeout::Expire(timer)).is_some()
    }

    /// The signal for what the file is ready for.
    fn information(&self, ready: PollEvents) -> SigInfo {
        let Some((signal, fd)) = self.state.lock().signal else {
            return SigInfo::kernel(SignalNumber::SIGIO);
        };
        let code = if ready.contains(PollEvents::HUP) {
            POLL_HUP
        } else if ready.contains(PollEvents::ERR) {
            POLL_ERR
        } else if ready.intersects(PollEvents::READABLE) {
            POLL_IN
        } else {
            POLL_OUT
        };
        SigInfo {
            signal,
            errno: 0,
            code,
            detail: Detail::Poll {
                band: i64::from(ready.bits()),
                fd,
            },
        }
    }
}

impl Expire for FileSignals {
    fn expire(self: Arc<Self>, _now: Ticks) {
        let ready = self.watch();
        let Some(owner) = self.owner() else { return };
        let file = self.file.upgrade();
        let urgents = file.and_then(|file| file.operations().urgents());
        let (asynchronous, before) = {
            let mut state = self.state.lock();
            let before = core::mem::replace(&mut state.urgents, urgents);
            (state.asynchronous, before)
        };
        if urgents > before {
            owner.tell(SigInfo::kernel(SignalNumber::SIGURG));
        }
        if asynchronous && !ready.is_empty() {
            owner.tell(self.information(ready));
        }
    }
}

impl Drop for FileSignals {
    fn drop(&mut self) {
        let links = core::mem::take(&mut self.state.get_mut().links);
        links.into_iter().for_each(Link::withdraw);
    }
}

impl Owner {
    fn tell(&self, information: SigInfo) {
        match &self.recipient {
            Recipient::Process(process) => {
                if let Some(process) = process.upgrade() {
                    self.tell_one(&process, None, information);
                }
            }
            Recipient::Thread(thread) => {
                if let Some(thread) = thread.upgrade() {
                    self.tell_one(&thread.process, Some(&thread), information);
                }
            }
            Recipient::Group(group) => family::of_group(*group)
                .for_each(|process| self.tell_one(&process, None, information)),
        }
    }

    fn tell_one(&self, process: &Arc<Process>, thread: Option<&Arc<Thread>>, info: SigInfo) {
        if self.named_by.may_notify(&process.credential()).is_err() {
            return;
        }
        let queued = signals::send(process, thread, info, Origin::Inside);
        if queued == Err(Errno::EAGAIN) {
            // A full queue of real-time signals is told with SIGIO, so that nothing is missed.
            signals::post(
                process,
                SigInfo::kernel(SignalNumber::SIGIO),
                Origin::Inside,
            );
        }
    }
}
