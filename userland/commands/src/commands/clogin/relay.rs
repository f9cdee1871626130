//! The process that stays outside: it copies between Global's terminal and the WPAR's.
//!
//! Global's terminal is raw meanwhile, so every key, Ctrl-C and Ctrl-Z too, means what the WPAR's terminal makes of
//! it. Its settings come back however this process ends, but for SIGKILL.

use super::inside;
use crate::commands::enter::SELF;
use crate::database::reason_of;
use crate::interruption::Signals;
use crate::messages::Message;
use control::WparHandle;
use rustix::event::{PollFd, PollFlags, poll};
use rustix::fs::{OFlags, fcntl_setfl};
use rustix::io::Errno;
use rustix::stdio;
use rustix::termios::{
    OptionalActions, Termios, isatty, tcgetattr, tcgetwinsize, tcsetattr, tcsetwinsize,
};
use signal_hook::consts::{SIGCHLD, SIGCONT, SIGHUP, SIGINT, SIGPIPE, SIGQUIT, SIGTERM, SIGWINCH};
use std::ffi::OsString;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Write};
use std::os::fd::OwnedFd;
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::net::UnixStream;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, Command, ExitStatus, Stdio};

/// Runs a command in a WPAR on a terminal of its own; gives the command's status.
pub fn run(wpar: WparHandle, user: &str, command: &[OsString]) -> Result<u8, Message> {
    let failed = |error: io::Error| Message::File {
        path: "/dev/tty".into(),
        reason: reason_of(&error),
    };
    // Before the child exists: its end must not be missed.
    let signals = Signals::of(&[SIGCHLD, SIGCONT, SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGWINCH])
        .map_err(failed)?;
    let (mut channel, theirs) = UnixStream::pair().map_err(failed)?;
    let mut child = start(wpar, user, command, theirs).map_err(failed)?;
    let master = match receive_master(&channel, &child) {
        Ok(master) => master,
        Err(reason) => {
            // Told or not, it is ending.
            let _status = child.wait();
            return Err(Message::Refused {
                request: "make a terminal".to_owned(),
                reason,
            });
        }
    };
    let raw = Raw::new(&master).map_err(failed)?;
    follow_window(&master);
    channel.write_all(b"!").map_err(failed)?;
    drop(channel);
    let mut relay = Relay {
        master: Some(master),
        typed: Vec::new(),
        signals,
        raw: &raw,
    };
    let status = relay.run(&mut child);
    drop(relay);
    drop(raw);
    Ok(status)
}

/// Starts the process that goes in. Of the standard files it gets those that are no terminals.
fn start(
    wpar: WparHandle,
    user: &str,
    command: &[OsString],
    channel: UnixStream,
) -> io::Result<Child> {
    let (output, error) = (isatty(stdio::stdout()), isatty(stdio::stderr()));
    let kept = |replaced| {
        if replaced {
            Stdio::null()
        } else {
            Stdio::inherit()
        }
    };
    Command::new(SELF)
        .arg0(inside::NAME)
        .arg(wpar.cid.to_string())
        .arg(wpar.generation.to_string())
        .arg(inside::replaced(output, error))
        .arg(user)
        .args(command)
        .stdin(OwnedFd::from(channel))
        .stdout(kept(output))
        .stderr(kept(error))
        .spawn()
}

/// Hears where the master is, and opens it: a terminal of a WPAR is opened through `/proc` as the object that it is.
fn receive_master(channel: &UnixStream, child: &Child) -> Result<File, String> {
    let mut line = String::new();
    BufReader::new(channel)
        .read_line(&mut line)
        .map_err(|error| reason_of(&error))?;
    let told = line.trim_end();
    let Some(number) = told.strip_prefix(inside::MASTER) else {
        return Err(told.to_owned());
    };
    let flags = OFlags::NOCTTY | OFlags::NONBLOCK;
    File::options()
        .read(true)
        .write(true)
        .custom_flags(flags.bits().cast_signed())
        .open(format!("/proc/{}/fd/{number}", child.id()))
        .and_then(|master| {
            fcntl_setfl(&master, OFlags::NONBLOCK)?;
            Ok(master)
        })
        .map_err(|error| reason_of(&error))
}

/// Gives the WPAR's terminal the size of Global's; one that has none says so with zeros.
fn follow_window(master: &File) {
    if let Ok(size) = tcgetwinsize(stdio::stdin()) {
        // A master that hangs up has no use for it.
        let _gone = tcsetwinsize(master, size);
    }
}

/// Global's terminal in raw mode, as long as this exists.
struct Raw {
    before: Termios,
}

impl Raw {
    /// The WPAR's terminal gets the settings that Global's has now.
    fn new(master: &File) -> io::Result<Self> {
        let before = tcgetattr(stdio::stdin())?;
        tcsetattr(master, OptionalActions::Now, &before)?;
        let raw = Self { before };
        raw.enter()?;
        Ok(raw)
    }

    fn enter(&self) -> io::Result<()> {
        let mut settings = self.before.clone();
        settings.make_raw();
        Ok(tcsetattr(
            stdio::stdin(),
            OptionalActions::Drain,
            &settings,
        )?)
    }
}

impl Drop for Raw {
    fn drop(&mut self) {
        // A terminal that has hung up has nothing to restore.
        let _gone = tcsetattr(stdio::stdin(), OptionalActions::Drain, &self.before);
    }
}

/// How many reads show what a command has printed at last: what is left behind in the background may print for ever.
const LAST_WORDS: usize = 64;

