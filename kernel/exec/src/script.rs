//! Scripts: files that begin with `#!` (`man 2 execve`, "Interpreter scripts").

use abi::Errno;

/// The interpreter that a script asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Interpreter<'a> {
    /// Path of the program to run.
    pub path: &'a [u8],
    /// The rest of the line as one argument.
    pub argument: Option<&'a [u8]>,
}

impl<'a> Interpreter<'a> {
    /// The longest first line that is looked at, `#!` included.
    pub const LINE: usize = 255;

    /// Reads the first line of a script from the start of its file; `None` when it is no script.
    ///
    /// # Errors
    /// ENOEXEC when no interpreter is named or its path does not end within [`Interpreter::LINE`] bytes.
    pub fn parse(head: &'a [u8]) -> Option<Result<Self, Errno>> {
        let rest = head.strip_prefix(b"#!")?;
        let window = rest.get(..Self::LINE - 2).unwrap_or(rest);
        let end = window.iter().position(|byte| *byte == b'\n' || *byte == 0);
        let line = window
            .get(..end.unwrap_or(window.len()))
            .unwrap_or_default();
        Some(Self::of_line(
            line,
            end.is_some() || window.len() == rest.len(),
        ))
    }

    fn of_line(line: &'a [u8], whole: bool) -> Result<Self, Errno> {
        let blank = |byte: &u8| *byte == b' ' || *byte == b'\t';
        let line = line.trim_ascii();
        let split = line.iter().position(blank);
        if line.is_empty() || (split.is_none() && !whole) {
            return Err(Errno::ENOEXEC);
        }
        let (path, rest) = line.split_at(split.unwrap_or(line.len()));
        let argument = rest.trim_ascii();
        Ok(Self {
            path,
            argument: (!argument.is_empty()).then_some(argument),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> Option<Result<(&str, Option<&str>), Errno>> {
        let text_of = |bytes| core::str::from_utf8(bytes).expect("text");
        Interpreter::parse(text.as_bytes())
            .map(|found| found.map(|found| (text_of(found.path), found.argument.map(text_of))))
    }

    #[test]
    fn the_rest_of_the_line_is_one_argument() {
        assert_eq!(parsed("#!/bin/sh\necho"), Some(Ok(("/bin/sh", None))));
        assert_eq!(
            parsed("#! /usr/bin/awk  -f x \n"),
            Some(Ok(("/usr/bin/awk", Some("-f x"))))
        );
        assert_eq!(parsed("#!/bin/sh"), Some(Ok(("/bin/sh", None))));
        assert_eq!(parsed("echo"), None);
    }

    #[test]
    fn a_line_without_a_whole_path_is_refused() {
        assert_eq!(parsed("#!\n"), Some(Err(Errno::ENOEXEC)));
        assert_eq!(parsed("#!   "), Some(Err(Errno::ENOEXEC)));
        let long = alloc::format!("#!/{}", "x".repeat(400));
        assert_eq!(parsed(&long), Some(Err(Errno::ENOEXEC)));
    }
}
