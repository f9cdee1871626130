//! A person at the terminal: prompt, line editing, interrupts, end of file.
//!
//! What a test waits for never occurs in what it types, so that the echo cannot pass for an answer.

use crate::Report;
use crate::target::{Talk, Target};
use anyhow::Result;

const INTERRUPT: &str = "\x03";
const END_OF_FILE: &str = "\x04";
const KILL_LINE: &str = "\x15";
const KILL_WORD: &str = "\x17";
const SUSPEND: &str = "\x1a";
const RUB_OUT: &str = "\x7f";
/// A prompt that cannot be taken for anything else, and how it is typed.
const PROMPT: &str = "[prompt]";
const SET_PROMPT: &str = "PS1='[pro''mpt]'\n";

type Test = (&'static str, &'static str, fn(&mut Talk) -> Result<()>);

const TESTS: &[Test] = &[
    (
        "CONSOLE0002",
        "a command's output follows its line",
        |talk| ask(talk, "echo $((6 * 7))\n", "\r\n42\r\n"),
    ),
    (
        "CONSOLE0003",
        "backspace rubs out the last character of a command line",
        |talk| ask(talk, &format!("echo a$((1 + 1))bx{RUB_OUT}\n"), "\na2b\r\n"),
    ),
    ("CONSOLE0004", "Ctrl-U takes back a command line", |talk| {
        ask(
            talk,
            &format!("exit 9{KILL_LINE}echo u$((1 + 2))\n"),
            "\nu3\r\n",
        )
    }),
    (
        "CONSOLE0005",
        "Ctrl-W takes back the last word of a command line",
        |talk| {
            ask(
                talk,
                &format!("echo w$((1 + 3)) word{KILL_WORD}\n"),
                "\nw4\r\n",
            )
        },
    ),
    (
        "CONSOLE0006",
        "the terminal itself edits lines for a program that does not",
        |talk| {
            start(talk, "cat")?;
            talk.send(&format!("abX{RUB_OUT}c\n"))?;
            talk.wait("\r\nabc\r\n")?;
            talk.send(&format!("lost{KILL_LINE}kept\n"))?;
            talk.wait("\r\nkept\r\n")?;
            talk.send(&format!("one two{KILL_WORD}three\n"))?;
            talk.wait("\r\none three\r\n")?;
            talk.send(END_OF_FILE)?;
            talk.wait(PROMPT)
        },
    ),
    (
        "CONSOLE0007",
        "Ctrl-D ends a program that reads the terminal",
        |talk| {
            start(talk, "cat; echo end$((1 + 1))")?;
            talk.send(END_OF_FILE)?;
            talk.wait("end2\r\n")?;
            talk.wait(PROMPT)
        },
    ),
    (
        "CONSOLE0008",
        "Ctrl-D after some text hands the text on without a line end",
        |talk| {
            start(talk, "cat; echo")?;
            talk.send(&format!("pre{END_OF_FILE}"))?;
            talk.wait("prepre")?;
            talk.send(END_OF_FILE)?;
            talk.wait(PROMPT)
        },
    ),
    (
        "CONSOLE0009",
        "Ctrl-C interrupts a sleeping program",
        |talk| {
            start_program(talk, "exec sleep 1000")?;
            talk.send(INTERRUPT)?;
            talk.wait(PROMPT)?;
            ask(talk, "echo status $?\n", "status 130\r\n")
        },
    ),
    (
        "CONSOLE0010",
        "Ctrl-C interrupts a program that computes",
        |talk| {
            start_program(talk, "while :; do :; done")?;
            talk.send(INTERRUPT)?;
            talk.wait(PROMPT)?;
            ask(talk, "echo status $?\n", "status 130\r\n")
        },
    ),
    (
        "CONSOLE0011",
        "Ctrl-C interrupts a loop of the shell itself",
        |talk| {
            start(talk, "while :; do :; done")?;
            talk.send(INTERRUPT)?;
            talk.wait(PROMPT)
        },
    ),
    (
        "CONSOLE0012",
        "Ctrl-C interrupts every program of a pipeline",
        |talk| {
            talk.send("cat /dev/zero | cat | sh -c 'echo be\"\"gun; exec cat >/dev/null'\n")?;
            talk.wait("begun\r\n")?;
            talk.send(INTERRUPT)?;
            talk.wait(PROMPT)?;
            ask(talk, "ps | grep -c '[c]at /dev/zero'\n", "\n0\r\n")
        },
    ),
    (
        "CONSOLE0013",
        "Ctrl-C at the prompt drops the line",
        |talk| {
            talk.send(&format!("exit 9{INTERRUPT}"))?;
            talk.wait(PROMPT)?;
            ask(talk, "echo c$((2 + 3))\n", "\nc5\r\n")
        },
    ),
    (
        "CONSOLE0014",
        "Ctrl-Z stops a program, and bg and kill find it",
        |talk| {
            start_program(talk, "exec sleep 1000")?;
            talk.send(SUSPEND)?;
            talk.wait(PROMPT)?;
            ask(talk, "jobs\n", "Stopped")?;
            talk.wait(PROMPT)?;
            ask(
                talk,
                "bg; kill %1; wait %1; echo status $?\n",
                "status 143\r\n",
            )
        },
    ),
    (
        "CONSOLE0015",
        "what is typed while a program runs is kept for the shell",
        |talk| {
            talk.send("sleep 1\necho ahead$((3 + 4))\n")?;
            talk.wait("ahead7\r\n")?;
            talk.wait(PROMPT)
        },
    ),
    (
        "CONSOLE0016",
        "a line of 1000 characters arrives whole",
        |talk| {
            let word = "x".repeat(1000);
            start(talk, "wc -c")?;
            talk.send(&format!("{word}\n{END_OF_FILE}"))?;
            talk.wait("\n1001\r\n")?;
            talk.wait(PROMPT)
        },
    ),
    (
        "CONSOLE0017",
        "a hundred pasted lines arrive in order",
        |talk| {
            let lines: String = (1..=100).map(|number| format!("{number}\n")).collect();
            start(
                talk,
                "awk '{ if ($1 != NR) bad = 1; sum += $1 } END { print \"sum\", sum, bad + 0 }'",
            )?;
            talk.send(&format!("{lines}{END_OF_FILE}"))?;
            talk.wait("sum 5050 0\r\n")?;
            talk.wait(PROMPT)
        },
    ),
    (
        "CONSOLE0018",
        "echo is off when a program has asked for that",
        |talk| {
            talk.send("stty -echo; echo rea''dy; read answer; stty echo; echo \"<$answer>\"\n")?;
            talk.wait("ready\r\n")?;
            talk.send("secret\n")?;
            talk.wait("<secret>\r\n")?;
            anyhow::ensure!(
                !talk.transcript().contains("\nsecret"),
                "the answer was echoed"
            );
            talk.wait(PROMPT)
        },
    ),
    (
        "CONSOLE0019",
        "stty reads and sets what the terminal does",
        |talk| {
            ask(talk, "stty -a | grep -c 'intr = ^C'\n", "\n1\r\n")?;
            talk.wait(PROMPT)?;
            ask(
                talk,
                "stty intr ^T; stty -a | grep -c 'intr = ^T'; stty intr ^C\n",
                "\n1\r\n",
            )
        },
    ),
    (
        "CONSOLE0020",
        "a reader in the background is stopped, not fed",
        |talk| {
            talk.send("cat &\n")?;
            talk.wait(PROMPT)?;
            ask(talk, "echo still$((1 + 1))\n", "still2\r\n")?;
            talk.wait(PROMPT)?;
            ask(
                talk,
                "jobs; kill -9 %1; wait %1; echo status $?\n",
                "status 137\r\n",
            )
        },
    ),
    (
        "CONSOLE0021",
        "Ctrl-D at the prompt logs out, and init starts another shell",
        |talk| {
            talk.send(END_OF_FILE)?;
            talk.wait("# ")?;
            talk.send(SET_PROMPT)?;
            talk.wait(PROMPT)?;
            ask(talk, "echo again$((4 + 4))\n", "again8\r\n")
        },
    ),
    (
        "CONSOLE0022",
        "fg continues a stopped program, and Ctrl-C ends it there",
        |talk| {
            start_program(talk, "read line; echo got $line; exec sleep 1000")?;
            talk.send(SUSPEND)?;
            talk.wait(PROMPT)?;
            talk.send("fg\n")?;
            // The shell names what goes on.
            talk.wait("sleep 1000\"\r\n")?;
            talk.send("more\n")?;
            talk.wait("got more\r\n")?;
            talk.send(INTERRUPT)?;
            talk.wait(PROMPT)?;
            ask(talk, "echo status $?\n", "status 130\r\n")
        },
    ),
    (
        "CONSOLE0023",
        "bg lets a stopped program go on behind the prompt",
        |talk| {
            start_program(talk, "sleep 2; echo fini\"\"shed")?;
            talk.send(SUSPEND)?;
            talk.wait(PROMPT)?;
            talk.send("bg; echo back$((1 + 1))\n")?;
            talk.wait("back2\r\n")?;
            talk.wait("finished\r\n")?;
            ask(talk, "wait; echo status $?\n", "status 0\r\n")
        },
    ),
    ("CONSOLE0024", "vi edits a file and saves it", |talk| {
        talk.send("stty rows 24 cols 80; printf 'one\\ntwo\\n' >/tmp/text; vi /tmp/text\n")?;
        talk.wait("- /tmp/text 1/2")?;
        talk.send("Go")?;
        talk.wait("I /tmp/text")?;
        type_in_vi(talk, "three")?;
        talk.send("1Gx")?;
        talk.wait("ne")?;
        save(talk)?;
        talk.wait(PROMPT)?;
        ask(talk, "tr '\\n' + </tmp/text; echo\n", "\nne+two+three+\r\n")
    }),
    (
        "CONSOLE0025",
        "less shows a page, goes to the end, and ends with q",
        |talk| {
            talk.send("seq 1000 1500 >/tmp/long; less /tmp/long\n")?;
            talk.wait("1000")?;
            talk.wait("1022")?;
            talk.send("G")?;
            talk.wait("1500")?;
            talk.send("q")?;
            talk.wait(PROMPT)
        },
    ),
    (
        "CONSOLE0026",
        "top shows programs until q is typed, without a return",
        |talk| {
            talk.send("top -d 1\n")?;
            talk.wait("COMMAND")?;
            talk.wait("COMMAND")?;
            talk.send("q")?;
            talk.wait(PROMPT)?;
            ask(talk, "stty -a | grep -c ' icanon'\n", "\n1\r\n")
        },
    ),
    (
        "CONSOLE0027",
        "Ctrl-Z in vi gives the shell its own settings back, and fg vi its screen",
        |talk| {
            talk.send("echo content >/tmp/text; vi /tmp/text\n")?;
            talk.wait("- /tmp/text 1/1")?;
            talk.send(SUSPEND)?;
            talk.wait("Stopped")?;
            talk.wait(PROMPT)?;
            ask(talk, "echo shell$((2 + 2))\n", "shell4\r\n")?;
            talk.wait(PROMPT)?;
            talk.send("fg\n")?;
            talk.wait("- /tmp/text 1/1")?;
            talk.send(":q!\r")?;
            talk.wait(PROMPT)?;
            ask(talk, "stty -a | grep -c ' icanon'\n", "\n1\r\n")
        },
    ),
    (
        "CONSOLE0028",
        "clogin gives a shell on a terminal of the partition's own",
        |talk| {
            ask(
                talk,
                "mkwpar -n desk >/dev/null && startwpar desk >/dev/null; echo made $?\n",
                "made 0\r\n",
            )?;
            talk.wait(PROMPT)?;
            talk.send("stty rows 40 cols 120; clogin desk\n")?;
            talk.wait("# ")?;
            talk.send("PS1='[insi''de]'\n")?;
            talk.wait("[inside]")?;
            ask(talk, "tty\n", "\r\n/dev/pts/0\r\n")?;
            ask(talk, "stty size\n", "\r\n40 120\r\n")?;
            ask(talk, "echo $(ps -o tty= -p $$)!\n", "\r\npts/0!\r\n")?;
            ask(talk, "hostname; exit 7\n", "\r\ndesk\r\n")?;
            talk.wait(PROMPT)?;
            ask(talk, "echo status $?\n", "status 7\r\n")?;
            talk.wait(PROMPT)?;
            ask(
                talk,
                "stty -a | grep -c ' icanon'; stty rows 24 cols 80\n",
                "\n1\r\n",
            )
        },
    ),
    (
        "CONSOLE0029",
        "Ctrl-C, Ctrl-Z, fg and bg mean programs in the partition",
        |talk| {
            inside(talk)?;
            start_program(talk, "exec sleep 1000")?;
            talk.send(INTERRUPT)?;
            talk.wait("[inside]")?;
            ask(talk, "echo status $?\n", "status 130\r\n")?;
            talk.wait("[inside]")?;
            start_program(talk, "exec sleep 1000")?;
            talk.send(SUSPEND)?;
            talk.wait("[inside]")?;
            ask(talk, "jobs\n", "Stopped")?;
            talk.wait("[inside]")?;
            ask(
                talk,
                "bg; kill %1; wait %1; echo status $?\n",
                "status 143\r\n",
            )?;
            leave(talk)
        },
    ),
    ("CONSOLE0030", "vi works in a partition", |talk| {
        inside(talk)?;
        talk.send("vi /tmp/note\n")?;
        talk.wait("- /tmp/note 1/1")?;
        talk.send("i")?;
        talk.wait("I /tmp/note")?;
        type_in_vi(talk, "kept")?;
        save(talk)?;
        talk.wait("[inside]")?;
        ask(talk, "echo \"<$(cat /tmp/note)>\"\n", "<kept>\r\n")?;
        leave(talk)
    }),
    (
        "CONSOLE0031",
        "a command in a partition has the terminal, and its output can go elsewhere",
        |talk| {
            ask(talk, "clogin desk tty\n", "\r\n/dev/pts/0\r\n")?;
            talk.wait(PROMPT)?;
            ask(
                talk,
                "clogin desk sh -c 'tty; exit 3' | tr '\\r\\n' '+='; echo\n",
                "\r\n/dev/pts/0=\r\n",
            )?;
            talk.wait(PROMPT)?;
            talk.send("clogin desk sh -c 'echo be\"\"gun; exec sleep 1000'\n")?;
            talk.wait("begun\r\n")?;
            talk.send(INTERRUPT)?;
            talk.wait(PROMPT)?;
            ask(talk, "echo status $?\n", "status 130\r\n")?;
            talk.wait(PROMPT)?;
            ask(
                talk,
                "clogin -l nobody-here desk; echo status $?\n",
                "status 1\r\n",
            )
        },
    ),
    (
        "CONSOLE0032",
        "a partition that is killed gives the terminal back as it was",
        |talk| {
            talk.send("(sleep 3; stopwpar -F desk >/dev/null 2>&1) & clogin desk\n")?;
            talk.wait("# ")?;
            talk.wait(PROMPT)?;
            ask(talk, "echo status $?\n", "status 137\r\n")?;
            talk.wait(PROMPT)?;
            ask(
                talk,
                "stty -a | grep -c ' icanon'; wait; rmwpar desk >/dev/null\n",
                "\n1\r\n",
            )
        },
    ),
];

