//! `/dev/schedule`, in Global only: recordings of what the scheduler does, for `cargo xtask sim --replay`.
//!
//! Writing `start` begins one, `start COUNT` with room for so many happenings; `stop` ends it. Reading shows the one that was
//! stopped last, as it was when the file was opened. What a recording is, and its text, is [`sched::recording`]'s.
//!
//! Lock: the recording that was stopped last, rank `Log`; it is given back without the lock.

use crate::environment;
use crate::system::system;
use abi::Errno;
use alloc::boxed::Box;
use alloc::sync::Arc;
use devfs::{Device, Item};
use sched::Refusal;
use sched::recording::{LINE, Recording};
use sync::{Rank, SpinLock};
use vfs::{Access, DeviceNumber, FileOperations, IoContext, OrderFile, Orders, Seek};
use wait::{Attempt, Sink};

/// A number of the range that is free for local use.
const NUMBER: DeviceNumber = DeviceNumber::new(240, 3);
/// Room for happenings where none is asked for: about half a minute of a busy CPU.
const ROOM: usize = 1 << 16;
/// Lines that one call shows at most.
const LINES: usize = 512;

/// What was stopped last.
static LAST: SpinLock<Option<Arc<Recording>>> = SpinLock::new(Rank::Log, None);

/// Makes the device known.
///
/// # Errors
/// EEXIST when it is.
pub fn register(devices: &devfs::Devices) -> Result<(), Errno> {
    devices.register(Item::of_global("schedule", NUMBER, RecordingDevice)?)
}

struct RecordingDevice;

impl Device for RecordingDevice {
    fn open(&self, _cx: &IoContext<'_>, _access: Access) -> Attempt<Arc<dyn FileOperations>> {
        let text = Lines(LAST.lock().clone());
        Ok(fallible::arc(OrderFile { text, orders: Self })?)
    }
}

/// The text of a recording; nothing where there is none.
struct Lines(Option<Arc<Recording>>);

impl FileOperations for Lines {
    fn read(&self, _cx: &IoContext<'_>, position: u64, sink: &mut dyn Sink) -> Attempt<usize> {
        let Some(recording) = &self.0 else {
            return Ok(0);
        };
        let start = usize::try_from(position).unwrap_or(usize::MAX);
        let (first, mut skipped) = (start / LINE, start % LINE);
        let mut count = 0;
        for number in first..first.saturating_add(LINES) {
            let Some(line) = recording.line(number) else {
                break;
            };
            let rest = line.bytes().get(skipped..).unwrap_or_default();
            let part = rest.get(..rest.len().min(sink.room())).unwrap_or_default();
            if part.is_empty() {
                break;
            }
            sink.put(part)?;
            count += part.len();
            skipped = 0;
        }
        Ok(count)
    }

    fn seek(&self) -> Seek {
        Seek::Yes
    }
}

fn errno(refusal: Refusal) -> Errno {
    match refusal {
        Refusal::Busy => Errno::EBUSY,
        Refusal::Full => Errno::ENOMEM,
        _ => Errno::EINVAL,
    }
}

fn start(room: usize) -> Result<(), Errno> {
    // Looked at first, so that none that is not used is given back under the scheduler's lock, but for a race.
    if system().dispatch.with(|scheduler| scheduler.is_recording()) {
        return Err(Errno::EBUSY);
    }
    let recording = fallible::boxed(Recording::new(room).map_err(errno)?)?;
    let now = arch::time::now();
    let started = system()
        .dispatch
        .with(|scheduler| scheduler.start_recording(recording, now));
    started.map_err(errno)
}

fn stop() -> Result<(), Errno> {
    let now = arch::time::now();
    let stopped = system()
        .dispatch
        .with(|scheduler| scheduler.stop_recording(now));
    let mut recording: Box<Recording> = stopped.ok_or(Errno::EINVAL)?;
    for used in &mut recording.accounts {
        if let Some(environment) = environment::find(used.cid) {
            used.name = fallible::string(environment.wpar.name())?;
        }
    }
    let recording = fallible::arc(*recording)?;
    let _former = LAST.lock().replace(recording);
    Ok(())
}

/// Does what a line asks for.
fn obey(line: &str) -> Result<(), Errno> {
    let mut words = line.split_whitespace();
    let order = (words.next(), words.next());
    match (order, words.next()) {
        ((Some("start"), None), None) => start(ROOM),
        ((Some("start"), Some(count)), None) => start(count.parse().map_err(|_| Errno::EINVAL)?),
        ((Some("stop"), None), None) => stop(),
        _ => Err(Errno::EINVAL),
    }
}

impl Orders for RecordingDevice {
    fn carry_out(&self, _cx: &IoContext<'_>, order: &[u8]) -> Attempt<()> {
        let line = core::str::from_utf8(order).map_err(|_| Errno::EINVAL)?;
        Ok(obey(line)?)
    }
}
