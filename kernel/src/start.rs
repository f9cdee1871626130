//! From the boot loader's hand-over to the first program.

use crate::calls::control;
use crate::calls::directory::walk_as;
use crate::console::Consoles;
use crate::current;
use crate::dispatch::{self, Dispatch};
use crate::environment::{Environment, Environments};
use crate::first;
use crate::hotplug;
use crate::latency;
use crate::mounts::{self, Random};
use crate::options::{Options, SelfTest};
use crate::power;
use crate::report;
use crate::system::{self, Parts, System, WallClock, system};
use crate::terminals::{self, Terminals};
use abi::mmu::FrameNumber;
use abi::{Cid, Errno, Nanos, PAGE_SIZE};
use alloc::sync::Arc;
use arch::interrupts::Source;
use arch::secondary;
use boot::BootInfo;
use core::fmt::Display;
use devfs::{Devices, Entropy, register_memory_devices};
use log::LevelFilter;
use memory::{LinearMap, Loan, frames};
use partition::Wpar;
use ramfs::Ramfs;
use security::{Credential, Identity, Privileges};
use vfs::{FileSystem, Follow, MountFlags, MountNamespace};

/// Brings the system up and runs it. `map` is the right to use all memory that `info` says is free, `disk` the RAM disk.
pub fn start(info: &'static BootInfo, map: LinearMap, disk: Option<Loan>) -> ! {
    #[cfg(debug_assertions)]
    crate::lock_order::watch();
    frames::initialize(map);
    remains::set_keeper(&current::Keeper);
    report::enable(LevelFilter::Warn);
    let options = Options::parse(info.command_line, |bad| {
        log::warn!("option '{}' ignored: {}", bad.word, bad.reason)
    });
    set_terminals(info, &options);
    report::enable(options.log);
    log::info!("{info:?}");
    let root = root_file_system(disk);
    bring_up(info, &options, root);
    if options.test == Some(SelfTest::Panic) {
        panic!("asked for by test=panic");
    }
    crate::calls::light::install();
    start_other_cpus(info, &options);
    dispatch::run()
}

/// Starts the CPUs that the options allow; the system goes on without one that does not come. The others can be started
/// later.
fn start_other_cpus(info: &BootInfo, options: &Options<'_>) {
    let cpus = &system().cpus;
    cpus.add(arch::cpu::this());
    let others = info.cpus.get(1..).unwrap_or_default();
    secondary::prepare(others, |cpu, prepared| match prepared {
        Ok(()) => cpus.add(cpu),
        Err(why) => log::warn!("CPU {} is not used: {why}", cpu.0),
    });
    let others = options.maxcpus.unwrap_or(arch::MAX_CPUS) - 1;
    let patience = info.timebase.ticks(hotplug::PATIENCE);
    let stopped = cpus.present().map(|(cpu, _)| cpu).skip(1).take(others);
    for cpu in stopped {
        let started = cpus
            .begin_start(cpu)
            .and_then(|()| secondary::wait(cpu, patience));
        if let Err(why) = started {
            log::warn!("CPU {} is not used: {why}", cpu.0);
        }
    }
}

/// Says why the machine cannot go on, and stops it.
fn stop(reason: impl Display) -> ! {
    log::error!("{reason}; the machine stops");
    power::fail()
}

fn set_terminals(info: &BootInfo, options: &Options<'_>) {
    if let Some(unit) = options.console {
        arch::console::set_console(unit);
    }
    let console = arch::console::console();
    let other = info
        .terminals
        .iter()
        .find(|terminal| terminal.unit != console);
    if let Some(terminal) = other.filter(|_| options.result) {
        power::set_result_terminal(terminal.unit);
    }
}

/// The terminals that programs may open, that on which the system speaks first: each a unit and its interrupt source.
fn consoles(info: &BootInfo) -> impl Iterator<Item = (u32, Option<Source>)> {
    let console = arch::console::console();
    let source = |unit| {
        let terminal = info.terminals.iter().find(|terminal| terminal.unit == unit);
        terminal.and_then(|terminal| terminal.source).map(Source)
    };
    let others = info.terminals.iter().map(|terminal| terminal.unit);
    let others =
        others.filter(move |&unit| unit != console && power::result_terminal() != Some(unit));
    core::iter::once(console)
        .chain(others)
        .map(move |unit| (unit, source(unit)))
}

