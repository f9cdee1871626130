//! Files among the devices that programs have made.

use crate::View;
use crate::node::Node;
use abi::Errno;
use alloc::sync::Arc;
use core::any::Any;
use vfs::{DirectoryEntry, Flow, Inode, IoContext};
use wait::Attempt;

/// The cookies of files come after those of devices.
pub(crate) const FIRST_COOKIE: u64 = 1 << 32;

impl View {
    /// The directory of the files, if one has been made.
    pub(crate) fn files(&self) -> Option<&Arc<dyn Inode>> {
        self.files.get()
    }

    /// The directory of the files.
    pub(crate) fn files_or_new(&self) -> Result<&Arc<dyn Inode>, Errno> {
        self.files
            .try_call_once(|| (self.make_files)(self.devices.owner()))
    }

    /// The directory of the files, for a change of a name in it that is no device's.
    ///
    /// # Errors
    /// EPERM for a device, ENOENT.
    pub(crate) fn files_with(
        &self,
        cx: &IoContext<'_>,
        name: &[u8],
    ) -> Result<&Arc<dyn Inode>, Errno> {
        if self.is_device(cx, name)? {
            return Err(Errno::EPERM);
        }
        self.files().ok_or(Errno::ENOENT)
    }

    /// Whether a device has a name.
    pub(crate) fn is_device(&self, cx: &IoContext<'_>, name: &[u8]) -> Result<bool, Errno> {
        let devices = self.devices(cx)?;
        let name = core::str::from_utf8(name).ok();
        Ok(name.is_some_and(|name| self.item(devices, name).is_some()))
    }

    /// The names of the files from a cookie on.
    pub(crate) fn file_entries(
        &self,
        cx: &IoContext<'_>,
        cookie: u64,
        each: &mut dyn FnMut(DirectoryEntry<'_>) -> Attempt<Flow>,
    ) -> Attempt<()> {
        let Some(files) = self.files() else {
            return Ok(());
        };
        files.entries(cx, cookie.saturating_sub(FIRST_COOKIE), &mut |entry| {
            each(DirectoryEntry {
                next: entry.next + FIRST_COOKIE,
                ..entry
            })
        })
    }

    /// Where a rename goes: the directory of the files when it is to this view's root.
    pub(crate) fn target<'a>(
        &'a self,
        cx: &IoContext<'_>,
        target: &'a Arc<dyn Inode>,
        name: &[u8],
    ) -> Result<&'a Arc<dyn Inode>, Errno> {
        let inode: &dyn Any = &**target;
        match inode.downcast_ref::<Node>() {
            Some(_) if self.is_device(cx, name)? => Err(Errno::EPERM),
            Some(node) if node.is_root_of(self) => self.files_or_new(),
            Some(_) => Err(Errno::EPERM),
            None => Ok(target),
        }
    }
}
