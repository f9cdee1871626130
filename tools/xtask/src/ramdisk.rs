//! The initial RAM disk: what is in it, and its newc archive.

use crate::debian;
use anyhow::{Context, Result, bail};
use cpio::newc;
use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// Where Global's init looks for the script of `--script`.
const SCRIPT: &str = "etc/corral/script";
/// Where the target suites find their programs.
const TEST_PROGRAMS: &str = "usr/lib/corral-tests";

/// The admin commands, one program under many names.
const COMMANDS: &str = "usr/sbin/corral-admin";

/// Folders and their permissions.
const FOLDERS: &[(&str, u32)] = &[
    ("admin", 0o755),
    ("dev", 0o755),
    ("etc", 0o755),
    ("etc/corral", 0o755),
    ("etc/wpars", 0o700),
    ("home", 0o755),
    ("opt", 0o755),
    ("proc", 0o555),
    ("root", 0o700),
    ("sys", 0o555),
    ("tmp", 0o1777),
    ("usr", 0o755),
    ("usr/bin", 0o755),
    ("usr/lib", 0o755),
    ("usr/lib/wpars", 0o755),
    ("usr/lib64", 0o755),
    ("usr/sbin", 0o755),
    ("var", 0o755),
    ("var/adm", 0o755),
    ("var/adm/wpars", 0o755),
    ("wpars", 0o700),
];

/// Symbolic links and where they lead.
const LINKS: &[(&str, &str)] = &[
    ("bin", "usr/bin"),
    ("lib", "usr/lib"),
    ("lib64", "usr/lib64"),
    ("sbin", "usr/sbin"),
    ("etc/mtab", "../proc/self/mounts"),
];

/// Small text files and their permissions.
const TEXTS: &[(&str, u32, &str)] = &[
    (
        "etc/passwd",
        0o644,
        "root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/false\n",
    ),
    ("etc/group", 0o644, "system:x:0:root\nnogroup:x:65534:\n"),
    ("etc/shadow", 0o600, "root:*:0::::::\nnobody:*:0::::::\n"),
    (
        "etc/corral/consoles",
        0o644,
        "# Terminals beside the console that get a shell: hvc1 and so on, one a line, or all.\nall\n",
    ),
    ("etc/hostname", 0o644, "corral\n"),
    (
        "etc/hosts",
        0o644,
        "127.0.0.1\tlocalhost loopback\n::1\t\tlocalhost ip6-localhost ip6-loopback\n",
    ),
    (
        "etc/nsswitch.conf",
        0o644,
        "passwd: files\ngroup: files\nshadow: files\nhosts: files dns\nservices: files\nprotocols: files\n",
    ),
    ("etc/shells", 0o644, "/bin/sh\n"),
    (
        "etc/profile",
        0o644,
        "export PATH=/usr/sbin:/usr/bin\n\
         [ \"$(id -u)\" = 0 ] && PS1='\\h:\\w# ' || PS1='\\h:\\w$ '\n\
         umask 022\n",
    ),
];

/// What one name in the archive stands for.
#[derive(Clone)]
enum Content {
    Folder,
    File(Vec<u8>),
    Link(String),
}

#[derive(Clone)]
struct Node {
    permissions: u32,
    modified: u32,
    content: Content,
}

/// A RAM disk being put together: names without a leading slash, parents sorted before their children.
#[derive(Clone)]
pub struct RamDisk {
    nodes: BTreeMap<String, Node>,
    modified: u32,
}

/// The programs that every RAM disk holds.
pub struct Programs {
    /// Debian's static busybox.
    pub busybox: PathBuf,
    /// The multi-call binary of admin commands and init.
    pub commands: PathBuf,
    /// One absolute path a line: the names that the multi-call binary answers to.
    pub command_names: PathBuf,
    /// The first process of application WPARs.
    pub vinit: PathBuf,
}

