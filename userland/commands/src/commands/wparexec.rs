//! `wparexec`: runs a command in an application WPAR of its own.
//!
//! Everything that can fail for reasons of the user is checked before the kernel object is made. Then the WPAR is
//! loaded and activated, `vinit` enters it as vPID 1 and runs the command; when `vinit` has ended no process is
//! left, and the WPAR goes. A signal that wants this command to end ends the WPAR.

use super::mkwpar;
use crate::arguments::{Arguments, Flag};
use crate::database::reason_of;
use crate::definition::{check_hostname, checked_name, set_controls};
use crate::interruption::Signals;
use crate::kernel_control::{errno, refused};
use crate::messages::{Level, Message};
use crate::session::{Failure, Outcome, Session};
use abi::WparKey;
use control::{Load, Request, ResourceControls, WparHandle, WparKind, WparName};
use rustix::fs::{Access, access};
use signal_hook::consts::{SIGHUP, SIGTERM};
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus};

const USAGE: &str =
    "[-av] [-n NAME] [-h HOSTNAME] [-f FILE] [-R ATTRIBUTE=VALUE ...] [--] COMMAND [ARGUMENT ...]";

const VINIT: &str = "/usr/lib/wpars/vinit";

#[derive(Debug, Default)]
struct Options {
    name: Option<WparName>,
    hostname: Option<String>,
    controls: ResourceControls,
    verbose: bool,
    command: Vec<OsString>,
}

/// Runs the command.
pub fn main(words: Vec<OsString>) -> u8 {
    let mut session = Session::new("wparexec", Level::Warning);
    let outcome = parse(words).and_then(|options| run(&mut session, options));
    if let Err(Failure::Said(
        message @ (Message::CommandNotFound { .. } | Message::NotExecutable { .. }),
    )) = &outcome
    {
        // As a shell would say it.
        session.report.error(message);
        return if matches!(message, Message::CommandNotFound { .. }) {
            127
        } else {
            126
        };
    }
    session.finish(USAGE, outcome)
}

fn parse(words: Vec<OsString>) -> Result<Options, Failure> {
    let mut arguments = Arguments::new(words);
    let mut options = Options::default();
    let mut attributes = Vec::new();
    while let Some(flag) = arguments.next_flag()? {
        let Flag::Short(letter) = flag else {
            return Err(Failure::Usage);
        };
        match letter {
            'n' => options.name = Some(checked_name(&arguments.text()?)?),
            'h' => options.hostname = Some(arguments.text()?),
            'R' => attributes.extend(arguments.attributes()?),
            'v' => options.verbose = true,
            'a' => {}
            'N' | 'i' | 'I' | 'M' | 'c' | 'f' | 'o' => {
                return Err(Message::NotSupported {
                    what: format!("-{letter}"),
                }
                .into());
            }
            _ => return Err(Failure::Usage),
        }
    }
    set_controls(&mut options.controls, &attributes)?;
    if let Some(hostname) = &options.hostname {
        check_hostname(hostname)?;
    }
    options.command = arguments.operands();
    if options.command.is_empty() {
        Err(Failure::Usage)
    } else {
        Ok(options)
    }
}

fn run(session: &mut Session, options: Options) -> Outcome {
    if options.verbose {
        session.report.be_verbose();
    }
    let (program, arguments) = options.command.split_first().ok_or(Failure::Usage)?;
    session.require_global()?;
    let path = find_program(program, std::env::var_os("PATH").as_deref())?;
    let signals = Signals::of_children_and_end().map_err(|e| Message::File {
        path: "signals".to_owned(),
        reason: reason_of(&e),
    })?;
    let (name, handle) = load(session, &options, program)?;
    session
        .report
        .info(&format!("Starting workload partition {name}."));
    session
        .report
        .info("Mounting all workload partition file systems.");
    session.report.info("Loading workload partition.");
    let spawned = session
        .kernel()
        .order(&Request::Activate(handle))
        .map_err(refused("activate the workload partition"))
        .and_then(|()| {
            let frame = enter_frame(handle)?;
            let child = Command::new(VINIT)
                .arg(frame)
                .arg(path)
                .args(arguments)
                .spawn();
            child.map_err(|e| Message::NotExecutable {
                command: VINIT.to_owned(),
                reason: reason_of(&e),
            })
        });
    let ended = spawned.map(|child| watch(session, handle, child, &signals));
    session
        .report
        .info("Shutting down all workload partition processes.");
    session
        .kernel()
        .destroy(handle)
        .map_err(refused("unload the workload partition"))?;
    Ok(ended?)
}

