//! The files of a system WPAR: made from Global's, and removed again.

use crate::database::file_error;
use crate::messages::Message;
use std::fs::{self, DirBuilder, Permissions};
use std::io::ErrorKind;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt, symlink};
use std::path::Path;

/// Directories and their modes, parents first.
const DIRECTORIES: [(&str, u32); 21] = [
    ("dev", 0o755),
    ("etc", 0o755),
    ("home", 0o755),
    ("mnt", 0o755),
    ("opt", 0o755),
    ("proc", 0o555),
    ("root", 0o700),
    ("run", 0o755),
    ("sys", 0o555),
    ("tmp", 0o1777),
    ("usr", 0o755),
    ("var", 0o755),
    ("var/adm", 0o755),
    ("var/adm/ras", 0o755),
    ("var/cache", 0o755),
    ("var/lib", 0o755),
    ("var/log", 0o755),
    ("var/run", 0o755),
    ("var/spool", 0o755),
    ("var/spool/cron", 0o755),
    ("var/tmp", 0o1777),
];

/// Links and what they say.
const LINKS: [(&str, &str); 5] = [
    ("bin", "usr/bin"),
    ("sbin", "usr/sbin"),
    ("lib", "usr/lib"),
    ("u", "home"),
    ("etc/mtab", "../proc/self/mounts"),
];

/// Files of Global's `/etc` that a new system begins with, as far as they exist.
const COPIED: [&str; 10] = [
    "passwd",
    "group",
    "shadow",
    "profile",
    "shells",
    "protocols",
    "services",
    "nsswitch.conf",
    "localtime",
    "environment",
];

/// Options of a new tree.
#[derive(Clone, Copy, Debug, Default)]
pub struct Options<'a> {
    /// The name of the host that the WPAR is to its programs.
    pub hostname: &'a str,
    /// Private copies of `/usr` and `/opt`.
    pub private_usr: bool,
    /// Global's name resolution.
    pub name_resolution: bool,
}

/// Makes the base directory; the directory for all of them is closed to everybody but root.
///
/// Gives whether it was there, empty, before.
pub fn create_base(base: &Path, keep_files: bool) -> Result<bool, Message> {
    if let Some(parent) = base.parent() {
        let made = DirBuilder::new().recursive(true).mode(0o700).create(parent);
        made.map_err(|e| file_error(parent, &e))?;
    }
    match DirBuilder::new().mode(0o755).create(base) {
        Ok(()) => Ok(false),
        Err(e) if e.kind() == ErrorKind::AlreadyExists => {
            // A link would lead the files somewhere else.
            let kind = fs::symlink_metadata(base).map_err(|e| file_error(base, &e))?;
            if !kind.is_dir() {
                return Err(Message::FileExists {
                    path: base.display().to_string(),
                });
            }
            let mut entries = fs::read_dir(base).map_err(|e| file_error(base, &e))?;
            if !keep_files && entries.next().is_some() {
                return Err(Message::DirectoryNotEmpty {
                    path: base.display().to_string(),
                });
            }
            Ok(true)
        }
        Err(e) => Err(file_error(base, &e)),
    }
}

/// Fills a base directory. What is there already is left as it is. `go_on` is asked between the steps.
pub fn populate(
    global: &Path,
    base: &Path,
    options: Options<'_>,
    go_on: &dyn Fn() -> bool,
) -> Result<(), Message> {
    let interrupted = || {
        if go_on() {
            Ok(())
        } else {
            Err(Message::Interrupted {})
        }
    };
    for (name, mode) in DIRECTORIES {
        interrupted()?;
        let path = base.join(name);
        let made = fs::create_dir(&path)
            .and_then(|()| fs::set_permissions(&path, Permissions::from_mode(mode)));
        kept_if_there(&path, made)?;
    }
    let lib64 = fs::symlink_metadata(global.join("usr/lib64"))
        .is_ok()
        .then_some(("lib64", "usr/lib64"));
    for (name, target) in LINKS.into_iter().chain(lib64) {
        let path = base.join(name);
        kept_if_there(&path, symlink(target, &path))?;
    }
    let resolution = options.name_resolution.then_some("resolv.conf");
    for name in COPIED.into_iter().chain(resolution) {
        interrupted()?;
        copy_if_there(&global.join("etc").join(name), &base.join("etc").join(name))?;
    }
    name_host(global, base, options.hostname)?;
    if options.private_usr {
        for name in ["usr", "opt"] {
            copy_tree(&global.join(name), &base.join(name), go_on)?;
        }
    }
    Ok(())
}

