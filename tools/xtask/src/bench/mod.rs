//! `cargo xtask bench`: figures of Corral, and with `--peer` of Linux on the same machine.
//!
//! Both systems get the same RAM disk with the same static programs. Boots alternate, so that what else the host does
//! meets both. A run that has not come to the end of its plan fails the command: there are no figures of half a run.

mod figures;
mod goals;

use crate::compile::Checks;
use crate::workspace::Workspace;
use crate::{compile, debian, packages, ramdisk::RamDisk, tree};
use ::tests::Needs;
use anyhow::{Context, Result, bail};
use clap::Args;
use figures::{Figures, Values};
use goals::{ALIASES, Better, Bound, GOALS, Goal, SUITES, Suite};
use qemu::{Event, Guest, Machine};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// How long one boot may take with everything in it.
const LIMIT: Duration = Duration::from_secs(900);
/// What the first process says at its start and at its end.
const FIRST: &str = "FIRST_PROGRAM";
const DONE: &str = "PLAN_DONE";
/// The two systems.
const OWN: &str = "corral";
const PEER: &str = "linux";
/// What the systems mount on, where Corral's partitions would be, and the root of Linux's containers.
const FOLDERS: &[&str] = &["dev", "proc", "sys", "tmp", "wpars", "croot", "croot/proc"];

/// What to measure, and how often.
#[derive(Args)]
pub struct Options {
    /// Suites; all of them by default. `sched`, `abi` and `partitions` are several
    suites: Vec<String>,
    /// Run the same on Debian's Linux, and print ratios
    #[arg(long)]
    peer: bool,
    /// Boots of each system
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..))]
    boots: u32,
    /// Repetitions of each figure in a boot
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..))]
    repeat: u32,
    /// Least time of one repetition
    #[arg(long, value_name = "MILLISECONDS", default_value_t = 50)]
    time: u32,
    /// CPUs
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
    smp: u32,
    /// Leave out the boot of each system that counts instructions
    #[arg(long)]
    no_count: bool,
}

/// One of the two systems.
struct System {
    name: &'static str,
    machine: Machine,
    /// By the clock, all boots together.
    timed: Figures,
    /// From the boot in which an instruction is a nanosecond.
    counted: Figures,
}

/// Measures, prints the table and saves the figures.
pub fn run(workspace: &Workspace, options: &Options) -> Result<u8> {
    let suites = chosen(&options.suites)?;
    packages::ensure(packages::BUILD)?;
    let folder = workspace.folder("bench")?;
    let programs = compile::peer_programs(workspace)?;
    // What packages bring would count as memory and time of a boot.
    let (plain, packaged): (Vec<_>, Vec<_>) = suites
        .into_iter()
        .partition(|suite| suite.packages.is_empty());
    let mut systems = Vec::new();
    for suites in [plain, packaged] {
        if suites.is_empty() {
            continue;
        }
        let plan = Plan {
            programs: &programs,
            suites,
            folder: &folder,
        };
        merge(&mut systems, boots(workspace, options, &plan)?);
    }
    print(&systems);
    let file = workspace.target.join("bench.json");
    fs::write(&file, serde_json::to_string_pretty(&saved(&systems))?)
        .with_context(|| format!("cannot write {}", file.display()))?;
    println!("\nall figures: {}", file.display());
    Ok(0)
}

/// Takes the figures of other boots to those that there are.
fn merge(systems: &mut Vec<System>, others: Vec<System>) {
    for other in others {
        match systems.iter_mut().find(|system| system.name == other.name) {
            None => systems.push(other),
            Some(system) => {
                system.timed.merge(other.timed);
                system.counted.merge(other.counted);
            }
        }
    }
}

