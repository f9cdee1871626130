//! `ps`: processes, from the kernel's own list and not from `/proc`, so that one instant is shown.
//!
//! Without selection those of the own terminal. `-@` shows the WPAR of each, `-@ NAME` those of one. The option
//! letters are those of POSIX; words without a dash are taken for the letters of the other tradition
//! (`ps aux`).

use crate::arguments::{Arguments, Flag};
use crate::clock;
use crate::kernel_control::refused;
use crate::messages::{Level, Message};
use crate::session::{Failure, Outcome, Session};
use crate::users;
use abi::Cid;
use control::{ProcessState, ProcessStatus, Scope, WparName};
use std::collections::HashMap;
use std::ffi::OsString;
use std::io::Write;

const USAGE: &str =
    "[-Aefl] [-@ [NAME,...]] [-p PID,...] [-t TTY,...] [-u USER,...] [-o COLUMN,...]";

#[derive(Debug, Default)]
struct Options {
    everything: bool,
    full: bool,
    with_wpar: bool,
    wpars: Option<Vec<String>>,
    pids: Option<Vec<u32>>,
    terminals: Option<Vec<String>>,
    users: Option<Vec<String>>,
    columns: Vec<(Column, Option<String>)>,
    /// The other tradition's `aux` listing.
    aux: bool,
}

/// Runs the command.
pub fn main(words: Vec<OsString>) -> u8 {
    let mut session = Session::new("ps", Level::Warning);
    let outcome = parse(words).and_then(|options| run(&mut session, &options));
    session.finish(USAGE, outcome)
}

fn parse(words: Vec<OsString>) -> Result<Options, Failure> {
    let mut arguments = Arguments::new(words);
    let mut options = Options::default();
    while let Some(flag) = arguments.next_flag()? {
        let Flag::Short(letter) = flag else {
            return Err(Failure::Usage);
        };
        match letter {
            'A' | 'e' => options.everything = true,
            'a' | 'd' => options.everything = true,
            'f' | 'l' => options.full = true,
            'k' | 'w' | 'T' | 'L' => {}
            '@' => {
                options.with_wpar = true;
                let names = arguments.optional_word().map(|list| words_of(&list));
                options.wpars = names.or(options.wpars);
            }
            'p' => options.pids = Some(numbers_of(&arguments.text()?)?),
            't' => options.terminals = Some(words_of(&arguments.text()?)),
            'u' | 'U' => options.users = Some(words_of(&arguments.text()?)),
            'o' => options.columns.extend(columns_of(&arguments.text()?)?),
            _ => return Err(Failure::Usage),
        }
    }
    for word in arguments.names(0, usize::MAX)? {
        match word.as_str() {
            "a" | "x" | "ax" | "-" => options.everything = true,
            "aux" | "auxw" | "auxww" | "axu" => (options.everything, options.aux) = (true, true),
            _ => return Err(Failure::Usage),
        }
    }
    Ok(options)
}

fn words_of(list: &str) -> Vec<String> {
    list.split([',', ' '])
        .filter(|word| !word.is_empty())
        .map(str::to_owned)
        .collect()
}

fn numbers_of(list: &str) -> Result<Vec<u32>, Failure> {
    words_of(list)
        .iter()
        .map(|word| word.parse().map_err(|_| Failure::Usage))
        .collect()
}

/// A column; the order of `-o` is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Column {
    Wpar,
    Cid,
    User,
    Uid,
    Pid,
    Parent,
    Group,
    Session,
    Usage,
    Start,
    Terminal,
    Time,
    Elapsed,
    Command,
    Name,
    State,
    Nice,
    Threads,
    Resident,
    Virtual,
    CpuPercent,
    MemoryPercent,
}

