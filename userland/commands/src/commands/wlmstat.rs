//! `wlmstat`: CPU and memory used by what is in no WPAR, which is Global; `wlmstat -@`: by WPARs, or by one.
//!
//! CPU is the part of all CPUs that the WPAR's programs, and the kernel for them, had during the interval, by the
//! kernel's exact account; without an interval, during one second. MEM is the part of the machine's memory that is
//! charged to it at the interval's end, and with `-l` also by what it holds: programs' own, files, the kernel's objects, page
//! tables. DKIO is 0.00: this release has no disks.

use crate::arguments::{Arguments, Flag};
use crate::kernel_control::refused;
use crate::messages::{Level, Message};
use crate::session::{Failure, Outcome, Session};
use control::{AccountOf, Accounts};
use std::ffi::OsString;
use std::io::Write;
use std::time::Duration;

/// Every WPAR.
const ALL: &str = "ALL";

const USAGE: &str = "[-@ {ALL|NAME|CID}] [-l] [INTERVAL [COUNT]]";

/// Least width of the first column.
const CLASS_WIDTH: usize = 17;

/// Runs the command.
pub fn main(words: Vec<OsString>) -> u8 {
    let mut session = Session::new("wlmstat", Level::Warning);
    let outcome = run(&mut session, words);
    session.finish(USAGE, outcome)
}

fn run(session: &mut Session, words: Vec<OsString>) -> Outcome {
    let mut arguments = Arguments::new(words);
    let mut scope = None;
    let mut long = false;
    while let Some(flag) = arguments.next_flag()? {
        match flag {
            Flag::Short('@') => {
                scope = Some(arguments.optional_word().unwrap_or_else(|| ALL.to_owned()))
            }
            Flag::Short('l') => long = true,
            _ => return Err(Failure::Usage),
        }
    }
    let numbers = arguments.names(0, 2)?;
    let number = |at: usize| match numbers.get(at) {
        None => Ok(None),
        Some(text) => text
            .parse::<u32>()
            .ok()
            .filter(|n| *n > 0)
            .map(Some)
            .ok_or(Failure::Usage),
    };
    let (interval, count) = (number(0)?, number(1)?);
    session.require_global()?;
    let span = Duration::from_secs(interval.unwrap_or(1).into());
    let reports = if interval.is_none() { Some(1) } else { count };
    let mut before = session
        .kernel()
        .accounts()
        .map_err(refused("tell the accounts"))?;
    if let Some(name) = &scope
        && !before
            .entries
            .iter()
            .any(|entry| is_meant(entry, Some(name)))
        && !name.eq_ignore_ascii_case(ALL)
    {
        return Err(Message::NoSuchWpar { name: name.clone() }.into());
    }
    let mut made = 0;
    while reports.is_none_or(|reports| made < reports) {
        std::thread::sleep(span);
        let after = session
            .kernel()
            .accounts()
            .map_err(refused("tell the accounts"))?;
        let mut output = std::io::stdout().lock();
        for line in report(&before, &after, scope.as_deref(), long) {
            writeln!(output, "{line}").map_err(|_| Failure::Silent)?;
        }
        before = after;
        made += 1;
    }
    Ok(0)
}

/// Whether an environment is shown: without a scope Global, which is no WPAR; of ALL, each WPAR.
fn is_meant(entry: &AccountOf, scope: Option<&str>) -> bool {
    match scope {
        None => entry.cid.is_global(),
        Some(name) if name.eq_ignore_ascii_case(ALL) => !entry.cid.is_global(),
        Some(name) => entry.name == name || name.parse() == Ok(entry.cid.0),
    }
}

/// Numbers in percent.
struct Row {
    name: String,
    cpu: f64,
    memory: f64,
    /// Anonymous memory, files, the kernel's objects, translation tables.
    kinds: [f64; 4],
    processes: u32,
    threads: u32,
}

fn rows(before: &Accounts, after: &Accounts, scope: Option<&str>) -> Vec<Row> {
    let span = after.now.saturating_sub(before.now).0 as f64 * f64::from(after.cpus.max(1));
    let percent = |part: u64, whole: f64| {
        if whole > 0.0 {
            part as f64 * 100.0 / whole
        } else {
            0.0
        }
    };
    let used = |entry: &AccountOf| entry.user.0.saturating_add(entry.system.0);
    let shown = |entry: &&AccountOf| is_meant(entry, scope);
    let row = |entry: &AccountOf| {
        // A cid that was given to another WPAR meanwhile began from nothing.
        let earlier = before
            .entries
            .iter()
            .find(|e| e.cid == entry.cid && e.since == entry.since)
            .map_or(0, used);
        Row {
            name: entry.name.clone(),
            cpu: percent(used(entry).saturating_sub(earlier), span),
            memory: percent(entry.pages.0, after.total_pages.0 as f64),
            kinds: [
                entry.by_kind.anonymous,
                entry.by_kind.file,
                entry.by_kind.kernel,
                entry.by_kind.tables,
            ]
            .map(|pages| percent(pages.0, after.total_pages.0 as f64)),
            processes: entry.processes,
            threads: entry.threads,
        }
    };
    after.entries.iter().filter(shown).map(row).collect()
}

