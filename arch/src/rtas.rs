//! Run-time services of firmware (PAPR, chapter "Run-Time Abstraction Services").
//!
//! QEMU takes the calls as a hypervisor call of its own, 0xf000, so nothing is instantiated. On other
//! hypervisors that call fails and every service here reports so.

use abi::Nanos;

/// The numbers of the services in the `/rtas` node; `None` for those that firmware lacks.
#[derive(Clone, Copy, Debug, Default)]
pub struct Tokens {
    /// `power-off`
    pub power_off: Option<u32>,
    /// `ibm,os-term`
    pub os_term: Option<u32>,
    /// `get-time-of-day`
    pub get_time_of_day: Option<u32>,
    /// `ibm,set-xive`
    pub set_xive: Option<u32>,
    /// `ibm,int-on`
    pub interrupt_on: Option<u32>,
    /// `ibm,int-off`
    pub interrupt_off: Option<u32>,
    /// `start-cpu`
    pub start_cpu: Option<u32>,
}

#[cfg(target_arch = "powerpc64")]
pub use calls::*;

#[cfg(target_arch = "powerpc64")]
mod calls {
    use super::{Nanos, Tokens, civil_to_nanos};
    use crate::hcall::{self, Function};
    use core::cell::UnsafeCell;
    use spin::{Mutex, Once};

    const MAX_CELLS: usize = 16;
    const HEADER_CELLS: usize = 3;

    static TOKENS: Once<Tokens> = Once::new();

    /// Argument cells, below 4 GiB as the services want it: the image is.
    #[repr(C, align(64))]
    struct Exchange(UnsafeCell<[u32; MAX_CELLS]>);

    // SAFETY: only touched with `LOCK` held.
    unsafe impl Sync for Exchange {}

    static EXCHANGE: Exchange = Exchange(UnsafeCell::new([0; MAX_CELLS]));
    static LOCK: Mutex<()> = Mutex::new(());
    static MESSAGE: Mutex<[u8; 64]> = Mutex::new([0; 64]);

    /// Tells which services there are; boot does, once.
    pub fn set_tokens(tokens: Tokens) {
        TOKENS.call_once(|| tokens);
    }

    /// The services of this machine.
    pub fn tokens() -> Tokens {
        TOKENS.get().copied().unwrap_or_default()
    }

    /// Calls a service. The answers' first cell is the status; `None` when the service is not there.
    ///
    /// # Safety
    /// As for [`hcall::call`]: addresses among the arguments are real and belong to the caller.
    unsafe fn call<const N: usize>(token: Option<u32>, arguments: &[u32]) -> Option<[u32; N]> {
        let token = token?;
        // A panic may come in the middle of a call on the same CPU: it must not wait for itself.
        let _guard = LOCK.try_lock();
        let cells = EXCHANGE.0.get();
        let header = [token, arguments.len() as u32, N as u32];
        if HEADER_CELLS + arguments.len() + N > MAX_CELLS {
            return None;
        }
        // SAFETY: `LOCK` is held, or the machine is on its way down.
        unsafe {
            let mut filled = [0u32; MAX_CELLS];
            for (cell, value) in filled.iter_mut().zip(header.iter().chain(arguments)) {
                *cell = value.to_be();
            }
            cells.write_volatile(filled);
        }
        let real = cells as u64 & !crate::LINEAR_BASE;
        // SAFETY: the cells have the layout of PAPR, "RTAS Argument Call Buffer"; the caller vouches for the rest.
        let answer = unsafe { hcall::call(Function::Rtas, [real, 0, 0, 0, 0]) };
        if answer.status != hcall::SUCCESS {
            return None;
        }
        // SAFETY: as above.
        let filled = unsafe { cells.read_volatile() };
        let mut results = [0; N];
        for (result, cell) in results
            .iter_mut()
            .zip(filled.iter().skip(HEADER_CELLS + arguments.len()))
        {
            *result = u32::from_be(*cell);
        }
        Some(results)
    }

    /// Nanoseconds since 1970-01-01 00:00 UTC by `get-time-of-day`; `None` when there is no clock.
    pub fn wall_clock() -> Option<Nanos> {
        // SAFETY: the service takes no address.
        let [status, year, month, day, hour, minute, second, nanos] =
            unsafe { call::<8>(tokens().get_time_of_day, &[]) }?;
        (status == 0)
            .then(|| civil_to_nanos([year, month, day, hour, minute, second], nanos))
            .flatten()
    }

