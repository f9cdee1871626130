//! What every command works with: the database, the kernel, the screen and the log.

use crate::arguments::BadUsage;
use crate::database::Database;
use crate::definition::{Definition, checked_name};
use crate::kernel_control::{Control, Device, Kernel, refused};
use crate::lock::AdministrativeLock;
use crate::messages::{Level, Message, Reporter};
use control::{WparName, WparState, WparStatus};
use std::path::{Path, PathBuf};

/// One run of a command.
pub struct Session {
    /// Says things.
    pub report: Reporter,
    /// Definitions and keys.
    pub database: Database,
    root: PathBuf,
    kernel: Box<dyn Kernel>,
}

/// A command ended without doing all that it was asked.
#[derive(Debug, PartialEq, Eq)]
pub enum Failure {
    /// The arguments are wrong.
    Usage,
    /// Something has been said already.
    Silent,
    /// This is to be said.
    Said(Message),
}

impl From<BadUsage> for Failure {
    fn from(_: BadUsage) -> Self {
        Failure::Usage
    }
}

impl From<Message> for Failure {
    fn from(message: Message) -> Self {
        Failure::Said(message)
    }
}

/// Exit status of a command.
pub type Outcome = Result<u8, Failure>;

/// Exit status after wrong arguments.
pub const USAGE_STATUS: u8 = 2;

impl Session {
    /// On the machine that runs this.
    pub fn new(command: &'static str, level: Level) -> Self {
        Self::in_root(command, level, Path::new("/"), Box::new(Device::default()))
    }

    /// With files under another root and another kernel.
    pub fn in_root(
        command: &'static str,
        level: Level,
        root: &Path,
        kernel: Box<dyn Kernel>,
    ) -> Self {
        Self {
            report: Reporter::new(command, level, &root.join("var/adm/wpars/event.log")),
            database: Database::new(root.join("etc/wpars")),
            root: root.to_owned(),
            kernel,
        }
    }

    /// The same on a command line: runs it, says why it failed, gives the exit status.
    pub fn finish(&self, usage: &str, outcome: Outcome) -> u8 {
        match outcome {
            Ok(status) => status,
            Err(Failure::Usage) => {
                eprintln!("Usage: {} {usage}", self.report.command());
                USAGE_STATUS
            }
            Err(Failure::Silent) => 1,
            Err(Failure::Said(message)) => {
                self.report.error(&message);
                1
            }
        }
    }

    /// Where an absolute path of Global is.
    pub fn path(&self, absolute: &str) -> PathBuf {
        self.root.join(absolute.trim_start_matches('/'))
    }

    /// Asks the kernel.
    pub fn kernel(&mut self) -> Control<'_> {
        Control::new(self.kernel.as_mut())
    }

    /// Refuses to go on inside a WPAR.
    pub fn require_global(&mut self) -> Result<(), Message> {
        let identity = self
            .kernel()
            .identity()
            .map_err(refused("tell who is asking"))?;
        if identity.cid.is_global() {
            Ok(())
        } else {
            Err(Message::GlobalOnly {})
        }
    }

    /// Takes the administrative lock of a WPAR and makes it the subject of the log.
    pub fn lock(&mut self, name: &WparName) -> Result<AdministrativeLock, Message> {
        self.report.about(name.as_str());
        self.database.prepare()?;
        let command = self.report.command();
        let (lock, broken) = AdministrativeLock::take(self.database.folder(), name, command)?;
        if let Some(warning) = broken {
            self.report.warning(&warning);
        }
        Ok(lock)
    }

    /// A WPAR that must exist: its definition (system WPARs), its loading (when loaded).
    pub fn wpar(&mut self, name: &str) -> Result<Wpar, Message> {
        let missing = || Message::NoSuchWpar {
            name: name.to_owned(),
        };
        let name = checked_name(name).map_err(|_| missing())?;
        let loaded = self
            .kernel()
            .find(&name)
            .map_err(refused("list the workload partitions"))?;
        let definition = if self.database.contains(&name) {
            Some(self.database.read(&name)?)
        } else {
            None
        };
        if loaded.is_none() && definition.is_none() {
            return Err(missing());
        }
        Ok(Wpar {
            name,
            definition,
            loaded,
        })
    }
}

/// A WPAR as database and kernel know it.
#[derive(Clone, Debug)]
pub struct Wpar {
    /// Name.
    pub name: WparName,
    /// Definition of a system WPAR.
    pub definition: Option<Definition>,
    /// What the kernel says, when it is loaded.
    pub loaded: Option<WparStatus>,
}

impl Wpar {
    /// State.
    pub fn state(&self) -> WparState {
        self.loaded
            .as_ref()
            .map_or(WparState::Defined, |loaded| loaded.state)
    }

    /// The message that the state does not allow an operation.
    pub fn wrong_state(&self, operation: &str) -> Message {
        Message::WrongState {
            name: self.name.to_string(),
            state: self.state().to_string(),
            operation: operation.to_owned(),
        }
    }
}

#[cfg(test)]
pub mod tests {
    use std::path::PathBuf;
    use std::sync::atomic::{AtomicU32, Ordering};

    /// A new empty folder.
    pub fn scratch(name: &str) -> PathBuf {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let folder =
            std::env::temp_dir().join(format!("corral-{name}-{}-{number}", std::process::id()));
        std::fs::create_dir_all(&folder).expect("a scratch folder");
        folder
    }
}
