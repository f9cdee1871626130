//! Files that tell of the system.

use crate::source::{CpuTimes, LockKind, LockLine, ProcSource, System};
use abi::{Nanos, PAGE_SIZE, Pages};
use alloc::vec::Vec;
use core::fmt::Write;
use fallible::{NoMemory, Text, written};
use ipc::system_v::{MESSAGES_IN_ALL, SEGMENTS, SEMAPHORE_LIMITS};
use security::CapabilitySet;
use vfs::{InodeId, MountFlags, MountLine};

/// Clock ticks in a second, as programs are told by `sysconf(_SC_CLK_TCK)` and AT_CLKTCK.
const TICKS_PER_SECOND: u64 = 100;

/// Most bytes of a pipe that somebody without privileges may ask for (`man 7 pipe`).
const PIPE_MAX: u32 = 1 << 20;

/// A span in clock ticks.
pub(crate) fn ticks(span: Nanos) -> u64 {
    span.0 / (1_000_000_000 / TICKS_PER_SECOND)
}

/// Pages in units of 1024 bytes.
pub(crate) fn kib(pages: Pages) -> u64 {
    pages.0.saturating_mul(PAGE_SIZE as u64 / 1024)
}

/// A file of the system.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum SystemFile {
    CommandLine,
    CpuInfo,
    FileSystems,
    LoadAverage,
    /// Not of the system as a whole, but of its processes.
    Locks,
    MemInfo,
    Stat,
    Uptime,
    Version,
    HostName,
    OsRelease,
    OsType,
    OsVersion,
    PidMax,
    OpenLimit,
    /// How much of where programs are put is random.
    Randomization,
    CorePattern,
    CoreUsesPid,
    /// The capability with the highest number.
    LastCapability,
    GroupsMax,
    BootId,
    Uuid,
    /// Kernel modules, of which there are none.
    Modules,
    Swaps,
    VmStat,
    Overcommit,
    FileMax,
    PipeMax,
    /// Kinds of devices and their numbers.
    Devices,
    /// What groups of processes may be controlled by: nothing.
    Controllers,
    /// What disks have done: nothing, for there are none.
    DiskStats,
    NameCount,
    WatchMax,
    ThreadMax,
    /// Which orders a key of the console gives: there is no such key.
    ConsoleOrders,
    /// Limits of System V IPC.
    Semaphores,
    SegmentPages,
    SegmentSize,
    Segments,
    MessageSize,
    QueueSize,
    Queues,
    /// Random bits that there are, of which there may be as many.
    Entropy,
}

/// The files of `/proc`.
pub(crate) const ROOT_FILES: [(&str, SystemFile); 15] = [
    ("cgroups", SystemFile::Controllers),
    ("cmdline", SystemFile::CommandLine),
    ("cpuinfo", SystemFile::CpuInfo),
    ("devices", SystemFile::Devices),
    ("diskstats", SystemFile::DiskStats),
    ("filesystems", SystemFile::FileSystems),
    ("loadavg", SystemFile::LoadAverage),
    ("locks", SystemFile::Locks),
    ("meminfo", SystemFile::MemInfo),
    ("modules", SystemFile::Modules),
    ("stat", SystemFile::Stat),
    ("swaps", SystemFile::Swaps),
    ("uptime", SystemFile::Uptime),
    ("version", SystemFile::Version),
    ("vmstat", SystemFile::VmStat),
];

/// The files of `/proc/sys/kernel`.
pub(crate) const KERNEL_FILES: [(&str, SystemFile); 19] = [
    ("cap_last_cap", SystemFile::LastCapability),
    ("core_pattern", SystemFile::CorePattern),
    ("core_uses_pid", SystemFile::CoreUsesPid),
    ("hostname", SystemFile::HostName),
    ("msgmax", SystemFile::MessageSize),
    ("msgmnb", SystemFile::QueueSize),
    ("msgmni", SystemFile::Queues),
    ("ngroups_max", SystemFile::GroupsMax),
    ("osrelease", SystemFile::OsRelease),
    ("ostype", SystemFile::OsType),
    ("pid_max", SystemFile::PidMax),
    ("randomize_va_space", SystemFile::Randomization),
    ("sem", SystemFile::Semaphores),
    ("shmall", SystemFile::SegmentPages),
    ("shmmax", SystemFile::SegmentSize),
    ("shmmni", SystemFile::Segments),
    ("sysrq", SystemFile::ConsoleOrders),
    ("threads-max", SystemFile::ThreadMax),
    ("version", SystemFile::OsVersion),
];

