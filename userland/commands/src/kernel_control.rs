//! The client of the kernel's control interface.

use crate::database::reason_of;
use crate::messages::Message;
use control::{
    Accounts, Answer, Identity, Load, ProcessStatus, Refusal, Reply, Request, ResourceSet, Scope,
    Tunable, WparHandle, WparName, WparStatus,
};
use std::fs::File;
use std::io::{Read, Write};
use std::path::Path;
use std::time::Duration;

const DEVICE: &str = "/dev/corral";

/// Error numbers that commands tell apart.
pub mod errno {
    /// No such object.
    pub const ESRCH: u16 = 3;
    /// Exists.
    pub const EEXIST: u16 = 17;
    /// A value is not allowed.
    pub const EINVAL: u16 = 22;
}

/// Somebody who answers requests: the kernel, or a test.
pub trait Kernel {
    /// One request and its answer.
    fn ask(&mut self, request: &Request) -> Reply;
}

/// The kernel that runs this program.
#[derive(Debug, Default)]
pub struct Device {
    file: Option<File>,
}

impl Device {
    fn exchange(&mut self, request: &Request) -> std::io::Result<Reply> {
        let invalid = |e: control::FrameError| std::io::Error::other(e.to_string());
        let frame = control::encode_request(request).map_err(invalid)?;
        let file = match &mut self.file {
            Some(file) => file,
            none => none.insert(
                File::options()
                    .read(true)
                    .write(true)
                    .open(Path::new(DEVICE))?,
            ),
        };
        file.write_all(&frame)?;
        let reply = read_all(file)?;
        control::decode_reply(&reply).map_err(invalid)
    }
}

