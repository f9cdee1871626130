//! The settings of a terminal, in a form that is quick to ask.

use abi::linux::{
    B38400, CREAD, CS8, InputFlags, LocalFlags, NCCS, OutputFlags, Termios, VDISCARD, VEOF, VERASE,
    VINTR, VKILL, VLNEXT, VMIN, VQUIT, VREPRINT, VSTART, VSTOP, VSUSP, VTIME, VWERASE,
};

/// A `struct termios` with typed flags.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Input.
    pub input: InputFlags,
    /// Output.
    pub output: OutputFlags,
    /// Everything else.
    pub local: LocalFlags,
    cflag: u32,
    line: u8,
    speeds: (u32, u32),
    characters: [u8; NCCS],
}

impl Default for Settings {
    /// What a terminal starts with (`man 1 stty`, "sane"), for a console that speaks UTF-8.
    fn default() -> Self {
        let mut characters = [0; NCCS];
        for (place, character) in [
            (VINTR, 0x03),
            (VQUIT, 0x1c),
            (VERASE, 0x7f),
            (VKILL, 0x15),
            (VEOF, 0x04),
            (VMIN, 1),
            (VTIME, 0),
            (VSTART, 0x11),
            (VSTOP, 0x13),
            (VSUSP, 0x1a),
            (VREPRINT, 0x12),
            (VDISCARD, 0x0f),
            (VWERASE, 0x17),
            (VLNEXT, 0x16),
        ] {
            if let Some(entry) = characters.get_mut(place) {
                *entry = character;
            }
        }
        Self {
            input: InputFlags::ICRNL | InputFlags::IXON | InputFlags::IUTF8,
            output: OutputFlags::OPOST | OutputFlags::ONLCR,
            local: LocalFlags::ISIG
                | LocalFlags::ICANON
                | LocalFlags::ECHO
                | LocalFlags::ECHOE
                | LocalFlags::ECHOK
                | LocalFlags::ECHOCTL
                | LocalFlags::ECHOKE
                | LocalFlags::IEXTEN,
            cflag: B38400 | CS8 | CREAD,
            line: 0,
            speeds: (38_400, 38_400),
            characters,
        }
    }
}

impl From<Termios> for Settings {
    fn from(termios: Termios) -> Self {
        Self {
            input: InputFlags::from_bits_retain(termios.iflag),
            output: OutputFlags::from_bits_retain(termios.oflag),
            local: LocalFlags::from_bits_retain(termios.lflag),
            cflag: termios.cflag,
            line: termios.line,
            speeds: (termios.ispeed, termios.ospeed),
            characters: termios.cc,
        }
    }
}

impl From<Settings> for Termios {
    fn from(settings: Settings) -> Self {
        Self {
            iflag: settings.input.bits(),
            oflag: settings.output.bits(),
            cflag: settings.cflag,
            lflag: settings.local.bits(),
            cc: settings.characters,
            line: settings.line,
            ispeed: settings.speeds.0,
            ospeed: settings.speeds.1,
        }
    }
}

impl Settings {
    /// The value at a place of `c_cc`.
    #[must_use]
    pub fn value(&self, place: usize) -> u8 {
        self.characters.get(place).copied().unwrap_or(0)
    }

    /// Whether `byte` is the control character at `place`; 0 there means that there is none (_POSIX_VDISABLE).
    pub(crate) fn is(&self, place: usize, byte: u8) -> bool {
        byte != 0 && self.value(place) == byte
    }

    /// Whether Control-S stops output and Control-Q lets it go on.
    pub(crate) fn stops_by_control(&self) -> bool {
        self.input.contains(InputFlags::IXON) && self.is(VSTOP, 0x13) && self.is(VSTART, 0x11)
    }

    /// Whether input is read line by line.
    pub(crate) fn canonical(&self) -> bool {
        self.local.contains(LocalFlags::ICANON)
    }
}
