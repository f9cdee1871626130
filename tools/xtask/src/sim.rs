//! `cargo xtask sim`: scenarios of scheduling, off the machine.

use crate::workspace::Workspace;
use anyhow::{Context, Result};
use clap::Args;

/// What the simulator is told.
#[derive(Args)]
pub struct Options {
    /// Scenario files and the simulator's options; `--help` after `--` lists them
    #[arg(
        trailing_var_arg = true,
        allow_hyphen_values = true,
        value_name = "SCENARIO [OPTION]"
    )]
    arguments: Vec<String>,
}

/// Builds the simulator, for speed as a release, and runs it; its exit status is the result.
pub fn run(workspace: &Workspace, options: &Options) -> Result<u8> {
    let status = workspace
        .cargo()
        .args(["run", "--quiet", "--release", "-p", "schedsim", "--"])
        .args(&options.arguments)
        .status()
        .context("cannot run the simulator")?;
    Ok(status
        .code()
        .and_then(|code| u8::try_from(code).ok())
        .unwrap_or(125))
}
