//! Test programs of crates from crates.io, for suites of `conform` that ask for them: `# crates: NAME@VERSION[+FEATURE,…]…`.
//!
//! Cargo fetches a crate as it fetches any dependency; a copy of its sources is built as a package of its own for the
//! target, with the standard library for programs that unwind. Nothing of it is kept outside of the build folder.

use crate::compile::for_foreign_tests;
use crate::ramdisk::RamDisk;
use crate::workspace::{Workspace, capture};
use anyhow::{Context, Result, bail};
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};

/// Where the guest has a program: below this, `CRATE.TARGET`.
const PLACE: &str = "/usr/lib/crates";

/// A crate whose tests are wanted.
#[derive(Debug, PartialEq, Eq)]
struct Wanted<'a> {
    name: &'a str,
    version: &'a str,
    /// Features besides the crate's default ones; `*` for all.
    features: Option<&'a str>,
}

/// Takes `NAME@VERSION[+FEATURE,…]` apart.
fn wanted(text: &str) -> Result<Wanted<'_>> {
    let (crate_of, features) = match text.split_once('+') {
        Some((crate_of, features)) => (crate_of, Some(features)),
        None => (text, None),
    };
    let Some((name, version)) = crate_of.split_once('@') else {
        bail!("not NAME@VERSION[+FEATURE,…]: {text}");
    };
    Ok(Wanted {
        name,
        version,
        features,
    })
}

/// Builds the tests of `crates` and puts them into the RAM disk.
pub fn put_into(workspace: &Workspace, disk: &mut RamDisk, crates: &[String]) -> Result<()> {
    if crates.is_empty() {
        return Ok(());
    }
    let crates: Vec<Wanted<'_>> = crates
        .iter()
        .map(|text| wanted(text))
        .collect::<Result<_>>()?;
    let fetched = fetch(workspace, &crates)?;
    for (one, sources) in crates.iter().zip(fetched) {
        eprintln!("building the tests of {} {}", one.name, one.version);
        for (target, program) in build(workspace, one, &sources)? {
            disk.add(&program, &format!("{PLACE}/{}.{target}", one.name))?;
        }
    }
    Ok(())
}

/// Lets cargo fetch the crates; the folders of their sources, in the same order.
fn fetch(workspace: &Workspace, crates: &[Wanted<'_>]) -> Result<Vec<PathBuf>> {
    let folder = workspace.folder("crates/fetch")?;
    let mut manifest = "[package]\nname = \"fetch\"\nversion = \"0.0.0\"\nedition = \"2021\"\n\
                        [workspace]\n[lib]\npath = \"lib.rs\"\n[dependencies]\n"
        .to_owned();
    for one in crates {
        manifest.push_str(&format!("{} = \"={}\"\n", one.name, one.version));
    }
    fs::write(folder.join("lib.rs"), "")?;
    fs::write(folder.join("Cargo.toml"), manifest)?;
    let mut cargo = workspace.cargo();
    let told = capture(
        cargo
            .args(["metadata", "--format-version", "1", "--manifest-path"])
            .arg(folder.join("Cargo.toml")),
    )
    .context("cargo cannot fetch the crates")?;
    let told: Value = serde_json::from_str(&told)?;
    let packages = told["packages"].as_array().context("no packages")?;
    crates
        .iter()
        .map(|one| {
            let found = packages
                .iter()
                .find(|found| found["name"] == one.name && found["version"] == one.version)
                .and_then(|found| Path::new(found["manifest_path"].as_str()?).parent());
            found
                .map(Path::to_owned)
                .with_context(|| format!("{} {} was not fetched", one.name, one.version))
        })
        .collect()
}

/// Builds the tests of one crate: what its targets are called, and their programs.
fn build(
    workspace: &Workspace,
    wanted: &Wanted<'_>,
    sources: &Path,
) -> Result<Vec<(String, PathBuf)>> {
    let copy = workspace
        .folder("crates")?
        .join(format!("{}-{}", wanted.name, wanted.version));
    if !copy.exists() {
        copy_tree(sources, &copy)?;
        // It is in no workspace, whatever is around it.
        let manifest = copy.join("Cargo.toml");
        let text = fs::read_to_string(&manifest)?;
        if !text.lines().any(|line| line.trim() == "[workspace]") {
            fs::write(&manifest, text + "\n[workspace]\n")?;
        }
    }
    let mut cargo = for_foreign_tests(workspace.cargo());
    cargo
        .current_dir(&copy)
        .env("CARGO_TARGET_DIR", workspace.folder("crates/target")?);
    match wanted.features {
        Some("*") => drop(cargo.arg("--all-features")),
        Some(features) => drop(cargo.args(["--features", features])),
        None => {}
    }
    // A target that does not build, as when it wants a feature that others exclude, leaves the others as they are: its cases fail.
    let output = cargo.output().context("cannot run cargo")?;
    let told = String::from_utf8_lossy(&output.stdout);
    let mut programs = Vec::new();
    for line in told.lines() {
        let message: Value = serde_json::from_str(line).unwrap_or_default();
        let (target, is_test) = (&message["target"], &message["profile"]["test"]);
        if let (Some(program), Some(name)) =
            (message["executable"].as_str(), target["name"].as_str())
            && *is_test == Value::Bool(true)
        {
            let kind = target["kind"][0].as_str().unwrap_or_default();
            let name = if kind == "test" { name } else { kind };
            programs.push((name.to_owned(), PathBuf::from(program)));
        }
    }
    if programs.is_empty() {
        let said = String::from_utf8_lossy(&output.stderr);
        bail!("no test of {} builds: {said}", wanted.name);
    }
    Ok(programs)
}

fn copy_tree(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from).with_context(|| format!("cannot read {}", from.display()))? {
        let entry = entry?;
        let place = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy_tree(&entry.path(), &place)?;
        } else {
            fs::copy(entry.path(), place)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn crates_are_named_with_versions_and_features() -> Result<()> {
        let one = wanted("nix@0.32.0+*")?;
        let all = (one.name, one.version, one.features);
        assert_eq!(all, ("nix", "0.32.0", Some("*")));
        assert_eq!(wanted("caps@0.5.6")?.features, None);
        assert!(wanted("caps").is_err());
        Ok(())
    }
}
