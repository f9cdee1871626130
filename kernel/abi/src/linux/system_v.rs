//! System V IPC: commands, flags and structures (asm/ipcbuf.h and its kin of powerpc).

use super::record::record;

/// Make an object when there is none.
pub const IPC_CREAT: u32 = 0o1000;
/// Fail when there is one.
pub const IPC_EXCL: u32 = 0o2000;
/// Fail rather than wait.
pub const IPC_NOWAIT: u32 = 0o4000;
/// Command: remove.
pub const IPC_RMID: u32 = 0;
/// Command: set owner and mode.
pub const IPC_SET: u32 = 1;
/// Command: tell.
pub const IPC_STAT: u32 = 2;
/// Command: tell the limits.
pub const IPC_INFO: u32 = 3;
/// In a command: the structures below, and not those of the first Linux. Always so here.
pub const IPC_64: u32 = 0x100;

/// `semctl`: who changed it last.
pub const GETPID: u32 = 11;
/// `semctl`: one value.
pub const GETVAL: u32 = 12;
/// `semctl`: all values.
pub const GETALL: u32 = 13;
/// `semctl`: how many wait for a rise.
pub const GETNCNT: u32 = 14;
/// `semctl`: how many wait for 0.
pub const GETZCNT: u32 = 15;
/// `semctl`: set one value.
pub const SETVAL: u32 = 16;
/// `semctl`: set all values.
pub const SETALL: u32 = 17;
/// `semctl`: tell, by place.
pub const SEM_STAT: u32 = 18;
/// `semctl`: tell what is used.
pub const SEM_INFO: u32 = 19;
/// `semctl`: tell, by place, everybody.
pub const SEM_STAT_ANY: u32 = 20;
/// Operation: take it back at the end of the process.
pub const SEM_UNDO: u32 = 0x1000;

/// `msgctl`: tell, by place.
pub const MSG_STAT: u32 = 11;
/// `msgctl`: tell what is used.
pub const MSG_INFO: u32 = 12;
/// `msgctl`: tell, by place, everybody.
pub const MSG_STAT_ANY: u32 = 13;
/// `msgrcv`: cut what is too long.
pub const MSG_NOERROR: u32 = 0o10000;
/// `msgrcv`: any type but this.
pub const MSG_EXCEPT: u32 = 0o20000;
/// `msgrcv`: by place, and leave it there.
pub const MSG_COPY: u32 = 0o40000;

/// `shmctl`: keep in memory.
pub const SHM_LOCK: u32 = 11;
/// `shmctl`: no longer.
pub const SHM_UNLOCK: u32 = 12;
/// `shmctl`: tell, by place.
pub const SHM_STAT: u32 = 13;
/// `shmctl`: tell what is used.
pub const SHM_INFO: u32 = 14;
/// `shmctl`: tell, by place, everybody.
pub const SHM_STAT_ANY: u32 = 15;
/// `shmget`: of huge pages.
pub const SHM_HUGETLB: u32 = 0o4000;
/// `shmat`: for reading only.
pub const SHM_RDONLY: u32 = 0o10000;
/// `shmat`: round the address down.
pub const SHM_RND: u32 = 0o20000;
/// `shmat`: replace what is there.
pub const SHM_REMAP: u32 = 0o40000;
/// `shmat`: programs may be in it.
pub const SHM_EXEC: u32 = 0o100000;
/// In the mode of a segment: removed.
pub const SHM_DEST: u32 = 0o1000;

record! {
    /// `struct ipc64_perm`.
    IpcPerm [48] {
        /// Key.
        0 key: u32,
        /// User.
        4 uid: u32,
        /// Group.
        8 gid: u32,
        /// User who made it.
        12 cuid: u32,
        /// Group that made it.
        16 cgid: u32,
        /// Mode.
        20 mode: u32,
        /// How often the place has been used.
        24 seq: u32,
    }

    /// `struct semid64_ds`.
    SemidDs [88] {
        /// Whose it is.
        0 perm: IpcPerm,
        /// Last operation.
        48 otime: i64,
        /// Last change.
        56 ctime: i64,
        /// Semaphores.
        64 nsems: u64,
    }

    /// `struct shmid64_ds`.
    ShmidDs [112] {
        /// Whose it is.
        0 perm: IpcPerm,
        /// Last attached.
        48 atime: i64,
        /// Last detached.
        56 dtime: i64,
        /// Last change.
        64 ctime: i64,
        /// Bytes.
        72 segsz: u64,
        /// Who made it.
        80 cpid: u32,
        /// Who attached or detached it last.
        84 lpid: u32,
        /// Attachments.
        88 nattch: u64,
    }

    /// `struct msqid64_ds`.
    MsqidDs [120] {
        /// Whose it is.
        0 perm: IpcPerm,
        /// Last sent.
        48 stime: i64,
        /// Last received.
        56 rtime: i64,
        /// Last change.
        64 ctime: i64,
        /// Bytes.
        72 cbytes: u64,
        /// Messages.
        80 qnum: u64,
        /// Bytes that it may hold.
        88 qbytes: u64,
        /// Last sender.
        96 lspid: u32,
        /// Last receiver.
        100 lrpid: u32,
    }

    /// `struct seminfo`.
    Seminfo [40] {
        /// Unused.
        0 semmap: u32,
        /// Sets.
        4 semmni: u32,
        /// Semaphores.
        8 semmns: u32,
        /// Unused.
        12 semmnu: u32,
        /// Semaphores in a set.
        16 semmsl: u32,
        /// Operations in a call.
        20 semopm: u32,
        /// Unused.
        24 semume: u32,
        /// Sets in use, for `SEM_INFO`.
        28 semusz: u32,
        /// Greatest value.
        32 semvmx: u32,
        /// Greatest value that is taken back; semaphores in use, for `SEM_INFO`.
        36 semaem: u32,
    }

    /// `struct shminfo64`.
    Shminfo [72] {
        /// Bytes of a segment.
        0 shmmax: u64,
        /// Fewest bytes of one.
        8 shmmin: u64,
        /// Segments.
        16 shmmni: u64,
        /// Segments of a process.
        24 shmseg: u64,
        /// Pages in all.
        32 shmall: u64,
    }

    /// `struct shm_info`.
    ShmInfo [48] {
        /// Segments.
        0 used_ids: u32,
        /// Pages.
        8 shm_tot: u64,
        /// Of them in memory.
        16 shm_rss: u64,
        /// Of them not in memory.
        24 shm_swp: u64,
    }

    /// `struct msginfo`.
    Msginfo [32] {
        /// Queues in use, for `MSG_INFO`.
        0 msgpool: u32,
        /// Messages in use, for `MSG_INFO`.
        4 msgmap: u32,
        /// Bytes of a message.
        8 msgmax: u32,
        /// Bytes of a queue.
        12 msgmnb: u32,
        /// Queues.
        16 msgmni: u32,
        /// Unused.
        20 msgssz: u32,
        /// Bytes in use, for `MSG_INFO`.
        24 msgtql: u32,
        /// Unused.
        28 msgseg: u16,
    }

    /// `struct sembuf`.
    Sembuf [6] {
        /// Which semaphore.
        0 num: u16,
        /// What to add.
        2 op: i16,
        /// Flags.
        4 flg: u16,
    }
}
