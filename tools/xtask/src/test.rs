//! `cargo xtask test`: everything, with one line of counts at the end.

use crate::compile::Checks;
use crate::image::Image;
use crate::ramdisk::RamDisk;
use crate::workspace::Workspace;
use crate::{compile, image, lint, packages, tree};
use ::tests::{Needs, RamDisks, Report, Target};
use anyhow::{Context, Result, bail};
use clap::Args;
use std::fs;
use std::io::{BufRead, BufReader};
use std::num::NonZero;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Mutex;
use std::thread::{self, available_parallelism};

/// What to test.
#[derive(Args)]
pub struct Options {
    /// Leave out what boots QEMU
    #[arg(long)]
    quick: bool,
    /// Run every suite under a kernel that checks its debug assertions, not only those that ask for it
    #[arg(long)]
    debug: bool,
    /// Give the machines of script suites at least so many CPUs
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
    smp: u32,
    /// Run only these groups: lint, host, or a suite on the target
    #[arg(value_name = "SUITE")]
    suites: Vec<String>,
}

/// Runs what `options` name; the exit status says whether everything passed.
pub fn run(workspace: &Workspace, options: &Options) -> Result<u8> {
    packages::ensure(packages::BUILD)?;
    packages::ensure(packages::CHECKS)?;
    let logs = workspace.target.join("test-logs");
    if logs.exists() {
        fs::remove_dir_all(&logs).with_context(|| format!("cannot empty {}", logs.display()))?;
    }
    let report = Report::new(logs);
    let wants = |group: &str| {
        options.suites.is_empty() || options.suites.iter().any(|suite| suite == group)
    };
    let on_target: Vec<String> = options
        .suites
        .iter()
        .filter(|suite| *suite != "lint" && *suite != "host")
        .cloned()
        .collect();
    let boots = !options.quick && (options.suites.is_empty() || !on_target.is_empty());
    // What is built for the target has folders, and locks of cargo, of its own: it need not wait for the host's tests, nor
    // their last link for a second core.
    let built = thread::scope(|scope| -> Result<_> {
        let building = boots.then(|| scope.spawn(|| Built::new(workspace, &on_target, options)));
        if wants("lint") {
            lint::check(workspace, &report)?;
        }
        if wants("host") {
            host(workspace, &report)?;
            models(workspace, &report)?;
        }
        Ok(building.map(|building| {
            building
                .join()
                .unwrap_or_else(|_| bail!("the thread that builds panicked"))
        }))
    })?;
    if let Some(built) = built {
        // A build that fails is a failure of the system, not of the tester: it is counted.
        let result = built.and_then(|built| target(workspace, built, &on_target, options, &report));
        if let Err(error) = result {
            report.fail("TARGET", "the target suites run", &format!("{error:#}"));
        }
    }
    Ok(if report.conclude() { 0 } else { 1 })
}

/// Names the random cases of property tests.
const SEED: &str = "PROPTEST_RNG_SEED";

/// Unit and property tests of everything that builds on the host. Property tests draw the same cases each time, so that a change
/// is judged by what it changes; another value of [`SEED`] draws others.
fn host(workspace: &Workspace, report: &Report) -> Result<()> {
    println!("host tests");
    let mut cargo = workspace.cargo();
    cargo
        .args(["test", "--no-fail-fast"])
        .env(SEED, std::env::var_os(SEED).unwrap_or_else(|| "1".into()))
        .stdout(Stdio::piped());
    let mut child = cargo.spawn().context("cannot run cargo test")?;
    let output = child.stdout.take().context("cargo test has no output")?;
    let (mut passed, mut failed) = (0, Vec::new());
    for line in BufReader::new(output).lines() {
        let line = line?;
        if let Some(counts) = line.strip_prefix("test result: ") {
            passed += count(counts, " passed");
        } else if let Some(name) = line
            .strip_prefix("test ")
            .and_then(|line| line.strip_suffix(" ... FAILED"))
        {
            failed.push(name.to_owned());
        }
        if !line.ends_with(" ... ok") && !line.is_empty() {
            println!("{line}");
        }
    }
    let status = child.wait()?;
    report.add(passed, &failed);
    if !status.success() && failed.is_empty() {
        report.fail(
            "HOST",
            "the host tests build and run",
            "cargo test has failed: see above",
        );
    }
    Ok(())
}

/// The crates with models: what several CPUs touch at once without a lock around it.
const MODELLED: &[&str] = &["sync", "wait", "sched"];

