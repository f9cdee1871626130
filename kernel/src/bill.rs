//! What timers and devices cost: time and memory go to the partition for which they come, and not to the one that they
//! interrupt.

use crate::current;
use crate::system::system;
use abi::{Cid, Ticks};

/// Who pays for this CPU's time and memory while it does something for somebody else than whom it has interrupted.
pub struct Bill {
    /// For whom the CPU works otherwise.
    works_for: Cid,
    /// Whose account its time goes to now, where that is known, and went to before.
    payer: Option<Cid>,
    former: Option<Cid>,
    /// From when on the first payer pays.
    since: Option<Ticks>,
}

impl Bill {
    /// Nobody else pays yet. `since`: when the CPU was interrupted for what is done, or now.
    pub fn begin(since: Ticks) -> Self {
        let works_for = current::partition();
        Self {
            works_for,
            // Without a thread it is the account of the last one until the next is picked.
            payer: current::with(|_| works_for),
            former: None,
            since: Some(since),
        }
    }

    /// This partition pays from now on.
    pub fn to(&mut self, payer: Cid) {
        let since = self.since.take();
        current::set_partition(payer);
        if self.payer == Some(payer) {
            return;
        }
        // One that is gone cannot pay; then it goes on as before.
        if let Some(before) = system()
            .dispatch
            .charge_to(since.unwrap_or_else(arch::time::now), payer)
        {
            self.payer = Some(payer);
            self.former = self.former.or(Some(before));
        }
    }

    /// All is as it was.
    pub fn end(self) {
        current::set_partition(self.works_for);
        if let Some(former) = self.former {
            system().dispatch.charge_to(arch::time::now(), former);
        }
    }
}
