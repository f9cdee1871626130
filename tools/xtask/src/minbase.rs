//! `cargo xtask debian --minbase`: what dpkg knows of a root whose packages were unpacked without it.
//!
//! The root has the packages that Debian requires, apt among them, in the state that dpkg calls unpacked: no script of
//! theirs has run. `dpkg --configure -a` inside, on a system that runs such programs, does the rest, as it does after
//! the first stage of debootstrap.
//!
//! Source of the formats: `man 5 deb`, `man 5 deb-triggers`, `man 5 deb-conffiles`, and what dpkg writes itself.

use crate::workspace::capture;
use anyhow::{Context, Result};
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Where dpkg has its database.
const DATABASE: &str = "var/lib/dpkg";

/// Files that base-passwd makes of its masters, and their names there.
const USERS: &[(&str, &str)] = &[("passwd", "passwd.master"), ("group", "group.master")];

/// What one package leaves in the database.
struct Record {
    /// The name, with the architecture where packages of several may be installed side by side.
    name: String,
    /// The paragraph of the status file.
    status: String,
}

/// Registers `packages`, which have been unpacked into `tree`, and makes the first users.
pub fn register(tree: &Path, packages: &[PathBuf]) -> Result<()> {
    let database = tree.join(DATABASE);
    for folder in ["info", "triggers", "updates"] {
        let folder = database.join(folder);
        fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
    }
    let control = tree.with_extension("control");
    let mut status = String::new();
    for package in packages {
        let record = record(tree, package, &control)
            .with_context(|| format!("cannot register {}", package.display()))?;
        status.push_str(&record.status);
        status.push('\n');
    }
    fs::write(database.join("status"), status)?;
    fs::write(database.join("available"), "")?;
    fs::write(database.join("info/format"), "1\n")?;
    let masters = tree.join("usr/share/base-passwd");
    for (name, master) in USERS {
        fs::copy(masters.join(master), tree.join("etc").join(name))
            .with_context(|| format!("cannot make etc/{name}"))?;
    }
    Ok(())
}

/// Takes the control files of one package, through the folder `control`.
fn record(tree: &Path, package: &Path, control: &Path) -> Result<Record> {
    if control.exists() {
        fs::remove_dir_all(control)?;
    }
    capture(
        Command::new("dpkg-deb")
            .arg("--control")
            .args([package, control]),
    )?;
    let text = fs::read_to_string(control.join("control"))?;
    let conffiles = optional(&control.join("conffiles"))?;
    let record = Record {
        name: name(&text).context("the package has no name")?,
        status: unpacked(&text, &sums(tree, &conffiles)?),
    };
    let database = tree.join(DATABASE);
    let info = |kind: &str| database.join(format!("info/{}.{kind}", record.name));
    fs::write(
        info("list"),
        list(&capture(
            Command::new("dpkg-deb").arg("--contents").arg(package),
        )?),
    )?;
    for entry in fs::read_dir(control)? {
        let entry = entry?;
        let kind = entry.file_name().to_string_lossy().into_owned();
        if kind != "control" {
            fs::copy(entry.path(), info(&kind))?;
        }
    }
    for (file, line) in interests(&optional(&control.join("triggers"))?, &record.name) {
        let mut file = fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(database.join("triggers").join(file))?;
        file.write_all(line.as_bytes())?;
    }
    fs::remove_dir_all(control)?;
    Ok(record)
}

/// A file that not every package has.
fn optional(path: &Path) -> Result<String> {
    if !path.exists() {
        return Ok(String::new());
    }
    fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))
}

/// The value of a field that is one line.
fn field<'a>(control: &'a str, name: &str) -> Option<&'a str> {
    control
        .lines()
        .find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))
        .map(str::trim)
}

/// How files of the database name the package.
fn name(control: &str) -> Option<String> {
    let package = field(control, "Package")?;
    Some(match field(control, "Multi-Arch") {
        Some("same") => format!("{package}:{}", field(control, "Architecture")?),
        _ => package.to_owned(),
    })
}

