//! Run-time services of firmware (PAPR, chapter "Run-Time Abstraction Services").
//!
//! Boot asks firmware to instantiate them, and they are called at their entry, in real mode. Where firmware could not,
//! QEMU takes the calls as a hypervisor call of its own, 0xf000. Where there is neither, every service here reports so.

use abi::Nanos;

/// The numbers of the services in the `/rtas` node; `None` for those that firmware lacks.
#[derive(Clone, Copy, Debug, Default)]
pub struct Tokens {
    /// `power-off`
    pub power_off: Option<u32>,
    /// `system-reboot`
    pub system_reboot: Option<u32>,
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
    /// `stop-self`
    pub stop_self: Option<u32>,
    /// `query-cpu-stopped-state`
    pub cpu_stopped_state: Option<u32>,
}

/// How the services are called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// At the entry that `instantiate-rtas` has given (PAPR, "RTAS Call Mechanism"); real addresses.
    Entry {
        /// The services' own memory.
        base: u32,
        /// Where they are entered.
        entry: u32,
    },
    /// By QEMU's hypervisor call.
    HypervisorCall,
}

/// The services of a machine: what there is, and how it is called.
#[derive(Clone, Copy, Debug, Default)]
pub struct Services {
    /// The numbers of the services.
    pub tokens: Tokens,
    /// The ways, the best first.
    pub ways: [Option<Way>; 2],
}

#[cfg(target_arch = "powerpc64")]
pub use calls::*;

#[cfg(target_arch = "powerpc64")]
mod calls {
    use super::{Nanos, Services, Tokens, Way, civil_to_nanos};
    use crate::hcall::{self, Function};
    use core::cell::UnsafeCell;
    use core::sync::atomic::{AtomicBool, Ordering};
    use spin::Once;
    use sync::{Guard, Rank, SpinLock};

    const MAX_CELLS: usize = 16;
    const HEADER_CELLS: usize = 3;

    /// "Busy, try again later".
    const BUSY: u32 = -2i32 as u32;
    /// "Busy, try again after 10^n ms", n from 0 to 5.
    const EXTENDED_DELAY: core::ops::RangeInclusive<u32> = 9900..=9905;
    /// How often a busy service is asked again.
    const PATIENCE: u32 = 1_000_000;

    static SERVICES: Once<Services> = Once::new();
    /// The machine is QEMU.
    static EMULATED: AtomicBool = AtomicBool::new(false);

    /// Argument cells, below 4 GiB as the services want it: the image is.
    #[repr(C, align(64))]
    struct Exchange(UnsafeCell<[u32; MAX_CELLS]>);

    // SAFETY: only touched with `LOCK` held.
    unsafe impl Sync for Exchange {}

    /// For a service that does not return and needs no lock: what every CPU writes there is the same.
    static FAREWELL: Exchange = Exchange(UnsafeCell::new([0; MAX_CELLS]));
    static EXCHANGE: Exchange = Exchange(UnsafeCell::new([0; MAX_CELLS]));
    static LOCK: SpinLock<()> = SpinLock::new(Rank::Machine, ());
    static MESSAGE: SpinLock<[u8; 64]> = SpinLock::new(Rank::Machine, [0; 64]);

    unsafe extern "C" {
        /// In `rtas.S`: calls the services at their entry.
        fn enter_rtas(arguments: u64, base: u64, entry: u64);
        /// In `rtas.S`: calls a service that does not return.
        fn leave_by_rtas(arguments: u64, base: u64, entry: u64) -> !;
    }

    /// Tells which services there are; boot does, once.
    pub fn set_services(services: Services) {
        let emulated = services.ways.contains(&Some(Way::HypervisorCall));
        EMULATED.store(emulated, Ordering::Relaxed);
        SERVICES.call_once(|| services);
    }

    /// Whether the machine is QEMU, as far as its device tree says.
    pub(crate) fn is_emulated() -> bool {
        EMULATED.load(Ordering::Relaxed)
    }

    /// The services of this machine.
    pub fn services() -> Services {
        SERVICES.get().copied().unwrap_or_default()
    }

    fn tokens() -> Tokens {
        services().tokens
    }

    /// Calls a service and waits while it is busy. The answers' first cell is the status; `None` when the service is
    /// not there.
    ///
    /// # Safety
    /// As for [`hcall::call`]: addresses among the arguments are real and belong to the caller.
    unsafe fn call<const N: usize>(token: Option<u32>, arguments: &[u32]) -> Option<[u32; N]> {
        let [way, _] = services().ways;
        for _ in 0..PATIENCE {
            let guard = LOCK.lock();
            // SAFETY: the caller's.
            let results = unsafe { call_by(way?, &guard, token?, arguments) }?;
            let busy = |status: &u32| *status == BUSY || EXTENDED_DELAY.contains(status);
            if !results.first().is_some_and(busy) {
                return Some(results);
            }
        }
        None
    }

    /// A call of a machine on its way down, which waits for nothing: a panic may come in the middle of a call on the
    /// same CPU, or another CPU may have stopped in one.
    ///
    /// # Safety
    /// As for [`call`].
    unsafe fn last_call(token: Option<u32>, arguments: &[u32]) -> Option<[u32; 1]> {
        let _guard = (0..PATIENCE).find_map(|_| LOCK.try_lock());
        let [way, _] = services().ways;
        // SAFETY: the caller's; without the lock, whoever has it is not coming back.
        unsafe { perform(way?, token?, arguments) }
    }

