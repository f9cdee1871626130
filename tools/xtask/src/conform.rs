//! `cargo xtask conform`: test programs of others in a partition, compared with what is known of each case
//! ([`tests::conform`]).
//!
//! A machine that dies or falls silent fails the case that was running, and a new one goes on after it.

use crate::compile::Checks;
use crate::ramdisk::RamDisk;
use crate::workspace::Workspace;
use crate::{crates, image, tree};
use anyhow::Result;
use clap::Args;
use qemu::Machine;
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process;
use std::time::{Duration, Instant};
use tests::conform::{Case, Said, Verdict};
use tests::{Needs, Talk};

/// After so many machines without a verdict the suite is given up.
const BARREN: usize = 2;

/// Which suite, and how much of it.
#[derive(Args)]
pub struct Options {
    /// A suite of tests/conform
    suite: String,
    /// Only these cases, whether the list has them or not
    cases: Vec<String>,
    /// Under a kernel that checks its debug assertions
    #[arg(long)]
    debug: bool,
}

/// Verdicts so far.
#[derive(Default)]
struct Counts {
    passed: usize,
    failed: usize,
    skipped: usize,
    objections: Vec<String>,
}

/// Runs it; the status is 1 when a case has not come out as the list says.
pub fn run(workspace: &Workspace, options: &Options) -> Result<u8> {
    let suite = tests::conform::suite(&options.suite)?;
    let needs = tests::needs(&suite)?;
    let listed = tests::conform::listed(&options.suite)?;
    let mut left = chosen(listed, &options.cases)?;
    let checks = if options.debug {
        Checks::On
    } else {
        Checks::Off
    };
    let mut image = image::build(workspace, checks)?;
    tree::put_into(workspace, &mut image.disk, &needs)?;
    crates::put_into(workspace, &mut image.disk, &needs.crates)?;
    let folder = workspace.folder(&format!("run/{}", process::id()))?;
    let mut counts = Counts::default();
    let mut barren = 0;
    while !left.is_empty() && barren < BARREN {
        let before = left.len();
        let names: Vec<&str> = left.iter().map(|case| case.name.as_str()).collect();
        image
            .disk
            .script(tests::conform::script(&suite, &names).as_bytes());
        let talk = boot(&image.kernel, &image.disk, &needs, &folder)?;
        one_machine(talk, &needs, &mut left, &mut counts)?;
        barren = if left.len() == before { barren + 1 } else { 0 };
    }
    fs::remove_dir_all(&folder)?;
    for case in left {
        counts.note(
            &case,
            Verdict::Failed,
            &BTreeSet::new(),
            "no machine has come to it",
        );
    }
    Ok(counts.conclude())
}

/// The cases to run: all that are listed, or those that the user names.
fn chosen(listed: Vec<Case>, named: &[String]) -> Result<Vec<Case>> {
    if named.is_empty() {
        return Ok(listed);
    }
    // A name that is not listed is one that the user is curious about: it is held to pass.
    let asked = tests::conform::cases(&named.join("\n"))?;
    let known = |case: Case| {
        listed
            .iter()
            .find(|one| one.name == case.name)
            .cloned()
            .unwrap_or(case)
    };
    Ok(asked.into_iter().map(known).collect())
}

fn boot(kernel: &Path, disk: &RamDisk, needs: &Needs, folder: &Path) -> Result<Talk> {
    let archive = folder.join("ramdisk.cpio");
    disk.write(&archive)?;
    let machine = Machine {
        smp: needs.cpus,
        memory: needs.memory.clone(),
        ..Machine::new(kernel, &archive)
    };
    Talk::start(&machine, folder)
}

/// Takes verdicts until the machine has nothing more to say.
fn one_machine(
    mut talk: Talk,
    needs: &Needs,
    left: &mut Vec<Case>,
    counts: &mut Counts,
) -> Result<()> {
    let mut running = None;
    let mut log = String::new();
    let mut failing = BTreeSet::new();
    while let Ok(Some(line)) = talk.line(Instant::now() + needs.patience) {
        match tests::conform::said(&line) {
            Some(Said::Begin(name)) => {
                running = Some(name.to_owned());
                log.clear();
                failing.clear();
            }
            Some(Said::Part(name)) => {
                failing.insert(name.to_owned());
            }
            Some(Said::End(name, status)) => {
                if let Some(case) = take(left, name) {
                    counts.note(&case, Verdict::of(status), &failing, &log);
                }
                running = None;
            }
            None => {
                log.push_str(&line);
                log.push('\n');
            }
        }
    }
    let (outcome, _) = talk.end(Duration::from_secs(5))?;
    if let Some(case) = running.and_then(|name| take(left, &name)) {
        log.push_str(&format!("the machine has ended: {outcome}"));
        counts.note(&case, Verdict::Failed, &failing, &log);
    } else if !left.is_empty() {
        println!("{log}the machine has ended with cases left: {outcome}");
    }
    Ok(())
}

fn take(left: &mut Vec<Case>, name: &str) -> Option<Case> {
    let at = left.iter().position(|case| case.name == name)?;
    Some(left.remove(at))
}

impl Counts {
    /// Prints and counts one verdict.
    fn note(&mut self, case: &Case, verdict: Verdict, failing: &BTreeSet<String>, log: &str) {
        match verdict {
            Verdict::Passed => self.passed += 1,
            Verdict::Failed => self.failed += 1,
            Verdict::Skipped => self.skipped += 1,
        }
        let known = case.reason.as_deref().unwrap_or_default();
        println!("{:<8} {:<24} {known}", verdict.word(), case.name);
        if let Some(objection) = case.objection(verdict, failing) {
            for line in log.lines() {
                println!("         | {line}");
            }
            self.objections.push(format!("{}: {objection}", case.name));
        }
    }

    /// Prints the sums and what is to be objected to; the exit status.
    fn conclude(&self) -> u8 {
        for objection in &self.objections {
            println!("unexpected: {objection}");
        }
        println!(
            "{} passed, {} failed, {} skipped, {} unexpected",
            self.passed,
            self.failed,
            self.skipped,
            self.objections.len()
        );
        u8::from(!self.objections.is_empty())
    }
}