/// The paragraph of a package that is unpacked; `sums` are the lines of its configuration files.
fn unpacked(control: &str, sums: &str) -> String {
    let mut status = String::new();
    for line in control.lines().filter(|line| !line.is_empty()) {
        status.push_str(line);
        status.push('\n');
        if line.starts_with("Package:") {
            status.push_str("Status: install ok unpacked\n");
        }
    }
    if !sums.is_empty() {
        status.push_str("Conffiles:\n");
        status.push_str(sums);
    }
    status
}

/// The lines of `Conffiles` for files that lie in `tree`, which is where dpkg would have put them.
fn sums(tree: &Path, conffiles: &str) -> Result<String> {
    let mut lines = String::new();
    // A line that begins with a word is about a file that an earlier version had.
    for path in conffiles.lines().filter(|line| line.starts_with('/')) {
        let said = capture(Command::new("md5sum").arg(tree.join(&path[1..])))?;
        let sum = said.split(' ').next().unwrap_or_default();
        lines.push_str(&format!(" {path} {sum}\n"));
    }
    Ok(lines)
}

/// The list of a package's files from a listing as tar prints it: mode, owner, size, day, time, name.
fn list(contents: &str) -> String {
    let mut list = String::new();
    for line in contents.lines() {
        let name = line.split_once(" ./").map_or("", |(_, name)| name);
        let name = match line.starts_with('l') {
            true => name.split(" -> ").next().unwrap_or_default(),
            false => name.split(" link to ").next().unwrap_or_default(),
        };
        let name = name.trim_end_matches('/');
        list.push_str(if name.is_empty() { "/." } else { "/" });
        list.push_str(name);
        list.push('\n');
    }
    list
}

/// What a package's triggers add to the database: a file below `triggers`, and a line in it.
fn interests<'a>(triggers: &'a str, package: &str) -> Vec<(&'a str, String)> {
    let interest = |line: &'a str| {
        let (verb, what) = line.trim().split_once(' ')?;
        let options = match verb {
            "interest" | "interest-await" => "",
            "interest-noawait" => "/noawait",
            _ => return None,
        };
        Some(match what.trim() {
            path if path.starts_with('/') => ("File", format!("{path} {package}{options}\n")),
            name => (name, format!("{package}{options}\n")),
        })
    };
    triggers.lines().filter_map(interest).collect()
}

#[cfg(test)]
mod tests {
    use super::{interests, list, name, unpacked};

    const CONTROL: &str =
        "Package: libx\nArchitecture: ppc64el\nMulti-Arch: same\nDescription: x\n more\n .\n end\n";

    #[test]
    fn the_status_of_a_package_is_unpacked() {
        assert_eq!(name(CONTROL).as_deref(), Some("libx:ppc64el"));
        assert_eq!(
            name("Package: y\nMulti-Arch: foreign\n").as_deref(),
            Some("y")
        );
        assert_eq!(name("Version: 1\n"), None);
        assert_eq!(
            unpacked(CONTROL, " /etc/x 00\n"),
            "Package: libx\nStatus: install ok unpacked\nArchitecture: ppc64el\nMulti-Arch: same\n\
             Description: x\n more\n .\n end\nConffiles:\n /etc/x 00\n"
        );
        assert!(!unpacked(CONTROL, "").contains("Conffiles"));
    }

    #[test]
    fn lists_have_names_as_dpkg_writes_them() {
        let contents = "drwxr-xr-x root/root 0 2026-01-02 03:04 ./\n\
                        drwxr-xr-x root/root 0 2026-01-02 03:04 ./etc/\n\
                        -rw-r--r-- root/root 9 2026-01-02 03:04 ./etc/a b\n\
                        hrw-r--r-- root/root 0 2026-01-02 03:04 ./etc/c link to ./etc/a b\n\
                        lrwxrwxrwx root/root 0 2026-01-02 03:04 ./etc/l -> ../x\n";
        assert_eq!(list(contents), "/.\n/etc\n/etc/a b\n/etc/c\n/etc/l\n");
    }

    #[test]
    fn interests_are_in_paths_and_names() {
        let triggers =
            "# x\ninterest-noawait /usr/share/man\ninterest ldconfig\nactivate-noawait ldconfig\n";
        assert_eq!(
            interests(triggers, "p"),
            [
                ("File", "/usr/share/man p/noawait\n".to_owned()),
                ("ldconfig", "p\n".to_owned())
            ]
        );
    }
}
