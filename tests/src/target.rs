//! What is tested: a kernel, RAM disks made to measure, and a talk with a running machine.

use anyhow::{Context, Result, bail};
use qemu::{Event, Guest, Machine, Outcome};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

/// How long a machine may take to do the next thing on a busy host.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// Makes RAM disks that hold the test programs.
pub trait RamDisks: Sync {
    /// Writes a RAM disk to `archive`; init runs `script`, or a shell when there is none. What `needs` says of files is
    /// in it.
    ///
    /// # Errors
    /// When the archive cannot be written, or the packages cannot be fetched.
    fn make(&self, script: Option<&[u8]>, needs: &Needs, archive: &Path) -> Result<()>;
}

/// What a suite needs of its machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Needs {
    /// CPUs.
    pub cpus: u32,
    /// Memory as QEMU spells it.
    pub memory: String,
    /// Debian's packages in the RAM disk, and what they depend on.
    pub packages: Vec<String>,
    /// Crates whose test programs are in the RAM disk, each with its version.
    pub crates: Vec<String>,
    /// The WPAR for which Debian's minimal root is there.
    pub minbase: Option<String>,
    /// The kernel with debug assertions.
    pub debug: bool,
    /// Whether an instruction takes a nanosecond, so that times come out the same on every host.
    pub counted: bool,
    /// How long a test may take to say something.
    pub patience: Duration,
}

impl Default for Needs {
    fn default() -> Self {
        Self {
            cpus: 1,
            memory: "1G".to_owned(),
            packages: Vec::new(),
            crates: Vec::new(),
            minbase: None,
            debug: false,
            counted: false,
            patience: PATIENCE,
        }
    }
}

/// The system under test.
pub struct Target<'a> {
    /// The kernel's ELF file.
    pub kernel: PathBuf,
    /// The ELF file of the kernel with debug assertions, where a suite asks for it.
    pub checked_kernel: PathBuf,
    /// The ELF file of the checks of `arch`.
    pub arch_image: PathBuf,
    /// How many CPUs the machines of suites have that do not ask for more.
    pub cpus: u32,
    /// Makes its RAM disks.
    pub disks: &'a dyn RamDisks,
    /// A folder for files of running machines.
    pub work: PathBuf,
    /// This program's own path: `cargo xtask`.
    pub xtask: PathBuf,
}

/// Numbers the folders of machines.
static MACHINES: AtomicU32 = AtomicU32::new(0);

impl Target<'_> {
    /// A folder that no other machine of this run uses.
    pub fn folder(&self) -> Result<PathBuf> {
        let folder = self
            .work
            .join(MACHINES.fetch_add(1, Ordering::Relaxed).to_string());
        std::fs::create_dir_all(&folder)
            .with_context(|| format!("cannot make {}", folder.display()))?;
        Ok(folder)
    }

    /// Boots a machine of the usual kind.
    pub fn boot(&self, script: Option<&[u8]>) -> Result<Talk> {
        self.boot_with(script, &Needs::default())
    }

    /// Boots a machine that has what `needs` says.
    pub fn boot_with(&self, script: Option<&[u8]>, needs: &Needs) -> Result<Talk> {
        let folder = self.folder()?;
        let archive = folder.join("ramdisk.cpio");
        self.disks.make(script, needs, &archive)?;
        let kernel = if needs.debug {
            &self.checked_kernel
        } else {
            &self.kernel
        };
        let mut machine = Machine::new(kernel, &archive);
        machine.smp = if needs.counted {
            needs.cpus
        } else {
            needs.cpus.max(self.cpus)
        };
        machine.memory.clone_from(&needs.memory);
        machine.counted = needs.counted;
        Talk::start(&machine, &folder)
    }
}

/// A running machine and everything that it has printed.
pub struct Talk {
    guest: Guest,
    heard: Vec<u8>,
    /// How much of `heard` earlier waits have consumed.
    used: usize,
}

impl Talk {
    /// Starts `machine`, with its files in `folder`.
    pub fn start(machine: &Machine, folder: &Path) -> Result<Self> {
        Ok(Self {
            guest: Guest::start(machine, folder)?,
            heard: Vec::new(),
            used: 0,
        })
    }

    /// Everything printed so far.
    pub fn transcript(&self) -> String {
        String::from_utf8_lossy(&self.heard).replace('\r', "")
    }

    /// Types `text`.
    pub fn send(&mut self, text: &str) -> Result<()> {
        self.guest.send(text.as_bytes())
    }

    /// Waits until `pattern` is printed, and consumes everything up to its end.
    pub fn wait(&mut self, pattern: &str) -> Result<()> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(at) = find(&self.heard[self.used..], pattern.as_bytes()) {
                self.used += at + pattern.len();
                return Ok(());
            }
            match self.guest.next(deadline) {
                Event::Output(bytes) => self.heard.extend(bytes),
                Event::Closed => bail!("the machine went off before it printed {pattern:?}"),
                Event::Deadline => bail!(
                    "{pattern:?} was not printed within {} s",
                    PATIENCE.as_secs()
                ),
            }
        }
    }

    /// The next whole line, without its end; `None` when the machine is off.
    pub fn line(&mut self, deadline: Instant) -> Result<Option<String>> {
        loop {
            if let Some(length) = find(&self.heard[self.used..], b"\n") {
                let line = String::from_utf8_lossy(&self.heard[self.used..][..length]).into_owned();
                self.used += length + 1;
                return Ok(Some(line.trim_end_matches('\r').to_owned()));
            }
            match self.guest.next(deadline) {
                Event::Output(bytes) => self.heard.extend(bytes),
                Event::Closed => return Ok(None),
                Event::Deadline => bail!("nothing was printed before the deadline"),
            }
        }
    }

    /// Reads to the machine's end, or ends it after `limit`; returns how it ended and all that it printed.
    pub fn end(mut self, limit: Duration) -> Result<(Outcome, String)> {
        let deadline = Instant::now() + limit;
        while let Event::Output(bytes) = self.guest.next(deadline) {
            self.heard.extend(bytes);
        }
        let transcript = self.transcript();
        Ok((self.guest.finish(deadline)?, transcript))
    }
}

fn find(text: &[u8], pattern: &[u8]) -> Option<usize> {
    text.windows(pattern.len())
        .position(|window| window == pattern)
}
