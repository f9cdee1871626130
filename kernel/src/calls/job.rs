//! Process groups and sessions.

use super::Call;
use crate::outcome::Called;
use crate::system::system;

/// `man 2 setpgid`.
pub fn setpgid(call: &mut Call<'_>) -> Called {
    let (pid, group) = (call.argument(0) as i32, call.argument(1) as i32);
    system()
        .tree
        .lock()
        .setpgid(call.credential(), call.process().pid, pid, group)?;
    Ok(0)
}

/// `man 2 getpgid`.
pub fn getpgid(call: &mut Call<'_>) -> Called {
    let group = system().tree.lock().getpgid(
        call.credential(),
        call.process().pid,
        call.argument(0) as i32,
    )?;
    Ok(u64::from(group.0))
}

/// `man 2 getpgrp`.
pub fn getpgrp(call: &mut Call<'_>) -> Called {
    let group = system()
        .tree
        .lock()
        .getpgid(call.credential(), call.process().pid, 0)?;
    Ok(u64::from(group.0))
}

/// `man 2 setsid`.
pub fn setsid(call: &mut Call<'_>) -> Called {
    system().tree.lock().setsid(call.process().pid)?;
    Ok(u64::from(call.process().virtual_pid().0))
}

/// `man 2 getsid`.
pub fn getsid(call: &mut Call<'_>) -> Called {
    let session = system().tree.lock().getsid(
        call.credential(),
        call.process().pid,
        call.argument(0) as i32,
    )?;
    Ok(u64::from(session.0))
}
