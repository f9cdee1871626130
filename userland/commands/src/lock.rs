//! The administrative lock of a WPAR, and the short lock of a file that is being replaced.
//!
//! A lock is a file that exists: created exclusively, holding the owner's pid and its operation. It is
//! advisory. A lock whose owner is no process any more is broken by the next one who wants it. Files and not
//! kernel locks, because `wparlockctl` sets one for a process of the administrator's choice.

use crate::database::{file_error, replace};
use crate::messages::Message;
use control::WparName;
use rustix::process::{Pid, test_kill_process};
use std::fs::{self, File};
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// Operations by their numbers, as `wparlockctl -o` takes them.
pub const OPERATIONS: [(u32, &str); 9] = [
    (1, "mkwpar"),
    (2, "chwpar"),
    (3, "rmwpar"),
    (4, "startwpar"),
    (5, "rebootwpar"),
    (6, "stopwpar"),
    (7, "wparexec"),
    (8, "syncwpar"),
    (9, "savewpar"),
];

/// Who holds a lock, and what for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Owner {
    /// Pid in Global.
    pub pid: u32,
    /// Name of the operation.
    pub operation: String,
}

/// An administrative lock that this process holds; given back when dropped.
#[derive(Debug)]
pub struct AdministrativeLock {
    path: PathBuf,
}

/// How long one waits for somebody who replaces a file.
const PATIENCE: Duration = Duration::from_secs(5);

fn lock_path(folder: &Path, name: &WparName) -> PathBuf {
    folder.join(format!(".{name}.lock"))
}

impl Owner {
    fn parse(text: &str) -> Option<Self> {
        let (pid, operation) = text.trim_end().split_once(' ')?;
        Some(Self {
            pid: pid.parse().ok()?,
            operation: operation.to_owned(),
        })
    }

    fn is_alive(&self) -> bool {
        let pid = i32::try_from(self.pid).ok().and_then(Pid::from_raw);
        pid.is_some_and(|pid| test_kill_process(pid) != Err(rustix::io::Errno::SRCH))
    }
}

impl AdministrativeLock {
    /// Takes the lock of a WPAR. The second result is a lock that was broken.
    ///
    /// # Errors
    /// [`Message::Locked`] when somebody alive holds it.
    pub fn take(
        folder: &Path,
        name: &WparName,
        operation: &str,
    ) -> Result<(Self, Option<Message>), Message> {
        let broken = set(
            folder,
            name,
            &Owner {
                pid: std::process::id(),
                operation: operation.to_owned(),
            },
        )?;
        Ok((
            Self {
                path: lock_path(folder, name),
            },
            broken,
        ))
    }
}

impl Drop for AdministrativeLock {
    fn drop(&mut self) {
        // Nothing can be done about a failure; the lock is stale when this process has ended.
        let _stale = fs::remove_file(&self.path);
    }
}

/// Sets the lock of a WPAR for a process; gives the warning about one that was broken.
pub fn set(folder: &Path, name: &WparName, owner: &Owner) -> Result<Option<Message>, Message> {
    let path = lock_path(folder, name);
    let mut broken = None;
    loop {
        match create(&path, owner) {
            Ok(()) => return Ok(broken),
            Err(e) if e.kind() == ErrorKind::AlreadyExists => {}
            Err(e) => return Err(file_error(&path, &e)),
        }
        // Gone again, or the owner has not written its line yet.
        let Some(holder) = read(&path) else { continue };
        let message =
            |pid: u32, operation: &str| (name.to_string(), operation.to_owned(), pid.to_string());
        let (name, operation, pid) = message(holder.pid, &holder.operation);
        if holder.is_alive() {
            return Err(Message::Locked {
                name,
                operation,
                pid,
            });
        }
        take_away(&path, &holder);
        broken = Some(Message::StaleLock {
            name,
            operation,
            pid,
        });
    }
}

/// Takes the lock of a WPAR away from a process that holds it for an operation.
pub fn clear(folder: &Path, name: &WparName, owner: &Owner) -> Result<(), Message> {
    let path = lock_path(folder, name);
    match read(&path) {
        Some(holder) if holder == *owner => {
            fs::remove_file(&path).map_err(|e| file_error(&path, &e))
        }
        _ => Err(Message::NotLocked {
            name: name.to_string(),
        }),
    }
}

fn create(path: &Path, owner: &Owner) -> std::io::Result<()> {
    let mut file = File::create_new(path)?;
    file.write_all(format!("{} {}\n", owner.pid, owner.operation).as_bytes())
}

