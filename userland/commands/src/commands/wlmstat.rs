//! `wlmstat -@`: CPU and memory used by WPARs.
//!
//! CPU is the part of all CPUs that the WPAR's programs, and the kernel for them, had during the interval, by the
//! kernel's exact account; without an interval, during one second. MEM is the part of the machine's memory that is
//! charged to it at the interval's end. DKIO is 0.00: this release has no disks.

use crate::arguments::{Arguments, Flag};
use crate::kernel_control::refused;
use crate::messages::{Level, Message};
use crate::session::{Failure, Outcome, Session};
use control::{AccountOf, Accounts};
use std::ffi::OsString;
use std::io::Write;
use std::time::Duration;

const USAGE: &str = "-@ {ALL|NAME|CID} [INTERVAL [COUNT]]";

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
    while let Some(flag) = arguments.next_flag()? {
        match flag {
            Flag::Short('@') => {
                scope = Some(
                    arguments
                        .optional_word()
                        .unwrap_or_else(|| "ALL".to_owned()),
                )
            }
            _ => return Err(Failure::Usage),
        }
    }
    let scope = scope.ok_or(Failure::Usage)?;
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
    if !scope.eq_ignore_ascii_case("all")
        && !before.entries.iter().any(|entry| is_meant(entry, &scope))
    {
        return Err(Message::NoSuchWpar { name: scope }.into());
    }
    let mut made = 0;
    while reports.is_none_or(|reports| made < reports) {
        std::thread::sleep(span);
        let after = session
            .kernel()
            .accounts()
            .map_err(refused("tell the accounts"))?;
        let mut output = std::io::stdout().lock();
        for line in report(&before, &after, &scope) {
            writeln!(output, "{line}").map_err(|_| Failure::Silent)?;
        }
        before = after;
        made += 1;
    }
    Ok(0)
}

fn is_meant(entry: &AccountOf, scope: &str) -> bool {
    entry.name == scope || scope.parse() == Ok(entry.cid.0)
}

/// Numbers in percent.
struct Row {
    name: String,
    cpu: f64,
    memory: f64,
}

fn rows(before: &Accounts, after: &Accounts, scope: &str) -> Vec<Row> {
    let span = after.now.saturating_sub(before.now).0 as f64 * f64::from(after.cpus.max(1));
    let percent = |part: u64, whole: f64| {
        if whole > 0.0 {
            part as f64 * 100.0 / whole
        } else {
            0.0
        }
    };
    let used = |entry: &AccountOf| entry.user.0.saturating_add(entry.system.0);
    let shown = |entry: &&AccountOf| {
        if scope.eq_ignore_ascii_case("all") {
            !entry.cid.is_global()
        } else {
            is_meant(entry, scope)
        }
    };
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
        }
    };
    after.entries.iter().filter(shown).map(row).collect()
}

fn report(before: &Accounts, after: &Accounts, scope: &str) -> Vec<String> {
    let mut rows = rows(before, after, scope);
    rows.push(Row {
        name: "TOTAL".to_owned(),
        cpu: rows.iter().map(|row| row.cpu).sum(),
        memory: rows.iter().map(|row| row.memory).sum(),
    });
    let width = rows
        .iter()
        .map(|row| row.name.len() + 2)
        .max()
        .unwrap_or(0)
        .max(CLASS_WIDTH);
    let header = format!(
        "{:>width$} {:>6} {:>6} {:>6}",
        "CLASS", "CPU", "MEM", "DKIO"
    );
    let line = |row: &Row| {
        format!(
            "{:>width$} {:>6.2} {:>6.2} {:>6.2}",
            row.name, row.cpu, row.memory, 0.0
        )
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
        };
        Accounts {
            now: Ticks(now),
            ticks_per_second: 1000,
            cpus: 1,
            idle: Ticks(0),
            total_pages: Pages(10_000),
            free_pages: Pages(0),
            entries: vec![entry(0), entry(1)],
        }
    }

    #[test]
    fn the_report_of_the_specification() {
        let lines = report(&accounts(1000, [7, 0]), &accounts(11_000, [7, 24]), "ALL");
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
    fn one_wpar_by_name_or_cid() {
        let (before, after) = (accounts(0, [0, 0]), accounts(10, [1, 2]));
        assert_eq!(rows(&before, &after, "2").len(), 1);
        assert_eq!(rows(&before, &after, "MySysWpar").len(), 1);
        assert_eq!(rows(&before, &after, "nobody").len(), 0);
    }
}