/// All boots of a plan.
fn boots(workspace: &Workspace, options: &Options, plan: &Plan<'_>) -> Result<Vec<System>> {
    let folder = plan.folder;
    let mut systems = systems(workspace, options, plan)?;
    for boot in 1..=options.boots {
        for system in &mut systems {
            eprintln!("{}, boot {boot} (host load {})", system.name, load());
            let mut figures = measure(&system.machine, &folder.join(system.name))?;
            if !plan.packages().is_empty() {
                figures.0.retain(|name, _| !name.starts_with("boot_"));
            }
            system.timed.merge(figures);
        }
    }
    if !options.no_count && plan.packages().is_empty() {
        for system in &mut systems {
            eprintln!("{}, counting instructions", system.name);
            let machine = Machine {
                ramdisk: Some(plan.counting(system.name)?),
                counted: true,
                ..system.machine.clone()
            };
            system.counted = measure(&machine, &folder.join(system.name))?;
        }
    }
    Ok(systems)
}

fn chosen(names: &[String]) -> Result<Vec<&'static Suite>> {
    if names.is_empty() {
        return Ok(SUITES.iter().collect());
    }
    let mut suites = Vec::new();
    for name in names {
        let alias = ALIASES.iter().find(|(alias, _)| alias == name);
        let members = alias.map_or_else(|| vec![name.as_str()], |(_, members)| members.to_vec());
        for member in members {
            let suite = SUITES.iter().find(|suite| suite.name == member);
            suites.push(suite.with_context(|| {
                let known = SUITES.iter().map(|suite| suite.name);
                let known: Vec<&str> = known.chain(ALIASES.iter().map(|alias| alias.0)).collect();
                format!("there is no suite {name}, but {}", known.join(" "))
            })?);
        }
    }
    Ok(suites)
}

/// What is to be done in a boot.
struct Plan<'a> {
    programs: &'a [(String, PathBuf)],
    suites: Vec<&'static Suite>,
    folder: &'a Path,
}

impl Plan<'_> {
    /// Debian's packages that it needs.
    fn packages(&self) -> Vec<String> {
        let all = self.suites.iter().flat_map(|suite| suite.packages);
        let names: BTreeSet<&str> = all.copied().collect();
        names.into_iter().map(str::to_owned).collect()
    }

    /// The RAM disk of a boot by the clock.
    fn timed(&self, workspace: &Workspace, system: &str, options: &Options) -> Result<PathBuf> {
        let archive = self.folder.join(format!("{system}.cpio"));
        let settings = settings(options.repeat, options.time);
        let mut disk = self.disk(system, &settings, |_| true)?;
        let packages = self.packages();
        if !packages.is_empty() {
            tree::put_into(
                workspace,
                &mut disk,
                &Needs {
                    packages,
                    ..Needs::default()
                },
            )?;
            disk.text("/b/hello.c", HELLO)?;
            disk.text("/b/sqlite_insert.in", &inserts(10_000))?;
        }
        disk.write(&archive)?;
        Ok(archive)
    }

    /// The RAM disk of a boot in which instructions are counted: once is enough, as it comes out the same each time.
    fn counting(&self, system: &str) -> Result<PathBuf> {
        let archive = self.folder.join(format!("{system}-counting.cpio"));
        self.disk(system, &settings(1, 10), |suite| suite.is_counted)?
            .write(&archive)?;
        Ok(archive)
    }

    fn disk(&self, system: &str, settings: &str, wanted: fn(&Suite) -> bool) -> Result<RamDisk> {
        let mut disk = RamDisk::bare(FOLDERS);
        for (name, program) in self.programs {
            disk.add(program, &format!("/b/{name}"))?;
            if name.starts_with("tiny_") {
                disk.add(program, &format!("/croot/b/{name}"))?;
            }
            if name == "first" {
                disk.add(program, "/init")?;
            }
        }
        if self.packages().is_empty() {
            for (library, place) in compile::LIBRARIES {
                disk.add(Path::new(library), place)?;
            }
        }
        let suites = self.suites.iter().filter(|suite| wanted(suite));
        let suites = suites.filter(|suite| suite.has_peer || system != PEER);
        let mut plan =
            String::from("PATH=/usr/bin\nHOME=/tmp\nPB_BW_MB=1\nPB_REPS=1\nPB_MIN_MS=1\nwarm\n");
        let lines = |suite: &&Suite| [suite.plan, "\n"];
        let warmed = suites.clone().filter(|suite| suite.is_warmed);
        plan.extend(warmed.flat_map(lines));
        plan.push_str(&format!("measure\nPB_BW_MB=8\n{settings}"));
        plan.extend(suites.flat_map(lines));
        disk.text("/b/plan", &plan)?;
        Ok(disk)
    }
}