    /// Switches the machine off.
    pub fn power_off() -> ! {
        // The power-on masks say: no event switches on again. SAFETY: the service takes no address.
        let _status = unsafe { call::<1>(tokens().power_off, &[u32::MAX, u32::MAX]) };
        crate::halt()
    }

    /// Reports that the operating system has died, with a reason; QEMU ends with `-action panic=exit-failure`.
    pub fn os_term(reason: &str) -> ! {
        if let Some(mut message) = MESSAGE.try_lock() {
            message.fill(0);
            for (to, from) in message.iter_mut().take(63).zip(reason.bytes()) {
                *to = from;
            }
            let real = (message.as_ptr() as u64 & !crate::LINEAR_BASE) as u32;
            // SAFETY: the address is that of a zero-terminated text in the image, locked until after the call.
            let _status = unsafe { call::<1>(tokens().os_term, &[real]) };
        }
        crate::halt()
    }

    /// `ibm,set-xive`: routes an interrupt source to a server (a CPU's hardware number) with a priority.
    pub(crate) fn set_xive(source: u32, server: u32, priority: u8) -> bool {
        // SAFETY: the service takes no address.
        unsafe { call::<1>(tokens().set_xive, &[source, server, u32::from(priority)]) == Some([0]) }
    }

    /// `ibm,int-on`: restores the priority of a source.
    pub(crate) fn interrupt_on(source: u32) -> bool {
        // SAFETY: the service takes no address.
        unsafe { call::<1>(tokens().interrupt_on, &[source]) == Some([0]) }
    }

    /// `ibm,int-off`: masks a source.
    pub(crate) fn interrupt_off(source: u32) -> bool {
        // SAFETY: the service takes no address.
        unsafe { call::<1>(tokens().interrupt_off, &[source]) == Some([0]) }
    }
}

const NANOS_PER_SECOND: u32 = 1_000_000_000;

/// The time of a date of the Gregorian calendar, `[year, month, day, hour, minute, second]` in UTC.
///
/// `None` for dates before 1970 and fields out of range.
#[cfg_attr(
    not(target_arch = "powerpc64"),
    allow(dead_code, reason = "only tests use it on a host")
)]
fn civil_to_nanos([year, month, day, hour, minute, second]: [u32; 6], nanos: u32) -> Option<Nanos> {
    let valid =
        (1970..10_000).contains(&year) && (1..=12).contains(&month) && (1..=31).contains(&day);
    if !valid || hour > 23 || minute > 59 || second > 60 {
        return None;
    }
    // QEMU 7.2 answers with rubbish here.
    let nanos = if nanos < NANOS_PER_SECOND { nanos } else { 0 };
    let leap =
        |year: u64| year.is_multiple_of(4) && !year.is_multiple_of(100) || year.is_multiple_of(400);
    let (year, month) = (u64::from(year), u64::from(month));
    let before = year - 1;
    let leap_days = before / 4 - before / 100 + before / 400 - (1969 / 4 - 1969 / 100 + 1969 / 400);
    const DAYS_BEFORE: [u64; 12] = [0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334];
    let in_year =
        DAYS_BEFORE.get(month as usize - 1)? + u64::from(month > 2 && leap(year)) + u64::from(day)
            - 1;
    let days = (year - 1970) * 365 + leap_days + in_year;
    let seconds =
        days * 86_400 + u64::from(hour) * 3600 + u64::from(minute) * 60 + u64::from(second);
    Some(Nanos(
        seconds.checked_mul(u64::from(NANOS_PER_SECOND))? + u64::from(nanos),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// ARCH0101: known dates.
    #[test]
    fn dates() {
        let seconds = |date| civil_to_nanos(date, 0).map(|nanos| nanos.0 / 1_000_000_000);
        assert_eq!(seconds([1970, 1, 1, 0, 0, 0]), Some(0));
        assert_eq!(seconds([2000, 2, 29, 12, 0, 0]), Some(951_825_600));
        assert_eq!(seconds([2000, 3, 1, 0, 0, 0]), Some(951_868_800));
        assert_eq!(seconds([2026, 11, 23, 17, 17, 34]), Some(1_795_454_254));
        assert_eq!(seconds([2100, 3, 1, 0, 0, 0]), Some(4_107_542_400));
        assert_eq!(seconds([1969, 12, 31, 0, 0, 0]), None);
        assert_eq!(seconds([2000, 13, 1, 0, 0, 0]), None);
    }
}
