//! The first process: a page of instructions that executes init.
//!
//! Init is executed by the same call as every other program. The page holds `execve(path, argv, envp)` and, in
//! case that fails, `exit(errno)`; it is gone with the address space that execve replaces.

use crate::dispatch::Runnable;
use crate::environment::Environment;
use crate::process::Process;
use crate::space::Space;
use crate::system::system;
use crate::thread::Thread;
use abi::linux::SystemCall;
use abi::mmu::Protection;
use abi::{Errno, PAGE_SIZE};
use alloc::sync::Arc;
use alloc::vec::Vec;
use arch::UserContext;
use memory::space::{Fixed, MapRequest, Mapping, Traits};
use process::signal::ThreadSignals;
use sched::Attributes;

/// Where the page is.
const PAGE: u64 = 0x1000_0000;
/// Where its data are.
const DATA: u64 = PAGE + 64;

/// `li r0, number`.
const fn load_number(call: SystemCall) -> u32 {
    0x3800_0000 | call as u32
}

/// `sc`.
const SYSTEM_CALL: u32 = 0x4400_0002;

/// What init gets as environment.
const ENVIRONMENT: [&str; 3] = [
    "HOME=/root",
    "PATH=/usr/sbin:/usr/bin:/sbin:/bin",
    "TERM=vt100",
];

/// The page's bytes, and the addresses of path, argv and envp.
#[expect(
    clippy::disallowed_methods,
    reason = "boot, before there is anybody who could be told"
)]
fn page(path: &str) -> (Vec<u8>, [u64; 3]) {
    let code = [
        load_number(SystemCall::Execve),
        SYSTEM_CALL,
        load_number(SystemCall::Exit),
        SYSTEM_CALL,
    ];
    let mut bytes: Vec<u8> = code
        .iter()
        .flat_map(|instruction| instruction.to_le_bytes())
        .collect();
    bytes.resize((DATA - PAGE) as usize, 0);
    let mut strings = Vec::new();
    for text in core::iter::once(path).chain(ENVIRONMENT) {
        strings.push(PAGE + bytes.len() as u64);
        bytes.extend_from_slice(text.as_bytes());
        bytes.push(0);
    }
    bytes.resize(bytes.len().next_multiple_of(8), 0);
    let mut array = |members: &[u64]| {
        let at = PAGE + bytes.len() as u64;
        members
            .iter()
            .chain(&[0])
            .for_each(|member| bytes.extend_from_slice(&member.to_le_bytes()));
        at
    };
    let (first, rest) = strings.split_at(1);
    let (argv, envp) = (array(first), array(rest));
    (bytes, [PAGE + (DATA - PAGE), argv, envp])
}

/// Makes the first process of Global, ready to run.
///
/// # Errors
/// ENOMEM, ENAMETOOLONG.
pub fn make(global: &Arc<Environment>, path: &str) -> Result<(), Errno> {
    let (bytes, [path, argv, envp]) = page(path);
    if bytes.len() > PAGE_SIZE {
        return Err(Errno::ENAMETOOLONG);
    }
    let process = Process::first(global)?;
    let space: Arc<Space> = process.space()?;
    {
        let mut description = space.lock();
        description.map(MapRequest {
            hint: PAGE,
            fixed: Fixed::NoReplace,
            length: PAGE_SIZE as u64,
            protection: Protection::all(),
            maximum: Protection::all(),
            mapping: Mapping::Anonymous,
            traits: Traits::empty(),
            name: None,
        })?;
        description.write(PAGE, &bytes)?;
        description.protect(
            PAGE,
            PAGE_SIZE as u64,
            Protection::READ | Protection::EXECUTE,
        )?;
    }
    let mut context = UserContext::new(PAGE, 0);
    context.gpr[3] = path;
    context.gpr[4] = argv;
    context.gpr[5] = envp;
    global.admit_thread()?;
    let signals = ThreadSignals::default();
    let thread = Thread::new(process.number(), process.clone(), context, signals)?;
    process.add_thread(&thread)?;
    system().dispatch.admit(
        Runnable::Thread(thread.clone()),
        global.cid(),
        Attributes::default(),
    )
}