    /// Calls a service in one of the machine's ways.
    ///
    /// # Safety
    /// As for [`call`].
    unsafe fn call_by<const N: usize>(
        way: Way,
        _exclusive: &Guard<'_, ()>,
        token: u32,
        arguments: &[u32],
    ) -> Option<[u32; N]> {
        // SAFETY: the caller's, and the lock is held.
        unsafe { perform(way, token, arguments) }
    }

    /// # Safety
    /// As for [`call`], and `LOCK` is held or the machine is on its way down.
    unsafe fn perform<const N: usize>(way: Way, token: u32, arguments: &[u32]) -> Option<[u32; N]> {
        let cells = EXCHANGE.0.get();
        let header = [token, arguments.len() as u32, N as u32];
        if HEADER_CELLS + arguments.len() + N > MAX_CELLS {
            return None;
        }
        let mut filled = [0u32; MAX_CELLS];
        for (cell, value) in filled.iter_mut().zip(header.iter().chain(arguments)) {
            *cell = value.to_be();
        }
        // A call that the services have not understood at all leaves the status as it is here.
        if let Some(status) = filled.get_mut(HEADER_CELLS + arguments.len()) {
            *status = u32::MAX.to_be();
        }
        // SAFETY: nobody else uses the cells (the caller's).
        unsafe { cells.write_volatile(filled) };
        let real = cells as u64 & !crate::LINEAR_BASE;
        match way {
            Way::Entry { base, entry } => {
                // SAFETY: boot has had the services instantiated there, and keeps the memory out of the free ranges;
                // the cells have the layout of PAPR, "RTAS Argument Call Buffer"; the caller vouches for the rest.
                unsafe { enter_rtas(real, u64::from(base), u64::from(entry)) };
            }
            Way::HypervisorCall => {
                // SAFETY: as above.
                let answer = unsafe { hcall::call(Function::Rtas, [real, 0, 0, 0, 0]) };
                if answer.status != hcall::SUCCESS {
                    return None;
                }
            }
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
        read_clock(unsafe { call(tokens().get_time_of_day, &[]) }?)
    }

    /// [`wall_clock`] in one of the machine's ways, for tests.
    pub fn wall_clock_by(way: Way) -> Option<Nanos> {
        let token = tokens().get_time_of_day?;
        // SAFETY: the service takes no address.
        read_clock(unsafe { call_by(way, &LOCK.lock(), token, &[]) }?)
    }

    fn read_clock(answer: [u32; 8]) -> Option<Nanos> {
        let [status, year, month, day, hour, minute, second, nanos] = answer;
        (status == 0)
            .then(|| civil_to_nanos([year, month, day, hour, minute, second], nanos))
            .flatten()
    }

    /// Switches the machine off.
    pub fn power_off() -> ! {
        // The power-on masks say: no event switches on again. SAFETY: the service takes no address.
        let _status = unsafe { last_call(tokens().power_off, &[u32::MAX, u32::MAX]) };
        crate::halt()
    }

    /// Starts the machine again from firmware; one that cannot is switched off.
    pub fn reboot() -> ! {
        // SAFETY: the service takes no address.
        let _status = unsafe { last_call(tokens().system_reboot, &[]) };
        power_off()
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
            let _status = unsafe { last_call(tokens().os_term, &[real]) };
        }
        crate::halt()
    }

    /// `start-cpu`: a stopped CPU begins at a real address with a value in r3. False when it does not.
    pub(crate) fn start_cpu(hardware: u32, entry: u32, argument: u32) -> bool {
        // SAFETY: the entry is one for CPUs that come from firmware, and the argument is what it wants.
        unsafe { call::<1>(tokens().start_cpu, &[hardware, entry, argument]) == Some([0]) }
    }

    /// `query-cpu-stopped-state`: whether a CPU can be started; `None` when firmware does not tell.
    pub(crate) fn is_stopped(hardware: u32) -> Option<bool> {
        const STOPPED: u32 = 0;
        // SAFETY: the service takes no address.
        match unsafe { call::<2>(tokens().cpu_stopped_state, &[hardware]) } {
            Some([0, state]) => Some(state == STOPPED),
            _ => None,
        }
    }

    /// Whether there is a way to stop a CPU.
    pub fn can_stop_cpus() -> bool {
        services().ways[0].is_some() && tokens().stop_self.is_some()
    }

    /// `stop-self`: this CPU goes back to firmware until it is started again. It is not under the services' lock, because
    /// it could not be given back, and PAPR asks for none.
    pub(crate) fn stop_self() -> ! {
        if let ([Some(way), _], Some(token)) = (services().ways, tokens().stop_self) {
            let cells = FAREWELL.0.get();
            let mut filled = [0; MAX_CELLS];
            [filled[0], filled[2]] = [token.to_be(), 1u32.to_be()];
            // SAFETY: every CPU writes the same, and nobody reads but the services.
            unsafe { cells.write_volatile(filled) };
            let real = cells as u64 & !crate::LINEAR_BASE;
            match way {
                // SAFETY: as for `enter_rtas` in `perform`; nothing on this CPU's stack is needed any more.
                Way::Entry { base, entry } => unsafe {
                    leave_by_rtas(real, u64::from(base), u64::from(entry))
                },
                Way::HypervisorCall => {
                    // SAFETY: as in `perform`. The emulator stops the CPU soon after the call.
                    let _answer = unsafe { hcall::call(Function::Rtas, [real, 0, 0, 0, 0]) };
                }
            }
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
