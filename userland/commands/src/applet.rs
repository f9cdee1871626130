//! Which command a name stands for.

use crate::commands as c;
use std::ffi::OsString;
use std::path::Path;
use std::process::ExitCode;

/// Arguments after the name; gives the exit status.
type Main = fn(Vec<OsString>) -> u8;

/// Every name that people call.
const APPLETS: &[(&str, Main)] = &[
    ("chcpu", c::chcpu::main),
    ("chwpar", c::chwpar::main),
    ("clogin", c::clogin::main),
    ("errpt", c::errpt::main),
    ("halt", c::shutdown::halt),
    ("hostname", c::hostname::main),
    ("init", c::init::main),
    ("lparstat", c::lparstat::main),
    ("lscpu", c::lscpu::main),
    ("lsrset", c::lsrset::main),
    ("lswpar", c::lswpar::main),
    ("mkrset", c::mkrset::main),
    ("mkwpar", c::mkwpar::main),
    ("poweroff", c::shutdown::halt),
    ("ps", c::ps::main),
    ("rcwpars", c::rcwpars::main),
    ("reboot", c::shutdown::reboot),
    ("rebootwpar", c::rebootwpar::main),
    ("rmrset", c::rmrset::main),
    ("rmwpar", c::rmwpar::main),
    ("schedo", c::schedo::main),
    ("shutdown", c::shutdown::main),
    ("startwpar", c::startwpar::main),
    ("stopwpar", c::stopwpar::main),
    ("topas", c::topas::main),
    ("uname", c::uname::main),
    ("wlmstat", c::wlmstat::main),
    ("wparexec", c::wparexec::main),
    ("wparlockctl", c::wparlockctl::main),
];

/// Runs the command whose name is the first argument, or the second when called as `corral-admin`.
pub fn run(arguments: impl Iterator<Item = OsString>) -> ExitCode {
    let mut words: Vec<OsString> = arguments.collect();
    if words
        .first()
        .is_some_and(|name| base_name(name) == "corral-admin")
    {
        words.remove(0);
    }
    if words.is_empty() {
        eprintln!("Usage: corral-admin COMMAND [ARGUMENT ...]");
        return ExitCode::from(2);
    }
    let name = base_name(&words.remove(0));
    match find(&name) {
        Some(main) => ExitCode::from(main(words)),
        None => {
            eprintln!("corral-admin: unknown command {name}");
            ExitCode::from(2)
        }
    }
}

fn find(name: &str) -> Option<Main> {
    // A login shell's dash, and the processes that commands start for themselves.
    let name = name.strip_prefix('-').unwrap_or(name);
    if name.starts_with(c::supervisor::NAME_PREFIX) {
        return Some(c::supervisor::main);
    }
    match name {
        c::enter::NAME => Some(c::enter::main),
        c::clogin::inside::NAME => Some(c::clogin::inside::main),
        c::init::CONSOLE_SHELL => Some(c::init::console_shell),
        _ => APPLETS
            .iter()
            .find(|(known, _)| *known == name)
            .map(|(_, main)| *main),
    }
}

fn base_name(word: &OsString) -> String {
    Path::new(word)
        .file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_installed_name_is_a_command_and_every_command_is_installed() {
        let installed: Vec<String> = include_str!("../applets")
            .lines()
            .map(|path| base_name(&OsString::from(path)))
            .collect();
        for name in &installed {
            assert!(find(name).is_some(), "{name}");
        }
        for (name, _) in APPLETS {
            assert!(installed.iter().any(|i| i == name), "{name}");
        }
    }
}