/// What the programs take from their environment.
fn settings(repeat: u32, time: u32) -> String {
    format!("PB_REPS={repeat}\nPB_MIN_MS={time}\n")
}

/// The RAM disk of a boot in which each figure of some suites is measured once, in a short time, and marked for
/// [`crate::profile`].
pub fn marked(workspace: &Workspace, suites: &[String], folder: &Path) -> Result<RamDisk> {
    let plan = Plan {
        programs: &compile::peer_programs(workspace)?,
        suites: chosen(suites)?,
        folder,
    };
    if let Some(suite) = plan.suites.iter().find(|suite| !suite.is_counted) {
        bail!("suite {} is about the passing of time", suite.name);
    }
    let settings = settings(1, 10) + "PB_PROFILE=1\n";
    plan.disk(OWN, &settings, |_| true)
}

/// What the compiler gets.
const HELLO: &str = "#include <stdio.h>\nint main(void) { puts(\"hello\"); return 0; }\n";

/// What the database gets: as many rows in one transaction, into a table that is made anew.
fn inserts(rows: u32) -> String {
    let row = |number| format!("insert into rows values ({number}, 'row {number}');\n");
    let rows: String = (0..rows).map(row).collect();
    format!(
        "drop table if exists rows;\n\
         create table rows (number integer primary key, text text);\n\
         begin;\n{rows}commit;\n"
    )
}

fn systems(workspace: &Workspace, options: &Options, plan: &Plan<'_>) -> Result<Vec<System>> {
    let memory = if plan.packages().is_empty() {
        "1G"
    } else {
        "2G"
    };
    let system = |name, kernel: &Path, append: &str| -> Result<System> {
        Ok(System {
            name,
            machine: Machine {
                append: append.to_owned(),
                smp: options.smp,
                memory: memory.to_owned(),
                ..Machine::new(kernel, &plan.timed(workspace, name, options)?)
            },
            timed: Figures::default(),
            counted: Figures::default(),
        })
    };
    let mut systems = vec![system(
        OWN,
        &compile::kernel(workspace, Checks::Off)?,
        "init=/init",
    )?];
    if options.peer {
        let append = "console=hvc0 quiet mitigations=off";
        systems.push(system(PEER, &debian::linux(workspace)?, append)?);
    }
    Ok(systems)
}

/// One boot from start to end.
fn measure(machine: &Machine, folder: &Path) -> Result<Figures> {
    let mut figures = Figures::default();
    let start = Instant::now();
    let deadline = start + LIMIT;
    let mut guest = Guest::start(machine, folder)?;
    let (mut line, mut said, mut done) = (Vec::new(), String::new(), false);
    while let Event::Output(bytes) = guest.next(deadline) {
        for byte in bytes {
            if byte != b'\n' {
                line.push(byte);
                continue;
            }
            let text = String::from_utf8_lossy(&line).trim().to_owned();
            line.clear();
            if text == FIRST {
                let milliseconds = start.elapsed().as_secs_f64() * 1e3;
                figures.add("boot_first_program", "ms", milliseconds);
            }
            done |= text == DONE;
            if text.starts_with('!') {
                bail!("a program failed: {text}");
            }
            figures.line(&text);
            said.push_str(&text);
            said.push('\n');
        }
    }
    let outcome = guest.finish(deadline)?;
    fs::write(folder.join("console"), &said)?;
    if !done {
        bail!(
            "the plan was not done ({outcome}); the console is in {}",
            folder.display()
        );
    }
    // What the firmware and the kernel's image hold counts, so it is the whole machine less what is free.
    let free = figures.median("boot_MemFree").context("no free memory")?;
    figures.add("boot_memory_used", "KiB", 1_048_576.0 - free);
    Ok(figures)
}