/// The request with which `vinit` enters the WPAR, in hexadecimal digits.
fn enter_frame(wpar: WparHandle) -> Result<String, Message> {
    let request = Request::Enter { wpar, init: true };
    let frame = control::encode_request(&request).map_err(|e| Message::Unreachable {
        reason: e.to_string(),
    })?;
    Ok(frame.iter().map(|byte| format!("{byte:02x}")).collect())
}

/// Loads the WPAR. A name that was not asked for gets a number behind it until it is free.
fn load(
    session: &mut Session,
    options: &Options,
    program: &OsStr,
) -> Result<(WparName, WparHandle), Message> {
    let key = session.database.new_key()?;
    if let Some(name) = &options.name {
        return load_as(session, options, name, key).map(|handle| (name.clone(), handle));
    }
    let base = default_name(program);
    let mut number = 1;
    loop {
        let name = checked_name(&mkwpar::with_number(&base, number))?;
        match load_as(session, options, &name, key) {
            Ok(handle) => return Ok((name, handle)),
            Err(
                Message::FileExists { .. } | Message::NotUnique { .. } | Message::Locked { .. },
            ) if number <= u32::from(abi::Cid::LIMIT) => {
                number += 1;
            }
            Err(message) => return Err(message),
        }
    }
}

/// Loads the WPAR under a name, unless the name belongs to another one.
fn load_as(
    session: &mut Session,
    options: &Options,
    name: &WparName,
    key: WparKey,
) -> Result<WparHandle, Message> {
    // Against a mkwpar that is about to define the same name.
    let _lock = session.lock(name)?;
    if session.database.contains(name) {
        return Err(Message::FileExists {
            path: session.database.path_of(name).display().to_string(),
        });
    }
    let load = Load {
        key,
        name: name.clone(),
        hostname: options.hostname.clone().unwrap_or_else(|| name.to_string()),
        kind: WparKind::Application,
        root: "/".to_owned(),
        mounts: Vec::new(),
        devices: None,
        controls: options.controls.clone(),
        privileges: None,
    };
    session.kernel().load(load).map_err(|refusal| {
        if refusal.errno == errno::EEXIST {
            Message::NotUnique {
                attribute: "general.name".to_owned(),
                value: name.to_string(),
                owner: "a running workload partition".to_owned(),
            }
        } else {
            refused("load the workload partition")(refusal)
        }
    })
}

/// The last part of the command's path, without what a name cannot have.
fn default_name(program: &OsStr) -> String {
    let last = Path::new(program)
        .file_name()
        .unwrap_or_default()
        .to_string_lossy();
    let name: String = last
        .chars()
        .filter(|c| c.is_ascii_alphanumeric() || "_-.".contains(*c))
        .collect();
    let name = name.trim_start_matches(['-', '.']);
    let name: String = name.chars().take(WparName::LENGTH_LIMIT).collect();
    if WparName::new(&name).is_ok() {
        name
    } else {
        "wpar".to_owned()
    }
}

/// Waits for `vinit`; gives the status of the command.
fn watch(session: &mut Session, handle: WparHandle, mut child: Child, signals: &Signals) -> u8 {
    let mut ending = None;
    loop {
        if let Ok(Some(status)) = child.try_wait() {
            return ending.unwrap_or_else(|| status_of(status));
        }
        for signal in signals.wait() {
            // SIGINT and SIGQUIT come from the terminal and reach the command itself.
            if matches!(signal, SIGTERM | SIGHUP) && ending.is_none() {
                ending = u8::try_from(128 + signal).ok();
                if let Err(refusal) = session.kernel().order(&Request::Quiesce {
                    wpar: handle,
                    force: true,
                }) {
                    session
                        .report
                        .error(&refused("stop the workload partition")(refusal));
                }
            }
        }
    }
}