/// Loom's models, which try every interleaving. `--cfg loom` builds those crates with its atomics and locks.
fn models(workspace: &Workspace, report: &Report) -> Result<()> {
    println!("models of concurrency");
    let mut cargo = workspace.cargo();
    cargo.env("RUSTFLAGS", "--cfg loom");
    cargo.args(["test", "--quiet", "--no-fail-fast", "--lib"]);
    for package in MODELLED {
        cargo.args(["--package", package]);
    }
    let output = cargo
        .args(["--", "models::"])
        .output()
        .context("cannot run cargo test")?;
    let said = String::from_utf8_lossy(&output.stdout);
    let results = said
        .lines()
        .filter_map(|line| line.strip_prefix("test result: "));
    let passed = results.map(|counts| count(counts, " passed")).sum();
    report.add(passed, &[]);
    if !output.status.success() || passed == 0 {
        let text = format!("{said}{}", String::from_utf8_lossy(&output.stderr));
        report.fail("MODELS", "no interleaving breaks a model", &text);
    }
    Ok(())
}

/// The number before `unit` in cargo's line of counts.
fn count(line: &str, unit: &str) -> u64 {
    let before = line.split_once(unit).map_or("", |(before, _)| before);
    before
        .rsplit(' ')
        .next()
        .and_then(|number| number.parse().ok())
        .unwrap_or(0)
}

/// What the suites that boot QEMU start from.
struct Built {
    kernel: PathBuf,
    /// The kernel of suites that ask for debug assertions; the other one when none does.
    checked_kernel: PathBuf,
    arch_image: PathBuf,
    disk: RamDisk,
}

impl Built {
    fn new(workspace: &Workspace, suites: &[String], options: &Options) -> Result<Self> {
        let checks = if options.debug {
            Checks::On
        } else {
            Checks::Off
        };
        let Image { kernel, mut disk } = image::build(workspace, checks)?;
        let checked_kernel = if ::tests::want_debug_kernel(suites)? {
            compile::kernel(workspace, Checks::On)?
        } else {
            kernel.clone()
        };
        let programs = compile::test_programs(workspace)?;
        for (name, program) in programs
            .into_iter()
            .chain(compile::partition_programs(workspace)?)
        {
            disk.test_program(&name, &program)?;
        }
        for (library, place) in compile::LIBRARIES {
            disk.add(Path::new(library), place)?;
        }
        disk.test_program(
            "prelude.sh",
            &workspace.root.join("tests/scripts/prelude.sh"),
        )?;
        Ok(Self {
            kernel,
            checked_kernel,
            arch_image: compile::arch_image(workspace)?,
            disk,
        })
    }
}

/// The suites that boot QEMU.
fn target(
    workspace: &Workspace,
    built: Built,
    suites: &[String],
    options: &Options,
    report: &Report,
) -> Result<()> {
    let Built {
        kernel,
        checked_kernel,
        arch_image,
        disk,
    } = built;
    let work = workspace.folder("machines")?;
    let target = Target {
        kernel,
        checked_kernel,
        arch_image,
        cpus: options.smp,
        disks: &Disks {
            workspace,
            disk,
            fetching: Mutex::new(()),
        },
        work,
        xtask: std::env::current_exe()?,
    };
    let workers = available_parallelism().map_or(1, NonZero::get);
    println!("target tests on {workers} machines at once");
    let result = ::tests::run(&target, suites, workers, report);
    fs::remove_dir_all(&target.work).context("cannot remove the machines' files")?;
    result
}

/// The RAM disk with the test programs, before a script and packages are put into it.
struct Disks<'a> {
    workspace: &'a Workspace,
    disk: RamDisk,
    /// Held by the machine that fetches packages: apt works for one at a time.
    fetching: Mutex<()>,
}

impl RamDisks for Disks<'_> {
    fn make(&self, script: Option<&[u8]>, needs: &Needs, archive: &Path) -> Result<()> {
        let mut disk = self.disk.clone();
        {
            let _one = self
                .fetching
                .lock()
                .unwrap_or_else(std::sync::PoisonError::into_inner);
            tree::put_into(self.workspace, &mut disk, needs)?;
        }
        if let Some(text) = script {
            disk.script(text);
        }
        disk.write(archive)
    }
}

#[cfg(test)]
mod tests {
    use super::count;

    #[test]
    fn counts_are_found_in_cargos_line() {
        let line =
            "FAILED. 12 passed; 3 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.01s";
        assert_eq!(
            (
                count(line, " passed"),
                count(line, " failed"),
                count(line, " absent")
            ),
            (12, 3, 0)
        );
    }
}
