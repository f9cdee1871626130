//! One running machine.

use crate::{Machine, Outcome};
use anyhow::{Context, Result};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, Signal, kill_process, pidfd_open};
use std::fs;
use std::fs::File;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;
use std::time::{Duration, Instant};

/// How long the emulator may take to obey SIGTERM.
const GRACE: Duration = Duration::from_secs(5);

/// What happened on the console.
#[derive(Debug)]
pub enum Event {
    /// The guest printed this.
    Output(Vec<u8>),
    /// The machine is off; nothing more will be printed.
    Closed,
    /// The deadline passed first.
    Deadline,
}

/// A running machine whose console is read and written by this program.
///
/// Dropping it ends the machine.
pub struct Guest {
    child: Child,
    keyboard: ChildStdin,
    screen: Receiver<Vec<u8>>,
    files: Files,
}

/// Where the emulator leaves the kernel's result and its own complaints.
struct Files {
    result: PathBuf,
    complaints: PathBuf,
}

impl Files {
    fn new(folder: &Path) -> Result<Self> {
        fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
        let files = Self {
            result: folder.join("result"),
            complaints: folder.join("qemu-stderr"),
        };
        fs::write(&files.result, "")
            .with_context(|| format!("cannot write {}", files.result.display()))?;
        Ok(files)
    }

    fn outcome(&self, status: ExitStatus) -> Outcome {
        let result =
            String::from_utf8_lossy(&fs::read(&self.result).unwrap_or_default()).into_owned();
        let said =
            String::from_utf8_lossy(&fs::read(&self.complaints).unwrap_or_default()).into_owned();
        Outcome::read(&result, status.code(), &said)
    }
}

impl Guest {
    /// Starts `machine`; `folder` receives its result file and the emulator's messages.
    ///
    /// # Errors
    /// When the folder cannot be written or the emulator cannot be started.
    pub fn start(machine: &Machine, folder: &Path) -> Result<Self> {
        let files = Files::new(folder)?;
        let complaints = File::create(&files.complaints)?;
        let mut child = machine
            .command("stdio", &files.result)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(complaints)
            .spawn()
            .context("cannot start the emulator")?;
        let keyboard = child.stdin.take().context("no keyboard")?;
        let mut output = child.stdout.take().context("no screen")?;
        let (sender, screen) = channel();
        thread::spawn(move || {
            let mut buffer = [0; 4096];
            while let Ok(count @ 1..) = output.read(&mut buffer) {
                if sender.send(buffer[..count].to_vec()).is_err() {
                    return;
                }
            }
        });
        Ok(Self {
            child,
            keyboard,
            screen,
            files,
        })
    }

    /// Waits for the next output until `deadline`.
    pub fn next(&mut self, deadline: Instant) -> Event {
        match self
            .screen
            .recv_timeout(deadline.saturating_duration_since(Instant::now()))
        {
            Ok(bytes) => Event::Output(bytes),
            Err(RecvTimeoutError::Disconnected) => Event::Closed,
            Err(RecvTimeoutError::Timeout) => Event::Deadline,
        }
    }

    /// Types `bytes` on the console.
    ///
    /// # Errors
    /// When the machine is off.
    pub fn send(&mut self, bytes: &[u8]) -> Result<()> {
        self.keyboard
            .write_all(bytes)
            .and_then(|()| self.keyboard.flush())
            .context("the machine is off")
    }

    /// Waits for the machine's end until `deadline`, then ends it.
    ///
    /// # Errors
    /// When the emulator cannot be waited for.
    pub fn finish(mut self, deadline: Instant) -> Result<Outcome> {
        end(&mut self.child, &self.files, Some(deadline))
    }
}

impl Drop for Guest {
    fn drop(&mut self) {
        if matches!(self.child.try_wait(), Ok(None)) {
            // The machine is being thrown away: that it may have ended by itself meanwhile does not matter.
            drop(self.child.kill());
            drop(self.child.wait());
        }
    }
}

/// Runs `machine` with this program's terminal as its console until it ends.
///
/// `limit` ends it from outside; a person's session usually has none.
///
/// # Errors
/// When the emulator cannot be started or waited for.
pub fn converse(machine: &Machine, folder: &Path, limit: Option<Duration>) -> Result<Outcome> {
    let files = Files::new(folder)?;
    let complaints = File::create(&files.complaints)?;
    let mut command = machine.command("mon:stdio", &files.result);
    let mut child = command
        .stderr(complaints)
        .spawn()
        .context("cannot start the emulator")?;
    end(
        &mut child,
        &files,
        limit.map(|limit| Instant::now() + limit),
    )
}

/// Waits for `child` until `deadline`, then sends SIGTERM (so that it restores the terminal), then SIGKILL.
fn end(child: &mut Child, files: &Files, deadline: Option<Instant>) -> Result<Outcome> {
    let Some(deadline) = deadline else {
        return Ok(files.outcome(child.wait()?));
    };
    if let Some(status) = wait_until(child, deadline)? {
        return Ok(files.outcome(status));
    }
    let id = i32::try_from(child.id())
        .ok()
        .and_then(Pid::from_raw)
        .context("no such process")?;
    kill_process(id, Signal::TERM)?;
    if wait_until(child, Instant::now() + GRACE)?.is_none() {
        child.kill()?;
        child.wait()?;
    }
    // The kernel may have reported in the last moment.
    match files.outcome(ExitStatus::default()) {
        reported @ (Outcome::Status(_) | Outcome::Panic) => Ok(reported),
        _ => Ok(Outcome::Hang),
    }
}

/// Waits for `child` to end, without a busy loop.
fn wait_until(child: &mut Child, deadline: Instant) -> Result<Option<ExitStatus>> {
    if let Some(status) = child.try_wait()? {
        return Ok(Some(status));
    }
    let id = i32::try_from(child.id())
        .ok()
        .and_then(Pid::from_raw)
        .context("no such process")?;
    let handle = pidfd_open(id, PidfdFlags::empty())?;
    let left = deadline.saturating_duration_since(Instant::now());
    let left = Timespec {
        tv_sec: left.as_secs().try_into()?,
        tv_nsec: left.subsec_nanos().into(),
    };
    poll(&mut [PollFd::new(&handle, PollFlags::IN)], Some(&left))?;
    Ok(child.try_wait()?)
}
