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
            talk.send("cat\n")?;
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
            talk.send("cat; echo end$((1 + 1))\n")?;
            talk.send(END_OF_FILE)?;
            talk.wait("end2\r\n")?;
            talk.wait(PROMPT)
        },
    ),
    (
        "CONSOLE0008",
        "Ctrl-D after some text hands the text on without a line end",
        |talk| {
            talk.send("cat; echo\n")?;
            talk.wait("\r\n")?;
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
            talk.send("sleep 1000\n")?;
            talk.wait("\r\n")?;
            talk.send(INTERRUPT)?;
            talk.wait(PROMPT)?;
            ask(talk, "echo status $?\n", "status 130\r\n")
        },
    ),
    (
        "CONSOLE0010",
        "Ctrl-C interrupts a program that computes",
        |talk| {
            talk.send("sh -c 'echo be''gun; while :; do :; done'\n")?;
            talk.wait("begun\r\n")?;
            talk.send(INTERRUPT)?;
            talk.wait(PROMPT)?;
            ask(talk, "echo status $?\n", "status 130\r\n")
        },
    ),
    (
        "CONSOLE0011",
        "Ctrl-C interrupts a loop of the shell itself",
        |talk| {
            talk.send("echo be''gun; while :; do :; done\n")?;
            talk.wait("begun\r\n")?;
            talk.send(INTERRUPT)?;
            talk.wait(PROMPT)
        },
    ),
    (
        "CONSOLE0012",
        "Ctrl-C interrupts every program of a pipeline",
        |talk| {
            talk.send("cat /dev/zero | cat | cat >/dev/null; echo en''ded\n")?;
            talk.wait("\r\n")?;
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
            talk.send("sleep 1000\n")?;
            talk.wait("\r\n")?;
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
            talk.send("wc -c\n")?;
            talk.wait("\r\n")?;
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
            talk.send(
                "awk '{ if ($1 != NR) bad = 1; sum += $1 } END { print \"sum\", sum, bad + 0 }'\n",
            )?;
            talk.wait("\r\n")?;
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
];

/// Types a line, waits for its answer, and leaves the shell at its prompt.
fn ask(talk: &mut Talk, line: &str, answer: &str) -> Result<()> {
    talk.send(line)?;
    talk.wait(answer)
}

/// Runs the suite. A test that fails gets a new machine for the next one.
pub fn run(target: &Target, report: &Report) -> Result<()> {
    let mut talk = None;
    let (first, others) = (("CONSOLE0001", "the shell's prompt appears"), TESTS);
    let mut greeted = false;
    for &(id, sentence, test) in others {
        if talk.is_none() {
            let mut fresh = target.boot(None)?;
            let result = greet(&mut fresh);
            if !greeted {
                report.judge(first.0, first.1, &result, &fresh.transcript());
                greeted = true;
            }
            if let Err(error) = result {
                report.fail(id, sentence, &format!("{}\n{error:#}", fresh.transcript()));
                continue;
            }
            talk = Some(fresh);
        }
        let Some(machine) = &mut talk else { continue };
        let result = test(machine).and_then(|()| settle(machine));
        report.judge(id, sentence, &result, &machine.transcript());
        if result.is_err() {
            talk = None;
        }
    }
    Ok(())
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
