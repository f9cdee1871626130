//! Commands together, with files in a scratch folder and a kernel that is a table.

use crate::commands::{chwpar, mkwpar, rmwpar, stopwpar};
use crate::fake_kernel::FakeKernel;
use crate::kernel_control::Control;
use crate::session::tests::scratch;
use crate::session::{Failure, Outcome};
use control::{Load, Request, ResourceControls, WparKind, WparName};
use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// A machine with Global's few files.
struct Machine {
    root: PathBuf,
    kernel: FakeKernel,
}

impl Machine {
    fn new(name: &str) -> Self {
        let root = scratch(name);
        std::fs::create_dir(root.join("etc")).expect("a folder");
        std::fs::write(root.join("etc/passwd"), "root:x:0:0::/:/bin/sh\n").expect("a file");
        Self {
            root,
            kernel: FakeKernel::default(),
        }
    }

    fn run(&self, line: &str) -> Outcome {
        let mut words = line.split_whitespace().map(OsString::from);
        let command = words.next().unwrap_or_default();
        let words: Vec<OsString> = words.collect();
        match command.to_str() {
            Some("mkwpar") => {
                mkwpar::execute(&mut self.kernel.session("mkwpar", &self.root), words)
            }
            Some("chwpar") => {
                chwpar::execute(&mut self.kernel.session("chwpar", &self.root), words)
            }
            Some("rmwpar") => {
                rmwpar::execute(&mut self.kernel.session("rmwpar", &self.root), words)
            }
            Some("stopwpar") => {
                stopwpar::execute(&mut self.kernel.session("stopwpar", &self.root), words)
            }
            other => panic!("no command {other:?}"),
        }
    }

    /// The number of the message with which a command is refused.
    fn refusal(&self, line: &str) -> u16 {
        match self.run(line) {
            Err(Failure::Said(message)) => message.number(),
            other => panic!("{line}: {other:?}"),
        }
    }

    /// What `startwpar` does to the kernel, without processes.
    fn start(&self, name: &str) {
        let name = WparName::new(name).expect("a name");
        let session = self.kernel.session("startwpar", &self.root);
        let definition = session.database.read(&name).expect("a definition");
        let mut kernel = self.kernel.clone();
        let mut control = Control::new(&mut kernel);
        let handle = control
            .load(Load {
                key: session.database.key_of(&name).expect("a key"),
                name,
                hostname: definition.hostname,
                kind: WparKind::System,
                root: definition.directory,
                mounts: Vec::new(),
                devices: None,
                controls: definition.controls,
                privileges: None,
            })
            .expect("loaded");
        control.order(&Request::Activate(handle)).expect("active");
    }

    fn stored(&self, name: &str) -> Option<ResourceControls> {
        let name = WparName::new(name).ok()?;
        Some(
            self.kernel
                .session("lswpar", &self.root)
                .database
                .read(&name)
                .ok()?
                .controls,
        )
    }

    fn exists(&self, path: &str) -> bool {
        Path::new(&self.root).join(path).exists()
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        std::fs::remove_dir_all(&self.root).expect("scratch folder");
    }
}

#[test]
fn a_wpar_is_made_renamed_and_removed_without_a_trace() {
    let machine = Machine::new("life");
    assert_eq!(machine.run("mkwpar -n alpha"), Ok(0));
    assert!(machine.exists("wpars/alpha/etc/passwd"));
    assert_eq!(machine.run("chwpar -n beta alpha"), Ok(0));
    assert!(machine.exists("etc/wpars/beta.cf") && !machine.exists("etc/wpars/alpha.cf"));
    assert_eq!(machine.run("rmwpar beta"), Ok(0));
    assert!(!machine.exists("wpars/alpha") && !machine.exists("etc/wpars/beta.cf"));
    let left = std::fs::read_dir(machine.root.join("etc/wpars"))
        .expect("a folder")
        .count();
    assert_eq!(left, 1, "only the index of keys is left");
}

