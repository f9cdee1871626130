//! Names, limits, use of resources, random numbers, the machine as a whole.

use super::Call;
use super::process::rusage;
use crate::cpu_timers;
use crate::outcome::{Called, Continuation, Outcome};
use crate::power;
use crate::system::system;
use abi::linux::{
    ADDR_NO_RANDOMIZE, GRND_INSECURE, GRND_NONBLOCK, GRND_RANDOM, LINUX_REBOOT_CMD_CAD_OFF,
    LINUX_REBOOT_CMD_CAD_ON, LINUX_REBOOT_CMD_HALT, LINUX_REBOOT_CMD_POWER_OFF,
    LINUX_REBOOT_CMD_RESTART, LINUX_REBOOT_CMD_RESTART2, LINUX_REBOOT_MAGIC1, RUSAGE_CHILDREN,
    RUSAGE_SELF, RUSAGE_THREAD, Resource, Rlimit, SignalNumber, Sysinfo, Utsname,
};
use abi::mmu::Access;
use abi::{Cid, Errno, PAGE_SIZE};
use alloc::string::String;
use alloc::vec::Vec;
use process::{Usage, VPid};
use security::Privileges;
use vfs::DESCRIPTOR_LIMIT;

/// The kernel that programs take this one for: the interfaces of this Linux are the ones that Corral speaks.
pub const RELEASE: &str = "6.1.0-corral";
/// What `uname -v` gives.
pub const VERSION: &str = concat!("#1 SMP Corral ", env!("CARGO_PKG_VERSION"));
/// How much of the text of a restart is read.
const RESTART_TEXT: usize = 256;
/// Longest host or domain name.
const NAME_LIMIT: usize = 64;

/// `man 2 uname`.
pub fn uname(call: &mut Call<'_>) -> Called {
    let wpar = call.process().environment().wpar.clone();
    let mut names = Utsname::default();
    let (host, domain) = (wpar.hostname()?, wpar.domain()?);
    for (field, name) in [
        (&mut names.sysname, "Linux"),
        (&mut names.nodename, host.as_str()),
        (&mut names.release, RELEASE),
        (&mut names.version, VERSION),
        (&mut names.machine, "ppc64le"),
        (&mut names.domainname, domain.as_str()),
    ] {
        Utsname::set(field, name.as_bytes());
    }
    call.user.write(call.argument(0), &names.encode())?;
    Ok(0)
}

/// `man 2 sethostname`.
pub fn sethostname(call: &mut Call<'_>) -> Called {
    let name = new_name(call)?;
    call.process().environment().wpar.set_hostname(name);
    Ok(0)
}

/// `man 2 setdomainname`.
pub fn setdomainname(call: &mut Call<'_>) -> Called {
    let name = new_name(call)?;
    call.process().environment().wpar.set_domain(name);
    Ok(0)
}

fn new_name(call: &Call<'_>) -> Result<String, Errno> {
    call.credential().require(Privileges::HOST_NAME)?;
    let length = usize::try_from(call.argument(1))
        .ok()
        .filter(|length| *length <= NAME_LIMIT)
        .ok_or(Errno::EINVAL)?;
    let mut name = fallible::filled(0, length)?;
    call.user.read(call.argument(0), &mut name)?;
    String::from_utf8(name).map_err(|_| Errno::EINVAL)
}

/// `man 2 sysinfo`, as the caller's environment sees the machine.
pub fn sysinfo(call: &mut Call<'_>) -> Called {
    let view = crate::proc_source::memory_view(call.cid());
    let processes = call.process().environment().wpar.processes.count();
    let info = Sysinfo {
        uptime: (system().uptime().0 / 1_000_000_000).cast_signed(),
        totalram: view.total.0 * PAGE_SIZE as u64,
        freeram: view.free.0 * PAGE_SIZE as u64,
        procs: processes.min(u32::from(u16::MAX)) as u16,
        mem_unit: 1,
        ..Sysinfo::default()
    };
    call.user.write(call.argument(0), &info.encode())?;
    Ok(0)
}

/// `man 2 getrlimit`.
pub fn getrlimit(call: &mut Call<'_>) -> Called {
    let resource = Resource::from_number(call.argument(0)).ok_or(Errno::EINVAL)?;
    let limit = call.process().with(|state| state.limits.get(resource));
    call.user.write(call.argument(1), &limit.encode())?;
    Ok(0)
}

