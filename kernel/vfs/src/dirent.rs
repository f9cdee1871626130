//! Directory entries as programs read them.

use crate::observe::Events;
use crate::{DirectoryEntry, FileKind, Flow, IoContext, NAME_LIMIT, OpenFile};
use abi::Errno;
use wait::{Attempt, Sink, Stop};

/// `offsetof(struct linux_dirent64, d_name)` (`man 2 getdents64`).
const HEADER: usize = 19;
/// The longest record: header, name, terminating zero, rounded up to 8.
const LONGEST: usize = (HEADER + NAME_LIMIT + 1).next_multiple_of(8);

/// `.` and `..` come first; a file system's own cookies are shown moved up by as much.
const OWN_COOKIES: u64 = 2;

/// Puts the names of an open directory from its position on into `sink` in the layout of `getdents64`; answers
/// how many bytes, 0 at the end.
///
/// # Errors
/// ENOTDIR when it is no directory, EINVAL when not one record fits, ENOENT when the directory has been removed.
pub fn fill_dirents(file: &OpenFile, cx: &IoContext<'_>, sink: &mut dyn Sink) -> Attempt<usize> {
    let location = file.location().ok_or(Errno::ENOTDIR)?;
    location.require_directory()?;
    if location.entry().is_removed() {
        return Err(Errno::ENOENT.into());
    }
    let number = location.inode().id().number;
    let above = location
        .entry()
        .parent()
        .map_or(number, |parent| parent.inode().id().number);
    let count = file.with_position(|position| {
        let mut filled = Filled {
            sink,
            bytes: 0,
            refused: false,
        };
        for (cookie, name, number) in [(0, &b"."[..], number), (1, b"..", above)] {
            let next = cookie + 1;
            let entry = DirectoryEntry {
                name,
                number,
                kind: FileKind::Directory,
                next,
            };
            if *position == cookie && filled.put(&entry)? == Flow::Continue {
                *position = next;
            }
        }
        if let Some(cookie) = position
            .checked_sub(OWN_COOKIES)
            .filter(|_| !filled.refused)
        {
            file.operations().entries(cx, cookie, &mut |entry| {
                let next = entry.next.saturating_add(OWN_COOKIES);
                let flow = filled.put(&DirectoryEntry { next, ..entry })?;
                if flow == Flow::Continue {
                    *position = next;
                }
                Ok(flow)
            })?;
        }
        if filled.bytes == 0 && filled.refused {
            return Err(Stop::Error(Errno::EINVAL));
        }
        Ok(filled.bytes)
    })?;
    file.moved(cx, count, Events::ACCESS);
    Ok(count)
}

struct Filled<'a> {
    sink: &'a mut dyn Sink,
    bytes: usize,
    /// A record did not fit.
    refused: bool,
}

impl Filled<'_> {
    fn put(&mut self, entry: &DirectoryEntry<'_>) -> Attempt<Flow> {
        let length = (HEADER + entry.name.len() + 1).next_multiple_of(8);
        let mut record = [0u8; LONGEST];
        let Some(record) = record.get_mut(..length) else {
            // No file system makes such a name; leaving it out harms less than an iteration that cannot go on.
            return Ok(Flow::Continue);
        };
        if length > self.sink.room() {
            self.refused = true;
            return Ok(Flow::Stop);
        }
        let head = u128::from(entry.next) << 64 | u128::from(entry.number);
        let mut put = |at: usize, bytes: &[u8]| {
            if let Some(place) = record.get_mut(at..at + bytes.len()) {
                place.copy_from_slice(bytes);
            }
        };
        put(0, &head.to_le_bytes());
        put(16, &(length as u16).to_le_bytes());
        put(18, &[entry.kind.directory_type()]);
        put(HEADER, entry.name);
        self.sink.put(record)?;
        self.bytes += length;
        Ok(Flow::Continue)
    }
}