/// As a shell gives it: the status itself, or 128 and the signal.
fn status_of(status: ExitStatus) -> u8 {
    let number = status
        .code()
        .or(status.signal().map(|signal| 128 + signal))
        .unwrap_or(1);
    u8::try_from(number).unwrap_or(u8::MAX)
}

/// The program's absolute path: as given when it has a slash, else by the search path.
pub fn find_program(program: &OsStr, search: Option<&OsStr>) -> Result<PathBuf, Message> {
    let command = || program.to_string_lossy().into_owned();
    let absolute = |path: PathBuf| {
        std::env::current_dir()
            .map(|here| here.join(&path))
            .unwrap_or(path)
    };
    if program.as_bytes().contains(&b'/') {
        let path = absolute(PathBuf::from(program));
        return match check_program(&path) {
            Ok(()) => Ok(path),
            Err(None) => Err(Message::CommandNotFound { command: command() }),
            Err(Some(reason)) => Err(Message::NotExecutable {
                command: command(),
                reason,
            }),
        };
    }
    let search = search.unwrap_or(OsStr::new(super::init::SEARCH_PATH));
    let mut refusal = Message::CommandNotFound { command: command() };
    for folder in std::env::split_paths(search) {
        let path = absolute(folder.join(program));
        match check_program(&path) {
            Ok(()) => return Ok(path),
            Err(None) => {}
            Err(Some(reason)) => {
                refusal = Message::NotExecutable {
                    command: command(),
                    reason,
                }
            }
        }
    }
    Err(refusal)
}

/// Whether a file can be executed; the reason is missing when there is no such file.
fn check_program(path: &Path) -> Result<(), Option<String>> {
    let metadata = std::fs::metadata(path).map_err(|_| None)?;
    if metadata.is_dir() {
        return Err(Some("is a directory".to_owned()));
    }
    access(path, Access::EXEC_OK).map_err(|e| Some(reason_of(&e.into())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_come_from_the_command() {
        assert_eq!(default_name(OsStr::new("/hga/myapp")), "myapp");
        assert_eq!(default_name(OsStr::new("./-x y.sh")), "xy.sh");
        assert_eq!(default_name(OsStr::new("[")), "wpar");
        assert_eq!(default_name(OsStr::new("global")), "wpar");
        assert_eq!(
            default_name(OsStr::new(&"n".repeat(40))).len(),
            WparName::LENGTH_LIMIT
        );
    }

    #[test]
    fn the_longest_frame_fits_into_vinit() {
        let handle = WparHandle {
            cid: abi::Cid(u16::MAX),
            generation: u64::MAX,
        };
        assert!(enter_frame(handle).expect("a frame").len() <= 2 * 32);
        // vinit looks at the byte behind the version to tell an answer from a refusal.
        let answer = control::encode_reply(&Ok(control::Answer::Done)).expect("a reply");
        let refusal = control::encode_reply(&Err(abi::Errno::EPERM.into())).expect("a reply");
        assert_eq!((answer[2], refusal[2]), (0, 1));
    }

    #[test]
    fn programs_are_found_as_a_shell_finds_them() {
        assert!(find_program(OsStr::new("/bin/sh"), None).is_ok());
        assert!(find_program(OsStr::new("sh"), Some(OsStr::new("/nowhere:/bin"))).is_ok());
        assert_eq!(
            find_program(OsStr::new("no-such-thing"), None).map_err(|m| m.number()),
            Err(511)
        );
        assert_eq!(
            find_program(OsStr::new("/"), None).map_err(|m| m.number()),
            Err(512)
        );
        assert_eq!(
            find_program(OsStr::new("/etc/passwd/x"), None).map_err(|m| m.number()),
            Err(511)
        );
    }

    #[test]
    fn a_command_line_ends_at_the_command() {
        let words = ["-R", "shares_CPU=30", "sh", "-c", "x=1"]
            .map(OsString::from)
            .to_vec();
        let options = parse(words).expect("options");
        assert_eq!(options.command, ["sh", "-c", "x=1"]);
        let words = ["-n", "job", "--", "-odd"].map(OsString::from).to_vec();
        assert_eq!(parse(words).expect("options").command, ["-odd"]);
    }
}
