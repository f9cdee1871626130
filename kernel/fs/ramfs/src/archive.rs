//! The members of a cpio archive in the format `newc` (`man 5 cpio`, "New ASCII Format").

use crate::{ArchiveError, Fault};

/// Bytes of a member's header.
const HEADER: usize = 110;
/// What a member's header begins with; the second has a checksum.
const MAGICS: [&[u8]; 2] = [b"070701", b"070702"];
/// Longest name of a member that is believed, its terminating zero included.
const NAME_LIMIT: usize = vfs::PATH_LIMIT;
/// The name of the member that ends an archive.
const TRAILER: &[u8] = b"TRAILER!!!";

/// One member.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Member<'a> {
    /// Where its header is.
    pub(crate) offset: usize,
    pub(crate) name: &'a [u8],
    pub(crate) data: &'a [u8],
    pub(crate) inode: u32,
    pub(crate) mode: u32,
    pub(crate) uid: u32,
    pub(crate) gid: u32,
    pub(crate) links: u32,
    pub(crate) modified: u32,
    /// The device that the file was on.
    pub(crate) device: (u32, u32),
    /// The device that a node stands for.
    pub(crate) node: (u32, u32),
}

/// Reads an archive, or several one behind the other with zeros between them.
pub(crate) struct Archive<'a> {
    bytes: &'a [u8],
    at: usize,
    ended: bool,
}

impl<'a> Archive<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self {
            bytes,
            at: 0,
            ended: false,
        }
    }

    fn error<T>(&self, fault: Fault) -> Result<T, ArchiveError> {
        Err(ArchiveError {
            offset: self.at,
            fault,
        })
    }

    fn slice(&self, from: usize, length: usize) -> Result<&'a [u8], ArchiveError> {
        let end = from.checked_add(length);
        match end.and_then(|end| self.bytes.get(from..end)) {
            Some(bytes) => Ok(bytes),
            None => self.error(Fault::Truncated),
        }
    }

    /// The next member; `None` after the last one of the last archive.
    pub(crate) fn next(&mut self) -> Result<Option<Member<'a>>, ArchiveError> {
        loop {
            if self.ended {
                let rest = self.bytes.get(self.at..).unwrap_or_default();
                match rest.iter().position(|&byte| byte != 0) {
                    // Archives begin at multiples of four.
                    Some(zeros) => self.at = (self.at + zeros) & !3,
                    None => return Ok(None),
                }
            }
            let member = self.member()?;
            self.ended = member.name == TRAILER;
            if !self.ended {
                return Ok(Some(member));
            }
        }
    }

    fn member(&mut self) -> Result<Member<'a>, ArchiveError> {
        let offset = self.at;
        let rest = self.bytes.get(offset..).unwrap_or_default();
        if !MAGICS.iter().any(|magic| rest.starts_with(magic)) {
            let compressed = offset == 0 && is_compressed(rest);
            let short = rest.len() < HEADER && MAGICS.iter().any(|magic| magic.starts_with(rest));
            return self.error(match (compressed, short) {
                (true, _) => Fault::Compressed,
                (_, true) => Fault::Truncated,
                _ => Fault::NoHeader,
            });
        }
        let header = self.slice(offset, HEADER)?;
        let field = |index: usize| {
            let digits = header
                .get(6 + 8 * index..14 + 8 * index)
                .unwrap_or_default();
            number(digits).ok_or(ArchiveError {
                offset,
                fault: Fault::BadNumber,
            })
        };
        let name_size = field(11)? as usize;
        if name_size == 0 || name_size > NAME_LIMIT {
            return self.error(Fault::BadName);
        }
        let name = self.slice(offset + HEADER, name_size)?;
        let Some((0, name)) = name.split_last() else {
            return self.error(Fault::BadName);
        };
        let data_at = (offset + HEADER + name_size).next_multiple_of(4);
        let data = self.slice(data_at, field(6)? as usize)?;
        // The padding behind the last data may be missing.
        self.at = (data_at + data.len())
            .next_multiple_of(4)
            .min(self.bytes.len());
        Ok(Member {
            offset,
            name,
            data,
            inode: field(0)?,
            mode: field(1)?,
            uid: field(2)?,
            gid: field(3)?,
            links: field(4)?,
            modified: field(5)?,
            device: (field(7)?, field(8)?),
            node: (field(9)?, field(10)?),
        })
    }
}

/// Eight hexadecimal digits.
fn number(digits: &[u8]) -> Option<u32> {
    digits.iter().try_fold(0u32, |value, &digit| {
        Some(value << 4 | (digit as char).to_digit(16)?)
    })
}

/// Whether the bytes begin like gzip, xz, zstd, bzip2 or lz4.
fn is_compressed(bytes: &[u8]) -> bool {
    let magics: [&[u8]; 6] = [
        &[0x1f, 0x8b],
        &[0xfd, b'7', b'z', b'X', b'Z'],
        &[0x28, 0xb5, 0x2f, 0xfd],
        b"BZh",
        &[0x02, 0x21, 0x4c, 0x18],
        &[0x04, 0x22, 0x4d, 0x18],
    ];
    magics.iter().any(|magic| bytes.starts_with(magic))
}
