//! System calls, by area; `man 2` is the contract of each.
//!
//! A handler gets a [`Call`] and answers a value for r3 or an [`Outcome`]. It follows five steps: copy in what
//! decides, gather what the result needs, decide whether to wait, commit, copy out. It may be run again
//! from the start any number of times, so until its commit it changes nothing; what must not be lost
//! between two runs is its [`Continuation`].

mod aio;
pub mod attribute;
mod barrier;
mod capability;
pub mod clock;
pub mod control;
pub mod core_file;
pub mod descriptor;
pub mod directory;
mod discipline;
pub mod epoll;
pub mod event;
pub mod exec;
pub mod file;
pub mod futex;
pub mod identity;
pub mod inotify;
mod io_priority;
pub mod job;
pub mod light;
pub mod memory;
mod memory_policy;
pub mod message_queue;
pub mod metadata;
pub mod pidfd;
pub mod poll;
mod prctl;
pub mod process;
pub mod ptrace;
pub mod remote;
pub mod schedule;
mod seccomp;
pub mod signal;
pub mod signalfd;
pub mod socket;
pub mod system;
mod system_v;
mod terminal;
pub mod thread;
pub mod timer;
pub mod timerfd;
pub mod uring;

use crate::outcome::{Called, Continuation, Outcome, Wait};
use crate::process::Process;
use crate::process::TaskName;
use crate::room;
use crate::space::Space;
use crate::system::system;
use crate::thread::{Body, PendingCall, Thread};
use crate::user::User;
use abi::linux::SystemCall;
use abi::{Cid, Errno, Ticks};
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::cell::OnceCell;
use fallible::Map;
use security::Credential;
use sync::{Rank, SpinLock};
use trace::Severity;
use vfs::{Descriptor, IoContext, OpenFile, StatusFlags};
use wait::{MayWait, Waiter};

/// One run of a system call.
pub struct Call<'a> {
    /// Who calls.
    pub thread: &'a Arc<Thread>,
    /// Its registers.
    pub body: &'a mut Body,
    /// Its memory.
    pub user: User,
    /// It fails with EAGAIN rather than wait, whatever the file says.
    pub nonblocking: bool,
    /// It waits whatever the socket says: a ring waits for it.
    pub is_patient: bool,
    /// In place of those in the registers, for a call that a ring has brought.
    pub arguments: Option<[u64; 6]>,
    /// The file that [`Call::HELD`] means.
    pub held: Option<Arc<OpenFile>>,
    number: u64,
    progress: Continuation,
    waiter: OnceCell<Waiter>,
    credential: OnceCell<Arc<Credential>>,
}

impl<'a> Call<'a> {
    /// In place of a descriptor: the file that is held. No register of a program has this value as a descriptor.
    pub const HELD: u64 = 1 << 32;

    /// A run of a call.
    pub fn new(
        thread: &'a Arc<Thread>,
        body: &'a mut Body,
        space: Option<Arc<Space>>,
        pending: PendingCall,
    ) -> Self {
        Self {
            thread,
            body,
            user: User::new(space),
            nonblocking: false,
            is_patient: false,
            arguments: None,
            held: None,
            number: pending.number,
            progress: pending.progress,
            waiter: OnceCell::new(),
            credential: OnceCell::new(),
        }
    }

    /// The run is over: gives the memory back with which it has begun, which `execve` may have replaced.
    pub fn into_space(self) -> Option<Arc<Space>> {
        self.user.into_space()
    }

    /// An argument, 0 to 5 (r3 to r8).
    pub fn argument(&self, index: usize) -> u64 {
        match &self.arguments {
            Some(arguments) => arguments.get(index),
            None => self.body.context.gpr.get(index + 3),
        }
        .copied()
        .unwrap_or(0)
    }

