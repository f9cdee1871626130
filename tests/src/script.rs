//! Script suites: a shell script with many tests in one boot.
//!
//! A suite is a file of `check ID 'sentence' <<'END' … END` paragraphs (see `tests/scripts/prelude.sh`).
//! The guest prints `begin ID` and then `ok ID` or `not ok ID`; lines between them belong to that test. When
//! the machine stops answering, the test that had begun has failed, and a new machine goes on after it. The guest's last
//! lines tell how long the kernel has kept interrupts waiting. A line `note: TEXT` between tests is shown.

use crate::Report;
use crate::target::{Needs, PATIENCE, Talk, Target};
use anyhow::{Context, Result, bail};
use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

/// After so many machines without any progress the rest of a suite is given up.
const BARREN: usize = 2;

/// One test as its script announces it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Announced {
    /// The id, for example `SHELL0001`.
    pub id: String,
    /// What holds when it passes.
    pub sentence: String,
}

/// The tests of a script, in order.
pub fn announced(text: &str) -> Result<Vec<Announced>> {
    let mut tests = Vec::new();
    for line in text.lines().filter(|line| line.starts_with("check ")) {
        let parse = || {
            let (id, rest) = line.strip_prefix("check ")?.split_once(' ')?;
            let (sentence, _) = rest.strip_prefix('\'')?.rsplit_once("' <<'END'")?;
            Some(Announced {
                id: id.to_owned(),
                sentence: sentence.to_owned(),
            })
        };
        tests.push(parse().with_context(|| format!("not check ID 'sentence' <<'END': {line}"))?);
    }
    Ok(tests)
}

/// What the script asks for before its first test, in lines `# cpus: N`, `# memory: SIZE`, `# packages: NAME…`,
/// `# crates: NAME@VERSION…`, `# minbase: WPAR`, `# kernel: debug`, `# time: counted` and `# patience: SECONDS`.
pub fn needs(text: &str) -> Result<Needs> {
    let mut needs = Needs::default();
    for line in text.lines().take_while(|line| !line.starts_with("check ")) {
        if let Some(number) = line.strip_prefix("# cpus:") {
            needs.cpus = match number.trim().parse() {
                Ok(cpus @ 1..) => cpus,
                _ => bail!("not a number of CPUs:{number}"),
            };
        } else if let Some(size) = line.strip_prefix("# memory:") {
            size.trim().clone_into(&mut needs.memory);
        } else if let Some(kind) = line.strip_prefix("# kernel:") {
            needs.debug = match kind.trim() {
                "debug" => true,
                _ => bail!("not a kind of kernel:{kind}"),
            };
        } else if let Some(names) = line.strip_prefix("# packages:") {
            let names = names.split_whitespace().map(str::to_owned);
            needs.packages.extend(names);
        } else if let Some(names) = line.strip_prefix("# crates:") {
            let names = names.split_whitespace().map(str::to_owned);
            needs.crates.extend(names);
        } else if let Some(name) = line.strip_prefix("# minbase:") {
            needs.minbase = Some(name.trim().to_owned());
        } else if let Some(kind) = line.strip_prefix("# time:") {
            needs.counted = match kind.trim() {
                "counted" => true,
                _ => bail!("not a kind of time:{kind}"),
            };
        } else if let Some(seconds) = line.strip_prefix("# patience:") {
            let seconds = seconds.trim().parse().context("not a number of seconds")?;
            needs.patience = Duration::from_secs(seconds);
        }
    }
    Ok(needs)
}

/// Runs one script; every test it announces gets a verdict.
pub fn run(target: &Target, script: &Path, report: &Report) -> Result<()> {
    let text =
        fs::read_to_string(script).with_context(|| format!("cannot read {}", script.display()))?;
    let mut left = announced(&text)?;
    let mut barren = 0;
    while !left.is_empty() {
        let before = left.len();
        let fault = one_machine(target, &text, &mut left, report);
        let Err(error) = fault else { continue };
        if left.len() == before {
            barren += 1;
        }
        if barren == BARREN {
            for test in left.drain(..) {
                report.fail(&test.id, &test.sentence, &format!("{error:#}"));
            }
        }
    }
    Ok(())
}

