//! `init`: process 1 of Global and of every system WPAR.
//!
//! In Global it runs the script that was put into the RAM disk and ends the machine with its status, or keeps a
//! shell on the console, and on those further terminals that `/etc/corral/consoles` names. In a WPAR it runs `/etc/rc`, adopts and reaps, and on SIGTERM (halt) or SIGINT
//! (restart) ends everybody and then itself, which is the end of the WPAR.

use super::enter;
use crate::interruption::Signals;
use crate::kernel_control::{Control, Device};
use control::{Identity, Request};
use rustix::process::{
    Pid, Signal, WaitOptions, WaitStatus, getpid, kill_process_group, setsid,
    test_kill_process_group, wait,
};
use signal_hook::consts::{SIGCHLD, SIGINT, SIGTERM};
use std::ffi::OsString;
use std::fs::File;
use std::io::Write;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// Where programs are looked for when nobody says otherwise.
pub const SEARCH_PATH: &str = "/usr/bin:/bin:/usr/sbin:/sbin:/etc";

/// The exit status with which the init of a WPAR asks to be started again.
pub const RESTART_STATUS: i32 = 75;

/// What the init of a WPAR writes on its standard output when it runs.
pub const READY: [u8; 1] = *b"!";

/// How the process that becomes the console's shell is called.
pub const CONSOLE_SHELL: &str = "console-shell";

/// What Global's init runs instead of a shell on the console.
const SCRIPT: &str = "/etc/corral/script";

/// Which terminals beside the console get a shell: their names below `/dev`, one a line, or `all`.
const CONSOLES: &str = "/etc/corral/consoles";

/// How long processes of a WPAR may take to end after SIGTERM.
const GRACE: Duration = Duration::from_secs(5);

/// Runs the command.
pub fn main(_words: Vec<OsString>) -> u8 {
    if getpid() != Pid::INIT {
        eprintln!("init: must be process 1");
        return 1;
    }
    match Control::new(&mut Device::default()).identity() {
        Ok(Identity { cid, .. }) if !cid.is_global() => in_wpar(),
        Ok(_) => in_global(),
        Err(refusal) => {
            open_console();
            eprintln!("init: the kernel does not say where this is: {refusal}");
            in_global()
        }
    }
}

fn in_global() -> u8 {
    open_console();
    for folder in ["/etc/wpars", "/var/adm/wpars", "/tmp", "/home"] {
        if let Err(error) = std::fs::create_dir_all(folder) {
            eprintln!("init: {folder}: {error}");
        }
    }
    if Path::new(SCRIPT).exists() {
        run_script()
    } else {
        keep_shell()
    }
}

/// Runs the script and ends the machine with its status.
fn run_script() -> u8 {
    let status = match shell().arg(SCRIPT).stdin(Stdio::null()).spawn() {
        Ok(child) => status_of(reap_until(&child)),
        Err(error) => {
            eprintln!("init: {SCRIPT}: {error}");
            127
        }
    };
    power_off(status)
}

/// A terminal with a shell on it.
struct Seat {
    device: String,
    shell: Option<Child>,
    begin: Instant,
}

