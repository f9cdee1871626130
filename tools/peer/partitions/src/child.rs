//! Processes of this program's own: forked, not executed.
//!
//! This program has one thread, so a child may do whatever its parent could.

#![allow(unsafe_code)]

use rustix::process::{Pid, Signal, WaitOptions, kill_process, waitpid};
use std::ffi::CString;
use std::io;
use std::time::{Duration, Instant};

/// A child; ended and waited for when it is dropped.
#[derive(Debug)]
pub struct Child(Option<Pid>);

impl Child {
    /// Waits for its end; an error unless it has ended with status 0.
    pub fn wait(mut self) -> io::Result<()> {
        match self.0.take() {
            Some(pid) => match reap(pid)? {
                Some(0) => Ok(()),
                status => Err(io::Error::other(format!("a child ended with {status:?}"))),
            },
            None => Ok(()),
        }
    }

    /// Kills it and waits for its end.
    pub fn end(mut self) -> io::Result<()> {
        self.finish()
    }

    /// Whether it has not ended yet.
    pub fn lives(&self) -> bool {
        let status = self.0.map(|pid| waitpid(Some(pid), WaitOptions::NOHANG));
        matches!(status, Some(Ok(None)))
    }

    fn finish(&mut self) -> io::Result<()> {
        let Some(pid) = self.0.take() else {
            return Ok(());
        };
        kill_process(pid, Signal::KILL)?;
        reap(pid).map(drop)
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        // It may have been waited for already; whatever else goes wrong shows as a partition that cannot be removed.
        drop(self.finish());
    }
}

fn reap(pid: Pid) -> io::Result<Option<i32>> {
    loop {
        match waitpid(Some(pid), WaitOptions::empty()) {
            Err(rustix::io::Errno::INTR) => {}
            Ok(Some((_, status))) => return Ok(status.exit_status()),
            Ok(None) => return Ok(None),
            Err(error) => return Err(error.into()),
        }
    }
}

/// What `clone3` is asked, as `man 2 clone3` has it.
#[repr(C)]
#[derive(Default)]
struct CloneArguments {
    flags: u64,
    pidfd: u64,
    child_tid: u64,
    parent_tid: u64,
    exit_signal: u64,
    stack: u64,
    stack_size: u64,
    tls: u64,
    set_tid: u64,
    set_tid_size: u64,
    cgroup: u64,
}

/// A child that runs `body`, which does not return unless it has failed.
pub fn fork(body: &mut dyn FnMut()) -> io::Result<Child> {
    // SAFETY: this program has one thread, so the child finds no lock taken and no data half changed.
    let pid = unsafe { libc::fork() };
    become_or_return(i64::from(pid), body)
}

/// As [`fork`], in new name spaces and in the control group whose directory is open as `group` (Linux).
pub fn fork_into(name_spaces: u64, group: i32, body: &mut dyn FnMut()) -> io::Result<Child> {
    const CLONE_INTO_CGROUP: u64 = 1 << 33;
    let arguments = CloneArguments {
        flags: name_spaces | CLONE_INTO_CGROUP,
        exit_signal: libc::SIGCHLD as u64,
        cgroup: u64::try_from(group).map_err(io::Error::other)?,
        ..CloneArguments::default()
    };
    // SAFETY: without CLONE_VM and a stack this is a fork; the arguments outlive the call. The C library is not
    // told, which matters to programs with several threads only.
    let pid = unsafe {
        libc::syscall(
            libc::SYS_clone3,
            &raw const arguments,
            size_of::<CloneArguments>(),
        )
    };
    become_or_return(pid, body)
}

fn become_or_return(pid: i64, body: &mut dyn FnMut()) -> io::Result<Child> {
    match pid {
        0 => {
            body();
            // SAFETY: ends this process without running what its parent has registered for the end.
            unsafe { libc::_exit(125) }
        }
        -1 => Err(io::Error::last_os_error()),
        pid => Ok(Child(i32::try_from(pid).ok().and_then(Pid::from_raw))),
    }
}

/// Ends this process.
pub fn exit() -> ! {
    // SAFETY: as above.
    unsafe { libc::_exit(0) }
}

/// Becomes another program, with no arguments and an empty environment; returns when that fails.
pub fn execute(path: &str) {
    let Ok(path) = CString::new(path) else { return };
    let arguments = [path.as_ptr(), std::ptr::null()];
    let environment = [std::ptr::null()];
    // SAFETY: both vectors end with a null pointer, and their strings live until the call is over.
    unsafe { libc::execve(path.as_ptr(), arguments.as_ptr(), environment.as_ptr()) };
}

/// Switches on the loopback interface of the present network name space (Linux).
pub fn loopback_up() -> io::Result<()> {
    #[repr(C)]
    struct InterfaceRequest {
        name: [u8; 16],
        flags: i16,
        rest: [u8; 22],
    }
    let mut request = InterfaceRequest {
        name: *b"lo\0\0\0\0\0\0\0\0\0\0\0\0\0\0",
        flags: (libc::IFF_UP | libc::IFF_RUNNING) as i16,
        rest: [0; 22],
    };
    // SAFETY: no pointer; the descriptor is closed below.
    let socket = unsafe { libc::socket(libc::AF_INET, libc::SOCK_DGRAM, 0) };
    // SAFETY: the request has the size of `struct ifreq` and outlives the call.
    let done = unsafe { libc::ioctl(socket, libc::SIOCSIFFLAGS, &raw mut request) };
    let error = io::Error::last_os_error();
    // SAFETY: the descriptor is this function's own.
    unsafe { libc::close(socket) };
    if done == 0 { Ok(()) } else { Err(error) }
}

/// Computes for ever.
pub fn spin() -> ! {
    let mut x = 88_172_645_463_325_252_u64;
    loop {
        x ^= x << 13;
        x ^= x >> 7;
        x = std::hint::black_box(x ^ (x << 17));
    }
}

/// Sleeps for this long, whatever signals come.
pub fn rest(time: Duration) {
    let end = Instant::now() + time;
    while let Some(left) = end
        .checked_duration_since(Instant::now())
        .filter(|left| !left.is_zero())
    {
        std::thread::sleep(left);
    }
}
