//! ABI0001: layouts and numbers are those of the kernel's headers for ppc64le.
//!
//! Compiles a file of static assertions with the cross compiler and its headers; skipped where there is none.

#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

use abi::linux as l;
use abi::linux::{Place, SystemCall};
use std::fmt::Write as _;
use std::io::{ErrorKind, Write as _};
use std::process::{Command, Stdio};

const COMPILER: &str = "powerpc64le-linux-gnu-gcc";

const HEADERS: &[&str] = &[
    "linux/memfd.h",
    "linux/io_uring.h",
    "linux/fs.h",
    "linux/timex.h",
    "linux/ioprio.h",
    "linux/membarrier.h",
    "linux/aio_abi.h",
    "linux/rseq.h",
    "linux/seccomp.h",
    "linux/filter.h",
    "linux/audit.h",
    "linux/openat2.h",
    "linux/mqueue.h",
    "linux/ipc.h",
    "linux/sem.h",
    "linux/shm.h",
    "linux/msg.h",
    "stddef.h",
    "asm/unistd.h",
    "asm/stat.h",
    "asm/statfs.h",
    "asm/termios.h",
    "asm/termbits.h",
    "asm/ioctls.h",
    "asm/poll.h",
    "asm/fcntl.h",
    "linux/falloc.h",
    "linux/mman.h",
    "linux/signal.h",
    "asm/siginfo.h",
    "asm/sigcontext.h",
    "asm/ucontext.h",
    "asm/auxvec.h",
    "asm/cputable.h",
    "asm/errno.h",
    "asm/socket.h",
    "linux/net.h",
    "linux/auxvec.h",
    "linux/stat.h",
    "linux/time.h",
    "linux/time_types.h",
    "linux/times.h",
    "linux/resource.h",
    "linux/utsname.h",
    "linux/sysinfo.h",
    "linux/sched.h",
    "linux/sched/types.h",
    "linux/futex.h",
    "linux/uio.h",
    "linux/eventpoll.h",
    "linux/signalfd.h",
    "linux/wait.h",
    "linux/prctl.h",
    "linux/reboot.h",
    "linux/random.h",
];

/// A structure: its name in C, what stands before our field names there, ours, and fields with other names.
/// A field that is given as `""` has no single counterpart.
type Structure = (
    &'static str,
    &'static str,
    &'static [Place],
    usize,
    &'static [(&'static str, &'static str)],
);

macro_rules! structure {
    ($c:literal, $prefix:literal, $ours:ident $(, $field:literal = $name:literal)*) => {
        ($c, $prefix, l::$ours::LAYOUT, l::$ours::SIZE, &[$(($field, $name)),*])
    };
}

