//! Several terminals of the hypervisor, with a person at each.

use crate::target::{Needs, PATIENCE, Talk, Target};
use anyhow::{Context, Result, bail, ensure};
use qemu::Machine;
use std::io::{ErrorKind, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

/// How often somebody looks whether the emulator listens yet.
const POLL: Duration = Duration::from_millis(10);

/// A person at a further terminal.
struct Seat {
    line: UnixStream,
    heard: String,
}

impl Seat {
    /// Sits down as soon as the emulator listens at `socket`.
    fn take(socket: &Path) -> Result<Self> {
        let deadline = Instant::now() + PATIENCE;
        let line = loop {
            match UnixStream::connect(socket) {
                Ok(line) => break line,
                Err(error) if Instant::now() > deadline => return Err(error.into()),
                Err(_) => thread::sleep(POLL),
            }
        };
        line.set_read_timeout(Some(POLL))?;
        let heard = String::new();
        Ok(Self { line, heard })
    }

    fn send(&mut self, text: &str) -> Result<()> {
        self.line
            .write_all(text.as_bytes())
            .context("the terminal is gone")
    }

    /// Waits until `pattern` is printed, and forgets everything up to its end.
    fn wait(&mut self, pattern: &str) -> Result<()> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(at) = self.heard.find(pattern) {
                self.heard.drain(..at + pattern.len());
                return Ok(());
            }
            let mut bytes = [0; 1024];
            match self.line.read(&mut bytes) {
                Ok(0) => bail!("the machine went off before it printed {pattern:?}"),
                Ok(count) => self.heard += &String::from_utf8_lossy(&bytes[..count]),
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                Err(error) => return Err(error.into()),
            }
            ensure!(
                Instant::now() < deadline,
                "{pattern:?} was not printed: {:?}",
                self.heard
            );
        }
    }

    /// Gets a prompt that cannot be taken for anything else; the first one may have been printed before we listened.
    fn greet(&mut self, name: &str) -> Result<()> {
        let typed = format!("PS1='[{}''{}]'\n", &name[..1], &name[1..]);
        // What is typed before the shell is there waits in the terminal.
        self.send(&typed)?;
        self.wait(&format!("[{name}]"))
    }
}

/// Boots a machine with four terminals, of which the second is for results, and talks on three.
pub fn three_seats(target: &Target) -> Result<()> {
    let folder = target.folder()?;
    let archive = folder.join("ramdisk.cpio");
    target.disks.make(None, &Needs::default(), &archive)?;
    let sockets = ["hvc1", "hvc2"].map(|name| folder.join(name));
    let mut machine = Machine::new(&target.kernel, &archive);
    machine.consoles = sockets
        .iter()
        .map(|socket| format!("unix:{},server=on,wait=off", socket.display()))
        .collect();
    let mut first = Talk::start(&machine, &folder)?;
    let [mut second, mut third] = [Seat::take(&sockets[0])?, Seat::take(&sockets[1])?];
    first.wait("# ")?;
    first.send("PS1='[fi''rst]'\n")?;
    first.wait("[first]")?;
    second.greet("second")?;
    third.greet("third")?;

    // Each is a terminal of its own, and there is no other: the one for results has no device.
    second.send("tty; stty cols 132 rows 43; stty size\n")?;
    second.wait("/dev/hvc1\r\n43 132\r\n")?;
    third.send("tty; stty cols 80 rows 24; stty size; echo /dev/hvc*\n")?;
    third.wait("/dev/hvc2\r\n24 80\r\n/dev/hvc0 /dev/hvc1 /dev/hvc2\r\n")?;
    second.send("stty size\n")?;
    second.wait("\r\n43 132\r\n")?;
    first.send("echo to-''third >/dev/hvc2\n")?;
    third.wait("to-third\r\n")?;

    // Ctrl-C reaches the job of its own terminal only.
    second.send("sh -c 'echo be\"\"gun; exec sleep 1000'\n")?;
    second.wait("begun\r\n")?;
    third.send("sh -c 'echo be\"\"gun; exec sleep 1000'\n")?;
    third.wait("begun\r\n")?;
    third.send("\x03")?;
    third.wait("[third]")?;
    third.send("echo st''atus $?\n")?;
    third.wait("status 130\r\n")?;
    third.send("pidof sleep | wc -w\n")?;
    third.wait("\r\n1\r\n")?;
    second.send("\x03")?;
    second.wait("[second]")?;

    // A shell that ends comes again.
    second.send("exit\n")?;
    second.wait("# ")?;
    second.greet("again")?;
    first.send("poweroff\n")?;
    let (outcome, transcript) = first.end(PATIENCE)?;
    ensure!(
        !transcript.contains("to-third"),
        "{outcome}: one terminal shows another's output"
    );
    Ok(())
}

