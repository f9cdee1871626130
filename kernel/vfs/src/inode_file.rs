//! Open regular files and directories: operations that go straight to the inode.

use crate::{
    Access, Change, DirectoryEntry, FileKind, FileOperations, Flow, Inode, IoContext, Mode, Seek,
    Stretch, Writing,
};
use abi::Errno;
use alloc::sync::Arc;
use security::Privileges;
use wait::{Attempt, Sink, Source};

/// The operations of an open regular file or directory.
pub struct InodeFile {
    inode: Arc<dyn Inode>,
    /// It is not to be run meanwhile.
    _writing: Option<Writing>,
}

impl InodeFile {
    /// Operations on an inode.
    pub fn new(inode: Arc<dyn Inode>) -> Self {
        Self {
            inode,
            _writing: None,
        }
    }

    /// Operations on an inode that is opened by its name for some access.
    ///
    /// # Errors
    /// ETXTBSY for writing a program that runs.
    pub fn of_access(inode: Arc<dyn Inode>, access: Access) -> Result<Self, Errno> {
        let _writing = if access.contains(Access::WRITE) {
            Writing::begin(&inode)?
        } else {
            None
        };
        Ok(Self { inode, _writing })
    }

    /// Who writes to a program takes away what it gives: capabilities, and set-id rights unless he may give them (`man 2
    /// write`).
    fn drop_set_id(&self, cx: &IoContext<'_>) -> Attempt<()> {
        withdraw_capabilities(&*self.inode);
        if cx.credential.privileges.contains(Privileges::FILE_OWNER) {
            return Ok(());
        }
        let metadata = self.inode.metadata(cx)?;
        let kept = without_set_id(metadata.mode);
        if kept != metadata.mode {
            self.inode.change(
                cx,
                &Change {
                    mode: Some(kept),
                    ..Change::default()
                },
            )?;
        }
        Ok(())
    }
}

/// The file has changed: it gives no capabilities any more.
pub(crate) fn withdraw_capabilities(inode: &dyn Inode) {
    if let Some(attributes) = inode.attributes() {
        attributes.withdraw_capabilities();
    }
}

/// A mode without the bits that give rights to who runs the file. Without group execute the set-group bit is no
/// such right (`man 7 inode`).
pub(crate) fn without_set_id(mode: Mode) -> Mode {
    let mode = mode.without(Mode::SET_USER);
    if mode.has(0o010) {
        mode.without(Mode::SET_GROUP)
    } else {
        mode
    }
}

impl FileOperations for InodeFile {
    fn read(&self, cx: &IoContext<'_>, position: u64, sink: &mut dyn Sink) -> Attempt<usize> {
        if self.inode.kind() == FileKind::Directory {
            return Err(Errno::EISDIR.into());
        }
        self.inode.read_at(cx, position, sink)
    }

    fn write(&self, cx: &IoContext<'_>, position: u64, source: &mut dyn Source) -> Attempt<usize> {
        self.drop_set_id(cx)?;
        self.inode.write_at(cx, position, source)
    }

    fn append(&self, cx: &IoContext<'_>, source: &mut dyn Source) -> Attempt<(u64, usize)> {
        self.drop_set_id(cx)?;
        self.inode.append(cx, source)
    }

    fn seek(&self) -> Seek {
        Seek::Yes
    }

    fn size(&self, cx: &IoContext<'_>) -> Attempt<u64> {
        Ok(self.inode.metadata(cx)?.size)
    }

    fn next_stretch(&self, cx: &IoContext<'_>, from: u64, of: Stretch) -> Attempt<Option<u64>> {
        self.inode.next_stretch(cx, from, of)
    }

    fn entries(
        &self,
        cx: &IoContext<'_>,
        cookie: u64,
        each: &mut dyn FnMut(DirectoryEntry<'_>) -> Attempt<Flow>,
    ) -> Attempt<()> {
        self.inode.entries(cx, cookie, each)
    }

    fn pages(&self) -> Option<Arc<dyn memory::PageSource>> {
        self.inode.pages()
    }

    fn note_mapping(&self) {
        self.inode.note_mapping();
    }

    fn pages_for_writing(&self) -> Result<Option<Arc<dyn memory::PageSource>>, Errno> {
        self.inode.pages_for_writing()
    }
}