const STRUCTURES: &[Structure] = &[
    structure!("struct io_sqring_offsets", "", UringSubmissionOffsets),
    structure!("struct io_cqring_offsets", "", UringCompletionOffsets),
    structure!("struct io_uring_params", "", UringParams),
    structure!(
        "struct io_uring_sqe",
        "",
        UringEntry,
        "op_flags" = "rw_flags"
    ),
    structure!("struct io_uring_cqe", "", UringCompletion),
    structure!("struct io_uring_getevents_arg", "", UringWait),
    structure!("struct io_uring_files_update", "", UringFilesUpdate),
    structure!("struct io_uring_buf", "", UringBuffer),
    structure!("struct io_uring_buf_reg", "", UringBufferRing),
    structure!("struct io_uring_probe", "", UringProbe),
    structure!("struct io_uring_probe_op", "", UringProbeOperation),
    structure!("struct open_how", "", OpenHow),
    structure!("struct stat", "st_", Stat),
    structure!("struct statx", "stx_", Statx),
    structure!("struct statx_timestamp", "tv_", StatxTimestamp),
    structure!("struct statfs", "f_", Statfs, "kind" = "f_type"),
    structure!("struct termios", "c_", Termios),
    structure!("struct termio", "c_", Termio),
    structure!(
        "struct winsize",
        "ws_",
        Winsize,
        "rows" = "ws_row",
        "columns" = "ws_col",
        "x_pixels" = "ws_xpixel",
        "y_pixels" = "ws_ypixel"
    ),
    structure!("struct pollfd", "", PollFd),
    structure!("struct iovec", "iov_", Iovec),
    structure!("struct flock", "l_", Flock, "kind" = "l_type"),
    structure!("struct epoll_event", "", EpollEvent),
    structure!("struct signalfd_siginfo", "ssi_", SignalFileInfo),
    structure!("struct sigaction", "sa_", KernelSigaction),
    structure!("stack_t", "ss_", StackT),
    structure!("struct sigcontext", "", Sigcontext, "unused" = "_unused"),
    structure!("struct ucontext", "uc_", Ucontext),
    structure!(
        "struct rlimit64",
        "",
        Rlimit,
        "current" = "rlim_cur",
        "maximum" = "rlim_max"
    ),
    structure!("struct clone_args", "", CloneArgs),
    structure!(
        "struct robust_list_head",
        "",
        RobustListHead,
        "pending" = "list_op_pending"
    ),
    structure!(
        "struct futex_waitv",
        "",
        FutexWaitv,
        "reserved" = "__reserved"
    ),
    structure!("struct seccomp_data", "", SeccompData),
    structure!("struct sock_filter", "", SockFilter),
    structure!("struct sock_fprog", "", SockFprog),
    structure!("struct iocb", "aio_", Iocb),
    structure!("struct io_event", "", IoEvent),
    structure!("struct rseq", "", RseqArea, "node_id" = ""),
    structure!("struct rseq_cs", "", RseqSection),
    structure!("struct __kernel_timespec", "tv_", Timespec),
    structure!("struct __kernel_old_timeval", "tv_", Timeval),
    structure!("struct __kernel_itimerspec", "it_", Itimerspec),
    structure!("struct itimerval", "it_", Itimerval),
    structure!("struct tms", "tms_", Tms),
    structure!("struct __kernel_timex", "", Timex),
    structure!(
        "struct timezone",
        "tz_",
        Timezone,
        "minutes_west" = "tz_minuteswest",
        "dst_time" = "tz_dsttime"
    ),
    structure!("struct new_utsname", "", Utsname),
    structure!(
        "struct rusage",
        "ru_",
        Rusage,
        "unused_sizes" = "",
        "unused_counts" = ""
    ),
    structure!("struct sysinfo", "", Sysinfo),
    structure!("struct mq_attr", "mq_", MqAttr),
    structure!("struct ipc64_perm", "", IpcPerm),
    structure!("struct semid64_ds", "sem_", SemidDs),
    structure!("struct shmid64_ds", "shm_", ShmidDs, "segsz" = "shm_segsz"),
    structure!("struct msqid64_ds", "msg_", MsqidDs),
    structure!("struct seminfo", "", Seminfo),
    structure!("struct shminfo64", "", Shminfo),
    structure!("struct shm_info", "", ShmInfo),
    structure!("struct msginfo", "", Msginfo),
    structure!("struct sembuf", "sem_", Sembuf),
];

macro_rules! constants {
    ($($name:ident),* $(,)?) => { &[$((stringify!($name), l::$name as i128)),*] };
}

