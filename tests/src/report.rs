//! Verdicts, printed as they come and counted.

use std::fs;
use std::path::PathBuf;
use std::sync::Mutex;

/// How much of a failed test's log is shown.
const TAIL: usize = 25;

/// Counts verdicts, prints them, and keeps the logs of failures. Shared by everything that tests.
pub struct Report {
    logs: PathBuf,
    counts: Mutex<Counts>,
}

#[derive(Default)]
struct Counts {
    passed: u64,
    failed: Vec<String>,
}

impl Report {
    /// A report that keeps logs of failures in the folder `logs`.
    #[must_use]
    pub fn new(logs: PathBuf) -> Self {
        Self {
            logs,
            counts: Mutex::new(Counts::default()),
        }
    }

    /// The folder for logs.
    #[must_use]
    pub fn logs(&self) -> &PathBuf {
        &self.logs
    }

    /// The test `id` did what `sentence` says.
    pub fn pass(&self, id: &str, sentence: &str) {
        let mut counts = self.counts();
        counts.passed += 1;
        println!("ok      {id}: {sentence}");
    }

    /// The test `id` did not; `log` says what happened instead.
    pub fn fail(&self, id: &str, sentence: &str, log: &str) {
        let file = self.logs.join(format!("{id}.log"));
        let kept = fs::create_dir_all(&self.logs).and_then(|()| fs::write(&file, log));
        let mut counts = self.counts();
        counts.failed.push(format!("{id}: {sentence}"));
        println!("FAILED  {id}: {sentence}");
        let lines: Vec<&str> = log.lines().collect();
        // Where output is cut the reason is seen all the same.
        println!("        {}", lines.last().unwrap_or(&""));
        for line in &lines[lines.len().saturating_sub(TAIL)..] {
            println!("        | {}", line.trim_end());
        }
        match kept {
            Ok(()) => println!("        log: {}", file.display()),
            Err(error) => println!("        the log could not be kept: {error}"),
        }
    }

    /// A figure that is no verdict.
    pub fn note(&self, text: &str) {
        // Under the lock, so that it does not come between the lines of a failure.
        let _counts = self.counts();
        println!("        {text}");
    }

    /// A verdict from a fault or its absence.
    pub fn judge(&self, id: &str, sentence: &str, result: &anyhow::Result<()>, log: &str) {
        match result {
            Ok(()) => self.pass(id, sentence),
            Err(error) => self.fail(id, sentence, &format!("{log}\n{error:#}")),
        }
    }

    /// Adds tests that another program has run, printed and named itself.
    pub fn add(&self, passed: u64, failed: &[String]) {
        let mut counts = self.counts();
        counts.passed += passed;
        counts.failed.extend_from_slice(failed);
    }

    /// Lists the failures, prints the one line `N passed, N failed`, and says whether all passed.
    #[must_use]
    pub fn conclude(&self) -> bool {
        let counts = self.counts();
        for failure in &counts.failed {
            println!("failed: {failure}");
        }
        println!("{} passed, {} failed", counts.passed, counts.failed.len());
        counts.failed.is_empty()
    }

    fn counts(&self) -> std::sync::MutexGuard<'_, Counts> {
        // A thread that panicked while it held the lock has left the counts whole.
        self.counts
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}
