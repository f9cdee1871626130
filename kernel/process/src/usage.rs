//! What a process has used up (`man 2 getrusage`, `man 2 times`).

use abi::{Nanos, Pages};

/// Use of resources by a thread, a process or its awaited children.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// CPU time in user mode.
    pub user: Nanos,
    /// CPU time in the kernel on behalf of the process.
    pub system: Nanos,
    /// The most pages that it has had at once.
    pub peak_resident: Pages,
    /// Page faults served without I/O.
    pub minor_faults: u64,
    /// Page faults that needed I/O.
    pub major_faults: u64,
    /// Blocks of 512 bytes read.
    pub blocks_in: u64,
    /// Blocks of 512 bytes written.
    pub blocks_out: u64,
    /// Times it gave up the CPU to wait.
    pub voluntary_switches: u64,
    /// Times the CPU was taken away.
    pub involuntary_switches: u64,
}

impl Usage {
    /// Adds another's use; the largest resident set is the larger of the two.
    pub fn add(&mut self, other: &Usage) {
        self.user = self.user.saturating_add(other.user);
        self.system = self.system.saturating_add(other.system);
        self.peak_resident = self.peak_resident.max(other.peak_resident);
        for (mine, theirs) in [
            (&mut self.minor_faults, other.minor_faults),
            (&mut self.major_faults, other.major_faults),
            (&mut self.blocks_in, other.blocks_in),
            (&mut self.blocks_out, other.blocks_out),
            (&mut self.voluntary_switches, other.voluntary_switches),
            (&mut self.involuntary_switches, other.involuntary_switches),
        ] {
            *mine = mine.saturating_add(theirs);
        }
    }
}
