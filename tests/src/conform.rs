//! Conformance: many cases of somebody else's test program, and what is known of each.
//!
//! A suite is two files of `tests/conform`. `NAME.sh` defines the shell function `conform CASE`, whose status is 0 when the
//! case has passed and 77 when it does not apply here; its head says what the machine has, as with script suites. A suite
//! of small checks has them in `NAME.checks` instead, below such a head, each the lines after `== CASE`; they share
//! `checks.sh`.
//! `NAME.cases` has the cases, one a line, and with each that does not pass the reason: `CASE: REASON`. A case that is
//! many tests names those that fail, `CASE [TEST TEST]: REASON`, and `conform` tells of each in a line
//! `conform part TEST`.
//!
//! A run is good when every case without a reason passes and every case with one does not, in those tests and no others:
//! who repairs something has to say so in the list.

use anyhow::{Context, Result, bail};
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// What a case without a meaning here answers.
const SKIPPED: i32 = 77;

/// How much of the log of a case that has not passed the guest tells.
const TAIL: usize = 40;

/// A line of a list of cases.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Case {
    /// How the suite's program names it.
    pub name: String,
    /// Which of its tests are known to fail; none when they have no names, or when it passes.
    pub parts: BTreeSet<String>,
    /// Why it is known not to pass.
    pub reason: Option<String>,
}

/// The cases of a list; empty lines and those that begin with `#` are none.
///
/// # Errors
/// When a name is there twice, is more than a word, or has a reason that is empty.
pub fn cases(list: &str) -> Result<Vec<Case>> {
    let mut names = BTreeSet::new();
    let lines = list
        .lines()
        .filter(|line| !line.is_empty() && !line.starts_with('#'));
    lines
        .map(|line| {
            let (subject, reason) = match line.split_once(": ") {
                Some((subject, reason)) => (subject, Some(reason.to_owned())),
                None => (line, None),
            };
            let listed = subject.strip_suffix(']').filter(|_| reason.is_some());
            let (name, parts) = listed
                .and_then(|subject| subject.split_once(" ["))
                .unwrap_or((subject, ""));
            let parts: BTreeSet<String> = parts.split_whitespace().map(str::to_owned).collect();
            let word = |letter: char| letter.is_ascii_alphanumeric() || "_-.".contains(letter);
            if name.is_empty() || !name.chars().all(word) {
                bail!("not CASE, CASE: REASON or CASE [TEST…]: REASON: {line}");
            }
            if !names.insert(name) {
                bail!("{name} is there twice");
            }
            Ok(Case {
                name: name.to_owned(),
                parts,
                reason,
            })
        })
        .collect()
}

/// What came of a case.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It has passed.
    Passed,
    /// It has failed, or the machine has.
    Failed,
    /// The program says that it does not apply.
    Skipped,
}

impl Verdict {
    /// The verdict of the status that the guest has told.
    #[must_use]
    pub fn of(status: i32) -> Self {
        match status {
            0 => Self::Passed,
            SKIPPED => Self::Skipped,
            _ => Self::Failed,
        }
    }

    /// The word in a table.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Passed => "passed",
            Self::Failed => "FAILED",
            Self::Skipped => "skipped",
        }
    }
}

impl Case {
    /// What is wrong with a verdict, if anything; `failing` are the tests that have failed, where they have names.
    #[must_use]
    pub fn objection(&self, verdict: Verdict, failing: &BTreeSet<String>) -> Option<String> {
        let said = match (&self.reason, verdict) {
            (None, Verdict::Failed) => "it is expected to pass",
            (None, Verdict::Skipped) => "it is expected to run and to pass",
            (Some(_), Verdict::Passed) => "it passes although the list has a reason why not",
            (Some(_), _) if !self.parts.is_empty() => return self.difference(failing),
            _ => return None,
        };
        Some(said.to_owned())
    }

