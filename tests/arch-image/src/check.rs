//! Results.

use arch::print;
use core::fmt::Debug;

#[derive(Default)]
pub struct Checks {
    passed: u32,
    failed: u32,
    /// Whether the current check has failed.
    wrong: bool,
}

impl Checks {
    /// Runs a check and reports it.
    pub fn check(&mut self, id: &str, sentence: &str, body: impl FnOnce(&mut Self)) {
        self.wrong = false;
        body(self);
        if self.wrong {
            self.failed += 1;
            print!("FAIL {id} {sentence}\n");
        } else {
            self.passed += 1;
            print!("ok {id} {sentence}\n");
        }
    }

    /// Notes that two values differ.
    pub fn same<T: PartialEq + Debug>(&mut self, what: &str, found: T, wanted: T) {
        if found != wanted {
            print!("  {what}: found {found:x?}, wanted {wanted:x?}\n");
            self.wrong = true;
        }
    }

    /// Notes that something does not hold.
    pub fn holds(&mut self, what: &str, holds: bool) {
        if !holds {
            print!("  not so: {what}\n");
            self.wrong = true;
        }
    }

    pub fn finish(&self) -> u32 {
        print!("{} passed, {} failed\n", self.passed, self.failed);
        self.failed
    }
}
