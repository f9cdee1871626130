use super::*;
use abi::Cid;
use abi::linux::{
    FIONREAD, SignalSet, TCFLSH, TCGETA, TCGETS, TCIFLUSH, TCSBRK, TCSETA, TCSETAF, TCSETS,
    TCSETSF, TIOCGPGRP, TIOCGSID, TIOCGWINSZ, TIOCNOTTY, TIOCSCTTY, TIOCSPGRP, TIOCSTI, TIOCSWINSZ,
    Termio, Termios,
};
use alloc::vec::Vec;
use core::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use process::VPid;
use security::{Credential, Identity, Privileges};
use spin::Mutex;
use std::vec;
use wait::{Link, Sleeper, SliceSink, SliceSource, Ticket};

const SHELL: Pid = Pid(10);
const JOB: Pid = Pid(20);

/// Driver, kernel and thread in one.
pub(crate) struct World {
    credential: Credential,
    screen: Mutex<Vec<u8>>,
    /// How many bytes the driver takes.
    takes: AtomicUsize,
    unthrottled: AtomicBool,
    caller: Mutex<Caller>,
    orphaned: AtomicBool,
    sent: Mutex<Vec<(Pid, SignalNumber)>>,
    sessions: Mutex<Vec<(Pid, Option<TerminalId>)>>,
    now: AtomicU64,
    alarm: Mutex<Option<Nanos>>,
    ticket: AtomicU64,
    woken: AtomicBool,
    links: Mutex<Vec<Link>>,
}

impl TerminalOutput for World {
    fn write(&self, bytes: &[u8]) -> usize {
        let taken = bytes.len().min(self.takes.load(Ordering::SeqCst));
        self.takes.fetch_sub(taken, Ordering::SeqCst);
        self.screen.lock().extend_from_slice(&bytes[..taken]);
        taken
    }

    fn input_room(&self) {
        self.unthrottled.store(true, Ordering::SeqCst);
    }
}

impl JobControl for World {
    fn caller(&self, _cx: &IoContext<'_>) -> Caller {
        *self.caller.lock()
    }

    fn is_orphaned(&self, _: Pid) -> bool {
        self.orphaned.load(Ordering::Relaxed)
    }

    fn signal(&self, group: Pid, signal: SignalNumber) {
        self.sent.lock().push((group, signal));
    }

    fn seen(&self, _cx: &IoContext<'_>, number: Pid) -> VPid {
        VPid(number.0 + 1000)
    }

    fn group(&self, _cx: &IoContext<'_>, number: VPid) -> Result<(Pid, Pid), Errno> {
        match number.0 {
            1010 | 1020 => Ok((Pid(number.0 - 1000), SHELL)),
            1030 => Ok((Pid(30), Pid(30))),
            _ => Err(Errno::ESRCH),
        }
    }

    fn set_terminal(&self, session: Pid, terminal: Option<TerminalId>) {
        self.sessions.lock().push((session, terminal));
    }

    fn now(&self) -> Nanos {
        Nanos(self.now.load(Ordering::SeqCst))
    }

    fn wake_at(&self, _waiter: &Waiter, deadline: Nanos) {
        *self.alarm.lock() = Some(deadline);
    }
}

impl Sleeper for World {
    fn wake(&self, ticket: Ticket, _completion: Option<i64>) -> bool {
        let current = self.ticket.load(Ordering::SeqCst) == ticket.0;
        self.woken.fetch_or(current, Ordering::SeqCst);
        current
    }

    fn linked(&self, _ticket: Ticket, link: Link) -> Option<Link> {
        self.links.lock().push(link);
        None
    }
}

struct Argument(u64, Vec<u8>);

impl IoctlArgument for Argument {
    fn value(&self) -> u64 {
        self.0
    }

    fn get(&mut self, buffer: &mut [u8]) -> Attempt<()> {
        buffer.copy_from_slice(&self.1);
        Ok(())
    }

    fn put(&mut self, bytes: &[u8]) -> Attempt<()> {
        self.1 = bytes.to_vec();
        Ok(())
    }
}

fn shell() -> Caller {
    let deaf_to = SignalSet::EMPTY;
    Caller {
        pid: SHELL,
        group: SHELL,
        session: SHELL,
        has_terminal: false,
        deaf_to,
    }
}