impl Column {
    /// Names for `-o`, heading, width; negative widths are left-aligned.
    fn describe(self) -> (&'static [&'static str], &'static str, i32) {
        match self {
            Self::Wpar => (&["wpar"], "WPAR", 7),
            Self::Cid => (&["cid"], "CID", 5),
            Self::User => (&["user", "ruser", "euser"], "UID", 8),
            Self::Uid => (&["uid", "ruid", "euid"], "UID", 6),
            Self::Pid => (&["pid"], "PID", 6),
            Self::Parent => (&["ppid"], "PPID", 6),
            Self::Group => (&["pgid"], "PGID", 6),
            Self::Session => (&["sid", "sess"], "SID", 6),
            Self::Usage => (&["c"], "C", 3),
            Self::Start => (&["stime", "start", "start_time"], "STIME", 8),
            Self::Terminal => (&["tty", "tt", "tname"], "TTY", 6),
            Self::Time => (&["time", "cputime"], "TIME", 5),
            Self::Elapsed => (&["etime"], "ELAPSED", 11),
            Self::Command => (&["args", "cmd", "command"], "CMD", -3),
            Self::Name => (&["comm", "ucomm", "ucmd"], "CMD", -15),
            Self::State => (&["stat", "state", "s"], "S", 1),
            Self::Nice => (&["nice", "ni"], "NI", 3),
            Self::Threads => (&["thcount", "nlwp"], "THCNT", 5),
            Self::Resident => (&["rss", "rssize"], "RSS", 7),
            Self::Virtual => (&["vsz", "vsize"], "VSZ", 8),
            Self::CpuPercent => (&["pcpu", "%cpu"], "%CPU", 5),
            Self::MemoryPercent => (&["pmem", "%mem"], "%MEM", 5),
        }
    }

    const ALL: [Column; 22] = [
        Self::Wpar,
        Self::Cid,
        Self::User,
        Self::Uid,
        Self::Pid,
        Self::Parent,
        Self::Group,
        Self::Session,
        Self::Usage,
        Self::Start,
        Self::Terminal,
        Self::Time,
        Self::Elapsed,
        Self::Command,
        Self::Name,
        Self::State,
        Self::Nice,
        Self::Threads,
        Self::Resident,
        Self::Virtual,
        Self::CpuPercent,
        Self::MemoryPercent,
    ];
}

/// `pid,args` or `pid=,args=HEADING`.
fn columns_of(list: &str) -> Result<Vec<(Column, Option<String>)>, Failure> {
    let one = |word: &str| {
        let (name, heading) = word
            .split_once('=')
            .map_or((word, None), |(n, h)| (n, Some(h.to_owned())));
        let column = Column::ALL
            .into_iter()
            .find(|column| column.describe().0.contains(&name.to_lowercase().as_str()));
        column.map(|column| (column, heading)).ok_or(Failure::Usage)
    };
    words_of(list).iter().map(|word| one(word)).collect()
}

/// What the columns need besides the process.
struct View {
    wpars: HashMap<Cid, String>,
    users: HashMap<u32, String>,
    now: u64,
    memory_pages: u64,
}

fn run(session: &mut Session, options: &Options) -> Outcome {
    let processes = selected(session, options)?;
    let users = users::all(&session.path("/"));
    let view = View {
        wpars: wpar_names(session)?,
        users: users
            .into_iter()
            .rev()
            .map(|user| (user.uid, user.name))
            .collect(),
        now: clock::now(),
        memory_pages: if options.aux { memory_pages() } else { 0 },
    };
    let mut output = std::io::stdout().lock();
    for line in lines(&view, &processes, &chosen_columns(options)) {
        writeln!(output, "{line}").map_err(|_| Failure::Silent)?;
    }
    Ok(u8::from(processes.is_empty() && options.pids.is_some()))
}

/// Names of the environments that can be seen from here.
pub fn wpar_names(session: &mut Session) -> Result<HashMap<Cid, String>, Message> {
    let identity = session
        .kernel()
        .identity()
        .map_err(refused("tell who is asking"))?;
    let mut names = HashMap::from([(identity.cid, identity.name)]);
    if identity.cid.is_global() {
        let list = session
            .kernel()
            .list()
            .map_err(refused("list the workload partitions"))?;
        names.extend(
            list.into_iter()
                .map(|wpar| (wpar.handle.cid, wpar.name.to_string())),
        );
        names.insert(Cid::GLOBAL, WparName::GLOBAL.to_owned());
    }
    Ok(names)
}

