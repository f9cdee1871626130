//! `cargo xtask fuzz`: sessions of the fuzzer of system calls, and what a failure comes down to.
//!
//! A session is one boot that runs `fuzz session` of `tests/programs`: four partitions full of programs that make any call, a
//! fifth that must not notice. The guest prints the number of each sequence before it begins. When the kernel dies or hangs,
//! or something differs afterwards, the last sequences of each partition are the suspects: each is run again in a machine of
//! its own, and of the one that fails again first the calls are halved as long as it fails, then kinds of calls are left out.

use crate::compile::Checks;
use crate::ramdisk::RamDisk;
use crate::workspace::Workspace;
use crate::{compile, image};
use anyhow::{Context, Result};
use clap::Args;
use qemu::{Event, Guest, Machine, Outcome};
use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::process;
use std::time::{Duration, Instant};

/// Calls that one thread of a sequence makes at most (`CALLS` of the fuzzer).
const CALLS: usize = 400;

/// How many of the latest sequences of each partition are suspects.
const SUSPECTS: usize = 3;

/// How often one suspect is run again before it is taken for innocent.
const TRIES: usize = 3;

/// How long a machine may say nothing.
const SILENCE: Duration = Duration::from_secs(60);

/// How long a session may take.
const LONGEST: Duration = Duration::from_secs(3600);

/// What to fuzz.
#[derive(Args)]
pub struct Options {
    /// The seed of the first session
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
    /// Calls of a session
    #[arg(long, value_name = "N", default_value_t = 1_000_000)]
    calls: u64,
    /// Sessions with ascending seeds, one after another, for so long
    #[arg(long, value_name = "M")]
    minutes: Option<u64>,
    /// CPUs
    #[arg(long, value_name = "N", default_value_t = 2, value_parser = clap::value_parser!(u32).range(1..))]
    smp: u32,
    /// Only report a failure, and do not look for the calls that it takes
    #[arg(long)]
    no_shrink: bool,
    /// A kernel that checks its debug assertions, among them the order of locks
    #[arg(long)]
    debug: bool,
    /// An instruction takes a nanosecond: slower, and a session is the same again
    #[arg(long)]
    counted: bool,
}

/// A machine to be, and what it has in its RAM disk.
struct Bench<'a> {
    kernel: PathBuf,
    disk: RamDisk,
    folder: PathBuf,
    options: &'a Options,
    workspace: &'a Workspace,
}

/// How a session has gone.
struct Told {
    outcome: Outcome,
    lines: Vec<String>,
}

/// One sequence, or a part of it.
#[derive(Clone)]
struct Suspect {
    seed: u64,
    number: u64,
    places: Range<usize>,
    without: BTreeSet<u16>,
}

/// Runs sessions; the exit status tells whether all went well.
pub fn run(workspace: &Workspace, options: &Options) -> Result<u8> {
    let checks = if options.debug {
        Checks::On
    } else {
        Checks::Off
    };
    let image::Image { kernel, mut disk } = image::build(workspace, checks)?;
    let (name, program) = compile::fuzzer(workspace)?;
    disk.test_program(&name, &program)?;
    let folder = workspace.folder(&format!("fuzz/{}", process::id()))?;
    let bench = Bench {
        kernel,
        disk,
        folder,
        options,
        workspace,
    };
    let until = Instant::now() + Duration::from_secs(60 * options.minutes.unwrap_or(0));
    let mut seed = options.seed;
    let status = loop {
        let status = bench.session(seed)?;
        seed += 1;
        if status != 0 || Instant::now() >= until {
            break status;
        }
    };
    fs::remove_dir_all(&bench.folder)
        .with_context(|| format!("cannot remove {}", bench.folder.display()))?;
    Ok(status)
}

