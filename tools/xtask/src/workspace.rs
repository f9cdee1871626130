//! Where things are, and the compilers that everything but xtask itself is built with.

use anyhow::{Context, Result, bail};
use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The checkout and its build folder.
pub struct Workspace {
    /// The folder of the workspace's Cargo.toml.
    pub root: PathBuf,
    /// Cargo's target folder.
    pub target: PathBuf,
}

impl Workspace {
    /// Finds the checkout that this program was built from.
    pub fn find() -> Result<Self> {
        let here = Path::new(env!("CARGO_MANIFEST_DIR"));
        let root = here
            .ancestors()
            .nth(2)
            .context("xtask is not in tools/xtask")?
            .to_owned();
        let target = match env::var_os("CARGO_TARGET_DIR") {
            Some(folder) => root.join(folder),
            None => root.join("target"),
        };
        Ok(Self { root, target })
    }

    /// A folder for what xtask itself makes: downloads, RAM disks, results of runs.
    pub fn folder(&self, name: &str) -> Result<PathBuf> {
        let folder = self.target.join("corral").join(name);
        fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
        Ok(folder)
    }

    /// Debian's cargo, free of what the cargo that started xtask has put into the environment.
    ///
    /// The host's own toolchain need not know the target; Debian's has the standard library's sources.
    pub fn cargo(&self) -> Command {
        self.cargo_program("/usr/bin/cargo")
    }

    /// Debian's clippy; as a subcommand of cargo the host toolchain's would be found first.
    pub fn clippy(&self) -> Command {
        let mut command = self.cargo_program("/usr/bin/cargo-clippy");
        command.env("CARGO", "/usr/bin/cargo").arg("clippy");
        command
    }

    fn cargo_program(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command.current_dir(&self.root);
        for (name, _) in env::vars_os() {
            let text = name.to_string_lossy();
            let ours = [
                "CARGO_PKG_",
                "CARGO_MANIFEST_",
                "CARGO_BIN_",
                "CARGO_CRATE_",
                "RUSTUP_",
            ];
            if ours.iter().any(|prefix| text.starts_with(prefix)) {
                command.env_remove(&name);
            }
        }
        for name in [
            "CARGO",
            "LD_LIBRARY_PATH",
            "RUSTFLAGS",
            "CARGO_ENCODED_RUSTFLAGS",
        ] {
            command.env_remove(name);
        }
        command.env("CARGO_TARGET_DIR", &self.target);
        command
            .env("RUSTC", "/usr/bin/rustc")
            .env("RUSTDOC", "/usr/bin/rustdoc")
            .env("RUSTFMT", "/usr/bin/rustfmt");
        command
    }
}

/// Runs `command`; its output goes to this program's.
pub fn perform(command: &mut Command) -> Result<()> {
    let status = command
        .status()
        .with_context(|| format!("cannot run {}", name(command)))?;
    if !status.success() {
        bail!("{} failed ({status})", name(command));
    }
    Ok(())
}

/// Runs `command` and returns what it prints; a failure carries the end of what it said.
pub fn capture(command: &mut Command) -> Result<String> {
    let output = command
        .output()
        .with_context(|| format!("cannot run {}", name(command)))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        let lines: Vec<&str> = said.lines().collect();
        let tail = lines[lines.len().saturating_sub(5)..].join("\n");
        bail!("{} failed ({}): {tail}", name(command), output.status);
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// The program's name and its first argument, for messages.
fn name(command: &Command) -> String {
    let mut words = vec![command.get_program().to_string_lossy().into_owned()];
    words.extend(
        command
            .get_args()
            .next()
            .map(|first| first.to_string_lossy().into_owned()),
    );
    words.join(" ")
}
