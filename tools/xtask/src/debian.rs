//! Files from Debian's packages, of other architectures too, fetched with a private apt beside the machine's own.
//!
//! The mirror and the release are those of the build machine's apt; its state is not touched.

use crate::workspace::{Workspace, capture};
use anyhow::{Context, Result, bail};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The package that holds shell and standard utilities.
const PACKAGE: &str = "busybox-static";
/// The architecture that Corral's programs are for.
pub const TARGET: &str = "ppc64el";

/// Debian's static busybox for ppc64el, downloaded the first time.
pub fn busybox(workspace: &Workspace) -> Result<PathBuf> {
    let folder = workspace.folder("debian")?;
    let program = folder.join("busybox");
    if !program.exists() {
        let tree = unpack(&folder, TARGET, Release::Main, &[PACKAGE])?;
        let found = ["usr/bin/busybox", "bin/busybox"]
            .iter()
            .map(|path| tree.join(path))
            .find(|path| path.exists());
        // The name appears only when the file is whole.
        fs::rename(
            found.with_context(|| format!("no busybox in {PACKAGE}"))?,
            &program,
        )?;
    }
    Ok(program)
}

/// Debian's Linux for ppc64el, an ELF file, downloaded the first time.
pub fn linux(workspace: &Workspace) -> Result<PathBuf> {
    const META: &str = "linux-image-powerpc64le";
    let folder = workspace.folder("linux")?;
    let kernel = folder.join("vmlinux");
    if !kernel.exists() {
        let archive = Archive::open(&folder, TARGET, Release::Main)?;
        let depends = capture(archive.command("apt-cache").args(["depends", META]))?;
        let package = depends
            .lines()
            .find_map(|line| line.trim().strip_prefix("Depends: linux-image-"))
            .with_context(|| format!("{META} depends on no kernel"))?;
        let tree = archive.unpack(&[&format!("linux-image-{package}")])?;
        let found = fs::read_dir(tree.join("boot"))?
            .filter_map(|entry| Some(entry.ok()?.path()))
            .find(|path| path.to_string_lossy().contains("/boot/vmlinux-"));
        fs::rename(found.context("no vmlinux in the package")?, &kernel)?;
    }
    Ok(kernel)
}

/// Which of a release's archives.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Release {
    /// The release itself.
    Main,
    /// Newer packages built for it.
    Backports,
}

/// Downloads packages into `folder` and unpacks them there; the result is the folder with their files.
pub fn unpack(
    folder: &Path,
    architecture: &str,
    release: Release,
    packages: &[&str],
) -> Result<PathBuf> {
    Archive::open(folder, architecture, release)?.unpack(packages)
}

/// An apt of our own, whose lists and packages are in one folder.
pub struct Archive {
    folder: PathBuf,
    architecture: String,
    configuration: PathBuf,
}

impl Archive {
    /// Apt for an architecture with its state in `folder`, and fresh lists of packages.
    pub fn open(folder: &Path, architecture: &str, release: Release) -> Result<Self> {
        let source = match release {
            Release::Main => main_archive()?,
            Release::Backports => format!("{}-backports", main_archive()?),
        };
        let archive = Self {
            folder: folder.to_owned(),
            architecture: architecture.to_owned(),
            configuration: configure(folder, architecture, &source)?,
        };
        capture(archive.apt_get().arg("update"))?;
        Ok(archive)
    }