/// The files of `/proc/sys/fs`.
pub(crate) const FS_FILES: [(&str, SystemFile); 4] = [
    ("dentry-state", SystemFile::NameCount),
    ("file-max", SystemFile::FileMax),
    ("nr_open", SystemFile::OpenLimit),
    ("pipe-max-size", SystemFile::PipeMax),
];

/// The files of `/proc/sys/vm`.
pub(crate) const VM_FILES: [(&str, SystemFile); 1] =
    [("overcommit_memory", SystemFile::Overcommit)];

/// The files of `/proc/sys/kernel/random`.
pub(crate) const RANDOM_FILES: [(&str, SystemFile); 5] = [
    ("boot_id", SystemFile::BootId),
    ("entropy_avail", SystemFile::Entropy),
    ("poolsize", SystemFile::Entropy),
    ("uuid", SystemFile::Uuid),
    ("write_wakeup_threshold", SystemFile::Entropy),
];

/// The files of `/proc/sys/fs/epoll`.
pub(crate) const EPOLL_FILES: [(&str, SystemFile); 1] =
    [("max_user_watches", SystemFile::WatchMax)];

/// The text of a file.
pub(crate) fn text(file: SystemFile, source: &dyn ProcSource) -> Result<Vec<u8>, NoMemory> {
    if file == SystemFile::Locks {
        let lines = source.locks()?;
        return written(|out| {
            let mut numbered = (1..).zip(&lines);
            numbered.try_for_each(|(number, line)| lock_line(out, number, line))
        });
    }
    let system = source.system()?;
    written(|out| write(out, file, &system))
}

/// A line of `/proc/locks` (`man 5 proc`).
fn lock_line(out: &mut Text, number: u32, line: &LockLine) -> core::fmt::Result {
    let (kind, pid) = match line.kind {
        LockKind::Process => ("POSIX ", i64::from(line.pid.0)),
        LockKind::OpenFile => ("OFDLCK", -1),
        LockKind::Whole => ("FLOCK ", i64::from(line.pid.0)),
    };
    let access = if line.exclusive { "WRITE" } else { "READ " };
    let InodeId {
        device,
        number: inode,
    } = line.file;
    write!(out, "{number}: {kind} ADVISORY  {access} {pid} ")?;
    write!(
        out,
        "{:02x}:{:02x}:{inode} {} ",
        device.major, device.minor, line.first
    )?;
    match line.last {
        u64::MAX => out.write_str("EOF\n"),
        last => writeln!(out, "{last}"),
    }
}