/// Boots a machine with Debian's static bash and types at it, in Global and in a partition.
pub fn bash(target: &Target) -> Result<()> {
    let needs = Needs {
        packages: vec!["bash-static".to_owned()],
        ..Needs::default()
    };
    let mut talk = target.boot_with(None, &needs)?;
    let typed = type_everywhere(&mut talk);
    typed.with_context(|| talk.transcript())?;
    talk.send("poweroff\n")?;
    talk.end(PATIENCE)?;
    Ok(())
}

fn type_everywhere(talk: &mut Talk) -> Result<()> {
    talk.wait("# ")?;
    type_at_bash(talk, "bash-static")?;
    talk.send("mkwpar -n desk >/dev/null && startwpar desk >/dev/null; echo st''arted\n")?;
    talk.wait("started\r\n")?;
    type_at_bash(talk, "clogin desk bash-static")
}

/// Starts bash with `command`, uses what a person uses, and leaves it.
fn type_at_bash(talk: &mut Talk, command: &str) -> Result<()> {
    talk.send(&format!("TERM=vt100 {command} --norc\n"))?;
    talk.wait("bash-static-5.2# ")?;
    talk.send("PS1='[ba''sh]'\n")?;
    talk.wait("[bash]")?;
    // What is typed before a prompt is the terminal's to edit, not bash's: every line waits for one.
    // Ctrl-A goes to the start of the line, Ctrl-E to its end; the arrow brings the last line back.
    talk.send("ho $((20 + 1))\x01ec\x05$((20 + 2))\n")?;
    talk.wait("\n2122\r\n")?;
    talk.wait("[bash]")?;
    talk.send("\x1b[A\x7f\x7f + 5))\n")?;
    talk.wait("\n2127\r\n")?;
    talk.wait("[bash]")?;
    // A job stops, goes on behind, and ends.
    talk.send("sh -c 'echo be\"\"gun; exec sleep 1000'\n")?;
    talk.wait("begun\r\n")?;
    talk.send("\x1a")?;
    talk.wait("Stopped")?;
    talk.wait("[bash]")?;
    talk.send("bg; jobs; kill %1; wait; echo ga''thered\n")?;
    talk.wait("Running")?;
    talk.wait("gathered\r\n")?;
    talk.wait("[bash]")?;
    // A job that comes back to the front has the terminal: it gets what is typed, and Ctrl-C.
    talk.send("sh -c 'echo be\"\"gun; exec cat'\n")?;
    talk.wait("begun\r\n")?;
    talk.send("\x1a")?;
    talk.wait("Stopped")?;
    talk.wait("[bash]")?;
    talk.send("fg\n")?;
    talk.wait("exec cat'\r\n")?;
    talk.send("twice\n")?;
    talk.wait("twice\r\ntwice\r\n")?;
    talk.send("\x03")?;
    talk.wait("[bash]")?;
    talk.send("echo st''atus $?\n")?;
    talk.wait("status 130\r\n")?;
    talk.wait("[bash]")?;
    // Completion of a name that only one file has.
    talk.send("mkdir -p /tmp/only && cd /tmp\n")?;
    talk.wait("[bash]")?;
    talk.send("echo on\t\n")?;
    talk.wait("\nonly/\r\n")?;
    talk.wait("[bash]")?;
    talk.send("exit\n")?;
    talk.wait("# ")
}
