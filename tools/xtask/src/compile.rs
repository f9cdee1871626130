//! Compiling for the target. Cargo and file times decide what is out of date.

use crate::workspace::{Workspace, capture, perform};
use anyhow::{Context, Result, bail};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The target of programs.
const PROGRAMS: &str = "powerpc64le-unknown-linux-gnu";
/// The C compiler for it.
const CC: &str = "powerpc64le-linux-gnu-gcc";
/// Its reader of symbols.
const NM: &str = "powerpc64le-linux-gnu-nm";
/// Its reader of line numbers.
const ADDR2LINE: &str = "powerpc64le-linux-gnu-addr2line";
/// The C compiler for this machine, which Rust links with.
const HOST_CC: &str = "cc";
/// The kernel's target specification, a file in `qemu/`, and its name in cargo's target folder.
const KERNEL: &str = "powerpc64le-corral";

/// Cargo with the kernel's configuration, which stays out of `.cargo` so that host crates do not see it.
pub fn for_kernel(mut cargo: Command, task: Option<&str>, workspace: &Workspace) -> Command {
    cargo.env("RUSTC_BOOTSTRAP", "1").args(task);
    cargo
        .arg("--config")
        .arg(workspace.root.join("qemu/kernel-build.toml"));
    cargo
}

/// How the kernel is built.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Checks {
    /// As it is used.
    Off,
    /// With debug assertions, among them the order of locks.
    On,
}

impl Checks {
    /// Cargo's profile, and the folder of what is built with it.
    fn profile(self) -> &'static str {
        match self {
            Checks::Off => "release",
            Checks::On => "checked",
        }
    }
}

/// Cargo for static programs with the standard library, which Debian has only as sources for this target.
pub fn for_programs(mut cargo: Command, task: &str) -> Command {
    cargo
        .env("RUSTC_BOOTSTRAP", "1")
        .env("RUSTFLAGS", "-C target-feature=+crt-static");
    cargo.env("CARGO_TARGET_POWERPC64LE_UNKNOWN_LINUX_GNU_LINKER", CC);
    cargo.args([
        task,
        "--target",
        PROGRAMS,
        "-Zbuild-std=std,panic_abort",
        "--profile",
        "userland",
    ]);
    cargo
}

/// Cargo to build the tests of others' crates as static programs that may unwind; it tells what it has made as JSON.
pub fn for_foreign_tests(mut cargo: Command) -> Command {
    cargo
        .env("RUSTC_BOOTSTRAP", "1")
        .env("RUSTFLAGS", "-C target-feature=+crt-static")
        .env("CARGO_TARGET_POWERPC64LE_UNKNOWN_LINUX_GNU_LINKER", CC)
        .env("CC_powerpc64le_unknown_linux_gnu", CC)
        .env("CARGO_PROFILE_DEV_DEBUG", "0")
        .env("CARGO_PROFILE_DEV_STRIP", "true")
        .env("CARGO_PROFILE_DEV_INCREMENTAL", "false");
    cargo.args([
        "build",
        "--tests",
        "--keep-going",
        "--target",
        PROGRAMS,
        "-Zbuild-std=std,panic_unwind,test",
        "--message-format=json",
    ]);
    cargo
}

/// The kernel's ELF file.
pub fn kernel(workspace: &Workspace, checks: Checks) -> Result<PathBuf> {
    image(workspace, "corral", checks).context("the kernel does not build")
}

/// The ELF file of the checks of `arch` on the bare machine.
pub fn arch_image(workspace: &Workspace) -> Result<PathBuf> {
    image(workspace, "arch-image", Checks::Off).context("the checks of arch do not build")
}

/// A program without an operating system below it.
fn image(workspace: &Workspace, package: &str, checks: Checks) -> Result<PathBuf> {
    let profile = checks.profile();
    let mut cargo = for_kernel(workspace.cargo(), Some("build"), workspace);
    perform(cargo.args(["--profile", profile, "--package", package]))?;
    built(workspace.target.join(KERNEL).join(profile).join(package))
}

/// The multi-call binary of the admin commands and init.
pub fn commands(workspace: &Workspace) -> Result<PathBuf> {
    perform(for_programs(workspace.cargo(), "build").args(["--package", "commands"]))
        .context("the userland does not build")?;
    built(
        workspace
            .target
            .join(PROGRAMS)
            .join("userland/corral-admin"),
    )
}

/// The tiny first process of application WPARs: no libc, a few hundred bytes.
pub fn vinit(workspace: &Workspace) -> Result<PathBuf> {
    let flags = [
        "-Os",
        "-static",
        "-nostdlib",
        "-ffreestanding",
        "-fno-stack-protector",
        "-Wl,--build-id=none",
        "-s",
    ];
    let sources = files(&workspace.root.join("userland/vinit"), &["c", "S"])?;
    let program = workspace.folder("bin")?.join("vinit");
    gcc(&sources, &flags, &program)?;
    Ok(program)
}

