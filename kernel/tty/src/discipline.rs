//! What is typed: line editing, echo and characters with a meaning (`man 3 termios`, "Canonical and
//! noncanonical mode").

use crate::output::Output;
use crate::settings::Settings;
use abi::linux::{
    InputFlags, LocalFlags, SignalNumber, VEOF, VEOL, VEOL2, VERASE, VINTR, VKILL, VLNEXT, VMIN,
    VQUIT, VREPRINT, VSTART, VSTOP, VSUSP, VTIME, VWERASE,
};
use alloc::collections::VecDeque;
use alloc::vec::Vec;

/// Input that has been typed and not been read.
#[derive(Default)]
pub(crate) struct Discipline {
    /// Complete lines, or all input when reading is not by lines.
    ready: VecDeque<u8>,
    /// Lengths of what is left of the lines in `ready`; 0 is an end of file.
    lines: VecDeque<usize>,
    /// The line that is being edited.
    line: Vec<u8>,
    /// The column that the line starts in.
    start: usize,
    /// The next character is taken literally.
    literal: bool,
}

/// What a character meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Meaning {
    /// There may be something to read.
    Input,
    /// A signal for the foreground group.
    Signal(SignalNumber),
    /// Output has been started or stopped.
    Flow,
    /// Nothing that anybody waits for.
    Nothing,
}

/// How many bytes of input are kept (`MAX_INPUT` and `MAX_CANON` are 255; Linux keeps this much).
const FULL: usize = 4096;
const BELL: u8 = 7;

/// Whether a byte of a character that is not its first (UTF-8).
fn continues(byte: u8) -> bool {
    byte & 0xc0 == 0x80
}

impl Discipline {
    /// Whether a character can be taken without loss. While a line is edited it can always be: only its end
    /// makes room, so what does not fit is refused with the bell.
    pub(crate) fn has_room(&self, settings: &Settings) -> bool {
        self.ready.len() + self.line.len() < FULL || (settings.canonical() && self.lines.is_empty())
    }

    /// How many bytes `FIONREAD` tells of.
    pub(crate) fn available(&self, settings: &Settings) -> usize {
        if settings.canonical() {
            self.lines.iter().sum()
        } else {
            self.ready.len()
        }
    }

    /// Whether `poll` calls the terminal readable.
    pub(crate) fn is_readable(&self, settings: &Settings) -> bool {
        if settings.canonical() {
            return !self.lines.is_empty();
        }
        let least = if settings.value(VTIME) == 0 {
            settings.value(VMIN)
        } else {
            1
        };
        self.ready.len() >= usize::from(least.max(1))
    }

    /// The bytes that a read of up to `room` bytes gets now; `None` when there is no line yet. An empty slice is the end
    /// of file for canonical reading.
    pub(crate) fn next(&mut self, settings: &Settings, room: usize) -> Option<&[u8]> {
        let length = if settings.canonical() {
            *self.lines.front()?
        } else {
            self.ready.len()
        };
        self.ready.make_contiguous().get(..length.min(room))
    }

    /// Takes out what [`Discipline::next`] showed.
    pub(crate) fn consume(&mut self, settings: &Settings, count: usize) {
        self.ready.drain(..count.min(self.ready.len()));
        if settings.canonical()
            && let Some(left) = self.lines.front_mut()
        {
            *left = left.saturating_sub(count);
            if *left == 0 {
                self.lines.pop_front();
            }
        }
    }

    /// Drops all input.
    pub(crate) fn discard(&mut self) {
        self.ready.clear();
        self.lines.clear();
        self.line.clear();
        self.literal = false;
    }

    /// What has been typed stays readable when the way of reading changes.
    pub(crate) fn change(&mut self, old: &Settings, new: &Settings) {
        if old.canonical() == new.canonical() {
            return;
        }
        self.lines.clear();
        self.literal = false;
        if new.canonical() {
            if !self.ready.is_empty() {
                // One number; the bytes would not be readable without it.
                fallible::assured(|| self.lines.push_back(self.ready.len()));
            }
        } else {
            self.ready.extend(self.line.drain(..));
        }
    }

