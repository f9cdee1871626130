//! Barriers of memory that all threads of a process go through (`man 2 membarrier`).
//!
//! A CPU that is in a program is called into the kernel; a thread that does not run goes through a barrier before it does.
//! Nobody else's CPUs are disturbed, so the commands that mean every program of the machine are not there (Linux
//! has them not either where CPUs have no tick).

use super::Call;
use crate::others;
use crate::outcome::{Called, Continuation, Outcome};
use crate::system::system;
use crate::thread::Thread;
use abi::Errno;
use abi::linux::{MEMBARRIER_CMD_FLAG_CPU, Membarrier};
use sched::{Cpu, CpuSet};
use wait::Phase;

/// What a process must have announced before it gives the command.
const REGISTRATIONS: [(Membarrier, Membarrier); 3] = [
    (
        Membarrier::PRIVATE_EXPEDITED,
        Membarrier::REGISTER_PRIVATE_EXPEDITED,
    ),
    (
        Membarrier::PRIVATE_EXPEDITED_SYNC_CORE,
        Membarrier::REGISTER_PRIVATE_EXPEDITED_SYNC_CORE,
    ),
    (
        Membarrier::PRIVATE_EXPEDITED_RSEQ,
        Membarrier::REGISTER_PRIVATE_EXPEDITED_RSEQ,
    ),
];

/// `man 2 membarrier`.
///
/// # Errors
/// EINVAL for a command that is not there and for flags; EPERM for one that was not announced.
pub fn membarrier(call: &mut Call<'_>) -> Called {
    let (command, flags) = (call.argument(0) as u32, call.argument(1) as u32);
    let sequences = command == Membarrier::PRIVATE_EXPEDITED_RSEQ.bits();
    let only = match flags {
        0 => None,
        MEMBARRIER_CMD_FLAG_CPU if sequences => Some(call.argument(2) as u32),
        _ => return Err(Errno::EINVAL.into()),
    };
    if command == 0 {
        let known = REGISTRATIONS
            .iter()
            .fold(Membarrier::GET_REGISTRATIONS, |all, (does, registers)| {
                all | *does | *registers
            });
        return Ok(u64::from(known.bits()));
    }
    let command = Membarrier::from_bits(command).ok_or(Errno::EINVAL)?;
    if command == Membarrier::GET_REGISTRATIONS {
        let registered = call.process().with(|state| state.barriers);
        return Ok(u64::from(registered.bits()));
    }
    for (does, registers) in REGISTRATIONS {
        if command == registers {
            call.process().with(|state| state.barriers |= registers);
            return Ok(0);
        }
        if command == does {
            if !call
                .process()
                .with(|state| state.barriers)
                .contains(registers)
            {
                return Err(Errno::EPERM.into());
            }
            return go_through(call, command, only);
        }
    }
    Err(Errno::EINVAL.into())
}

/// Lets every CPU, or one, go through a barrier that runs another thread of the process.
///
/// An entry into the kernel and the return from it synchronize instructions too (Power ISA, Book III, `rfid`).
fn go_through(call: &mut Call<'_>, command: Membarrier, only: Option<u32>) -> Called {
    let concerned = |thread: &Thread| only.is_none_or(|cpu| thread.last_cpu() == cpu);
    let barrier = match call.progress() {
        Continuation::Barrier(number) => number,
        _ => {
            if command == Membarrier::PRIVATE_EXPEDITED_RSEQ {
                // Before the barrier: whoever goes through it looks afterwards.
                let threads = call.process().threads.iter();
                let concerned = threads.filter(|thread| concerned(thread));
                concerned.for_each(|thread| thread.rseq.disturb());
            }
            others::begin_barrier()
        }
    };
    let mut running = CpuSet::NONE;
    for thread in call.process().threads.iter() {
        if runs(&thread) && concerned(&thread) {
            running.insert(Cpu(thread.last_cpu() as u16));
        }
    }
    // This CPU runs the caller, and one that has gone out of use runs nobody.
    running.remove(Cpu(arch::cpu::this().0));
    running.0 &= system().dispatch.cpus().0;
    if others::have_passed(running, barrier) {
        return Ok(0);
    }
    call.set_progress(Continuation::Barrier(barrier));
    Err(Outcome::Again)
}

/// Whether it runs or could run: nothing else is known for certain from another CPU.
fn runs(thread: &Thread) -> bool {
    thread.phase() == Phase::Ready
}
