//! Terminals (`man 3 termios`, `man 2 ioctl_tty`) as powerpc numbers them (asm/termbits.h, asm/ioctls.h).

use super::file::{IoctlDirection, ioctl};
use super::record::record;
use bitflags::bitflags;

bitflags! {
    /// `c_iflag`.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
    pub struct InputFlags: u32 {
        /// Ignore breaks.
        const IGNBRK = 0x1;
        /// A break interrupts.
        const BRKINT = 0x2;
        /// Ignore parity errors.
        const IGNPAR = 0x4;
        /// Mark parity errors.
        const PARMRK = 0x8;
        /// Check parity.
        const INPCK = 0x10;
        /// Strip the eighth bit.
        const ISTRIP = 0x20;
        /// New-line becomes carriage return.
        const INLCR = 0x40;
        /// Ignore carriage return.
        const IGNCR = 0x80;
        /// Carriage return becomes new-line.
        const ICRNL = 0x100;
        /// START and STOP control output.
        const IXON = 0x200;
        /// Send START and STOP.
        const IXOFF = 0x400;
        /// Any character restarts output.
        const IXANY = 0x800;
        /// Upper case becomes lower case.
        const IUCLC = 0x1000;
        /// Ring the bell when the queue is full.
        const IMAXBEL = 0x2000;
        /// Erase whole UTF-8 characters.
        const IUTF8 = 0x4000;
        const _ = !0;
    }

    /// `c_oflag`.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
    pub struct OutputFlags: u32 {
        /// Process output at all.
        const OPOST = 0x1;
        /// New-line becomes carriage return and new-line.
        const ONLCR = 0x2;
        /// Lower case becomes upper case.
        const OLCUC = 0x4;
        /// Carriage return becomes new-line.
        const OCRNL = 0x8;
        /// No carriage return in column 0.
        const ONOCR = 0x10;
        /// New-line returns the carriage.
        const ONLRET = 0x20;
        /// Both bits set: tabs become spaces (XTABS).
        const TABDLY = 0xc00;
        const _ = !0;
    }

    /// `c_lflag`.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
    pub struct LocalFlags: u32 {
        /// KILL erases the line on the screen.
        const ECHOKE = 0x1;
        /// ERASE erases on the screen.
        const ECHOE = 0x2;
        /// KILL is followed by a new-line.
        const ECHOK = 0x4;
        /// Echo.
        const ECHO = 0x8;
        /// Echo new-lines even without ECHO.
        const ECHONL = 0x10;
        /// Erased characters are printed; of no effect.
        const ECHOPRT = 0x20;
        /// Echo control characters as ^X.
        const ECHOCTL = 0x40;
        /// INTR, QUIT and SUSP send signals.
        const ISIG = 0x80;
        /// Line by line.
        const ICANON = 0x100;
        /// WERASE, REPRINT, LNEXT and EOL2 act.
        const IEXTEN = 0x400;
        /// Upper case is escaped; of no effect.
        const XCASE = 0x4000;
        /// Background processes must not write.
        const TOSTOP = 0x40_0000;
        /// Output is discarded; of no effect.
        const FLUSHO = 0x80_0000;
        /// External processing; of no effect.
        const EXTPROC = 0x1000_0000;
        /// Retype pending input; of no effect.
        const PENDIN = 0x2000_0000;
        /// Signals flush nothing.
        const NOFLSH = 0x8000_0000;
        const _ = !0;
    }
}

/// Control characters in `c_cc`.
pub const NCCS: usize = 19;
/// Place in `c_cc`: interrupt.
pub const VINTR: usize = 0;
/// Place in `c_cc`: quit.
pub const VQUIT: usize = 1;
/// Place in `c_cc`: erase a character.
pub const VERASE: usize = 2;
/// Place in `c_cc`: erase the line.
pub const VKILL: usize = 3;
/// Place in `c_cc`: end of file.
pub const VEOF: usize = 4;
/// Place in `c_cc`: least number of bytes for a read.
pub const VMIN: usize = 5;
/// Place in `c_cc`: another end of line.
pub const VEOL: usize = 6;
/// Place in `c_cc`: timeout of a read in tenths of a second.
pub const VTIME: usize = 7;
/// Place in `c_cc`: yet another end of line.
pub const VEOL2: usize = 8;
/// Place in `c_cc`: switch; of no effect.
pub const VSWTC: usize = 9;
/// Place in `c_cc`: erase a word.
pub const VWERASE: usize = 10;
/// Place in `c_cc`: reprint the line.
pub const VREPRINT: usize = 11;
/// Place in `c_cc`: suspend.
pub const VSUSP: usize = 12;
/// Place in `c_cc`: start output.
pub const VSTART: usize = 13;
/// Place in `c_cc`: stop output.
pub const VSTOP: usize = 14;
/// Place in `c_cc`: take the next character literally.
pub const VLNEXT: usize = 15;
/// Place in `c_cc`: discard output; of no effect.
pub const VDISCARD: usize = 16;