/// Types text into vi, which inserts it, and leaves the insert mode. Like a person, for vi takes an escape with
/// something right behind it for a function key.
fn type_in_vi(talk: &mut Talk, text: &str) -> Result<()> {
    talk.send(text)?;
    talk.wait(text)?;
    talk.send("\x1b")?;
    talk.wait("[Modified]")
}

/// Makes vi save and end.
fn save(talk: &mut Talk) -> Result<()> {
    talk.send(":wq\r")?;
    talk.wait("' ")
}

/// Logs in to the partition that an earlier test has made.
fn inside(talk: &mut Talk) -> Result<()> {
    talk.send("clogin desk\n")?;
    talk.wait("# ")?;
    talk.send("PS1='[insi''de]'\n")?;
    talk.wait("[inside]")
}

/// Logs out of it.
fn leave(talk: &mut Talk) -> Result<()> {
    talk.wait("[inside]")?;
    talk.send("exit\n")?;
    talk.wait(PROMPT)
}

/// Types `command` and waits until the shell executes it.
///
/// Before that the shell may still edit lines itself, and what is typed then is not the terminal's to edit.
fn start(talk: &mut Talk, command: &str) -> Result<()> {
    talk.send(&format!("echo be''gun; {command}\n"))?;
    talk.wait("begun\r\n")
}

