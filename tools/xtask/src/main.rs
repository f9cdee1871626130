//! Build, run and test Corral: the one command that developers and the continuous integration share.
//!
//! Every subcommand first makes sure that what it needs is there ([`packages`], [`debian`]), builds what is
//! out of date ([`compile`], [`ramdisk`]) and then does its own work.

#![forbid(unsafe_code)]

mod compile;
mod debian;
mod image;
mod packages;
mod ramdisk;
mod run;
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
    }
}
