//! The supervisor of a running system WPAR: a process `cor_NAME` in Global.
//!
//! It loads the WPAR, puts its init into it, activates it, tells `startwpar` how that went, and waits for init's end.
//! Then it unloads the WPAR, or starts it anew when init asks for that. It is the parent of
//! init, so a WPAR that halts from inside needs nobody else to become Defined. `stopwpar` can do
//! without it: every step is harmless when somebody else was faster.

use super::{enter, init};
use crate::database::reason_of;
use crate::definition::Definition;
use crate::kernel_control::refused;
use crate::messages::{Level, Message};
use crate::session::Session;
use abi::WparKey;
use control::{Load, Request, WparHandle, WparKind};
use std::ffi::OsString;
use std::io::{Read, Write};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, Command, Stdio};

/// How the process is called; the WPAR's name follows.
pub const NAME_PREFIX: &str = "cor_";

/// What the supervisor tells when the WPAR runs.
const STARTED: &[u8] = b"started\n";

/// Starts a supervisor and waits until the WPAR runs. Gives the supervisor's pid.
pub fn launch(definition: &Definition) -> Result<u32, Message> {
    let name = definition.name.to_string();
    let failed = |reason: String| Message::StartFailed {
        name: name.clone(),
        reason,
    };
    let mut child = Command::new(enter::SELF)
        .arg0(format!("{NAME_PREFIX}{name}"))
        .arg(&name)
        .current_dir("/")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .map_err(|e| failed(reason_of(&e)))?;
    let mut told = Vec::new();
    if let Some(output) = &mut child.stdout {
        output
            .read_to_end(&mut told)
            .map_err(|e| failed(reason_of(&e)))?;
    }
    if told == STARTED {
        return Ok(child.id());
    }
    // It is about to end; its status says nothing more than its words.
    let _status = child.wait();
    let text = String::from_utf8_lossy(&told).trim_end().to_owned();
    match text.strip_prefix("resources.") {
        Some(rest) => Err(Message::Resource {
            reason: format!("resources.{rest}"),
        }),
        None if text.is_empty() => Err(failed("its supervisor ended".to_owned())),
        None => Err(failed(text)),
    }
}

/// Runs the supervisor.
pub fn main(words: Vec<OsString>) -> u8 {
    let mut session = Session::new("startwpar", Level::Error);
    // Not one of startwpar's session: a Ctrl-C there is not meant for the WPAR.
    let _leader = rustix::process::setsid();
    let name = words
        .into_iter()
        .next()
        .and_then(|word| word.into_string().ok())
        .unwrap_or_default();
    session.report.about(&name);
    match begin(&mut session, &name) {
        Ok(running) => {
            tell(STARTED);
            supervise(&mut session, &name, running)
        }
        Err(message) => {
            tell(format!("{message}\n").as_bytes());
            1
        }
    }
}

/// A WPAR and its init, a child of this process.
struct Running {
    handle: WparHandle,
    init: Child,
}

fn tell(words: &[u8]) {
    let mut output = std::io::stdout();
    // Nobody listens when startwpar was killed.
    let _deaf = output.write_all(words).and_then(|()| output.flush());
    // The end of the pipe is the end of the report.
    if let Ok(null) = std::fs::File::options()
        .read(true)
        .write(true)
        .open("/dev/null")
    {
        let _kept = rustix::stdio::dup2_stdout(&null);
    }
}

/// Loads, fills and activates the WPAR, or undoes all of it.
fn begin(session: &mut Session, name: &str) -> Result<Running, Message> {
    let name = crate::definition::checked_name(name)?;
    let definition = session.database.read(&name)?;
    let key = session.database.key_of(&name)?;
    let load = load_of(&definition, key);
    let handle = session
        .kernel()
        .load(load)
        .map_err(refused("load the workload partition"))?;
    let failed = |reason: String| Message::StartFailed {
        name: name.to_string(),
        reason,
    };
    let begun = start_init(handle).map_err(failed).and_then(|init| {
        let activated = session.kernel().order(&Request::Activate(handle));
        activated.map_err(refused("activate the workload partition"))?;
        Ok(Running { handle, init })
    });
    if begun.is_err() {
        clean_up(session, handle, &name.to_string());
    } else if let Some(script) = &definition.script {
        run_script(session, script, &definition, "start");
    }
    begun
}

fn load_of(definition: &Definition, key: WparKey) -> Load {
    Load {
        key,
        name: definition.name.clone(),
        hostname: definition.hostname.clone(),
        kind: WparKind::System,
        root: definition.directory.clone(),
        mounts: definition.mounts(),
        devices: None,
        controls: definition.controls.clone(),
        privileges: None,
    }
}

/// Puts init into the WPAR and waits until it runs; else gives the reason.
fn start_init(handle: WparHandle) -> Result<Child, String> {
    let reason = |error: std::io::Error| reason_of(&error);
    let (mut reader, writer) = std::io::pipe().map_err(reason)?;
    // The command keeps its ends of the pipe until it is dropped.
    let mut init = {
        let mut command = enter::command(handle, true, "/sbin/init");
        command
            .env_clear()
            .env("PATH", init::SEARCH_PATH)
            .stdin(Stdio::null());
        command
            .stdout(writer.try_clone().map_err(reason)?)
            .stderr(writer);
        command.spawn().map_err(reason)?
    };
    let mut first = [0; 1];
    if reader.read(&mut first).map_err(reason)? == 1 && first == init::READY {
        return Ok(init);
    }
    let mut said = String::from_utf8_lossy(&first)
        .trim_end_matches('\0')
        .to_owned();
    // What it managed to say is better than nothing.
    let _rest = reader.read_to_string(&mut said);
    let status = init.wait().map_err(reason)?;
    let said = said.lines().next().unwrap_or_default().to_owned();
    Err(if said.is_empty() {
        format!("its init did not start ({status})")
    } else {
        said
    })
}

fn supervise(session: &mut Session, name: &str, mut running: Running) -> u8 {
    loop {
        let status = running.init.wait();
        clean_up(session, running.handle, name);
        let again = status.is_ok_and(|status| {
            status.code() == Some(init::RESTART_STATUS) && status.signal().is_none()
        });
        if !again {
            return 0;
        }
        match begin(session, name) {
            Ok(next) => running = next,
            Err(message) => {
                session.report.error(&message);
                return 1;
            }
        }
    }
}

/// The WPAR becomes Defined, or Broken when not even that works.
fn clean_up(session: &mut Session, handle: WparHandle, name: &str) {
    if let Err(refusal) = session.kernel().destroy(handle) {
        let reason = refusal.to_string();
        let broken = session.kernel().order(&Request::Break(handle));
        session.report.error(&Message::Broken {
            name: name.to_owned(),
            reason,
        });
        if let Err(refusal) = broken {
            session.report.error(&refused("mark it as broken")(refusal));
        }
    }
}

/// The administrator's own program; a failure is noted and changes nothing.
fn run_script(session: &Session, script: &str, definition: &Definition, what: &str) {
    let status = Command::new(script)
        .args([what, definition.name.as_str()])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    let reason = match status {
        Ok(status) if status.success() => return,
        Ok(status) => status.to_string(),
        Err(error) => reason_of(&error),
    };
    session.report.warning(&Message::File {
        path: script.to_owned(),
        reason,
    });
}
