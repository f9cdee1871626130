//! `lswpar`: lists WPARs.

use crate::arguments::{Arguments, Flag};
use crate::kernel_control::refused;
use crate::messages::{Level, Message};
use crate::session::{Failure, Outcome, Session, Wpar};
use crate::table::Table;
use control::{ResourceControls, WparKind, WparState};
use std::ffi::OsString;
use std::io::Write;

const USAGE: &str =
    "[-a FIELD,...] [-c] [-G | -L | -M | -N | -R] [-q] [-t {A|S}] [-s STATES] [NAME ...]";

/// Length of the bars around a WPAR's name.
const BAR: usize = 65;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum View {
    #[default]
    Overview,
    General,
    Long,
    Mounts,
    Network,
    Resources,
}

#[derive(Debug, Default)]
struct Options {
    view: View,
    fields: Option<Vec<String>>,
    colons: bool,
    quiet: bool,
    kind: Option<WparKind>,
    states: Option<Vec<WparState>>,
    names: Vec<String>,
}

/// Runs the command.
pub fn main(words: Vec<OsString>) -> u8 {
    let mut session = Session::new("lswpar", Level::Info);
    let outcome = parse(words).and_then(|options| run(&mut session, &options));
    session.finish(USAGE, outcome)
}

fn parse(words: Vec<OsString>) -> Result<Options, Failure> {
    let mut arguments = Arguments::new(words);
    let mut options = Options::default();
    while let Some(flag) = arguments.next_flag()? {
        match flag {
            Flag::Short('q') => options.quiet = true,
            Flag::Short('c') => options.colons = true,
            Flag::Short('v') => {}
            Flag::Short('a') => options.fields = Some(fields(&arguments.text()?)?),
            Flag::Short('G') => options.view = View::General,
            Flag::Short('L') => options.view = View::Long,
            Flag::Short('M') => options.view = View::Mounts,
            Flag::Short('N') => options.view = View::Network,
            Flag::Short('R') => options.view = View::Resources,
            Flag::Short('t') => {
                options.kind = Some(kind(&arguments.text()?).ok_or(Failure::Usage)?)
            }
            Flag::Short('s') => {
                options.states = Some(states(&arguments.text()?).ok_or(Failure::Usage)?)
            }
            Flag::Short(letter @ ('S' | 'D' | 'I')) => {
                return Err(Message::NotSupported {
                    what: format!("-{letter}"),
                }
                .into());
            }
            _ => return Err(Failure::Usage),
        }
    }
    options.names = arguments.names(0, usize::MAX)?;
    Ok(options)
}

const FIELDS: [&str; 9] = [
    "name",
    "state",
    "type",
    "hostname",
    "directory",
    "cid",
    "key",
    "auto",
    "owner",
];

fn fields(list: &str) -> Result<Vec<String>, Failure> {
    let known: Vec<String> = list.split(',').map(str::to_lowercase).collect();
    if known.iter().all(|field| FIELDS.contains(&field.as_str())) {
        Ok(known)
    } else {
        Err(Failure::Usage)
    }
}

fn kind(text: &str) -> Option<WparKind> {
    let mut letters = text.chars();
    letters
        .next()
        .filter(|_| letters.next().is_none())
        .and_then(WparKind::from_letter)
}

fn states(text: &str) -> Option<Vec<WparState>> {
    text.chars()
        .filter(|c| *c != ',')
        .map(WparState::from_letter)
        .collect()
}

fn run(session: &mut Session, options: &Options) -> Outcome {
    session.require_global()?;
    let mut status = 0;
    let mut wpars = if options.names.is_empty() {
        let (wpars, unreadable) = all(session)?;
        for message in unreadable {
            session.report.error(&message);
            status = 1;
        }
        wpars
    } else {
        let mut wpars = Vec::new();
        for name in &options.names {
            match session.wpar(name) {
                Ok(wpar) => wpars.push(wpar),
                Err(message) => {
                    session.report.error(&message);
                    status = 1;
                }
            }
        }
        wpars
    };
    wpars.retain(|wpar| options.kind.is_none_or(|kind| kind == kind_of(wpar)));
    wpars.retain(|wpar| {
        options
            .states
            .as_ref()
            .is_none_or(|states| states.contains(&wpar.state()))
    });
    let lines = show(session, &wpars, options);
    let mut output = std::io::stdout().lock();
    for line in lines {
        if writeln!(output, "{line}").is_err() {
            return Err(Failure::Silent);
        }
    }
    Ok(status)
}

/// Every WPAR, the defined ones first, each group by name.
fn all(session: &mut Session) -> Result<(Vec<Wpar>, Vec<Message>), Message> {
    let mut loaded = session
        .kernel()
        .list()
        .map_err(refused("list the workload partitions"))?;
    loaded.sort_by(|a, b| a.name.cmp(&b.name));
    let (definitions, unreadable) = session.database.read_all()?;
    let mut wpars = Vec::new();
    for definition in definitions {
        let position = loaded.iter().position(|wpar| wpar.name == definition.name);
        let loaded = position.map(|at| loaded.remove(at));
        wpars.push(Wpar {
            name: definition.name.clone(),
            definition: Some(definition),
            loaded,
        });
    }
    wpars.extend(loaded.into_iter().map(|l| Wpar {
        name: l.name.clone(),
        definition: None,
        loaded: Some(l),
    }));
    Ok((wpars, unreadable))
}

