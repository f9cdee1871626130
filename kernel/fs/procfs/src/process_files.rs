//! Files that tell of a process or thread.

use crate::source::{ProcSource, ProcessMemory, ProcessRef, Task, Transfers};
use crate::system_files::{kib, mount_information, mount_statistics, mounts, ticks};
use abi::linux::{RLIM_INFINITY, Resource, Rlimit};
use abi::{Errno, PAGE_SIZE, Pid};
use alloc::vec::Vec;
use core::fmt::{Result, Write};
use fallible::{NoMemory, Push, Text, written};

/// A file of a process or a thread.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum ProcessFile {
    Stat,
    Status,
    Name,
    CommandLine,
    Environment,
    Auxiliary,
    Maps,
    /// What the pages of each area come to, and those of all.
    MapUses,
    MapUseSum,
    MapNodes,
    PageMap,
    /// What has been read and written.
    Transfers,
    /// Where in the kernel a thread is: no thread that waits is anywhere in it.
    KernelStack,
    WaitChannel,
    MemoryStat,
    Mounts,
    MountInformation,
    /// What mounts have done, as far as it is of a kind that tells.
    MountStatistics,
    /// How long a thread has run.
    Runs,
    Limits,
    Memory,
    Cgroup,
    /// How readily the process is ended for want of memory.
    Score,
    ScoreAdjustment,
}

/// The files of `/proc/PID` and of `/proc/PID/task/TID`, with their modes.
pub(crate) const FILES: [(&str, ProcessFile, u32); 24] = [
    ("stat", ProcessFile::Stat, 0o444),
    ("status", ProcessFile::Status, 0o444),
    ("comm", ProcessFile::Name, 0o644),
    ("cmdline", ProcessFile::CommandLine, 0o444),
    ("environ", ProcessFile::Environment, 0o400),
    ("auxv", ProcessFile::Auxiliary, 0o400),
    ("maps", ProcessFile::Maps, 0o444),
    ("smaps", ProcessFile::MapUses, 0o444),
    ("smaps_rollup", ProcessFile::MapUseSum, 0o444),
    ("numa_maps", ProcessFile::MapNodes, 0o444),
    ("pagemap", ProcessFile::PageMap, 0o400),
    ("io", ProcessFile::Transfers, 0o400),
    ("stack", ProcessFile::KernelStack, 0o400),
    ("wchan", ProcessFile::WaitChannel, 0o444),
    ("statm", ProcessFile::MemoryStat, 0o444),
    ("mounts", ProcessFile::Mounts, 0o444),
    ("mountinfo", ProcessFile::MountInformation, 0o444),
    ("mountstats", ProcessFile::MountStatistics, 0o400),
    ("schedstat", ProcessFile::Runs, 0o444),
    ("limits", ProcessFile::Limits, 0o444),
    ("mem", ProcessFile::Memory, 0o600),
    ("cgroup", ProcessFile::Cgroup, 0o444),
    ("oom_score", ProcessFile::Score, 0o444),
    ("oom_score_adj", ProcessFile::ScoreAdjustment, 0o644),
];