/// `man 2 setrlimit`.
pub fn setrlimit(call: &mut Call<'_>) -> Called {
    let resource = Resource::from_number(call.argument(0)).ok_or(Errno::EINVAL)?;
    let new = Rlimit::decode(&call.user.bytes(call.argument(1))?);
    let credential = call.credential().clone();
    call.process().with(|state| {
        state
            .limits
            .set(resource, new, &credential, u64::from(DESCRIPTOR_LIMIT))
    })?;
    if resource == Resource::Cpu {
        cpu_timers::watch_limit(call.process());
    }
    Ok(0)
}

/// `man 2 prlimit`.
pub fn prlimit64(call: &mut Call<'_>) -> Called {
    let (pid, new, old) = (call.argument(0) as u32, call.argument(2), call.argument(3));
    let resource = Resource::from_number(call.argument(1)).ok_or(Errno::EINVAL)?;
    let target = match pid {
        0 => call.process().clone(),
        number => {
            let tree = system().tree.lock();
            tree.pids
                .find(call.credential(), VPid(number))
                .map_err(|absent| absent.no_process())?
                .owner()
        }
    };
    let (mine, theirs) = (call.credential().clone(), target.credential());
    let same = mine.shares_users_with(&theirs) && mine.identity.uid == theirs.identity.uid;
    if !same {
        mine.require(Privileges::LIMITS)?;
    }
    let new = match new {
        0 => None,
        address => Some(Rlimit::decode(&call.user.bytes(address)?)),
    };
    let before = target.with(|state| {
        let before = state.limits.get(resource);
        if let Some(new) = new {
            state
                .limits
                .set(resource, new, &mine, u64::from(DESCRIPTOR_LIMIT))?;
        }
        Ok::<_, Errno>(before)
    })?;
    if new.is_some() && resource == Resource::Cpu {
        cpu_timers::watch_limit(&target);
    }
    if old != 0 {
        call.user.write(old, &before.encode())?;
    }
    Ok(0)
}

/// `man 2 getrusage`.
pub fn getrusage(call: &mut Call<'_>) -> Called {
    let now = arch::time::now();
    let usage = match call.argument(0) as i32 {
        RUSAGE_SELF => Usage {
            peak_resident: call.process().peak_resident(),
            ..call.process().usage(now)
        },
        RUSAGE_CHILDREN => system().tree.lock().children_usage(call.process().pid),
        RUSAGE_THREAD => {
            let entity = call.thread.entity().ok_or(Errno::EINVAL)?;
            let used = system()
                .dispatch
                .with(|scheduler| scheduler.entity_account(entity, now));
            let used = used.map_err(|_| Errno::EINVAL)?;
            let time = |ticks| system().timebase.nanos(ticks);
            let deeds = call.thread.activity.deeds();
            Usage {
                user: time(used.user),
                system: time(used.system),
                voluntary_switches: deeds.waits,
                involuntary_switches: deeds.preemptions,
                // Memory is the process's, as on Linux.
                peak_resident: call.process().peak_resident(),
                ..Usage::default()
            }
        }
        _ => return Err(Errno::EINVAL.into()),
    };
    call.user
        .write(call.argument(1), &rusage(&usage).encode())?;
    Ok(0)
}

/// `man 2 getrandom`.
pub fn getrandom(call: &mut Call<'_>) -> Called {
    const LIMIT: u64 = 32 << 20;
    let (address, length, flags) = (
        call.argument(0),
        call.argument(1).min(LIMIT),
        call.argument(2) as u32,
    );
    if flags & !(GRND_NONBLOCK | GRND_RANDOM | GRND_INSECURE) != 0 {
        return Err(Errno::EINVAL.into());
    }
    let mut done = match call.progress() {
        Continuation::Transferred(done) => done.min(length),
        _ => 0,
    };
    let end = length.min(done + RANDOM_STEP);
    call.user.gather(
        crate::user::Segment {
            address: address.wrapping_add(done),
            length: (end - done) as usize,
        },
        Access::Write,
    )?;
    let mut chunk = [0; 256];
    while done < end {
        let part = (end - done).min(chunk.len() as u64) as usize;
        system().entropy.fill(&mut chunk);
        call.user
            .write(address + done, chunk.get(..part).unwrap_or_default())?;
        done += part as u64;
    }
    if done < length {
        call.set_progress(Continuation::Transferred(done));
        return Err(Outcome::Again);
    }
    Ok(length)
}

/// Random bytes that are made before others may run.
const RANDOM_STEP: u64 = 32 * 1024;

