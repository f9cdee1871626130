//! User and group numbers (`man 7 credentials`); the rules are in the `process` crate.

use super::Call;
use crate::family;
use crate::outcome::Called;
use abi::Errno;
use alloc::vec::Vec;
use process::identity::{self, GROUPS_MAX, unless_unchanged};
use security::{Credential, Identity, Privileges};

/// Changes the credential of the thread that calls, or leaves it as it is when the change is refused.
pub(super) fn change<T>(
    call: &Call<'_>,
    act: impl FnOnce(&mut Credential, Privileges) -> Result<T, Errno>,
) -> Result<T, Errno> {
    let of_root = call.process().environment().wpar.privileges();
    let mut new = Credential::clone(&call.thread.credential());
    let answer = act(&mut new, of_root)?;
    call.thread.set_credential(fallible::arc(new)?);
    Ok(answer)
}

fn number(call: &Call<'_>, index: usize) -> Option<u32> {
    unless_unchanged(call.argument(index))
}

fn of(call: &Call<'_>, get: impl Fn(&Identity) -> u32) -> u64 {
    u64::from(get(&call.credential().identity))
}

/// `man 2 getuid`.
pub fn getuid(call: &mut Call<'_>) -> u64 {
    of(call, |identity| identity.uid)
}

/// `man 2 geteuid`.
pub fn geteuid(call: &mut Call<'_>) -> u64 {
    of(call, |identity| identity.euid)
}

/// `man 2 getgid`.
pub fn getgid(call: &mut Call<'_>) -> u64 {
    of(call, |identity| identity.gid)
}

/// `man 2 getegid`.
pub fn getegid(call: &mut Call<'_>) -> u64 {
    of(call, |identity| identity.egid)
}

/// Changes the caller's users. Where the new one has more processes than it may, `execve` is refused (`man 2 execve`, EAGAIN).
fn change_users(
    call: &Call<'_>,
    act: impl FnOnce(&mut Credential, Privileges) -> Result<(), Errno>,
) -> Called {
    let before = call.thread.credential().identity.uid;
    change(call, act)?;
    let credential = call.thread.credential();
    if credential.identity.uid != before {
        let crowded = family::is_crowded(call.process(), &credential, 0);
        call.process().with(|state| state.crowded = crowded);
    }
    Ok(0)
}

/// `man 2 setuid`.
pub fn setuid(call: &mut Call<'_>) -> Called {
    change_users(call, |credential, of_root| {
        identity::setuid(credential, number(call, 0), of_root)
    })
}

/// `man 2 setgid`.
pub fn setgid(call: &mut Call<'_>) -> Called {
    change(call, |credential, _| {
        identity::setgid(credential, number(call, 0))
    })?;
    Ok(0)
}

/// `man 2 setreuid`.
pub fn setreuid(call: &mut Call<'_>) -> Called {
    change_users(call, |credential, of_root| {
        identity::setreuid(credential, number(call, 0), number(call, 1), of_root)
    })
}

/// `man 2 setregid`.
pub fn setregid(call: &mut Call<'_>) -> Called {
    change(call, |credential, _| {
        identity::setregid(credential, number(call, 0), number(call, 1))
    })?;
    Ok(0)
}

/// `man 2 setresuid`.
pub fn setresuid(call: &mut Call<'_>) -> Called {
    let users = [0, 1, 2].map(|index| number(call, index));
    change_users(call, |credential, of_root| {
        identity::setresuid(credential, users, of_root)
    })
}

/// `man 2 setresgid`.
pub fn setresgid(call: &mut Call<'_>) -> Called {
    let groups = [0, 1, 2].map(|index| number(call, index));
    change(call, |credential, _| {
        identity::setresgid(credential, groups)
    })?;
    Ok(0)
}

/// `man 2 setfsuid`: answers the number before.
pub fn setfsuid(call: &mut Call<'_>) -> Called {
    let before = change(call, |credential, of_root| {
        Ok(identity::setfsuid(credential, number(call, 0), of_root))
    })?;
    Ok(u64::from(before))
}

/// `man 2 setfsgid`: answers the number before.
pub fn setfsgid(call: &mut Call<'_>) -> Called {
    let before = change(call, |credential, _| {
        Ok(identity::setfsgid(credential, number(call, 0)))
    })?;
    Ok(u64::from(before))
}

/// `man 2 getresuid`.
pub fn getresuid(call: &mut Call<'_>) -> Called {
    let identity = call.credential().identity.clone();
    store(call, [identity.uid, identity.euid, identity.suid])
}

/// `man 2 getresgid`.
pub fn getresgid(call: &mut Call<'_>) -> Called {
    let identity = call.credential().identity.clone();
    store(call, [identity.gid, identity.egid, identity.sgid])
}

fn store(call: &Call<'_>, numbers: [u32; 3]) -> Called {
    for (index, number) in numbers.into_iter().enumerate() {
        call.user
            .write(call.argument(index), &number.to_le_bytes())?;
    }
    Ok(0)
}

/// `man 2 getgroups`.
pub fn getgroups(call: &mut Call<'_>) -> Called {
    let identity = call.credential().identity.clone();
    let groups = identity.groups.as_deref().unwrap_or_default();
    let (room, address) = (call.argument(0) as i32, call.argument(1));
    if room != 0 {
        if usize::try_from(room).map_err(|_| Errno::EINVAL)? < groups.len() {
            return Err(Errno::EINVAL.into());
        }
        let bytes = fallible::collect(groups.iter().flat_map(|group| group.to_le_bytes()))?;
        call.user.write(address, &bytes)?;
    }
    Ok(groups.len() as u64)
}

/// `man 2 setgroups`.
pub fn setgroups(call: &mut Call<'_>) -> Called {
    let count = usize::try_from(call.argument(0)).map_err(|_| Errno::EINVAL)?;
    if count > GROUPS_MAX {
        return Err(Errno::EINVAL.into());
    }
    let mut groups = Vec::new();
    groups.try_reserve_exact(count).map_err(|_| Errno::ENOMEM)?;
    for index in 0..count as u64 {
        groups.push(call.user.u32(call.argument(1).wrapping_add(index * 4))?);
    }
    change(call, |credential, _| {
        identity::setgroups(credential, &groups)
    })?;
    Ok(0)
}
