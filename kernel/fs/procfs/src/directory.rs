//! What is in the directories.

use crate::network_files::{CORE_FILES, IPV4_FILES, NET_FILES, NetworkFile};
use crate::node::{ProcessLink, What};
use crate::process_files;
use crate::source::{ProcSource, ProcessRef};
use crate::system_files::{FS_FILES, KERNEL_FILES, ROOT_FILES};
use abi::Pid;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

/// Cookies of names that are numbers start here; those of fixed names lie below.
const NUMBERS: u64 = 256;

/// One name, and the cookie behind it.
pub(crate) struct Named {
    pub(crate) name: String,
    pub(crate) what: What,
    pub(crate) next: u64,
}

fn of_network(files: &[(&'static str, NetworkFile)]) -> Vec<(&'static str, What)> {
    let files = files.iter();
    files
        .map(|&(name, file)| (name, What::Network(file)))
        .collect()
}

/// The names of a directory that are always there.
fn fixed(what: What) -> Vec<(&'static str, What)> {
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
            ];
            files.chain(others).collect()
        }
        What::Sys => [
            ("kernel", What::SysKernel),
            ("fs", What::SysFs),
            ("net", What::SysNet),
        ]
        .into(),
        What::SysNet => [("core", What::SysNetCore), ("ipv4", What::SysNetIpv4)].into(),
        What::Net => of_network(&NET_FILES),
        What::SysNetCore => of_network(&CORE_FILES),
        What::SysNetIpv4 => of_network(&IPV4_FILES),
        What::SysKernel => KERNEL_FILES
            .iter()
            .map(|&(name, file)| (name, What::System(file)))
            .collect(),
        What::SysFs => FS_FILES
            .iter()
            .map(|&(name, file)| (name, What::System(file)))
            .collect(),
        What::Process(process) => {
            let others = [
                ("cwd", What::Link(process, ProcessLink::WorkingDirectory)),
                ("root", What::Link(process, ProcessLink::Root)),
                ("exe", What::Link(process, ProcessLink::Executable)),
                ("fd", What::Files(process)),
                ("fdinfo", What::FilesInfo(process)),
                ("task", What::Tasks(process)),
            ];
            let files = process_files::FILES.iter();
            files
                .map(|&(name, file, _)| (name, What::File(process, None, file)))
                .chain(others)
                .collect()
        }
        What::Task(process, tid) => {
            let files = process_files::FILES.iter();
            files
                .map(|&(name, file, _)| (name, What::File(process, Some(tid), file)))
                .collect()
        }
        _ => Vec::new(),
    }
}

/// What is under a name.
pub(crate) fn lookup(source: &dyn ProcSource, what: What, name: &[u8]) -> Option<What> {
    let name = core::str::from_utf8(name).ok()?;
    let known = fixed(what)
        .into_iter()
        .find(|(fixed, _)| *fixed == name)
        .map(|(_, what)| what);
    known.or_else(|| numbered(source, what, number(name)?, true).map(|(_, what)| what))
}

/// The first name from a cookie on.
pub(crate) fn from_cookie(source: &dyn ProcSource, what: What, cookie: u64) -> Option<Named> {
    let names = fixed(what);
    let index = usize::try_from(cookie).ok();
    if let Some((name, what)) = index.and_then(|index| names.get(index)) {
        return Some(Named {
            name: (*name).to_string(),
            what: *what,
            next: cookie + 1,
        });
    }
    let from = u32::try_from(cookie.saturating_sub(NUMBERS)).ok()?;
    let (number, what) = numbered(source, what, from, false)?;
    Some(Named {
        name: number.to_string(),
        what,
        next: NUMBERS + u64::from(number) + 1,
    })
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
    let number: u32 = name.parse().ok()?;
    (number.to_string() == name).then_some(number)
}