/// `c_cflag`: 38400 bits a second.
pub const B38400: u32 = 15;
/// `c_cflag`: 115200 bits a second.
pub const B115200: u32 = 17;
/// `c_cflag`: 8 bits.
pub const CS8: u32 = 0x300;
/// `c_cflag`: the receiver is on.
pub const CREAD: u32 = 0x800;
/// `c_cflag`: hang up at the last close.
pub const HUPCL: u32 = 0x4000;
/// `c_cflag`: ignore modem lines.
pub const CLOCAL: u32 = 0x8000;

record! {
    /// `struct termios` of the kernel on powerpc.
    Termios [44] {
        /// [`InputFlags`].
        0 iflag: u32,
        /// [`OutputFlags`].
        4 oflag: u32,
        /// Speed and framing.
        8 cflag: u32,
        /// [`LocalFlags`].
        12 lflag: u32,
        /// Control characters.
        16 cc: [u8; 19],
        /// Line discipline.
        35 line: u8,
        /// Input speed, bits a second.
        36 ispeed: u32,
        /// Output speed, bits a second.
        40 ospeed: u32,
    }

    /// `struct termio` of System V: the lower halves of the flags, and the first control characters.
    Termio [20] {
        /// [`InputFlags`].
        0 iflag: u16,
        /// [`OutputFlags`].
        2 oflag: u16,
        /// Speed and framing.
        4 cflag: u16,
        /// [`LocalFlags`].
        6 lflag: u16,
        /// Line discipline.
        8 line: u8,
        /// Control characters.
        9 cc: [u8; 10],
    }

    /// `struct winsize`.
    Winsize [8] {
        /// Lines.
        0 rows: u16,
        /// Columns.
        2 columns: u16,
        /// Width in pixels.
        4 x_pixels: u16,
        /// Height in pixels.
        6 y_pixels: u16,
    }
}

impl Termio {
    /// What of the settings of a terminal has a place here.
    #[must_use]
    pub fn of(settings: &Termios) -> Self {
        let mut cc = [0; 10];
        cc.iter_mut()
            .zip(settings.cc)
            .for_each(|(place, character)| *place = character);
        Self {
            iflag: settings.iflag as u16,
            oflag: settings.oflag as u16,
            cflag: settings.cflag as u16,
            lflag: settings.lflag as u16,
            line: settings.line,
            cc,
        }
    }

    /// Settings with what stands here in place of what they had.
    #[must_use]
    pub fn applied_to(&self, mut settings: Termios) -> Termios {
        let put = |flags: &mut u32, half: u16| *flags = *flags & 0xffff_0000 | u32::from(half);
        put(&mut settings.iflag, self.iflag);
        put(&mut settings.oflag, self.oflag);
        put(&mut settings.cflag, self.cflag);
        put(&mut settings.lflag, self.lflag);
        settings.line = self.line;
        let places = settings.cc.iter_mut().zip(self.cc);
        places.for_each(|(place, character)| *place = character);
        settings
    }
}