/// The programs of the target suites, by name: Rust ones with `std`, C ones with glibc, static and dynamic.
pub fn test_programs(workspace: &Workspace) -> Result<Vec<(String, PathBuf)>> {
    perform(for_programs(workspace.cargo(), "build").args(["--package", "programs"]))
        .context("the test programs do not build")?;
    let mut programs = Vec::new();
    for source in files(&workspace.root.join("tests/programs/src/bin"), &["rs"])? {
        let name = stem(&source)?;
        let path = built(workspace.target.join(PROGRAMS).join("userland").join(&name))?;
        programs.push((name, path));
    }
    programs.push(fuzzer(workspace)?);
    programs.push(("tokio".to_owned(), tokio(workspace)?));
    let folder = workspace.folder("test-programs")?;
    for source in files(&workspace.root.join("tests/programs/c"), &["c"])? {
        let name = stem(&source)?;
        let program = folder.join(&name);
        gcc(
            &[source],
            &["-O1", "-static", "-Wall", "-Wextra", "-pthread", "-s"],
            &program,
        )?;
        programs.push((name, program));
    }
    for source in files(&workspace.root.join("tests/programs/dynamic"), &["c"])? {
        let stem = stem(&source)?;
        for (name, place) in [(stem.clone(), "-pie"), (format!("{stem}-fixed"), "-no-pie")] {
            let program = folder.join(&name);
            let code = if place == "-pie" { "-fPIE" } else { "-fno-pie" };
            let flags = [
                code,
                place,
                "-O1",
                "-Wall",
                "-Wextra",
                "-pthread",
                "-Wl,-z,relro",
                "-s",
            ];
            gcc(std::slice::from_ref(&source), &flags, &program)?;
            programs.push((name, program));
        }
    }
    Ok(programs)
}

/// The fuzzer of system calls, of several files.
pub fn fuzzer(workspace: &Workspace) -> Result<(String, PathBuf)> {
    perform(for_programs(workspace.cargo(), "build").args(["--package", "programs"]))
        .context("the test programs do not build")?;
    let path = built(workspace.target.join(PROGRAMS).join("userland/fuzz"))?;
    Ok(("fuzz".to_owned(), path))
}

/// The checks of tokio; a package of its own, so that the other programs do not wait for it.
fn tokio(workspace: &Workspace) -> Result<PathBuf> {
    perform(for_programs(workspace.cargo(), "build").args(["--package", "tokio-checks"]))
        .context("the checks of tokio do not build")?;
    built(
        workspace
            .target
            .join(PROGRAMS)
            .join("userland/tokio-checks"),
    )
}

/// What the dynamically linked ones of [`test_programs`] and [`peer_programs`] need: files of the cross compiler's libc, and their places.
pub const LIBRARIES: &[(&str, &str)] = &[
    (
        "/usr/powerpc64le-linux-gnu/lib/ld64.so.2",
        "/lib64/ld64.so.2",
    ),
    ("/usr/powerpc64le-linux-gnu/lib/libc.so.6", "/lib/libc.so.6"),
    ("/usr/powerpc64le-linux-gnu/lib/libm.so.6", "/lib/libm.so.6"),
];

/// The programs that benchmarks run on Corral and on Linux alike, by name.
pub fn peer_programs(workspace: &Workspace) -> Result<Vec<(String, PathBuf)>> {
    let folder = workspace.folder("peer-programs")?;
    let mut programs = Vec::new();
    for source in files(&workspace.root.join("tools/peer/programs"), &["c"])? {
        let name = stem(&source)?;
        let program = folder.join(&name);
        let flags = ["-O2", "-static", "-Wall", "-Wextra", "-pthread", "-s"];
        gcc(&[source], &flags, &program)?;
        programs.push((name, program));
    }
    let program = folder.join("trivial_dynamic");
    let source = workspace.root.join("tools/peer/programs/trivial.c");
    gcc(&[source], &["-O2", "-Wall", "-Wextra", "-s"], &program)?;
    programs.push(("trivial_dynamic".to_owned(), program));
    programs.extend(partition_programs(workspace)?);
    Ok(programs)
}

