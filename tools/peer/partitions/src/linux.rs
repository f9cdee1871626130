//! Linux's containers: control groups of version 2 and name spaces.

use crate::child::{self, Child};
use crate::system::{Isolation, Limits, System, Usage};
use rustix::fs::CWD;
use rustix::mount::{MountFlags, MountPropagationFlags, mount, mount_change};
use std::fs::{self, File};
use std::io;
use std::os::fd::AsRawFd;
use std::path::PathBuf;
use std::time::{Duration, Instant};

const GROUPS: &str = "/sys/fs/cgroup";
/// What a container has as its root: a folder with the programs and a place for `/proc`.
const ROOT: &str = "/croot";
/// Mount, UTS, IPC, process and network name spaces.
const NAME_SPACES: u64 = (libc::CLONE_NEWNS
    | libc::CLONE_NEWUTS
    | libc::CLONE_NEWIPC
    | libc::CLONE_NEWPID
    | libc::CLONE_NEWNET) as u64;

/// Linux.
pub struct Linux {
    began: Instant,
    cpus: usize,
}

impl Linux {
    /// With the control groups mounted and their controllers on.
    pub fn new() -> io::Result<Self> {
        let control = format!("{GROUPS}/cgroup.subtree_control");
        if !fs::exists(&control)? {
            mount("sysfs", "/sys", "sysfs", MountFlags::empty(), None)?;
            mount("cgroup2", GROUPS, "cgroup2", MountFlags::empty(), None)?;
        }
        fs::write(control, "+cpu +memory")?;
        Ok(Self {
            began: Instant::now(),
            cpus: std::thread::available_parallelism()?.get(),
        })
    }

    fn group(number: usize) -> PathBuf {
        PathBuf::from(format!("{GROUPS}/p{number}"))
    }
}

/// What a container of full isolation does before its program.
fn move_in(number: usize) -> io::Result<()> {
    rustix::system::sethostname(format!("p{number}").as_bytes())?;
    mount_change(
        "/",
        MountPropagationFlags::REC | MountPropagationFlags::PRIVATE,
    )?;
    let proc = format!("{ROOT}/proc");
    mount("proc", proc, "proc", MountFlags::empty(), None)?;
    rustix::process::chroot(ROOT)?;
    rustix::process::chdir("/")?;
    child::loopback_up()
}

impl System for Linux {
    fn create(&mut self, number: usize, limits: Limits) -> io::Result<()> {
        // Microseconds; a quota below 1 ms is not allowed, so for a small part the period is longer.
        const PERIOD: u64 = 100_000;
        const LEAST: u64 = 1_000;
        let group = Self::group(number);
        fs::create_dir(&group)?;
        fs::write(group.join("cpu.weight"), limits.shares.to_string())?;
        let limit = match limits.hard_maximum {
            Some(most) => {
                let part = (u64::from(most) * self.cpus as u64).max(1);
                let period = PERIOD.max((LEAST * 10_000).div_ceil(part));
                format!("{} {period}", part * period / 10_000)
            }
            None => format!("max {PERIOD}"),
        };
        fs::write(group.join("cpu.max"), limit)?;
        fs::write(group.join("memory.max"), "67108864")
    }

    fn start(
        &mut self,
        number: usize,
        isolation: Isolation,
        body: &mut dyn FnMut(),
    ) -> io::Result<Child> {
        let group = File::open(Self::group(number))?;
        let name_spaces = match isolation {
            Isolation::Time => 0,
            Isolation::Full => NAME_SPACES,
        };
        child::fork_into(name_spaces, group.as_raw_fd(), &mut || {
            let moved = match isolation {
                Isolation::Time => Ok(()),
                Isolation::Full => move_in(number),
            };
            match moved {
                Ok(()) => body(),
                Err(error) => println!("! container {number}: {error}"),
            }
        })
    }

    fn usage(&mut self, numbers: &[usize]) -> io::Result<Vec<Usage>> {
        let of = |number: &usize| {
            let text = fs::read_to_string(Self::group(*number).join("cpu.stat"))?;
            let at = self.began.elapsed();
            let used = text
                .lines()
                .find_map(|line| line.strip_prefix("usage_usec ")?.parse().ok());
            let used = used.ok_or_else(|| io::Error::other("cpu.stat has no usage_usec"))?;
            Ok(Usage {
                used: Duration::from_micros(used),
                at,
            })
        };
        numbers.iter().map(of).collect()
    }

    fn remove(&mut self, number: usize) -> io::Result<()> {
        let deadline = Instant::now() + Duration::from_secs(5);
        // A group is busy while its first process has left others, and a moment longer.
        loop {
            match rustix::fs::unlinkat(CWD, Self::group(number), rustix::fs::AtFlags::REMOVEDIR) {
                Err(rustix::io::Errno::BUSY) if Instant::now() < deadline => {
                    fs::write(Self::group(number).join("cgroup.kill"), "1")?;
                    std::thread::sleep(Duration::from_micros(500));
                }
                done => return Ok(done?),
            }
        }
    }

    fn settle(&mut self) {
        // Name spaces are taken down behind the scenes. A cache that stays makes a figure worse, and no more.
        child::rest(Duration::from_secs(1));
        drop(fs::write("/proc/sys/vm/drop_caches", "3"));
        child::rest(Duration::from_millis(300));
    }
}