    /// How the tests that have failed differ from those that are listed.
    fn difference(&self, failing: &BTreeSet<String>) -> Option<String> {
        let list = |one: &BTreeSet<String>, other: &BTreeSet<String>| -> String {
            let names: Vec<&str> = one.difference(other).map(String::as_str).collect();
            names.join(" ")
        };
        let (new, mended) = (list(failing, &self.parts), list(&self.parts, failing));
        match (new.is_empty(), mended.is_empty()) {
            (true, true) => None,
            (false, true) => Some(format!("these fail besides: {new}")),
            (true, false) => Some(format!("these do not fail: {mended}")),
            (false, false) => Some(format!(
                "these fail besides: {new}; these do not fail: {mended}"
            )),
        }
    }
}

/// A line of the guest that is about a case.
#[derive(Debug, PartialEq, Eq)]
pub enum Said<'a> {
    /// A case has begun.
    Begin(&'a str),
    /// A test of it has failed.
    Part(&'a str),
    /// A case is over, with this status.
    End(&'a str, i32),
}

/// Takes a line of the guest apart; what is not about a case is a line of its log.
#[must_use]
pub fn said(line: &str) -> Option<Said<'_>> {
    if let Some(name) = line.strip_prefix("conform begin ") {
        return Some(Said::Begin(name));
    }
    if let Some(name) = line.strip_prefix("conform part ") {
        return Some(Said::Part(name));
    }
    let (name, status) = line.strip_prefix("conform end ")?.split_once(' ')?;
    Some(Said::End(name, status.parse().ok()?))
}

/// What init runs: `suite`, and then each of `names` in turn.
#[must_use]
pub fn script(suite: &str, names: &[&str]) -> String {
    let names = names.join(" ");
    format!(
        "{suite}\nfor name in {names}; do\n\
         echo \"conform begin $name\"\n\
         (conform \"$name\") </dev/null >/tmp/conform.log 2>&1\n\
         status=$?\n\
         grep '^conform part ' /tmp/conform.log | sort -u\n\
         test $status -eq 0 || grep -v '^conform part ' /tmp/conform.log | tail -n {TAIL}\n\
         echo \"conform end $name $status\"\n\
         done\n"
    )
}

/// What the guest does for a suite, with the head that says what the machine has.
///
/// # Errors
/// When there is no such suite.
pub fn suite(name: &str) -> Result<String> {
    if !folder().join(format!("{name}.checks")).exists() {
        return read(&format!("{name}.sh"));
    }
    checks(&read(&format!("{name}.checks"))?, &read("checks.sh")?)
}

/// The cases of a suite.
///
/// # Errors
/// When there is no such suite, or its list is not well formed.
pub fn listed(name: &str) -> Result<Vec<Case>> {
    cases(&read(&format!("{name}.cases"))?)
}

/// A suite of checks: their head, and then they as the file that `runner` takes them from.
fn checks(text: &str, runner: &str) -> Result<String> {
    let (head, checks) = text.split_once("\n== ").context("no check")?;
    let patience = crate::needs(head)?.patience.as_secs();
    Ok(format!(
        "{head}\nPATIENCE={patience}\ncat >/tmp/checks <<'CHECKS'\n== {checks}CHECKS\n{runner}"
    ))
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("conform")
}

fn read(file: &str) -> Result<String> {
    let file = folder().join(file);
    fs::read_to_string(&file).with_context(|| format!("cannot read {}", file.display()))
}

#[cfg(test)]
mod tests {
    use super::{Case, Said, Verdict, cases, checks, folder, listed, said, script, suite};
    use std::collections::BTreeSet;

    fn case(name: &str, reason: Option<&str>) -> Case {
        Case {
            name: name.to_owned(),
            parts: BTreeSet::new(),
            reason: reason.map(str::to_owned),
        }
    }

    fn set(names: &[&str]) -> BTreeSet<String> {
        names.iter().map(|&name| name.to_owned()).collect()
    }

    #[test]
    fn a_list_has_cases_and_reasons() {
        let list = "# sense\n\naccess\nkvm: there is no /dev/kvm: never\n";
        let expected = [
            case("access", None),
            case("kvm", Some("there is no /dev/kvm: never")),
        ];
        assert_eq!(cases(list).expect("a list"), expected);
    }

    #[test]
    fn what_would_be_overlooked_is_refused() {
        for list in [
            "a\na\n",
            "a\na: late\n",
            "a b\n",
            "a [b]\n",
            "a b]: why\n",
            ": why\n",
            "$(reboot)\n",
        ] {
            assert!(cases(list).is_err(), "{list}");
        }
    }

    #[test]
    fn regressions_and_repairs_are_objected_to() {
        let (good, bad) = (case("a", None), case("b", Some("because")));
        let objects = |case: &Case, verdict| case.objection(verdict, &set(&["x"])).is_some();
        assert!(!objects(&good, Verdict::Passed));
        assert!(objects(&good, Verdict::Failed));
        assert!(objects(&good, Verdict::Skipped));
        assert!(objects(&bad, Verdict::Passed));
        assert!(!objects(&bad, Verdict::Failed));
        assert!(!objects(&bad, Verdict::Skipped));
    }

    #[test]
    fn tests_that_fail_are_held_to_be_those_of_the_list() {
        let listed = cases("a [one two]: because: [x]\n").expect("a list");
        let [case] = &listed[..] else {
            panic!("{listed:?}")
        };
        assert_eq!(case.parts, set(&["one", "two"]));
        assert_eq!(case.reason.as_deref(), Some("because: [x]"));
        let objection = |failing: &[&str]| case.objection(Verdict::Failed, &set(failing));
        assert_eq!(objection(&["two", "one"]), None);
        assert_eq!(
            objection(&["one", "three"]).as_deref(),
            Some("these fail besides: three; these do not fail: two")
        );
        assert!(objection(&["one"]).is_some_and(|text| text.ends_with("not fail: two")));
        // A machine that has died has told nothing.
        assert!(objection(&[]).is_some());
        assert!(case.objection(Verdict::Passed, &set(&[])).is_some());
    }

    #[test]
    fn the_guest_is_understood() {
        assert_eq!(said("conform part x.y"), Some(Said::Part("x.y")));
        assert_eq!(said("conform begin a"), Some(Said::Begin("a")));
        assert_eq!(said("conform end a 77"), Some(Said::End("a", 77)));
        assert_eq!(said("conform end a"), None);
        assert_eq!(said("conform end a x"), None);
        assert_eq!(said("a line"), None);
        assert_eq!(Verdict::of(77), Verdict::Skipped);
        assert_eq!(Verdict::of(1), Verdict::Failed);
        assert!(script("x", &["a", "b"]).contains("for name in a b; do"));
    }

    #[test]
    fn checks_become_a_file_of_the_guest() {
        let text = checks(
            "# x\n# patience: 7\n\n== a\ntrue\n== b\nfalse\n",
            "runner\n",
        );
        assert_eq!(
            text.expect("checks"),
            "# x\n# patience: 7\n\nPATIENCE=7\ncat >/tmp/checks <<'CHECKS'\n== a\ntrue\n== b\nfalse\nCHECKS\nrunner\n"
        );
        assert!(checks("# x\n", "runner").is_err());
    }

    #[test]
    fn every_suite_of_the_tree_is_well_formed() {
        let mut lists = 0;
        for entry in std::fs::read_dir(folder()).expect("conform") {
            let path = entry.expect("an entry").path();
            if path.extension().is_none_or(|kind| kind != "cases") {
                continue;
            }
            let name = path.file_stem().expect("a name").to_string_lossy();
            let text = suite(&name).expect("a suite");
            let cases = listed(&name).expect("well formed");
            assert!(!cases.is_empty() && text.contains("conform() {"), "{name}");
            crate::needs(&text).expect("a head");
            if path.with_extension("checks").exists() {
                let mut checks: Vec<&str> = text
                    .lines()
                    .filter_map(|line| line.strip_prefix("== "))
                    .collect();
                let mut names: Vec<&str> = cases.iter().map(|case| case.name.as_str()).collect();
                checks.sort_unstable();
                names.sort_unstable();
                assert_eq!(checks, names, "{name}");
            }
            lists += 1;
        }
        assert!(lists > 0);
    }
}