const CONSTANTS: &[(&str, i128)] = constants![
    IPC_CREAT,
    IPC_EXCL,
    IPC_NOWAIT,
    IPC_RMID,
    IPC_SET,
    IPC_STAT,
    IPC_INFO,
    GETPID,
    GETVAL,
    GETALL,
    GETNCNT,
    GETZCNT,
    SETVAL,
    SETALL,
    SEM_STAT,
    SEM_INFO,
    SEM_STAT_ANY,
    SEM_UNDO,
    MSG_STAT,
    MSG_INFO,
    MSG_STAT_ANY,
    MSG_NOERROR,
    MSG_EXCEPT,
    MSG_COPY,
    SHM_LOCK,
    SHM_UNLOCK,
    SHM_STAT,
    SHM_INFO,
    SHM_STAT_ANY,
    SHM_HUGETLB,
    SHM_RDONLY,
    SHM_RND,
    SHM_REMAP,
    SHM_EXEC,
    TCGETA,
    TCSETA,
    TCSETAW,
    TCSETAF,
    TCGETS,
    TCSETS,
    TCSETSW,
    TCSETSF,
    TCSBRK,
    TCXONC,
    TCFLSH,
    TIOCSWINSZ,
    TIOCGWINSZ,
    TIOCOUTQ,
    TIOCSPGRP,
    TIOCGPGRP,
    TIOCSCTTY,
    TIOCSTI,
    TIOCNOTTY,
    TIOCSETD,
    TIOCGETD,
    TCSBRKP,
    TIOCGSID,
    TIOCGPTN,
    TIOCSPTLCK,
    TIOCVHANGUP,
    TIOCGPTLCK,
    TIOCSIG,
    TIOCGPTPEER,
    FIOCLEX,
    FIONCLEX,
    FIOASYNC,
    FIONBIO,
    FIONREAD,
    VINTR,
    VQUIT,
    VERASE,
    VKILL,
    VEOF,
    VMIN,
    VEOL,
    VTIME,
    VEOL2,
    VSWTC,
    VWERASE,
    VREPRINT,
    VSUSP,
    VSTART,
    VSTOP,
    VLNEXT,
    VDISCARD,
    B38400,
    B115200,
    CS8,
    CREAD,
    HUPCL,
    CLOCAL,
    NCCS,
    MCL_CURRENT,
    MCL_FUTURE,
    MCL_ONFAULT,
    MADV_DONTNEED,
    MADV_FREE,
    MADV_DONTDUMP,
    MADV_DODUMP,
    MADV_WIPEONFORK,
    MADV_KEEPONFORK,
    MADV_COLD,
    MADV_PAGEOUT,
    FUTEX_WAIT_REQUEUE_PI,
    FUTEX_CMP_REQUEUE_PI,
    FUTEX_WAITV_MAX,
    FUTEX_32,
    SECCOMP_MODE_STRICT,
    SECCOMP_MODE_FILTER,
    SECCOMP_SET_MODE_STRICT,
    SECCOMP_SET_MODE_FILTER,
    SECCOMP_GET_ACTION_AVAIL,
    SECCOMP_FILTER_FLAG_TSYNC,
    SECCOMP_FILTER_FLAG_LOG,
    SECCOMP_FILTER_FLAG_SPEC_ALLOW,
    SECCOMP_FILTER_FLAG_TSYNC_ESRCH,
    SECCOMP_RET_KILL_PROCESS,
    SECCOMP_RET_KILL_THREAD,
    SECCOMP_RET_TRAP,
    SECCOMP_RET_ERRNO,
    SECCOMP_RET_USER_NOTIF,
    SECCOMP_RET_TRACE,
    SECCOMP_RET_LOG,
    SECCOMP_RET_ALLOW,
    SECCOMP_RET_DATA,
    SYS_SECCOMP,
    AUDIT_ARCH_PPC64LE,
    BPF_MAXINSNS,
    IOCB_CMD_PREAD,
    IOCB_CMD_PWRITE,
    IOCB_CMD_FSYNC,
    IOCB_CMD_FDSYNC,
    IOCB_CMD_POLL,
    IOCB_CMD_PREADV,
    IOCB_CMD_PWRITEV,
    IOCB_FLAG_RESFD,
    IOCB_FLAG_IOPRIO,
    SO_RCVLOWAT,
    SO_BINDTODEVICE,
    SO_TIMESTAMP,
    SO_TIMESTAMPNS,
    SO_MARK,
    SO_TXTIME,
    SO_BUSY_POLL,
    SO_MAX_PACING_RATE,
    SO_INCOMING_CPU,
    SO_SNDBUFFORCE,
    SO_RCVBUFFORCE,
    IORING_REGISTER_PBUF_RING,
    IORING_UNREGISTER_PBUF_RING,
    IORING_POLL_ADD_MULTI,
    IORING_ACCEPT_MULTISHOT,
    IORING_RECV_MULTISHOT,
    IORING_CQE_F_BUFFER,
    IORING_CQE_F_MORE,
    IORING_CQE_BUFFER_SHIFT,
    RSEQ_FLAG_UNREGISTER,
    MEMBARRIER_CMD_FLAG_CPU,
    FUTEX_WAIT_BITSET,
    FUTEX_WAKE_OP,
    FUTEX_CMP_REQUEUE,
    FUTEX_PRIVATE_FLAG,
    FUTEX_CLOCK_REALTIME,
    F_GETLK,
    F_SETLK,
    F_SETLKW,
    F_OFD_GETLK,
    F_OFD_SETLK,
    F_OFD_SETLKW,
    F_SETOWN,
    F_SETSIG,
    F_GETSIG,
    F_SETOWN_EX,
    F_GETOWN_EX,
    F_OWNER_TID,
    F_OWNER_PID,
    F_OWNER_PGRP,
    FIOSETOWN,
    SIOCSPGRP,
    FIOGETOWN,
    SIOCGPGRP,
    FALLOC_FL_KEEP_SIZE,
    FALLOC_FL_PUNCH_HOLE,
    F_GETOWN,
    AT_PAGESZ,
    AT_HWCAP,
    AT_HWCAP2,
    AT_RANDOM,
    AT_SECURE,
    AT_EXECFN,
    AT_SYSINFO_EHDR,
    AT_IGNOREPPC,
    AT_BASE_PLATFORM,
    AT_DCACHEBSIZE,
    AT_ICACHEBSIZE,
    AT_UCACHEBSIZE,
    AT_MINSIGSTKSZ,
    AT_CLKTCK,
    AT_PLATFORM,
    SI_TKILL,
    SI_QUEUE,
    SI_TIMER,
    SI_KERNEL,
    SEGV_MAPERR,
    SEGV_ACCERR,
    BUS_ADRALN,
    BUS_ADRERR,
    ILL_ILLOPC,
    ILL_ILLTRP,
    ILL_PRVOPC,
    FPE_INTDIV,
    FPE_FLTDIV,
    FPE_FLTOVF,
    FPE_FLTUND,
    FPE_FLTRES,
    FPE_FLTINV,
    TRAP_BRKPT,
    TRAP_TRACE,
    CLD_EXITED,
    CLD_KILLED,
    CLD_DUMPED,
    CLD_STOPPED,
    CLD_CONTINUED,
    SS_ONSTACK,
    SS_DISABLE,
    MINSIGSTKSZ,
    P_ALL,
    P_PID,
    P_PGID,
    P_PIDFD,
    RUSAGE_SELF,
    RUSAGE_CHILDREN,
    RUSAGE_THREAD,
    PR_SET_NAME,
    PR_GET_NAME,
    PR_SET_PDEATHSIG,
    PR_SET_CHILD_SUBREAPER,
    PR_GET_CHILD_SUBREAPER,
    PR_SET_NO_NEW_PRIVS,
    PR_GET_NO_NEW_PRIVS,
    PR_SET_VMA,
    PR_CAPBSET_READ,
    PR_CAPBSET_DROP,
    PR_GET_KEEPCAPS,
    PR_SET_KEEPCAPS,
    PR_SET_SECUREBITS,
    LINUX_REBOOT_MAGIC1,
    LINUX_REBOOT_MAGIC2,
    LINUX_REBOOT_CMD_RESTART,
    LINUX_REBOOT_CMD_HALT,
    LINUX_REBOOT_CMD_POWER_OFF,
    GRND_NONBLOCK,
    SCHED_FIFO,
    SCHED_RR,
    SCHED_BATCH,
    SCHED_IDLE,
    CLOCK_BOOTTIME,
    TIMER_ABSTIME,
    STATX_BASIC_STATS,
    ADJ_SETOFFSET,
    ADJ_NANO,
    ADJ_OFFSET_SS_READ,
    STA_UNSYNC,
    TIME_ERROR,
    IOPRIO_CLASS_SHIFT,
    IOPRIO_CLASS_NONE,
    IOPRIO_CLASS_RT,
    IOPRIO_CLASS_BE,
    IOPRIO_CLASS_IDLE,
    IOPRIO_WHO_PROCESS,
    IOPRIO_WHO_PGRP,
    IOPRIO_WHO_USER,
    IORING_OFF_SQ_RING,
    IORING_OFF_CQ_RING,
    IORING_OFF_SQES,
    IORING_SQ_CQ_OVERFLOW,
    IORING_CQ_EVENTFD_DISABLED,
    IORING_REGISTER_BUFFERS,
    IORING_UNREGISTER_BUFFERS,
    IORING_REGISTER_FILES,
    IORING_UNREGISTER_FILES,
    IORING_REGISTER_EVENTFD,
    IORING_UNREGISTER_EVENTFD,
    IORING_REGISTER_FILES_UPDATE,
    IORING_REGISTER_EVENTFD_ASYNC,
    IORING_REGISTER_PROBE,
    IORING_REGISTER_ENABLE_RINGS,
    IORING_REGISTER_FILES_SKIP,
    IO_URING_OP_SUPPORTED,
    IORING_FSYNC_DATASYNC,
    AT_FDCWD,
    AT_EMPTY_PATH,
    AT_REMOVEDIR,
    AT_SYMLINK_FOLLOW,
    AT_SYMLINK_NOFOLLOW,
    SOL_SOCKET,
    SO_TYPE,
    SO_ERROR,
    SO_SNDBUF,
    SO_RCVBUF,
    SO_PASSCRED,
    SO_ACCEPTCONN,
    SO_PROTOCOL,
    SO_DOMAIN,
];