fn write(out: &mut Text, file: SystemFile, system: &System) -> core::fmt::Result {
    match file {
        SystemFile::CommandLine => writeln!(out, "{}", system.command_line),
        // The name of core files is not to be chosen.
        SystemFile::CorePattern => out.write_str("core\n"),
        SystemFile::CoreUsesPid => out.write_str("0\n"),
        SystemFile::CpuInfo => cpu_info(out, system),
        SystemFile::FileSystems => system
            .file_systems
            .iter()
            .try_for_each(|kind| writeln!(out, "nodev\t{kind}")),
        SystemFile::LoadAverage => load_average(out, system),
        SystemFile::MemInfo => memory(out, system),
        SystemFile::Stat => statistics(out, system),
        SystemFile::Uptime => uptime(out, system),
        SystemFile::Version => {
            writeln!(
                out,
                "{} version {} {}",
                system.system_name, system.release, system.version
            )
        }
        SystemFile::HostName => writeln!(out, "{}", system.host_name),
        SystemFile::OsRelease => writeln!(out, "{}", system.release),
        SystemFile::OsType => writeln!(out, "{}", system.system_name),
        SystemFile::OsVersion => writeln!(out, "{}", system.version),
        SystemFile::PidMax => writeln!(out, "{}", system.pid_limit),
        // Everything, for everybody who does not ask for the contrary.
        SystemFile::Randomization => writeln!(out, "2"),
        SystemFile::LastCapability => writeln!(out, "{}", CapabilitySet::COUNT - 1),
        SystemFile::GroupsMax => out.write_str("65536\n"),
        SystemFile::BootId => uuid(out, system.boot_id),
        SystemFile::Uuid => uuid(out, system.random),
        // Locks are told of by `text`.
        SystemFile::Modules | SystemFile::Locks | SystemFile::DiskStats => Ok(()),
        SystemFile::Devices => out.write_str(
            "Character devices:\n  1 mem\n  5 /dev/tty\n  5 /dev/console\n  5 /dev/ptmx\n 10 misc\n136 pts\n229 hvc\n\nBlock devices:\n",
        ),
        SystemFile::Controllers => {
            out.write_str("#subsys_name\thierarchy\tnum_cgroups\tenabled\n")
        }
        // Names are kept nowhere but in their directories.
        SystemFile::NameCount => out.write_str("0\t0\t45\t0\t0\t0\n"),
        // Memory alone bounds them.
        SystemFile::WatchMax => writeln!(out, "{}", i32::MAX),
        SystemFile::ThreadMax => writeln!(out, "{}", system.pid_limit),
        SystemFile::ConsoleOrders => out.write_str("0\n"),
        SystemFile::Semaphores => {
            let limits = SEMAPHORE_LIMITS;
            let of_set = (limits.in_set, limits.in_all);
            writeln!(out, "{}\t{}\t{}\t{}", of_set.0, of_set.1, limits.in_call, limits.sets)
        }
        SystemFile::SegmentPages => writeln!(out, "{}", i64::MAX / PAGE_SIZE as i64),
        SystemFile::SegmentSize => writeln!(out, "{}", i64::MAX),
        SystemFile::Segments => writeln!(out, "{SEGMENTS}"),
        SystemFile::MessageSize => writeln!(out, "{}", MESSAGES_IN_ALL.message),
        SystemFile::QueueSize => writeln!(out, "{}", MESSAGES_IN_ALL.queue),
        SystemFile::Queues => writeln!(out, "{}", MESSAGES_IN_ALL.queues),
        SystemFile::Entropy => out.write_str("256\n"),
        SystemFile::Swaps => out.write_str("Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority\n"),
        SystemFile::VmStat => memory_statistics(out, system),
        // Nothing is promised: a mapping costs what is touched of it.
        SystemFile::Overcommit => out.write_str("1\n"),
        // Open files are bounded by memory alone.
        SystemFile::FileMax => writeln!(out, "{}", i64::MAX),
        SystemFile::PipeMax => writeln!(out, "{}", PIPE_MAX),
        SystemFile::OpenLimit => writeln!(out, "{}", vfs::DESCRIPTOR_LIMIT),
    }
}

fn seconds(out: &mut Text, span: Nanos) -> core::fmt::Result {
    write!(
        out,
        "{}.{:02}",
        span.0 / 1_000_000_000,
        span.0 / 10_000_000 % 100
    )
}

fn uptime(out: &mut Text, system: &System) -> core::fmt::Result {
    seconds(out, system.uptime)?;
    out.write_char(' ')?;
    seconds(out, sum(&system.cpu_times).idle)?;
    out.write_char('\n')
}

fn load_average(out: &mut Text, system: &System) -> core::fmt::Result {
    for load in system.load {
        write!(out, "{}.{:02} ", load / 100, load % 100)?;
    }
    writeln!(
        out,
        "{}/{} {}",
        system.running.0, system.running.1, system.last_pid
    )
}

fn sum(times: &[CpuTimes]) -> CpuTimes {
    let add = |sum: CpuTimes, cpu: &CpuTimes| CpuTimes {
        user: sum.user.saturating_add(cpu.user),
        nice: sum.nice.saturating_add(cpu.nice),
        system: sum.system.saturating_add(cpu.system),
        idle: sum.idle.saturating_add(cpu.idle),
        interrupt: sum.interrupt.saturating_add(cpu.interrupt),
        stolen: sum.stolen.saturating_add(cpu.stolen),
        ..sum
    };
    times.iter().fold(CpuTimes::default(), add)
}

