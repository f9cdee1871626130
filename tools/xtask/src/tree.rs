//! `cargo xtask debian`: a folder with Debian packages for ppc64el and all that they depend on.
//!
//! Packages are unpacked, not installed: no program of theirs runs, so their configuration scripts do not either. A
//! minimal root ([`minbase`]) has dpkg's database besides, and is configured by dpkg where it runs.
//! What is fetched stays in the cache of [`Archive`]; the folder is made anew by every call, in one step.

use crate::debian::{self, Archive, Release};
use crate::minbase;
use crate::ramdisk::RamDisk;
use crate::workspace::{Workspace, capture};
use ::tests::Needs;
use anyhow::{Context, Result, bail};
use clap::Args;
use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Directories of the root that are links into `/usr` on Debian since its release 12.
const MERGED: &[&str] = &["bin", "lib", "lib64", "sbin"];

/// Which packages, and where they go.
#[derive(Args)]
pub struct Options {
    /// Make the tree there [default: debian/root in the build folder]
    #[arg(long, value_name = "FOLDER")]
    into: Option<PathBuf>,
    /// A minimal root with dpkg's database, for `mkwpar -l -p`; `dpkg --configure -a` inside does the rest
    #[arg(long)]
    minbase: bool,
    /// Names of packages, or patterns as apt has them
    #[arg(value_name = "PACKAGE", required_unless_present = "minbase")]
    packages: Vec<String>,
}

/// Fetches and unpacks; says where the tree is.
pub fn run(workspace: &Workspace, options: &Options) -> Result<()> {
    let tree = match &options.into {
        Some(folder) => folder.clone(),
        None => workspace.folder("debian")?.join("root"),
    };
    if tree.is_relative() {
        bail!("{}: the folder must be an absolute path", tree.display());
    }
    let kind = if options.minbase {
        Kind::Minbase
    } else {
        Kind::Files
    };
    let count = make(workspace, &options.packages, kind, &tree)?;
    let place = match kind {
        Kind::Files => "/",
        Kind::Minbase => "/wpars/NAME",
    };
    println!("{count} packages in {}", tree.display());
    println!("cargo xtask run --mem 2G --add {}:{place}", tree.display());
    Ok(())
}

/// A tree that is kept from one call to the next, made the first time.
fn kept(workspace: &Workspace, packages: &[String], kind: Kind) -> Result<PathBuf> {
    let name = match kind {
        Kind::Files => folder_name(packages),
        Kind::Minbase => "minbase".to_owned(),
    };
    let tree = workspace.folder("debian/trees")?.join(name);
    if !tree.exists() {
        make(workspace, packages, kind, &tree)?;
    }
    Ok(tree)
}

/// The names of the packages; a long list is told from others by a number at its end, as no file has a name above 255 bytes.
fn folder_name(packages: &[String]) -> String {
    const LONGEST: usize = 200;
    let names = packages.join("+");
    if names.len() <= LONGEST {
        return names;
    }
    let mut hasher = DefaultHasher::new();
    names.hash(&mut hasher);
    let head: String = names.chars().take(LONGEST).collect();
    format!("{head}+{:016x}", hasher.finish())
}

/// Puts what a suite needs of Debian into its RAM disk.
pub fn put_into(workspace: &Workspace, disk: &mut RamDisk, needs: &Needs) -> Result<()> {
    if !needs.packages.is_empty() {
        disk.packages(&kept(workspace, &needs.packages, Kind::Files)?)?;
    }
    if let Some(partition) = &needs.minbase {
        let root = kept(workspace, &[], Kind::Minbase)?;
        disk.add(&root, &format!("/wpars/{partition}"))?;
    }
    Ok(())
}

/// What a tree is for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// Files of packages, to go over what is there.
    Files,
    /// A root of its own, with what Debian requires and the database of dpkg.
    Minbase,
}

/// Makes `tree` of `packages` and what they depend on; the result is their number.
fn make(workspace: &Workspace, packages: &[String], kind: Kind, tree: &Path) -> Result<usize> {
    let archive = Archive::open(&workspace.folder("debian")?, debian::TARGET, Release::Main)?;
    let mut packages = packages.to_vec();
    if kind == Kind::Minbase {
        packages.extend(archive.required()?);
    }
    eprintln!("fetching {} for {}", packages.join(" "), debian::TARGET);
    let install = |how: &str| {
        let mut command = archive.apt_get();
        command
            .args(["--yes", "--no-install-recommends", how, "install"])
            .args(&packages);
        command
    };
    let wanted = chosen(&capture(&mut install("--simulate"))?);
    if wanted.is_empty() {
        bail!("apt has chosen no package");
    }
    capture(&mut install("--download-only"))?;
    let partial = tree.with_extension("partial");
    if partial.exists() {
        fs::remove_dir_all(&partial)
            .with_context(|| format!("cannot remove {}", partial.display()))?;
    }
    prepare(&partial)?;
    let files: Vec<PathBuf> = wanted
        .iter()
        .map(|name| archive.packages().join(name))
        .collect();
    for file in &files {
        unpack(file, &partial)?;
    }
    if kind == Kind::Minbase {
        minbase::register(&partial, &files)?;
    }
    replace(&partial, tree)?;
    Ok(files.len())
}

