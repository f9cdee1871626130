//! Core files: what a process was when a signal ended it (`man 5 core`).
//!
//! The thread that the signal has come to writes the file, in steps, before the process ends. The others are held first,
//! with their registers put back. A step is a few pages, so that a large process keeps nobody waiting; what the file takes
//! is its partition's. SIGKILL, an error and the limit (`RLIMIT_CORE`) end it where it is.
//!
//! In the file: memory that the process has alone or shares without a file, the vDSO, and of each mapped program the first
//! page. What is not in memory is a hole.

use super::Call;
use super::directory::with_walk;
use crate::outcome::Outcome;
use crate::process::Process;
use crate::ptrace::Halt;
use crate::ptrace::registers::{self, RegisterSet};
use crate::space::Space;
use crate::system::system;
use crate::thread::{Body, Thread};
use abi::linux::{NT_PPC_VMX, NT_PPC_VSX, NT_PRFPREG, Resource, SigInfo, SignalNumber};
use abi::{Errno, PAGE_SHIFT, PAGE_SIZE};
use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec::Vec;
use exec::{
    CoreLayout, CoreRange, NT_AUXV, NT_FILE, NT_PRPSINFO, NT_PRSTATUS, NT_SIGINFO, Notes,
    ProcessStatus, ThreadStatus,
};
use fallible::NoMemory;
use memory::space::{Area, Mapping, Traits};
use trace::Severity;
use vfs::{Access, FileKind, Follow, Mode, OpenFile, OpenHow, OpenOptions, StatusFlags};
use wait::{SliceSource, Stop};

/// Pages that one step writes.
const STEP: usize = 32;

/// The name of the file, in the working directory.
const NAME: &[u8] = b"core";

/// A core file that is being written.
pub struct CoreDump {
    signal: SignalNumber,
    /// `None` until the other threads are held.
    writing: Option<Writing>,
}

struct Writing {
    file: Arc<OpenFile>,
    layout: CoreLayout,
    /// Bytes that the file may have.
    limit: u64,
    /// Bytes of the head that are written.
    head: usize,
    /// The range that is being written, and the next address in it.
    range: usize,
    next: u64,
}

/// How a step has left the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dumped {
    /// There is more to write.
    Partly,
    /// It is done, and the process ends.
    Wholly,
    /// There is none, for want of a right, of room or of memory.
    Not,
}

/// Whether a process that a signal ends is to leave a core file.
pub fn is_wanted(process: &Process) -> bool {
    process.limit(Resource::Core) > 0 && process.with(|state| state.conduct.dumpable)
}

impl CoreDump {
    /// One that has not begun.
    ///
    /// # Errors
    /// [`NoMemory`].
    pub fn new(signal: SignalNumber) -> Result<Box<Self>, NoMemory> {
        let writing = None;
        fallible::boxed(Self { signal, writing })
    }

    /// The signal that ends the process.
    pub const fn signal(&self) -> SignalNumber {
        self.signal
    }

    /// Writes a step, for the thread whose call this seems to be; the other threads are held.
    pub fn step(&mut self, call: &mut Call<'_>) -> Dumped {
        let step = match &mut self.writing {
            Some(writing) => writing.step(call),
            None => match begin(call, self.signal) {
                Ok(writing) => {
                    self.writing = Some(writing);
                    Ok(false)
                }
                Err(errno) => Err(errno),
            },
        };
        match step {
            Ok(false) => Dumped::Partly,
            Ok(true) => {
                self.tell(call, "a core file was written");
                Dumped::Wholly
            }
            // What there is of it is of use.
            Err(_) if self.writing.is_some() => {
                self.tell(call, "a core file was cut short");
                Dumped::Wholly
            }
            Err(_) => {
                self.tell(call, "no core file could be written");
                Dumped::Not
            }
        }
    }

    /// A line for the error log of the partition.
    fn tell(&self, call: &Call<'_>, what: &str) {
        let process = call.process();
        let name = process.with(|state| state.name.clone());
        let name = fallible::string_lossy(&name).unwrap_or_default();
        let (pid, signal) = (process.virtual_pid().0, self.signal);
        let text = format_args!("{name} ({pid}) ended by {signal}: {what}");
        system().log(process.cid(), Severity::Information, "core", text);
    }
}

fn begin(call: &mut Call<'_>, signal: SignalNumber) -> Result<Writing, Errno> {
    let process = call.process();
    let space = process.space()?;
    let notes = notes(call, signal, &space)?;
    let ranges = ranges(&space)?;
    let layout = CoreLayout::new(&notes, ranges.into_iter())?;
    let file = open(call)?;
    Ok(Writing {
        file,
        layout,
        limit: process.limit(Resource::Core),
        head: 0,
        range: 0,
        next: 0,
    })
}

