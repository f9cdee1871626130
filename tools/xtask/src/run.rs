//! `cargo xtask run`: boot, with a person or a script at the console.

use crate::compile::Checks;
use crate::ramdisk::RamDisk;
use crate::workspace::Workspace;
use crate::{image, packages};
use anyhow::{Context, Result};
use clap::Args;
use qemu::{Event, Firmware, Guest, Machine, Outcome};
use std::fs;
use std::io::{Write, stdout};
use std::path::{Path, PathBuf};
use std::process;
use std::time::{Duration, Instant};

/// How long a script may take when the user does not say.
const LIMIT: Duration = Duration::from_secs(120);

/// What to put into the RAM disk.
#[derive(Args)]
pub struct Contents {
    /// Run FILE with Global's shell instead of a session; its status becomes that of the run
    #[arg(long, value_name = "FILE")]
    script: Option<PathBuf>,
    /// Put a file or folder of this machine into the RAM disk
    #[arg(long, value_name = "HOSTPATH:GUESTPATH", value_parser = addition)]
    add: Vec<(PathBuf, String)>,
}

impl Contents {
    /// Puts everything into the RAM disk.
    pub fn put_into(&self, disk: &mut RamDisk) -> Result<()> {
        if let Some(script) = &self.script {
            let text =
                fs::read(script).with_context(|| format!("cannot read {}", script.display()))?;
            disk.script(&text);
        }
        for (host, guest) in &self.add {
            disk.add(host, guest)?;
        }
        Ok(())
    }
}

/// What to boot, and how.
#[derive(Args)]
pub struct Options {
    #[command(flatten)]
    contents: Contents,
    /// Boot from this disk (cargo xtask disk), under SLOF, instead of what is built here
    #[arg(long, value_name = "FILE", conflicts_with_all = ["script", "add", "append", "firmware"])]
    disk: Option<PathBuf>,
    /// CPUs
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
    smp: u32,
    /// Memory, a multiple of 256M
    #[arg(long, value_name = "SIZE", default_value = "1G")]
    mem: String,
    /// QEMU's name of the processor
    #[arg(long, value_name = "MODEL", default_value = "power9")]
    cpu: String,
    /// vof or slof
    #[arg(long, default_value_t)]
    firmware: Firmware,
    /// A further terminal, /dev/hvc1 and so on, as QEMU's -serial spells it: pty, unix:PATH,server=on,wait=off
    #[arg(long, value_name = "SERIAL")]
    console: Vec<String>,
    /// More properties of QEMU's machine, as in ic-mode=xics
    #[arg(long, value_name = "PROPERTIES", default_value = "")]
    machine: String,
    /// The QEMU to run [default: $CORRAL_QEMU, or qemu-system-ppc64]
    #[arg(long, value_name = "PATH")]
    qemu: Option<PathBuf>,
    /// Text for the kernel's command line
    #[arg(
        long,
        value_name = "TEXT",
        default_value = "",
        allow_hyphen_values = true
    )]
    append: String,
    /// Boot a kernel that checks its debug assertions, among them the order of locks
    #[arg(long, conflicts_with = "disk")]
    debug: bool,
    /// Wait for a debugger before the first instruction
    #[arg(long)]
    gdb: bool,
    /// End the run after so many seconds with status 124 [default: 120 with --script]
    #[arg(long, value_name = "SECONDS")]
    timeout: Option<u64>,
    /// Boot and run the script so many times, whatever comes of it; the status is that of the first that is not 0
    #[arg(long, value_name = "TIMES", default_value_t = 1, requires = "script", value_parser = clap::value_parser!(u32).range(1..))]
    repeat: u32,
}

/// Splits `HOSTPATH:GUESTPATH` at the last colon.
fn addition(text: &str) -> Result<(PathBuf, String), String> {
    match text.rsplit_once(':') {
        Some((host, guest)) if !host.is_empty() && guest.starts_with('/') => {
            Ok((host.into(), guest.to_owned()))
        }
        _ => Err("not HOSTPATH:GUESTPATH with an absolute guest path".to_owned()),
    }
}