/// `man 2 personality`: there is one, with ADDR_NO_RANDOMIZE or without.
pub fn personality(call: &mut Call<'_>) -> Called {
    const ASK: u32 = u32::MAX;
    let persona = call.argument(0) as u32;
    if persona != ASK && persona & !ADDR_NO_RANDOMIZE != 0 {
        return Err(Errno::EINVAL.into());
    }
    let before = call.process().with(|state| match persona {
        ASK => state.persona,
        _ => core::mem::replace(&mut state.persona, persona),
    });
    Ok(u64::from(before))
}

/// `man 2 syslog`: reading the kernel's messages; Global sees all, a partition its own.
pub fn syslog(call: &mut Call<'_>) -> Called {
    const READ_ALL: u64 = 3;
    const READ_CLEAR: u64 = 4;
    const SIZE_UNREAD: u64 = 9;
    const SIZE_BUFFER: u64 = 10;
    let text = messages(call.cid());
    match call.argument(0) {
        READ_ALL | READ_CLEAR => {
            let room = usize::try_from(call.argument(2)).map_err(|_| Errno::EINVAL)?;
            let newest = text
                .get(text.len().saturating_sub(room)..)
                .unwrap_or_default();
            call.user.write(call.argument(1), newest)?;
            Ok(newest.len() as u64)
        }
        SIZE_UNREAD | SIZE_BUFFER => Ok(text.len() as u64),
        0 | 1 | 6..=8 => Ok(0),
        _ => Err(Errno::EINVAL.into()),
    }
}

fn messages(cid: Cid) -> Vec<u8> {
    use core::fmt::Write;
    let mut text = String::new();
    system().with_log(|log| {
        for entry in log.seen_by(cid) {
            let (seconds, micros) = (
                entry.time.0 / 1_000_000_000,
                entry.time.0 / 1000 % 1_000_000,
            );
            // Writing to a string cannot fail.
            writeln!(
                text,
                "<6>[{seconds:5}.{micros:06}] {}: {}",
                entry.resource, entry.text
            )
            .ok();
        }
    });
    text.into_bytes()
}

/// `man 2 reboot`: in Global the machine, in a partition the partition.
pub fn reboot(call: &mut Call<'_>) -> Called {
    const MAGIC2: [u32; 4] = [672_274_793, 85_072_278, 369_367_448, 537_993_216];
    call.credential().require(Privileges::REBOOT)?;
    let magic = [call.argument(0) as u32, call.argument(1) as u32];
    if magic[0] != LINUX_REBOOT_MAGIC1 || !MAGIC2.contains(&magic[1]) {
        return Err(Errno::EINVAL.into());
    }
    let command = call.argument(2) as u32;
    if !call.cid().is_global() {
        return reboot_partition(call, command);
    }
    match command {
        LINUX_REBOOT_CMD_CAD_ON | LINUX_REBOOT_CMD_CAD_OFF => Ok(0),
        LINUX_REBOOT_CMD_POWER_OFF | LINUX_REBOOT_CMD_HALT => power::off(0),
        LINUX_REBOOT_CMD_RESTART => power::restart(),
        LINUX_REBOOT_CMD_RESTART2 => {
            // Firmware takes no text; only one that cannot be read is an error, as it is with Linux.
            match call
                .user
                .c_string(call.argument(3), RESTART_TEXT, Errno::E2BIG)
            {
                Ok(_) | Err(Errno::E2BIG) => power::restart(),
                Err(errno) => Err(errno.into()),
            }
        }
        _ => Err(Errno::EINVAL.into()),
    }
}

/// Ends the caller's partition: its init dies as Linux's would in a pid namespace (`man 2 reboot`).
fn reboot_partition(call: &Call<'_>, command: u32) -> Called {
    let signal = match command {
        LINUX_REBOOT_CMD_CAD_ON | LINUX_REBOOT_CMD_CAD_OFF => return Ok(0),
        LINUX_REBOOT_CMD_POWER_OFF | LINUX_REBOOT_CMD_HALT => SignalNumber::SIGINT,
        LINUX_REBOOT_CMD_RESTART | LINUX_REBOOT_CMD_RESTART2 => SignalNumber::SIGHUP,
        _ => return Err(Errno::EINVAL.into()),
    };
    let init = system().tree.lock().init(call.cid());
    if let Some(init) = init.and_then(crate::family::find) {
        init.end(process::ExitStatus::Killed {
            signal,
            core: false,
        });
    }
    Ok(0)
}
