//! What the kernel says: its messages on the console, and its part of a panic's report.

use crate::current;
use crate::power;
use core::fmt::{self, Write};
use log::{Level, LevelFilter, Log, Metadata, Record};

struct Messages;

impl Log for Messages {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.level() <= log::max_level()
    }

    fn log(&self, record: &Record<'_>) {
        if !self.enabled(record.metadata()) {
            return;
        }
        let level = match record.level() {
            Level::Error => "error: ",
            Level::Warn => "warning: ",
            _ => "",
        };
        // The console takes everything; there is nobody to tell if not.
        writeln!(arch::console::Text, "corral: {level}{}", record.args()).ok();
    }

    fn flush(&self) {}
}

static MESSAGES: Messages = Messages;

/// Makes messages up to `level` appear on the console.
pub fn enable(level: LevelFilter) {
    // Only the first call can set the logger; a later one only changes the level.
    log::set_logger(&MESSAGES).ok();
    log::set_max_level(level);
    arch::fatal::set_description(describe);
}

/// Who the kernel worked for when it panicked. Takes no lock that may be held.
fn describe(report: &mut dyn Write) -> fmt::Result {
    power::tell_panic();
    #[cfg(debug_assertions)]
    crate::injection::describe(report)?;
    match current::peek() {
        Some((cid, tid)) => write!(report, "partition {cid}, thread {tid}"),
        None => report.write_str("no thread"),
    }
}