fn selected(session: &mut Session, options: &Options) -> Result<Vec<ProcessStatus>, Message> {
    let told = refused("list the processes");
    let mut processes = match &options.wpars {
        None => session.kernel().processes(Scope::Own).map_err(told)?,
        Some(names) => {
            let known = wpar_names(session)?;
            let mut processes = Vec::new();
            for name in names {
                let is_meant =
                    |(cid, known): &(&Cid, &String)| *known == name || name.parse() == Ok(cid.0);
                let found = known.iter().find(is_meant);
                let (cid, _) = found.ok_or_else(|| Message::NoSuchWpar { name: name.clone() })?;
                processes.extend(
                    session
                        .kernel()
                        .processes(Scope::Wpar(*cid))
                        .map_err(&told)?,
                );
            }
            processes.sort_by_key(|process| process.pid);
            processes
        }
    };
    let me = std::process::id();
    let own_terminal = processes
        .iter()
        .find(|p| p.pid.0 == me)
        .and_then(|p| p.terminal.clone());
    let by_user = |names: &Vec<String>, uid: u32, users: &HashMap<u32, String>| {
        names
            .iter()
            .any(|name| name.parse() == Ok(uid) || users.get(&uid) == Some(name))
    };
    let users: HashMap<u32, String> = users::all(&session.path("/"))
        .into_iter()
        .map(|u| (u.uid, u.name))
        .collect();
    let restricted =
        options.pids.is_some() || options.terminals.is_some() || options.users.is_some();
    let by_list = |process: &ProcessStatus| {
        options
            .pids
            .as_ref()
            .is_some_and(|pids| pids.contains(&process.pid.0))
            || options
                .users
                .as_ref()
                .is_some_and(|names| by_user(names, process.uid, &users))
            || options.terminals.as_ref().is_some_and(|names| {
                let own = process.terminal.as_deref().unwrap_or("-");
                names
                    .iter()
                    .any(|name| name.trim_start_matches("/dev/") == own)
            })
    };
    processes.retain(|process| {
        if options.everything || (options.wpars.is_some() && !restricted) {
            true
        } else if restricted {
            by_list(process)
        } else {
            process.pid.0 == me || (own_terminal.is_some() && process.terminal == own_terminal)
        }
    });
    Ok(processes)
}

fn chosen_columns(options: &Options) -> Vec<(Column, Option<String>)> {
    use Column::{
        Command, CpuPercent, MemoryPercent, Name, Parent, Pid, Resident, Start, State, Terminal,
        Time, Usage, User, Virtual, Wpar,
    };
    if !options.columns.is_empty() {
        return options.columns.clone();
    }
    let columns: &[Column] = if options.aux {
        &[
            User,
            Pid,
            CpuPercent,
            MemoryPercent,
            Virtual,
            Resident,
            Terminal,
            State,
            Start,
            Time,
            Command,
        ]
    } else if options.full {
        &[User, Pid, Parent, Usage, Start, Terminal, Time, Command]
    } else {
        &[Pid, Terminal, Time, Name]
    };
    let wpar = options.with_wpar.then_some(Wpar);
    wpar.into_iter()
        .chain(columns.iter().copied())
        .map(|column| (column, None))
        .collect()
}