/// Says what the host is called, and lets its programs find it by that name (`man 5 hosts`): at an address of the loopback that
/// is its own, as it has no other. The other hosts are those that Global knows.
fn name_host(global: &Path, base: &Path, hostname: &str) -> Result<(), Message> {
    let others = fs::read_to_string(global.join("etc/hosts")).unwrap_or_default();
    let hosts = format!("{others}127.0.1.1\t{hostname}\n");
    for (name, text) in [("hostname", format!("{hostname}\n")), ("hosts", hosts)] {
        let path = base.join("etc").join(name);
        if fs::symlink_metadata(&path).is_err() {
            fs::write(&path, text).map_err(|e| file_error(&path, &e))?;
        }
    }
    Ok(())
}

/// Removes a tree, however deep those who lived in it have made it. Links are removed, never followed.
pub fn remove(base: &Path) -> Result<(), Message> {
    match fs::remove_dir_all(base).or_else(|_| flatten(base)) {
        Err(e) if e.kind() != ErrorKind::NotFound => Err(file_error(base, &e)),
        _ => Ok(()),
    }
}

/// Removes a tree with two open directories and short paths: what is inside a directory is moved up before that goes.
fn flatten(base: &Path) -> std::io::Result<()> {
    let mut names = (0u64..).map(|number| base.join(format!(".removed{number}")));
    let mut free_name = || names.find(|name| fs::symlink_metadata(name).is_err());
    loop {
        let mut empty = true;
        for entry in fs::read_dir(base)? {
            let (entry, outer) = entry.and_then(|entry| Ok((entry.path(), entry.file_type()?)))?;
            empty = false;
            if !outer.is_dir() {
                fs::remove_file(entry)?;
                continue;
            }
            for inside in fs::read_dir(&entry)? {
                let inside = inside?;
                match free_name() {
                    Some(name) if inside.file_type()?.is_dir() => fs::rename(inside.path(), name)?,
                    _ => fs::remove_file(inside.path())?,
                }
            }
            fs::remove_dir(entry)?;
        }
        if empty {
            return fs::remove_dir(base);
        }
    }
}

/// A path of the list of mounts (`man 5 proc_mounts`) at or below a directory.
pub fn mounted_below(mounts: &str, base: &str) -> Option<String> {
    let below = format!("{base}/");
    let points = mounts.lines().filter_map(|line| line.split(' ').nth(1));
    points
        .map(|point| point.replace("\\040", " "))
        .find(|point| point == base || point.starts_with(&below))
}

fn kept_if_there(path: &Path, made: std::io::Result<()>) -> Result<(), Message> {
    match made {
        Err(e) if e.kind() != ErrorKind::AlreadyExists => Err(file_error(path, &e)),
        _ => Ok(()),
    }
}

fn copy_if_there(from: &Path, to: &Path) -> Result<(), Message> {
    if fs::symlink_metadata(to).is_ok() {
        return Ok(());
    }
    match fs::copy(from, to) {
        Err(e) if e.kind() != ErrorKind::NotFound => Err(file_error(from, &e)),
        _ => Ok(()),
    }
}