/// Keeps a shell on the console, and on the further terminals, for ever.
fn keep_shell() -> u8 {
    if Path::new("/etc/rc").exists()
        && let Ok(child) = shell().arg("/etc/rc").stdin(Stdio::null()).spawn()
    {
        reap_until(&child);
    }
    let setting = std::fs::read_to_string(CONSOLES).unwrap_or_default();
    let mut seats: Vec<Seat> = std::iter::once("/dev/console".to_owned())
        .chain(further_consoles(&setting, |name| {
            Path::new("/dev").join(name).exists()
        }))
        .map(|device| Seat {
            device,
            shell: None,
            begin: Instant::now(),
        })
        .collect();
    loop {
        for seat in seats.iter_mut().filter(|seat| seat.shell.is_none()) {
            seat.begin = Instant::now();
            let started = Command::new(enter::SELF)
                .arg0(CONSOLE_SHELL)
                .arg(&seat.device)
                .env_clear()
                .env("PATH", SEARCH_PATH)
                .spawn();
            match started {
                Ok(child) => seat.shell = Some(child),
                Err(error) => eprintln!("init: shell on {}: {error}", seat.device),
            }
        }
        // Without any shell there is nobody to wait for.
        let ended = reap_one();
        let mut hasty = false;
        for seat in &mut seats {
            let number = seat.shell.as_ref().map(Child::id);
            if number.is_none() || number == ended {
                seat.shell = None;
                hasty |= seat.begin.elapsed() < Duration::from_secs(1);
            }
        }
        if hasty {
            // A shell that cannot run must not take the machine's time.
            std::thread::sleep(Duration::from_secs(1));
        }
    }
}

/// The devices that a setting names beside the console; `exists` says which names below `/dev` there are.
fn further_consoles(setting: &str, exists: impl Fn(&str) -> bool) -> Vec<String> {
    let words = setting
        .lines()
        .map(|line| line.split('#').next().unwrap_or_default().trim())
        .filter(|word| !word.is_empty());
    let mut names: Vec<String> = Vec::new();
    for word in words {
        let named: Vec<String> = match word {
            // The first is the console.
            "all" => (1..)
                .map(|number| format!("hvc{number}"))
                .take_while(|name| exists(name))
                .collect(),
            name => vec![name.to_owned()],
        };
        for name in named {
            if exists(&name) && !names.contains(&name) {
                names.push(name);
            }
        }
    }
    names.iter().map(|name| format!("/dev/{name}")).collect()
}

/// Becomes the login shell of a console: a session of its own with that as its terminal.
pub fn console_shell(words: Vec<OsString>) -> u8 {
    let device = words.first().map_or(Path::new("/dev/console"), Path::new);
    let prepared = setsid().map_err(std::io::Error::from).and_then(|_| {
        let console = File::options().read(true).write(true).open(device)?;
        rustix::process::ioctl_tiocsctty(&console)?;
        Ok(())
    });
    if let Err(error) = prepared {
        // A shell without job control is better than none.
        eprintln!("init: {}: {error}", device.display());
    }
    redirect(File::options().read(true).write(true).open(device));
    let user = crate::users::by_name(Path::new("/"), "root");
    let home = user.map_or_else(|| "/".to_owned(), |user| user.home);
    let here = if Path::new(&home).is_dir() {
        home.clone()
    } else {
        "/".to_owned()
    };
    let error = Command::new("/bin/sh")
        .arg0("-sh")
        .envs([
            ("HOME", home.as_str()),
            ("USER", "root"),
            ("LOGNAME", "root"),
            ("TERM", "vt100"),
            ("SHELL", "/bin/sh"),
        ])
        .current_dir(here)
        .exec();
    eprintln!("init: /bin/sh: {error}");
    1
}

fn power_off(status: u8) -> u8 {
    let refused = Control::new(&mut Device::default()).order(&Request::PowerOff { status });
    eprintln!("init: power off: {refused:?}");
    loop {
        std::thread::sleep(Duration::from_secs(3600));
    }
}

fn shell() -> Command {
    let mut command = Command::new("/bin/sh");
    command
        .env("PATH", SEARCH_PATH)
        .env("HOME", "/")
        .env("USER", "root");
    command
}

/// Reaps whoever ends until this child has.
fn reap_until(child: &Child) -> Option<WaitStatus> {
    loop {
        match wait(WaitOptions::empty()) {
            Ok(Some((pid, status)))
                if u32::try_from(pid.as_raw_nonzero().get()) == Ok(child.id()) =>
            {
                return Some(status);
            }
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(_) => return None,
        }
    }
}

