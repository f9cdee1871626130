//! How readily a process is ended for want of memory: a number that can be written (`man 5 proc`, oom_score_adj).

use crate::View;
use crate::process_files::ProcessFile;
use crate::source::ProcessRef;
use abi::Errno;
use alloc::sync::Arc;
use alloc::vec::Vec;
use fallible::NoMemory;
use security::Absent;
use vfs::{FileOperations, IoContext, OrderFile, Orders, TextFile};
use wait::Attempt;

/// Whether a file is such a number.
pub(crate) fn is_told_by(file: ProcessFile) -> bool {
    file == ProcessFile::ScoreAdjustment
}

/// The file, whose text is `text`.
pub(crate) fn open(
    view: Arc<View>,
    process: ProcessRef,
    text: Vec<u8>,
) -> Result<Arc<dyn FileOperations>, NoMemory> {
    let orders = Adjustment { view, process };
    let text = TextFile(text);
    Ok(fallible::arc(OrderFile { text, orders })?)
}

/// Takes the number that is written.
struct Adjustment {
    view: Arc<View>,
    process: ProcessRef,
}

impl Orders for Adjustment {
    fn carry_out(&self, cx: &IoContext<'_>, order: &[u8]) -> Attempt<()> {
        let source = self.view.source.reach(cx.credential);
        let source = source.map_err(Absent::no_entry)?;
        let adjustment = number(order).ok_or(Errno::EINVAL)?;
        Ok(source.set_expendability(self.process, cx.credential, adjustment)?)
    }
}

/// A number from −1000 to 1000, with white space around it or not.
fn number(order: &[u8]) -> Option<i16> {
    let text = core::str::from_utf8(order).ok()?;
    let text = text.trim_matches(|letter: char| letter.is_ascii_whitespace() || letter == '\0');
    let number = text.parse().ok()?;
    (-1000..=1000).contains(&number).then_some(number)
}

#[cfg(test)]
mod tests {
    use super::number;

    #[test]
    fn numbers_are_read_as_programs_write_them() {
        assert_eq!(number(b"-1000"), Some(-1000));
        assert_eq!(number(b"17\n"), Some(17));
        assert_eq!(number(b"1001"), None);
        assert_eq!(number(b"x"), None);
        assert_eq!(number(b""), None);
    }
}