fn report(before: &Accounts, after: &Accounts, scope: Option<&str>, long: bool) -> Vec<String> {
    let mut rows = rows(before, after, scope);
    // The sum of no floating-point numbers is -0.
    let sum = |column: &dyn Fn(&Row) -> f64| rows.iter().fold(0.0, |sum, row| sum + column(row));
    rows.push(Row {
        name: "TOTAL".to_owned(),
        cpu: sum(&|row| row.cpu),
        memory: sum(&|row| row.memory),
        kinds: [0, 1, 2, 3].map(|kind| sum(&|row| row.kinds[kind])),
        processes: rows.iter().map(|row| row.processes).sum(),
        threads: rows.iter().map(|row| row.threads).sum(),
    });
    let width = rows
        .iter()
        .map(|row| row.name.len() + 2)
        .max()
        .unwrap_or(0)
        .max(CLASS_WIDTH);
    let mut header = format!(
        "{:>width$} {:>6} {:>6} {:>6}",
        "CLASS", "CPU", "MEM", "DKIO"
    );
    if long {
        for column in ["ANON", "FILE", "KERN", "PGTB", "PROC", "THRD"] {
            header.push_str(&format!(" {column:>6}"));
        }
    }
    let line = |row: &Row| {
        let mut line = format!(
            "{:>width$} {:>6.2} {:>6.2} {:>6.2}",
            row.name, row.cpu, row.memory, 0.0
        );
        if long {
            for part in row.kinds {
                line.push_str(&format!(" {part:>6.2}"));
            }
            line.push_str(&format!(" {:>6} {:>6}", row.processes, row.threads));
        }
        line
    };
    let body = rows.iter().map(line);
    [header]
        .into_iter()
        .chain(body)
        .chain([String::new()])
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use abi::{Cid, Pages, Ticks};

    fn accounts(now: u64, used: [u64; 2]) -> Accounts {
        let names = ["MySysWpar", "MyCompetingWpar"];
        let entry = |at: usize| AccountOf {
            cid: Cid(at as u16 + 1),
            name: names[at].to_owned(),
            user: Ticks(used[at]),
            system: Ticks(0),
            since: Ticks(5),
            pages: Pages(4),
            by_kind: control::PagesByKind {
                anonymous: Pages(3),
                tables: Pages(1),
                ..Default::default()
            },
            processes: 2,
            threads: 3,
            load: [0; 3],
        };
        Accounts {
            now: Ticks(now),
            ticks_per_second: 1000,
            cpus: 1,
            idle: Ticks(0),
            gone: Ticks(0),
            total_pages: Pages(10_000),
            free_pages: Pages(0),
            entries: vec![entry(0), entry(1)],
        }
    }

    #[test]
    fn nothing_is_not_negative() {
        let mut nobody = accounts(1000, [7, 0]);
        nobody.entries.clear();
        let lines = report(&nobody, &nobody, Some("ALL"), false);
        assert_eq!(lines[1], "            TOTAL   0.00   0.00   0.00");
    }

    #[test]
    fn the_report_of_the_specification() {
        let lines = report(
            &accounts(1000, [7, 0]),
            &accounts(11_000, [7, 24]),
            Some("ALL"),
            false,
        );
        assert_eq!(
            lines,
            [
                "            CLASS    CPU    MEM   DKIO",
                "        MySysWpar   0.00   0.04   0.00",
                "  MyCompetingWpar   0.24   0.04   0.00",
                "            TOTAL   0.24   0.08   0.00",
                "",
            ]
        );
    }

    #[test]
    fn the_long_report_tells_what_memory_holds() {
        let lines = report(
            &accounts(1000, [7, 0]),
            &accounts(11_000, [7, 24]),
            Some("1"),
            true,
        );
        assert_eq!(
            lines[..2],
            [
                "            CLASS    CPU    MEM   DKIO   ANON   FILE   KERN   PGTB   PROC   THRD",
                "        MySysWpar   0.00   0.04   0.00   0.03   0.00   0.00   0.01      2      3",
            ]
        );
    }

    #[test]
    fn one_wpar_by_name_or_cid() {
        let (before, after) = (accounts(0, [0, 0]), accounts(10, [1, 2]));
        assert_eq!(rows(&before, &after, Some("2")).len(), 1);
        assert_eq!(rows(&before, &after, Some("MySysWpar")).len(), 1);
        assert_eq!(rows(&before, &after, Some("nobody")).len(), 0);
    }

    #[test]
    fn global_is_shown_alone_where_no_wpar_is_asked_for() {
        let with_global = |now, used| {
            let mut accounts = accounts(now, used);
            let mut global = accounts.entries[0].clone();
            global.cid = Cid::GLOBAL;
            global.name = "Global".to_owned();
            accounts.entries.insert(0, global);
            accounts
        };
        let (before, after) = (with_global(0, [0, 0]), with_global(10, [1, 2]));
        let shown = |scope| -> Vec<String> {
            let rows = rows(&before, &after, scope);
            rows.into_iter().map(|row| row.name).collect()
        };
        assert_eq!(shown(None), ["Global"]);
        assert_eq!(shown(Some("all")), ["MySysWpar", "MyCompetingWpar"]);
        assert_eq!(shown(Some("0")), ["Global"]);
    }
}