/// Reaps one process that has ended, and tells its number; `None` when there is no child, or nobody knows.
fn reap_one() -> Option<u32> {
    loop {
        match wait(WaitOptions::empty()) {
            Ok(Some((pid, _))) => return u32::try_from(pid.as_raw_nonzero().get()).ok(),
            Ok(None) | Err(rustix::io::Errno::INTR) => {}
            Err(_) => return None,
        }
    }
}

fn status_of(status: Option<WaitStatus>) -> u8 {
    let number = status.and_then(|s| {
        s.exit_status()
            .or(s.terminating_signal().map(|signal| 128 + signal))
    });
    number.and_then(|n| u8::try_from(n).ok()).unwrap_or(u8::MAX)
}

/// Standard files on the console; they stay as they are when there is none.
fn open_console() {
    let opened = File::options().read(true).write(true).open("/dev/console");
    redirect(opened.or_else(|_| File::options().read(true).write(true).open("/dev/null")));
}

fn redirect(file: std::io::Result<File>) {
    if let Ok(file) = file {
        for redirected in [
            rustix::stdio::dup2_stdin(&file),
            rustix::stdio::dup2_stdout(&file),
            rustix::stdio::dup2_stderr(&file),
        ] {
            // There is no place to say it.
            let _silent = redirected;
        }
    }
}

fn in_wpar() -> u8 {
    let Ok(signals) = Signals::of(&[SIGCHLD, SIGTERM, SIGINT]) else {
        return 1;
    };
    // The supervisor's session and terminal are not this WPAR's.
    let _leader = setsid();
    let mut output = std::io::stdout();
    let _told = output.write_all(&READY).and_then(|()| output.flush());
    redirect(File::options().read(true).write(true).open("/dev/null"));
    if Path::new("/etc/rc").exists() {
        // Its end is reaped like any other.
        let _started = shell().arg("/etc/rc").stdin(Stdio::null()).spawn();
    }
    let restart = loop {
        let came = signals.wait();
        reap();
        if came.contains(&SIGTERM) {
            break false;
        }
        if came.contains(&SIGINT) {
            break true;
        }
    };
    if Path::new("/etc/rc.shutdown").exists()
        && let Ok(child) = shell().arg("/etc/rc.shutdown").stdin(Stdio::null()).spawn()
    {
        reap_until(&child);
    }
    end_everybody();
    if restart {
        u8::try_from(RESTART_STATUS).unwrap_or(1)
    } else {
        0
    }
}

/// Reaps all that have ended.
fn reap() {
    while let Ok(Some(_)) = wait(WaitOptions::NOHANG) {}
}

/// SIGTERM to all others, some time, SIGKILL.
fn end_everybody() {
    // Process group 1 in a kill means everybody but the sender and process 1 (man 2 kill, pid −1).
    let everybody = Pid::INIT;
    if kill_process_group(everybody, Signal::TERM).is_err() {
        return;
    }
    let _continued = kill_process_group(everybody, Signal::CONT);
    let begin = Instant::now();
    while begin.elapsed() < GRACE {
        reap();
        if test_kill_process_group(everybody).is_err() {
            return;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    // The kernel kills what is left when process 1 ends; this is for those who look meanwhile.
    let _killed = kill_process_group(everybody, Signal::KILL);
}

#[cfg(test)]
mod tests {
    use super::further_consoles;

    #[test]
    fn a_setting_names_terminals_once_and_only_those_that_exist() {
        let exists = |name: &str| ["hvc0", "hvc1", "hvc2"].contains(&name);
        let named = |setting| further_consoles(setting, exists);
        assert_eq!(
            named("# only words\n\nall # of them\n"),
            ["/dev/hvc1", "/dev/hvc2"]
        );
        assert_eq!(
            named("hvc2\n  hvc7\nhvc2\nall\n"),
            ["/dev/hvc2", "/dev/hvc1"]
        );
        assert!(named("").is_empty() && named("none\n").is_empty());
    }
}