fn lines(
    view: &View,
    processes: &[ProcessStatus],
    columns: &[(Column, Option<String>)],
) -> Vec<String> {
    let rows: Vec<Vec<String>> = processes
        .iter()
        .map(|process| {
            columns
                .iter()
                .map(|(column, _)| cell(view, process, *column))
                .collect()
        })
        .collect();
    let heading = |(column, given): &(Column, Option<String>)| {
        given
            .clone()
            .unwrap_or_else(|| column.describe().1.to_owned())
    };
    let headings: Vec<String> = columns.iter().map(heading).collect();
    let width = |at: usize, column: Column| {
        let least = column.describe().2;
        let cells = rows
            .iter()
            .chain([&headings])
            .filter_map(|row| row.get(at))
            .map(|cell| cell.chars().count());
        let widest = cells.max().unwrap_or(0).max(least.unsigned_abs() as usize);
        (widest, least < 0)
    };
    let widths: Vec<(usize, bool)> = columns
        .iter()
        .enumerate()
        .map(|(at, (column, _))| width(at, *column))
        .collect();
    let line = |row: &Vec<String>| {
        let last = row.len().saturating_sub(1);
        let cells =
            row.iter()
                .zip(&widths)
                .enumerate()
                .map(|(at, (cell, (width, left)))| match left {
                    true if at == last => cell.clone(),
                    true => format!("{cell:<width$}"),
                    false => format!("{cell:>width$}"),
                });
        cells.collect::<Vec<_>>().join(" ")
    };
    // `-o pid=` has no header at all when no column has a heading.
    let header = headings
        .iter()
        .any(|heading| !heading.is_empty())
        .then(|| line(&headings));
    header.into_iter().chain(rows.iter().map(line)).collect()
}

fn cell(view: &View, process: &ProcessStatus, column: Column) -> String {
    let age = view.now.saturating_sub(process.started.0);
    match column {
        Column::Wpar => view
            .wpars
            .get(&process.cid)
            .cloned()
            .unwrap_or_else(|| "-".to_owned()),
        Column::Cid => process.cid.to_string(),
        Column::User => view
            .users
            .get(&process.uid)
            .cloned()
            .unwrap_or_else(|| user_name(process.uid)),
        Column::Uid => process.uid.to_string(),
        Column::Pid => process.pid.to_string(),
        Column::Parent => process.parent.to_string(),
        Column::Group => process.group.to_string(),
        Column::Session => process.session.to_string(),
        Column::Usage => (percent(process.cpu_time.0, age) as u64)
            .min(99)
            .to_string(),
        Column::Start => clock::start_time(process.started.0, view.now),
        Column::Terminal => process.terminal.clone().unwrap_or_else(|| "-".to_owned()),
        Column::Time => clock::minutes(process.cpu_time.0),
        Column::Elapsed => clock::elapsed(age),
        Column::Command => command_line(process),
        Column::Name => printable(&process.name),
        Column::State => process.state.letter().to_string(),
        Column::Nice => process.nice.to_string(),
        Column::Threads => process.threads.to_string(),
        Column::Resident => (process.resident.0 * (abi::PAGE_SIZE as u64) / 1024).to_string(),
        Column::Virtual => (process.virtual_bytes / 1024).to_string(),
        Column::CpuPercent => format!("{:.1}", percent(process.cpu_time.0, age)),
        Column::MemoryPercent => format!("{:.1}", percent(process.resident.0, view.memory_pages)),
    }
}

fn percent(part: u64, whole: u64) -> f64 {
    if whole == 0 {
        0.0
    } else {
        part as f64 * 100.0 / whole as f64
    }
}

fn user_name(uid: u32) -> String {
    if uid == 0 {
        "root".to_owned()
    } else {
        uid.to_string()
    }
}

fn command_line(process: &ProcessStatus) -> String {
    if process.state == ProcessState::Zombie {
        return "<defunct>".to_owned();
    }
    if process.arguments.is_empty() {
        format!("[{}]", printable(&process.name))
    } else {
        printable(&process.arguments.join(" "))
    }
}

/// One line, whatever a program calls itself.
fn printable(text: &str) -> String {
    text.chars()
        .map(|c| if c.is_control() { '?' } else { c })
        .collect::<String>()
        .trim_end()
        .to_owned()
}

fn memory_pages() -> u64 {
    let info = std::fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let kilobytes = info.lines().find_map(|line| {
        line.strip_prefix("MemTotal:")?
            .split_whitespace()
            .next()?
            .parse()
            .ok()
    });
    kilobytes.unwrap_or(0u64) * 1024 / abi::PAGE_SIZE as u64
}