/// Builds, boots and returns the exit status.
pub fn run(workspace: &Workspace, options: &Options) -> Result<u8> {
    if options.gdb {
        packages::ensure(packages::DEBUGGER)?;
    }
    let mut image = image::build(
        workspace,
        if options.debug {
            Checks::On
        } else {
            Checks::Off
        },
    )?;
    options.contents.put_into(&mut image.disk)?;
    // Several runs may go on at once: each has its own folder.
    let folder = workspace.folder(&format!("run/{}", process::id()))?;
    let archive = folder.join("ramdisk.cpio");
    image.disk.write(&archive)?;
    let mut machine = Machine {
        append: options.append.clone(),
        smp: options.smp,
        memory: options.mem.clone(),
        cpu: options.cpu.clone(),
        firmware: options.firmware,
        disk: options.disk.clone(),
        consoles: options.console.clone(),
        properties: options.machine.clone(),
        gdb: options.gdb,
        // A script would only run once more.
        reboots: options.contents.script.is_none(),
        ..Machine::new(&image.kernel, &archive)
    };
    if let Some(emulator) = &options.qemu {
        machine.emulator.clone_from(emulator);
    }
    if options.gdb {
        debugger_hint(&image.kernel);
    }
    let status = if options.repeat == 1 {
        once(&machine, options, &folder)
    } else {
        repeatedly(&machine, options, &folder)
    };
    fs::remove_dir_all(&folder).with_context(|| format!("cannot remove {}", folder.display()))?;
    status
}

/// Boots `machine` and returns the exit status.
fn once(machine: &Machine, options: &Options, folder: &Path) -> Result<u8> {
    let limit = options.timeout.map(Duration::from_secs);
    let outcome = match options.contents.script {
        Some(_) => watch(machine, folder, limit.unwrap_or(LIMIT)),
        None => qemu::converse(machine, folder, limit),
    };
    let outcome = match outcome? {
        // A script always leaves a status; a machine that went off without one has not run it.
        Outcome::Off if options.contents.script.is_some() => {
            Outcome::Died("the machine went off".to_owned())
        }
        // With a person at the terminal the machine has started again, and was left since.
        Outcome::Restart if options.contents.script.is_none() => Outcome::Off,
        outcome => outcome,
    };
    if !matches!(outcome, Outcome::Status(_) | Outcome::Off) {
        eprintln!("xtask: {outcome}");
    }
    Ok(outcome.exit_status())
}

/// Boots `machine` again and again, for what shows itself only sometimes; the first status that is not 0, if any.
fn repeatedly(machine: &Machine, options: &Options, folder: &Path) -> Result<u8> {
    let mut failures = Vec::new();
    for number in 1..=options.repeat {
        let start = Instant::now();
        let status = once(machine, options, folder)?;
        if status != 0 {
            failures.push(status);
        }
        eprintln!(
            "xtask: run {number} of {}: status {status} after {:.1} s",
            options.repeat,
            start.elapsed().as_secs_f32()
        );
    }
    eprintln!(
        "xtask: {} of {} runs have failed",
        failures.len(),
        options.repeat
    );
    Ok(failures.first().copied().unwrap_or(0))
}

/// Prints the console of `machine` until it is off.
pub fn watch(machine: &Machine, folder: &Path, limit: Duration) -> Result<Outcome> {
    let deadline = Instant::now() + limit;
    let mut guest = Guest::start(machine, folder)?;
    let mut screen = stdout().lock();
    while let Event::Output(mut bytes) = guest.next(deadline) {
        // A terminal needs carriage returns, a file or a pipe does not want them.
        bytes.retain(|&byte| byte != b'\r');
        screen.write_all(&bytes)?;
        screen.flush()?;
    }
    guest.finish(deadline)
}

fn debugger_hint(kernel: &Path) {
    eprintln!(
        "gdb-multiarch -ex 'set architecture powerpc:common64' -ex 'set endian little' -ex 'file {}' \
         -ex 'target remote :1234'",
        kernel.display()
    );
}