    /// The process that calls.
    pub fn process(&self) -> &'a Arc<Process> {
        &self.thread.process
    }

    /// On whose behalf.
    pub fn credential(&self) -> &Arc<Credential> {
        self.credential.get_or_init(|| self.thread.credential())
    }

    /// The caller's partition.
    pub fn cid(&self) -> Cid {
        self.credential().cid
    }

    /// Who is enrolled where the call has to wait.
    pub fn waiter(&self) -> &Waiter {
        self.waiter.get_or_init(|| self.thread.begin_run())
    }

    /// Whether the run may be enrolled somewhere.
    pub fn has_waiter(&self) -> bool {
        self.waiter.get().is_some()
    }

    /// What operations of files get.
    pub fn io(&self) -> IoContext<'_> {
        IoContext {
            credential: self.credential(),
            caller: self,
            nonblocking: self.nonblocking,
        }
    }

    /// What the call has already done.
    pub fn progress(&self) -> Continuation {
        self.progress
    }

    /// Remembers what the call has done, for its next run.
    pub fn set_progress(&mut self, progress: Continuation) {
        self.progress = progress;
    }

    /// The open file of the descriptor in an argument.
    ///
    /// # Errors
    /// EBADF.
    pub fn file(&self, index: usize) -> Result<Arc<OpenFile>, Errno> {
        self.file_of(self.argument(index))
    }

    /// The open file of a descriptor.
    ///
    /// # Errors
    /// EBADF.
    pub fn file_of(&self, descriptor: u64) -> Result<Arc<OpenFile>, Errno> {
        if let Some(held) = self.held.as_ref().filter(|_| descriptor == Self::HELD) {
            return Ok(held.clone());
        }
        let descriptor = Descriptor::from_register(descriptor)?;
        self.process().files()?.lock().get(descriptor)
    }

    /// Whether a call on a socket fails rather than wait.
    pub fn is_hurried(&self, file: &OpenFile) -> bool {
        self.nonblocking || !self.is_patient && file.flags().contains(StatusFlags::NONBLOCKING)
    }

    /// Lets somebody else than the thread be enrolled where the call has to wait.
    pub fn act_for(&mut self, waiter: Waiter) {
        self.waiter = OnceCell::from(waiter);
    }

    /// Makes a run of another call, with [`Call::arguments`].
    pub fn run_as(&mut self, number: SystemCall) -> Called {
        self.number = u64::from(number.number());
        dispatch(number, self)
    }

    /// The path that an argument points to.
    ///
    /// # Errors
    /// EFAULT, ENAMETOOLONG.
    pub fn path(&self, index: usize) -> Result<Vec<u8>, Errno> {
        self.user.path(self.argument(index))
    }

    /// Parks until woken, at the latest at the absolute deadline, and then runs again.
    pub fn wait_until(&mut self, until: Option<Ticks>) -> Called {
        if let Some(at) = until {
            self.progress = Continuation::Until(at);
        }
        Err(Outcome::Park(Wait::retry_until(until)))
    }

    /// The absolute deadline of a call that waits for `span` at most, the same in every run; `None` waits for ever.
    pub fn deadline(&self, span: Option<Ticks>) -> Option<Ticks> {
        match self.progress {
            Continuation::Until(at) | Continuation::TransferredUntil(_, at) => Some(at),
            _ => span.map(|span| arch::time::now().saturating_add(span)),
        }
    }
}

impl MayWait for Call<'_> {
    fn waiter(&self) -> &Waiter {
        Call::waiter(self)
    }
}

/// Runs a call once.
pub fn run(call: &mut Call<'_>) -> Outcome {
    let Some(number) = SystemCall::from_number(call.number) else {
        return unknown(call);
    };
    if room::is_needed_for(number)
        && matches!(call.progress, Continuation::Fresh)
        && let Err(errno) = room::ask()
    {
        return errno.into();
    }
    dispatch(number, call).into()
}