impl Bench<'_> {
    /// One session; when it fails, what it takes.
    fn session(&self, seed: u64) -> Result<u8> {
        let begin = Instant::now();
        let told = self.boot(&format!("--seed {seed} --calls {}", self.options.calls))?;
        let seconds = begin.elapsed().as_secs_f32();
        for line in &told.lines {
            if line.contains(": made ") || line.starts_with("witness") || line.starts_with("free") {
                println!("{line}");
            }
        }
        println!("seed {seed}: {} after {seconds:.1} s", told.outcome);
        if matches!(told.outcome, Outcome::Status(0)) {
            return Ok(0);
        }
        for line in last(&told.lines, 40) {
            println!("| {line}");
        }
        if !self.options.no_shrink {
            self.shrink(seed, &told)?;
        }
        Ok(1)
    }

    /// Boots and runs a session with these options.
    fn boot(&self, session: &str) -> Result<Told> {
        let mut disk = self.disk.clone();
        disk.script(format!("exec /usr/lib/corral-tests/fuzz session {session}\n").as_bytes());
        let archive = self.folder.join("ramdisk.cpio");
        disk.write(&archive)?;
        let mut machine = Machine::new(&self.kernel, &archive);
        machine.smp = self.options.smp;
        machine.counted = self.options.counted;
        listen(&machine, &self.folder)
    }

    /// Finds a sequence that fails alone, and the fewest of its calls that do.
    fn shrink(&self, seed: u64, told: &Told) -> Result<()> {
        for number in suspects(&told.lines) {
            let mut suspect = Suspect {
                seed,
                number,
                places: 0..CALLS,
                without: BTreeSet::new(),
            };
            if !self.fails(&suspect)? {
                println!("sequence {number} alone does not fail");
                continue;
            }
            self.halve(&mut suspect)?;
            self.leave_out(&mut suspect)?;
            println!("seed {seed}, sequence {number} fails with these calls (thread/place):");
            print!("{}", self.explain(&suspect)?);
            return Ok(());
        }
        println!("no sequence fails alone: run the seed again with --counted");
        Ok(())
    }

    /// Whether a suspect fails in one of a few tries.
    fn fails(&self, suspect: &Suspect) -> Result<bool> {
        let session = format!(
            "--warm 0 --partitions 1 --sequences 1 --first {} {}",
            suspect.number,
            suspect.words()
        );
        for _ in 0..TRIES {
            if !matches!(self.boot(&session)?.outcome, Outcome::Status(0)) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Takes calls off the end, then off the beginning, half of what is left at a time.
    fn halve(&self, suspect: &mut Suspect) -> Result<()> {
        let (mut low, mut high) = (0, suspect.places.end);
        while low + 1 < high {
            let middle = usize::midpoint(low, high);
            let places = 0..middle;
            if self.fails(&Suspect {
                places,
                ..suspect.clone()
            })? {
                high = middle;
            } else {
                low = middle;
            }
        }
        let (mut keeps, mut loses) = (0, high);
        while keeps + 1 < loses {
            let middle = usize::midpoint(keeps, loses);
            let places = middle..high;
            if self.fails(&Suspect {
                places,
                ..suspect.clone()
            })? {
                keeps = middle;
            } else {
                loses = middle;
            }
        }
        suspect.places = keeps..high;
        Ok(())
    }

    /// Leaves out every kind of call without which it still fails.
    fn leave_out(&self, suspect: &mut Suspect) -> Result<()> {
        let text = self.explain(suspect)?;
        let names: BTreeSet<&str> = text
            .lines()
            .filter_map(|line| line.split_once(' ')?.1.split_once('('))
            .map(|(name, _)| name)
            .collect();
        for call in abi::linux::SystemCall::ALL {
            if names.contains(call.name()) {
                let mut fewer = suspect.clone();
                fewer.without.insert(call.number());
                if self.fails(&fewer)? {
                    *suspect = fewer;
                }
            }
        }
        Ok(())
    }

    /// The calls of a suspect, as the fuzzer built for this machine draws them.
    fn explain(&self, suspect: &Suspect) -> Result<String> {
        let mut cargo = self.workspace.cargo();
        cargo.args(["run", "--quiet", "--package", "programs", "--bin", "fuzz"]);
        cargo.args(["--", "explain", "--first", &suspect.number.to_string()]);
        let output = cargo
            .args(suspect.words().split(' '))
            .output()
            .context("cannot run the fuzzer here")?;
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }
}

impl Suspect {
    fn words(&self) -> String {
        let Range { start, end } = self.places;
        let mut words = format!("--seed {} --from {start} --to {end}", self.seed);
        if !self.without.is_empty() {
            let list: Vec<String> = self.without.iter().map(u16::to_string).collect();
            // Writing to a string does not fail.
            write!(words, " --without {}", list.join(",")).ok();
        }
        words
    }
}

/// Runs `machine` to its end, or until it has said nothing for long.
fn listen(machine: &Machine, folder: &Path) -> Result<Told> {
    let mut guest = Guest::start(machine, folder)?;
    let mut heard = Vec::new();
    let end = Instant::now() + LONGEST;
    let mut deadline = Instant::now() + SILENCE;
    while let Event::Output(bytes) = guest.next(deadline) {
        heard.extend(bytes);
        deadline = end.min(Instant::now() + SILENCE);
    }
    let outcome = guest.finish(deadline)?;
    let text = String::from_utf8_lossy(&heard).replace('\r', "");
    let lines = text.lines().map(str::to_owned).collect();
    Ok(Told { outcome, lines })
}

/// The numbers of the last sequences of each partition, the latest first.
fn suspects(lines: &[String]) -> Vec<u64> {
    let mut suspects = Vec::new();
    let mut counts = [0; 16];
    for line in lines.iter().rev() {
        let parsed = || {
            let (name, number) = line.strip_prefix("enemy")?.split_once(": sequence ")?;
            Some((name.parse::<usize>().ok()?, number.parse::<u64>().ok()?))
        };
        if let Some((name, number)) = parsed()
            && let Some(count) = counts.get_mut(name)
            && *count < SUSPECTS
        {
            *count += 1;
            suspects.push(number);
        }
    }
    suspects
}

fn last(lines: &[String], count: usize) -> &[String] {
    lines
        .get(lines.len().saturating_sub(count)..)
        .unwrap_or(&[])
}

#[cfg(test)]
mod tests {
    use super::suspects;

    #[test]
    fn the_last_sequences_of_each_partition_are_suspects() {
        let text = "enemy0: sequence 1\nenemy1: sequence 7\nenemy0: sequence 2\nnoise\nenemy0: sequence 3\n\
            enemy0: sequence 4\nenemy0: made 5 calls";
        let lines: Vec<String> = text.lines().map(str::to_owned).collect();
        assert_eq!(suspects(&lines), [4, 3, 2, 7]);
    }
}
