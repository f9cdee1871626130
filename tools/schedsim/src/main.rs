//! `schedsim`: runs scenarios on scheduling policies, prints tables and draws curves.

#![forbid(unsafe_code)]

use anyhow::{Context, Result};
use clap::Parser;
use schedsim::recording::Recording;
use schedsim::{Course, Scenario, draw, replay, report, simulate};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Run scenarios on scheduling policies.
#[derive(Parser)]
#[command(name = "cargo xtask sim")]
struct Arguments {
    /// Scenario files
    #[arg(required_unless_present = "replay", value_name = "SCENARIO")]
    scenarios: Vec<PathBuf>,
    /// Recordings of the machine (`/dev/schedule`) to replay, under its own policy or those named
    #[arg(long, value_name = "FILE")]
    replay: Vec<PathBuf>,
    /// Policies, side by side, in place of the scenario's
    #[arg(long, value_name = "NAME")]
    policy: Vec<String>,
    /// Numbers of CPUs in place of the scenario's
    #[arg(long, value_name = "N")]
    cpus: Vec<usize>,
    /// Draw service and error over time into this folder, a file for each scenario and number of CPUs
    #[arg(long, value_name = "DIR")]
    svg: Option<PathBuf>,
    /// Leave out the tables of partitions
    #[arg(short, long)]
    quiet: bool,
}

fn main() -> ExitCode {
    match run(&Arguments::parse()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("sim: {error:#}");
            ExitCode::from(2)
        }
    }
}

/// Whether every expectation was met.
fn run(arguments: &Arguments) -> Result<bool> {
    let mut met = true;
    for path in &arguments.scenarios {
        let scenario = Scenario::read(path)?;
        println!("{}: {}", path.display(), scenario.title);
        let numbers = if arguments.cpus.is_empty() {
            &scenario.cpus
        } else {
            &arguments.cpus
        };
        let policies = if arguments.policy.is_empty() {
            &scenario.policies
        } else {
            &arguments.policy
        };
        let mut all = Vec::new();
        for &cpus in numbers {
            let mut courses = Vec::new();
            for policy in policies {
                let course = simulate(&scenario, policy, cpus)?;
                met &= tell(arguments, &scenario, &course);
                courses.push(course);
            }
            if let Some(folder) = &arguments.svg {
                paint(folder, path, &scenario.title, &courses)?;
            }
            all.extend(courses);
        }
        println!("{}", report::comparison(&all));
    }
    for path in &arguments.replay {
        met &= play(arguments, path)?;
    }
    Ok(met)
}

/// Replays a recording. Only the policy that the machine had must give what the machine gave.
fn play(arguments: &Arguments, path: &Path) -> Result<bool> {
    let text =
        std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    let recording = Recording::parse(&text).with_context(|| path.display().to_string())?;
    let title = report::recorded(&recording);
    println!("{}: {title}", path.display());
    let own = [recording.policy.clone()];
    let policies = if arguments.policy.is_empty() {
        &own[..]
    } else {
        &arguments.policy
    };
    let (mut courses, mut met) = (Vec::new(), true);
    for policy in policies {
        let replayed = replay(&recording, policy)?;
        if !arguments.quiet {
            println!("\n  {policy} on {} CPUs", replayed.course.cpus);
            println!("{}", report::table(&replayed.course, "recorded"));
        }
        if *policy == recording.policy {
            for sentence in replayed.disappointments() {
                println!("  NOT MET: {policy}: {sentence}");
                met = false;
            }
            println!("  {}", report::tolerance(&replayed));
        }
        courses.push(replayed.course);
    }
    println!("{}", report::comparison(&courses));
    if let Some(folder) = &arguments.svg {
        paint(folder, path, &title, &courses)?;
    }
    Ok(met)
}

fn tell(arguments: &Arguments, scenario: &Scenario, course: &Course) -> bool {
    if !arguments.quiet {
        println!("\n  {} on {} CPUs", course.policy, course.cpus);
        println!("{}", report::table(course, "ideal"));
    }
    // Only the policies that the scenario names have promised anything.
    let promised = scenario.policies.contains(&course.policy);
    let missed = report::disappointments(scenario, course);
    let word = if promised {
        "NOT MET"
    } else {
        "not met, not promised"
    };
    for sentence in &missed {
        println!(
            "  {word}: {} on {} CPUs: {sentence}",
            course.policy, course.cpus
        );
    }
    missed.is_empty() || !promised
}

fn paint(folder: &Path, path: &Path, title: &str, courses: &[Course]) -> Result<()> {
    std::fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    let stem = path
        .file_stem()
        .context("a file without a name")?
        .to_string_lossy();
    let cpus = courses.first().map_or(0, |course| course.cpus);
    let file = folder.join(format!("{stem}-{cpus}.svg"));
    draw::draw(title, courses, &file)?;
    println!("  drawn: {}", file.display());
    Ok(())
}