#[test]
fn what_is_refused_changes_nothing() {
    let machine = Machine::new("refused");
    for (line, number) in [
        ("mkwpar -n Global", 501),
        ("mkwpar -n a/b", 501),
        ("mkwpar -n -x", 501),
        ("mkwpar -n abcdefghijklmnopqrstuvwxyz", 501),
        ("mkwpar -n ok -R shares_CPU=70000", 503),
        ("mkwpar -n ok -R totalProcesses=2 totalThreads=1", 503),
        ("mkwpar -n ok -d /usr", 519),
        ("mkwpar -n ok -c", 516),
        ("mkwpar -e none -n ok", 500),
        ("chwpar -R shares_CPU=0 none", 500),
        ("rmwpar none", 500),
    ] {
        assert_eq!(machine.refusal(line), number, "{line}");
    }
    assert_eq!(machine.run("stopwpar none"), Ok(1));
    assert!(!machine.exists("wpars") && !machine.exists("etc/wpars/index"));
}

#[test]
fn names_hostnames_and_directories_are_unique() {
    let machine = Machine::new("unique");
    assert_eq!(machine.run("mkwpar -n kenny"), Ok(0));
    assert_eq!(machine.refusal("mkwpar -n kenny"), 2);
    assert_eq!(machine.refusal("mkwpar -n cartman -h kenny"), 105);
    assert_eq!(machine.refusal("mkwpar -n cartman -d /wpars/kenny"), 105);
    assert_eq!(machine.run("mkwpar -a -n kenny"), Ok(0));
    assert!(machine.exists("wpars/kenny2/etc") && machine.exists("etc/wpars/kenny2.cf"));
    assert_eq!(machine.run("mkwpar -n stan -e kenny"), Ok(0));
    assert!(machine.exists("wpars/stan/etc"));
}

#[test]
fn a_full_directory_is_not_taken_over() {
    let machine = Machine::new("full");
    std::fs::create_dir_all(machine.root.join("wpars/alpha/precious")).expect("a folder");
    assert_eq!(machine.refusal("mkwpar -n alpha"), 318);
    assert!(machine.exists("wpars/alpha/precious") && !machine.exists("etc/wpars/alpha.cf"));
}

#[test]
fn a_running_wpar_is_neither_renamed_nor_removed() {
    let machine = Machine::new("running");
    assert_eq!(machine.run("mkwpar -n alpha"), Ok(0));
    machine.start("alpha");
    assert_eq!(machine.refusal("chwpar -n beta alpha"), 53);
    assert_eq!(machine.refusal("rmwpar alpha"), 504);
    assert_eq!(machine.run("stopwpar -F alpha"), Ok(0));
    assert!(machine.kernel.loaded().is_empty());
    assert_eq!(machine.run("stopwpar alpha"), Ok(1));
    assert_eq!(machine.run("chwpar -n beta alpha"), Ok(0));
}

#[test]
fn resource_controls_change_at_once_or_not_at_all() {
    let machine = Machine::new("resources");
    assert_eq!(machine.run("mkwpar -n lo -R shares_CPU=10"), Ok(0));
    assert_eq!(
        machine.run("mkwpar -n hi -R CPU=5%-90%,95% totalProcesses=32 totalThreads=64"),
        Ok(0)
    );
    machine.start("lo");
    machine.start("hi");
    assert_eq!(machine.run("chwpar -R CPU=0.50%-12.25%,33.33% lo"), Ok(0));
    let live = || {
        machine
            .kernel
            .loaded()
            .into_iter()
            .map(|wpar| wpar.controls)
            .collect::<Vec<_>>()
    };
    assert_eq!(live()[0].cpu.to_string(), "0.50%-12.25%,33.33%");
    assert_eq!(machine.stored("lo"), Some(live()[0].clone()));
    let before = live();
    assert_eq!(machine.refusal("chwpar -R totalThreads=16 hi"), 503);
    assert_eq!(machine.refusal("chwpar -R CPU=60%-50%,95% lo"), 503);
    assert_eq!(machine.refusal("chwpar -R CPU=99%-100%,100% lo"), 503);
    assert_eq!(live(), before);
    assert_eq!(machine.stored("lo").as_ref(), before.first());
    assert_eq!(machine.run("chwpar -K -R shares_CPU,CPU lo"), Ok(0));
    assert_eq!(machine.stored("lo"), Some(ResourceControls::default()));
}