fn kind_of(wpar: &Wpar) -> WparKind {
    wpar.loaded
        .as_ref()
        .map_or(WparKind::System, |loaded| loaded.kind)
}

fn show(session: &Session, wpars: &[Wpar], options: &Options) -> Vec<String> {
    match options.view {
        View::Overview => overview(session, wpars, options),
        View::Mounts => mounts(wpars).lines(options.quiet),
        View::Network => Table::new(&[
            "Name",
            "Interface",
            "Address(6)",
            "Mask/Prefix",
            "Broadcast",
        ])
        .lines(options.quiet),
        view => wpars
            .iter()
            .flat_map(|wpar| sections(session, wpar, view, options.quiet))
            .collect(),
    }
}

fn overview(session: &Session, wpars: &[Wpar], options: &Options) -> Vec<String> {
    let usual = || FIELDS.iter().take(5).map(|&f| f.to_owned()).collect();
    let fields: Vec<String> = options.fields.clone().unwrap_or_else(usual);
    let headings: Vec<String> = fields.iter().map(|field| heading(field)).collect();
    let mut table = Table::new(&headings.iter().map(String::as_str).collect::<Vec<_>>());
    for wpar in wpars {
        table.row(
            fields
                .iter()
                .map(|field| field_of(session, wpar, field))
                .collect(),
        );
    }
    if options.colons {
        table.colons(options.quiet)
    } else {
        table.lines(options.quiet)
    }
}

fn heading(field: &str) -> String {
    if field == "cid" {
        return "CID".to_owned();
    }
    let mut letters = field.chars();
    letters
        .next()
        .map(|first| first.to_ascii_uppercase().to_string() + letters.as_str())
        .unwrap_or_default()
}

fn field_of(session: &Session, wpar: &Wpar, field: &str) -> String {
    let (definition, loaded) = (wpar.definition.as_ref(), wpar.loaded.as_ref());
    match field {
        "name" => wpar.name.to_string(),
        "state" => wpar.state().letter().to_string(),
        "type" => kind_of(wpar).letter().to_string(),
        "hostname" => {
            let live = loaded.map(|l| l.hostname.clone());
            live.or(definition.map(|d| d.hostname.clone()))
                .unwrap_or_default()
        }
        "directory" => {
            let defined = definition.map(|d| d.directory.clone());
            defined
                .or(loaded.map(|l| l.root.clone()))
                .unwrap_or_default()
        }
        "cid" => loaded.map_or_else(|| "-".to_owned(), |l| l.handle.cid.to_string()),
        "key" => {
            let stored = || session.database.known_key(&wpar.name);
            loaded
                .map(|l| l.key)
                .or_else(stored)
                .map_or_else(|| "-".to_owned(), |key| key.to_string())
        }
        "auto" => yes(definition.is_some_and(|d| d.auto)),
        _ => "root".to_owned(),
    }
}

fn yes(value: bool) -> String {
    if value { "yes" } else { "no" }.to_owned()
}

fn mounts(wpars: &[Wpar]) -> Table {
    let mut table = Table::new(&["Name", "MountPoint", "Device", "Vfs", "Options"]);
    for wpar in wpars {
        for [point, device, vfs, options] in mounts_of(wpar) {
            table.row(vec![wpar.name.to_string(), point, device, vfs, options]);
        }
    }
    table
}

fn mounts_of(wpar: &Wpar) -> Vec<[String; 4]> {
    let Some(definition) = &wpar.definition else {
        return Vec::new();
    };
    let inside = |path: &str| format!("{}{path}", definition.directory);
    let row = |point: String, device: &str, vfs: &str, options: &str| {
        [point, device.to_owned(), vfs.to_owned(), options.to_owned()]
    };
    let mut rows: Vec<[String; 4]> = definition
        .mounts()
        .into_iter()
        .map(|mount| {
            row(
                inside(&mount.target),
                &mount.source,
                "namefs",
                if mount.read_only { "ro" } else { "rw" },
            )
        })
        .collect();
    rows.push(row(inside("/dev"), "/dev", "devfs", "rw"));
    rows.push(row(inside("/proc"), "/proc", "procfs", "rw"));
    rows.sort();
    rows
}

/// A WPAR under its banner.
fn sections(session: &Session, wpar: &Wpar, view: View, quiet: bool) -> Vec<String> {
    let bar = "=".repeat(BAR);
    let mut lines = Vec::new();
    if !quiet {
        lines.extend([
            bar.clone(),
            format!("{} - {}", wpar.name, wpar.state()),
            bar,
        ]);
    }
    match view {
        View::Resources => lines.extend(resources(wpar)),
        View::General => lines.extend(general(session, wpar)),
        _ => {
            let mut section = |name: &str, body: Vec<String>| {
                lines.push(name.to_owned());
                lines.extend(body);
                lines.push(String::new());
            };
            section("GENERAL", general(session, wpar));
            section(
                "NETWORK",
                ruled(
                    &["Interface", "Address(6)", "Mask/Prefix", "Broadcast"],
                    &[],
                ),
            );
            section(
                "USER-SPECIFIED ROUTES",
                ruled(&["Type", "Destination", "Gateway", "Interface"], &[]),
            );
            section(
                "FILE SYSTEMS",
                ruled(
                    &["MountPoint", "Device", "Vfs", "Options"],
                    &mounts_of(wpar),
                ),
            );
            section("RESOURCE CONTROLS", resources(wpar));
        }
    }
    lines
}