/// The contents of a file of thread `tid`.
pub(crate) fn text(
    source: &dyn ProcSource,
    process: ProcessRef,
    tid: Pid,
    file: ProcessFile,
) -> core::result::Result<Vec<u8>, Errno> {
    let task = || source.task(process, tid)?.ok_or(Errno::ESRCH);
    match file {
        ProcessFile::Stat => Ok(stat(&task()?)?),
        ProcessFile::Status => Ok(status(&task()?)?),
        ProcessFile::Name => {
            let mut name = task()?.name;
            name.try_push(b'\n')?;
            Ok(name)
        }
        // They are no such texts: see `Node::open`.
        ProcessFile::Memory | ProcessFile::Maps => Err(Errno::EINVAL),
        ProcessFile::MapUses | ProcessFile::MapUseSum | ProcessFile::MapNodes => Err(Errno::EINVAL),
        ProcessFile::PageMap => Err(Errno::EINVAL),
        ProcessFile::Transfers => {
            let moved = task()?.transfers;
            Ok(written(|out| transfers(out, &moved))?)
        }
        ProcessFile::KernelStack => task().map(|_| Vec::new()),
        ProcessFile::WaitChannel => {
            task()?;
            Ok(written(|out| out.write_str("0"))?)
        }
        ProcessFile::CommandLine => source.command_line(process)?.ok_or(Errno::ESRCH),
        ProcessFile::Environment => source.environment(process)?.ok_or(Errno::ESRCH),
        ProcessFile::Auxiliary => source.auxiliary(process)?.ok_or(Errno::ESRCH),
        ProcessFile::Mounts => {
            let lines = source.mounts(process)?.ok_or(Errno::ESRCH)?;
            Ok(mounts(&lines)?)
        }
        ProcessFile::MountStatistics => {
            let lines = source.mounts(process)?.ok_or(Errno::ESRCH)?;
            Ok(mount_statistics(&lines)?)
        }
        ProcessFile::Runs => {
            let task = task()?;
            let run = task.user_time.saturating_add(task.system_time);
            let turns = task.switches.0 + task.switches.1;
            // How long it was ready and did not run is not counted.
            Ok(written(|out| writeln!(out, "{} 0 {turns}", run.0))?)
        }
        // There is one group of everybody.
        ProcessFile::Cgroup => Ok(written(|out| out.write_str("0::/\n"))?),
        ProcessFile::Score => {
            let (_, score) = task()?.expendability;
            Ok(written(|out| writeln!(out, "{score}"))?)
        }
        ProcessFile::ScoreAdjustment => {
            let (adjustment, _) = task()?.expendability;
            Ok(written(|out| writeln!(out, "{adjustment}"))?)
        }
        // Nobody keeps who has logged in: as for a process that no login has made.
        ProcessFile::MountInformation => {
            let lines = source.mounts(process)?.ok_or(Errno::ESRCH)?;
            Ok(mount_information(&lines)?)
        }
        ProcessFile::Limits => {
            let limits = source.limits(process)?.ok_or(Errno::ESRCH)?;
            Ok(written(|out| resource_limits(out, &limits))?)
        }
        ProcessFile::MemoryStat => {
            let memory = task()?.memory.unwrap_or_default();
            Ok(written(|out| memory_stat(out, &memory))?)
        }
    }
}

/// The limits with their units, in the order of their numbers (`man 5 proc`).
const LIMITS: [(&str, &str); Resource::COUNT] = [
    ("Max cpu time", "seconds"),
    ("Max file size", "bytes"),
    ("Max data size", "bytes"),
    ("Max stack size", "bytes"),
    ("Max core file size", "bytes"),
    ("Max resident set", "bytes"),
    ("Max processes", "processes"),
    ("Max open files", "files"),
    ("Max locked memory", "bytes"),
    ("Max address space", "bytes"),
    ("Max file locks", "locks"),
    ("Max pending signals", "signals"),
    ("Max msgqueue size", "bytes"),
    ("Max nice priority", ""),
    ("Max realtime priority", ""),
    ("Max realtime timeout", "us"),
];

fn resource_limits(out: &mut Text, limits: &[Rlimit; Resource::COUNT]) -> Result {
    let [soft, hard] = ["Soft Limit", "Hard Limit"];
    writeln!(out, "{:<25} {soft:<20} {hard:<20} {:<10}", "Limit", "Units")?;
    for ((name, unit), limit) in LIMITS.iter().zip(limits) {
        write!(out, "{name:<25} ")?;
        for value in [limit.current, limit.maximum] {
            match value {
                RLIM_INFINITY => write!(out, "{:<20} ", "unlimited")?,
                value => write!(out, "{value:<20} ")?,
            }
        }
        writeln!(out, "{unit:<10}")?;
    }
    Ok(())
}

/// `/proc/PID/io`. There are no disks that anything could go to or come from.
fn transfers(out: &mut Text, moved: &Transfers) -> Result {
    for (name, value) in [
        ("rchar", moved.bytes_read),
        ("wchar", moved.bytes_written),
        ("syscr", moved.reads),
        ("syscw", moved.writes),
        ("read_bytes", 0),
        ("write_bytes", 0),
        ("cancelled_write_bytes", 0),
    ] {
        writeln!(out, "{name}: {value}")?;
    }
    Ok(())
}

