//! `mkwpar`: defines a system WPAR and makes its files.
//!
//! Until the definition is stored nothing of the WPAR counts; whatever ends the command before
//! that removes what it made.

use crate::arguments::{Arguments, Flag};
use crate::definition::{Definition, Draft, checked_name};
use crate::directory_tree::{self, Options as Tree};
use crate::interruption::Interruption;
use crate::kernel_control::refused;
use crate::messages::{Level, Message};
use crate::session::{Failure, Outcome, Session};
use control::WparName;
use std::ffi::OsString;
use std::path::Path;

const USAGE: &str = "[-aAFlprsvw] [-h HOSTNAME] [-d DIRECTORY] [-u SCRIPT] [-R ATTRIBUTE=VALUE ...] \
                     [-e NAME | -f FILE] [-o FILE] -n NAME";

/// What the command line asks for.
#[derive(Debug, Default)]
struct Options {
    draft: Draft,
    resources: Vec<(String, String)>,
    from_wpar: Option<String>,
    from_file: Option<String>,
    specification: Option<String>,
    specification_only: bool,
    resolve: bool,
    keep_files: bool,
    name_resolution: bool,
    start: bool,
    verbose: bool,
}

/// Runs the command.
pub fn main(words: Vec<OsString>) -> u8 {
    let mut session = Session::new("mkwpar", Level::Info);
    let outcome = execute(&mut session, words);
    session.finish(USAGE, outcome)
}

/// The command in a session.
pub fn execute(session: &mut Session, words: Vec<OsString>) -> Outcome {
    parse(words).and_then(|options| run(session, options))
}

fn parse(words: Vec<OsString>) -> Result<Options, Failure> {
    let mut arguments = Arguments::new(words);
    let mut options = Options::default();
    while let Some(flag) = arguments.next_flag()? {
        let Flag::Short(letter) = flag else {
            return Err(Failure::Usage);
        };
        match letter {
            'n' => options.draft.set("name", arguments.text()?),
            'h' => options.draft.set("hostname", arguments.text()?),
            'd' => options.draft.set("directory", arguments.text()?),
            'u' => options.draft.set("script", arguments.text()?),
            'A' => options.draft.set("auto", "yes"),
            'l' => options.draft.set("privateusr", "yes"),
            'R' => options.resources.extend(arguments.attributes()?),
            'e' => options.from_wpar = Some(arguments.text()?),
            'f' => options.from_file = Some(arguments.text()?),
            'o' => options.specification = Some(arguments.text()?),
            'w' => options.specification_only = true,
            'a' => options.resolve = true,
            'p' | 'F' => options.keep_files = true,
            'r' => options.name_resolution = true,
            's' => options.start = true,
            'v' => options.verbose = true,
            'N' | 'i' | 'I' | 'M' | 'S' | 'D' | 'c' | 'g' | 'L' => {
                return Err(Message::NotSupported {
                    what: format!("-{letter}"),
                }
                .into());
            }
            _ => return Err(Failure::Usage),
        }
    }
    if options.from_wpar.is_some() && options.from_file.is_some() {
        return Err(Failure::Usage);
    }
    if options.specification_only && options.specification.is_none() {
        return Err(Failure::Usage);
    }
    if let Some(name) = arguments.names(0, 1)?.pop() {
        options.draft.set("name", name);
    }
    let named = options.draft.general.iter().any(|(key, _)| key == "name");
    if !named && options.from_file.is_none() && !options.specification_only {
        return Err(Failure::Usage);
    }
    Ok(options)
}

fn run(session: &mut Session, options: Options) -> Outcome {
    if options.verbose {
        session.report.be_verbose();
    }
    session.require_global()?;
    let interruption =
        Interruption::note().map_err(|e| crate::database::file_error(Path::new("signals"), &e))?;
    let mut definition = describe(session, &options)?;
    if options.specification_only {
        write_specification(&options, &definition)?;
        return Ok(0);
    }
    let lock = session.lock(&definition.name)?;
    settle_conflicts(session, &mut definition, options.resolve)?;
    write_specification(&options, &definition)?;
    create(session, &definition, &options, &interruption)?;
    session.report.info(&format!(
        "Workload partition {} created successfully.",
        definition.name
    ));
    if options.start {
        drop(lock);
        return super::startwpar::start(session, definition.name.as_str());
    }
    session.report.note(&Message::HowToStart {
        name: definition.name.to_string(),
    });
    Ok(0)
}

/// The definition from the command line, over a file or another WPAR, over the defaults.
fn describe(session: &Session, options: &Options) -> Result<Definition, Message> {
    let mut draft = match (&options.from_wpar, &options.from_file) {
        (Some(other), _) => {
            let mut draft = session.database.read(&checked_name(other)?)?.to_draft();
            // The new one has a place and a name of its own where none is given.
            let given = |key: &str| options.draft.general.iter().any(|(k, _)| k == key);
            if given("name") {
                draft
                    .general
                    .retain(|(key, _)| key != "directory" && key != "hostname");
            }
            draft
        }
        (None, Some(file)) => {
            let text = std::fs::read_to_string(file)
                .map_err(|e| crate::database::file_error(Path::new(file), &e))?;
            Draft::parse(file, &text)?
        }
        (None, None) => Draft::default(),
    };
    draft.general.extend(options.draft.general.iter().cloned());
    draft.resources.extend(options.resources.iter().cloned());
    draft.complete()
}

fn write_specification(options: &Options, definition: &Definition) -> Result<(), Message> {
    match &options.specification {
        Some(file) => crate::database::replace(Path::new(file), &definition.to_text()),
        None => Ok(()),
    }
}

