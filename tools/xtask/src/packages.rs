//! Debian packages of the build machine: installed by name, only when absent.

use crate::workspace::capture;
use anyhow::{Context, Result, bail};
use std::fs;
use std::path::Path;
use std::process::Command;

/// What builds the kernel and the userland and boots them.
pub const BUILD: &[&str] = &[
    "rustc-web",
    "cargo-web",
    "rust-web-src",
    "rust-web-llvm",
    "gcc-powerpc64le-linux-gnu",
    "libc6-dev-ppc64el-cross",
    "qemu-system-ppc",
];

/// What the checks need besides.
pub const CHECKS: &[&str] = &["rust-web-clippy", "rustfmt-web"];

/// What a disk needs besides.
pub const DISK: &[&str] = &["grub-common", "e2fsprogs"];

/// What `--gdb` needs besides.
pub const DEBUGGER: &[&str] = &["gdb-multiarch"];

/// The linker by the name that the compiler calls; the package that rust-web-llvm leaves out has the name
/// of what this link points to.
const LINKER: &str = "/usr/bin/rust-lld";

/// Installs those of `names` that are absent.
pub fn ensure(names: &[&str]) -> Result<()> {
    let absent = absent(names)?;
    if !absent.is_empty() {
        install(&absent)?;
    }
    if !Path::new(LINKER).exists() {
        let linker = fs::read_link(LINKER).context("rust-web-llvm has brought no rust-lld")?;
        install(&[linker.to_string_lossy().into_owned()])?;
    }
    Ok(())
}

fn absent(names: &[&str]) -> Result<Vec<String>> {
    // Unknown packages make dpkg-query fail, but it still lists the others.
    let output = Command::new("dpkg-query")
        .args(["--show", "--showformat", "${Package} ${db:Status-Status}\n"])
        .args(names)
        .output()
        .context("this is not a Debian system: there is no dpkg-query")?;
    let listed = String::from_utf8_lossy(&output.stdout).into_owned();
    let present: Vec<&str> = listed
        .lines()
        .filter_map(|line| line.strip_suffix(" installed"))
        .collect();
    Ok(names
        .iter()
        .filter(|name| !present.contains(name))
        .map(|&name| name.to_owned())
        .collect())
}

fn install(names: &[String]) -> Result<()> {
    if !rustix::process::geteuid().is_root() {
        bail!(
            "not root, and these packages are missing: apt-get install --no-install-recommends {}",
            names.join(" ")
        );
    }
    for name in names {
        eprintln!("installing {name}");
    }
    capture(apt_get().arg("update"))?;
    capture(
        apt_get()
            .args(["install", "--yes", "--no-install-recommends"])
            .args(names),
    )?;
    Ok(())
}

fn apt_get() -> Command {
    let mut command = Command::new("apt-get");
    command
        .env("DEBIAN_FRONTEND", "noninteractive")
        .arg("--quiet=2");
    command
}
