//! `/dev/latency`, in Global only: reading tells the figures, a line for each CPU and one for each rank of locks that
//! CPUs have waited for; writing anything forgets them.

use super::{Longest, Work};
use crate::system::system;
use abi::Errno;
use abi::linux::SystemCall;
use alloc::sync::Arc;
use core::fmt::{self, Write};
use devfs::{Device, Item};
use fallible::Text;
use sync::Rank;
use sync::contention::{self, Contention};
use vfs::{Access, DeviceNumber, FileOperations, IoContext, OrderFile, Orders, TextFile};
use wait::Attempt;

/// A number of the range that is free for local use.
const NUMBER: DeviceNumber = DeviceNumber::new(240, 1);

/// Makes the device known.
///
/// # Errors
/// EEXIST when it is.
pub fn register(devices: &devfs::Devices) -> Result<(), Errno> {
    devices.register(Item::of_global("latency", NUMBER, LatencyDevice)?)
}

struct LatencyDevice;

impl Device for LatencyDevice {
    fn open(&self, _cx: &IoContext<'_>, _access: Access) -> Attempt<Arc<dyn FileOperations>> {
        let text = fallible::written(|out| {
            for (cpu, longest) in super::figures() {
                line(out, cpu.0, &longest)?;
            }
            for (rank, contention) in contention::figures() {
                lock_line(out, rank, contention)?;
            }
            Ok(())
        })?;
        Ok(fallible::arc(OrderFile {
            text: TextFile(text),
            orders: Self,
        })?)
    }
}

fn line(out: &mut Text, cpu: u16, longest: &Longest) -> fmt::Result {
    let timebase = system().timebase;
    let (off, late) = (
        timebase.nanos(longest.stretch).0,
        timebase.nanos(longest.lateness).0,
    );
    write!(out, "cpu{cpu} off {off} ns, last ")?;
    match longest.work {
        Work::Call(number) => match SystemCall::from_number(u64::from(number)) {
            Some(call) => write!(out, "{}", call.name())?,
            None => write!(out, "call {number}")?,
        },
        Work::Dispatch => out.write_str("dispatch")?,
        Work::Fault => out.write_str("fault")?,
        Work::Interrupt => out.write_str("interrupt")?,
        Work::Exception => out.write_str("exception")?,
        Work::Exit => out.write_str("exit")?,
        Work::Job => out.write_str("job")?,
    }
    writeln!(out, " at {:#x}; timer late {late} ns", longest.address)
}

fn lock_line(out: &mut Text, rank: Rank, contention: Contention) -> fmt::Result {
    let Contention {
        waits,
        turns,
        longest,
    } = contention;
    if waits == 0 {
        return Ok(());
    }
    writeln!(
        out,
        "lock {rank:?} waits {waits}, turns {turns}, longest {longest}"
    )
}

impl Orders for LatencyDevice {
    fn carry_out(&self, _cx: &IoContext<'_>, _order: &[u8]) -> Attempt<()> {
        super::reset();
        contention::forget();
        Ok(())
    }
}