/// A table of a long listing: with its header and rule even when it is empty.
fn ruled(header: &[&str; 4], rows: &[[String; 4]]) -> Vec<String> {
    let width = |column: usize| rows.iter().map(|row| row[column].len()).max().unwrap_or(0);
    let line = |cells: [&str; 4]| {
        let cells = cells
            .iter()
            .enumerate()
            .map(|(at, cell)| format!("{cell:<w$}", w = width(at).max([12, 16, 16, 9][at])));
        cells.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    };
    let body = rows
        .iter()
        .map(|row| line([&row[0], &row[1], &row[2], &row[3]]));
    [line(*header), "-".repeat(BAR)]
        .into_iter()
        .chain(body)
        .collect()
}

fn labelled(label: &str, width: usize, value: &str) -> String {
    format!("{label:<width$}{value}").trim_end().to_owned()
}

fn general(session: &Session, wpar: &Wpar) -> Vec<String> {
    let field = |name: &str| field_of(session, wpar, name);
    let definition = wpar.definition.as_ref();
    let script = definition
        .and_then(|d| d.script.clone())
        .unwrap_or_default();
    let private = yes(definition.is_some_and(|d| d.private_usr));
    [
        ("Type:", field("type")),
        ("Owner:", field("owner")),
        ("Hostname:", field("hostname")),
        ("WPAR-Specific Routing:", yes(false)),
        ("Directory:", field("directory")),
        ("Start/Stop Script:", script),
        ("Auto:", field("auto")),
        ("Private /usr:", private),
        ("Checkpointable:", yes(false)),
        ("Application:", String::new()),
    ]
    .into_iter()
    .map(|(label, value)| labelled(label, 25, &value))
    .collect()
}

fn resources(wpar: &Wpar) -> Vec<String> {
    const LABELS: [&str; 9] = [
        "Active:",
        "RSet:",
        "CPU Shares:",
        "CPU Limits:",
        "Memory Shares:",
        "Memory Limits:",
        "Total Processes:",
        "Total Threads:",
        "Per-Process Virtual Memory Limit:",
    ];
    // The order of the listing differs from that of the attributes in one place.
    const ORDER: [usize; 9] = [0, 1, 2, 3, 4, 5, 8, 6, 7];
    let live = wpar.loaded.as_ref().map(|loaded| &loaded.controls);
    let defined = wpar
        .definition
        .as_ref()
        .map(|definition| &definition.controls);
    let controls = live.or(defined).cloned().unwrap_or_default();
    let values: [String; 9] = std::array::from_fn(|at| value_of(&controls, at));
    ORDER
        .into_iter()
        .map(|at| labelled(LABELS[at], 35, &values[at]))
        .collect()
}

fn value_of(controls: &ResourceControls, at: usize) -> String {
    controls
        .attributes()
        .get(at)
        .map(|(_, value)| value.to_string())
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::definition::Draft;

    fn wpar() -> Wpar {
        let mut draft = Draft::default();
        draft.set("name", "MySysWpar");
        draft.resources = vec![
            ("shares_CPU".into(), "10".into()),
            ("procVirtMem".into(), "1TB".into()),
        ];
        let definition = draft.complete().expect("a definition");
        Wpar {
            name: definition.name.clone(),
            definition: Some(definition),
            loaded: None,
        }
    }

    #[test]
    fn resource_listing() {
        assert_eq!(
            resources(&wpar()),
            [
                "Active:                            yes",
                "RSet:",
                "CPU Shares:                        10",
                "CPU Limits:                        0%-100%,100%",
                "Memory Shares:                     unlimited",
                "Memory Limits:                     0%-100%,100%",
                "Per-Process Virtual Memory Limit:  1048576MB",
                "Total Processes:                   unlimited",
                "Total Threads:                     unlimited",
            ]
        );
    }

    #[test]
    fn filters() {
        assert_eq!(
            states("AD"),
            Some(vec![WparState::Active, WparState::Defined])
        );
        assert_eq!(states("A,x"), None);
        assert_eq!(kind("S"), Some(WparKind::System));
        assert_eq!(kind("SA"), None);
        assert!(fields("name,cid").is_ok() && fields("colour").is_err());
    }

    #[test]
    fn mounts_are_absolute_paths_of_global() {
        let rows = mounts_of(&wpar());
        assert!(
            rows.iter()
                .any(|row| row[0] == "/wpars/MySysWpar/usr" && row[1] == "/usr" && row[3] == "ro")
        );
    }
}
