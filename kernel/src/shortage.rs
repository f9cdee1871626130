//! The machine's memory is used up, and a program has touched a page: which program goes.
//!
//! The order of partitions is that of [`partition::who_gives`]. Of the partition that gives, the process with most memory
//! of its own is killed, whoever has asked; the one who asks tries again, and while something dies that frees memory
//! nobody else is killed. Where no partition is above its part the one who asks goes.

use crate::family;
use crate::partitions::part_of_memory;
use crate::process::Process;
use crate::system::system;
use abi::{Cid, Pages};
use alloc::sync::Arc;
use control::ResourceControls;
use core::fmt;
use memory::frames;
use partition::{Holding, Wpar, who_gives};
use process::ExitStatus;
use trace::Severity;

/// A partition whose programs hold less than this has nothing to give that would help.
const WORTHWHILE: Pages = Pages(256);

/// What is to be done for one who asks in vain.
pub enum Relief {
    /// Somebody is dying: try again.
    Coming,
    /// This process is to go.
    Kill(Arc<Process>),
}

/// Who goes so that `asker` can have a page.
pub fn relieve(asker: &Arc<Process>) -> Relief {
    let Some(giver) = giver() else {
        return Relief::Kill(asker.clone());
    };
    if giver == asker.cid() {
        return Relief::Kill(asker.clone());
    }
    if family::of_partition(giver).any(|process| process.is_ending() && !process.has_ended()) {
        return Relief::Coming;
    }
    let largest = family::of_partition(giver).max_by_key(|process| {
        let adjustment = process.with(|state| state.conduct.expendability);
        (score(process, adjustment), own_memory(process), process.pid)
    });
    Relief::Kill(largest.unwrap_or_else(|| asker.clone()))
}

/// Ends a process for want of memory, and records why.
pub fn kill(victim: &Process, why: fmt::Arguments<'_>) {
    let text = format_args!("process {} killed: {why}", victim.pid);
    // The record of a death for want of memory must not be lost for want of memory: a line.
    fallible::assured(|| system().log(victim.cid(), Severity::Permanent, "memory", text));
    victim.end(ExitStatus::KILLED);
}

/// The partition that is furthest above its part; Global never is. Nothing is listed: there is no memory for it.
fn giver() -> Option<Cid> {
    let table = &system().environments.table;
    let finite = |controls: &ResourceControls| controls.active.then_some(controls.memory_shares)?;
    // As for the CPU: unlimited shares weigh as the largest finite ones.
    let unlimited = table
        .walk()
        .filter_map(|wpar| wpar.with_controls(finite))
        .map(|shares| shares.0.get())
        .max()
        .unwrap_or(1);
    let holding = |wpar: Arc<Wpar>| {
        let usage = frames::usage(wpar.cid());
        let holding = wpar.with_controls(|controls| {
            let (minimum, soft_maximum) = if controls.active {
                (
                    part_of_memory(controls.memory.minimum.basis_points()),
                    part_of_memory(controls.memory.soft_maximum.basis_points()),
                )
            } else {
                (Pages(0), frames::total())
            };
            Holding {
                used: usage.total(),
                minimum,
                soft_maximum,
                weight: finite(controls).map_or(unlimited, |shares| shares.0.get()),
                can_give: !wpar.cid().is_global() && usage.anonymous >= WORTHWHILE,
            }
        });
        (wpar.cid(), holding)
    };
    who_gives(frames::total(), || table.walk().map(holding))
}

/// How readily a process is ended (`man 5 proc`, oom_score): the thousandth part of all memory that goes with it, more or
/// less by its adjustment; 0 to 2000.
pub fn score(process: &Process, adjustment: i16) -> u32 {
    if adjustment == -1000 {
        return 0;
    }
    let part = own_memory(process).0.saturating_mul(1000) / frames::total().0.max(1);
    let score = i64::try_from(part).unwrap_or(1000).min(1000) + i64::from(adjustment);
    u32::try_from(score).unwrap_or(0)
}

/// Memory that goes with the process.
fn own_memory(process: &Process) -> Pages {
    let Ok(space) = process.space() else {
        return Pages(0);
    };
    let statistics = space.lock().statistics();
    statistics.resident.saturating_sub(statistics.shared)
}