fn cpu_line(out: &mut Text, times: &CpuTimes) -> core::fmt::Result {
    // user nice system idle iowait irq softirq steal guest guest_nice
    let columns = [
        times.user,
        times.nice,
        times.system,
        times.idle,
        Nanos(0),
        times.interrupt,
        Nanos(0),
        times.stolen,
    ];
    for column in columns {
        write!(out, " {}", ticks(column))?;
    }
    writeln!(out, " 0 0")
}

fn statistics(out: &mut Text, system: &System) -> core::fmt::Result {
    write!(out, "cpu ")?;
    cpu_line(out, &sum(&system.cpu_times))?;
    for times in system.cpu_times.iter().filter(|times| !times.gone) {
        write!(out, "cpu{}", times.number)?;
        cpu_line(out, times)?;
    }
    writeln!(out, "intr {}", system.interrupts)?;
    writeln!(out, "ctxt {}", system.switches)?;
    writeln!(out, "btime {}", system.boot_time)?;
    writeln!(out, "processes {}", system.forks)?;
    writeln!(out, "procs_running {}", system.running.0)?;
    writeln!(out, "procs_blocked {}", system.blocked)
}

fn memory(out: &mut Text, system: &System) -> core::fmt::Result {
    let memory = &system.memory;
    let none = Pages(0);
    // Files have no other home than memory here, so nothing of them could be given up: available is what is free, and all
    // else is active. What is promised is what has been touched; threads have no stacks in the kernel.
    let used = memory.anonymous.saturating_add(memory.files);
    let promised = memory.anonymous.saturating_add(memory.shared);
    for (name, pages) in [
        ("MemTotal", memory.total),
        ("MemFree", memory.free),
        ("MemAvailable", memory.free),
        ("Buffers", none),
        ("Cached", memory.files),
        ("SwapCached", none),
        ("Active", used),
        ("Inactive", none),
        ("Active(anon)", memory.anonymous),
        ("Inactive(anon)", none),
        ("Active(file)", memory.files),
        ("Inactive(file)", none),
        ("Unevictable", none),
        ("SwapTotal", none),
        ("SwapFree", none),
        ("Dirty", none),
        ("Writeback", none),
        ("AnonPages", memory.anonymous),
        ("Mapped", memory.mapped),
        ("Shmem", memory.shared),
        ("KReclaimable", none),
        ("Slab", memory.kernel),
        ("SReclaimable", none),
        ("SUnreclaim", memory.kernel),
        ("KernelStack", none),
        ("PageTables", memory.tables),
        ("NFS_Unstable", none),
        ("Bounce", none),
        ("WritebackTmp", none),
        ("CommitLimit", memory.total),
        ("Committed_AS", promised),
        ("VmallocTotal", none),
        ("VmallocUsed", none),
        ("VmallocChunk", none),
        ("AnonHugePages", none),
        ("ShmemHugePages", none),
        ("ShmemPmdMapped", none),
    ] {
        let width = 14usize.saturating_sub(name.len());
        writeln!(out, "{name}:{:width$} {:>8} kB", "", kib(pages))?;
    }
    Ok(())
}

/// `/proc/vmstat`: what is known of it.
fn memory_statistics(out: &mut Text, system: &System) -> core::fmt::Result {
    let memory = &system.memory;
    for (name, value) in [
        ("nr_free_pages", memory.free.0),
        ("nr_anon_pages", memory.anonymous.0),
        ("nr_mapped", memory.mapped.0),
        ("nr_file_pages", memory.files.0),
        ("nr_shmem", memory.shared.0),
        ("nr_slab_unreclaimable", memory.kernel.0),
        ("nr_page_table_pages", memory.tables.0),
        // There are no disks: nothing is read, written or swapped.
        ("pgpgin", 0),
        ("pgpgout", 0),
        ("pswpin", 0),
        ("pswpout", 0),
    ] {
        writeln!(out, "{name} {value}")?;
    }
    Ok(())
}

/// A random UUID (RFC 4122, version 4) of some random bytes.
fn uuid(out: &mut Text, random: u128) -> core::fmt::Result {
    let bits = random & !(0xf << 76 | 3 << 62) | 4 << 76 | 2 << 62;
    let (head, tail) = ((bits >> 64) as u64, bits as u64);
    write!(
        out,
        "{:08x}-{:04x}-{:04x}",
        head >> 32,
        head >> 16 & 0xffff,
        head & 0xffff
    )?;
    writeln!(out, "-{:04x}-{:012x}", tail >> 48, tail & 0xffff_ffff_ffff)
}

