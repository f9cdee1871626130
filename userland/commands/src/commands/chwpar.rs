//! `chwpar`: changes a WPAR, at once where it runs.
//!
//! The kernel is asked first: it knows rules that need the other running WPARs. When the definition then cannot be
//! stored, the kernel gets the former values back.

use crate::arguments::{Arguments, Flag};
use crate::definition::{Draft, check_hostname, checked_name, set_controls};
use crate::interruption::Interruption;
use crate::kernel_control::refused;
use crate::messages::{Level, Message};
use crate::session::{Failure, Outcome, Session, Wpar};
use control::{Request, ResourceControls, WparState};
use std::ffi::OsString;

const USAGE: &str = "[-aFKv] [-A] [-n NEWNAME] [-h HOSTNAME] [-d DIRECTORY] [-u SCRIPT] [-R ATTRIBUTE[=VALUE] ...] NAME";

#[derive(Debug, Default)]
struct Options {
    delete: bool,
    resolve: bool,
    new_name: Option<String>,
    hostname: Option<String>,
    general: Draft,
    resources: Vec<(String, String)>,
    reset: Vec<String>,
    verbose: bool,
    name: String,
}

/// Runs the command.
pub fn main(words: Vec<OsString>) -> u8 {
    let mut session = Session::new("chwpar", Level::Info);
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
            'K' => options.delete = true,
            'a' => options.resolve = true,
            'v' => options.verbose = true,
            'F' => {}
            'n' => options.new_name = Some(arguments.text()?),
            'h' => options.hostname = Some(arguments.text()?),
            'd' => options.general.set("directory", arguments.text()?),
            'A' => options
                .general
                .set("auto", if options.delete { "no" } else { "yes" }),
            'u' if options.delete => options.general.set("script", ""),
            'u' => options.general.set("script", arguments.text()?),
            'R' if options.delete => options.reset.extend(attribute_names(&arguments.text()?)?),
            'R' => options.resources.extend(arguments.attributes()?),
            'N' | 'i' | 'I' | 'M' | 'S' | 'D' | 'c' | 'g' => {
                return Err(Message::NotSupported {
                    what: format!("-{letter}"),
                }
                .into());
            }
            _ => return Err(Failure::Usage),
        }
    }
    options.name = arguments.name()?;
    Ok(options)
}

/// `-K -R shares_CPU,CPU`: attributes that get their defaults back; a value after `=` is not looked at.
fn attribute_names(list: &str) -> Result<Vec<String>, Failure> {
    let name = |word: &str| word.split('=').next().unwrap_or_default().to_owned();
    let names: Vec<String> = list.split(',').map(name).collect();
    let mut controls = ResourceControls::default();
    for name in &names {
        controls.reset(name).map_err(|e| Message::Resource {
            reason: e.to_string(),
        })?;
    }
    Ok(names)
}

fn run(session: &mut Session, options: Options) -> Outcome {
    if options.verbose {
        session.report.be_verbose();
    }
    session.require_global()?;
    let _interruption = Interruption::note();
    session.wpar(&options.name)?;
    let _lock = session.lock(&checked_name(&options.name)?)?;
    let wpar = session.wpar(&options.name)?;
    if !matches!(wpar.state(), WparState::Defined | WparState::Active) {
        return Err(wpar.wrong_state("changing").into());
    }
    check(session, &wpar, &options)?;
    let new_name = match &options.new_name {
        Some(text) if *text != options.name => Some(free_name(session, text, options.resolve)?),
        _ => None,
    };
    change_live(session, &wpar, &options).and_then(|undo| {
        store(session, &wpar, &options).inspect_err(|_| {
            for request in undo {
                // The first error is the one to tell.
                let _failed = session.kernel().order(&request);
            }
        })
    })?;
    if let Some(new_name) = new_name {
        session.database.rename(&wpar.name, &new_name)?;
    }
    Ok(0)
}