/// Gets the `Termios`.
pub const TCGETS: u32 = ioctl(IoctlDirection::Read, b't', 19, Termios::SIZE);
/// Sets the `Termios` at once.
pub const TCSETS: u32 = ioctl(IoctlDirection::Write, b't', 20, Termios::SIZE);
/// Sets the `Termios` when output has drained.
pub const TCSETSW: u32 = ioctl(IoctlDirection::Write, b't', 21, Termios::SIZE);
/// Sets the `Termios` when output has drained, and discards input.
pub const TCSETSF: u32 = ioctl(IoctlDirection::Write, b't', 22, Termios::SIZE);
/// Gets the `Termio`.
pub const TCGETA: u32 = ioctl(IoctlDirection::Read, b't', 23, Termio::SIZE);
/// Sets the `Termio` at once.
pub const TCSETA: u32 = ioctl(IoctlDirection::Write, b't', 24, Termio::SIZE);
/// Sets the `Termio` when output has drained.
pub const TCSETAW: u32 = ioctl(IoctlDirection::Write, b't', 25, Termio::SIZE);
/// Sets the `Termio` when output has drained, and discards input.
pub const TCSETAF: u32 = ioctl(IoctlDirection::Write, b't', 28, Termio::SIZE);
/// Sends a break, or drains output when the argument is not 0.
pub const TCSBRK: u32 = ioctl(IoctlDirection::None, b't', 29, 0);
/// Stops or starts output or input.
pub const TCXONC: u32 = ioctl(IoctlDirection::None, b't', 30, 0);
/// Discards input, output or both.
pub const TCFLSH: u32 = ioctl(IoctlDirection::None, b't', 31, 0);
/// Sets the window size.
pub const TIOCSWINSZ: u32 = ioctl(IoctlDirection::Write, b't', 103, Winsize::SIZE);
/// Gets the window size.
pub const TIOCGWINSZ: u32 = ioctl(IoctlDirection::Read, b't', 104, Winsize::SIZE);
/// Bytes of output that have not drained.
pub const TIOCOUTQ: u32 = ioctl(IoctlDirection::Read, b't', 115, 4);
/// Sets the foreground process group.
pub const TIOCSPGRP: u32 = ioctl(IoctlDirection::Write, b't', 118, 4);
/// Gets the foreground process group.
pub const TIOCGPGRP: u32 = ioctl(IoctlDirection::Read, b't', 119, 4);
/// Makes it the controlling terminal.
pub const TIOCSCTTY: u32 = 0x540e;
/// Begins and ends packet mode, at the master of a pty.
pub const TIOCPKT: u32 = 0x5420;
/// Whether there is packet mode.
pub const TIOCGPKT: u32 = ioctl(IoctlDirection::Read, b'T', 0x38, 4);
/// Pretends a byte of input.
pub const TIOCSTI: u32 = 0x5412;
/// Gives up the controlling terminal.
pub const TIOCNOTTY: u32 = 0x5422;
/// Sets the line discipline.
pub const TIOCSETD: u32 = 0x5423;
/// Gets the line discipline.
pub const TIOCGETD: u32 = 0x5424;
/// Sends a break of some length.
pub const TCSBRKP: u32 = 0x5425;
/// Gets the session.
pub const TIOCGSID: u32 = 0x5429;
/// Gets the number of a pty.
pub const TIOCGPTN: u32 = ioctl(IoctlDirection::Read, b'T', 0x30, 4);
/// Locks or unlocks a pty.
pub const TIOCSPTLCK: u32 = ioctl(IoctlDirection::Write, b'T', 0x31, 4);
/// Sends a signal to the foreground group, from the master of a pty.
pub const TIOCSIG: u32 = ioctl(IoctlDirection::Write, b'T', 0x36, 4);
/// Hangs up.
pub const TIOCVHANGUP: u32 = 0x5437;
/// Whether a pty is locked.
pub const TIOCGPTLCK: u32 = ioctl(IoctlDirection::Read, b'T', 0x39, 4);
/// Opens the other end of a pty.
pub const TIOCGPTPEER: u32 = ioctl(IoctlDirection::None, b'T', 0x41, 0);

bitflags! {
    /// What the master of a pty is told of the slave in packet mode (`man 2 ioctl_tty`, TIOCPKT).
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
    pub struct PacketStatus: u8 {
        /// Input has been thrown away.
        const FLUSHREAD = 1 << 0;
        /// Output has been thrown away.
        const FLUSHWRITE = 1 << 1;
        /// Output is stopped.
        const STOP = 1 << 2;
        /// Output goes on.
        const START = 1 << 3;
        /// Control-S and Control-Q do not stop and start output any more.
        const NOSTOP = 1 << 4;
        /// They do.
        const DOSTOP = 1 << 5;
    }
}

/// `TCXONC`: stop output.
pub const TCOOFF: u64 = 0;
/// `TCXONC`: start output.
pub const TCOON: u64 = 1;
/// `TCXONC`: send STOP.
pub const TCIOFF: u64 = 2;
/// `TCXONC`: send START.
pub const TCION: u64 = 3;
/// `TCFLSH`: discard input.
pub const TCIFLUSH: u64 = 0;
/// `TCFLSH`: discard output.
pub const TCOFLUSH: u64 = 1;
/// `TCFLSH`: discard both.
pub const TCIOFLUSH: u64 = 2;
