//! The terminal as a screen: keys at once, a page of its own, and all of it undone at the end.

use crate::interruption::Interruption;
use rustix::event::{PollFd, PollFlags, poll};
use rustix::fs::Timespec;
use rustix::io::Errno;
use rustix::stdio::stdin;
use rustix::termios::{
    LocalModes, OptionalActions, SpecialCodeIndex, Termios, tcgetattr, tcgetwinsize, tcsetattr,
};
use std::io::{self, Write};
use std::time::Instant;

/// A terminal that does not know its size.
const USUAL: (usize, usize) = (24, 80);

/// The other page of the terminal, without a cursor; and back.
const ENTER: &str = "\x1b[?1049h\x1b[?25l";
const LEAVE: &str = "\x1b[?25h\x1b[?1049l";
/// To the top; the rest of the line; the rest of the screen.
const TOP: &str = "\x1b[H";
const REST_OF_LINE: &str = "\x1b[K\r\n";
const REST_OF_SCREEN: &str = "\x1b[J";

/// What a person has pressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Key {
    /// q, Ctrl-C; also a signal that wants the end, and the terminal's end.
    Leave,
    /// Something else.
    Other,
    /// Nothing, until the time that was given.
    None,
}

/// The terminal while it shows a view.
pub struct Screen {
    before: Termios,
    interruption: Interruption,
}

impl Screen {
    /// Takes the terminal.
    pub fn open() -> io::Result<Self> {
        let before = tcgetattr(stdin())?;
        let screen = Self {
            before: before.clone(),
            interruption: Interruption::note()?,
        };
        let mut raw = before;
        raw.local_modes
            .remove(LocalModes::ICANON | LocalModes::ECHO | LocalModes::ISIG);
        raw.special_codes[SpecialCodeIndex::VMIN] = 0;
        raw.special_codes[SpecialCodeIndex::VTIME] = 0;
        tcsetattr(stdin(), OptionalActions::Now, &raw)?;
        write(ENTER)?;
        Ok(screen)
    }

    /// Rows and columns, as they are now.
    pub fn size(&self) -> (usize, usize) {
        match tcgetwinsize(stdin()) {
            Ok(size) if size.ws_row > 0 && size.ws_col > 0 => {
                (size.ws_row.into(), size.ws_col.into())
            }
            _ => USUAL,
        }
    }

    /// Shows lines from the top, at most as many as there are rows.
    pub fn show(&self, lines: &[String]) -> io::Result<()> {
        let mut text = String::from(TOP);
        for (number, line) in lines.iter().enumerate() {
            if number > 0 {
                text.push_str(REST_OF_LINE);
            }
            text.push_str(line);
        }
        text.push_str("\x1b[K");
        text.push_str(REST_OF_SCREEN);
        write(&text)
    }

    /// Waits for a key until a point of time.
    pub fn wait(&self, end: Instant) -> io::Result<Key> {
        loop {
            if self.interruption.wanted() {
                return Ok(Key::Leave);
            }
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                // However many keys there are: the view is to move.
                return Ok(Key::None);
            }
            let timeout = Timespec::try_from(left).unwrap_or_default();
            let input = stdin();
            let mut files = [PollFd::new(&input, PollFlags::IN)];
            match poll(&mut files, Some(&timeout)) {
                Ok(0) => return Ok(Key::None),
                Ok(_) => return read_key(),
                Err(Errno::INTR) => {}
                Err(errno) => return Err(errno.into()),
            }
        }
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        // The terminal may be gone; there is nobody to tell then.
        let _shown = write(LEAVE);
        let _set = tcsetattr(stdin(), OptionalActions::Flush, &self.before);
    }
}

fn read_key() -> io::Result<Key> {
    let mut byte = [0];
    match rustix::io::read(stdin(), &mut byte) {
        Ok(0) => Ok(Key::Leave),
        Ok(_) if [b'q', b'Q', 3, 4].contains(&byte[0]) => Ok(Key::Leave),
        Ok(_) | Err(Errno::INTR | Errno::AGAIN) => Ok(Key::Other),
        Err(errno) => Err(errno.into()),
    }
}

fn write(text: &str) -> io::Result<()> {
    let mut output = io::stdout().lock();
    output.write_all(text.as_bytes())?;
    output.flush()
}
