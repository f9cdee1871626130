//! Pages that no thread gives back: a job does.

use crate::job::{Job, Step, Work};
use crate::system::system;
use abi::Cid;
use memory::Remains;
use sync::{Rank, SpinLock};

/// What is left of objects, a step at a time.
struct Reclamation(SpinLock<Remains>);

/// Has pages given back on a partition's time, or on Global's where it is gone. Without memory for a job they are given back
/// here and now. May be called with locks up to rank `Pages`.
pub fn begin(cid: Cid, remains: Remains) {
    if remains.is_empty() {
        return;
    }
    let payer = if system().dispatch.knows(cid) {
        cid
    } else {
        Cid::GLOBAL
    };
    let work = Reclamation(SpinLock::new(Rank::Thread, remains));
    // Refused, it takes the pages with it.
    Job::start(payer, work).ok();
}

impl Work for Reclamation {
    fn step(&self) -> Step {
        let mut remains = self.0.lock();
        remains.clear_step();
        if remains.is_empty() {
            Step::Done
        } else {
            Step::Again
        }
    }
}
