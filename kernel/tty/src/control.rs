//! ioctls of terminals (`man 2 ioctl_tty`).
//!
//! Not there, and so ENOTTY: modem lines, serial parameters,
//! exclusive mode. A break has no meaning on the terminals that there are.

use crate::jobs::Caller;
use crate::settings::Settings;
use crate::terminal::TerminalFile;
use abi::linux::{
    FIONREAD, PacketStatus, SignalNumber, TCFLSH, TCGETA, TCGETS, TCIFLUSH, TCIOFF, TCIOFLUSH,
    TCION, TCOFLUSH, TCOOFF, TCOON, TCSBRK, TCSBRKP, TCSETA, TCSETAF, TCSETAW, TCSETS, TCSETSF,
    TCSETSW, TCXONC, TIOCGETD, TIOCGPGRP, TIOCGSID, TIOCGWINSZ, TIOCNOTTY, TIOCOUTQ, TIOCSCTTY,
    TIOCSETD, TIOCSPGRP, TIOCSTI, TIOCSWINSZ, TIOCVHANGUP, Termio, Termios, VSTART, VSTOP, Winsize,
};
use abi::{Errno, Pid};
use process::VPid;
use security::Privileges;
use vfs::{IoContext, IoctlArgument};
use wait::{Attempt, Stop};

impl TerminalFile {
    pub(crate) fn control_request(
        &self,
        cx: &IoContext<'_>,
        request: u32,
        argument: &mut dyn IoctlArgument,
    ) -> Attempt<i64> {
        if self.hung_up(&self.terminal.state.lock()) {
            return Err(Errno::EIO.into());
        }
        match request {
            TCGETS => {
                let termios = Termios::from(self.terminal.state.lock().settings);
                argument.put(&termios.encode())?;
            }
            TCGETA => {
                let termios = Termios::from(self.terminal.state.lock().settings);
                argument.put(&Termio::of(&termios).encode())?;
            }
            TCSETS | TCSETSW | TCSETSF => {
                let mut bytes = [0; Termios::SIZE];
                argument.get(&mut bytes)?;
                self.set_settings(cx, request, |_| Termios::decode(&bytes))?;
            }
            TCSETA | TCSETAW | TCSETAF => {
                let mut bytes = [0; Termio::SIZE];
                argument.get(&mut bytes)?;
                let termio = Termio::decode(&bytes);
                self.set_settings(cx, request, |old| termio.applied_to(old))?;
            }
            TIOCGWINSZ => {
                let window = self.terminal.state.lock().window;
                argument.put(&window.encode())?;
            }
            TIOCSWINSZ => {
                let mut bytes = [0; Winsize::SIZE];
                argument.get(&mut bytes)?;
                self.terminal.set_window(Winsize::decode(&bytes));
            }
            FIONREAD => {
                let state = self.terminal.state.lock();
                let count = state.discipline.available(&state.settings);
                drop(state);
                put_number(argument, count)?;
            }
            TIOCOUTQ => {
                let count = self.terminal.state.lock().output.len();
                put_number(argument, count)?;
            }
            TCSBRK | TCSBRKP => self.wait_for_drain(cx, request, argument.value())?,
            TCXONC => self.set_flow(cx, argument.value())?,
            TCFLSH => self.flush_queues(cx, argument.value())?,
            TIOCGETD => argument.put(&0u32.to_le_bytes())?,
            TIOCSETD => {
                let mut bytes = [0; 4];
                argument.get(&mut bytes)?;
                if bytes != [0; 4] {
                    return Err(Errno::EINVAL.into());
                }
            }
            // Pretended input is how a program takes over its user's shell; Linux refuses it by default, too.
            TIOCSTI => return Err(Errno::EIO.into()),
            TIOCVHANGUP => {
                cx.credential.require(Privileges::SIGNAL)?;
                self.terminal.hang_up();
            }
            _ => return self.job_request(cx, request, argument),
        }
        Ok(0)
    }

    /// Requests about sessions and groups.
    fn job_request(
        &self,
        cx: &IoContext<'_>,
        request: u32,
        argument: &mut dyn IoctlArgument,
    ) -> Attempt<i64> {
        let terminal = &self.terminal;
        let caller = terminal.jobs.caller(cx);
        match request {
            TIOCGPGRP => {
                let group = self.own(&caller, |foreground, _| foreground)?;
                // No group is in the foreground any more: a number that nobody has.
                let number = group.map_or(VPid(i32::MAX.cast_unsigned()), |group| {
                    terminal.jobs.seen(cx, group)
                });
                argument.put(&number.0.to_le_bytes())?;
            }
            TIOCGSID => {
                let session = self.own(&caller, |_, session| session)?;
                argument.put(&terminal.jobs.seen(cx, session).0.to_le_bytes())?;
            }
            TIOCSPGRP => self.set_foreground(cx, &caller, argument)?,
            TIOCSCTTY => self.take_control(cx, &caller, argument.value())?,
            TIOCNOTTY => {
                self.own(&caller, |_, _| ())?;
                // A session has its terminal as a whole, so only its leader can give it up.
                if caller.pid != caller.session {
                    return Err(Errno::EPERM.into());
                }
                terminal.jobs.set_terminal(caller.session, None);
                terminal.session_ended();
            }
            _ => return Err(Errno::ENOTTY.into()),
        }
        Ok(0)
    }

