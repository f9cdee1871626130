//! The discipline of the wall clock (`man 2 adjtimex`): it can be asked for, and the time be set. Nothing steers the
//! frequency of the timebase, so the clock is never said to be synchronized.

use super::Call;
use crate::outcome::Called;
use crate::system::system;
use abi::linux::{
    ADJ_NANO, ADJ_OFFSET_SS_READ, ADJ_SETOFFSET, CLOCK_REALTIME, STA_UNSYNC, TIME_ERROR, Timeval,
    Timex,
};
use abi::{Errno, Nanos};
use security::Privileges;

/// Nanoseconds of a second.
const SECOND: i64 = 1_000_000_000;

/// `man 2 adjtimex`.
///
/// # Errors
/// EFAULT; EPERM for a change without the privilege over clocks; EINVAL for one but ADJ_SETOFFSET.
pub fn adjtimex(call: &mut Call<'_>) -> Called {
    adjust(call, call.argument(0))
}

/// `man 2 clock_adjtime`.
///
/// # Errors
/// As [`adjtimex`]; EINVAL for an unknown clock, EOPNOTSUPP for another than the wall clock.
pub fn clock_adjtime(call: &mut Call<'_>) -> Called {
    let clock = call.argument(0) as u32;
    if clock != CLOCK_REALTIME {
        super::clock::now(call, clock)?;
        return Err(Errno::EOPNOTSUPP.into());
    }
    adjust(call, call.argument(1))
}

fn adjust(call: &Call<'_>, address: u64) -> Called {
    /// What Linux says of a clock that nobody steers.
    const WORST: i64 = 16_000_000;
    const TOLERANCE: i64 = 500 << 16;
    const CONSTANT: i64 = 2;
    const TICK: i64 = 10_000;
    let asked = Timex::decode(&call.user.bytes(address)?);
    if asked.modes != 0 && asked.modes != ADJ_OFFSET_SS_READ {
        call.credential().require(Privileges::CLOCK)?;
        if asked.modes & !ADJ_NANO != ADJ_SETOFFSET {
            return Err(Errno::EINVAL.into());
        }
        let change = offset(asked.time, asked.modes & ADJ_NANO != 0)?;
        let now = system().wall_clock(arch::time::now()).0;
        let new = now.checked_add_signed(change).ok_or(Errno::EINVAL)?;
        system().set_wall_clock(Nanos(new));
    }
    let told = Timex {
        modes: asked.modes,
        maxerror: WORST,
        esterror: WORST,
        status: STA_UNSYNC,
        constant: CONSTANT,
        precision: 1,
        tolerance: TOLERANCE,
        time: Timeval::from_nanos(system().wall_clock(arch::time::now())),
        tick: TICK,
        ..Timex::default()
    };
    call.user.write(address, &told.encode())?;
    Ok(TIME_ERROR)
}

/// By how much the time is to change: seconds of either sign, and a fraction that is not negative.
fn offset(time: Timeval, nanoseconds: bool) -> Result<i64, Errno> {
    let fraction = if nanoseconds {
        time.usec
    } else {
        time.usec.checked_mul(1000).ok_or(Errno::EINVAL)?
    };
    if !(0..SECOND).contains(&fraction) {
        return Err(Errno::EINVAL);
    }
    let seconds = time.sec.checked_mul(SECOND).ok_or(Errno::EINVAL)?;
    seconds.checked_add(fraction).ok_or(Errno::EINVAL)
}