/// Name, host name and directory belong to one WPAR only. With `resolve` a number is put behind those that are
/// taken.
fn settle_conflicts(
    session: &mut Session,
    new: &mut Definition,
    resolve: bool,
) -> Result<(), Message> {
    let loaded = session
        .kernel()
        .list()
        .map_err(refused("list the workload partitions"))?;
    let (existing, _) = session.database.read_all()?;
    let name_taken = |name: &str| {
        existing.iter().any(|d| d.name.as_str() == name)
            || loaded.iter().any(|w| w.name.as_str() == name)
    };
    let hostname_owner = |hostname: &str| {
        existing
            .iter()
            .find(|d| d.hostname == hostname)
            .map(|d| &d.name)
    };
    let directory_owner = |directory: &str| {
        existing
            .iter()
            .find(|d| d.directory == directory)
            .map(|d| &d.name)
    };
    let old = new.clone();
    if name_taken(new.name.as_str()) {
        if !resolve {
            let path = session.database.path_of(&new.name).display().to_string();
            return Err(Message::FileExists { path });
        }
        let free = free_variant(new.name.as_str(), |text| {
            name_taken(text) || WparName::new(text).is_err()
        });
        new.name = checked_name(&free)?;
    }
    if let Some(owner) = hostname_owner(&new.hostname) {
        if !resolve {
            return Err(not_unique("general.hostname", &new.hostname, owner));
        }
        let preferred = if old.name == new.name {
            new.hostname.clone()
        } else {
            new.name.to_string()
        };
        new.hostname = free_variant(&preferred, |text| hostname_owner(text).is_some());
    }
    if let Some(owner) = directory_owner(&new.directory) {
        if !resolve {
            return Err(not_unique("general.directory", &new.directory, owner));
        }
        new.directory = free_variant(&format!("/wpars/{}", new.name), |text| {
            directory_owner(text).is_some()
        });
    }
    let changes = [
        ("general.name", old.name.to_string(), new.name.to_string()),
        ("general.hostname", old.hostname, new.hostname.clone()),
        ("general.directory", old.directory, new.directory.clone()),
    ];
    for (attribute, old, new) in changes {
        if old != new {
            session.report.info("RESOLVED");
            session.report.warning(&Message::Resolved {
                attribute: attribute.to_owned(),
                old,
                new,
            });
        }
    }
    Ok(())
}

/// The text itself, or with 2, 3, … behind it, whichever is free first.
pub fn free_variant(text: &str, taken: impl Fn(&str) -> bool) -> String {
    (1..)
        .map(|number| with_number(text, number))
        .find(|variant| !taken(variant))
        .unwrap_or_default()
}

/// The text with a number behind it; 1 is not written. A name that is as long as names can be gives up its end.
pub fn with_number(text: &str, number: u32) -> String {
    if number <= 1 {
        return text.to_owned();
    }
    let number = number.to_string();
    let is_path = text.starts_with('/');
    let room = if is_path {
        text.len()
    } else {
        WparName::LENGTH_LIMIT.saturating_sub(number.len())
    };
    format!(
        "{}{number}",
        text.get(..text.len().min(room)).unwrap_or(text)
    )
}

fn not_unique(attribute: &str, value: &str, owner: &WparName) -> Message {
    Message::NotUnique {
        attribute: attribute.to_owned(),
        value: value.to_owned(),
        owner: owner.to_string(),
    }
}

fn create(
    session: &mut Session,
    definition: &Definition,
    options: &Options,
    interruption: &Interruption,
) -> Result<(), Message> {
    let base = session.path(&definition.directory);
    session.report.info("mkwpar: Creating file systems...");
    let was_there = directory_tree::create_base(&base, options.keep_files)?;
    let tree = Tree {
        hostname: &definition.hostname,
        private_usr: definition.private_usr,
        name_resolution: options.name_resolution,
    };
    let made =
        directory_tree::populate(&session.path("/"), &base, tree, &|| !interruption.wanted())
            .and_then(|()| session.database.key_of(&definition.name).map(drop))
            .and_then(|()| session.database.write(definition));
    if let Err(message) = made {
        undo(session, definition, &base, was_there);
        return Err(message);
    }
    for part in ["/", "/home", "/opt", "/proc", "/tmp", "/usr", "/var"] {
        session.report.info(&format!(" {part}"));
    }
    Ok(())
}

/// Files that were there before stay.
fn undo(session: &mut Session, definition: &Definition, base: &Path, was_there: bool) {
    let files = if was_there {
        Ok(())
    } else {
        directory_tree::remove(base)
    };
    for result in [files, session.database.remove(&definition.name)] {
        if let Err(message) = result {
            session.report.warning(&message);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variants_are_numbered_from_two() {
        let taken = ["kenny", "kenny2"];
        assert_eq!(free_variant("kenny", |t| taken.contains(&t)), "kenny3");
        assert_eq!(free_variant("cartman", |t| taken.contains(&t)), "cartman");
        let long = "a".repeat(25);
        assert_eq!(free_variant(&long, |t| t == long).len(), 25);
    }

    fn usage(line: &str) -> bool {
        matches!(
            parse(line.split_whitespace().map(OsString::from).collect()),
            Err(Failure::Usage)
        )
    }

    #[test]
    fn command_lines() {
        assert!(
            usage("")
                && usage("--no-such-flag")
                && usage("-n")
                && usage("-n a b c")
                && usage("-n a -e b -f c")
        );
        assert!(!usage("-n a -R shares_CPU=1 CPU=1%-2%,3% -v") && !usage("-A -n a -s"));
    }
}