/// Everything up to the end, without asking for a size that a device does not have.
fn read_all(file: &mut File) -> std::io::Result<Vec<u8>> {
    let mut all = Vec::new();
    let mut buffer = [0; 4096];
    loop {
        match file.read(&mut buffer) {
            Ok(0) => return Ok(all),
            Ok(count) => all.extend_from_slice(buffer.get(..count).unwrap_or_default()),
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

impl Kernel for Device {
    fn ask(&mut self, request: &Request) -> Reply {
        self.exchange(request).unwrap_or_else(|error| {
            let number = error
                .raw_os_error()
                .and_then(|n| u16::try_from(n).ok())
                .unwrap_or(0);
            let detail = format!("{DEVICE}: {}", reason_of(&error));
            Err(Refusal {
                errno: number,
                detail: Some(detail),
            })
        })
    }
}

/// What commands ask, each with its answer's type.
pub struct Control<'a> {
    kernel: &'a mut dyn Kernel,
}

impl<'a> Control<'a> {
    /// Asks a kernel.
    pub fn new(kernel: &'a mut dyn Kernel) -> Self {
        Self { kernel }
    }

    /// Who is asking.
    pub fn identity(&mut self) -> Result<Identity, Refusal> {
        match self.kernel.ask(&Request::Identity)? {
            Answer::Identity(identity) => Ok(identity),
            _ => Err(unexpected()),
        }
    }

    /// Loads a WPAR.
    pub fn load(&mut self, load: Load) -> Result<WparHandle, Refusal> {
        match self.kernel.ask(&Request::Load(load))? {
            Answer::Loaded(handle) => Ok(handle),
            _ => Err(unexpected()),
        }
    }

    /// Loaded WPARs.
    pub fn list(&mut self) -> Result<Vec<WparStatus>, Refusal> {
        match self.kernel.ask(&Request::List)? {
            Answer::Wpars(list) => Ok(list),
            _ => Err(unexpected()),
        }
    }

    /// The loaded WPAR with a name.
    pub fn find(&mut self, name: &WparName) -> Result<Option<WparStatus>, Refusal> {
        Ok(self.list()?.into_iter().find(|wpar| wpar.name == *name))
    }

    /// Time and memory.
    pub fn accounts(&mut self) -> Result<Accounts, Refusal> {
        match self.kernel.ask(&Request::Accounts)? {
            Answer::Accounts(accounts) => Ok(accounts),
            _ => Err(unexpected()),
        }
    }

    /// Processes.
    pub fn processes(&mut self, scope: Scope) -> Result<Vec<ProcessStatus>, Refusal> {
        match self.kernel.ask(&Request::Processes(scope))? {
            Answer::Processes(list) => Ok(list),
            _ => Err(unexpected()),
        }
    }

    /// Error log.
    pub fn error_log(&mut self) -> Result<Vec<control::ErrorLogEntry>, Refusal> {
        match self.kernel.ask(&Request::ErrorLog)? {
            Answer::ErrorLog(entries) => Ok(entries),
            _ => Err(unexpected()),
        }
    }

    /// Scheduling policies, the one in use first.
    pub fn policies(&mut self) -> Result<Vec<String>, Refusal> {
        match self.kernel.ask(&Request::Policies)? {
            Answer::Policies(names) => Ok(names),
            _ => Err(unexpected()),
        }
    }

    /// What can be tuned in the scheduler, beside the policy.
    pub fn tunables(&mut self) -> Result<Vec<Tunable>, Refusal> {
        match self.kernel.ask(&Request::Tunables)? {
            Answer::Tunables(tunables) => Ok(tunables),
            _ => Err(unexpected()),
        }
    }

    /// Resource sets, by name.
    pub fn resource_sets(&mut self) -> Result<Vec<ResourceSet>, Refusal> {
        match self.kernel.ask(&Request::ResourceSets)? {
            Answer::ResourceSets(sets) => Ok(sets),
            _ => Err(unexpected()),
        }
    }

    /// Whether the WPAR is without processes within a time.
    pub fn wait_empty(
        &mut self,
        wpar: WparHandle,
        timeout: Option<Duration>,
    ) -> Result<bool, Refusal> {
        let nanos = |span: Duration| abi::Nanos(u64::try_from(span.as_nanos()).unwrap_or(u64::MAX));
        match gone_is_fine(self.kernel.ask(&Request::Await {
            wpar,
            timeout: timeout.map(nanos),
        }))? {
            Answer::Awaited { empty } => Ok(empty),
            Answer::Done => Ok(true),
            _ => Err(unexpected()),
        }
    }

    /// Any request that is answered with `Done`.
    pub fn order(&mut self, request: &Request) -> Result<(), Refusal> {
        match self.kernel.ask(request)? {
            Answer::Done => Ok(()),
            _ => Err(unexpected()),
        }
    }

    /// Kills everything in a WPAR and unloads it. One that is gone already is what was wanted.
    pub fn destroy(&mut self, wpar: WparHandle) -> Result<(), Refusal> {
        gone_is_fine(self.kernel.ask(&Request::Quiesce { wpar, force: true }))?;
        self.wait_empty(wpar, None)?;
        self.unload(wpar)
    }

    /// Unloads a WPAR without processes. One that is gone already is what was wanted.
    pub fn unload(&mut self, wpar: WparHandle) -> Result<(), Refusal> {
        gone_is_fine(self.kernel.ask(&Request::Unload(wpar))).map(drop)
    }
}

fn gone_is_fine(reply: Reply) -> Reply {
    match reply {
        Err(refusal) if refusal.errno == errno::ESRCH => Ok(Answer::Done),
        other => other,
    }
}

fn unexpected() -> Refusal {
    Refusal {
        errno: errno::EINVAL,
        detail: Some("an answer to another question".to_owned()),
    }
}

/// A refusal as a message; `request` completes "refused to".
pub fn refused(request: &str) -> impl Fn(Refusal) -> Message + '_ {
    move |refusal| match &refusal.detail {
        Some(detail) if detail.starts_with("resources.") => Message::Resource {
            reason: detail.clone(),
        },
        Some(detail) if detail.starts_with(DEVICE) => Message::Unreachable {
            reason: detail.clone(),
        },
        Some(detail) => Message::Refused {
            request: request.to_owned(),
            reason: detail.clone(),
        },
        None => {
            let error = std::io::Error::from_raw_os_error(i32::from(refusal.errno));
            Message::Refused {
                request: request.to_owned(),
                reason: reason_of(&error),
            }
        }
    }
}