impl RamDisk {
    /// The standard contents: folders, configuration, busybox with its applets, the admin commands.
    pub fn new(programs: &Programs) -> Result<Self> {
        let modified = modified(&programs.commands)?;
        let mut disk = Self {
            nodes: BTreeMap::new(),
            modified,
        };
        for &(name, permissions) in FOLDERS {
            disk.put(name, permissions, Content::Folder);
        }
        for &(name, target) in LINKS {
            disk.link(name, target);
        }
        for &(name, permissions, text) in TEXTS {
            disk.put(name, permissions, Content::File(text.into()));
        }
        let mut busybox = read(&programs.busybox)?;
        let names = String::from_utf8(read(&programs.command_names)?)?;
        let own: Vec<&str> = names
            .lines()
            .filter_map(|line| line.trim().rsplit('/').next())
            .collect();
        debian::hide_applets(&mut busybox, &own)?;
        for applet in debian::applets(&busybox)? {
            disk.link(&format!("usr/bin/{applet}"), "busybox");
        }
        disk.put("usr/bin/busybox", 0o755, Content::File(busybox));
        disk.commands(programs)?;
        disk.put(
            "usr/lib/wpars/vinit",
            0o755,
            Content::File(read(&programs.vinit)?),
        );
        Ok(disk)
    }

    /// These folders, and the links that lead to libraries.
    pub fn bare(folders: &[&str]) -> Self {
        let mut disk = Self {
            nodes: BTreeMap::new(),
            modified: 0,
        };
        for name in folders {
            disk.put(name, 0o755, Content::Folder);
        }
        for &(name, target) in LINKS.iter().filter(|(name, _)| name.starts_with("lib")) {
            disk.link(name, target);
        }
        disk
    }

    /// Puts a small text where an absolute path says.
    pub fn text(&mut self, guest: &str, text: &str) -> Result<()> {
        let name = self.resolve(guest)?;
        self.put(&name, 0o644, Content::File(text.into()));
        Ok(())
    }

    /// The multi-call binary and its names, which take the place of busybox's applets.
    fn commands(&mut self, programs: &Programs) -> Result<()> {
        self.put(COMMANDS, 0o755, Content::File(read(&programs.commands)?));
        let names = String::from_utf8(read(&programs.command_names)?)?;
        for line in names
            .lines()
            .map(str::trim)
            .filter(|line| !line.is_empty() && !line.starts_with('#'))
        {
            let Some((folder, name)) = line
                .strip_prefix('/')
                .and_then(|path| path.rsplit_once('/'))
            else {
                bail!("{}: not a path: {line}", programs.command_names.display());
            };
            self.nodes.remove(&format!("usr/bin/{name}"));
            let folder = match folder {
                "bin" | "sbin" | "lib" => format!("usr/{folder}"),
                other => other.to_owned(),
            };
            self.link(&format!("{folder}/{name}"), &format!("/{COMMANDS}"));
        }
        Ok(())
    }

    /// Makes init run `script` instead of a shell.
    pub fn script(&mut self, script: &[u8]) {
        self.put(SCRIPT, 0o644, Content::File(script.to_owned()));
    }

    /// Puts a program of the target suites where they look for it.
    pub fn test_program(&mut self, name: &str, program: &Path) -> Result<()> {
        self.put(TEST_PROGRAMS, 0o755, Content::Folder);
        self.put(
            &format!("{TEST_PROGRAMS}/{name}"),
            0o755,
            Content::File(read(program)?),
        );
        Ok(())
    }

    /// Copies a host file or folder to the absolute `guest` path, with its permissions; missing parents appear.
    pub fn add(&mut self, host: &Path, guest: &str) -> Result<()> {
        let name = self.resolve(guest)?;
        let mut parent = name.as_str();
        while let Some((above, _)) = parent.rsplit_once('/') {
            parent = above;
            if !self.nodes.contains_key(parent) {
                self.put(parent, 0o755, Content::Folder);
            }
        }
        self.copy(host, &name)
    }

    /// Puts in the files of a root of packages. They take the place of busybox's applets, but not of Corral's commands
    /// and of the configuration.
    pub fn packages(&mut self, tree: &Path) -> Result<()> {
        let mut whole = Self {
            nodes: BTreeMap::new(),
            modified: self.modified,
        };
        whole.copy(tree, "")?;
        for (name, node) in whole.nodes {
            let stays = |present: &Node| match &present.content {
                Content::Folder => true,
                Content::Link(to) => to.ends_with(COMMANDS) || LINKS.contains(&(&name, to)),
                Content::File(_) => name.starts_with("etc/"),
            };
            if !self.nodes.get(&name).is_some_and(stays) {
                self.nodes.insert(name, node);
            }
        }
        Ok(())
    }

