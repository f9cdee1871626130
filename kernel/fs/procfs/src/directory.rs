//! What is in the directories.

use crate::namespaces;
use crate::network_files::{CORE_FILES, IPV4_FILES, NET_FILES, NetworkFile};
use crate::node::{ProcessLink, What};
use crate::process_files;
use crate::source::{Known, ProcSource, ProcessRef};
use crate::system_files::{
    EPOLL_FILES, FS_FILES, KERNEL_FILES, RANDOM_FILES, ROOT_FILES, SystemFile, VM_FILES,
};
use crate::system_v_files::SYSTEM_V_FILES;
use abi::Pid;
use alloc::string::String;
use alloc::vec::Vec;
use fallible::{NoMemory, collect};

/// Cookies of names that are numbers start here; those of fixed names lie below.
const NUMBERS: u64 = 256;

/// One name, and the cookie behind it.
pub(crate) struct Named {
    pub(crate) name: String,
    pub(crate) what: What,
    pub(crate) next: u64,
}

fn of_network(
    files: &[(&'static str, NetworkFile)],
) -> Result<Vec<(&'static str, What)>, NoMemory> {
    let files = files.iter();
    collect(files.map(|&(name, file)| (name, What::Network(file))))
}

fn of_system(files: &[(&'static str, SystemFile)]) -> Result<Vec<(&'static str, What)>, NoMemory> {
    let files = files.iter();
    collect(files.map(|&(name, file)| (name, What::System(file))))
}

/// The names of a directory that are always there.
fn fixed(what: What) -> Result<Vec<(&'static str, What)>, NoMemory> {
    match what {
        What::Root => {
            let files = ROOT_FILES
                .iter()
                .map(|&(name, file)| (name, What::System(file)));
            let others = [
                ("self", What::SelfLink),
                ("thread-self", What::ThreadSelfLink),
                ("mounts", What::MountsLink),
                ("net", What::Net),
                ("sys", What::Sys),
                ("sysvipc", What::SystemV),
            ];
            collect(files.chain(others))
        }
        What::Sys => collect([
            ("kernel", What::SysKernel),
            ("fs", What::SysFs),
            ("net", What::SysNet),
            ("vm", What::SysVm),
        ]),
        What::SysKernel => {
            let files = KERNEL_FILES.iter();
            let files = files.map(|&(name, file)| (name, What::System(file)));
            collect(files.chain([("random", What::SysKernelRandom)]))
        }
        What::SysKernelRandom => of_system(&RANDOM_FILES),
        What::SysFs => {
            let files = FS_FILES.iter();
            let files = files.map(|&(name, file)| (name, What::System(file)));
            collect(files.chain([("epoll", What::SysFsEpoll)]))
        }
        What::SysFsEpoll => of_system(&EPOLL_FILES),
        What::SysVm => of_system(&VM_FILES),
        What::SysNet => collect([("core", What::SysNetCore), ("ipv4", What::SysNetIpv4)]),
        What::Net => of_network(&NET_FILES),
        What::SystemV => {
            let files = SYSTEM_V_FILES.iter();
            collect(files.map(|&(name, file)| (name, What::SystemVFile(file))))
        }
        What::SysNetCore => of_network(&CORE_FILES),
        What::SysNetIpv4 => of_network(&IPV4_FILES),
        What::Process(process) => {
            let others = [
                ("cwd", What::Link(process, ProcessLink::WorkingDirectory)),
                ("root", What::Link(process, ProcessLink::Root)),
                ("exe", What::Link(process, ProcessLink::Executable)),
                ("fd", What::Files(process)),
                ("fdinfo", What::FilesInfo(process)),
                ("net", What::Net),
                ("ns", What::Namespaces(process)),
                ("task", What::Tasks(process)),
            ];
            let files = process_files::FILES.iter();
            let files = files.map(|&(name, file, _)| (name, What::File(process, None, file)));
            collect(files.chain(others))
        }
        What::Task(process, tid) => {
            let files = process_files::FILES.iter();
            let files = files.map(|&(name, file, _)| (name, What::File(process, Some(tid), file)));
            let others = [("net", What::Net), ("ns", What::Namespaces(process))];
            collect(files.chain(others))
        }
        What::Namespaces(process) => {
            let names = (0..).zip(namespaces::NAMES);
            collect(names.map(|(number, (name, _))| (name, What::Namespace(process, number))))
        }
        _ => Ok(Vec::new()),
    }
}

/// What is under a name.
pub(crate) fn lookup(source: &dyn ProcSource, what: What, name: &[u8]) -> Known<What> {
    let Ok(name) = core::str::from_utf8(name) else {
        return Ok(None);
    };
    let known = fixed(what)?
        .into_iter()
        .find(|(fixed, _)| *fixed == name)
        .map(|(_, what)| what);
    Ok(known.or_else(|| numbered(source, what, number(name)?, true).map(|(_, what)| what)))
}

/// The first name from a cookie on.
pub(crate) fn from_cookie(source: &dyn ProcSource, what: What, cookie: u64) -> Known<Named> {
    let names = fixed(what)?;
    let index = usize::try_from(cookie).ok();
    if let Some((name, what)) = index.and_then(|index| names.get(index)) {
        return Ok(Some(Named {
            name: fallible::string(name)?,
            what: *what,
            next: cookie + 1,
        }));
    }
    let from = u32::try_from(cookie.saturating_sub(NUMBERS)).ok();
    let Some((number, what)) = from.and_then(|from| numbered(source, what, from, false)) else {
        return Ok(None);
    };
    Ok(Some(Named {
        name: fallible::text(format_args!("{number}"))?,
        what,
        next: NUMBERS + u64::from(number) + 1,
    }))
}

/// What has the number `from`, or without `exactly` the lowest number from there on.
fn numbered(source: &dyn ProcSource, what: What, from: u32, exactly: bool) -> Option<(u32, What)> {
    let fits = |number: &u32| !exactly || *number == from;
    let file = |process: ProcessRef| {
        source
            .file_from(process, from)
            .map(|(number, _)| number)
            .filter(fits)
    };
    match what {
        What::Root => {
            // A process that ends between the two questions is passed over.
            let mut from = Pid(from);
            loop {
                let pid = if exactly {
                    from
                } else {
                    source.process_from(from)?
                };
                match source.process(pid) {
                    Some(process) => return Some((pid.0, What::Process(process))),
                    None if exactly => return None,
                    None => from = Pid(pid.0.checked_add(1)?),
                }
            }
        }
        What::Files(process) => {
            file(process).map(|number| (number, What::OpenFile(process, number)))
        }
        What::FilesInfo(process) => {
            file(process).map(|number| (number, What::FileInfo(process, number)))
        }
        What::Tasks(process) => {
            let tid = source
                .thread_from(process, Pid(from))
                .filter(|tid| fits(&tid.0))?;
            Some((tid.0, What::Task(process, tid)))
        }
        _ => None,
    }
}

/// A decimal number in its only form: no sign, no zeros in front.
fn number(name: &str) -> Option<u32> {
    let is_usual = name == "0" || name.starts_with(|first: char| matches!(first, '1'..='9'));
    name.parse().ok().filter(|_| is_usual)
}