/// The files of the packages that a simulated installation names, in its order.
///
/// A line is `Inst NAME (VERSION RELEASE [ARCHITECTURE])`; in a file's name the colon of a version is escaped.
fn chosen(simulation: &str) -> Vec<String> {
    let file = |line: &str| {
        let (name, rest) = line.strip_prefix("Inst ")?.split_once(" (")?;
        let version = rest.split(' ').next()?.replace(':', "%3a");
        let architecture = rest.split_once('[')?.1.split(']').next()?;
        Some(format!("{name}_{version}_{architecture}.deb"))
    };
    simulation.lines().filter_map(file).collect()
}

/// An empty root whose old directories are links, so that what packages still put there goes to `/usr`.
fn prepare(tree: &Path) -> Result<()> {
    for name in MERGED {
        let target = format!("usr/{name}");
        fs::create_dir_all(tree.join(&target))
            .and_then(|()| symlink(&target, tree.join(name)))
            .with_context(|| format!("cannot make {name} in {}", tree.display()))?;
    }
    Ok(())
}

fn unpack(package: &Path, tree: &Path) -> Result<()> {
    let about = || format!("cannot unpack {}", package.display());
    let mut contents = Command::new("dpkg-deb")
        .arg("--fsys-tarfile")
        .arg(package)
        .stdout(Stdio::piped())
        .spawn()
        .with_context(about)?;
    let pipe = contents.stdout.take().with_context(about)?;
    let unpacked = capture(
        Command::new("tar")
            .args(["--extract", "--keep-directory-symlink", "--directory"])
            .arg(tree)
            .stdin(pipe),
    );
    let status = contents.wait().with_context(about)?;
    unpacked.with_context(about)?;
    if !status.success() {
        bail!("{}: dpkg-deb failed ({status})", package.display());
    }
    Ok(())
}

/// Puts the new tree in the place of an old one, if that has been made here as well.
fn replace(new: &Path, tree: &Path) -> Result<()> {
    if tree.exists() {
        let ours = MERGED.iter().all(|name| tree.join(name).is_symlink());
        if !ours {
            bail!("{} is there and is no tree of packages", tree.display());
        }
        fs::remove_dir_all(tree).with_context(|| format!("cannot remove {}", tree.display()))?;
    }
    fs::rename(new, tree).with_context(|| format!("cannot make {}", tree.display()))
}

#[cfg(test)]
mod tests {
    use super::{chosen, folder_name};

    #[test]
    fn packages_are_named_as_their_files_are() {
        let simulation = "Inst libc6 (2.36-9 Debian:12.1/stable [ppc64el])\n\
                          Inst bash (1:5.2-2+b7 Debian:12.1/stable [ppc64el]) []\n\
                          Conf libc6 (2.36-9 Debian:12.1/stable [ppc64el])\n\
                          Inst tzdata (2024a-0 Debian:12.1/stable [all])\n";
        assert_eq!(
            chosen(simulation),
            [
                "libc6_2.36-9_ppc64el.deb",
                "bash_1%3a5.2-2+b7_ppc64el.deb",
                "tzdata_2024a-0_all.deb"
            ]
        );
    }

    #[test]
    fn long_lists_of_packages_have_short_names_of_their_own() {
        let list = |last: &str| -> Vec<String> {
            let many = (0..90).map(|number| format!("package{number}"));
            many.chain([last.to_owned()]).collect()
        };
        let (one, other) = (folder_name(&list("a")), folder_name(&list("b")));
        assert!(one.len() < 240 && one != other && one == folder_name(&list("a")));
        assert_eq!(folder_name(&["a".to_owned(), "b".to_owned()]), "a+b");
    }

    #[test]
    fn a_simulation_without_packages_chooses_none() {
        assert!(chosen("Reading package lists...\nConf libc6 (1 x [all])\n").is_empty());
    }
}