/// The owner of a lock; `None` when there is no lock. A lock without its line after a while counts as stale.
fn read(path: &Path) -> Option<Owner> {
    let begin = Instant::now();
    loop {
        let text = fs::read_to_string(path).ok()?;
        if let Some(owner) = Owner::parse(&text) {
            return Some(owner);
        }
        if begin.elapsed() > Duration::from_secs(1) {
            return Some(Owner {
                pid: 0,
                operation: "an unknown command".to_owned(),
            });
        }
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// Removes a stale lock, but not one that somebody else has put in its place meanwhile.
fn take_away(path: &Path, stale: &Owner) {
    let aside = path.with_extension(format!("stale{}", std::process::id()));
    if fs::rename(path, &aside).is_err() {
        return;
    }
    let moved = fs::read_to_string(&aside)
        .ok()
        .and_then(|text| Owner::parse(&text));
    if moved.as_ref().is_some_and(|owner| owner != stale) {
        // It was a fresh lock: put it back unless a third one has come.
        let text = moved
            .map(|o| format!("{} {}\n", o.pid, o.operation))
            .unwrap_or_default();
        if !path.exists() {
            let _lost = replace(path, &text);
        }
    }
    let _left = fs::remove_file(&aside);
}

/// A lock held for a few file operations; others wait for it.
#[derive(Debug)]
pub struct Exclusive {
    path: PathBuf,
}

impl Exclusive {
    /// Waits for the lock and takes it.
    pub fn take(path: &Path) -> Result<Self, Message> {
        let me = Owner {
            pid: std::process::id(),
            operation: "update".to_owned(),
        };
        let begin = Instant::now();
        loop {
            match create(path, &me) {
                Ok(()) => {
                    return Ok(Self {
                        path: path.to_owned(),
                    });
                }
                Err(e) if e.kind() == ErrorKind::AlreadyExists => {}
                Err(e) => return Err(file_error(path, &e)),
            }
            match read(path) {
                Some(holder) if !holder.is_alive() => take_away(path, &holder),
                _ if begin.elapsed() > PATIENCE => {
                    let error = std::io::Error::from(ErrorKind::TimedOut);
                    return Err(file_error(path, &error));
                }
                _ => std::thread::sleep(Duration::from_millis(1)),
            }
        }
    }
}

impl Drop for Exclusive {
    fn drop(&mut self) {
        let _stale = fs::remove_file(&self.path);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::session::tests::scratch;

    fn name() -> WparName {
        WparName::new("a").expect("a good name")
    }

    #[test]
    fn one_holder_at_a_time() {
        let folder = scratch("lock");
        let (lock, broken) = AdministrativeLock::take(&folder, &name(), "mkwpar").expect("a lock");
        assert_eq!(broken, None);
        let second = AdministrativeLock::take(&folder, &name(), "stopwpar");
        assert_eq!(second.map_err(|m| m.number()).err(), Some(246));
        drop(lock);
        assert!(AdministrativeLock::take(&folder, &name(), "stopwpar").is_ok());
        fs::remove_dir_all(folder).expect("scratch folder");
    }

    #[test]
    fn a_dead_owner_loses_its_lock() {
        let folder = scratch("stale");
        let mut child = std::process::Command::new("true")
            .spawn()
            .expect("a process");
        let pid = child.id();
        child.wait().expect("its end");
        set(
            &folder,
            &name(),
            &Owner {
                pid,
                operation: "stopwpar".into(),
            },
        )
        .expect("a lock");
        let (_lock, broken) = AdministrativeLock::take(&folder, &name(), "chwpar").expect("a lock");
        assert_eq!(broken.map(|m| m.number()), Some(508));
        fs::remove_dir_all(folder).expect("scratch folder");
    }

    #[test]
    fn only_the_owner_clears() {
        let folder = scratch("clear");
        let mine = Owner {
            pid: std::process::id(),
            operation: "stopwpar".into(),
        };
        set(&folder, &name(), &mine).expect("a lock");
        let other = Owner {
            pid: 1,
            ..mine.clone()
        };
        assert_eq!(
            clear(&folder, &name(), &other).map_err(|m| m.number()),
            Err(520)
        );
        assert_eq!(clear(&folder, &name(), &mine), Ok(()));
        fs::remove_dir_all(folder).expect("scratch folder");
    }
}
