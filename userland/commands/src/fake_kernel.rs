//! A kernel for tests: keeps WPARs in a table and follows the control interface's rules.

use crate::messages::Level;
use crate::session::Session;
use abi::{Cid, Errno, Pages, WparKey};
use control::{
    Answer, Identity, Refusal, Reply, Request, ResourceControls, WparHandle, WparKind, WparState,
    WparStatus, check_minimum_sum,
};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

/// The table, shared by the kernel in a session and the test that looks at it.
#[derive(Clone, Debug, Default)]
pub struct FakeKernel {
    wpars: Arc<Mutex<Vec<WparStatus>>>,
}

impl FakeKernel {
    /// A session of a command with its files below `root`; it says nothing.
    pub fn session(&self, command: &'static str, root: &Path) -> Session {
        std::fs::create_dir_all(root.join("var/adm/wpars")).expect("a folder for the log");
        Session::in_root(command, Level::Off, root, Box::new(self.clone()))
    }

    /// The loaded WPARs.
    pub fn loaded(&self) -> Vec<WparStatus> {
        self.wpars
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    fn with(&self, handle: WparHandle, change: impl FnOnce(&mut WparStatus)) -> Reply {
        let mut wpars = self.wpars.lock().unwrap_or_else(PoisonError::into_inner);
        let found = wpars.iter_mut().find(|wpar| wpar.handle == handle);
        change(found.ok_or(Refusal::plain(Errno::ESRCH))?);
        Ok(Answer::Done)
    }
}

fn identity() -> Identity {
    Identity {
        cid: Cid::GLOBAL,
        key: WparKey(0),
        name: "Global".to_owned(),
        hostname: "host".to_owned(),
        kind: WparKind::System,
        controls: ResourceControls::default(),
        cpus: control::CpuList(1),
    }
}

impl crate::kernel_control::Kernel for FakeKernel {
    fn ask(&mut self, request: &Request) -> Reply {
        // What travels must survive the journey.
        let frame = control::encode_request(request).expect("a frame");
        match control::decode_request(&frame).expect("a request") {
            Request::Identity => Ok(Answer::Identity(identity())),
            Request::List => Ok(Answer::Wpars(self.loaded())),
            Request::Load(load) => {
                let mut wpars = self.wpars.lock().unwrap_or_else(PoisonError::into_inner);
                if wpars.iter().any(|wpar| wpar.name == load.name) {
                    return Err(Refusal::plain(Errno::EEXIST));
                }
                let number = wpars.len() as u16 + 1;
                let handle = WparHandle {
                    cid: Cid(number),
                    generation: number.into(),
                };
                wpars.push(WparStatus {
                    handle,
                    key: load.key,
                    name: load.name,
                    kind: load.kind,
                    state: WparState::Transitional,
                    hostname: load.hostname,
                    root: load.root,
                    controls: load.controls,
                    processes: 0,
                    threads: 0,
                    pages: Pages(0),
                    init: None,
                });
                Ok(Answer::Loaded(handle))
            }
            Request::Activate(handle) => self.with(handle, |wpar| wpar.state = WparState::Active),
            Request::Quiesce { wpar, .. } => {
                self.with(wpar, |wpar| wpar.state = WparState::Transitional)
            }
            Request::Await { .. } => Ok(Answer::Awaited { empty: true }),
            Request::Unload(handle) => {
                self.with(handle, |_| {})?;
                self.wpars
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .retain(|wpar| wpar.handle != handle);
                Ok(Answer::Done)
            }
            Request::SetResources { wpar, controls } => {
                controls.validate()?;
                let others = self
                    .loaded()
                    .into_iter()
                    .filter(|other| other.handle != wpar);
                let minimums = others
                    .map(|other| u32::from(other.controls.cpu.minimum.basis_points().0))
                    .sum();
                check_minimum_sum("CPU", controls.cpu.minimum, minimums)?;
                self.with(wpar, |wpar| wpar.controls = controls)
            }
            Request::SetHostname { wpar, hostname } => {
                self.with(wpar, |wpar| wpar.hostname = hostname)
            }
            _ => Err(Refusal::plain(Errno::ENOSYS)),
        }
    }
}