    /// A program of apt with the private configuration.
    pub fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command
            .env("APT_CONFIG", &self.configuration)
            .current_dir(&self.folder);
        command
    }

    /// `apt-get`, which says nothing.
    pub fn apt_get(&self) -> Command {
        let mut command = self.command("apt-get");
        command.arg("--quiet=2");
        command
    }

    /// The packages without which Debian is none: essential ones, those of priority required, and apt. The one that
    /// says that `/bin` leads to `/usr/bin` saves another that would make it so.
    pub fn required(&self) -> Result<Vec<String>> {
        let available = capture(self.command("apt-cache").arg("dumpavail"))?;
        let mut names = required(&available);
        names.extend(["?essential", "apt", "usr-is-merged"].map(str::to_owned));
        Ok(names)
    }

    /// Where packages are kept that have been fetched with what they depend on.
    pub fn packages(&self) -> PathBuf {
        self.folder.join("cache/archives")
    }

    /// Downloads packages and unpacks them; the result is the folder with their files.
    pub fn unpack(&self, packages: &[&str]) -> Result<PathBuf> {
        eprintln!("fetching {} for {}", packages.join(" "), self.architecture);
        capture(self.apt_get().arg("download").args(packages))?;
        let tree = self.folder.join("tree");
        let mut count = 0;
        for entry in fs::read_dir(&self.folder)? {
            let package = entry?.path();
            if package.extension().is_some_and(|kind| kind == "deb") {
                capture(
                    Command::new("dpkg-deb")
                        .arg("--extract")
                        .arg(&package)
                        .arg(&tree),
                )?;
                count += 1;
            }
        }
        if count < packages.len() {
            bail!(
                "apt-get download brought {count} of {} packages",
                packages.len()
            );
        }
        Ok(tree)
    }
}

/// The names of packages whose priority is required, in a list of paragraphs.
fn required(available: &str) -> Vec<String> {
    fn name(paragraph: &str) -> Option<&str> {
        let mut lines = paragraph.lines();
        lines.find_map(|line| line.strip_prefix("Package: "))
    }
    let mut names: Vec<String> = available
        .split("\n\n")
        .filter(|paragraph| paragraph.contains("\nPriority: required\n"))
        .filter_map(name)
        .map(str::to_owned)
        .collect();
    names.sort();
    names.dedup();
    names
}

/// `MIRROR RELEASE` of the machine's main Debian archive.
fn main_archive() -> Result<String> {
    for attempt in 0..2 {
        let format = "$(ORIGIN)|$(COMPONENT)|$(SITE)|$(RELEASE)";
        let listed = capture(Command::new("apt-get").args([
            "indextargets",
            "--format",
            format,
            "Created-By: Packages",
        ]))?;
        for line in listed.lines() {
            if let ["Debian", "main", site, release] = line.split('|').collect::<Vec<_>>()[..]
                && !["-security", "-updates", "-backports"]
                    .iter()
                    .any(|kind| release.ends_with(kind))
            {
                return Ok(format!("{site} {release}"));
            }
        }
        if attempt == 0 {
            // A fresh machine has no lists yet.
            capture(Command::new("apt-get").args(["--quiet=2", "update"]))?;
        }
    }
    bail!("no Debian archive with a main component in this machine's apt sources")
}

/// Writes a configuration under which apt lives in `folder` and believes the machine to be of `architecture`.
fn configure(folder: &Path, architecture: &str, source: &str) -> Result<PathBuf> {
    for name in [
        "etc/parts",
        "etc/sources",
        "state/lists/partial",
        "cache/archives/partial",
    ] {
        fs::create_dir_all(folder.join(name))?;
    }
    fs::write(folder.join("state/status"), "")?;
    let keys = "/usr/share/keyrings/debian-archive-keyring.gpg";
    fs::write(
        folder.join("etc/sources.list"),
        format!("deb [arch={architecture} signed-by={keys}] {source} main\n"),
    )?;
    let at = folder.display();
    let file = folder.join("apt.conf");
    fs::write(
        &file,
        format!(
            "APT::Architecture \"{architecture}\";\nAPT::Architectures {{ \"{architecture}\"; }};\nAPT::Sandbox::User \"root\";\n\
             Acquire::Languages \"none\";\nAcquire::Check-Valid-Until \"false\";\n\
             Dir::Etc \"{at}/etc\";\nDir::Etc::main \"/dev/null\";\nDir::Etc::parts \"{at}/etc/parts\";\n\
             Dir::Etc::sourcelist \"{at}/etc/sources.list\";\nDir::Etc::sourceparts \"{at}/etc/sources\";\n\
             Dir::Etc::preferencesparts \"{at}/etc/parts\";\n\
             Dir::State \"{at}/state\";\nDir::State::status \"{at}/state/status\";\nDir::Cache \"{at}/cache\";\n"
        ),
    )?;
    Ok(file)
}

