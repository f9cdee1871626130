//! The two files that boot: kernel and RAM disk.

use crate::compile::{self, Checks};
use crate::ramdisk::{Programs, RamDisk};
use crate::workspace::Workspace;
use crate::{debian, packages};
use anyhow::{Context, Result};
use std::fs;
use std::path::{Path, PathBuf};

/// What has been built.
pub struct Image {
    /// The kernel's ELF file.
    pub kernel: PathBuf,
    /// The standard RAM disk, not yet written.
    pub disk: RamDisk,
}

/// Builds kernel and userland; everything that is up to date is left alone.
pub fn build(workspace: &Workspace, checks: Checks) -> Result<Image> {
    packages::ensure(packages::BUILD)?;
    let kernel = compile::kernel(workspace, checks)?;
    let programs = Programs {
        busybox: debian::busybox(workspace)?,
        commands: compile::commands(workspace)?,
        command_names: workspace.root.join("userland/commands/applets"),
        vinit: compile::vinit(workspace)?,
    };
    Ok(Image {
        kernel,
        disk: RamDisk::new(&programs)?,
    })
}

/// `cargo xtask image`: builds, and says where the files are.
pub fn report(workspace: &Workspace) -> Result<()> {
    let image = build(workspace, Checks::Off)?;
    let archive = workspace.folder("image")?.join("ramdisk.cpio");
    image.disk.write(&archive)?;
    describe("kernel", &image.kernel)?;
    describe("RAM disk", &archive)
}

fn describe(what: &str, path: &Path) -> Result<()> {
    let size = fs::metadata(path)
        .with_context(|| format!("cannot read {}", path.display()))?
        .len();
    println!("{what:8}  {size:>9} bytes  {}", path.display());
    Ok(())
}
