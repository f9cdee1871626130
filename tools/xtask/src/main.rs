//! Build, run and test Corral: the one command that developers and the continuous integration share.
//!
//! Every subcommand first makes sure that what it needs is there ([`packages`], [`debian`]), builds what is
//! out of date ([`compile`], [`ramdisk`]) and then does its own work.
//!
//! It owns the build folder `target/` and nothing else of the machine but the Debian packages that it installs by name.
//! What QEMU is told is in the crate `qemu`, what is tested in `tests`. It must never take a run for a success that
//! has not reported one. Several may run at once: cargo locks builds, and each run has its own folder.

#![forbid(unsafe_code)]

mod bench;
mod compile;
mod conform;
mod crates;
mod debian;
mod disk;
mod emulator;
mod fuzz;
mod image;
mod lines;
mod lint;
mod minbase;
mod packages;
mod profile;
mod ramdisk;
mod run;
mod sim;
mod size;
mod stress;
mod test;
mod tree;
mod workspace;

use anyhow::Result;
use clap::{Parser, Subcommand};
use std::process::ExitCode;
use workspace::Workspace;

/// Build, run and test Corral.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
struct Arguments {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Build everything and boot it: Global's shell on this terminal, Ctrl-A X ends it
    Run(run::Options),
    /// Build the kernel and the RAM disk
    Image,
    /// Check everything: form, host tests, and suites on the target
    Test(test::Options),
    /// Check the form only: formatting, clippy, documentation, places of unsafe code
    Lint,
    /// Fetch Debian packages for ppc64el with their dependencies and unpack them into a tree for `run --add`
    Debian(tree::Options),
    /// Run test programs of others in a partition, and compare with what is known of each case
    Conform(conform::Options),
    /// Fork, thread, signal, map and talk in four partitions for minutes; all memory must be back at the end
    Stress(stress::Options),
    /// Measure, alone or beside Linux
    Bench(bench::Options),
    /// Count instructions, looks for the next block and translations by function of the kernel
    Profile(profile::Options),
    /// Make any system call with any argument in several partitions at once, and look whether anybody notices
    Fuzz(fuzz::Options),
    /// Simulate scenarios of scheduling under policies: tables, errors, curves
    Sim(sim::Options),
    /// Build a disk that boots Corral with GRUB, for `run --disk` and for real machines
    Disk(disk::Options),
    /// Unpack the QEMU of Debian's backports beside the machine's own, and say where it is
    Emulator,
    /// How large the kernel is, and how much of its code may be unsafe
    Size,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match perform(arguments.task) {
        Ok(status) => ExitCode::from(status),
        Err(error) => {
            eprintln!("xtask: {error:#}");
            ExitCode::from(125)
        }
    }
}

/// Does `task` and returns the exit status.
fn perform(task: Task) -> Result<u8> {
    let workspace = Workspace::find()?;
    match task {
        Task::Run(options) => run::run(&workspace, &options),
        Task::Image => image::report(&workspace).map(|()| 0),
        Task::Test(options) => test::run(&workspace, &options),
        Task::Lint => lint::run(&workspace),
        Task::Debian(options) => tree::run(&workspace, &options).map(|()| 0),
        Task::Conform(options) => conform::run(&workspace, &options),
        Task::Stress(options) => stress::run(&workspace, &options),
        Task::Bench(options) => bench::run(&workspace, &options),
        Task::Profile(options) => profile::run(&workspace, &options).map(|()| 0),
        Task::Fuzz(options) => fuzz::run(&workspace, &options),
        Task::Sim(options) => sim::run(&workspace, &options),
        Task::Disk(options) => disk::make(&workspace, &options).map(|()| 0),
        Task::Emulator => emulator::report(&workspace).map(|()| 0),
        Task::Size => size::report(&workspace).map(|()| 0),
    }
}
