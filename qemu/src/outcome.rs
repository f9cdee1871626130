//! How a run ended.

use std::fmt;

/// What the kernel writes before a status on its result terminal.
const STATUS: &str = "corral-result: status ";
/// What the kernel writes there when it panics.
const PANIC: &str = "corral-result: panic";
/// What it writes there before it has the machine started again.
const RESTART: &str = "corral-result: restart";

/// How a machine came to its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The system powered off and said with which status.
    Status(u8),
    /// The machine was switched off without a status, by the person at its terminal.
    Off,
    /// The system asked to be started again; a machine that does so goes on, and what comes later counts.
    Restart,
    /// The kernel panicked.
    Panic,
    /// Nothing ended the run before its deadline.
    Hang,
    /// The emulator ended without a word from the kernel; what it said itself.
    Died(String),
}

impl Outcome {
    /// The exit status by which a command reports this end.
    #[must_use]
    pub fn exit_status(&self) -> u8 {
        match self {
            Self::Status(status) => *status,
            Self::Off => 0,
            Self::Panic => 101,
            Self::Restart => 102,
            Self::Hang => 124,
            Self::Died(_) => 125,
        }
    }

    /// Reads what the kernel left on its result terminal, and what the emulator's end adds to it.
    ///
    /// A guest panic makes the emulator exit with 1 and say nothing; its own failures say something.
    pub(crate) fn read(result: &str, emulator_status: Option<i32>, emulator_says: &str) -> Self {
        let mut restarted = false;
        for line in result
            .lines()
            .map(|line| line.trim_matches(['\0', '\r', ' ']))
        {
            if line == PANIC {
                return Self::Panic;
            }
            restarted |= line == RESTART;
            if let Some(status) = line.strip_prefix(STATUS).and_then(|text| text.parse().ok()) {
                return Self::Status(status);
            }
        }
        match emulator_status {
            Some(0) if restarted => Self::Restart,
            Some(0) => Self::Off,
            Some(1) if emulator_says.trim().is_empty() => Self::Panic,
            _ => Self::Died(emulator_says.trim().to_owned()),
        }
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Status(status) => write!(f, "status {status}"),
            Self::Off => f.write_str("switched off"),
            Self::Restart => f.write_str("the system asked for a restart"),
            Self::Panic => f.write_str("kernel panic"),
            Self::Hang => f.write_str("no end before the deadline"),
            Self::Died(said) if said.is_empty() => {
                f.write_str("the emulator ended without a result")
            }
            Self::Died(said) => write!(f, "the emulator ended without a result: {said}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Outcome;

    #[test]
    fn the_kernels_line_decides() {
        assert_eq!(
            Outcome::read("corral-result: status 7\r\n", Some(0), ""),
            Outcome::Status(7)
        );
        assert_eq!(
            Outcome::read("\0corral-result: status 255\n", Some(0), "noise"),
            Outcome::Status(255)
        );
        assert_eq!(
            Outcome::read("corral-result: panic\n", Some(1), ""),
            Outcome::Panic
        );
    }

    #[test]
    fn what_comes_after_a_restart_counts() {
        let restart = "corral-result: restart\n";
        assert_eq!(Outcome::read(restart, Some(0), ""), Outcome::Restart);
        let twice = format!("{restart}\0corral-result: status 3\n");
        assert_eq!(Outcome::read(&twice, Some(0), ""), Outcome::Status(3));
        assert_eq!(
            Outcome::read(restart, None, ""),
            Outcome::Died(String::new())
        );
    }

    #[test]
    fn a_damaged_line_is_no_status() {
        assert_eq!(
            Outcome::read("corral-result: status 256\n", Some(0), ""),
            Outcome::Off
        );
        assert_eq!(
            Outcome::read("x corral-result: status 0\n", Some(1), "bad"),
            Outcome::Died("bad".into())
        );
    }

    #[test]
    fn silence_is_told_from_the_emulators_failure() {
        assert_eq!(Outcome::read("", Some(1), ""), Outcome::Panic);
        assert_eq!(Outcome::read("", Some(0), ""), Outcome::Off);
        assert_eq!(Outcome::read("", None, ""), Outcome::Died(String::new()));
    }
}
