//! Events of files (linux/inotify.h).

use super::record::record;

/// Everything that a watch may ask for.
pub const IN_ALL_EVENTS: u32 = 0xfff;
/// The file system of a watched file is gone.
pub const IN_UNMOUNT: u32 = 0x2000;
/// Events were lost.
pub const IN_Q_OVERFLOW: u32 = 0x4000;
/// The watch is gone.
pub const IN_IGNORED: u32 = 0x8000;
/// Only a directory is watched.
pub const IN_ONLYDIR: u32 = 0x0100_0000;
/// A symbolic link is watched itself.
pub const IN_DONT_FOLLOW: u32 = 0x0200_0000;
/// What happens to names that are gone is not told.
pub const IN_EXCL_UNLINK: u32 = 0x0400_0000;
/// The watch is a new one.
pub const IN_MASK_CREATE: u32 = 0x1000_0000;
/// The events are added to those of the watch that is there.
pub const IN_MASK_ADD: u32 = 0x2000_0000;
/// The event is about a directory.
pub const IN_ISDIR: u32 = 0x4000_0000;
/// The watch ends with its first event.
pub const IN_ONESHOT: u32 = 0x8000_0000;

record! {
    /// `struct inotify_event`, without the name behind it.
    InotifyEvent [16] {
        /// The watch, −1 when events were lost.
        0 wd: i32,
        /// What happened.
        4 mask: u32,
        /// What the two halves of a move have in common.
        8 cookie: u32,
        /// Bytes of the name, zeros behind it included.
        12 len: u32,
    }
}
