//! What is shown: two readings of the accounts as lines of text.

use crate::messages::Message;
use abi::{Pages, Ticks};
use control::{AccountOf, Accounts};

/// The readings between which the view looks.
pub struct View {
    before: Accounts,
    after: Accounts,
    only: Option<String>,
}

/// One environment, in percent of all CPUs and of all memory.
struct Row<'a> {
    entry: &'a AccountOf,
    user: f64,
    system: f64,
    memory: f64,
}

impl Row<'_> {
    fn cpu(&self) -> f64 {
        self.user + self.system
    }
}

impl View {
    /// A view of everybody, or of one by name or cid.
    pub fn begin(now: Accounts, only: Option<&str>) -> Result<Self, Message> {
        let view = Self {
            before: now.clone(),
            after: now,
            only: only.map(str::to_owned),
        };
        match only {
            Some(name) if !view.after.entries.iter().any(|entry| view.shows(entry)) => {
                Err(Message::NoSuchWpar {
                    name: name.to_owned(),
                })
            }
            _ => Ok(view),
        }
    }

    /// A new reading.
    pub fn advance(&mut self, now: Accounts) {
        self.before = std::mem::replace(&mut self.after, now);
    }

    fn shows(&self, entry: &AccountOf) -> bool {
        self.only
            .as_ref()
            .is_none_or(|only| entry.name == *only || only.parse() == Ok(entry.cid.0))
    }

    fn rows(&self) -> Vec<Row<'_>> {
        let shown = self.after.entries.iter().filter(|entry| self.shows(entry));
        let mut rows: Vec<_> = shown.map(|entry| self.row(entry)).collect();
        // The busiest first; Global among them.
        rows.sort_by(|one, other| {
            let busy = other.cpu().total_cmp(&one.cpu());
            busy.then(other.memory.total_cmp(&one.memory))
                .then(one.entry.cid.cmp(&other.entry.cid))
        });
        rows
    }

    fn row<'a>(&self, entry: &'a AccountOf) -> Row<'a> {
        // A cid that was given to another WPAR meanwhile began from nothing.
        let earlier = self
            .before
            .entries
            .iter()
            .find(|e| e.cid == entry.cid && e.since == entry.since);
        let part = |now: Ticks, before: fn(&AccountOf) -> Ticks| {
            let before = earlier.map_or(Ticks(0), before);
            percent(now.saturating_sub(before), self.span())
        };
        Row {
            entry,
            user: part(entry.user, |e| e.user),
            system: part(entry.system, |e| e.system),
            memory: share(entry.pages, self.after.total_pages),
        }
    }

    fn span(&self) -> f64 {
        self.after.now.saturating_sub(self.before.now).0 as f64 * f64::from(self.after.cpus.max(1))
    }

    /// At most so many lines of at most so many columns.
    pub fn lines(&self, rows: usize, columns: usize) -> Vec<String> {
        let Accounts {
            cpus,
            total_pages,
            free_pages,
            ..
        } = self.after;
        let idle = self.after.idle.saturating_sub(self.before.idle);
        let global = self.after.entries.iter().find(|e| e.cid.is_global());
        let load = global.map_or([0; 3], |global| global.load);
        let [one, five, fifteen] = load.map(|load| format!("{}.{:02}", load / 100, load % 100));
        let mut lines = vec![
            format!(
                "CPUs {cpus}   idle {:.2}%   load {one} {five} {fifteen}   q ends",
                percent(idle, self.span())
            ),
            format!(
                "Memory {} MB   free {} MB",
                megabytes(total_pages),
                megabytes(free_pages)
            ),
            String::new(),
            format!(
                "{:<18}{:>7}{:>7}{:>7}{:>7}{:>7}{:>7}{:>7}{:>6}{:>6}",
                "NAME", "CPU%", "USER%", "KERN%", "MEM%", "ANON", "FILE", "KERNEL", "PROC", "THRD"
            ),
        ];
        let room = rows.saturating_sub(lines.len());
        lines.extend(self.rows().iter().take(room).map(line));
        lines.truncate(rows);
        for line in &mut lines {
            *line = line.chars().take(columns).collect();
        }
        lines
    }
}

/// Memory in megabytes by what it holds; the kernel's with the translation tables.
fn line(row: &Row<'_>) -> String {
    let AccountOf {
        name,
        by_kind,
        processes,
        threads,
        ..
    } = row.entry;
    let name: String = name.chars().take(17).collect();
    let kernel = Pages(by_kind.kernel.0 + by_kind.tables.0 + by_kind.device.0);
    format!(
        "{name:<18}{:>7.2}{:>7.2}{:>7.2}{:>7.2}{:>7}{:>7}{:>7}{processes:>6}{threads:>6}",
        row.cpu(),
        row.user,
        row.system,
        row.memory,
        megabytes(by_kind.anonymous),
        megabytes(by_kind.file),
        megabytes(kernel),
    )
}

fn megabytes(pages: Pages) -> u64 {
    (pages.0 * abi::PAGE_SIZE as u64) >> 20
}

fn percent(part: Ticks, whole: f64) -> f64 {
    if whole > 0.0 {
        part.0 as f64 * 100.0 / whole
    } else {
        0.0
    }
}

fn share(part: Pages, whole: Pages) -> f64 {
    percent(Ticks(part.0), whole.0 as f64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use abi::Cid;
    use control::PagesByKind;

    fn accounts(now: u64, used: [u64; 2]) -> Accounts {
        let entry = |at: usize| AccountOf {
            cid: Cid(at as u16),
            name: ["Global", "a-name-of-twenty-five-chars"][at].to_owned(),
            user: Ticks(used[at]),
            system: Ticks(used[at] / 2),
            since: Ticks(0),
            pages: Pages(1024),
            by_kind: PagesByKind {
                anonymous: Pages(512),
                tables: Pages(512),
                ..PagesByKind::default()
            },
            processes: 3,
            threads: 4,
            load: [7, 123, 0],
        };
        Accounts {
            now: Ticks(now),
            ticks_per_second: 1000,
            cpus: 2,
            idle: Ticks(now),
            gone: Ticks(0),
            total_pages: Pages(10_240),
            free_pages: Pages(256),
            entries: vec![entry(0), entry(1)],
        }
    }

    #[test]
    fn the_busiest_first() {
        let mut view = View::begin(accounts(0, [0, 0]), None).expect("there");
        view.advance(accounts(1000, [0, 400]));
        assert_eq!(
            view.lines(24, 80),
            [
                "CPUs 2   idle 50.00%   load 0.07 1.23 0.00   q ends",
                "Memory 40 MB   free 1 MB",
                "",
                "NAME                 CPU%  USER%  KERN%   MEM%   ANON   FILE KERNEL  PROC  THRD",
                "a-name-of-twenty-   30.00  20.00  10.00  10.00      2      0      2     3     4",
                "Global               0.00   0.00   0.00  10.00      2      0      2     3     4",
            ]
        );
    }

    #[test]
    fn it_fits_the_screen() {
        let view = View::begin(accounts(0, [0, 0]), None).expect("there");
        for (rows, columns) in [(0, 0), (1, 5), (4, 80), (5, 40), (24, 80)] {
            let lines = view.lines(rows, columns);
            assert!(lines.len() <= rows);
            assert!(lines.iter().all(|line| line.chars().count() <= columns));
        }
    }

    #[test]
    fn one_of_them_or_nobody() {
        let view = View::begin(accounts(0, [0, 0]), Some("1")).expect("there");
        assert_eq!(view.lines(24, 80).len(), 5);
        assert!(View::begin(accounts(0, [0, 0]), Some("nobody")).is_err());
    }
}