fn dispatch(number: SystemCall, call: &mut Call<'_>) -> Called {
    use SystemCall as S;
    use attribute::Means;
    match number {
        S::Read => file::read(call),
        S::Write => file::write(call),
        S::Readv => file::readv(call),
        S::Writev => file::writev(call),
        S::Pread64 => file::pread(call),
        S::Pwrite64 => file::pwrite(call),
        S::Preadv => file::preadv(call),
        S::Pwritev => file::pwritev(call),
        S::Preadv2 => file::preadv2(call),
        S::Pwritev2 => file::pwritev2(call),
        S::Lseek => file::lseek(call),
        S::Llseek => file::llseek(call),
        S::Sendfile => file::sendfile(call),
        S::CopyFileRange => file::copy_file_range(call),
        S::Splice => file::splice(call),
        S::Tee => file::tee(call),
        S::Vmsplice => file::vmsplice(call),
        S::Ftruncate => file::ftruncate(call),
        S::Truncate => file::truncate(call),
        S::Fsync | S::Fdatasync => file::fsync(call),
        S::Sync => Ok(0),
        S::Syncfs => file::syncfs(call),
        S::SyncFileRange2 => file::sync_file_range(call),
        S::MemfdCreate => file::memfd_create(call),
        S::Fallocate => file::fallocate(call),
        S::Fadvise64 | S::Readahead => file::advise(call),

        S::Open => directory::open(call),
        S::Openat => directory::openat(call),
        S::Openat2 => directory::openat2(call),
        S::Creat => directory::creat(call),
        S::Mkdir => directory::mkdir(call),
        S::Mkdirat => directory::mkdirat(call),
        S::Rmdir => directory::rmdir(call),
        S::Unlink => directory::unlink(call),
        S::Unlinkat => directory::unlinkat(call),
        S::Link => directory::link(call),
        S::Linkat => directory::linkat(call),
        S::Symlink => directory::symlink(call),
        S::Symlinkat => directory::symlinkat(call),
        S::Readlink => directory::readlink(call),
        S::Readlinkat => directory::readlinkat(call),
        S::Rename => directory::rename(call),
        S::Renameat => directory::renameat(call),
        S::Renameat2 => directory::renameat2(call),
        S::Mknod => directory::mknod(call),
        S::Mknodat => directory::mknodat(call),
        S::Getdents64 => directory::getdents64(call),
        S::Chdir => directory::chdir(call),
        S::Fchdir => directory::fchdir(call),
        S::Chroot => directory::chroot(call),
        S::Getcwd => directory::getcwd(call),
        S::Umask => directory::umask(call),
        S::Mount => directory::mount(call),
        S::Umount2 | S::Umount => directory::umount(call),

        S::Stat => metadata::stat(call),
        S::Lstat => metadata::lstat(call),
        S::Fstat => metadata::fstat(call),
        S::Newfstatat => metadata::fstatat(call),
        S::Statx => metadata::statx(call),
        S::Statfs => metadata::statfs(call),
        S::Fstatfs => metadata::fstatfs(call),
        S::Statfs64 => metadata::statfs64(call),
        S::Fstatfs64 => metadata::fstatfs64(call),
        S::NameToHandleAt => metadata::name_to_handle_at(call),
        S::OpenByHandleAt => metadata::open_by_handle_at(call),
        S::Access => metadata::access(call),
        S::Faccessat => metadata::faccessat(call),
        S::Faccessat2 => metadata::faccessat2(call),
        S::Chmod => metadata::chmod(call),
        S::Fchmod => metadata::fchmod(call),
        S::Fchmodat => metadata::fchmodat(call),
        S::Fchmodat2 => metadata::fchmodat2(call),
        S::Chown => metadata::chown(call),
        S::Lchown => metadata::lchown(call),
        S::Fchown => metadata::fchown(call),
        S::Fchownat => metadata::fchownat(call),
        S::Utime => metadata::utime(call),
        S::Utimes => metadata::utimes(call),
        S::Futimesat => metadata::futimesat(call),
        S::Utimensat => metadata::utimensat(call),

        S::Getxattr => attribute::get(call, Means::Path),
        S::Lgetxattr => attribute::get(call, Means::Link),
        S::Fgetxattr => attribute::get(call, Means::Descriptor),
        S::Listxattr => attribute::list(call, Means::Path),
        S::Llistxattr => attribute::list(call, Means::Link),
        S::Flistxattr => attribute::list(call, Means::Descriptor),
        S::Setxattr => attribute::set(call, Means::Path),
        S::Lsetxattr => attribute::set(call, Means::Link),
        S::Fsetxattr => attribute::set(call, Means::Descriptor),
        S::Removexattr => attribute::remove(call, Means::Path),
        S::Lremovexattr => attribute::remove(call, Means::Link),
        S::Fremovexattr => attribute::remove(call, Means::Descriptor),

        S::Close => descriptor::close(call),
        S::CloseRange => descriptor::close_range(call),
        S::Dup => descriptor::dup(call),
        S::Dup2 => descriptor::dup2(call),
        S::Dup3 => descriptor::dup3(call),
        S::Fcntl => descriptor::fcntl(call),
        S::Ioctl => descriptor::ioctl(call),
        S::Flock => descriptor::flock(call),
        S::Pipe => descriptor::pipe(call),
        S::Pipe2 => descriptor::pipe2(call),

        S::Socketcall => socket::socketcall(call),
        S::Socket
        | S::Socketpair
        | S::Bind
        | S::Connect
        | S::Listen
        | S::Accept
        | S::Accept4
        | S::Getsockname
        | S::Getpeername
        | S::Send
        | S::Sendto
        | S::Sendmsg
        | S::Recv
        | S::Recvfrom
        | S::Recvmsg
        | S::Sendmmsg
        | S::Recvmmsg
        | S::Shutdown
        | S::Setsockopt
        | S::Getsockopt => socket::direct(number, call),

        S::MqOpen => message_queue::mq_open(call),
        S::MqUnlink => message_queue::mq_unlink(call),
        S::MqTimedsend => message_queue::mq_timedsend(call),
        S::MqTimedreceive => message_queue::mq_timedreceive(call),
        S::MqNotify => message_queue::mq_notify(call),
        S::MqGetsetattr => message_queue::mq_getsetattr(call),
        S::Ipc => system_v::ipc(call),
        S::Semget
        | S::Semctl
        | S::Semtimedop
        | S::Msgget
        | S::Msgctl
        | S::Msgsnd
        | S::Msgrcv
        | S::Shmget
        | S::Shmctl
        | S::Shmat
        | S::Shmdt => system_v::direct(number, call),

        S::Poll => poll::poll(call),
        S::Ppoll => poll::ppoll(call),
        S::Select | S::Newselect => poll::select(call),
        S::Pselect6 => poll::pselect6(call),
        S::Signalfd => signalfd::signalfd(call),
        S::Signalfd4 => signalfd::signalfd4(call),
        S::PidfdOpen => pidfd::pidfd_open(call),
        S::PidfdSendSignal => pidfd::pidfd_send_signal(call),
        S::PidfdGetfd => pidfd::pidfd_getfd(call),
        S::TimerfdCreate => timerfd::timerfd_create(call),
        S::TimerfdSettime => timerfd::timerfd_settime(call),
        S::TimerfdGettime => timerfd::timerfd_gettime(call),
        S::IoUringSetup => uring::io_uring_setup(call),
        S::IoUringEnter => uring::io_uring_enter(call),
        S::IoUringRegister => uring::io_uring_register(call),
        S::IoSetup => aio::io_setup(call),
        S::IoDestroy => aio::io_destroy(call),
        S::IoSubmit => aio::io_submit(call),
        S::IoCancel => aio::io_cancel(call),
        S::IoGetevents => aio::io_getevents(call),
        S::IoPgetevents => aio::io_pgetevents(call),
        S::EpollCreate => epoll::epoll_create(call),
        S::EpollCreate1 => epoll::epoll_create1(call),
        S::EpollCtl => epoll::epoll_ctl(call),
        S::EpollWait => epoll::epoll_wait(call),
        S::EpollPwait => epoll::epoll_pwait(call),
        S::EpollPwait2 => epoll::epoll_pwait2(call),
        S::InotifyInit => inotify::inotify_init(call),
        S::InotifyInit1 => inotify::inotify_init1(call),
        S::InotifyAddWatch => inotify::inotify_add_watch(call),
        S::InotifyRmWatch => inotify::inotify_rm_watch(call),
        S::Eventfd => event::eventfd(call),
        S::Eventfd2 => event::eventfd2(call),

        S::Mmap => memory::mmap(call),
        S::Munmap => memory::munmap(call),
        S::Mprotect => memory::mprotect(call),
        S::Mremap => memory::mremap(call),
        S::Madvise => memory::madvise(call),
        S::Brk => memory::brk(call),
        S::Msync => memory::msync(call),
        S::Mincore => memory::mincore(call),
        S::Mlock => memory::mlock(call),
        S::Mlock2 => memory::mlock2(call),
        S::Mlockall => memory::mlockall(call),
        S::Munlock => memory::munlock(call),
        S::Munlockall => memory::munlockall(call),
        S::GetMempolicy => memory_policy::get_mempolicy(call),
        S::SetMempolicy => memory_policy::set_mempolicy(call),
        S::Mbind => memory_policy::mbind(call),
        S::ProcessMadvise => memory::process_madvise(call),

        S::Fork => process::fork(call),
        S::Vfork => process::vfork(call),
        S::Clone => process::clone(call),
        S::Clone3 => process::clone3(call),
        S::Wait4 => process::wait4(call),
        S::Waitpid => process::waitpid(call),
        S::Waitid => process::waitid(call),
        S::ExitGroup => process::exit_group(call),
        S::Exit => Err(process::exit(call)),
        S::Execve => exec::execve(call),
        S::Execveat => exec::execveat(call),
        S::Getpid => Ok(process::getpid(call)),
        S::Getppid => Ok(process::getppid(call)),
        S::Ptrace => ptrace::ptrace(call),
        S::ProcessVmReadv => remote::process_vm_readv(call),
        S::ProcessVmWritev => remote::process_vm_writev(call),
        S::Kcmp => remote::kcmp(call),
        S::Prctl => prctl::prctl(call),
        S::Seccomp => seccomp::seccomp(call),
        S::Unshare => prctl::unshare(call),
        S::Setns => prctl::setns(call),

        S::Gettid => Ok(thread::gettid(call)),
        S::SetTidAddress => Ok(thread::set_tid_address(call)),
        S::SetRobustList => thread::set_robust_list(call),
        S::GetRobustList => thread::get_robust_list(call),
        S::Rseq => thread::rseq(call),
        S::SchedYield => thread::sched_yield(call),
        S::SchedGetaffinity => schedule::sched_getaffinity(call),
        S::SchedSetaffinity => schedule::sched_setaffinity(call),
        S::SchedGetscheduler => schedule::sched_getscheduler(call),
        S::SchedSetscheduler => schedule::sched_setscheduler(call),
        S::SchedGetparam => schedule::sched_getparam(call),
        S::SchedSetparam => schedule::sched_setparam(call),
        S::SchedGetattr => schedule::sched_getattr(call),
        S::SchedSetattr => schedule::sched_setattr(call),
        S::SchedRrGetInterval => schedule::sched_rr_get_interval(call),
        S::SchedGetPriorityMax => schedule::sched_get_priority_max(call),
        S::SchedGetPriorityMin => schedule::sched_get_priority_min(call),
        S::Getpriority => schedule::getpriority(call),
        S::Setpriority => schedule::setpriority(call),
        S::Nice => schedule::nice(call),
        S::Getcpu => thread::getcpu(call),
        S::Futex => futex::futex(call),
        S::FutexWaitv => futex::futex_waitv(call),
        S::Membarrier => barrier::membarrier(call),
        S::IoprioGet => io_priority::ioprio_get(call),
        S::IoprioSet => io_priority::ioprio_set(call),

        S::Setpgid => job::setpgid(call),
        S::Getpgid => job::getpgid(call),
        S::Getpgrp => job::getpgrp(call),
        S::Setsid => job::setsid(call),
        S::Getsid => job::getsid(call),

        S::Kill => signal::kill(call),
        S::Tkill => signal::tkill(call),
        S::Tgkill => signal::tgkill(call),
        S::RtSigaction => signal::sigaction(call),
        S::RtSigprocmask => signal::sigprocmask(call),
        S::RtSigpending => signal::sigpending(call),
        S::RtSigsuspend => signal::sigsuspend(call),
        S::RtSigtimedwait => signal::sigtimedwait(call),
        S::RtSigqueueinfo => signal::sigqueueinfo(call),
        S::RtTgsigqueueinfo => signal::tgsigqueueinfo(call),
        S::RtSigreturn => Err(signal::sigreturn(call)),
        S::Sigaltstack => signal::sigaltstack(call),
        S::Pause => signal::pause(call),

        S::Getuid => Ok(identity::getuid(call)),
        S::Geteuid => Ok(identity::geteuid(call)),
        S::Getgid => Ok(identity::getgid(call)),
        S::Getegid => Ok(identity::getegid(call)),
        S::Setuid => identity::setuid(call),
        S::Setgid => identity::setgid(call),
        S::Setreuid => identity::setreuid(call),
        S::Setregid => identity::setregid(call),
        S::Setresuid => identity::setresuid(call),
        S::Setresgid => identity::setresgid(call),
        S::Getresuid => identity::getresuid(call),
        S::Getresgid => identity::getresgid(call),
        S::Setfsuid => identity::setfsuid(call),
        S::Setfsgid => identity::setfsgid(call),
        S::Getgroups => identity::getgroups(call),
        S::Setgroups => identity::setgroups(call),
        S::Capget => capability::capget(call),
        S::Capset => capability::capset(call),

        S::ClockGettime => clock::clock_gettime(call),
        S::ClockGetres => clock::clock_getres(call),
        S::ClockSettime => clock::clock_settime(call),
        S::Adjtimex => discipline::adjtimex(call),
        S::ClockAdjtime => discipline::clock_adjtime(call),
        S::ClockNanosleep => clock::clock_nanosleep(call),
        S::Nanosleep => clock::nanosleep(call),
        S::Gettimeofday => clock::gettimeofday(call),
        S::Settimeofday => clock::settimeofday(call),
        S::Time => clock::time(call),
        S::TimerCreate => timer::timer_create(call),
        S::TimerSettime => timer::timer_settime(call),
        S::TimerGettime => timer::timer_gettime(call),
        S::TimerGetoverrun => timer::timer_getoverrun(call),
        S::TimerDelete => timer::timer_delete(call),
        S::Setitimer => clock::setitimer(call),
        S::Getitimer => clock::getitimer(call),
        S::Alarm => clock::alarm(call),
        S::Times => clock::times(call),

        S::Uname => system::uname(call),
        S::Sethostname => system::sethostname(call),
        S::Setdomainname => system::setdomainname(call),
        S::Sysinfo => system::sysinfo(call),
        S::Getrlimit | S::Ugetrlimit => system::getrlimit(call),
        S::Setrlimit => system::setrlimit(call),
        S::Prlimit64 => system::prlimit64(call),
        S::Getrusage => system::getrusage(call),
        S::Getrandom => system::getrandom(call),
        S::Personality => system::personality(call),
        S::Syslog => system::syslog(call),
        S::Reboot => system::reboot(call),

        _ => Err(unknown(call)),
    }
}

/// A call that is not there: ENOSYS, and once for each number and program a line in the error log.
fn unknown(call: &Call<'_>) -> Outcome {
    note_once(call.process(), call.number, "is not implemented");
    Outcome::Failed(Errno::ENOSYS)
}

/// Writes into the error log what becomes of a program's call, once for each number, program and fate.
pub fn note_once(process: &Process, number: u64, fate: &'static str) {
    /// What has been logged, at most [`REMEMBERED`] of it.
    static SEEN: SpinLock<Map<(u64, TaskName, &str), ()>> = SpinLock::new(Rank::Log, Map::new());
    const REMEMBERED: usize = 4096;
    let program = process.with(|state| state.name.clone());
    let new = {
        let mut seen = SEEN.lock();
        let known = (number, program.clone(), fate);
        seen.len() < REMEMBERED && matches!(seen.insert(known, ()), Ok(None))
    };
    if new {
        let name = SystemCall::from_number(number).map_or("unknown", SystemCall::name);
        let program = fallible::string_lossy(&program).unwrap_or_default();
        let text = format_args!("{program}: system call {number} ({name}) {fate}");
        log::info!("{text}");
        system().log(process.cid(), Severity::Information, "call", text);
    }
}