/// Makes the file, or empties one that is the process's own.
fn open(call: &Call<'_>) -> Result<Arc<OpenFile>, Errno> {
    let options = |how| OpenOptions {
        access: Access::WRITE,
        how: how | OpenHow::NO_FOLLOW,
        flags: StatusFlags::NONBLOCKING,
        mode: Mode::new(0o600),
    };
    let made = with_walk(call, |walk| {
        let how = OpenHow::CREATE | OpenHow::EXCLUSIVE;
        match walk.open(None, NAME, &options(how)) {
            Err(Stop::Error(Errno::EEXIST)) => {}
            made => return made,
        }
        let found = walk.resolve(None, NAME, Follow::No)?;
        let metadata = found.inode().metadata(&walk.io)?;
        let own = metadata.uid == walk.io.credential.identity.fsuid;
        if metadata.kind != FileKind::Regular || metadata.links != 1 || !own {
            return Err(Errno::EPERM.into());
        }
        walk.open(None, NAME, &options(OpenHow::TRUNCATE))
    });
    made.map_err(|outcome| match outcome {
        Outcome::Failed(errno) => errno,
        _ => Errno::EAGAIN,
    })
}

/// What is told of the process and its threads, the one first that the signal has come to.
fn notes(call: &mut Call<'_>, signal: SignalNumber, space: &Space) -> Result<Notes, Errno> {
    let process = call.process().clone();
    let mut notes = Notes::new();
    let own = call.thread.clone();
    call.body.context.leave();
    let numbers = numbers(&process);
    status(&mut notes, &own, call.body, signal, numbers)?;
    let (arguments, auxiliary, name) =
        process.with(|state| (state.arguments, state.auxiliary, state.name.clone()));
    let arguments = bytes_of(space, arguments, 4096)?;
    let identity = process.credential();
    let [pid, relations @ ..] = numbers;
    let [parent, group, session] = relations;
    let about = ProcessStatus {
        owner: [identity.identity.uid, identity.identity.gid],
        numbers: [pid, parent, group, session],
        name: &name,
        arguments: &arguments,
    };
    notes.add(NT_PRPSINFO, &about.encode())?;
    notes.add(NT_SIGINFO, &SigInfo::kernel(signal).encode())?;
    let auxiliary = bytes_of(space, auxiliary, 4096)?;
    notes.add(NT_AUXV, &auxiliary)?;
    notes.add(NT_FILE, &files(space)?)?;
    sets(&mut notes, call.body)?;
    for thread in process.threads.iter() {
        if Arc::ptr_eq(&thread, &own) {
            continue;
        }
        let told = thread.with_body(|body| {
            status(&mut notes, &thread, body, signal, numbers)?;
            sets(&mut notes, body)
        });
        told.unwrap_or(Ok(()))?;
    }
    Ok(notes)
}

/// Numbers of the process, its parent, group and session as its partition counts.
fn numbers(process: &Process) -> [u32; 4] {
    let tree = system().tree.lock();
    let cid = process.cid();
    let seen = |pid: Option<abi::Pid>| pid.map_or(0, |pid| tree.pids.seen(pid, cid).0);
    let job = tree.job(process.pid);
    [
        seen(Some(process.pid)),
        seen(tree.parent(process.pid)),
        seen(job.as_ref().map(|job| job.group)),
        seen(job.as_ref().map(|job| job.session)),
    ]
}

fn status(
    notes: &mut Notes,
    thread: &Thread,
    body: &Body,
    signal: SignalNumber,
    [_, relations @ ..]: [u32; 4],
) -> Result<(), NoMemory> {
    let (pending, blocked) = {
        let own = thread.signals.lock();
        (own.pending.set().0, own.mask.0)
    };
    let status = ThreadStatus {
        signal: signal.get(),
        pending,
        blocked,
        tid: thread.virtual_tid().0,
        relations,
        registers: registers::general(body, Halt::Trap, body.context.gpr[3]),
        floating: body.context.is_vec_used(),
    };
    notes.add(NT_PRSTATUS, &status.encode())
}

/// The floating-point and vector registers of a thread that has used them.
fn sets(notes: &mut Notes, body: &Body) -> Result<(), NoMemory> {
    if !body.context.is_vec_used() {
        return Ok(());
    }
    let kinds = [
        (NT_PRFPREG, RegisterSet::Floating),
        (NT_PPC_VMX, RegisterSet::Vector),
        (NT_PPC_VSX, RegisterSet::VectorScalar),
    ];
    for (kind, set) in kinds {
        let mut bytes = [0; registers::LARGEST];
        let bytes = bytes.get_mut(..set.size()).unwrap_or_default();
        set.read(&body.context, bytes);
        notes.add(kind, bytes)?;
    }
    Ok(())
}