fn cpu_info(out: &mut Text, system: &System) -> core::fmt::Result {
    for cpu in &system.cpus {
        writeln!(out, "processor\t: {}", cpu.number)?;
        writeln!(out, "cpu\t\t: {}", cpu.model)?;
        writeln!(
            out,
            "clock\t\t: {}.{:06}MHz",
            cpu.clock / 1_000_000,
            cpu.clock % 1_000_000
        )?;
        let (model, major, minor) = (
            cpu.version >> 16,
            cpu.version >> 8 & 0xf,
            cpu.version & 0xff,
        );
        writeln!(
            out,
            "revision\t: {major}.{minor} (pvr {model:04x} {:04x})\n",
            cpu.version & 0xffff
        )?;
    }
    writeln!(out, "timebase\t: {}", system.timebase)?;
    writeln!(out, "platform\t: pSeries")?;
    writeln!(out, "model\t\t: {}", system.machine)?;
    writeln!(out, "machine\t\t: CHRP {}", system.machine)?;
    writeln!(out, "MMU\t\t: Radix")
}

/// `/proc/PID/mounts` (`man 5 fstab` for the form of a line).
pub(crate) fn mounts(lines: &[MountLine]) -> Result<Vec<u8>, NoMemory> {
    written(|out| lines.iter().try_for_each(|line| mount_line(out, line)))
}

fn mount_line(out: &mut Text, line: &MountLine) -> core::fmt::Result {
    escaped(out, line.source.as_bytes())?;
    out.byte(b' ')?;
    escaped(out, &line.path)?;
    write!(out, " {} ", line.kind)?;
    mount_options(out, line.flags)?;
    out.write_str(" 0 0\n")
}

/// `/proc/PID/mountstats` (`man 5 proc`).
pub(crate) fn mount_statistics(lines: &[MountLine]) -> Result<Vec<u8>, NoMemory> {
    written(|out| {
        lines.iter().try_for_each(|line| {
            out.write_str("device ")?;
            escaped(out, line.source.as_bytes())?;
            out.write_str(" mounted on ")?;
            escaped(out, &line.path)?;
            writeln!(out, " with fstype {}", line.kind)
        })
    })
}

/// `/proc/PID/mountinfo` (`man 5 proc`). No mount is shared with another namespace, and a file system is read-only where
/// a mount of it is, so there are no optional fields and nothing but `rw` is said of the file system itself.
pub(crate) fn mount_information(lines: &[MountLine]) -> Result<Vec<u8>, NoMemory> {
    written(|out| lines.iter().try_for_each(|line| mount_identity(out, line)))
}

fn mount_identity(out: &mut Text, line: &MountLine) -> core::fmt::Result {
    let device = line.device;
    write!(out, "{} {} ", line.id, line.parent)?;
    write!(out, "{}:{} ", device.major, device.minor)?;
    escaped(out, &line.directory)?;
    out.byte(b' ')?;
    escaped(out, &line.path)?;
    out.byte(b' ')?;
    mount_options(out, line.flags)?;
    write!(out, " - {} ", line.kind)?;
    escaped(out, line.source.as_bytes())?;
    out.write_str(" rw\n")
}

fn mount_options(out: &mut Text, flags: MountFlags) -> core::fmt::Result {
    let read_only = flags.contains(MountFlags::READ_ONLY);
    out.write_str(if read_only { "ro" } else { "rw" })?;
    for (flag, option) in [
        (MountFlags::NO_SET_ID, ",nosuid"),
        (MountFlags::NO_DEVICES, ",nodev"),
        (MountFlags::NO_EXECUTE, ",noexec"),
    ] {
        if flags.contains(flag) {
            out.write_str(option)?;
        }
    }
    Ok(())
}

/// A word of a line: what would end it or the line is written as an octal number.
pub(crate) fn escaped(out: &mut Text, word: &[u8]) -> core::fmt::Result {
    for &byte in word {
        match byte {
            b' ' | b'\t' | b'\n' | b'\\' | b'#' => write!(out, "\\{byte:03o}")?,
            _ => out.byte(byte)?,
        }
    }
    Ok(())
}