    /// The name in the archive for an absolute guest path, with the top-level links followed.
    fn resolve(&self, guest: &str) -> Result<String> {
        let parts: Vec<&str> = guest
            .split('/')
            .filter(|part| !part.is_empty() && *part != ".")
            .collect();
        if !guest.starts_with('/') || parts.contains(&"..") {
            bail!("not an absolute path in the guest: {guest}");
        }
        let name = parts.join("/");
        for &(link, target) in LINKS {
            if let Some(rest) = name.strip_prefix(link).filter(|rest| rest.starts_with('/')) {
                return Ok(format!("{target}{rest}"));
            }
        }
        Ok(name)
    }

    fn copy(&mut self, host: &Path, name: &str) -> Result<()> {
        let about = || format!("cannot read {}", host.display());
        let data = fs::symlink_metadata(host).with_context(about)?;
        let content = if data.is_dir() {
            Content::Folder
        } else if data.is_symlink() {
            Content::Link(
                fs::read_link(host)
                    .with_context(about)?
                    .to_string_lossy()
                    .into_owned(),
            )
        } else if data.is_file() {
            Content::File(read(host)?)
        } else {
            bail!(
                "{} is neither a file nor a folder nor a link",
                host.display()
            );
        };
        let node = Node {
            permissions: data.permissions().mode() & 0o7777,
            modified: stamp(data.mtime()),
            content,
        };
        self.nodes.insert(name.to_owned(), node);
        if data.is_dir() {
            for entry in fs::read_dir(host).with_context(about)? {
                let entry = entry.with_context(about)?;
                let child = entry.file_name().to_string_lossy().into_owned();
                let child = if name.is_empty() {
                    child
                } else {
                    format!("{name}/{child}")
                };
                self.copy(&entry.path(), &child)?;
            }
        }
        Ok(())
    }

    fn put(&mut self, name: &str, permissions: u32, content: Content) {
        let node = Node {
            permissions,
            modified: self.modified,
            content,
        };
        self.nodes.insert(name.to_owned(), node);
    }

    fn link(&mut self, name: &str, target: &str) {
        self.put(name, 0o777, Content::Link(target.to_owned()));
    }

    /// Writes the archive, whole or not at all.
    pub fn write(&self, archive: &Path) -> Result<()> {
        let mut bytes = Vec::new();
        // The root folder itself is the kernel's.
        let named = self.nodes.iter().filter(|(name, _)| !name.is_empty());
        for (number, (name, node)) in (1..).zip(named) {
            let (kind, data, links): (u32, &[u8], u32) = match &node.content {
                Content::Folder => (0o040_000, &[], 2),
                Content::File(data) => (0o100_000, data, 1),
                Content::Link(target) => (0o120_000, target.as_bytes(), 1),
            };
            let size = u32::try_from(data.len())
                .with_context(|| format!("{name} is too large for a RAM disk"))?;
            let header = newc::Builder::new(name)
                .ino(number)
                .mode(kind | node.permissions);
            let mut entry = header
                .nlink(links)
                .mtime(node.modified)
                .write(&mut bytes, size);
            entry.write_all(data)?;
            entry.finish()?;
        }
        newc::trailer(&mut bytes)?;
        let partial = archive.with_extension("partial");
        fs::write(&partial, bytes)
            .with_context(|| format!("cannot write {}", partial.display()))?;
        fs::rename(&partial, archive).with_context(|| format!("cannot write {}", archive.display()))
    }
}

fn read(path: &Path) -> Result<Vec<u8>> {
    fs::read(path).with_context(|| format!("cannot read {}", path.display()))
}

fn modified(path: &Path) -> Result<u32> {
    let data = fs::metadata(path).with_context(|| format!("cannot read {}", path.display()))?;
    Ok(stamp(data.mtime()))
}

/// Seconds since 1970 as the archive has them: 32 bits without a sign.
fn stamp(seconds: i64) -> u32 {
    u32::try_from(seconds).unwrap_or(0)
}