/// The program that measures partitions, and what it runs in them.
pub fn partition_programs(workspace: &Workspace) -> Result<Vec<(String, PathBuf)>> {
    let folder = workspace.folder("peer-programs")?;
    let mut programs = Vec::new();
    let source = workspace.root.join("tools/peer/tiny/tiny.c");
    let flags = [
        "-O2",
        "-static",
        "-nostdlib",
        "-ffreestanding",
        "-fno-stack-protector",
        "-Wl,--build-id=none",
        "-s",
    ];
    for (name, variant) in [("tiny_exit", None), ("tiny_pause", Some("-DTINY_PAUSE"))] {
        let program = folder.join(name);
        let flags: Vec<&str> = flags.into_iter().chain(variant).collect();
        gcc(std::slice::from_ref(&source), &flags, &program)?;
        programs.push((name.to_owned(), program));
    }
    perform(for_programs(workspace.cargo(), "build").args(["--package", "peer"]))
        .context("the measuring program does not build")?;
    let program = built(workspace.target.join(PROGRAMS).join("userland/partitions"))?;
    programs.push(("partitions".to_owned(), program));
    Ok(programs)
}

/// The emulator's plugin for `profile`, for this machine.
pub fn plugin(workspace: &Workspace) -> Result<PathBuf> {
    let source = workspace.root.join("tools/profile/plugin.c");
    let flags = [
        "-O2",
        "-shared",
        "-fPIC",
        "-fvisibility=hidden",
        "-Wall",
        "-Wextra",
    ];
    let plugin = workspace.folder("bin")?.join("profile.so");
    compile(HOST_CC, &[source], &flags, &plugin)?;
    Ok(plugin)
}

/// The program that marks begin or end for it.
pub fn mark(workspace: &Workspace) -> Result<PathBuf> {
    let source = workspace.root.join("tools/profile/mark.c");
    let program = workspace.folder("bin")?.join("mark");
    gcc(
        &[source],
        &["-O2", "-static", "-Wall", "-Wextra", "-s"],
        &program,
    )?;
    Ok(program)
}

/// The kernel's functions and labels, one a line: address, kind, name.
pub fn symbols(kernel: &Path) -> Result<String> {
    capture(
        Command::new(NM)
            .args(["--demangle", "--defined-only", "--numeric-sort"])
            .arg(kernel),
    )
}

/// Where in the source the instructions at some addresses come from, with the functions that are inlined there.
pub fn places(kernel: &Path, addresses: impl Iterator<Item = u64>) -> Result<Vec<String>> {
    let mut command = Command::new(ADDR2LINE);
    command.args([
        "--inlines",
        "--pretty-print",
        "--functions",
        "--demangle",
        "--basenames",
    ]);
    command.arg("--exe").arg(kernel);
    command.args(addresses.map(|address| format!("{address:x}")));
    let told = capture(&mut command)?;
    // What others are inlined in stands on lines of their own.
    Ok(told
        .replace("\n (inlined by) ", " < ")
        .lines()
        .map(str::to_owned)
        .collect())
}

/// Compiles `sources` for the target.
fn gcc(sources: &[PathBuf], flags: &[&str], program: &Path) -> Result<()> {
    compile(CC, sources, flags, program)
}

/// Compiles `sources` (and what lies beside them) into `program` when they are newer than it.
fn compile(compiler: &str, sources: &[PathBuf], flags: &[&str], program: &Path) -> Result<()> {
    let folder = sources
        .first()
        .and_then(|source| source.parent())
        .context("there are no sources")?;
    let mut inputs = sources.to_vec();
    inputs.extend(files(folder, &["h"])?);
    let made = fs::metadata(program).and_then(|data| data.modified()).ok();
    let fresh = made.is_some_and(|made| {
        inputs.iter().all(|input| {
            fs::metadata(input)
                .and_then(|data| data.modified())
                .is_ok_and(|time| time < made)
        })
    });
    if !fresh {
        eprintln!(
            "compiling {}",
            program.file_name().unwrap_or_default().to_string_lossy()
        );
        capture(
            Command::new(compiler)
                .args(flags)
                .arg("-o")
                .arg(program)
                .args(sources),
        )?;
    }
    Ok(())
}

/// The files in `folder` with one of these extensions, in order of their names.
fn files(folder: &Path, extensions: &[&str]) -> Result<Vec<PathBuf>> {
    let entries =
        fs::read_dir(folder).with_context(|| format!("cannot read {}", folder.display()))?;
    let mut found: Vec<PathBuf> = entries
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| {
            path.extension()
                .is_some_and(|extension| extensions.iter().any(|wanted| extension == *wanted))
        })
        .collect();
    found.sort();
    Ok(found)
}

fn stem(path: &Path) -> Result<String> {
    let stem = path
        .file_stem()
        .with_context(|| format!("{} has no name", path.display()))?;
    Ok(stem.to_string_lossy().into_owned())
}

fn built(path: PathBuf) -> Result<PathBuf> {
    if !path.exists() {
        bail!("the build has left no {}", path.display());
    }
    Ok(path)
}
