//! A session in Global: partitions made, fuzzed and removed, and what they leave.

use crate::{Words, witness};
use std::fs;
use std::io::{self, BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

/// What a partition may have, so that four of them leave the witness and Global enough.
const LIMITS: &[&str] = &[
    "-R",
    "memory=0%-15%,15%",
    "totalProcesses=200",
    "totalThreads=300",
];

/// The program inside: on `/usr`, which a partition cannot write, so that no call truncates what it is running.
const PROGRAM: &str = "/usr/lib/corral-tests/fuzz";

/// Memory that may be missing at the end, for what the kernel keeps for the next time (KiB).
const TOLERANCE: u64 = 512;

/// How long the witness may take for its last round.
const ROUND: Duration = Duration::from_secs(60);

/// Runs `--partitions` fuzzers until they have made `--calls` calls together; once before that with little, so that what is
/// made once for all is not taken for a leak.
pub fn run(words: &Words) -> io::Result<()> {
    let partitions = words.number("--partitions", 4).max(1);
    let calls = words.number("--calls", 40_000) / partitions;
    if words.number("--warm", 1) > 0 {
        once(words, partitions, calls.min(2000), 1_000_000)?;
    }
    let before = free()?;
    once(words, partitions, calls, words.number("--first", 0))?;
    let after = free()?;
    println!("free before {before} KiB, after {after} KiB");
    if after + TOLERANCE < before {
        return Err(io::Error::other("memory is missing"));
    }
    Ok(())
}

fn once(words: &Words, partitions: u64, calls: u64, first: u64) -> io::Result<()> {
    make("witness", &[])?;
    let mut watching = inside("witness", &["witness"]).spawn()?;
    let until = Instant::now() + ROUND;
    while !Path::new("/wpars/witness/tmp/copy").exists() {
        if Instant::now() > until {
            return Err(io::Error::other("the witness does not begin"));
        }
        thread::yield_now();
    }
    let mut fuzzers = Vec::new();
    for number in 0..partitions {
        let name = format!("enemy{number}");
        make(&name, LIMITS)?;
        let number = words.number("--partition", number);
        // Each has a thousand million numbers of its own.
        let numbers = (first + number * 1_000_000_000).to_string();
        let calls = calls.to_string();
        let mut arguments = vec!["inside", "--first", &numbers, "--calls", &calls];
        for option in ["--seed", "--from", "--to", "--without", "--sequences"] {
            if let Some(value) = words.value(option) {
                arguments.extend([option, value]);
            }
        }
        let mut child = inside(&name, &arguments).stdout(Stdio::piped()).spawn()?;
        fuzzers.push((name.clone(), child.stdout.take(), child));
    }
    let failed = thread::scope(|scope| {
        let readers: Vec<_> = fuzzers
            .into_iter()
            .map(|(name, output, child)| scope.spawn(move || follow(&name, output, child)))
            .collect();
        readers
            .into_iter()
            .filter_map(|reader| reader.join().unwrap_or(Some("a reader".to_owned())))
            .collect::<Vec<_>>()
    });
    fs::write(Path::new("/wpars/witness").join(&witness::STOP[1..]), "")?;
    let seen = watching.wait()?;
    let told = fs::read_to_string(Path::new("/wpars/witness").join(&witness::RESULT[1..]))?;
    print!("witness: {told}");
    for number in 0..partitions {
        remove(&format!("enemy{number}"))?;
    }
    remove("witness")?;
    if !seen.success() || !told.starts_with("same") {
        return Err(io::Error::other("the witness has noticed something"));
    }
    match failed.first() {
        None => Ok(()),
        Some(first) => Err(io::Error::other(format!("{first} has failed"))),
    }
}

/// Prints what a fuzzer says; its name when it fails.
fn follow(name: &str, output: Option<impl io::Read>, mut child: Child) -> Option<String> {
    let lines = output.map(|output| BufReader::new(output).split(b'\n'));
    // A line is read as bytes: whatever is printed must not end the reading.
    for line in lines.into_iter().flatten().map_while(Result::ok) {
        let line = String::from_utf8_lossy(&line);
        println!("{name}: {line}");
    }
    let done = child.wait().is_ok_and(|status| status.success());
    if !done {
        autopsy(name);
    }
    (!done).then(|| name.to_owned())
}

/// Prints what a partition looks like in which a fuzzer has failed.
fn autopsy(name: &str) {
    let script = "cat /proc/meminfo /proc/mounts; ls -la / /tmp /dev/shm; ps -o pid,ppid,stat,args";
    let output = Command::new("clogin")
        .args([name, "sh", "-c", script])
        .output();
    for line in output
        .iter()
        .flat_map(|output| output.stdout.split(|byte| *byte == b'\n'))
    {
        println!("{name}: {}", String::from_utf8_lossy(line));
    }
}

fn make(name: &str, limits: &[&str]) -> io::Result<()> {
    perform(Command::new("mkwpar").args(["-n", name]).args(limits))?;
    perform(Command::new("startwpar").arg(name))
}

fn remove(name: &str) -> io::Result<()> {
    perform(Command::new("stopwpar").args(["-F", name]))?;
    perform(Command::new("rmwpar").arg(name))
}

fn inside(name: &str, arguments: &[&str]) -> Command {
    let mut command = Command::new("clogin");
    command
        .arg(name)
        .arg(PROGRAM)
        .args(arguments)
        .stdin(Stdio::null());
    command
}

fn perform(command: &mut Command) -> io::Result<()> {
    let output = command.stdin(Stdio::null()).output()?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    Err(io::Error::other(format!("{command:?}: {said}")))
}

/// Free memory of the machine, in KiB.
fn free() -> io::Result<u64> {
    let text = fs::read_to_string("/proc/meminfo")?;
    let line = text.lines().find_map(|line| line.strip_prefix("MemFree:"));
    line.and_then(|line| line.trim().split(' ').next()?.parse().ok())
        .ok_or_else(|| io::Error::other("no MemFree"))
}