fn load() -> String {
    let text = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split(' ').next().unwrap_or("unknown").to_owned()
}

/// How many times Linux's cost Corral's is.
fn ratio(goal: &Goal, corral: Option<f64>, linux: Option<f64>) -> Option<f64> {
    let (corral, linux) = (corral?, linux?);
    Some(match goal.better {
        Better::Less => corral / linux,
        Better::More => linux / corral,
    })
}

fn print(systems: &[System]) {
    println!(
        "{:<44} {:>4}  {:>34}  {:>34} {:>6} {:>6} {:>6}  verdict",
        "figure", "unit", "corral: median (least..largest)", "linux", "ratio", "goal", "icount"
    );
    let named = |name: &str| systems.iter().find(|system| system.name == name);
    let (corral, linux) = (named(OWN), named(PEER));
    // Without a second CPU the programs run on one, and what they call two would be a lie.
    let alone = corral.is_none_or(|system| system.machine.smp < 2);
    for goal in GOALS
        .iter()
        .filter(|goal| !(alone && goal.figure.ends_with("_2cpu")))
    {
        let Some(own) = corral.and_then(|system| system.timed.0.get(goal.figure)) else {
            continue;
        };
        let other = linux.and_then(|system| system.timed.0.get(goal.figure));
        let median = |system: Option<&System>| system?.timed.median(goal.figure);
        let counted = |system: Option<&System>| system?.counted.median(goal.figure);
        let measured = ratio(goal, median(corral), median(linux));
        let exact = ratio(goal, counted(corral), counted(linux));
        let (decisive, bound) = match goal.bound {
            Bound::Ratio(most) => (measured, most),
            Bound::Value(most) => (median(corral), most),
            Bound::Cpus(one, several) => (median(corral), if alone { one } else { several }),
            Bound::Told => (None, f64::NAN),
        };
        let verdict = match decisive {
            None => "",
            Some(cost) if cost <= bound => "met",
            Some(_) => "missed",
        };
        let bound = match goal.bound {
            Bound::Ratio(_) => format!("{bound:.2}x"),
            Bound::Value(_) | Bound::Cpus(..) => format!("{bound}"),
            Bound::Told => "-".to_owned(),
        };
        let short =
            |number: Option<f64>| number.map_or("-".to_owned(), |ratio| format!("{ratio:.2}"));
        println!(
            "{:<44} {:>4}  {:>34}  {:>34} {:>6} {:>6} {:>6}  {verdict}",
            goal.sentence,
            own.unit,
            spread(Some(own)),
            spread(other),
            short(measured),
            bound,
            short(exact),
        );
    }
}

fn spread(values: Option<&Values>) -> String {
    values
        .and_then(Values::spread)
        .map_or("-".to_owned(), |(least, median, largest)| {
            // Three digits that mean something.
            let places = match largest.abs() {
                ..1.0 => 4,
                ..10.0 => 2,
                _ => 0,
            };
            format!("{median:.places$} ({least:.places$}..{largest:.places$})")
        })
}

fn saved(systems: &[System]) -> Value {
    let all = |figures: &Figures| -> Value {
        figures
            .0
            .iter()
            .map(|(name, values)| {
                let value = json!({ "unit": values.unit, "values": values.values });
                (name.clone(), value)
            })
            .collect::<serde_json::Map<_, _>>()
            .into()
    };
    systems
        .iter()
        .map(|system| {
            let value = json!({ "timed": all(&system.timed), "counted": all(&system.counted) });
            (system.name.to_owned(), value)
        })
        .collect::<serde_json::Map<_, _>>()
        .into()
}
