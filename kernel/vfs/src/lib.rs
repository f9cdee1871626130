//! Inodes, names, mounts, path walks and open files.
//!
//! A *file system* is a tree of [`Inode`]s. An [`Entry`] gives an inode its name and its parent for as long as
//! somebody refers to it, so `..`, `getcwd` and `/proc/PID/fd` see renames. A [`Mount`] shows the tree below an
//! entry at a place of a [`MountNamespace`]; each partition has a namespace of its own. A [`Location`] is an
//! entry seen through a mount. [`Walk`] resolves paths and carries out what system calls ask of names: every
//! permission check is made there, once, so file systems make none.
//!
//! An [`OpenFile`] is what a descriptor refers to; a [`FileTable`] holds a process's descriptors. What an open
//! file does is behind [`FileOperations`], which pipes, terminals and devices implement.
//!
//! # What must never happen
//! A walk never shows a location outside the root that it was given: not by `..`, not by symbolic links, not
//! when directories are moved while it runs. No operation here blocks: it completes, or fails, or parks its
//! waiter having changed nothing.
//!
//! # Locks
//! In this order: [`Rank::FileTable`], [`Rank::Mounts`] (a namespace; nothing is called under it),
//! [`Rank::Position`] (one open file's), [`Rank::Tree`] (one file system's directory moves),
//! [`Rank::Directory`] (the names below one entry), [`Rank::Inode`] (the file system's own),
//! [`Rank::Place`] (an entry's parent).

#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

mod attribute;
mod change;
mod dirent;
mod file;
mod file_table;
mod inode;
mod inode_file;
mod make;
mod metadata;
mod mount;
mod name;
pub mod observe;
mod open;
mod open_file;
mod ownership;
mod place;
mod remove;
mod rename;
mod text_file;
mod text_use;
mod walk;

pub use attribute::{
    ATTRIBUTE_NAME_LIMIT, ATTRIBUTE_SIZE_LIMIT, AttributeStore, CAPABILITY_ATTRIBUTE, SetAttribute,
};
pub use dirent::fill_dirents;
pub use file::{FileOperations, IoContext, IoctlArgument, Seek, Stretch, Whence};
pub use file_table::{DESCRIPTOR_LIMIT, Descriptor, FileTable, Taken};
pub use inode::{
    Allocation, Attachment, DirectoryEntry, Flow, Inode, Link, NewNode, NodeContent, RenameFlags,
    Seals,
};
pub use inode_file::InodeFile;
pub use metadata::{
    Change, Clock, DeviceNumber, FileKind, FileSystemStatus, InodeId, Metadata, Mode, NewTime,
    Timestamp,
};
pub use mount::{FileSystem, Mount, MountFlags, MountId, MountLine, MountNamespace};
pub use name::{Entry, Location, Path};
pub use open::{OpenHow, OpenOptions};
pub use open_file::{Access, OpenFile, SpecialFiles, StatusFlags, Watcher};
pub use place::Place;
pub use text_file::{OrderFile, Orders, TextFile};
pub use text_use::{Running, TextUse, Writing};
pub use walk::{Follow, NAME_LIMIT, PATH_LIMIT, Restrictions, Walk};

#[cfg(doc)]
use sync::Rank;