    /// Takes a character from the driver.
    pub(crate) fn receive(
        &mut self,
        settings: &Settings,
        output: &mut Output,
        byte: u8,
    ) -> Meaning {
        let mut byte = byte;
        if settings.input.contains(InputFlags::ISTRIP) {
            byte &= 0x7f;
        }
        if settings.input.contains(InputFlags::IUCLC) && settings.local.contains(LocalFlags::IEXTEN)
        {
            byte = byte.to_ascii_lowercase();
        }
        if self.literal && self.reserve() {
            self.literal = false;
            return self.store(settings, output, byte);
        }
        if let Some(meaning) = flow(settings, output, byte) {
            return meaning;
        }
        if let Some(signal) = signal(settings, byte) {
            self.interrupt(settings, output, byte);
            return Meaning::Signal(signal);
        }
        match byte {
            b'\r' if settings.input.contains(InputFlags::IGNCR) => return Meaning::Nothing,
            b'\r' if settings.input.contains(InputFlags::ICRNL) => byte = b'\n',
            b'\n' if settings.input.contains(InputFlags::INLCR) => byte = b'\r',
            _ => {}
        }
        if !self.reserve() {
            return bell(settings, output);
        }
        if settings.canonical() {
            if let Some(meaning) = self.edit(settings, output, byte) {
                return meaning;
            }
        } else if settings.local.contains(LocalFlags::IEXTEN) && settings.is(VLNEXT, byte) {
            self.literal = true;
            return Meaning::Nothing;
        }
        self.store(settings, output, byte)
    }

    /// Makes room for one more character, also where the line goes when it is complete; false without memory for it.
    fn reserve(&mut self) -> bool {
        self.line.try_reserve(1).is_ok()
            && self.ready.try_reserve(self.line.len() + 1).is_ok()
            && self.lines.try_reserve(1).is_ok()
    }

    /// Adds a character to the input. There is room for it.
    fn store(&mut self, settings: &Settings, output: &mut Output, byte: u8) -> Meaning {
        if !settings.canonical() {
            if self.ready.len() >= FULL {
                return bell(settings, output);
            }
            self.ready.push_back(byte);
            echo(settings, output, byte);
            return Meaning::Input;
        }
        // Room is kept for the end of the line.
        if self.ready.len() + self.line.len() >= FULL - 1 {
            return bell(settings, output);
        }
        if self.line.is_empty() {
            self.start = output.column();
        }
        self.line.push(byte);
        echo(settings, output, byte);
        Meaning::Nothing
    }

    /// The line is complete.
    fn complete(&mut self) -> Meaning {
        self.lines.push_back(self.line.len());
        self.ready.extend(self.line.drain(..));
        Meaning::Input
    }

    /// Characters that mean something while a line is edited.
    fn edit(&mut self, settings: &Settings, output: &mut Output, byte: u8) -> Option<Meaning> {
        let extended = settings.local.contains(LocalFlags::IEXTEN);
        let shown = settings.local.contains(LocalFlags::ECHO);
        if byte == b'\n' {
            if shown || settings.local.contains(LocalFlags::ECHONL) {
                output.echo(settings, b"\n");
            }
            self.line.push(byte);
            return Some(self.complete());
        }
        if settings.is(VEOF, byte) {
            return Some(self.complete());
        }
        if settings.is(VEOL, byte) || (extended && settings.is(VEOL2, byte)) {
            echo(settings, output, byte);
            self.line.push(byte);
            return Some(self.complete());
        }
        if settings.is(VERASE, byte) {
            self.erase(settings, output, byte, 1);
        } else if extended && settings.is(VWERASE, byte) {
            let count = self.last_word();
            self.erase(settings, output, byte, count);
        } else if settings.is(VKILL, byte) {
            self.kill(settings, output, byte);
        } else if extended && settings.is(VLNEXT, byte) {
            self.literal = true;
            if shown && settings.local.contains(LocalFlags::ECHOCTL) {
                output.echo(settings, b"^\x08");
            }
        } else if extended && settings.is(VREPRINT, byte) {
            self.reprint(settings, output, byte);
        } else {
            return None;
        }
        Some(Meaning::Nothing)
    }

    /// How many characters the last word has, with what is not a letter, digit or underscore behind it.
    fn last_word(&self) -> usize {
        let in_word = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'_' || *byte >= 0x80;
        let behind = self
            .line
            .iter()
            .rev()
            .take_while(|byte| !in_word(byte))
            .count();
        let word = self
            .line
            .iter()
            .rev()
            .skip(behind)
            .take_while(|byte| in_word(byte));
        let continuations = word.clone().filter(|byte| continues(**byte)).count();
        behind + word.count() - continuations
    }

    /// Takes the last character off the line, with all its bytes.
    fn take_last(&mut self, settings: &Settings) -> Option<u8> {
        let mut last = self.line.pop()?;
        while settings.input.contains(InputFlags::IUTF8) && continues(last) {
            match self.line.pop() {
                Some(before) => last = before,
                None => break,
            }
        }
        Some(last)
    }

