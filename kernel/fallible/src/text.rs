//! Texts.

use crate::NoMemory;
use alloc::string::String;
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

/// What `format_args!` describes, written out.
///
/// # Errors
/// [`NoMemory`]. A value that cannot be shown counts as one for which there is no memory.
pub fn text(arguments: Arguments<'_>) -> Result<String, NoMemory> {
    let mut growing = Growing(String::new());
    growing.write_fmt(arguments).map_err(|_| NoMemory)?;
    Ok(growing.0)
}

/// A text whose growth may fail.
struct Growing(String);

impl Write for Growing {
    fn write_str(&mut self, part: &str) -> fmt::Result {
        self.0.try_reserve(part.len()).map_err(|_| fmt::Error)?;
        self.0.push_str(part);
        Ok(())
    }
}
