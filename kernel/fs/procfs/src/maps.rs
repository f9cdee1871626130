//! `/proc/PID/maps`, written as it is read: a program may have tens of thousands of areas.
//!
//! Each line tells of its area at one moment. Whoever reads from the beginning on meets every area that stays.

use crate::source::{Areas, MapLine};
use abi::Errno;
use abi::mmu::Protection;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt::{Result, Write};
use fallible::{Text, written};
use sync::{Rank, SpinLock};
use vfs::{DeviceNumber, FileOperations, IoContext, Seek};
use wait::{Attempt, Sink, Stop};

/// Lines that are written at once.
const LINES: usize = 64;
/// How many times that is done in search of a place in the file before others may run.
const TURNS: usize = 4;

/// Such a file that has been opened.
pub(crate) struct MapsFile {
    areas: Arc<dyn Areas>,
    /// The text that was written last.
    window: SpinLock<Window>,
}

/// A part of the text.
#[derive(Default)]
struct Window {
    /// Where in the file it begins.
    start: u64,
    text: Vec<u8>,
    /// The address from which on areas follow.
    next: u64,
}

impl MapsFile {
    pub(crate) fn new(areas: Arc<dyn Areas>) -> Self {
        Self {
            areas,
            window: SpinLock::new(Rank::Stream, Window::default()),
        }
    }

    /// Reads at a place that lies in the window or behind it.
    fn read_on(&self, window: &mut Window, place: u64, sink: &mut dyn Sink) -> Attempt<usize> {
        for _ in 0..TURNS {
            let offset = usize::try_from(place - window.start).map_err(|_| Errno::EINVAL)?;
            if let Some(rest) = window.text.get(offset..).filter(|rest| !rest.is_empty()) {
                let bytes = rest.get(..rest.len().min(sink.room())).unwrap_or_default();
                sink.put(bytes)?;
                return Ok(bytes.len());
            }
            let lines = self.areas.lines(window.next, LINES)?;
            let Some(last) = lines.last() else {
                return Ok(0);
            };
            let text = written(|out| lines.iter().try_for_each(|line| map_line(out, line)))?;
            window.start += window.text.len() as u64;
            window.text = text;
            window.next = last.end;
        }
        Err(Stop::Again)
    }
}

impl FileOperations for MapsFile {
    fn read(&self, _cx: &IoContext<'_>, position: u64, sink: &mut dyn Sink) -> Attempt<usize> {
        // Another one that reads the same open file meanwhile begins anew.
        let mut window = core::mem::take(&mut *self.window.lock());
        if position < window.start {
            window = Window::default();
        }
        let answer = self.read_on(&mut window, position, sink);
        let _other = core::mem::replace(&mut *self.window.lock(), window);
        answer
    }

    fn seek(&self) -> Seek {
        Seek::Yes
    }

    /// As for any file that is generated ([`vfs::TextFile`]).
    fn size(&self, _cx: &IoContext<'_>) -> Attempt<u64> {
        Err(Errno::EINVAL.into())
    }
}

fn map_line(out: &mut Text, line: &MapLine) -> Result {
    let before = out.len();
    map_fields(out, line)?;
    if !line.name.is_empty() {
        // The name stands in column 74.
        let width = 73usize.saturating_sub(out.len() - before).max(1);
        write!(out, "{:width$}", "")?;
        for &byte in &line.name {
            if byte == b'\n' {
                out.bytes(b"\\012")?;
            } else {
                out.byte(byte)?;
            }
        }
    }
    out.byte(b'\n')
}

fn map_fields(out: &mut Text, line: &MapLine) -> Result {
    let flag = |protection, letter| {
        if line.allowed.contains(protection) {
            letter
        } else {
            '-'
        }
    };
    let (read, write) = (flag(Protection::READ, 'r'), flag(Protection::WRITE, 'w'));
    let execute = flag(Protection::EXECUTE, 'x');
    let shared = if line.shared { 's' } else { 'p' };
    let device = DeviceNumber::decode(line.identity.0);
    write!(
        out,
        "{:08x}-{:08x} {read}{write}{execute}{shared} {:08x}",
        line.start, line.end, line.offset
    )?;
    write!(
        out,
        " {:02x}:{:02x} {}",
        device.major, device.minor, line.identity.1
    )
}
