//! Lines of code, crate by crate.

use crate::workspace::Workspace;
use anyhow::{Context, Result};
use std::fs;
use std::path::{Path, PathBuf};

/// The folders that make up the kernel.
const KERNEL: &[&str] = &["arch", "boot", "drivers", "kernel"];

/// One crate of the kernel.
pub struct Crate {
    /// Its folder, from the workspace's.
    pub folder: String,
    /// Whether it does not forbid unsafe code.
    pub may_be_unsafe: bool,
    /// Lines that are neither blank nor comment nor test.
    pub lines: usize,
}

/// Every crate whose code is in the kernel, in order of folders.
pub fn kernel_crates(workspace: &Workspace) -> Result<Vec<Crate>> {
    let mut folders = Vec::new();
    for top in KERNEL {
        manifests(&workspace.root.join(top), &mut folders)?;
    }
    folders.sort();
    folders
        .iter()
        .map(|folder| measure(workspace, folder))
        .collect()
}

/// Collects the folders below `folder` that have a Cargo.toml.
fn manifests(folder: &Path, found: &mut Vec<PathBuf>) -> Result<()> {
    if folder.join("Cargo.toml").exists() {
        found.push(folder.to_owned());
    }
    for path in entries(folder)? {
        if path.is_dir() && !path.ends_with("src") {
            manifests(&path, found)?;
        }
    }
    Ok(())
}

fn measure(workspace: &Workspace, folder: &Path) -> Result<Crate> {
    let root = ["src/lib.rs", "src/main.rs"]
        .iter()
        .map(|name| folder.join(name))
        .find(|path| path.exists());
    let root = root.with_context(|| format!("{} has no source", folder.display()))?;
    let may_be_unsafe = !read(&root)?.contains("#![forbid(unsafe_code)]");
    let mut lines = 0;
    count_below(&folder.join("src"), &mut lines)?;
    let folder = folder
        .strip_prefix(&workspace.root)?
        .to_string_lossy()
        .into_owned();
    Ok(Crate {
        folder,
        may_be_unsafe,
        lines,
    })
}

fn count_below(folder: &Path, lines: &mut usize) -> Result<()> {
    for path in entries(folder)? {
        let is_test = path
            .file_stem()
            .is_some_and(|stem| stem == "tests" || stem == "properties");
        if is_test {
            continue;
        }
        if path.is_dir() {
            count_below(&path, lines)?;
        } else if path
            .extension()
            .is_some_and(|extension| extension == "rs" || extension == "S")
        {
            *lines += count(&read(&path)?);
        }
    }
    Ok(())
}

/// Lines of `text` that are neither blank nor comment, up to the tests at its end.
fn count(text: &str) -> usize {
    let mut lines = 0;
    let mut in_comment = false;
    let mut rest = text.lines().map(str::trim).peekable();
    while let Some(line) = rest.next() {
        if line == "#[cfg(test)]"
            && rest
                .peek()
                .is_some_and(|next| next.starts_with("mod ") && next.ends_with('{'))
        {
            break;
        }
        if in_comment || line.starts_with("/*") {
            in_comment = !line.contains("*/");
        } else if !line.is_empty()
            && !line.starts_with("//")
            && !line.starts_with("# ")
            && line != "#"
        {
            lines += 1;
        }
    }
    lines
}

fn entries(folder: &Path) -> Result<Vec<PathBuf>> {
    let about = || format!("cannot read {}", folder.display());
    let mut paths = Vec::new();
    for entry in fs::read_dir(folder).with_context(about)? {
        paths.push(entry.with_context(about)?.path());
    }
    Ok(paths)
}

fn read(path: &Path) -> Result<String> {
    fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::count;

    #[test]
    fn only_code_counts() {
        let text =
            "//! About.\n\n/* long\n   comment */\nfn f() {\n    // why\n    g(); // what\n}\n";
        assert_eq!(count(text), 3);
    }

    #[test]
    fn tests_at_the_end_do_not_count() {
        assert_eq!(
            count("fn f() {}\n#[cfg(test)]\nmod tests {\n    fn t() {}\n}\n"),
            1
        );
        assert_eq!(count("fn f() {}\n#[cfg(test)]\nmod tests;\nfn g() {}\n"), 4);
    }

    #[test]
    fn assembly_comments_do_not_count() {
        assert_eq!(count("# entry\nstart:\n\tb start\n#\n"), 2);
    }
}
