//! What is printed: output processing (`man 3 termios`, `c_oflag`) and the queue before the driver.

use crate::settings::Settings;
use abi::linux::OutputFlags;
use alloc::collections::VecDeque;
use fallible::NoMemory;

/// The queue of processed bytes, and the column that the cursor is in.
#[derive(Default)]
pub(crate) struct Output {
    queue: VecDeque<u8>,
    column: usize,
    /// Stopped by the STOP character or `TCXONC`.
    pub(crate) stopped: bool,
}

/// Writers wait while the queue is at least this long.
const FULL: usize = 4096;
/// What is echoed beyond this is lost.
const LIMIT: usize = 2 * FULL;
const TAB: usize = 8;

impl Output {
    /// Whether a writer may add to the queue.
    pub(crate) fn has_room(&self) -> bool {
        self.queue.len() < FULL
    }

    /// Whether everything has gone to the driver.
    pub(crate) fn is_drained(&self) -> bool {
        self.queue.is_empty()
    }

    /// Bytes in the queue.
    pub(crate) fn len(&self) -> usize {
        self.queue.len()
    }

    /// The column of the cursor, counted from 0.
    pub(crate) fn column(&self) -> usize {
        self.column
    }

    /// Drops what has not gone to the driver.
    pub(crate) fn discard(&mut self) {
        self.queue.clear();
    }

    /// Makes room for `count` bytes, whatever becomes of them.
    ///
    /// # Errors
    /// [`NoMemory`].
    pub(crate) fn reserve(&mut self, count: usize) -> Result<(), NoMemory> {
        Ok(self.queue.try_reserve(count * TAB)?)
    }

    /// Adds bytes, processed as the settings say. There is room for them.
    pub(crate) fn print(&mut self, settings: &Settings, bytes: &[u8]) {
        if !settings.output.contains(OutputFlags::OPOST) {
            self.queue.extend(bytes);
            return;
        }
        for byte in bytes {
            self.print_byte(settings, *byte);
        }
    }

    /// Adds what is echoed; it is lost when nobody takes output, and when there is no memory.
    pub(crate) fn echo(&mut self, settings: &Settings, bytes: &[u8]) {
        if self.queue.len() < LIMIT && self.reserve(bytes.len()).is_ok() {
            self.print(settings, bytes);
        }
    }

    fn print_byte(&mut self, settings: &Settings, byte: u8) {
        let flags = settings.output;
        match byte {
            b'\n' => {
                if flags.contains(OutputFlags::ONLCR) {
                    self.queue.push_back(b'\r');
                }
                if flags.intersects(OutputFlags::ONLCR | OutputFlags::ONLRET) {
                    self.column = 0;
                }
                self.queue.push_back(b'\n');
            }
            b'\r' if flags.contains(OutputFlags::ONOCR) && self.column == 0 => {}
            b'\r' if flags.contains(OutputFlags::OCRNL) => {
                if flags.contains(OutputFlags::ONLRET) {
                    self.column = 0;
                }
                self.queue.push_back(b'\n');
            }
            b'\r' => {
                self.column = 0;
                self.queue.push_back(b'\r');
            }
            b'\t' => {
                let width = TAB - self.column % TAB;
                self.column += width;
                if flags.contains(OutputFlags::TABDLY) {
                    self.queue.extend(core::iter::repeat_n(b' ', width));
                } else {
                    self.queue.push_back(b'\t');
                }
            }
            8 => {
                self.column = self.column.saturating_sub(1);
                self.queue.push_back(byte);
            }
            _ => {
                let byte = if flags.contains(OutputFlags::OLCUC) {
                    byte.to_ascii_uppercase()
                } else {
                    byte
                };
                let continues = byte & 0xc0 == 0x80;
                if byte >= 0x20 && byte != 0x7f && !continues {
                    self.column += 1;
                }
                self.queue.push_back(byte);
            }
        }
    }

    /// Hands the queue to the driver until that takes no more; answers whether anything went.
    pub(crate) fn flush(&mut self, mut driver: impl FnMut(&[u8]) -> usize) -> bool {
        let mut any = false;
        while !self.stopped && !self.queue.is_empty() {
            let (front, _) = self.queue.as_slices();
            let taken = driver(front).min(front.len());
            if taken == 0 {
                break;
            }
            self.queue.drain(..taken);
            any = true;
        }
        any
    }
}