    /// Erases `count` characters, and what shows of them.
    fn erase(&mut self, settings: &Settings, output: &mut Output, byte: u8, count: usize) {
        let shown = settings.local.contains(LocalFlags::ECHO);
        if self.line.is_empty() {
            return;
        }
        if shown && !settings.local.contains(LocalFlags::ECHOE) {
            echo(settings, output, byte);
        }
        for _ in 0..count {
            let Some(last) = self.take_last(settings) else {
                break;
            };
            if shown && settings.local.contains(LocalFlags::ECHOE) {
                self.wipe(settings, output, last);
            }
        }
    }

    /// Wipes the last character, which has left the line, off the screen.
    fn wipe(&self, settings: &Settings, output: &mut Output, last: u8) {
        if last == b'\t' {
            let column = self.line.iter().fold(self.start, |column, byte| {
                column + width(settings, *byte, column)
            });
            for _ in 0..width(settings, b'\t', column) {
                output.echo(settings, b"\x08");
            }
            return;
        }
        for _ in 0..width(settings, last, 0) {
            output.echo(settings, b"\x08 \x08");
        }
    }

    fn kill(&mut self, settings: &Settings, output: &mut Output, byte: u8) {
        let erases = LocalFlags::ECHO | LocalFlags::ECHOE | LocalFlags::ECHOK | LocalFlags::ECHOKE;
        if settings.local.contains(erases) {
            self.erase(settings, output, byte, usize::MAX);
            return;
        }
        self.line.clear();
        echo(settings, output, byte);
        if settings
            .local
            .contains(LocalFlags::ECHO | LocalFlags::ECHOK)
        {
            output.echo(settings, b"\n");
        }
    }

    fn reprint(&mut self, settings: &Settings, output: &mut Output, byte: u8) {
        echo(settings, output, byte);
        if settings.local.contains(LocalFlags::ECHO) {
            output.echo(settings, b"\n");
            self.start = output.column();
            for byte in &self.line {
                echo(settings, output, *byte);
            }
        }
    }

    /// Prepares for a signal from the keyboard: pending input and output are dropped unless NOFLSH.
    fn interrupt(&mut self, settings: &Settings, output: &mut Output, byte: u8) {
        if !settings.local.contains(LocalFlags::NOFLSH) {
            self.discard();
            output.discard();
        }
        output.stopped = false;
        echo(settings, output, byte);
    }
}

/// The columns that a character takes when it is echoed in a column.
fn width(settings: &Settings, byte: u8, column: usize) -> usize {
    match byte {
        b'\t' => 8 - column % 8,
        0..0x20 | 0x7f if settings.local.contains(LocalFlags::ECHOCTL) => 2,
        0..0x20 | 0x7f => 0,
        _ if settings.input.contains(InputFlags::IUTF8) && continues(byte) => 0,
        _ => 1,
    }
}

/// Echoes a character, control characters as ^X.
fn echo(settings: &Settings, output: &mut Output, byte: u8) {
    if !settings.local.contains(LocalFlags::ECHO) {
        return;
    }
    let control = matches!(byte, 0..0x20 | 0x7f) && !matches!(byte, b'\t' | b'\n');
    if control && settings.local.contains(LocalFlags::ECHOCTL) {
        output.echo(settings, &[b'^', byte ^ 0x40]);
    } else {
        output.echo(settings, &[byte]);
    }
}

fn bell(settings: &Settings, output: &mut Output) -> Meaning {
    if settings.input.contains(InputFlags::IMAXBEL) {
        output.echo(settings, &[BELL]);
    }
    Meaning::Nothing
}

/// START and STOP.
fn flow(settings: &Settings, output: &mut Output, byte: u8) -> Option<Meaning> {
    if !settings.input.contains(InputFlags::IXON) {
        return None;
    }
    // One character in both places toggles.
    if settings.is(VSTART, byte) && (output.stopped || !settings.is(VSTOP, byte)) {
        output.stopped = false;
        return Some(Meaning::Flow);
    }
    if settings.is(VSTOP, byte) {
        output.stopped = true;
        return Some(Meaning::Flow);
    }
    if output.stopped && settings.input.contains(InputFlags::IXANY) {
        output.stopped = false;
    }
    None
}

/// The signal that a character means.
fn signal(settings: &Settings, byte: u8) -> Option<SignalNumber> {
    if !settings.local.contains(LocalFlags::ISIG) {
        return None;
    }
    [
        (VINTR, SignalNumber::SIGINT),
        (VQUIT, SignalNumber::SIGQUIT),
        (VSUSP, SignalNumber::SIGTSTP),
    ]
    .into_iter()
    .find_map(|(place, signal)| settings.is(place, byte).then_some(signal))
}

#[cfg(test)]
mod tests;
