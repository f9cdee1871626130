//! Form: formatting, clippy, documentation, and the rules that no other tool knows.

use crate::lines::{self, Crate};
use crate::workspace::{Workspace, capture};
use crate::{compile, packages};
use anyhow::{Context, Result, bail};
use std::fs;
use std::process::Command;
use tests::Report;

/// The packages that build only for the kernel's target.
const KERNEL_PACKAGES: &[&str] = &["arch", "boot", "corral", "kernel", "vty"];

/// Where `unsafe` may be: POWER and firmware, devices, and the memory core.
const MAY_BE_UNSAFE: &[&str] = &["arch", "boot", "boot/image", "drivers/", "kernel/memory"];

/// Clippy's configuration for the kernel's crates: what ends it without memory is not called.
const FALLIBLE_ONLY: &str = "kernel/fallible/lint";

/// The documentation is for those who work on the kernel; links in what is private may not be dead either.
const PRIVATE: &str = "--document-private-items";

/// No source file is longer.
const LONGEST: usize = 800;

/// `cargo xtask lint`: the exit status says whether everything is in form.
pub fn run(workspace: &Workspace) -> Result<u8> {
    packages::ensure(packages::BUILD)?;
    packages::ensure(packages::CHECKS)?;
    let report = Report::new(workspace.target.join("test-logs"));
    check(workspace, &report)?;
    Ok(if report.conclude() { 0 } else { 1 })
}

/// Checks everything; each check is one test.
pub fn check(workspace: &Workspace, report: &Report) -> Result<()> {
    let judge =
        |id: &str, sentence: &str, result: Result<()>| report.judge(id, sentence, &result, "");
    judge(
        "LINT0001",
        "rustfmt would change nothing",
        format(workspace),
    );
    judge(
        "LINT0002",
        "clippy has nothing to say about crates for the host",
        clippy_host(workspace),
    );
    judge(
        "LINT0003",
        "clippy has nothing to say about the kernel",
        clippy_kernel(workspace),
    );
    judge(
        "LINT0004",
        "rustdoc has nothing to say about crates for the host",
        document_host(workspace),
    );
    judge(
        "LINT0005",
        "rustdoc has nothing to say about the kernel",
        document_kernel(workspace),
    );
    judge(
        "LINT0006",
        "only arch, boot, drivers and the memory core may be unsafe",
        unsafe_places(workspace),
    );
    judge(
        "LINT0007",
        "no source file is over 800 lines",
        lengths(workspace),
    );
    Ok(())
}

fn format(workspace: &Workspace) -> Result<()> {
    quiet(workspace.cargo().args(["fmt", "--all", "--check"]))
}

fn clippy_host(workspace: &Workspace) -> Result<()> {
    quiet(workspace.clippy().args([
        "--all-targets",
        "--keep-going",
        "--quiet",
        "--",
        "-D",
        "warnings",
    ]))
}

fn clippy_kernel(workspace: &Workspace) -> Result<()> {
    let mut command = compile::for_kernel(workspace.clippy(), None, workspace);
    command.env("CLIPPY_CONF_DIR", workspace.root.join(FALLIBLE_ONLY));
    command.args(["--release", "--keep-going", "--quiet"]);
    for package in KERNEL_PACKAGES {
        command.args(["--package", package]);
    }
    quiet(command.args(["--", "-D", "warnings"]))
}

fn document_host(workspace: &Workspace) -> Result<()> {
    let mut command = workspace.cargo();
    quiet(command.env("RUSTDOCFLAGS", "-D warnings").args([
        "doc",
        "--quiet",
        "--no-deps",
        "--keep-going",
        PRIVATE,
    ]))
}

fn document_kernel(workspace: &Workspace) -> Result<()> {
    let mut command = compile::for_kernel(workspace.cargo(), Some("doc"), workspace);
    // With debug assertions: rustdoc takes them to be on, so the crates that it reads must agree.
    command.env("RUSTDOCFLAGS", "-D warnings").args([
        "--profile",
        "checked",
        "--quiet",
        "--no-deps",
        "--keep-going",
        PRIVATE,
    ]);
    for package in KERNEL_PACKAGES {
        command.args(["--package", package]);
    }
    quiet(&mut command)
}

/// Every kernel crate outside the listed places forbids unsafe code, which the compiler then enforces.
fn unsafe_places(workspace: &Workspace) -> Result<()> {
    let trespassers: Vec<String> = lines::kernel_crates(workspace)?
        .into_iter()
        .filter(|unit| unit.may_be_unsafe && !allowed(unit))
        .map(|unit| unit.folder)
        .collect();
    if !trespassers.is_empty() {
        bail!("without #![forbid(unsafe_code)]: {}", trespassers.join(" "));
    }
    Ok(())
}

fn allowed(unit: &Crate) -> bool {
    MAY_BE_UNSAFE.iter().any(|place| {
        unit.folder == *place || (place.ends_with('/') && unit.folder.starts_with(place))
    })
}

fn lengths(workspace: &Workspace) -> Result<()> {
    let listed = capture(
        Command::new("git")
            .current_dir(&workspace.root)
            .args(["ls-files", "--cached"]),
    )?;
    let mut long = Vec::new();
    for name in listed.lines().filter(|name| {
        [".rs", ".S", ".c", ".sh"]
            .iter()
            .any(|end| name.ends_with(end))
    }) {
        let path = workspace.root.join(name);
        // A file that is removed but not yet committed has no lines.
        let Ok(text) = fs::read_to_string(&path) else {
            continue;
        };
        let count = text.lines().count();
        if count > LONGEST {
            long.push(format!("{name} ({count})"));
        }
    }
    if !long.is_empty() {
        bail!("too long: {}", long.join(" "));
    }
    Ok(())
}

/// Runs `command` and shows what it says only when it fails, warnings included.
fn quiet(command: &mut Command) -> Result<()> {
    let output = command
        .output()
        .with_context(|| format!("cannot run {}", command.get_program().display()))?;
    if !output.status.success() {
        let said =
            String::from_utf8_lossy(&output.stderr) + String::from_utf8_lossy(&output.stdout);
        bail!("{}", said.trim_end());
    }
    Ok(())
}