fn memory_stat(out: &mut Text, memory: &ProcessMemory) -> Result {
    let data = memory.data.saturating_add(memory.stack);
    writeln!(
        out,
        "{} {} {} {} 0 {data} 0",
        memory.size, memory.resident, memory.shared, memory.text
    )
}

/// The 52 fields of `/proc/PID/stat`, in their order.
fn stat(task: &Task) -> core::result::Result<Vec<u8>, NoMemory> {
    written(|out| {
        write!(out, "{} (", task.tid)?;
        out.bytes(&task.name)?;
        stat_fields(out, task)
    })
}

fn stat_fields(out: &mut Text, task: &Task) -> Result {
    let memory = task.memory.unwrap_or_default();
    write!(
        out,
        ") {} {} {} {}",
        task.state.letter(),
        task.parent,
        task.group,
        task.session
    )?;
    write!(out, " {} {} 0", task.terminal as i32, task.terminal_group)?;
    let ((minor, major), (child_minor, child_major)) = (task.faults, task.child_faults);
    write!(out, " {minor} {child_minor} {major} {child_major}")?;
    for time in [
        task.user_time,
        task.system_time,
        task.child_user_time,
        task.child_system_time,
    ] {
        write!(out, " {}", ticks(time))?;
    }
    // priority nice num_threads itrealvalue starttime
    write!(
        out,
        " {} {} {} 0 {}",
        match task.priority {
            0 => 20 + task.nice,
            real_time => -1 - real_time as i32,
        },
        task.nice,
        task.threads,
        ticks(task.started)
    )?;
    write!(
        out,
        " {} {} {}",
        memory.size.0 * PAGE_SIZE as u64,
        memory.resident,
        memory.resident_limit
    )?;
    write!(
        out,
        " {} {} {}",
        memory.start_code, memory.end_code, memory.start_stack
    )?;
    write!(out, " {} {}", task.stack_pointer, task.instruction_pointer)?;
    // The old fields for signals have room for the first 31 only.
    let signals = &task.signals;
    for set in [
        signals.pending | signals.shared_pending,
        signals.blocked,
        signals.ignored,
        signals.caught,
    ] {
        write!(out, " {}", set & 0x7fff_ffff)?;
    }
    // wchan nswap cnswap exit_signal processor rt_priority policy blkio_ticks guest_time cguest_time
    write!(out, " 0 0 0 {} {}", task.exit_signal, task.cpu)?;
    write!(out, " {} {} 0 0 0", task.priority, task.policy)?;
    // start_data end_data start_brk
    write!(out, " 0 0 {}", memory.start_break)?;
    write!(out, " {} {}", memory.arguments_start, memory.arguments_end)?;
    write!(
        out,
        " {} {}",
        memory.environment_start, memory.environment_end
    )?;
    writeln!(out, " {}", task.exit_status)
}

fn status(task: &Task) -> core::result::Result<Vec<u8>, NoMemory> {
    written(|out| {
        out.write_str("Name:\t")?;
        for &byte in &task.name {
            match byte {
                b'\n' => out.bytes(b"\\n")?,
                b'\\' => out.bytes(b"\\\\")?,
                _ => out.byte(byte)?,
            }
        }
        status_fields(out, task)
    })
}

