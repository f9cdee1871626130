//! Boot options: the words of the command line.

use log::LevelFilter;

/// What the command line asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options<'a> {
    /// `console=UNIT`: the virtual terminal that the system speaks on; the firmware's when absent.
    pub console: Option<u32>,
    /// `result=off`: nothing is told about the end of the run, and the terminal for that is one like the others.
    pub result: bool,
    /// `log=LEVEL`: off, error, warn, info, debug or trace.
    pub log: LevelFilter,
    /// `init=PATH`: the first program.
    pub init: &'a str,
    /// `maxcpus=N`: use no more CPUs than that.
    pub maxcpus: Option<usize>,
    /// `sched=POLICY`: the scheduling policy.
    pub sched: &'a str,
    /// `test=panic`: panic on purpose once the system is up, for the tests of the panic path.
    pub test: Option<SelfTest>,
}

/// A fault that is raised on purpose.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SelfTest {
    /// A panic after boot.
    Panic,
}

impl Default for Options<'_> {
    fn default() -> Self {
        Self {
            console: None,
            result: true,
            log: LevelFilter::Warn,
            init: "/sbin/init",
            maxcpus: None,
            sched: "wlm",
            test: None,
        }
    }
}

/// A word of the command line that could not be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadOption<'a> {
    /// The word as given.
    pub word: &'a str,
    /// What was wrong with it.
    pub reason: &'static str,
}

impl<'a> Options<'a> {
    /// Reads a command line; a word that cannot be used is reported and otherwise ignored.
    ///
    /// `mem=` is boot's: it is accepted here and has been applied before.
    pub fn parse(line: &'a str, mut report: impl FnMut(BadOption<'a>)) -> Self {
        let mut options = Self::default();
        for word in line.split_ascii_whitespace() {
            if let Err(reason) = options.apply(word) {
                report(BadOption { word, reason });
            }
        }
        options
    }

    fn apply(&mut self, word: &'a str) -> Result<(), &'static str> {
        let (name, value) = word.split_once('=').ok_or("unknown option")?;
        match name {
            "console" => self.console = Some(unit(value).ok_or("not a terminal unit")?),
            "result" if value == "off" => self.result = false,
            "result" => return Err("not off"),
            "log" => {
                self.log = value
                    .parse()
                    .map_err(|_| "not off, error, warn, info, debug or trace")?
            }
            "init" if value.starts_with('/') => self.init = value,
            "init" => return Err("not an absolute path"),
            // `mem` has been applied; GRUB tells the file that it has loaded.
            "mem" | "BOOT_IMAGE" => {}
            "maxcpus" => {
                self.maxcpus = Some(
                    value
                        .parse()
                        .ok()
                        .filter(|n| *n > 0)
                        .ok_or("not a positive number")?,
                )
            }
            "sched" => {
                sched::policy_by_name(value).map_err(|_| "no such policy")?;
                self.sched = value;
            }
            "test" if value == "panic" => self.test = Some(SelfTest::Panic),
            "test" => return Err("no such test"),
            _ => return Err("unknown option"),
        }
        Ok(())
    }
}

/// A terminal unit, decimal or hexadecimal with `0x`.
fn unit(text: &str) -> Option<u32> {
    match text.strip_prefix("0x") {
        Some(digits) => u32::from_str_radix(digits, 16).ok(),
        None => text.parse().ok(),
    }
}
