//! Messages: their numbers and texts, and where they go.
//!
//! An error is one line `COMMAND: 0960-NNN text` on standard error. Numbers below 500 are those of the
//! interface that Corral follows; the rest are Corral's own. `WPAR_SCREEN_LVL` and `WPAR_LOGFILE_LVL` say how much
//! is shown and logged.

use std::fmt;
use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};

/// Defines [`Message`], its numbers and its texts in one table.
macro_rules! messages {
    ($($number:literal $name:ident { $($field:ident),* } $text:literal;)*) => {
        /// A numbered message.
        #[derive(Clone, Debug, PartialEq, Eq)]
        #[allow(missing_docs, reason = "the text says what each means")]
        pub enum Message {
            $($name { $($field: String),* },)*
        }

        impl Message {
            /// The number after `0960-`.
            pub fn number(&self) -> u16 {
                match self {
                    $(Self::$name { .. } => $number,)*
                }
            }
        }

        impl fmt::Display for Message {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                match self {
                    $(Self::$name { $($field),* } => write!(f, $text $(, $field = $field)*),)*
                }
            }
        }

        #[cfg(test)]
        const NUMBERS: &[u16] = &[$($number),*];
    };
}

messages! {
    2 FileExists { path } "{path} already exists.";
    53 RunningRename {} "The name (-n) of a running workload partition cannot change.";
    105 NotUnique { attribute, value, owner } "{attribute} must be unique: {value} belongs to {owner}.";
    246 Locked { name, operation, pid } "Workload partition {name} is currently locked by {operation} (PID = {pid}).";
    261 Waiting { seconds } "Waiting up to {seconds} seconds for workload partition to halt.";
    318 DirectoryNotEmpty { path } "Workload partition directory {path} is not empty.";
    390 HowToStart { name } "To start the workload partition: startwpar [-v] {name}";
    500 NoSuchWpar { name } "There is no workload partition named {name}.";
    501 BadName { name, reason } "{name} is no workload partition name: {reason}.";
    502 BadHostname { hostname } "{hostname} is no host name: 1 to 64 letters, digits, '-' and '.'.";
    503 Resource { reason } "{reason}";
    504 WrongState { name, state, operation } "Workload partition {name} is in state {state}: {operation} is not possible.";
    505 Refused { request, reason } "The kernel refused to {request}: {reason}.";
    506 Unreachable { reason } "The kernel's control interface does not answer: {reason}.";
    507 File { path, reason } "{path}: {reason}.";
    508 StaleLock { name, operation, pid } "Broke the lock of {operation} (PID = {pid}) on workload partition {name}: its owner is gone.";
    509 GlobalOnly {} "Only the global environment can do this.";
    510 TimedOut { name, seconds } "Workload partition {name} did not halt within {seconds} seconds; stopwpar -F ends it.";
    511 CommandNotFound { command } "{command}: command not found.";
    512 NotExecutable { command, reason } "{command}: cannot be executed: {reason}.";
    513 StartFailed { name, reason } "Workload partition {name} did not start: {reason}.";
    514 Interrupted {} "Interrupted; everything was undone.";
    515 BadStanza { path, line, reason } "{path}, line {line}: {reason}.";
    516 NotSupported { what } "{what} is not supported in this release.";
    517 MountedBelow { path } "A file system is mounted on {path}.";
    518 NoSuchUser { user } "There is no user {user}.";
    519 BadDirectory { path } "{path} is no base directory: it must be an absolute path below / without '..'.";
    520 NotLocked { name } "Workload partition {name} is not locked by that process.";
    521 BadAttribute { attribute, value } "{attribute} ({value}) is not allowed.";
    522 Resolved { attribute, old, new } "{attribute} {old} was taken and became {new}.";
    523 LogoutOnly { name } "Workload partition {name} is an application: only a system workload partition can be entered.";
    524 NotDefined { what } "{what} needs a system workload partition.";
    525 Broken { name, reason } "Workload partition {name} is broken: {reason}.";
    526 NoResourceSet { name } "There is no resource set {name}.";
    527 NoTunable { name } "{name} is no tunable parameter: schedo -a lists them.";
    529 BadTunable { name, value, allowed } "{name} ({value}) must be {allowed}.";
    528 NeedsTerminal {} "A live view needs a terminal; -n COUNT writes so many reports.";
}

/// How much is said.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// Nothing.
    Off,
    /// What failed.
    Error,
    /// What may not be what was wanted.
    Warning,
    /// What goes on.
    Info,
    /// Details for experienced people.
    Verbose,
    /// Details for developers.
    Debug,
}

