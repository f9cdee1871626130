//! All suites by name, and running them in parallel.

use crate::target::Target;
use crate::{Report, bare, console, harness, script};
use anyhow::{Context, Result, bail};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::thread;
use std::time::Instant;

/// One suite: a name and what it runs.
enum Suite {
    Bare,
    Console,
    Harness(usize),
    Script(PathBuf),
}

/// The names of all suites.
///
/// # Errors
/// When the folder of scripts cannot be read.
pub fn names() -> Result<Vec<String>> {
    let mut names = vec![
        "arch".to_owned(),
        "console".to_owned(),
        "harness".to_owned(),
    ];
    for script in scripts()? {
        names.push(name(&script));
    }
    Ok(names)
}

/// The script suites, in order of their names.
fn scripts() -> Result<Vec<PathBuf>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts");
    let entries =
        fs::read_dir(&folder).with_context(|| format!("cannot read {}", folder.display()))?;
    let mut scripts: Vec<PathBuf> = entries
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.extension().is_some_and(|extension| extension == "sh"))
        .filter(|path| name(path) != "prelude")
        .collect();
    scripts.sort();
    Ok(scripts)
}

/// Whether one of the suites named in `wanted` (all when it is empty) asks for the kernel with debug assertions.
///
/// # Errors
/// When a script cannot be read, or its head is not understood.
pub fn want_debug_kernel(wanted: &[String]) -> Result<bool> {
    for script in scripts()? {
        if wanted.is_empty() || wanted.contains(&name(&script)) {
            let text = fs::read_to_string(&script)
                .with_context(|| format!("cannot read {}", script.display()))?;
            if script::needs(&text)?.debug {
                return Ok(true);
            }
        }
    }
    Ok(false)
}

fn name(script: &Path) -> String {
    script
        .file_stem()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned()
}

/// Runs the suites named in `wanted` (all when it is empty) on `workers` machines at once.
///
/// # Errors
/// When a name is unknown, or a machine cannot be started at all.
pub fn run(target: &Target, wanted: &[String], workers: usize, report: &Report) -> Result<()> {
    let known = names()?;
    if let Some(unknown) = wanted.iter().find(|name| !known.contains(name)) {
        bail!(
            "there is no suite {unknown}; there are: {}",
            known.join(" ")
        );
    }
    let is_wanted = |name: &str| wanted.is_empty() || wanted.iter().any(|wanted| wanted == name);
    let mut queue = Vec::new();
    for script in scripts()?
        .into_iter()
        .rev()
        .filter(|script| is_wanted(&name(script)))
    {
        queue.push(Suite::Script(script));
    }
    if is_wanted("harness") {
        queue.extend((0..harness::COUNT).map(Suite::Harness));
    }
    if is_wanted("arch") {
        queue.push(Suite::Bare);
    }
    if is_wanted("console") {
        queue.push(Suite::Console);
    }
    let queue = Mutex::new(queue);
    let next = || {
        queue
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
            .pop()
    };
    thread::scope(|scope| {
        let work = || {
            while let Some(suite) = next() {
                perform(target, &suite, report)?;
            }
            Ok(())
        };
        let threads: Vec<_> = (0..workers).map(|_| scope.spawn(work)).collect();
        threads.into_iter().try_for_each(|thread| {
            thread
                .join()
                .unwrap_or_else(|_| bail!("a test thread panicked"))
        })
    })
}

fn perform(target: &Target, suite: &Suite, report: &Report) -> Result<()> {
    match suite {
        Suite::Bare => bare::run(target, report),
        Suite::Console => console::run(target, report),
        Suite::Harness(number) => harness::run(target, *number, report),
        Suite::Script(script) => {
            let start = Instant::now();
            script::run(target, script, report)?;
            let seconds = start.elapsed().as_secs();
            report.note(&format!("suite {} took {seconds} s", name(script)));
            Ok(())
        }
    }
}