/// Copies directories, files and links; everything else stays behind.
fn copy_tree(from: &Path, to: &Path, go_on: &dyn Fn() -> bool) -> Result<(), Message> {
    let entries = match fs::read_dir(from) {
        Ok(entries) => entries,
        Err(e) if e.kind() == ErrorKind::NotFound => return Ok(()),
        Err(e) => return Err(file_error(from, &e)),
    };
    for entry in entries {
        if !go_on() {
            return Err(Message::Interrupted {});
        }
        let entry = entry.map_err(|e| file_error(from, &e))?;
        let (source, target) = (entry.path(), to.join(entry.file_name()));
        let kind = entry.file_type().map_err(|e| file_error(&source, &e))?;
        if kind.is_dir() {
            kept_if_there(&target, fs::create_dir(&target))?;
            copy_tree(&source, &target, go_on)?;
        } else if kind.is_symlink() {
            let link = fs::read_link(&source).map_err(|e| file_error(&source, &e))?;
            kept_if_there(&target, symlink(link, &target))?;
        } else if kind.is_file() {
            copy_if_there(&source, &target)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::session::tests::scratch;

    #[test]
    fn a_tree_is_made_and_goes() {
        let global = scratch("tree");
        fs::create_dir(global.join("etc")).expect("a folder");
        fs::write(global.join("etc/passwd"), "root:x:0:0::/:/bin/sh\n").expect("a file");
        let base = global.join("wpars/a");
        assert_eq!(create_base(&base, false), Ok(false));
        fs::write(global.join("etc/hosts"), "127.0.0.1 localhost\n").expect("a file");
        let options = Options {
            hostname: "alpha",
            ..Options::default()
        };
        populate(&global, &base, options, &|| true).expect("a tree");
        assert!(base.join("etc/passwd").is_file() && base.join("usr").is_dir());
        let said = |name| fs::read_to_string(base.join("etc").join(name)).ok();
        assert_eq!(said("hostname").as_deref(), Some("alpha\n"));
        let hosts = "127.0.0.1 localhost\n127.0.1.1\talpha\n";
        assert_eq!(said("hosts").as_deref(), Some(hosts));
        fs::write(base.join("etc/hosts"), "mine\n").expect("a file");
        populate(&global, &base, options, &|| true).expect("a tree");
        assert_eq!(said("hosts").as_deref(), Some("mine\n"));
        assert_eq!(
            fs::read_link(base.join("bin")).ok().as_deref(),
            Some(Path::new("usr/bin"))
        );
        let mode = fs::metadata(base.join("tmp")).map(|m| m.permissions().mode() & 0o7777);
        assert_eq!(mode.ok(), Some(0o1777));
        let parent = fs::metadata(global.join("wpars")).map(|m| m.permissions().mode() & 0o777);
        assert_eq!(parent.ok(), Some(0o700));
        assert_eq!(create_base(&base, false).map_err(|m| m.number()), Err(318));
        remove(&base).expect("removed");
        assert!(!base.exists());
        fs::remove_dir_all(global).expect("scratch folder");
    }

    #[test]
    fn removal_does_not_follow_links() {
        let global = scratch("links");
        fs::create_dir(global.join("precious")).expect("a folder");
        fs::write(global.join("precious/file"), "x").expect("a file");
        fs::create_dir_all(global.join("wpars/a/tmp")).expect("a folder");
        symlink(global.join("precious"), global.join("wpars/a/tmp/link")).expect("a link");
        remove(&global.join("wpars/a")).expect("removed");
        assert!(global.join("precious/file").is_file());
        fs::remove_dir_all(global).expect("scratch folder");
    }

    #[test]
    fn a_tree_that_is_too_deep_for_paths_and_descriptors_goes() {
        let base = scratch("deep");
        let precious = scratch("precious");
        fs::write(precious.join("file"), "x").expect("a file");
        // Built from the inside: each turn puts the tree so far into a new directory.
        for depth in 0..1500 {
            let (inner, outer) = (base.join("d"), base.join("outer"));
            fs::create_dir(&outer).expect("a folder");
            if depth > 0 {
                fs::rename(&inner, outer.join("d")).expect("moved");
            }
            fs::write(outer.join("file"), "x").expect("a file");
            symlink(&precious, outer.join("link")).expect("a link");
            fs::rename(&outer, &inner).expect("moved");
        }
        fs::write(base.join(".removed1"), "taken").expect("a file");
        flatten(&base).expect("removed");
        assert!(!base.exists() && precious.join("file").is_file());
        fs::remove_dir_all(precious).expect("scratch folder");
    }

    #[test]
    fn an_interruption_is_an_error() {
        let global = scratch("interrupted");
        assert_eq!(
            populate(&global, &global, Options::default(), &|| false),
            Err(Message::Interrupted {})
        );
        fs::remove_dir_all(global).expect("scratch folder");
    }

    #[test]
    fn mounts_below_a_directory() {
        let mounts =
            "ram / ramfs rw 0 0\nram /wpars/ab ramfs rw 0 0\nx /wpars/a/d\\040e ramfs rw 0 0\n";
        assert_eq!(
            mounted_below(mounts, "/wpars/a").as_deref(),
            Some("/wpars/a/d e")
        );
        assert_eq!(mounted_below(mounts, "/wpars/b"), None);
    }
}
