//! The library of scenarios keeps what it expects, on every number of CPUs that it names.

use schedsim::{Scenario, report, simulate};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::thread;

fn library() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios");
    let entries = std::fs::read_dir(folder).expect("the library is there");
    let mut paths: Vec<_> = entries
        .map(|entry| entry.expect("a folder that can be read").path())
        .filter(|path| {
            path.extension()
                .is_some_and(|extension| extension == "toml")
        })
        .collect();
    paths.sort();
    paths
}

/// SIM0010: every scenario of the library is met by the policies that it names.
#[test]
fn sim0010_the_library_is_met() {
    let mut runs = Vec::new();
    for path in library() {
        let scenario = Scenario::read(&path).expect("a scenario");
        for &cpus in &scenario.cpus {
            for policy in &scenario.policies {
                runs.push((path.clone(), scenario.clone(), policy.clone(), cpus));
            }
        }
    }
    assert!(runs.len() > 20, "{} runs are no library", runs.len());
    // The long ones, on many CPUs, first.
    runs.sort_by_key(|run| run.3);
    let (runs, missed) = (Mutex::new(runs), Mutex::new(Vec::new()));
    thread::scope(|scope| {
        for _ in 0..thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(|| {
                loop {
                    let next = runs.lock().expect("no run has panicked").pop();
                    let Some((path, scenario, policy, cpus)) = next else {
                        return;
                    };
                    let course = simulate(&scenario, &policy, cpus).expect("it runs");
                    for sentence in report::disappointments(&scenario, &course) {
                        let mut missed = missed.lock().expect("no run has panicked");
                        missed.push(format!(
                            "{}: {policy} on {cpus} CPUs: {sentence}",
                            path.display()
                        ));
                    }
                }
            });
        }
    });
    let missed = missed.into_inner().expect("no run has panicked");
    assert!(missed.is_empty(), "{}", missed.join("\n"));
}

const SMALL: &str = r#"
title = "two"
cpus = [2]
time = "500ms"
[expect]
largest_error = 0.5
[[expect.partition]]
name = "capped"
at_most = 40.5
maximum_in = "100ms"
[[partition]]
name = "capped"
shares = 1
hard = 20.0
threads = [{ does = "random", run = "20ms", sleep = "10us", seed = 5, count = 4 }]
[[partition]]
name = "other"
shares = 3
threads = [{ does = "busy", count = 2 }]
"#;

/// SIM0011: two runs of one scenario are equal to the tick.
#[test]
fn sim0011_runs_repeat_to_the_tick() {
    let scenario = Scenario::parse(SMALL).expect("a scenario");
    let run = || {
        let course = simulate(&scenario, "wlm", 2).expect("it runs");
        let used: Vec<_> = course
            .parts
            .iter()
            .map(|part| (part.used.clone(), part.latencies.clone()))
            .collect();
        (used, course.switches)
    };
    assert_eq!(run(), run());
}

/// SIM0012: what is not kept is found: each kind of expectation fails when it asks for the impossible.
#[test]
fn sim0012_expectations_can_fail() {
    let missed = |text: &str, policy: &str| {
        let scenario = Scenario::parse(text).expect("a scenario");
        let course = simulate(&scenario, policy, 2).expect("it runs");
        report::disappointments(&scenario, &course)
    };
    assert_eq!(missed(SMALL, "wlm"), Vec::<String>::new());
    for (old, new, what) in [
        (
            "largest_error = 0.5",
            "largest_error = 0.0",
            "largest error",
        ),
        ("largest_error = 0.5", "mean_error = 0.0", "mean error"),
        (
            "largest_error = 0.5",
            "window = { length = \"100ms\", slices = 0.0 }",
            "difference in a window",
        ),
        ("at_most = 40.5", "at_most = 10.0", "points"),
        ("at_most = 40.5", "at_least = 90.0", "minus its points"),
        ("at_most = 40.5", "error = 0.0", "error"),
        ("at_most = 40.5", "latency_p99 = \"0us\"", "latency of 99 %"),
        (
            "maximum_in = \"100ms\"",
            "minimum_in = \"100ms\"\nerror = 0.0",
            "error",
        ),
    ] {
        let text = SMALL.replace(old, new);
        assert_ne!(text, SMALL, "{old}");
        let missed = missed(&text, "wlm");
        assert!(
            missed.iter().any(|sentence| sentence.contains(what)),
            "{what}: {missed:?}"
        );
    }
    // A maximum that is lifted while it is expected, and a minimum that the policy does not know.
    let floor = SMALL
        .replace("hard = 20.0", "minimum = 90.0")
        .replace("maximum_in", "minimum_in");
    let missed = missed(&floor.replace("at_most = 40.5", ""), "round-robin");
    assert!(
        missed
            .iter()
            .any(|sentence| sentence.contains("lacks to the minimum")),
        "{missed:?}"
    );
}

/// SIM0013: what makes no sense is refused, with what is wrong.
#[test]
fn sim0013_nonsense_is_refused() {
    for (old, new) in [
        ("cpus = [2]", "cpus = []"),
        ("cpus = [2]", "cpus = [1000]"),
        ("time = \"500ms\"", "time = \"500\""),
        ("time = \"500ms\"", "time = \"0s\""),
        ("name = \"capped\"\nat_most", "name = \"nobody\"\nat_most"),
        ("shares = 3", "share = 3"),
        ("does = \"busy\"", "does = \"nothing\""),
    ] {
        let text = SMALL.replace(old, new);
        assert_ne!(text, SMALL, "{old}");
        assert!(Scenario::parse(&text).is_err(), "{new}");
    }
    let text = SMALL.replace("hard = 20.0", "hard = 20.0\nminimum = 30.0");
    let scenario = Scenario::parse(&text).expect("its form is right");
    assert!(
        simulate(&scenario, "wlm", 2).is_err(),
        "a minimum above the maximum"
    );
    assert!(
        simulate(&scenario, "lottery", 2).is_err(),
        "a policy that is not there"
    );
}

/// SIM0014: the curves are an SVG with a column for each policy.
#[test]
fn sim0014_curves_are_drawn() {
    let scenario = Scenario::parse(SMALL).expect("a scenario");
    let courses: Vec<_> = ["wlm", "stride"]
        .iter()
        .map(|policy| simulate(&scenario, policy, 2).expect("it runs"))
        .collect();
    let folder = std::env::temp_dir().join(format!("schedsim-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("a folder");
    let path = folder.join("two.svg");
    schedsim::draw::draw("two", &courses, &path).expect("it is drawn");
    let text = std::fs::read_to_string(&path).expect("it is there");
    std::fs::remove_dir_all(&folder).expect("it goes");
    assert!(text.starts_with("<svg") && text.trim_end().ends_with("</svg>"));
    for word in [
        "wlm, 2 CPUs",
        "stride, 2 CPUs",
        "capped",
        "other",
        "polyline",
    ] {
        assert!(text.contains(word), "{word}");
    }
}
