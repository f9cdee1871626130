//! The partition that must not notice: it computes, writes and reads, and compares each round with its first.

use crate::random::Random;
use std::fs;
use std::io;
use std::path::Path;
use std::time::{Duration, Instant};

/// What ends the work.
pub const STOP: &str = "/tmp/stop";

/// Where the result is left.
pub const RESULT: &str = "/tmp/result";

/// What one round gives.
#[derive(PartialEq, Eq)]
struct Round {
    sum: u64,
    processes: usize,
    mounts: String,
    host: String,
    names: Vec<String>,
}

/// Computes until [`STOP`] is there; a round that differs is an error.
pub fn run() -> io::Result<()> {
    let first = round()?;
    let mut times = Vec::new();
    while !Path::new(STOP).exists() {
        let begin = Instant::now();
        if round()? != first {
            fs::write(RESULT, "different\n")?;
            return Err(io::Error::other("a round differs from the first"));
        }
        times.push(begin.elapsed());
    }
    times.sort_unstable();
    let at = |part: usize| {
        times
            .get(times.len() * part / 100)
            .copied()
            .unwrap_or(Duration::ZERO)
    };
    let worst = times.last().copied().unwrap_or(Duration::ZERO);
    let text = format!(
        "same {} rounds, median {:?}, worst {worst:?}\n",
        times.len(),
        at(50)
    );
    fs::write(RESULT, text)
}

fn round() -> io::Result<Round> {
    let mut random = Random::new(5, 5);
    let bytes: Vec<u8> = (0..1 << 16).map(|_| random.next() as u8).collect();
    fs::write("/tmp/copy", &bytes)?;
    let read = fs::read("/tmp/copy")?;
    let sum = read
        .iter()
        .fold(0u64, |sum, &byte| sum.rotate_left(5) ^ u64::from(byte));
    let mut names = listed("/")?;
    names.extend(listed("/tmp")?.into_iter().filter(|name| name != "stop"));
    Ok(Round {
        sum,
        processes: listed("/proc")?
            .iter()
            .filter(|name| name.parse::<u32>().is_ok())
            .count(),
        mounts: fs::read_to_string("/proc/self/mounts")?,
        host: fs::read_to_string("/proc/sys/kernel/hostname")?,
        names,
    })
}

fn listed(folder: &str) -> io::Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(folder)? {
        names.push(entry?.file_name().to_string_lossy().into_owned());
    }
    names.sort();
    Ok(names)
}
