//! Restartable sequences (linux/rseq.h).

use super::record::record;

/// `rseq`: the area is no longer the thread's.
pub const RSEQ_FLAG_UNREGISTER: u32 = 1;
/// In the place of a CPU's number: the area is not registered.
pub const RSEQ_CPU_ID_UNINITIALIZED: u32 = u32::MAX;
/// Least size of an area, and what it must be a multiple of in memory, in bytes.
pub const RSEQ_ALIGNMENT: u64 = 32;
/// Bytes of an area that the kernel fills, from its start.
pub const RSEQ_FEATURE_SIZE: u64 = 24;

record! {
    /// `struct rseq`.
    RseqArea [32] {
        /// The CPU that runs the thread; always one that there is.
        0 cpu_id_start: u32,
        /// The same, or that the area is not registered.
        4 cpu_id: u32,
        /// Address of the section that the thread is in, 0 for none.
        8 rseq_cs: u64,
        /// None are defined any more.
        16 flags: u32,
        /// The memory node of the CPU.
        20 node_id: u32,
    }

    /// `struct rseq_cs`: a sequence of instructions that is begun again when it is disturbed.
    RseqSection [32] {
        /// 0.
        0 version: u32,
        /// None are defined any more.
        4 flags: u32,
        /// Address of its first instruction.
        8 start_ip: u64,
        /// From there to the instruction after its last, in bytes.
        16 post_commit_offset: u64,
        /// Where the thread goes on when it was disturbed; the signature is in the word before.
        24 abort_ip: u64,
    }
}