/// Where the NUL before the table of applet names is.
fn table(busybox: &[u8]) -> Result<usize> {
    const HEAD: &[u8] = b"\0[\0[[\0";
    busybox
        .windows(HEAD.len())
        .position(|window| window == HEAD)
        .context("busybox has no table of applet names")
}

/// The names of the applets in `busybox`, read from the table in the binary itself.
///
/// The table is one block of NUL-terminated names in ascending order, and begins with `[` and `[[`.
pub fn applets(busybox: &[u8]) -> Result<Vec<String>> {
    let start = table(busybox)?;
    let names = busybox[start + 1..]
        .split(|&byte| byte == 0)
        .take_while(|name| !name.is_empty() && name.iter().all(u8::is_ascii_graphic));
    Ok(names
        .map(|name| String::from_utf8_lossy(name).into_owned())
        .collect())
}

/// Takes `names` out of the table of applets in `busybox`.
///
/// Busybox's shell runs its own applets before it looks for programs, so `ps` would never be Corral's. A name is
/// taken out by changing its last letter to one that keeps the table in order, which the search in it relies on.
pub fn hide_applets(busybox: &mut [u8], names: &[&str]) -> Result<()> {
    let present = applets(busybox)?;
    for (index, name) in present
        .iter()
        .enumerate()
        .filter(|(_, name)| names.contains(&name.as_str()))
    {
        let before = index.checked_sub(1).and_then(|index| present.get(index));
        let after = present.get(index + 1);
        let in_order = |other: &String| {
            before.is_none_or(|name| name < other) && after.is_none_or(|name| other < name)
        };
        let stem = &name[..name.len() - 1];
        let hidden = (b'!'..=b'~')
            .map(|letter| format!("{stem}{}", char::from(letter)))
            .find(|other| other != name && in_order(other))
            .with_context(|| format!("busybox's {name} cannot be hidden"))?;
        let pattern = [b"\0", name.as_bytes(), b"\0"].concat();
        let table = table(busybox)?;
        let at = busybox[table..]
            .windows(pattern.len())
            .position(|window| window == pattern)
            .with_context(|| format!("busybox's {name} is not in its table"))?;
        let last = table + at + name.len();
        busybox[last] = hidden.as_bytes()[hidden.len() - 1];
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::{applets, hide_applets, required};

    #[test]
    fn packages_of_priority_required_are_found() {
        let text = "Package: b\nPriority: required\n\nPackage: x\nPriority: optional\n\n\
                    Package: a\nVersion: 1\nPriority: required\nDescription: x\n\nPackage: b\nPriority: required\n";
        assert_eq!(required(text), ["a", "b"]);
    }

    #[test]
    fn hidden_names_leave_the_table_in_order() {
        let mut binary = b"ps\0[\0[[\0printf\0ps\0pwd\0uname\0zcat\0\0ps\0".to_vec();
        hide_applets(&mut binary, &["ps", "uname", "none"]).expect("possible");
        let names = applets(&binary).expect("a table");
        assert!(names.is_sorted(), "{names:?}");
        assert_eq!(names.len(), 7);
        assert!(!names.contains(&"ps".to_owned()) && !names.contains(&"uname".to_owned()));
        assert!(binary.starts_with(b"ps\0") && binary.ends_with(b"\0ps\0"));
    }

    #[test]
    fn applet_names_end_at_the_empty_one() {
        let binary = b"code\0\0[\0[[\0acpid\0zcat\0\0other\0";
        assert_eq!(
            applets(binary).expect("a table"),
            ["[", "[[", "acpid", "zcat"]
        );
    }

    #[test]
    fn a_binary_without_the_table_is_refused() {
        assert!(applets(b"\x7fELF [ [[ ").is_err());
    }
}
