//! The machine description and QEMU's command line.

use std::env;
use std::fmt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::str::FromStr;

/// The program that plays the machine when nobody says otherwise.
const EMULATOR: &str = "qemu-system-ppc64";

/// The environment variable that names another one.
const EMULATOR_VARIABLE: &str = "CORRAL_QEMU";

/// `pseries` without the mitigations that TCG cannot provide and would warn about.
const BOARD: &str = "pseries,cap-cfpc=broken,cap-sbbc=broken,cap-ibs=broken,cap-ccf-assist=off";

/// What starts the kernel.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Firmware {
    /// QEMU's own minimal Open Firmware: 0.06 s to the kernel.
    #[default]
    Vof,
    /// SLOF: 5 s to the kernel, and closer to a real machine.
    Slof,
}

impl FromStr for Firmware {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        match name {
            "vof" => Ok(Self::Vof),
            "slof" => Ok(Self::Slof),
            other => Err(format!("firmware is vof or slof, not {other}")),
        }
    }
}

impl fmt::Display for Firmware {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Vof => "vof",
            Self::Slof => "slof",
        })
    }
}

/// One machine, described but not running.
#[derive(Clone, Debug)]
pub struct Machine {
    /// The kernel's ELF file.
    pub kernel: PathBuf,
    /// The RAM disk, a newc archive; `None` boots without one.
    pub ramdisk: Option<PathBuf>,
    /// A disk that SLOF boots from; kernel, RAM disk and command line are on it then, and those here are not used.
    pub disk: Option<PathBuf>,
    /// The kernel's command line.
    pub append: String,
    /// How many CPUs.
    pub smp: u32,
    /// Memory as QEMU spells it; a multiple of 256 MiB.
    pub memory: String,
    /// QEMU's name of the processor.
    pub cpu: String,
    /// What starts the kernel.
    pub firmware: Firmware,
    /// Further terminals, as QEMU's `-serial` spells them: `unix:/tmp/hvc1,server=on,wait=off`, `pty`.
    pub consoles: Vec<String>,
    /// More properties of QEMU's machine, as in `ic-mode=xive,max-cpu-compat=power9`.
    pub properties: String,
    /// The program that plays the machine.
    pub emulator: PathBuf,
    /// Stop before the first instruction and wait for a debugger on TCP port 1234.
    pub gdb: bool,
    /// Start again when the system reboots; otherwise a reboot ends the run.
    pub reboots: bool,
    /// Let time be the number of instructions, 1 ns each, so that runs repeat exactly.
    pub counted: bool,
    /// A plugin that watches what is executed, with its arguments, as QEMU's `-plugin` spells it.
    pub plugin: Option<String>,
}

impl Machine {
    /// A machine of the usual size: one POWER9 CPU, 1 GiB, VOF; played by the emulator that `CORRAL_QEMU` names.
    #[must_use]
    pub fn new(kernel: &Path, ramdisk: &Path) -> Self {
        Self {
            kernel: kernel.to_owned(),
            ramdisk: Some(ramdisk.to_owned()),
            disk: None,
            append: String::new(),
            smp: 1,
            memory: "1G".to_owned(),
            cpu: "power9".to_owned(),
            firmware: Firmware::Vof,
            consoles: Vec::new(),
            properties: String::new(),
            emulator: env::var_os(EMULATOR_VARIABLE).map_or_else(|| EMULATOR.into(), PathBuf::from),
            gdb: false,
            reboots: false,
            counted: false,
            plugin: None,
        }
    }

    /// QEMU's command with the console on `console` (a `-serial` argument) and the kernel's result in the
    /// file `result`.
    ///
    /// The emulator dies with the thread that starts it (`setpriv --pdeathsig`), so an ended test leaves
    /// nothing behind.
    pub(crate) fn command(&self, console: &str, result: &Path) -> Command {
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "TERM", "--"]);
        command.arg(&self.emulator);
        command.args(["-nodefaults", "-display", "none"]);
        let mut board = BOARD.to_owned();
        if self.firmware == Firmware::Vof && self.disk.is_none() {
            board.push_str(",x-vof=on");
        }
        if !self.properties.is_empty() {
            board.push(',');
            board.push_str(&self.properties);
        }
        command.arg("-machine").arg(board);
        command.args(["-cpu", &self.cpu, "-m", &self.memory]);
        command.arg("-smp").arg(self.smp.to_string());
        let reboot = if self.reboots {
            "reboot=reset"
        } else {
            "reboot=shutdown"
        };
        command.args(["-action", "panic=exit-failure", "-action", reboot]);
        command.args(["-serial", console]);
        let mut second = std::ffi::OsString::from("file:");
        second.push(result);
        command.arg("-serial").arg(second);
        for console in &self.consoles {
            command.args(["-serial", console]);
        }
        match &self.disk {
            Some(disk) => attach(&mut command, disk),
            None => self.load(&mut command),
        }
        if self.counted {
            command.args(["-icount", "shift=0,sleep=off", "-seed", "1"]);
        }
        if let Some(plugin) = &self.plugin {
            command.args(["-plugin", plugin]);
        }
        if self.gdb {
            command.args(["-gdb", "tcp:127.0.0.1:1234", "-S"]);
        }
        command
    }

    /// Lets the emulator itself load kernel and RAM disk.
    fn load(&self, command: &mut Command) {
        command.arg("-kernel").arg(&self.kernel);
        if let Some(ramdisk) = &self.ramdisk {
            command.arg("-initrd").arg(ramdisk);
        }
        if !self.append.is_empty() {
            command.args(["-append", &self.append]);
        }
    }
}

/// A disk on the paravirtual SCSI adapter, which no run changes.
fn attach(command: &mut Command, disk: &Path) {
    // QEMU reads a comma as the end of a value, and two as one.
    let file = disk.display().to_string().replace(',', ",,");
    let drive = format!("file={file},format=raw,if=none,id=disk,readonly=on");
    command.args(["-device", "spapr-vscsi", "-drive", &drive]);
    command.args(["-device", "scsi-hd,drive=disk"]);
}
