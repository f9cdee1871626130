//! The machine's account: `accounts SECONDS` sums what all environments have used, those that are gone included, and what
//! CPUs have rested, and holds it against the time that has passed on the monotonic clock times the CPUs. Prints the
//! difference; fails above 0.01 %.

#![forbid(unsafe_code)]

use control::{Accounts, Answer, Request};
use std::error::Error;
use std::fs::File;
use std::io::{Read, Write};
use std::process::ExitCode;
use std::thread;
use std::time::{Duration, Instant};

/// How far the sum may be off, as a part of the time.
const BOUND: f64 = 1e-4;
/// How often the accounts are asked for at each end; what is nearest to the clock counts.
const TURNS: usize = 50;

fn ask(kernel: &mut File) -> Result<Accounts, Box<dyn Error>> {
    kernel.write_all(&control::encode_request(&Request::Accounts)?)?;
    let mut answer = Vec::new();
    let mut part = [0; 4096];
    loop {
        match kernel.read(&mut part)? {
            0 => break,
            count => answer.extend_from_slice(part.get(..count).unwrap_or_default()),
        }
    }
    match control::decode_reply(&answer)? {
        Ok(Answer::Accounts(accounts)) => Ok(accounts),
        other => Err(format!("{other:?}").into()),
    }
}

/// Accounts, the time in the middle of the asking, and how long that took.
struct Reading {
    accounts: Accounts,
    at: Instant,
    width: Duration,
}

/// The accounts at a moment that is known best: others may take the CPU while the kernel is asked.
fn read(kernel: &mut File) -> Result<Reading, Box<dyn Error>> {
    let mut best: Option<Reading> = None;
    for _ in 0..TURNS {
        let before = Instant::now();
        let accounts = ask(kernel)?;
        let width = before.elapsed();
        if best.as_ref().is_none_or(|best| width < best.width) {
            best = Some(Reading {
                accounts,
                at: before + width / 2,
                width,
            });
        }
    }
    best.ok_or_else(|| "nothing was read".into())
}

fn seconds(accounts: &Accounts) -> f64 {
    let entries = accounts.entries.iter();
    let used: u64 = entries.map(|it| it.user.0 + it.system.0).sum();
    let all = used + accounts.gone.0 + accounts.idle.0;
    all as f64 / accounts.ticks_per_second as f64
}

fn run() -> Result<bool, Box<dyn Error>> {
    let span: u64 = std::env::args().nth(1).ok_or("no time")?.parse()?;
    let mut kernel = File::options().read(true).write(true).open("/dev/corral")?;
    let before = read(&mut kernel)?;
    thread::sleep(Duration::from_secs(span));
    let after = read(&mut kernel)?;
    let cpus = f64::from(after.accounts.cpus);
    let passed = (after.at - before.at).as_secs_f64() * cpus;
    let sum = seconds(&after.accounts) - seconds(&before.accounts);
    let off = (sum - passed).abs() / passed;
    // How well the two moments are known.
    let blur = (before.width + after.width).as_secs_f64() / 2.0 * cpus / passed;
    let idle = (after.accounts.idle.0 - before.accounts.idle.0) as f64
        / after.accounts.ticks_per_second as f64;
    let gone = (after.accounts.gone.0 - before.accounts.gone.0) as f64
        / after.accounts.ticks_per_second as f64;
    println!(
        "{cpus} CPUs, {passed:.6} s: accounts {sum:.6} s (idle {idle:.3}, gone {gone:.3}), off by {:.5} %, known to {:.5} %",
        100.0 * off,
        100.0 * blur
    );
    Ok(off <= BOUND)
}

fn main() -> ExitCode {
    match run() {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("accounts: {error}");
            ExitCode::from(2)
        }
    }
}
