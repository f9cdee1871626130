//! What a fuzzer needs of a process and safe Rust does not offer: any system call, fork, memory at known addresses.
//!
//! The memory that calls are pointed to is an [`Arena`] that nothing else uses: the kernel may write anything there. A call
//! that hits other memory, or that gives memory away, makes the process wrong and ends it sooner or later; it is a child
//! that exists for nothing else, and no result is taken from it but a number of calls, which is not believed.

#![allow(unsafe_code)]

use std::io;
use std::ptr;
use std::sync::atomic::{AtomicU64, Ordering};

/// Size of a page, and of what cannot be reached behind an arena.
pub const PAGE: usize = 4096;

/// Makes a system call; the negative error number when it fails.
pub fn call(number: u64, words: [u64; 6]) -> i64 {
    let [a, b, c, d, e, f] = words.map(u64::cast_signed);
    // SAFETY: not a promise but the purpose: what the call does to this process is seen and judged from its parent.
    let result = unsafe { libc::syscall(number.cast_signed(), a, b, c, d, e, f) };
    if result == -1 {
        -i64::from(io::Error::last_os_error().raw_os_error().unwrap_or(1))
    } else {
        result
    }
}

/// Memory for arguments, with an unmapped page behind it.
pub struct Arena {
    base: *mut u8,
    size: usize,
}

impl Arena {
    /// An arena of `pages` pages.
    pub fn new(pages: usize) -> io::Result<Self> {
        let size = pages * PAGE;
        let base = map(size + PAGE, libc::MAP_PRIVATE)?;
        // SAFETY: the last page of a mapping that this function has just made and that nobody has seen.
        unsafe { libc::munmap(base.add(size).cast(), PAGE) };
        Ok(Self { base, size })
    }

    /// What the ring of io_uring behind a descriptor shares at an offset; none when the descriptor is no ring.
    pub fn of_ring(descriptor: u64, offset: u64) -> Option<Self> {
        let access = libc::PROT_READ | libc::PROT_WRITE;
        let descriptor = i32::try_from(descriptor).ok()?;
        let offset = offset.cast_signed();
        let place = ptr::null_mut();
        // SAFETY: a new mapping at an address that the kernel chooses touches nothing that exists.
        let base = unsafe { libc::mmap(place, PAGE, access, libc::MAP_SHARED, descriptor, offset) };
        (base != libc::MAP_FAILED).then(|| Self {
            base: base.cast(),
            size: PAGE,
        })
    }

    /// Where it begins.
    pub fn base(&self) -> u64 {
        self.base as u64
    }

    /// How long it is.
    pub fn size(&self) -> usize {
        self.size
    }

    /// Puts `bytes` at `at`, as far as they fit, and answers their address.
    pub fn put(&self, at: usize, bytes: &[u8]) -> u64 {
        let at = at.min(self.size);
        let length = bytes.len().min(self.size - at);
        // SAFETY: the range is inside the mapping; no reference to it exists, and `bytes` is not in it.
        unsafe { ptr::copy_nonoverlapping(bytes.as_ptr(), self.base.add(at), length) };
        self.base() + at as u64
    }

    /// Reads what is at `at`, as far as it is there.
    pub fn get(&self, at: usize, into: &mut [u8]) {
        let at = at.min(self.size);
        let length = into.len().min(self.size - at);
        // SAFETY: the range is inside the mapping; `into` is not in it.
        unsafe { ptr::copy_nonoverlapping(self.base.add(at), into.as_mut_ptr(), length) };
    }
}

fn map(size: usize, sharing: i32) -> io::Result<*mut u8> {
    let access = libc::PROT_READ | libc::PROT_WRITE;
    // SAFETY: a new mapping at an address that the kernel chooses touches nothing that exists.
    let base = unsafe {
        libc::mmap(
            ptr::null_mut(),
            size,
            access,
            sharing | libc::MAP_ANONYMOUS,
            -1,
            0,
        )
    };
    if base == libc::MAP_FAILED {
        return Err(io::Error::last_os_error());
    }
    Ok(base.cast())
}