    /// Something of the terminal, if it controls the caller's session.
    fn own<T>(
        &self,
        caller: &Caller,
        answer: impl FnOnce(Option<Pid>, Pid) -> T,
    ) -> Result<T, Errno> {
        let state = self.terminal.state.lock();
        match state.session {
            Some(session) if session == caller.session => Ok(answer(state.foreground, session)),
            _ => Err(Errno::ENOTTY),
        }
    }

    fn require_foreground_to_change(&self, cx: &IoContext<'_>) -> Attempt<()> {
        let caller = self.terminal.jobs.caller(cx);
        self.terminal
            .require_foreground(cx, &caller, SignalNumber::SIGTTOU)
    }

    fn set_settings(
        &self,
        cx: &IoContext<'_>,
        request: u32,
        change: impl FnOnce(Termios) -> Termios,
    ) -> Attempt<()> {
        self.require_foreground_to_change(cx)?;
        let mut guard = self.terminal.state.lock();
        let state = &mut *guard;
        let drains = !matches!(request, TCSETS | TCSETA);
        if drains && !state.output.is_drained() {
            self.terminal.output.enrol(cx.waiter());
            return Err(Stop::Park);
        }
        let new = Settings::from(change(Termios::from(state.settings)));
        if matches!(request, TCSETSF | TCSETAF) {
            state.discipline.discard();
        }
        let old = core::mem::replace(&mut state.settings, new);
        state.discipline.change(&old, &new);
        if old.stops_by_control() != new.stops_by_control() {
            self.terminal.driver.status(if new.stops_by_control() {
                PacketStatus::DOSTOP
            } else {
                PacketStatus::NOSTOP
            });
        }
        // What VMIN or the end of a line held back may be readable now.
        self.terminal.wake_everybody();
        self.terminal.unthrottle(guard);
        Ok(())
    }

    fn wait_for_drain(&self, cx: &IoContext<'_>, request: u32, value: u64) -> Attempt<()> {
        self.require_foreground_to_change(cx)?;
        let state = self.terminal.state.lock();
        if (request == TCSBRK && value == 0) || state.output.is_drained() {
            return Ok(());
        }
        self.terminal.output.enrol(cx.waiter());
        Err(Stop::Park)
    }

    fn set_flow(&self, cx: &IoContext<'_>, value: u64) -> Attempt<()> {
        self.require_foreground_to_change(cx)?;
        let mut guard = self.terminal.state.lock();
        let state = &mut *guard;
        match value {
            TCOOFF => state.output.stopped = true,
            TCOON => state.output.stopped = false,
            TCIOFF | TCION => {
                let place = if value == TCIOFF { VSTOP } else { VSTART };
                let byte = state.settings.value(place);
                if byte != 0 {
                    state.output.print(&state.settings, &[byte]);
                }
            }
            _ => return Err(Errno::EINVAL.into()),
        }
        self.terminal.flush(state);
        Ok(())
    }

    fn flush_queues(&self, cx: &IoContext<'_>, value: u64) -> Attempt<()> {
        self.require_foreground_to_change(cx)?;
        let mut state = self.terminal.state.lock();
        if !matches!(value, TCIFLUSH | TCOFLUSH | TCIOFLUSH) {
            return Err(Errno::EINVAL.into());
        }
        if value != TCOFLUSH {
            state.discipline.discard();
            self.terminal.driver.status(PacketStatus::FLUSHREAD);
        }
        if value != TCIFLUSH {
            state.output.discard();
            self.terminal.driver.status(PacketStatus::FLUSHWRITE);
            self.terminal.output.wake_all();
        }
        self.terminal.unthrottle(state);
        Ok(())
    }

    fn set_foreground(
        &self,
        cx: &IoContext<'_>,
        caller: &Caller,
        argument: &mut dyn IoctlArgument,
    ) -> Attempt<()> {
        let mut bytes = [0; 4];
        argument.get(&mut bytes)?;
        self.own(caller, |_, _| ())?;
        self.terminal
            .require_foreground(cx, caller, SignalNumber::SIGTTOU)?;
        let number = u32::try_from(i32::from_le_bytes(bytes)).map_err(|_| Errno::EINVAL)?;
        let (group, session) = self.terminal.jobs.group(cx, VPid(number))?;
        if session != caller.session {
            return Err(Errno::EPERM.into());
        }
        self.terminal.state.lock().foreground = Some(group);
        self.terminal.wake_everybody();
        Ok(())
    }

    fn take_control(&self, cx: &IoContext<'_>, caller: &Caller, steal: u64) -> Attempt<()> {
        let controls = self.terminal.state.lock().session;
        if caller.pid != caller.session {
            return Err(Errno::EPERM.into());
        }
        if controls == Some(caller.session) {
            return Ok(());
        }
        let steal = steal == 1 && cx.credential.privileges.contains(Privileges::SIGNAL);
        if caller.has_terminal || !self.terminal.control(caller, steal) {
            return Err(Errno::EPERM.into());
        }
        Ok(())
    }
}

fn put_number(argument: &mut dyn IoctlArgument, number: usize) -> Attempt<()> {
    argument.put(&u32::try_from(number).unwrap_or(u32::MAX).to_le_bytes())
}
