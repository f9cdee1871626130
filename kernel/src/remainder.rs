//! What was left to be done in steps, and no thread does: a job does it.

use crate::job::{Job, Step, Work};
use crate::system::system;
use abi::Cid;
use remains::{Left, Remains};
use sync::{Rank, SpinLock};

/// What is left, a step at a time.
struct Remainder(SpinLock<Remains>);

/// Has work done on a partition's time, or on Global's where it is gone. Without memory for a job it is done here and now.
/// May be called with locks up to rank `WaitQueue`.
pub fn begin(cid: Cid, remains: Remains) {
    if remains.is_empty() {
        return;
    }
    let payer = if system().dispatch.knows(cid) {
        cid
    } else {
        Cid::GLOBAL
    };
    let work = Remainder(SpinLock::new(Rank::Thread, remains));
    // Refused, it is dropped and thereby done.
    Job::start(payer, work).ok();
}

/// Does a step of what was left last, without the lock; answers whether there is more.
pub fn step(remains: &SpinLock<Remains>) -> bool {
    let last = remains.lock().take();
    let unfinished = last.and_then(|mut work| work.step().then_some(work));
    let refused: Option<Left> = unfinished.and_then(|work| remains.lock().add(work));
    drop(refused);
    !remains.lock().is_empty()
}

impl Work for Remainder {
    fn step(&self) -> Step {
        if step(&self.0) {
            Step::Again
        } else {
            Step::Done
        }
    }
}
