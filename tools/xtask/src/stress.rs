//! `cargo xtask stress`: everything at once for as long as one likes (`tests/programs/c/stress.c`).

use crate::compile::{self, Checks};
use crate::workspace::Workspace;
use crate::{image, run};
use anyhow::{Context, Result};
use clap::Args;
use qemu::{Machine, Outcome};
use std::fs;
use std::process;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// The program in the guest.
const PROGRAM: &str = "stress";

/// What the run may take beyond its minutes: boot, a first round, the last operations.
const MARGIN: Duration = Duration::from_secs(180);

/// How long, and on what.
#[derive(Args)]
pub struct Options {
    /// For so many minutes
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=1440))]
    minutes: u32,
    /// CPUs
    #[arg(long, value_name = "N", default_value_t = 4, value_parser = clap::value_parser!(u32).range(1..))]
    smp: u32,
    /// What the order of operations follows from [default: the time of day]
    #[arg(long, value_name = "NUMBER")]
    seed: Option<u32>,
    /// Under a kernel that checks its debug assertions
    #[arg(long)]
    debug: bool,
}

/// Runs it; the status is 0 only when every worker has got what it expected and all memory is back.
pub fn run(workspace: &Workspace, options: &Options) -> Result<u8> {
    let checks = if options.debug {
        Checks::On
    } else {
        Checks::Off
    };
    let mut image = image::build(workspace, checks)?;
    for (name, program) in compile::test_programs(workspace)? {
        if name == PROGRAM {
            image.disk.test_program(&name, &program)?;
        }
    }
    let seed = match options.seed {
        Some(seed) => seed,
        None => SystemTime::now()
            .duration_since(UNIX_EPOCH)?
            .subsec_micros(),
    };
    println!(
        "stress --minutes {} --smp {} --seed {seed}",
        options.minutes, options.smp
    );
    let seconds = options.minutes * 60;
    let script = format!("exec /usr/lib/corral-tests/{PROGRAM} partitions {seconds} {seed}\n");
    image.disk.script(script.as_bytes());
    let folder = workspace.folder(&format!("run/{}", process::id()))?;
    let archive = folder.join("ramdisk.cpio");
    image.disk.write(&archive)?;
    let machine = Machine {
        smp: options.smp,
        ..Machine::new(&image.kernel, &archive)
    };
    let limit = Duration::from_secs(u64::from(seconds)) + MARGIN;
    let outcome = run::watch(&machine, &folder, limit)?;
    fs::remove_dir_all(&folder).with_context(|| format!("cannot remove {}", folder.display()))?;
    if !matches!(outcome, Outcome::Status(_)) {
        eprintln!("xtask: {outcome}");
    }
    Ok(match outcome {
        Outcome::Off => 125,
        outcome => outcome.exit_status(),
    })
}