impl World {
    pub(crate) fn new() -> (Arc<Self>, Arc<Terminal>) {
        let world = Arc::new(Self {
            credential: Credential::new(Cid(1), Identity::user(5, 5), Privileges::empty()),
            screen: Mutex::default(),
            takes: AtomicUsize::new(usize::MAX / 2),
            unthrottled: AtomicBool::new(false),
            caller: Mutex::new(shell()),
            orphaned: AtomicBool::new(false),
            sent: Mutex::default(),
            sessions: Mutex::default(),
            now: AtomicU64::new(0),
            alarm: Mutex::default(),
            ticket: AtomicU64::new(0),
            woken: AtomicBool::new(false),
            links: Mutex::default(),
        });
        let terminal = Terminal::new(TerminalId(4), world.clone(), world.clone()).expect("memory");
        (world, terminal)
    }

    pub(crate) fn run<T>(
        self: &Arc<Self>,
        nonblocking: bool,
        call: impl FnOnce(&IoContext<'_>) -> T,
    ) -> T {
        let ticket = self.ticket.fetch_add(1, Ordering::SeqCst) + 1;
        let links: Vec<Link> = self.links.lock().drain(..).collect();
        links.into_iter().for_each(Link::withdraw);
        self.woken.store(false, Ordering::SeqCst);
        let waiter = Waiter::new(self.clone(), Ticket(ticket));
        call(&IoContext {
            credential: &self.credential,
            caller: &waiter,
            nonblocking,
        })
    }

    fn read(self: &Arc<Self>, file: &TerminalFile, room: usize) -> Attempt<Vec<u8>> {
        let mut bytes = vec![0; room];
        let count = self.run(false, |cx| {
            file.read(cx, 0, &mut SliceSink::new(&mut bytes))
        })?;
        bytes.truncate(count);
        Ok(bytes)
    }

    fn write(self: &Arc<Self>, file: &TerminalFile, bytes: &[u8]) -> Attempt<usize> {
        self.run(false, |cx| file.write(cx, 0, &mut SliceSource::new(bytes)))
    }

    pub(crate) fn ioctl(
        self: &Arc<Self>,
        file: &dyn FileOperations,
        request: u32,
        value: u64,
        bytes: &[u8],
    ) -> Attempt<Vec<u8>> {
        let mut argument = Argument(value, bytes.to_vec());
        self.run(false, |cx| file.ioctl(cx, request, &mut argument))?;
        Ok(argument.1)
    }

    pub(crate) fn open(self: &Arc<Self>, terminal: &Arc<Terminal>) -> Arc<TerminalFile> {
        self.run(false, |cx| terminal.open(cx, true).expect("memory"))
    }

    pub(crate) fn sent(&self) -> Vec<(Pid, SignalNumber)> {
        core::mem::take(&mut self.sent.lock())
    }

    pub(crate) fn is_woken(&self) -> bool {
        self.woken.load(Ordering::SeqCst)
    }

    fn become_job(&self) {
        *self.caller.lock() = Caller {
            pid: JOB,
            group: JOB,
            has_terminal: true,
            ..shell()
        };
    }
}

fn raw(minimum: u8, time: u8) -> Vec<u8> {
    let mut termios = Termios::from(Settings::default());
    termios.lflag = 0;
    (termios.cc[VMIN], termios.cc[VTIME]) = (minimum, time);
    termios.encode().to_vec()
}

pub(crate) const fn error(errno: Errno) -> Stop {
    Stop::Error(errno)
}

#[test]
fn a_reader_is_woken_by_a_line() {
    let (world, terminal) = World::new();
    let file = world.open(&terminal);
    assert_eq!(world.read(&file, 9), Err(Stop::Park));
    assert_eq!(terminal.receive(b"hi"), 2);
    assert!(!world.is_woken());
    terminal.receive(b"\r");
    assert!(world.is_woken());
    assert_eq!(world.ioctl(&*file, FIONREAD, 0, &[]).unwrap(), [3, 0, 0, 0]);
    assert_eq!(world.read(&file, 9).unwrap(), b"hi\n");
    assert_eq!(
        world.run(true, |cx| file.read(cx, 0, &mut SliceSink::new(&mut [0]))),
        Err(error(Errno::EAGAIN))
    );
    world.write(&file, b"out\n").unwrap();
    assert_eq!(*world.screen.lock(), b"hi\r\nout\r\n");
}

#[test]
fn opening_makes_it_the_controlling_terminal() {
    let (world, terminal) = World::new();
    let file = world.run(false, |cx| terminal.open(cx, false).expect("memory"));
    assert_eq!(
        world.ioctl(&*file, TIOCGPGRP, 0, &[]),
        Err(error(Errno::ENOTTY))
    );
    let file = world.open(&terminal);
    assert_eq!(*world.sessions.lock(), [(SHELL, Some(TerminalId(4)))]);
    assert_eq!(
        world.ioctl(&*file, TIOCGPGRP, 0, &[]).unwrap(),
        1010u32.to_le_bytes()
    );
    assert_eq!(
        world.ioctl(&*file, TIOCGSID, 0, &[]).unwrap(),
        1010u32.to_le_bytes()
    );
    *world.caller.lock() = Caller {
        pid: Pid(30),
        group: Pid(30),
        session: Pid(30),
        ..shell()
    };
    assert_eq!(
        world.ioctl(&*file, TIOCSCTTY, 1, &[]),
        Err(error(Errno::EPERM))
    );
    assert_eq!(
        world.ioctl(&*file, TIOCGSID, 0, &[]),
        Err(error(Errno::ENOTTY))
    );
}

#[test]
fn the_foreground_group_gets_the_signals_and_the_background_stops() {
    let (world, terminal) = World::new();
    let file = world.open(&terminal);
    let number = |group: i32| group.to_le_bytes();
    assert_eq!(
        world.ioctl(&*file, TIOCSPGRP, 0, &number(-1)),
        Err(error(Errno::EINVAL))
    );
    assert_eq!(
        world.ioctl(&*file, TIOCSPGRP, 0, &number(7)),
        Err(error(Errno::ESRCH))
    );
    assert_eq!(
        world.ioctl(&*file, TIOCSPGRP, 0, &number(1030)),
        Err(error(Errno::EPERM))
    );
    world.ioctl(&*file, TIOCSPGRP, 0, &number(1020)).unwrap();
    terminal.receive(b"\x03\x1a");
    assert_eq!(
        world.sent(),
        [(JOB, SignalNumber::SIGINT), (JOB, SignalNumber::SIGTSTP)]
    );
    // The shell is in the background now: it must not read, and not change settings.
    assert_eq!(world.read(&file, 9), Err(Stop::Park));
    assert_eq!(world.sent(), [(SHELL, SignalNumber::SIGTTIN)]);
    assert_eq!(world.ioctl(&*file, TCSETS, 0, &raw(1, 0)), Err(Stop::Park));
    assert_eq!(world.sent(), [(SHELL, SignalNumber::SIGTTOU)]);
    assert_eq!(world.write(&file, b"may write"), Ok(9));
    // A shell ignores SIGTTOU to take the terminal back, and SIGTTIN does not help then.
    world.caller.lock().deaf_to = SignalSet::of(&[SignalNumber::SIGTTOU, SignalNumber::SIGTTIN]);
    assert_eq!(world.read(&file, 9), Err(error(Errno::EIO)));
    world.ioctl(&*file, TIOCSPGRP, 0, &number(1010)).unwrap();
    assert_eq!(world.read(&file, 9), Err(Stop::Park));
    assert_eq!(world.sent(), []);
}

#[test]
fn a_background_reader_tries_again_in_the_foreground() {
    let (world, terminal) = World::new();
    let file = world.open(&terminal);
    world.become_job();
    assert_eq!(world.read(&file, 9), Err(Stop::Park));
    assert_eq!(world.sent(), [(JOB, SignalNumber::SIGTTIN)]);
    terminal.receive(b"typed\n");
    assert!(!world.is_woken());
    terminal.state.lock().foreground = Some(JOB);
    terminal.wake_everybody();
    assert!(world.is_woken());
    assert_eq!(world.read(&file, 9).unwrap(), b"typed\n");
    world.caller.lock().group = Pid(21);
    world.orphaned.store(true, Ordering::Relaxed);
    assert_eq!(world.read(&file, 9), Err(error(Errno::EIO)));
}

#[test]
fn tostop_stops_background_writers() {
    let (world, terminal) = World::new();
    let file = world.open(&terminal);
    terminal.state.lock().settings.local |= LocalFlags::TOSTOP;
    world.become_job();
    assert_eq!(world.write(&file, b"x"), Err(Stop::Park));
    assert_eq!(world.sent(), [(JOB, SignalNumber::SIGTTOU)]);
    world.caller.lock().deaf_to = SignalSet::of(&[SignalNumber::SIGTTOU]);
    assert_eq!(world.write(&file, b"x"), Ok(1));
}

#[test]
fn min_and_time_rule_raw_reads() {
    let (world, terminal) = World::new();
    let file = world.open(&terminal);
    let poll = || file.poll(PollEvents::IN, None) == PollEvents::IN;
    world.ioctl(&*file, TCSETS, 0, &raw(3, 0)).unwrap();
    terminal.receive(b"ab");
    assert!(!poll());
    assert_eq!(world.read(&file, 9), Err(Stop::Park));
    // A small buffer needs no more than it holds.
    assert_eq!(world.read(&file, 1).unwrap(), b"a");
    terminal.receive(b"cd");
    assert!(poll());
    assert_eq!(world.read(&file, 9).unwrap(), b"bcd");

    world.ioctl(&*file, TCSETS, 0, &raw(0, 0)).unwrap();
    assert_eq!(world.read(&file, 9).unwrap(), b"");

    world.ioctl(&*file, TCSETS, 0, &raw(0, 2)).unwrap();
    world.now.store(1000, Ordering::SeqCst);
    assert_eq!(world.read(&file, 9), Err(Stop::Park));
    assert_eq!(*world.alarm.lock(), Some(Nanos(200_001_000)));
    world.now.store(100_000_000, Ordering::SeqCst);
    assert_eq!(world.read(&file, 9), Err(Stop::Park));
    assert_eq!(*world.alarm.lock(), Some(Nanos(200_001_000)));
    world.now.store(200_001_000, Ordering::SeqCst);
    assert_eq!(world.read(&file, 9).unwrap(), b"");
    assert_eq!(world.read(&file, 9), Err(Stop::Park));
    assert_eq!(*world.alarm.lock(), Some(Nanos(400_001_000)));

    world.ioctl(&*file, TCSETS, 0, &raw(5, 1)).unwrap();
    terminal.receive(b"x");
    assert_eq!(world.read(&file, 9), Err(Stop::Park));
    assert_eq!(*world.alarm.lock(), Some(Nanos(300_001_000)));
    world.now.store(300_001_000, Ordering::SeqCst);
    assert_eq!(world.read(&file, 9).unwrap(), b"x");
}

#[test]
fn a_slow_driver_parks_writers_and_drains() {
    let (world, terminal) = World::new();
    let file = world.open(&terminal);
    world.takes.store(10, Ordering::SeqCst);
    let long = vec![b'.'; 10_000];
    let first = world.write(&file, &long).unwrap();
    assert!((4096..4700).contains(&first));
    assert_eq!(world.write(&file, &long), Err(Stop::Park));
    assert_eq!(file.poll(PollEvents::OUT, None), PollEvents::empty());
    world.takes.store(5000, Ordering::SeqCst);
    terminal.output_ready();
    assert!(world.is_woken());
    let second = world.write(&file, &long[first..]).unwrap();
    assert!(second < 10_000 - first);
    assert_eq!(world.ioctl(&*file, TCSBRK, 1, &[]), Err(Stop::Park));
    world.takes.store(50_000, Ordering::SeqCst);
    terminal.output_ready();
    assert!(world.is_woken());
    assert_eq!(world.ioctl(&*file, TCSBRK, 1, &[]), Ok(vec![]));
    assert_eq!(world.screen.lock().len(), first + second);
}

#[test]
fn a_full_input_queue_holds_the_driver_back() {
    let (world, terminal) = World::new();
    let file = world.open(&terminal);
    world.ioctl(&*file, TCSETS, 0, &raw(1, 0)).unwrap();
    assert_eq!(terminal.receive(&[b'x'; 5000]), 4096);
    assert!(!world.unthrottled.load(Ordering::SeqCst));
    world.read(&file, 100).unwrap();
    assert!(world.unthrottled.load(Ordering::SeqCst));
    assert_eq!(terminal.receive(&[b'x'; 904]), 100);
    world.ioctl(&*file, TCFLSH, TCIFLUSH, &[]).unwrap();
    assert_eq!(world.read(&file, 100), Err(Stop::Park));
}

#[test]
fn settings_and_sizes_are_kept() {
    let (world, terminal) = World::new();
    let file = world.open(&terminal);
    let termios = world.ioctl(&*file, TCGETS, 0, &[]).unwrap();
    assert_eq!(termios.len(), 44);
    terminal.receive(b"dropped\n");
    world.ioctl(&*file, TCSETSF, 0, &raw(7, 0)).unwrap();
    assert_eq!(world.ioctl(&*file, TCGETS, 0, &[]).unwrap(), raw(7, 0));
    assert_eq!(world.ioctl(&*file, FIONREAD, 0, &[]).unwrap(), [0; 4]);
    let size = Winsize {
        rows: 24,
        columns: 80,
        ..Winsize::default()
    };
    world.ioctl(&*file, TIOCSWINSZ, 0, &size.encode()).unwrap();
    world.ioctl(&*file, TIOCSWINSZ, 0, &size.encode()).unwrap();
    assert_eq!(world.sent(), [(SHELL, SignalNumber::SIGWINCH)]);
    assert_eq!(
        world.ioctl(&*file, TIOCGWINSZ, 0, &[]).unwrap(),
        size.encode()
    );
    assert_eq!(
        world.ioctl(&*file, TIOCSTI, 0, b"x"),
        Err(error(Errno::EIO))
    );
    assert_eq!(
        world.ioctl(&*file, 0x1234, 0, &[]),
        Err(error(Errno::ENOTTY))
    );
}

#[test]
fn a_hang_up_ends_open_files_but_not_the_terminal() {
    let (world, terminal) = World::new();
    let file = world.open(&terminal);
    world
        .ioctl(&*file, TIOCSPGRP, 0, &1020u32.to_le_bytes())
        .unwrap();
    world.become_job();
    assert_eq!(world.read(&file, 9), Err(Stop::Park));
    terminal.hang_up();
    assert!(world.is_woken());
    let (hup, cont) = (SignalNumber::SIGHUP, SignalNumber::SIGCONT);
    assert_eq!(
        world.sent(),
        [(SHELL, hup), (SHELL, cont), (JOB, hup), (JOB, cont)]
    );
    assert_eq!(world.read(&file, 9).unwrap(), b"");
    assert_eq!(world.write(&file, b"x"), Err(error(Errno::EIO)));
    assert_eq!(world.ioctl(&*file, TCGETS, 0, &[]), Err(error(Errno::EIO)));
    assert!(file.poll(PollEvents::IN, None).contains(PollEvents::HUP));
    *world.caller.lock() = shell();
    let again = world.open(&terminal);
    terminal.receive(b"new\n");
    assert_eq!(world.read(&again, 9).unwrap(), b"new\n");
    world.ioctl(&*again, TIOCNOTTY, 0, &[]).unwrap();
    assert_eq!(world.sessions.lock().last(), Some(&(SHELL, None)));
}

#[test]
fn the_settings_of_system_v_are_halves_of_the_others() {
    let (world, terminal) = World::new();
    let file = world.open(&terminal);
    let whole = || {
        Termios::decode(
            &world
                .ioctl(&*file, TCGETS, 0, &[])
                .unwrap()
                .try_into()
                .unwrap(),
        )
    };
    let before = whole();
    let half = world.ioctl(&*file, TCGETA, 0, &[]).unwrap();
    let mut half = Termio::decode(&half.try_into().unwrap());
    assert_eq!(half, Termio::of(&before));
    assert_eq!(half.applied_to(before), before);
    (half.lflag, half.cc[3]) = (0, b'k');
    world.ioctl(&*file, TCSETA, 0, &half.encode()).unwrap();
    let after = whole();
    assert_eq!(after.lflag, before.lflag & 0xffff_0000);
    assert_eq!(
        (after.cc[3], after.cc[10..].to_vec()),
        (b'k', before.cc[10..].to_vec())
    );
    assert_eq!(after.iflag, before.iflag);
    terminal.receive(b"dropped");
    world.ioctl(&*file, TCSETAF, 0, &half.encode()).unwrap();
    assert_eq!(world.ioctl(&*file, FIONREAD, 0, &[]).unwrap(), [0; 4]);
}