/// Everything that can be refused before anything changes.
fn check(session: &Session, wpar: &Wpar, options: &Options) -> Result<(), Message> {
    if options.new_name.is_some() && wpar.state() != WparState::Defined {
        return Err(Message::RunningRename {});
    }
    if let Some(text) = &options.new_name {
        checked_name(text)?;
    }
    let needs_definition = options.new_name.is_some() || !options.general.general.is_empty();
    if needs_definition && wpar.definition.is_none() {
        return Err(Message::NotDefined {
            what: "this change".to_owned(),
        });
    }
    let moved = options
        .general
        .general
        .iter()
        .any(|(key, _)| key == "directory");
    if moved && wpar.state() != WparState::Defined {
        return Err(wpar.wrong_state("changing the directory"));
    }
    if let Some(hostname) = &options.hostname {
        check_hostname(hostname)?;
        let (others, _) = session.database.read_all()?;
        let owner = others
            .iter()
            .find(|other| other.hostname == *hostname && other.name != wpar.name);
        if let Some(owner) = owner {
            return Err(Message::NotUnique {
                attribute: "general.hostname".to_owned(),
                value: hostname.clone(),
                owner: owner.name.to_string(),
            });
        }
    }
    Ok(())
}

fn free_name(
    session: &mut Session,
    text: &str,
    resolve: bool,
) -> Result<control::WparName, Message> {
    let loaded = session
        .kernel()
        .list()
        .map_err(refused("list the workload partitions"))?;
    let taken = |text: &str| {
        checked_name(text).is_err()
            || checked_name(text).is_ok_and(|name| session.database.contains(&name))
            || loaded.iter().any(|wpar| wpar.name.as_str() == text)
    };
    let name = checked_name(text)?;
    if !taken(text) {
        return Ok(name);
    }
    if !resolve {
        return Err(Message::FileExists {
            path: session.database.path_of(&name).display().to_string(),
        });
    }
    let new = super::mkwpar::free_variant(text, taken);
    let attribute = "general.name".to_owned();
    session.report.warning(&Message::Resolved {
        attribute,
        old: text.to_owned(),
        new: new.clone(),
    });
    checked_name(&new)
}

fn changed_controls(
    before: &ResourceControls,
    options: &Options,
) -> Result<ResourceControls, Message> {
    let mut controls = before.clone();
    for attribute in &options.reset {
        controls.reset(attribute).map_err(|e| Message::Resource {
            reason: e.to_string(),
        })?;
    }
    set_controls(&mut controls, &options.resources)?;
    Ok(controls)
}

/// Changes the running WPAR; gives the requests that would change it back.
fn change_live(
    session: &mut Session,
    wpar: &Wpar,
    options: &Options,
) -> Result<Vec<Request>, Message> {
    let mut undo = Vec::new();
    let before = wpar
        .definition
        .as_ref()
        .map(|d| &d.controls)
        .or(wpar.loaded.as_ref().map(|l| &l.controls));
    let before = before.cloned().unwrap_or_default();
    let controls = changed_controls(&before, options)?;
    let Some(loaded) = &wpar.loaded else {
        return Ok(undo);
    };
    let handle = loaded.handle;
    if controls != before || loaded.controls != controls {
        let request = Request::SetResources {
            wpar: handle,
            controls,
        };
        session
            .kernel()
            .order(&request)
            .map_err(refused("change the resource controls"))?;
        undo.push(Request::SetResources {
            wpar: handle,
            controls: loaded.controls.clone(),
        });
    }
    if let Some(hostname) = &options.hostname {
        let request = Request::SetHostname {
            wpar: handle,
            hostname: hostname.clone(),
        };
        session
            .kernel()
            .order(&request)
            .map_err(refused("change the host name"))?;
        undo.push(Request::SetHostname {
            wpar: handle,
            hostname: loaded.hostname.clone(),
        });
    }
    Ok(undo)
}

fn store(session: &Session, wpar: &Wpar, options: &Options) -> Result<(), Message> {
    let Some(definition) = &wpar.definition else {
        return Ok(());
    };
    let mut draft = definition.to_draft();
    draft
        .general
        .extend(options.general.general.iter().cloned());
    if let Some(hostname) = &options.hostname {
        draft.set("hostname", hostname.clone());
    }
    let mut changed = draft.complete()?;
    changed.controls = changed_controls(&definition.controls, options)?;
    if changed == *definition {
        Ok(())
    } else {
        session.database.write(&changed)
    }
}