/// Types a command that says itself that it runs: what Ctrl-C and Ctrl-Z mean is the shell until the program that it has begun
/// is in the foreground.
fn start_program(talk: &mut Talk, command: &str) -> Result<()> {
    talk.send(&format!("sh -c 'echo be\"\"gun; {command}'\n"))?;
    talk.wait("begun\r\n")
}

/// Types a line, waits for its answer, and leaves the shell at its prompt.
fn ask(talk: &mut Talk, line: &str, answer: &str) -> Result<()> {
    talk.send(line)?;
    talk.wait(answer)
}

/// Runs the suite. A test that fails gets a new machine for the next one.
pub fn run(target: &Target, report: &Report) -> Result<()> {
    let mut talk = first_prompt(target, report)?;
    for &(id, sentence, test) in TESTS {
        let Some(machine) = &mut talk else {
            report.fail(id, sentence, "there is no prompt to begin with");
            continue;
        };
        let result = test(machine).and_then(|()| settle(machine));
        report.judge(id, sentence, &result, &machine.transcript());
        if result.is_err() {
            let mut fresh = target.boot(None)?;
            talk = greet(&mut fresh).is_ok().then_some(fresh);
        }
    }
    Ok(())
}

/// Boots the first machine, which is a test of its own.
fn first_prompt(target: &Target, report: &Report) -> Result<Option<Talk>> {
    let mut talk = target.boot(None)?;
    let result = greet(&mut talk);
    report.judge(
        "CONSOLE0001",
        "the shell's prompt appears",
        &result,
        &talk.transcript(),
    );
    Ok(result.is_ok().then_some(talk))
}

/// Waits for the first prompt, and sets one that is easy to tell.
fn greet(talk: &mut Talk) -> Result<()> {
    talk.wait("# ")?;
    talk.send(SET_PROMPT)?;
    talk.wait(PROMPT)
}

/// Makes sure that the shell answers, and consumes what is still on its way.
fn settle(talk: &mut Talk) -> Result<()> {
    talk.send("echo set''tled\n")?;
    talk.wait("settled\r\n")?;
    talk.wait(PROMPT)
}
