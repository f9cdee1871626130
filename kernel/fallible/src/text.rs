//! Texts.

use crate::{Extend, NoMemory, Push};
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt::{self, Arguments, Write};

/// A copy of a text.
///
/// # Errors
/// [`NoMemory`].
pub fn string(text: &str) -> Result<String, NoMemory> {
    let mut copy = String::new();
    copy.try_reserve_exact(text.len())?;
    copy.push_str(text);
    Ok(copy)
}

/// The text that bytes are; what is not UTF-8 in them is replaced by a question mark a byte.
///
/// # Errors
/// [`NoMemory`].
pub fn string_lossy(bytes: &[u8]) -> Result<String, NoMemory> {
    let mut text = String::new();
    text.try_reserve_exact(bytes.len())?;
    for chunk in bytes.utf8_chunks() {
        text.push_str(chunk.valid());
        text.extend(chunk.invalid().iter().map(|_| '?'));
    }
    Ok(text)
}

/// What `format_args!` describes, written out.
///
/// # Errors
/// [`NoMemory`]. A value that cannot be shown counts as one for which there is no memory.
pub fn text(arguments: Arguments<'_>) -> Result<String, NoMemory> {
    let mut growing = Growing(String::new());
    growing.write_fmt(arguments).map_err(|_| NoMemory)?;
    Ok(growing.0)
}

/// What `write` writes.
///
/// # Errors
/// [`NoMemory`]. A value that cannot be shown counts as one for which there is no memory.
pub fn written(write: impl FnOnce(&mut Text) -> fmt::Result) -> Result<Vec<u8>, NoMemory> {
    let mut out = Text::default();
    write(&mut out).map_err(|_| NoMemory)?;
    Ok(out.0)
}

/// A text whose growth may fail.
struct Growing(String);

impl Write for Growing {
    fn write_str(&mut self, part: &str) -> fmt::Result {
        Ok(self.0.try_extend(part)?)
    }
}

/// Text and bytes in a row, to be written to; growth may fail.
#[derive(Debug, Default)]
pub struct Text(Vec<u8>);

impl Text {
    /// Adds bytes, which need not be text.
    ///
    /// # Errors
    /// When there is no memory.
    pub fn bytes(&mut self, bytes: &[u8]) -> fmt::Result {
        Ok(self.0.try_extend(bytes)?)
    }

    /// Adds one byte.
    ///
    /// # Errors
    /// When there is no memory.
    pub fn byte(&mut self, byte: u8) -> fmt::Result {
        Ok(self.0.try_push(byte)?)
    }

    /// How many bytes there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl Write for Text {
    fn write_str(&mut self, part: &str) -> fmt::Result {
        self.bytes(part.as_bytes())
    }
}