#[cfg(test)]
mod tests {
    use super::*;
    use abi::{Nanos, Pages, Pid};
    use std::collections::HashSet;

    const SECOND: u64 = 1_000_000_000;
    const NOW: u64 = 1_214_865_168 * SECOND;

    fn process(
        pid: u32,
        parent: u32,
        cid: u16,
        uid: u32,
        terminal: Option<&str>,
        args: &str,
    ) -> ProcessStatus {
        ProcessStatus {
            pid: Pid(pid),
            parent,
            group: 0,
            session: 0,
            cid: Cid(cid),
            uid,
            state: ProcessState::Sleeping,
            terminal: terminal.map(str::to_owned),
            started: Nanos(NOW - 3600 * SECOND),
            cpu_time: Nanos(0),
            nice: 0,
            threads: 1,
            resident: Pages(1),
            virtual_bytes: 4096,
            name: "x".to_owned(),
            arguments: args.split(' ').map(str::to_owned).collect(),
        }
    }

    fn view() -> View {
        let wpars = [(0, "Global"), (3, "skippy")].map(|(cid, name)| (Cid(cid), name.to_owned()));
        let users = [(0, "root"), (1, "daemon")].map(|(uid, name)| (uid, name.to_owned()));
        View {
            wpars: wpars.into(),
            users: users.into(),
            now: NOW,
            memory_pages: 0,
        }
    }

    fn parsed(line: &str) -> Options {
        parse(line.split_whitespace().map(OsString::from).collect()).expect("options")
    }

    #[test]
    fn full_listing_as_specified() {
        let list = [
            process(90230, 393_464, 3, 0, None, "telnetd -a"),
            process(438_362, 282_712, 3, 1, Some("pts/0"), "/usr/sbin/rpc.statd"),
        ];
        assert_eq!(
            lines(&view(), &list, &chosen_columns(&parsed("-ef"))),
            [
                "     UID    PID   PPID   C    STIME    TTY  TIME CMD",
                "    root  90230 393464   0 21:32:48      -  0:00 telnetd -a",
                "  daemon 438362 282712   0 21:32:48  pts/0  0:00 /usr/sbin/rpc.statd",
            ]
        );
    }

    #[test]
    fn listing_with_wpars_as_specified() {
        let list = [
            process(1, 0, 0, 0, None, "/etc/init"),
            process(90258, 282_712, 3, 0, None, "/usr/sbin/lpd"),
        ];
        assert_eq!(
            lines(&view(), &list, &chosen_columns(&parsed("-ef -@"))),
            [
                "   WPAR      UID    PID   PPID   C    STIME    TTY  TIME CMD",
                " Global     root      1      0   0 21:32:48      -  0:00 /etc/init",
                " skippy     root  90258 282712   0 21:32:48      -  0:00 /usr/sbin/lpd",
            ]
        );
    }

    #[test]
    fn columns_and_headings_of_ones_own() {
        let list = [process(7, 1, 0, 0, None, "a b")];
        assert_eq!(
            lines(&view(), &list, &chosen_columns(&parsed("-o pid=,args="))),
            ["     7 a b"]
        );
        assert_eq!(
            lines(&view(), &list, &chosen_columns(&parsed("-o args"))),
            ["CMD", "a b"]
        );
        assert!(parse(vec!["-o".into(), "colour".into()]).is_err());
    }

    #[test]
    fn selections() {
        assert_eq!(parsed("-ef -@ alpha,beta").wpars.map(|w| w.len()), Some(2));
        assert!(parsed("aux").aux && parsed("aux").everything);
        assert!(parse(vec!["-Q".into()]).is_err());
        let distinct: HashSet<&str> = Column::ALL
            .iter()
            .flat_map(|c| c.describe().0.iter().copied())
            .collect();
        assert_eq!(
            distinct.len(),
            Column::ALL
                .iter()
                .map(|c| c.describe().0.len())
                .sum::<usize>()
        );
    }
}
