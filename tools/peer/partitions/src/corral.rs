//! Corral's partitions, by the control interface.

use crate::child::{self, Child};
use crate::system::{Isolation, Limits, System, Usage};
use abi::WparKey;
use control::{
    Accounts, Answer, Load, PercentLimits, Request, ResourceControls, WparHandle, WparKind,
    WparName,
};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read, Write};
use std::time::Duration;

/// The control interface.
pub const DEVICE: &str = "/dev/corral";

/// Corral.
pub struct Corral {
    kernel: Kernel,
    loaded: BTreeMap<usize, WparHandle>,
}

/// One open control interface.
struct Kernel(File);

impl Kernel {
    fn open() -> io::Result<Self> {
        File::options()
            .read(true)
            .write(true)
            .open(DEVICE)
            .map(Self)
    }

    fn ask(&mut self, request: &Request) -> io::Result<Answer> {
        let frame = control::encode_request(request).map_err(io::Error::other)?;
        self.0.write_all(&frame)?;
        let (mut answer, mut part) = (Vec::new(), [0; 4096]);
        loop {
            match self.0.read(&mut part)? {
                0 => break,
                count => answer.extend_from_slice(part.get(..count).unwrap_or_default()),
            }
        }
        let reply = control::decode_reply(&answer).map_err(io::Error::other)?;
        reply.map_err(|refusal| match refusal.detail {
            Some(detail) => io::Error::other(detail),
            None => io::Error::from_raw_os_error(i32::from(refusal.errno)),
        })
    }

    fn order(&mut self, request: &Request) -> io::Result<()> {
        match self.ask(request)? {
            Answer::Done => Ok(()),
            other => Err(io::Error::other(format!("unexpected answer {other:?}"))),
        }
    }
}

impl Corral {
    /// By a new conversation with the kernel.
    pub fn new() -> io::Result<Self> {
        Ok(Self {
            kernel: Kernel::open()?,
            loaded: BTreeMap::new(),
        })
    }

    fn handle(&self, number: usize) -> io::Result<WparHandle> {
        let handle = self.loaded.get(&number).copied();
        handle.ok_or_else(|| io::Error::other(format!("partition {number} is not loaded")))
    }

    fn accounts(&mut self) -> io::Result<Accounts> {
        match self.kernel.ask(&Request::Accounts)? {
            Answer::Accounts(accounts) => Ok(accounts),
            other => Err(io::Error::other(format!("unexpected answer {other:?}"))),
        }
    }
}

impl System for Corral {
    fn create(&mut self, number: usize, limits: Limits) -> io::Result<()> {
        let name = format!("p{number}");
        let mut controls = ResourceControls::default();
        controls
            .set("shares_CPU", &limits.shares.to_string())
            .map_err(io::Error::other)?;
        let percent = |part: u16| format!("{}.{:02}%", part / 100, part % 100);
        let most = percent(limits.hard_maximum.unwrap_or(10_000));
        let least = percent(limits.minimum);
        controls.cpu = PercentLimits::parse(&format!("{least}-{most},{most}"))
            .ok_or_else(|| io::Error::other("not a percentage"))?;
        let load = Load {
            key: WparKey(u32::try_from(number).map_err(io::Error::other)? + 1),
            hostname: name.clone(),
            name: WparName::new(&name).map_err(io::Error::other)?,
            kind: WparKind::Application,
            root: "/".to_owned(),
            mounts: Vec::new(),
            devices: None,
            controls,
            privileges: None,
        };
        match self.kernel.ask(&Request::Load(load))? {
            Answer::Loaded(handle) => {
                self.loaded.insert(number, handle);
                self.kernel.order(&Request::Activate(handle))
            }
            other => Err(io::Error::other(format!("unexpected answer {other:?}"))),
        }
    }

    fn start(
        &mut self,
        number: usize,
        _isolation: Isolation,
        body: &mut dyn FnMut(),
    ) -> io::Result<Child> {
        let wpar = self.handle(number)?;
        // One open file carries one conversation, so the child begins its own.
        child::fork(&mut || {
            let enter = Request::Enter { wpar, init: true };
            match Kernel::open().and_then(|mut kernel| kernel.order(&enter)) {
                Ok(()) => body(),
                Err(error) => println!("! partition {number}: {error}"),
            }
        })
    }

    fn usage(&mut self, numbers: &[usize]) -> io::Result<Vec<Usage>> {
        let accounts = self.accounts()?;
        let time = |ticks: abi::Ticks| {
            Duration::from_secs_f64(ticks.0 as f64 / accounts.ticks_per_second as f64)
        };
        let of = |number: &usize| {
            let cid = self.handle(*number)?.cid;
            let found = accounts.entries.iter().find(|entry| entry.cid == cid);
            let entry = found.ok_or_else(|| io::Error::other("a partition without account"))?;
            Ok(Usage {
                used: time(entry.user) + time(entry.system),
                at: time(accounts.now),
            })
        };
        numbers.iter().map(of).collect()
    }

    fn remove(&mut self, number: usize) -> io::Result<()> {
        let wpar = self.handle(number)?;
        self.loaded.remove(&number);
        let kernel = &mut self.kernel;
        let gone = |error: &io::Error| error.raw_os_error() == Some(libc::ESRCH);
        let timeout = None;
        // It goes with its last process, be that in the midst of this. One that has never had a process is told.
        let emptied = kernel
            .order(&Request::Quiesce { wpar, force: true })
            .and_then(|()| kernel.ask(&Request::Await { wpar, timeout }));
        if let Err(error) = emptied
            && !gone(&error)
        {
            return Err(error);
        }
        // Whoever is at it already is waited for: its name is free then.
        match kernel.order(&Request::Unload(wpar)) {
            Err(error) if gone(&error) => Ok(()),
            unloaded => unloaded,
        }
    }

    fn settle(&mut self) {
        // A process that has slept for a second gives its translation tables back.
        child::rest(Duration::from_millis(2500));
    }
}
