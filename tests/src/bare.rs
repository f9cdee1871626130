//! The checks of `arch` on the bare machine: an image without a kernel, which prints a verdict a line.

use crate::Report;
use crate::target::{Needs, PATIENCE, Talk, Target};
use anyhow::{Result, bail};
use qemu::Machine;
use std::time::Instant;

/// Boots the image, takes its verdicts, and checks that it came to its end.
///
/// # Errors
/// When the machine cannot be started.
pub fn run(target: &Target, report: &Report) -> Result<()> {
    let folder = target.folder()?;
    let archive = folder.join("ramdisk.cpio");
    target.disks.make(None, &Needs::default(), &archive)?;
    let mut talk = Talk::start(&Machine::new(&target.arch_image, &archive), &folder)?;
    let mut notes = String::new();
    let mut summary = None;
    while let Some(line) = talk.line(Instant::now() + PATIENCE)? {
        if let Some((id, sentence)) = verdict(&line, "ok ") {
            report.pass(id, sentence);
            notes.clear();
        } else if let Some((id, sentence)) = verdict(&line, "FAIL ") {
            report.fail(id, sentence, &notes);
            notes.clear();
        } else {
            summary = line.strip_suffix(" failed").map(str::to_owned).or(summary);
            notes.push_str(&line);
            notes.push('\n');
        }
    }
    let ended = match summary {
        Some(_) => Ok(()),
        None => Err(anyhow::anyhow!("the image stopped before its end")),
    };
    report.judge(
        "ARCH0000",
        "the checks of arch come to their end",
        &ended,
        &notes,
    );
    let (outcome, transcript) = talk.end(PATIENCE)?;
    if transcript.is_empty() {
        bail!("{outcome}: the image of arch's checks printed nothing");
    }
    Ok(())
}

/// The id and sentence of a line that begins with `word`.
fn verdict<'a>(line: &'a str, word: &str) -> Option<(&'a str, &'a str)> {
    line.strip_prefix(word)?.split_once(' ')
}
