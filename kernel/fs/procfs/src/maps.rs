//! `/proc/PID/maps`, `smaps`, `smaps_rollup` and `numa_maps`, written as they are read: a program may have tens of thousands
//! of areas, and millions of pages.
//!
//! Each line tells of its area at one moment, or, where pages are counted, of each part of it. Whoever reads from the
//! beginning on meets every area that stays.

use crate::memory_use::{self, Counting, PageMap, Use};
use crate::process_files::ProcessFile;
use crate::source::{Areas, MapLine};
use abi::Errno;
use abi::mmu::Protection;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt::{Result, Write};
use fallible::{NoMemory, Text, written};
use sync::{Rank, SpinLock};
use vfs::{DeviceNumber, FileOperations, IoContext, Seek};
use wait::{Attempt, Sink, Stop};

/// Lines that are written at once.
const LINES: usize = 64;
/// How many times that is done in search of a place in the file before others may run.
const TURNS: usize = 4;
/// The same where pages are counted, for each area by itself and some hundred pages of it at a time.
const COUNTS: usize = 16;

/// What is told of each area.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    /// What it is.
    Maps,
    /// What its pages come to.
    Uses,
    /// What the pages of all areas come to.
    Sum,
    /// On which node its pages are.
    Nodes,
}

impl Form {
    fn of(file: ProcessFile) -> Option<Self> {
        Some(match file {
            ProcessFile::Maps => Form::Maps,
            ProcessFile::MapUses => Form::Uses,
            ProcessFile::MapUseSum => Form::Sum,
            ProcessFile::MapNodes => Form::Nodes,
            _ => return None,
        })
    }
}

/// Whether a file tells of areas or pages.
pub(crate) fn is_told_by(file: ProcessFile) -> bool {
    file == ProcessFile::PageMap || Form::of(file).is_some()
}

/// Opens such a file; `None` for another one.
pub(crate) fn open(
    file: ProcessFile,
    areas: Arc<dyn Areas>,
) -> core::result::Result<Option<Arc<dyn FileOperations>>, NoMemory> {
    if file == ProcessFile::PageMap {
        return Ok(Some(fallible::arc(PageMap(areas))?));
    }
    let Some(form) = Form::of(file) else {
        return Ok(None);
    };
    Ok(Some(fallible::arc(MapsFile::new(form, areas))?))
}

/// Such a file that has been opened.
pub(crate) struct MapsFile {
    form: Form,
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
    /// The area whose pages are being counted.
    counting: Option<Counting>,
    /// What all have come to so far, where that is told; nothing once it has been.
    sum: Option<Use>,
}

impl MapsFile {
    pub(crate) fn new(form: Form, areas: Arc<dyn Areas>) -> Self {
        Self {
            form,
            areas,
            window: SpinLock::new(Rank::Stream, Window::of(form)),
        }
    }

    /// The next part of the text, which may be empty; `None` at the end.
    fn write_on(&self, window: &mut Window) -> core::result::Result<Option<Vec<u8>>, NoMemory> {
        if self.form != Form::Maps {
            return self.count_on(window);
        }
        let lines = self.areas.lines(window.next, LINES)?;
        let Some(last) = lines.last() else {
            return Ok(None);
        };
        window.next = last.end;
        written(|out| lines.iter().try_for_each(|line| map_line(out, line))).map(Some)
    }

    /// The same where pages are counted.
    fn count_on(&self, window: &mut Window) -> core::result::Result<Option<Vec<u8>>, NoMemory> {
        let begun = window.counting.take();
        let next = match begun {
            Some(counting) => Some(counting),
            None => self.areas.lines(window.next, 1)?.pop().map(Counting::new),
        };
        let Some(mut counting) = next else {
            let sum = window.sum.take();
            return sum
                .map(|sum| written(|out| memory_use::write_sum(out, &sum)))
                .transpose();
        };
        if counting.go_on(&*self.areas)? {
            window.counting = Some(counting);
            return Ok(Some(Vec::new()));
        }
        window.next = counting.line.end;
        if let Some(sum) = &mut window.sum {
            sum.add(&counting);
            return Ok(Some(Vec::new()));
        }
        written(|out| match self.form {
            Form::Nodes => memory_use::write_nodes(out, &counting),
            _ => {
                map_line(out, &counting.line)?;
                memory_use::write_use(out, &counting)
            }
        })
        .map(Some)
    }

    /// Reads at a place that lies in the window or behind it.
    fn read_on(&self, window: &mut Window, place: u64, sink: &mut dyn Sink) -> Attempt<usize> {
        let turns = match self.form {
            Form::Maps => TURNS,
            Form::Uses | Form::Sum | Form::Nodes => COUNTS,
        };
        for _ in 0..turns {
            let offset = usize::try_from(place - window.start).map_err(|_| Errno::EINVAL)?;
            if let Some(rest) = window.text.get(offset..).filter(|rest| !rest.is_empty()) {
                let bytes = rest.get(..rest.len().min(sink.room())).unwrap_or_default();
                sink.put(bytes)?;
                return Ok(bytes.len());
            }
            let Some(text) = self.write_on(window)? else {
                return Ok(0);
            };
            window.start += window.text.len() as u64;
            window.text = text;
        }
        Err(Stop::Again)
    }
}

impl Window {
    /// Before the beginning.
    fn of(form: Form) -> Self {
        Self {
            sum: (form == Form::Sum).then(Use::default),
            ..Self::default()
        }
    }
}

impl FileOperations for MapsFile {
    fn read(&self, _cx: &IoContext<'_>, position: u64, sink: &mut dyn Sink) -> Attempt<usize> {
        // Another one that reads the same open file meanwhile begins anew.
        let mut window = core::mem::replace(&mut *self.window.lock(), Window::of(self.form));
        if position < window.start {
            window = Window::of(self.form);
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
    // Behind the last number there is a space in any case.
    out.byte(b' ')?;
    if !line.name.is_empty() {
        // The name stands in column 74.
        let width = 73usize.saturating_sub(out.len() - before);
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