/// Flag sets: every flag with a name is the constant of that name behind the prefix.
fn flags<F>(prefix: &str, absent: &[&str], out: &mut String)
where
    F: bitflags::Flags<Bits: Into<u64>>,
{
    for flag in F::FLAGS
        .iter()
        .filter(|flag| flag.is_named() && !absent.contains(&flag.name()))
    {
        let bits: u64 = flag.value().bits().into();
        let name = format!("{prefix}{}", flag.name());
        writeln!(
            out,
            "CHECK((unsigned long long)({name}) == {bits}ull, \"{name}\");"
        )
        .unwrap();
    }
}

fn assertions() -> String {
    let mut out = String::new();
    for header in HEADERS {
        writeln!(out, "#include <{header}>").unwrap();
    }
    out.push_str("#define CHECK(what, name) _Static_assert(what, name)\n");
    out.push_str("#define PLACE(type, field, at, size) CHECK(offsetof(type, field) == at && ");
    out.push_str("sizeof(((type *)0)->field) == size, #type \".\" #field)\n");
    for (name, prefix, layout, size, other) in STRUCTURES {
        writeln!(out, "CHECK(sizeof({name}) == {size}, \"{name}\");").unwrap();
        for (field, offset, width) in *layout {
            let renamed = other
                .iter()
                .find(|(ours, _)| ours == field)
                .map(|(_, theirs)| (*theirs).to_owned());
            let theirs = renamed.unwrap_or_else(|| format!("{prefix}{field}"));
            if !theirs.is_empty() {
                writeln!(out, "PLACE({name}, {theirs}, {offset}, {width});").unwrap();
            }
        }
    }
    for (name, value) in CONSTANTS {
        writeln!(out, "CHECK((long long)({name}) == {value}ll, \"{name}\");").unwrap();
    }
    for call in SystemCall::ALL {
        let (name, number) = (call.name(), call.number());
        writeln!(
            out,
            "#ifdef __NR_{name}\nCHECK(__NR_{name} == {number}, \"{name}\");\n#endif"
        )
        .unwrap();
    }
    for number in 1..=20 {
        let (call, _) = l::socketcall(number).unwrap();
        let name = call.name().to_uppercase();
        writeln!(out, "CHECK(SYS_{name} == {number}, \"SYS_{name}\");").unwrap();
    }
    flags::<l::ActionFlags>("SA_", &["UNSUPPORTED", "EXPOSE_TAGBITS"], &mut out);
    flags::<l::CloneFlags>("CLONE_", &[], &mut out);
    // O_SYNC of the header contains O_DSYNC, and O_TMPFILE contains O_DIRECTORY.
    flags::<l::OpenFlags>("O_", &["SYNC", "TMPFILE", "ASYNC"], &mut out);
    flags::<l::Membarrier>("MEMBARRIER_CMD_", &["GET_REGISTRATIONS"], &mut out);
    flags::<l::TransferFlags>("RWF_", &[], &mut out);
    flags::<l::UringSetup>("IORING_SETUP_", &[], &mut out);
    flags::<l::UringFeatures>("IORING_FEAT_", &[], &mut out);
    flags::<l::UringFlags>("IOSQE_", &[], &mut out);
    flags::<l::UringEnter>("IORING_ENTER_", &[], &mut out);
    flags::<l::UringTimeout>("IORING_TIMEOUT_", &[], &mut out);
    flags::<l::UringCancel>("IORING_ASYNC_CANCEL_", &[], &mut out);
    for operation in l::UringOperation::ALL {
        let name = operation_name(&format!("{operation:?}"));
        let number = *operation as u8;
        writeln!(out, "CHECK(IORING_OP_{name} == {number}, \"{name}\");").unwrap();
    }
    flags::<l::ResolveFlags>("RESOLVE_", &[], &mut out);
    flags::<l::MemfdFlags>("MFD_", &["NOEXEC_SEAL", "EXEC"], &mut out);
    flags::<l::MapFlags>("MAP_", &[], &mut out);
    flags::<l::ProtectionFlags>("PROT_", &[], &mut out);
    flags::<l::InputFlags>("", &[], &mut out);
    flags::<l::OutputFlags>("", &[], &mut out);
    flags::<l::LocalFlags>("", &[], &mut out);
    flags::<l::HardwareFeatures>(
        "PPC_FEATURE_",
        &["PPC64", "ALTIVEC", "FPU", "MMU", "VSX", "DFP"],
        &mut out,
    );
    flags::<l::HardwareFeatures2>("PPC_FEATURE2_", &["VEC_CRYPTO", "IEEE128"], &mut out);
    out
}

/// `PollAdd` as the header writes it: `POLL_ADD`.
fn operation_name(ours: &str) -> String {
    let mut name = String::new();
    for letter in ours.chars() {
        if letter.is_uppercase() && !name.is_empty() {
            name.push('_');
        }
        name.extend(letter.to_uppercase());
    }
    name
}

#[test]
fn layouts_and_numbers_are_those_of_the_headers() {
    let text = assertions();
    let child = Command::new(COMPILER)
        .args(["-fsyntax-only", "-std=gnu11", "-Werror", "-x", "c", "-"])
        .stdin(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    let mut child = match child {
        Err(error) if error.kind() == ErrorKind::NotFound => {
            println!("skipped: no {COMPILER}");
            return;
        }
        other => other.unwrap(),
    };
    child
        .stdin
        .take()
        .unwrap()
        .write_all(text.as_bytes())
        .unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
}