fn status_fields(out: &mut Text, task: &Task) -> Result {
    writeln!(out, "\nUmask:\t{:04o}", task.umask)?;
    writeln!(
        out,
        "State:\t{} ({})",
        task.state.letter(),
        task.state.name()
    )?;
    writeln!(
        out,
        "Tgid:\t{}\nNgid:\t0\nPid:\t{}\nPPid:\t{}\nTracerPid:\t{}",
        task.pid, task.tid, task.parent, task.tracer
    )?;
    for (name, ids) in [("Uid", task.uid), ("Gid", task.gid)] {
        writeln!(
            out,
            "{name}:\t{}\t{}\t{}\t{}",
            ids.real, ids.effective, ids.saved, ids.file
        )?;
    }
    write!(out, "FDSize:\t{}\nGroups:\t", task.descriptors)?;
    task.groups
        .iter()
        .try_for_each(|group| write!(out, "{group} "))?;
    writeln!(out)?;
    if let Some(memory) = &task.memory {
        status_memory(out, memory)?;
    }
    writeln!(out, "Threads:\t{}", task.threads)?;
    writeln!(
        out,
        "SigQ:\t{}/{}",
        task.queued_signals.0, task.queued_signals.1
    )?;
    let signals = &task.signals;
    for (name, set) in [
        ("SigPnd", signals.pending),
        ("ShdPnd", signals.shared_pending),
        ("SigBlk", signals.blocked),
        ("SigIgn", signals.ignored),
        ("SigCgt", signals.caught),
    ] {
        writeln!(out, "{name}:\t{set:016x}")?;
    }
    let own = &task.capabilities;
    for (name, set) in [
        ("CapInh", own.inheritable),
        ("CapPrm", own.permitted),
        ("CapEff", own.effective),
        ("CapBnd", own.bounding),
        ("CapAmb", own.ambient),
    ] {
        writeln!(out, "{name}:\t{:016x}", set.bits())?;
    }
    writeln!(out, "NoNewPrivs:\t{}", u32::from(task.no_new_privileges))?;
    let (mode, filters) = task.confinement;
    writeln!(out, "Seccomp:\t{mode}\nSeccomp_filters:\t{filters}")?;
    writeln!(out, "Cpus_allowed:\t{:x}", task.cpus)?;
    writeln!(out, "Cpus_allowed_list:\t{}", CpuList(task.cpus))?;
    // There is one node of memory.
    writeln!(out, "Mems_allowed:\t1\nMems_allowed_list:\t0")?;
    writeln!(out, "voluntary_ctxt_switches:\t{}", task.switches.0)?;
    writeln!(out, "nonvoluntary_ctxt_switches:\t{}", task.switches.1)
}

/// CPUs as ranges: `0-2,5`.
struct CpuList(u64);

impl core::fmt::Display for CpuList {
    fn fmt(&self, out: &mut core::fmt::Formatter<'_>) -> Result {
        let mut rest = self.0;
        let mut separator = "";
        while rest != 0 {
            let first = rest.trailing_zeros();
            let count = (rest >> first).trailing_ones();
            write!(out, "{separator}{first}")?;
            if count > 1 {
                write!(out, "-{}", first + count - 1)?;
            }
            rest &= u64::MAX.checked_shl(first + count).unwrap_or(0);
            separator = ",";
        }
        Ok(())
    }
}

fn status_memory(out: &mut Text, memory: &ProcessMemory) -> Result {
    let anonymous = memory.resident.saturating_sub(memory.shared);
    for (name, pages) in [
        ("VmPeak", memory.peak_size),
        ("VmSize", memory.size),
        ("VmLck", memory.locked),
        ("VmHWM", memory.peak_resident),
        ("VmRSS", memory.resident),
        ("RssAnon", anonymous),
        ("RssFile", memory.shared),
        ("RssShmem", abi::Pages(0)),
        ("VmData", memory.data),
        ("VmStk", memory.stack),
        ("VmExe", memory.text),
        ("VmPTE", memory.tables),
        ("VmSwap", abi::Pages(0)),
    ] {
        writeln!(out, "{name}:\t{:>8} kB", kib(pages))?;
    }
    Ok(())
}

/// `/proc/PID/fdinfo/N`.
pub(crate) fn file_info(
    file: &vfs::OpenFile,
    cx: &vfs::IoContext<'_>,
) -> core::result::Result<Vec<u8>, NoMemory> {
    // A file that cannot seek is at 0.
    let position = file.seek(cx, 0, vfs::Whence::Current).unwrap_or(0);
    written(|out| {
        let flags = open_flags(file);
        write!(out, "pos:\t{position}\nflags:\t0{flags:o}\n")
    })
}

/// Access mode and status flags with the numbers of `open` (asm-generic/fcntl.h).
fn open_flags(file: &vfs::OpenFile) -> u32 {
    use vfs::{Access, StatusFlags};
    let access = match (
        file.access().contains(Access::READ),
        file.access().contains(Access::WRITE),
    ) {
        (true, true) => 2,
        (false, true) => 1,
        _ => 0,
    };
    let flags = file.flags();
    let append = if flags.contains(StatusFlags::APPEND) {
        0o2000
    } else {
        0
    };
    let nonblocking = if flags.contains(StatusFlags::NONBLOCKING) {
        0o4000
    } else {
        0
    };
    access | append | nonblocking
}