/// Boots once and takes verdicts until the machine has nothing more to say.
fn one_machine(
    target: &Target,
    text: &str,
    left: &mut Vec<Announced>,
    report: &Report,
) -> Result<()> {
    let wanted: Vec<&str> = left.iter().map(|test| test.id.as_str()).collect();
    let script = format!(
        "WANTED='{}'\n. /usr/lib/corral-tests/prelude.sh\n{text}\nsed 's/^/latency: /' /dev/latency\n",
        wanted.join(" ")
    );
    let needs = needs(text)?;
    let mut talk = target.boot_with(Some(script.as_bytes()), &needs)?;
    let mut running: Option<Announced> = None;
    let mut log = String::new();
    loop {
        let line = match talk.line(Instant::now() + needs.patience) {
            Ok(Some(line)) => line,
            ended => return broke_off(talk, ended.err(), running, &log, left, report),
        };
        if let Some(id) = line.strip_prefix("begin ") {
            running = left.iter().find(|test| test.id == id).cloned();
            log.clear();
        } else if let Some(id) = line.strip_prefix("ok ") {
            if let Some(test) = take(left, id) {
                report.pass(&test.id, &test.sentence);
            }
            running = None;
        } else if let Some(id) = line.strip_prefix("not ok ") {
            if let Some(test) = take(left, id) {
                report.fail(&test.id, &test.sentence, &log);
            }
            running = None;
        } else if let (None, Some(text)) = (&running, line.strip_prefix("note: ")) {
            report.note(text);
        } else if let (None, Some(figures)) = (&running, line.strip_prefix("latency: ")) {
            report.note(&format!("latency {figures}"));
        } else {
            log.push_str(&line);
            log.push('\n');
        }
    }
}

/// The machine is off or silent: the running test has failed, or, when none was, the suite is over.
fn broke_off(
    talk: Talk,
    silence: Option<anyhow::Error>,
    running: Option<Announced>,
    log: &str,
    left: &mut Vec<Announced>,
    report: &Report,
) -> Result<()> {
    let limit = if silence.is_some() {
        Duration::ZERO
    } else {
        PATIENCE
    };
    let (outcome, transcript) = talk.end(limit)?;
    if let Some(test) = running.and_then(|test| take(left, &test.id)) {
        report.fail(&test.id, &test.sentence, &format!("{log}{outcome}"));
        return Ok(());
    }
    if !left.is_empty() {
        bail!("{transcript}\n{outcome}: the machine has ended with tests left");
    }
    Ok(())
}

fn take(left: &mut Vec<Announced>, id: &str) -> Option<Announced> {
    let at = left.iter().position(|test| test.id == id)?;
    Some(left.remove(at))
}

#[cfg(test)]
mod tests {
    use super::{Announced, announced, needs};
    use std::collections::BTreeSet;
    use std::fs;
    use std::path::Path;

    #[test]
    fn a_paragraph_announces_its_test() {
        let text = "# x\ncheck A0001 'it''s so' <<'END'\ntrue\nEND\n";
        let expected = Announced {
            id: "A0001".into(),
            sentence: "it''s so".into(),
        };
        assert_eq!(announced(text).expect("well formed"), [expected]);
        assert!(announced("check A0001 nothing\n").is_err());
    }

    #[test]
    fn the_head_describes_the_machine() {
        let head = "# x\n\n# cpus: 4\n# memory: 2G\n# kernel: debug\n# time: counted\n# packages: bash\n# packages: perl git\n# minbase: b\n";
        let wanted = needs(head).expect("well formed");
        assert_eq!((wanted.cpus, wanted.memory.as_str()), (4, "2G"));
        assert!(wanted.debug && wanted.counted);
        assert!(needs("# kernel: fast\n").is_err());
        assert_eq!(wanted.packages, ["bash", "perl", "git"]);
        assert_eq!(wanted.minbase.as_deref(), Some("b"));
        assert_eq!(
            needs("# x\ncheck A1 'x' <<'END'\n# cpus: 4\nEND\n").expect("none"),
            super::Needs::default()
        );
        assert!(needs("# cpus: 0\n").is_err());
        assert!(needs("# cpus: many\n").is_err());
    }

    #[test]
    fn ids_are_unique() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts");
        let mut seen = BTreeSet::new();
        for entry in fs::read_dir(folder).expect("scripts") {
            let text = fs::read_to_string(entry.expect("an entry").path()).expect("text");
            for test in announced(&text).expect("well formed") {
                assert!(seen.insert(test.id.clone()), "{} is there twice", test.id);
            }
        }
    }
}
