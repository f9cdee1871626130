//! `cargo xtask emulator`: a newer QEMU beside the machine's own.

use crate::debian::{self, Release};
use crate::workspace::{Workspace, capture};
use anyhow::{Result, bail};
use std::path::PathBuf;
use std::process::Command;

/// What has the emulator, its firmware and what both share. The libraries are those of the machine's own QEMU.
const PACKAGES: &[&str] = &["qemu-system-ppc", "qemu-system-common", "qemu-system-data"];

/// The emulator of Debian's backports, unpacked the first time; nothing is installed.
pub fn newer(workspace: &Workspace) -> Result<PathBuf> {
    let folder = workspace.folder("emulator")?;
    let program = folder.join("tree/usr/bin/qemu-system-ppc64");
    if !program.exists() {
        let architecture = capture(Command::new("dpkg").arg("--print-architecture"))?;
        debian::unpack(&folder, architecture.trim(), Release::Backports, PACKAGES)?;
    }
    if !program.exists() {
        bail!("the packages have brought no {}", program.display());
    }
    Ok(program)
}

/// Says where it is, and that it runs.
pub fn report(workspace: &Workspace) -> Result<()> {
    let program = newer(workspace)?;
    let said = capture(Command::new(&program).arg("--version"))?;
    println!("{}", said.lines().next().unwrap_or_default());
    println!("CORRAL_QEMU={}", program.display());
    Ok(())
}