impl Level {
    /// A level by its name or first letter, in any case.
    fn parse(text: &str) -> Option<Self> {
        let all = [
            ("OFF", Self::Off),
            ("ERROR", Self::Error),
            ("WARNING", Self::Warning),
            ("INFO", Self::Info),
            ("VERBOSE", Self::Verbose),
            ("DEBUG", Self::Debug),
        ];
        let text = text.to_ascii_uppercase();
        all.into_iter()
            .find(|(name, _)| !text.is_empty() && name.starts_with(&text))
            .map(|(_, level)| level)
    }

    fn letter(self) -> char {
        match self {
            Self::Off => 'O',
            Self::Error => 'E',
            Self::Warning => 'W',
            Self::Info => 'I',
            Self::Verbose => 'V',
            Self::Debug => 'D',
        }
    }
}

/// The log begins anew when it has this many bytes; the former one is kept beside it. Files are in memory.
const LOG_LIMIT: u64 = 1 << 16;

/// Says things on the screen and in the log.
pub struct Reporter {
    command: &'static str,
    wpar: String,
    screen: Level,
    logged: Level,
    log: PathBuf,
}

impl Reporter {
    /// For a command whose own level is `own`; the environment may say otherwise.
    pub fn new(command: &'static str, own: Level, log: &Path) -> Self {
        let from = |variable| {
            std::env::var(variable)
                .ok()
                .and_then(|text| Level::parse(&text))
        };
        // A command that is quiet by default is one that runs often; it does not fill the log either.
        let log_default = if own < Level::Info {
            own
        } else {
            Level::Verbose
        };
        Self {
            command,
            wpar: "-".to_owned(),
            screen: from("WPAR_SCREEN_LVL").unwrap_or(own),
            logged: from("WPAR_LOGFILE_LVL").unwrap_or(log_default),
            log: log.to_owned(),
        }
    }

    /// Name of the command.
    pub fn command(&self) -> &'static str {
        self.command
    }

    /// `-v`: at least VERBOSE.
    pub fn be_verbose(&mut self) {
        self.screen = self.screen.max(Level::Verbose);
    }

    /// Which WPAR the log lines are about.
    pub fn about(&mut self, wpar: &str) {
        wpar.clone_into(&mut self.wpar);
    }

    /// A numbered error.
    pub fn error(&self, message: &Message) {
        self.say(Level::Error, &self.numbered(message));
    }

    /// A numbered warning.
    pub fn warning(&self, message: &Message) {
        self.say(Level::Warning, &self.numbered(message));
    }

    /// A numbered line about what goes on.
    pub fn note(&self, message: &Message) {
        self.say(Level::Info, &self.numbered(message));
    }

    /// A line about what goes on.
    pub fn info(&self, text: &str) {
        self.say(Level::Info, text);
    }

    /// A detail.
    pub fn verbose(&self, text: &str) {
        self.say(Level::Verbose, text);
    }

    fn numbered(&self, message: &Message) -> String {
        format!("{}: 0960-{:03} {message}", self.command, message.number())
    }

    fn say(&self, level: Level, text: &str) {
        // One line whatever a name or a file contained.
        let text: String = text
            .chars()
            .map(|c| if c.is_control() { '?' } else { c })
            .collect();
        if level <= self.screen {
            // Nobody is left to tell when the screen is gone.
            let _gone = match level {
                Level::Info => writeln!(std::io::stdout(), "{text}"),
                _ => writeln!(std::io::stderr(), "{text}"),
            };
        }
        if level <= self.logged {
            // A full or missing log must not keep a WPAR from being administered.
            let _lost = self.append(level, &text);
        }
    }

    fn append(&self, level: Level, text: &str) -> std::io::Result<()> {
        let mut log = OpenOptions::new()
            .append(true)
            .create(true)
            .open(&self.log)?;
        let line = format!(
            "{} {} {} {} {} {text}\n",
            level.letter(),
            crate::clock::log_time(),
            std::process::id(),
            self.command,
            self.wpar
        );
        log.write_all(line.as_bytes())?;
        if log.metadata()?.len() > LOG_LIMIT {
            fs::rename(&self.log, self.log.with_extension("log.old"))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_unique() {
        let mut sorted = NUMBERS.to_vec();
        sorted.sort_unstable();
        sorted.dedup();
        assert_eq!(sorted.len(), NUMBERS.len());
    }

    #[test]
    fn levels_by_name_and_letter() {
        assert_eq!(Level::parse("verbose"), Some(Level::Verbose));
        assert_eq!(Level::parse("d"), Some(Level::Debug));
        assert_eq!(Level::parse("Off"), Some(Level::Off));
        assert_eq!(Level::parse(""), None);
        assert_eq!(Level::parse("loud"), None);
    }
}
