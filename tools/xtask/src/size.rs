//! `cargo xtask size`: how large the kernel is, and how much of it may be unsafe.

use crate::workspace::{Workspace, capture};
use crate::{compile, lines, packages};
use anyhow::{Context, Result};
use std::path::Path;
use std::process::Command;

/// Binutils for the target.
const SIZE: &str = "powerpc64le-linux-gnu-size";
const NM: &str = "powerpc64le-linux-gnu-nm";

/// Prints the table.
pub fn report(workspace: &Workspace) -> Result<()> {
    packages::ensure(packages::BUILD)?;
    let kernel = compile::kernel(workspace, compile::Checks::Off)?;
    let [text, data, zeroed] = sections(&kernel)?;
    println!("text    {text:>9} bytes (code and constants)");
    println!("data    {data:>9} bytes");
    println!("bss     {zeroed:>9} bytes (zeroed at boot)");
    println!(
        "heap    {:>9} bytes (reserved in the image)",
        heap(&kernel)?
    );
    code(workspace)
}

/// The sizes of text, data and bss.
fn sections(kernel: &Path) -> Result<[u64; 3]> {
    let listed = capture(Command::new(SIZE).arg("--format=berkeley").arg(kernel))?;
    let numbers: Vec<u64> = listed
        .lines()
        .nth(1)
        .context("size has printed no second line")?
        .split_whitespace()
        .filter_map(|word| word.parse().ok())
        .collect();
    numbers
        .first_chunk()
        .copied()
        .context("size has printed no three numbers")
}

/// The sizes of the symbols in the image that are kernel heap.
fn heap(kernel: &Path) -> Result<u64> {
    let listed = capture(
        Command::new(NM)
            .args(["--print-size", "--radix=d", "--demangle"])
            .arg(kernel),
    )?;
    let mut bytes = 0;
    for line in listed.lines() {
        if let [_, size, kind, name] = line.split_whitespace().collect::<Vec<_>>()[..]
            && "bBdD".contains(kind)
            && name.ends_with("HEAP_SPACE")
        {
            bytes += size.parse::<u64>().unwrap_or(0);
        }
    }
    Ok(bytes)
}

/// Lines of code by crate.
fn code(workspace: &Workspace) -> Result<()> {
    let crates = lines::kernel_crates(workspace)?;
    println!();
    for unit in &crates {
        let mark = if unit.may_be_unsafe {
            "may be unsafe"
        } else {
            ""
        };
        println!("{:24} {:>6} lines  {mark}", unit.folder, unit.lines);
    }
    let all: usize = crates.iter().map(|unit| unit.lines).sum();
    let some: usize = crates
        .iter()
        .filter(|unit| unit.may_be_unsafe)
        .map(|unit| unit.lines)
        .sum();
    let tenths = (some * 1000).checked_div(all).unwrap_or(0);
    println!("{:24} {all:>6} lines", "all");
    println!(
        "{:24} {some:>6} lines, {}.{} % of all",
        "may be unsafe",
        tenths / 10,
        tenths % 10
    );
    Ok(())
}