/// Both terminals and what is on its way.
struct Relay<'a> {
    /// `None` when the WPAR's terminal is of no use any more.
    master: Option<File>,
    /// Typed, and not yet taken by the WPAR's terminal.
    typed: Vec<u8>,
    signals: Signals,
    raw: &'a Raw,
}

/// What a signal makes of the relay.
enum Event {
    Nothing,
    Ended(u8),
}

impl Relay<'_> {
    /// Copies until the command has ended; gives its status.
    fn run(&mut self, child: &mut Child) -> u8 {
        loop {
            let ready = self.wait();
            if let Event::Ended(status) = self.signalled(child) {
                return status;
            }
            let copied = self.copy(&ready);
            if let Err(error) = copied {
                // Nobody sees the output any more: as if the terminal had been pulled out.
                self.master = None;
                if error == Errno::PIPE {
                    return ended_by(SIGPIPE);
                }
            }
        }
    }

    /// Waits for something to do: events of the master, and of the keyboard.
    fn wait(&self) -> [PollFlags; 2] {
        let mut files = vec![PollFd::new(&self.signals, PollFlags::IN)];
        let keyboard = stdio::stdin();
        if let Some(master) = &self.master {
            let mut wanted = PollFlags::IN;
            wanted.set(PollFlags::OUT, !self.typed.is_empty());
            files.push(PollFd::new(master, wanted));
            if self.typed.is_empty() {
                files.push(PollFd::new(&keyboard, PollFlags::IN));
            }
        }
        // Interrupted, it says nothing; the signals are looked at in any case.
        if poll(&mut files, None).is_err() {
            return [PollFlags::empty(); 2];
        }
        let came = |index: usize| files.get(index).map_or(PollFlags::empty(), PollFd::revents);
        [came(1), came(2)]
    }

    fn signalled(&mut self, child: &mut Child) -> Event {
        for signal in self.signals.take() {
            match signal {
                SIGCHLD => {
                    if let Ok(Some(status)) = child.try_wait() {
                        self.drain();
                        return Event::Ended(status_of(status));
                    }
                }
                SIGWINCH => self.master.iter().for_each(follow_window),
                SIGCONT => {
                    // Whoever stopped this process has used the terminal since.
                    let _gone = self.raw.enter();
                    self.master.iter().for_each(follow_window);
                }
                ending => return Event::Ended(ended_by(ending)),
            }
        }
        Event::Nothing
    }

    /// Moves what can be moved.
    ///
    /// # Errors
    /// When one of Global's files has failed or is at its end.
    fn copy(&mut self, [master, keyboard]: &[PollFlags; 2]) -> Result<(), Errno> {
        let mut buffer = [0; 4096];
        if keyboard.intersects(PollFlags::IN | PollFlags::HUP | PollFlags::ERR) {
            match rustix::io::read(stdio::stdin(), &mut buffer) {
                Ok(0) => return Err(Errno::IO),
                Ok(count) => self.typed.extend(buffer.iter().take(count)),
                Err(Errno::INTR | Errno::AGAIN) => {}
                Err(error) => return Err(error),
            }
        }
        if let Some(file) = self.master.as_ref().filter(|_| !self.typed.is_empty())
            && let Ok(count) = rustix::io::write(file, &self.typed)
        {
            self.typed.drain(..count.min(self.typed.len()));
        }
        if master.intersects(PollFlags::IN | PollFlags::HUP | PollFlags::ERR)
            && !self.show(&mut buffer)?
        {
            // Every slave is closed: only the command's end is left to wait for.
            self.master = None;
        }
        Ok(())
    }

    /// Shows what the WPAR's terminal has printed; false when it is closed.
    fn show(&self, buffer: &mut [u8]) -> Result<bool, Errno> {
        let Some(master) = &self.master else {
            return Ok(false);
        };
        match rustix::io::read(master, &mut *buffer) {
            Ok(count) => {
                let shown = buffer.get(..count).unwrap_or_default();
                write_all(shown)?;
                Ok(count > 0)
            }
            Err(Errno::INTR | Errno::AGAIN) => Ok(true),
            Err(_) => Ok(false),
        }
    }

    /// Shows what the command has printed at last, not waiting for what it left behind in the background.
    fn drain(&self) {
        let mut buffer = [0; 4096];
        for _ in 0..LAST_WORDS {
            let mut files: Vec<PollFd<'_>> = self
                .master
                .iter()
                .map(|master| PollFd::new(master, PollFlags::IN))
                .collect();
            let waiting = poll(&mut files, Some(&rustix::fs::Timespec::default()));
            let readable = |file: &PollFd<'_>| file.revents().contains(PollFlags::IN);
            if !matches!(waiting, Ok(1)) || !files.iter().any(readable) {
                return;
            }
            if !matches!(self.show(&mut buffer), Ok(true)) {
                return;
            }
        }
    }
}

fn write_all(mut bytes: &[u8]) -> Result<(), Errno> {
    while !bytes.is_empty() {
        match rustix::io::write(stdio::stdout(), bytes) {
            Ok(count) => bytes = bytes.get(count..).unwrap_or_default(),
            Err(Errno::INTR) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

fn status_of(status: ExitStatus) -> u8 {
    let code = status.code().and_then(|code| u8::try_from(code).ok());
    code.unwrap_or_else(|| ended_by(status.signal().unwrap_or(0)))
}

/// As a shell tells of a command that a signal has ended.
fn ended_by(signal: i32) -> u8 {
    u8::try_from(128 + signal).unwrap_or(u8::MAX)
}