/// A number that a process and its children share. A child may have written anything there.
#[derive(Clone, Copy)]
pub struct Counter(&'static AtomicU64);

impl Counter {
    /// A counter at zero.
    pub fn new() -> io::Result<Self> {
        let base = map(PAGE, libc::MAP_SHARED)?;
        // SAFETY: the page is zero, aligned, and never given back by this process; atomics may be shared.
        Ok(Self(unsafe { &*base.cast::<AtomicU64>() }))
    }

    /// Counts one more.
    pub fn count(self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    /// The number now.
    pub fn get(self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    /// Starts again.
    pub fn reset(self) {
        self.0.store(0, Ordering::Relaxed);
    }
}

/// Forks and runs `body` in the child, which ends with it.
pub fn fork(body: impl FnOnce()) -> io::Result<i32> {
    // SAFETY: the caller has one thread only, so that no lock is held by a thread that the child lacks.
    let pid = unsafe { libc::fork() };
    if pid == 0 {
        body();
        leave();
    }
    if pid < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(pid)
}

/// Ends the process without any of what a program does at its end.
pub fn leave() -> ! {
    // SAFETY: it ends.
    unsafe { libc::_exit(0) }
}

/// Lets all signals but those of faults interrupt a call and do nothing, and has one sent every few milliseconds.
pub fn expect_interruptions() {
    extern "C" fn nothing(_: i32) {}
    let faults = [
        libc::SIGSEGV,
        libc::SIGBUS,
        libc::SIGILL,
        libc::SIGFPE,
        libc::SIGTRAP,
        libc::SIGABRT,
    ];
    for signal in (1..=64).filter(|signal| !faults.contains(signal)) {
        let handler = nothing as extern "C" fn(i32);
        // SAFETY: the handler touches nothing. Numbers that cannot have one are refused, which is all right.
        unsafe {
            let mut action: libc::sigaction = std::mem::zeroed();
            action.sa_sigaction = handler as usize;
            libc::sigaction(signal, &raw const action, ptr::null_mut());
        }
    }
    keep_interrupting();
}

/// Has a signal sent every few milliseconds, whatever calls have made of that.
pub fn keep_interrupting() {
    let span = libc::timeval {
        tv_sec: 0,
        tv_usec: 2000,
    };
    let every = libc::itimerval {
        it_interval: span,
        it_value: span,
    };
    // SAFETY: reads and writes the structures only.
    unsafe {
        let mut nothing: libc::sigset_t = std::mem::zeroed();
        libc::sigemptyset(&raw mut nothing);
        libc::sigprocmask(libc::SIG_SETMASK, &raw const nothing, ptr::null_mut());
        libc::setitimer(libc::ITIMER_REAL, &raw const every, ptr::null_mut());
    }
}

/// Waits until the process `pid` has ended or `milliseconds` have gone by; whether it has.
pub fn ends_within(pid: i32, milliseconds: i32) -> bool {
    let pidfd = call(libc::SYS_pidfd_open as u64, [pid as u64, 0, 0, 0, 0, 0]);
    let Ok(pidfd) = i32::try_from(pidfd) else {
        return true;
    };
    let mut watched = libc::pollfd {
        fd: pidfd,
        events: libc::POLLIN,
        revents: 0,
    };
    // SAFETY: one structure, as the number says; the descriptor is this function's own.
    unsafe {
        let ready = libc::poll(&raw mut watched, 1, milliseconds);
        libc::close(pidfd);
        ready == 1
    }
}

/// Reaps a child that has ended: `None` when there is no child, false when none has ended within a few milliseconds.
pub fn reap() -> Option<bool> {
    // SAFETY: asks for no status, and polls no descriptor.
    unsafe {
        match libc::waitpid(-1, ptr::null_mut(), libc::WNOHANG) {
            0 => {
                libc::poll(ptr::null_mut(), 0, 2);
                Some(false)
            }
            pid => (pid > 0).then_some(true),
        }
    }
}

/// Kills everybody in the partition but its init and the caller.
pub fn kill_everybody() {
    // SAFETY: a call without memory.
    unsafe { libc::kill(-1, libc::SIGKILL) };
}

/// Makes the orphans below this process its children.
pub fn adopt() {
    // SAFETY: a call without memory.
    unsafe { libc::prctl(libc::PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) };
}

/// Unmounts everything that is mounted in `folder` or below.
pub fn unmount_below(folder: &std::path::Path) {
    let mounts = std::fs::read_to_string("/proc/self/mounts").unwrap_or_default();
    for line in mounts.lines() {
        let Some(place) = line.split(' ').nth(1) else {
            continue;
        };
        if std::path::Path::new(place).starts_with(folder)
            && let Ok(place) = std::ffi::CString::new(place)
        {
            // SAFETY: the string ends with a zero byte.
            unsafe { libc::umount2(place.as_ptr(), libc::MNT_DETACH) };
        }
    }
}
