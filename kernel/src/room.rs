//! Whether a partition may make the kernel keep more for it.
//!
//! What a call allocates on its way, it allocates after this question: a partition at its maximum, or one for which
//! no frame is free, may end, close, unmap, wait and read, and gets ENOMEM from every call that leaves an object
//! behind. So no partition goes beyond its limit by more than what one call of each of its CPUs makes, and that comes
//! out of the reserve ([`frames::has_room`]).

use crate::current;
use abi::Errno;
use abi::linux::SystemCall;
use memory::frames;

/// Asks for room for one more object.
///
/// # Errors
/// ENOMEM.
pub fn ask() -> Result<(), Errno> {
    if frames::has_room(current::partition()) {
        Ok(())
    } else {
        Err(Errno::ENOMEM)
    }
}

/// Whether a call leaves an object of the kernel behind when it succeeds. Writing to pipes and sockets does so too and
/// asks where it is known what is written to; frames of programs and files are counted one by one anyhow.
pub fn is_needed_for(call: SystemCall) -> bool {
    use SystemCall as S;
    matches!(
        call,
        S::Fork
            | S::Vfork
            | S::Clone
            | S::Clone3
            | S::Execve
            | S::Execveat
            | S::Mmap
            | S::Mremap
            | S::Mprotect
            | S::Madvise
            | S::Open
            | S::Openat
            | S::Openat2
            | S::OpenByHandleAt
            | S::Creat
            | S::Mkdir
            | S::Mkdirat
            | S::Mknod
            | S::Mknodat
            | S::Link
            | S::Linkat
            | S::Symlink
            | S::Symlinkat
            | S::Rename
            | S::Renameat
            | S::Renameat2
            | S::Setxattr
            | S::Lsetxattr
            | S::Fsetxattr
            | S::Mount
            | S::Dup
            | S::Dup2
            | S::Dup3
            | S::Fcntl
            | S::Flock
            | S::Pipe
            | S::Pipe2
            | S::Socket
            | S::Socketpair
            | S::Socketcall
            | S::Bind
            | S::Connect
            | S::Listen
            | S::Accept
            | S::Accept4
            | S::Send
            | S::Sendto
            | S::Sendmsg
            | S::Sendmmsg
            | S::EpollCreate
            | S::EpollCreate1
            | S::EpollCtl
            | S::Eventfd
            | S::Eventfd2
            | S::Signalfd
            | S::Signalfd4
            | S::TimerfdCreate
            | S::TimerfdSettime
            | S::TimerCreate
            | S::TimerSettime
            | S::Setitimer
            | S::PidfdOpen
            | S::PidfdGetfd
            | S::MemfdCreate
            | S::InotifyInit
            | S::InotifyInit1
            | S::InotifyAddWatch
            | S::RtSigqueueinfo
            | S::Shmget
            | S::Semget
            | S::Msgget
            | S::Msgsnd
            | S::MqOpen
            | S::MqTimedsend
            | S::IoUringSetup
            | S::IoSetup
            | S::IoSubmit
            | S::Seccomp
            | S::AddKey
    )
}