/// A range of the program's memory, as far as it is there.
fn bytes_of(space: &Space, (start, end): (u64, u64), most: u64) -> Result<Vec<u8>, NoMemory> {
    let mut bytes = fallible::filled(0, end.saturating_sub(start).min(most) as usize)?;
    let read = space.lock().peek(start, &mut bytes);
    if read.is_err() {
        bytes.clear();
    }
    Ok(bytes)
}

/// The contents of NT_FILE: the mapped files, by address.
fn files(space: &Space) -> Result<Vec<u8>, NoMemory> {
    let description = space.lock();
    let of_file = |area: &&Area| area.mapping.backing().is_some() && area.label().starts_with('/');
    let count = description.areas().filter(of_file).count() as u64;
    fallible::written(|out| {
        [count, PAGE_SIZE as u64]
            .iter()
            .try_for_each(|word| out.bytes(&word.to_le_bytes()))?;
        for area in description.areas().filter(of_file) {
            [area.start, area.end, area.offset() >> PAGE_SHIFT]
                .iter()
                .try_for_each(|word| out.bytes(&word.to_le_bytes()))?;
        }
        for area in description.areas().filter(of_file) {
            out.bytes(area.label().as_bytes())?;
            out.byte(0)?;
        }
        Ok(())
    })
}

/// The ranges of the program's memory, with what of each is kept.
fn ranges(space: &Space) -> Result<Vec<CoreRange>, NoMemory> {
    let description = space.lock();
    let kept = |area: &Area| {
        let whole = area.end - area.start;
        let named = area.label().starts_with('/');
        match &area.mapping {
            _ if area.traits.contains(Traits::NOT_DUMPED) => 0,
            Mapping::Anonymous | Mapping::Stack | Mapping::Heap => whole,
            Mapping::Shared(_) if named => 0,
            Mapping::Shared(_) => whole,
            Mapping::Private(_) if !named => whole,
            Mapping::Private(_) if description.has_own_page(area.start, area.end) => whole,
            Mapping::Private(backing) if backing.first == 0 => PAGE_SIZE as u64,
            Mapping::Private(_) => 0,
        }
    };
    let ranges = description.areas().map(|area| CoreRange {
        start: area.start,
        end: area.end,
        kept: kept(area),
        protection: area.protection,
    });
    fallible::collect(ranges)
}

impl Writing {
    /// True when the file is whole.
    fn step(&mut self, call: &Call<'_>) -> Result<bool, Errno> {
        if self.head < self.layout.head.len() {
            let from = self.layout.head.get(self.head..).unwrap_or_default();
            let part = from
                .get(..from.len().min(STEP * PAGE_SIZE))
                .unwrap_or_default();
            put(&self.file, call, self.head as u64, part, self.limit)?;
            self.head += part.len();
            return Ok(false);
        }
        let space = call.process().space()?;
        let mut page = fallible::filled(0, PAGE_SIZE)?;
        for _ in 0..STEP {
            let Some((range, at)) = self.layout.ranges.get(self.range).copied() else {
                return self.finish(call).map(|()| true);
            };
            let from = self.next.max(range.start);
            let end = range.start + range.kept;
            let pages = [from, end].map(|address| address >> PAGE_SHIFT);
            let next = space.lock().next_page(pages[0], pages[1]);
            let next = next.map_or(end, |page| page << PAGE_SHIFT);
            if next >= end {
                self.range += 1;
                continue;
            }
            self.next = next + PAGE_SIZE as u64;
            if space.lock().peek(next, &mut page).is_ok() {
                let at = at + (next - range.start);
                put(&self.file, call, at, &page, self.limit)?;
            }
        }
        Ok(false)
    }

    /// The file is as long as its layout says, whatever its last page holds.
    fn finish(&self, call: &Call<'_>) -> Result<(), Errno> {
        let size = self.layout.size;
        let written = self.file.metadata(&call.io());
        let written = written.map_or(size, |metadata| metadata.size);
        if written < size {
            put(&self.file, call, size - 1, &[0], self.limit)?;
        }
        Ok(())
    }
}

/// Writes bytes at a place of the file.
fn put(file: &OpenFile, call: &Call<'_>, at: u64, bytes: &[u8], limit: u64) -> Result<(), Errno> {
    if at.saturating_add(bytes.len() as u64) > limit {
        return Err(Errno::EFBIG);
    }
    let mut done = 0;
    while done < bytes.len() {
        let rest = bytes.get(done..).unwrap_or_default();
        let place = i64::try_from(at + done as u64).map_err(|_| Errno::EFBIG)?;
        match file.write_at(&call.io(), place, &mut SliceSource::new(rest)) {
            Ok(0) => return Err(Errno::ENOSPC),
            Ok(moved) => done += moved,
            Err(Stop::Error(errno)) => return Err(errno),
            Err(_) => return Err(Errno::EAGAIN),
        }
    }
    Ok(())
}
