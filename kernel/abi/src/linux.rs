//! Numbers and layouts of the Linux ppc64le user interface (`man 2 syscalls`, asm/unistd.h of powerpc).
//!
//! Structures in program memory are [`Field`]s with `encode` and `decode`; their offsets stand in their
//! declarations and are checked against the cross compiler's headers. Flag sets are `bitflags`.

mod aio;
mod file;
mod frame;
mod futex;
mod inotify;
mod memory;
mod message_queue;
mod process;
mod ptrace;
mod record;
mod rseq;
mod seccomp;
mod signal;
mod socket;
mod syscall;
mod system;
mod system_v;
mod terminal;
mod time;
mod uring;

pub use aio::*;
pub use file::*;
pub use frame::*;
pub use futex::*;
pub use inotify::*;
pub use memory::*;
pub use message_queue::*;
pub use process::*;
pub use ptrace::*;
pub use record::{Field, Place};
pub use rseq::*;
pub use seccomp::*;
pub use signal::*;
pub use socket::*;
pub use syscall::SystemCall;
pub use system::*;
pub use system_v::*;
pub use terminal::*;
pub use time::*;
pub use uring::*;