/// The file system of the RAM disk, whose memory is free then.
fn root_file_system(disk: Option<Loan>) -> Ramfs {
    let Some(disk) = disk else {
        stop("there is no RAM disk (initrd)")
    };
    let root = match mounts::new_ramfs(Cid::GLOBAL) {
        Ok(root) => root,
        Err(errno) => stop(format_args!("no memory for the root file system: {errno}")),
    };
    if let Err(error) = root.populate(disk.bytes(), Cid::GLOBAL) {
        stop(format_args!("the RAM disk's {error}"));
    }
    frames::absorb(disk);
    root
}

fn bring_up(info: &BootInfo, options: &Options<'_>, root_fs: Ramfs) {
    let result = (|| -> Result<(), Errno> {
        install(info, options, root_fs)?;
        mount_global()?;
        memory::space::set_instruction_sync(sync_instructions);
        crate::vdso::prepare()?;
        system().consoles.enable();
        Ok(())
    })();
    if let Err(errno) = result {
        stop(format_args!("the system cannot be set up: {errno}"));
    }
    check_init(options.init);
    if let Err(errno) = first::make(&system().global(), options.init) {
        stop(format_args!("the first process cannot be made: {errno}"));
    }
}

fn install(info: &BootInfo, options: &Options<'_>, root_fs: Ramfs) -> Result<(), Errno> {
    let devices = fallible::arc(Devices::new())?;
    let entropy: Arc<dyn Entropy> = fallible::arc(Random)?;
    register_memory_devices(&devices, &entropy)?;
    control::register(&devices)?;
    latency::device::register(&devices)?;
    crate::recording::register(&devices)?;
    #[cfg(debug_assertions)]
    crate::injection::register(&devices)?;
    let consoles = Consoles::new(consoles(info))?;
    consoles.register(&devices)?;
    terminals::register(&devices)?;

    let file_system = FileSystem::new(root_fs.root(), "ramfs", "ramfs")?;
    let namespace = MountNamespace::new(Cid::GLOBAL, &file_system, MountFlags::empty())?;
    let global = Environment::new(
        fallible::arc(Wpar::global("corral")?)?,
        namespace,
        mounts::new_ptys(Cid::GLOBAL)?,
    )?;

    let now = arch::time::now();
    let wall = WallClock {
        nanos: arch::rtas::wall_clock().unwrap_or(Nanos(0)),
        at: now,
    };
    let policy = sched::policy_by_name(options.sched).map_err(|_| Errno::EINVAL)?;
    let dispatch = Dispatch::new(info.timebase, arch::MAX_CPUS, policy);
    let timebase = info.timebase;
    let parts = Parts {
        timebase,
        clock: info.clock,
        model: info.model,
        wall,
        dispatch,
        environments: Environments::new(global)?,
        terminals: Terminals::new(&consoles)?,
        consoles,
        devices,
        root_fs,
        entropy,
    };
    system::install(|| System::new(parts));
    Ok(())
}

/// Global's own procfs, sysfs, devfs and devpts.
fn mount_global() -> Result<(), Errno> {
    let global = system().global();
    let credential = administrator();
    for (path, file_system) in [
        ("/proc", mounts::procfs(Cid::GLOBAL, &global.mounts)?),
        ("/sys", mounts::sysfs()?),
        ("/dev", mounts::devfs(Cid::GLOBAL, None)?),
        ("/dev/pts", mounts::devpts(&global.ptys)?),
        ("/dev/shm", mounts::shared_memory(Cid::GLOBAL)?),
    ] {
        let place = walk_as(&credential, &global.mounts, |walk| {
            walk.resolve(None, path.as_bytes(), Follow::Yes)
        });
        let place = place.inspect_err(|errno| log::error!("{path} in the RAM disk: {errno}"))?;
        global
            .mounts
            .mount(&credential, &file_system, &place, MountFlags::empty())?;
    }
    Ok(())
}

fn administrator() -> Credential {
    Credential::new(
        Cid::GLOBAL,
        Identity::ROOT,
        Privileges::of_root(Cid::GLOBAL),
    )
}

fn check_init(path: &str) {
    let global = system().global();
    let found = walk_as(&administrator(), &global.mounts, |walk| {
        let location = walk.resolve(None, path.as_bytes(), Follow::Yes)?;
        walk.may_run(&location)
    });
    if let Err(errno) = found {
        stop(format_args!("{path} cannot be run: {errno}"));
    }
}

/// Makes instruction fetches see what was stored into a frame.
fn sync_instructions(frame: FrameNumber) {
    arch::cache::sync_real(frame.address(), PAGE_SIZE);
}
