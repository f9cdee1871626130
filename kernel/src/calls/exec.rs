//! Executing programs (`man 2 execve`).
//!
//! The new address space is built beside the old one; only when it is complete are the other threads sent away
//! and the process changed over. Up to there every failure leaves the caller as it was.

use super::Call;
use super::descriptor::locks;
use super::directory::{base, with_walk};
use super::memory::mapped_name;
use super::process::STACK_POINTER;
use crate::family;
use crate::outcome::{Called, Continuation, Outcome, Wait};
use crate::placement::Placement;
use crate::process::Files;
use crate::process::Process;
use crate::ptrace;
use crate::space::{Space, USER_LIMIT};
use crate::system::system;
use crate::vdso;
use abi::linux::{
    ADDR_NO_RANDOMIZE, AT_BASE, AT_CLKTCK, AT_DCACHEBSIZE, AT_EGID, AT_EMPTY_PATH, AT_ENTRY,
    AT_EUID, AT_FLAGS, AT_GID, AT_HWCAP, AT_HWCAP2, AT_ICACHEBSIZE, AT_MINSIGSTKSZ, AT_PAGESZ,
    AT_PHDR, AT_PHENT, AT_PHNUM, AT_RSEQ_ALIGN, AT_RSEQ_FEATURE_SIZE, AT_SECURE,
    AT_SYMLINK_NOFOLLOW, AT_SYSINFO_EHDR, AT_UCACHEBSIZE, AT_UID, Membarrier, RSEQ_ALIGNMENT,
    RSEQ_FEATURE_SIZE, Resource, SignalFrame,
};
use abi::mmu::Protection;
use abi::{Errno, PAGE_SIZE};
use alloc::sync::Arc;
use alloc::vec::Vec;
use arch::UserContext;
use exec::{Contents, Image, InitialStack, Interpreter};
use memory::PageSource;
use memory::space::{Backing, Fixed, MapRequest, Mapping, Traits};
use process::ExitStatus;
use process::capabilities::FileCapabilities;
use process::identity::{self, ProgramFile};
use security::Credential;
use sync::{Rank, SpinLock};
use vfs::{CAPABILITY_ATTRIBUTE, Follow, Location, Metadata, MountFlags, Running, Walk};
use wait::{Attempt, SliceSink, Stop};

/// Bytes that arguments and environment may take together (`man 2 execve`, "Limits on size").
const STRINGS_LIMIT: usize = 2 << 20;
/// One argument may not be longer.
const STRING_LIMIT: usize = 128 << 10;
/// How many interpreters of interpreters are followed.
const DEPTH: usize = 4;

/// `man 2 execve`.
pub fn execve(call: &mut Call<'_>) -> Called {
    let (arguments, environment) = (call.argument(1), call.argument(2));
    let path = call.path(0)?;
    execute(call, None, path, [arguments, environment], Follow::Yes)
}

/// `man 2 execveat`.
pub fn execveat(call: &mut Call<'_>) -> Called {
    let (arguments, environment, flags) =
        (call.argument(2), call.argument(3), call.argument(4) as u32);
    if flags & !(AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW) != 0 {
        return Err(Errno::EINVAL.into());
    }
    let path = call.path(1)?;
    let base = base(call, 0)?;
    if path.is_empty() && flags & AT_EMPTY_PATH == 0 {
        return Err(Errno::ENOENT.into());
    }
    let follow = if flags & AT_SYMLINK_NOFOLLOW != 0 {
        Follow::No
    } else {
        Follow::Yes
    };
    execute(call, base, path, [arguments, environment], follow)
}

/// A program that can be run, with the arguments that it gets.
struct Program {
    location: Location,
    /// Nobody writes it from here on.
    text: Option<Running>,
    metadata: Metadata,
    /// What its file gives to who runs it.
    capabilities: Option<FileCapabilities>,
    image: Image,
    source: Arc<dyn PageSource>,
    arguments: Vec<Vec<u8>>,
    environment: Vec<Vec<u8>>,
    /// The path that the call gave.
    path: Vec<u8>,
}

/// A program in memory, ready to run.
struct Loaded {
    space: Arc<Space>,
    stack: InitialStack,
    entry: u64,
    credential: Arc<Credential>,
    /// The table of descriptors that it gets, when the process shares its own.
    files: Option<Files>,
    /// Whether it is more than its caller's.
    secure: bool,
}

/// Whether the process has become a user's who had too many, and still has.
fn is_crowded(call: &Call<'_>) -> bool {
    let process = call.process();
    let crowded =
        process.with(|state| state.crowded) && family::is_crowded(process, call.credential(), 0);
    process.with(|state| state.crowded = crowded);
    crowded
}

fn execute(
    call: &mut Call<'_>,
    base: Option<Location>,
    path: Vec<u8>,
    [arguments, environment]: [u64; 2],
    follow: Follow,
) -> Called {
    if call.progress() == Continuation::Fresh && is_crowded(call) {
        return Err(Errno::EAGAIN.into());
    }
    if call.progress() == Continuation::Fresh {
        let arguments = strings(call, arguments)?;
        let environment = strings(call, environment)?;
        let program = find(
            call,
            base.as_ref(),
            fallible::copy(&path)?,
            arguments,
            environment,
            follow,
        )?;
        if !alone(call)? {
            call.set_progress(Continuation::Executing);
            return Err(Outcome::Park(Wait::retry()));
        }
        return run(call, program);
    }
    // The other threads were asked to leave; the program is looked up anew when they have.
    if !alone(call)? {
        return Err(Outcome::Park(Wait::retry()));
    }
    let outcome = strings(call, arguments)
        .and_then(|arguments| Ok((arguments, strings(call, environment)?)))
        .map_err(Outcome::from)
        .and_then(|(arguments, environment)| {
            find(call, base.as_ref(), path, arguments, environment, follow)
        })
        .and_then(|program| run(call, program));
    if let Err(Outcome::Failed(_)) = outcome {
        // What could be executed when the others were sent away cannot be any more. The process is no longer the one
        // that called, so there is nobody to whom an error would mean anything (Linux's point of no return).
        call.process().end(ExitStatus::KILLED);
    }
    outcome
}

fn run(call: &mut Call<'_>, program: Program) -> Called {
    let loaded = load(call, &program)?;
    take_over(call, program, loaded);
    Err(Outcome::Resume)
}

/// Whether the caller is the only thread; if not, the others are asked to leave.
fn alone(call: &Call<'_>) -> Result<bool, Errno> {
    let process = call.process();
    let waiter = call.waiter();
    let others = process.with(|state| {
        if process.threads.count() <= 1 {
            state.executing = None;
            return Ok(None);
        }
        let asked = match state.executing.replace(call.thread.tid()) {
            Some(tid) if tid != call.thread.tid() => {
                state.executing = Some(tid);
                return Err(Errno::EAGAIN);
            }
            before => before.is_some(),
        };
        // The process has begun to change: waiting for the others must not fail.
        fallible::assured(|| process.threads_gone.enrol(waiter));
        Ok(Some(asked))
    })?;
    match others {
        None => return Ok(true),
        // Whoever has been asked goes, and nobody can come.
        Some(true) => {}
        Some(false) => process.threads.interrupt(Some(call.thread.tid())),
    }
    Ok(false)
}

/// An array of strings that ends with a null pointer; a null array is an empty one.
fn strings(call: &Call<'_>, array: u64) -> Result<Vec<Vec<u8>>, Errno> {
    let mut strings = Vec::new();
    let mut total = 0;
    if array == 0 {
        return Ok(strings);
    }
    for index in 0.. {
        let pointer = call
            .user
            .u64(array.checked_add(index * 8).ok_or(Errno::EFAULT)?)?;
        if pointer == 0 {
            break;
        }
        let string = call.user.c_string(pointer, STRING_LIMIT, Errno::E2BIG)?;
        total += string.len() + 1 + size_of::<u64>();
        if total > STRINGS_LIMIT {
            return Err(Errno::E2BIG);
        }
        strings.try_reserve(1).map_err(|_| Errno::ENOMEM)?;
        strings.push(string);
    }
    Ok(strings)
}

/// Looks the program up, following interpreters of scripts.
fn find(
    call: &Call<'_>,
    base: Option<&Location>,
    path: Vec<u8>,
    mut arguments: Vec<Vec<u8>>,
    environment: Vec<Vec<u8>>,
    follow: Follow,
) -> Result<Program, Outcome> {
    let mut current = fallible::copy(&path)?;
    let mut start = base;
    for _ in 0..=DEPTH {
        let found = open(call, start, &current, follow)?;
        let head = found.head;
        if let Some(script) = Interpreter::parse(&head) {
            let script = script?;
            let mut shifted = fallible::list(arguments.len() + 3)?;
            shifted.push(fallible::copy(script.path)?);
            if let Some(argument) = script.argument {
                shifted.push(fallible::copy(argument)?);
            }
            shifted.push(current);
            // There is room for all of them.
            shifted.extend(arguments.drain(..).skip(1));
            arguments = shifted;
            current = fallible::copy(script.path)?;
            start = None;
            continue;
        }
        let image = Image::parse(&head, USER_LIMIT)?;
        let source = found.location.inode().pages().ok_or(Errno::EACCES)?;
        return Ok(Program {
            location: found.location,
            text: found.text,
            metadata: found.metadata,
            capabilities: found.capabilities,
            image,
            source,
            arguments,
            environment,
            path,
        });
    }
    Err(Errno::ELOOP.into())
}

/// A file that may be run.
struct Found {
    location: Location,
    text: Option<Running>,
    metadata: Metadata,
    capabilities: Option<FileCapabilities>,
    head: Vec<u8>,
}

/// Finds a file that may be run, and reads its head.
fn open(
    call: &Call<'_>,
    base: Option<&Location>,
    path: &[u8],
    follow: Follow,
) -> Result<Found, Outcome> {
    with_walk(call, |walk| {
        let location = match (path.is_empty(), base) {
            (true, Some(base)) => base.clone(),
            _ => walk.resolve(base, path, follow)?,
        };
        walk.may_run(&location)?;
        let text = Running::begin(location.inode())?;
        let metadata = location.inode().metadata(&walk.io)?;
        let mut head = fallible::filled(0, Image::HEAD)?;
        let read = location
            .inode()
            .read_at(&walk.io, 0, &mut SliceSink::new(&mut head))?;
        head.truncate(read);
        let capabilities = file_capabilities(walk, &location)?;
        Ok::<_, Stop>(Found {
            location,
            text,
            metadata,
            capabilities,
            head,
        })
    })
}

/// Builds the address space of a program.
fn load(call: &Call<'_>, program: &Program) -> Result<Loaded, Outcome> {
    let process = call.process();
    let (credential, secure) = new_credential(call, program)?;
    let files = own_files(process)?;
    let fixed = !secure && process.with(|state| state.persona) & ADDR_NO_RANDOMIZE != 0;
    let placement = Placement::choose(fixed);
    let space = Space::laid_out(process.cid(), placement.layout)?;
    let name = mapped_name(call, &program.location)?;
    let linker = match program.image.interpreter {
        Some(path) => Some(find_linker(call, program, path)?),
        None => None,
    };
    let stack_limit = process.limit(Resource::Stack);
    let (base, entry, interpreter_base) = {
        let mut description = space.lock();
        let base = if program.image.movable {
            placement.program
        } else {
            0
        };
        map_image(
            &mut description,
            &program.image,
            &program.source,
            base,
            &name,
        )?;
        let (entry, interpreter_base) = match &linker {
            None => (base + program.image.entry, 0),
            Some(linker) => linker.map(&mut description, placement.interpreter)?,
        };
        let heap = (base + program.image.end()).next_multiple_of(PAGE_SIZE as u64);
        description.set_heap(heap + placement.heap_gap);
        description.set_stack_limit(stack_limit);
        vdso::map(&mut description)?;
        (base, entry, interpreter_base)
    };
    let stack = lay_out_stack(
        &space,
        program,
        &credential,
        secure,
        [base, interpreter_base, placement.stack_top],
    )?;
    Ok(Loaded {
        space,
        stack,
        entry,
        credential: fallible::arc(credential)?,
        files,
        secure,
    })
}

fn map_image(
    space: &mut memory::AddressSpace,
    image: &Image,
    source: &Arc<dyn PageSource>,
    base: u64,
    name: &Option<Arc<str>>,
) -> Result<(), Errno> {
    let page = PAGE_SIZE as u64;
    let mut mapped_to = 0;
    for segment in &image.segments {
        let start = base + segment.address;
        let (file_end, end) = (start + segment.file_size, start + segment.memory_size);
        let first = start - start % page;
        let request = |from: u64, to: u64, mapping| MapRequest {
            hint: from,
            // Two segments may share a page: the later one's file contents count.
            fixed: if from < mapped_to {
                Fixed::Replace
            } else {
                Fixed::NoReplace
            },
            length: to - from,
            protection: segment.protection,
            maximum: Protection::all(),
            mapping,
            traits: Traits::empty(),
            name: None,
        };
        let file_pages_end = if segment.file_size == 0 {
            first
        } else {
            file_end.next_multiple_of(page)
        };
        if file_pages_end > first {
            let backing = Backing {
                source: source.clone(),
                first: segment.offset / page,
            };
            space.map(MapRequest {
                traits: Traits::empty(),
                name: name.clone(),
                ..request(first, file_pages_end, Mapping::Private(backing))
            })?;
            if end > file_end && segment.protection.contains(Protection::WRITE) {
                // Up to the end of the page, not of the segment: dynamic linkers hand the rest out as zeros.
                let zeros = [0; PAGE_SIZE];
                let tail = (file_pages_end - file_end) as usize;
                space
                    .write(file_end, zeros.get(..tail).unwrap_or(&zeros))
                    .map_err(|_| Errno::ENOMEM)?;
            }
        }
        let end_page = end.next_multiple_of(page);
        if end_page > file_pages_end {
            space.map(request(file_pages_end, end_page, Mapping::Anonymous))?;
        }
        mapped_to = end_page;
    }
    Ok(())
}

/// Maps the dynamic linker of a program; answers its entry and its base.
fn find_linker(
    call: &Call<'_>,
    program: &Program,
    (offset, length): (u64, u64),
) -> Result<Linker, Outcome> {
    let length = usize::try_from(length)
        .ok()
        .filter(|length| (2..=PAGE_SIZE).contains(length))
        .ok_or(Errno::ENOEXEC)?;
    let mut path = fallible::filled(0, length)?;
    let io = call.io();
    let read = program
        .location
        .inode()
        .read_at(&io, offset, &mut SliceSink::new(&mut path))?;
    if read != length || path.pop() != Some(0) {
        return Err(Errno::ENOEXEC.into());
    }
    let Found { location, head, .. } = open(call, None, &path, Follow::Yes)?;
    let image = Image::parse(&head, USER_LIMIT).map_err(|_| Errno::ENOEXEC)?;
    let source = location.inode().pages().ok_or(Errno::EACCES)?;
    let name = mapped_name(call, &location)?;
    Ok(Linker {
        image,
        source,
        name,
    })
}

/// A program's dynamic linker.
struct Linker {
    image: Image,
    source: Arc<dyn PageSource>,
    name: Option<Arc<str>>,
}

impl Linker {
    /// Maps it; answers where it begins to run and where it lies.
    fn map(
        &self,
        space: &mut memory::AddressSpace,
        movable_base: u64,
    ) -> Result<(u64, u64), Errno> {
        let base = if self.image.movable { movable_base } else { 0 };
        map_image(space, &self.image, &self.source, base, &self.name)?;
        Ok((base + self.image.entry, base))
    }
}

fn lay_out_stack(
    space: &Arc<Space>,
    program: &Program,
    credential: &Credential,
    secure: bool,
    [base, interpreter, top]: [u64; 3],
) -> Result<InitialStack, Outcome> {
    let image = &program.image;
    let identity = &credential.identity;
    let mut random = [0; 16];
    system().entropy.fill(&mut random);
    let fixed = [
        (AT_DCACHEBSIZE, arch::cache::BLOCK as u64),
        (AT_ICACHEBSIZE, arch::cache::BLOCK as u64),
        (AT_UCACHEBSIZE, 0),
        (AT_HWCAP, arch::features::hwcap()),
        (AT_HWCAP2, arch::features::hwcap2()),
        (AT_PAGESZ, PAGE_SIZE as u64),
        (AT_CLKTCK, abi::linux::CLOCK_TICKS_PER_SECOND),
        (AT_PHENT, 56),
        (AT_PHNUM, u64::from(image.headers)),
        (AT_BASE, interpreter),
        (AT_FLAGS, 0),
        (AT_ENTRY, base + image.entry),
        (AT_UID, u64::from(identity.uid)),
        (AT_EUID, u64::from(identity.euid)),
        (AT_GID, u64::from(identity.gid)),
        (AT_EGID, u64::from(identity.egid)),
        (AT_SECURE, u64::from(secure)),
        (AT_SYSINFO_EHDR, vdso::ADDRESS),
        (AT_RSEQ_FEATURE_SIZE, RSEQ_FEATURE_SIZE),
        (AT_RSEQ_ALIGN, RSEQ_ALIGNMENT),
        (AT_MINSIGSTKSZ, SignalFrame::LEAST_STACK),
    ];
    let headers = image.headers_at.map(|at| (AT_PHDR, base + at));
    let auxiliary = fallible::collect(fixed.into_iter().chain(headers))?;
    let contents = Contents {
        arguments: &program.arguments,
        environment: &program.environment,
        path: &program.path,
        platform: arch::features::platform().as_bytes(),
        random,
    };
    let stack = InitialStack::new(&contents, &auxiliary, top, STRINGS_LIMIT + (64 << 10))?;
    let mut description = space.lock();
    let start = (stack.pointer - FIRST_STACK) & !(PAGE_SIZE as u64 - 1);
    let writable = Protection::READ | Protection::WRITE;
    description.map(MapRequest {
        hint: start,
        fixed: Fixed::NoReplace,
        length: top.next_multiple_of(PAGE_SIZE as u64) - start,
        protection: writable,
        maximum: Protection::all(),
        mapping: Mapping::Stack,
        traits: Traits::empty(),
        name: None,
    })?;
    description
        .write(stack.pointer, &stack.bytes)
        .map_err(|_| Errno::ENOMEM)?;
    Ok(stack)
}

/// Stack that is there from the start, below what the program finds on it.
const FIRST_STACK: u64 = 128 << 10;

/// The credential that the program runs with, and whether it is more than its caller's.
///
/// # Errors
/// EPERM when it counts on capabilities that it cannot get.
fn new_credential(call: &Call<'_>, program: &Program) -> Result<(Credential, bool), Errno> {
    let mut credential = Credential::clone(call.credential());
    let of_root = call.process().environment().wpar.privileges();
    let metadata = &program.metadata;
    let bound = call.process().with(|state| state.conduct.no_new_privileges);
    let no_set_id = bound
        || ptrace::withholds_rights(call.thread)
        || program
            .location
            .mount()
            .flags()
            .contains(MountFlags::NO_SET_ID);
    let mode = if no_set_id {
        metadata.mode.without(0o6000).bits()
    } else {
        metadata.mode.bits()
    };
    let file = ProgramFile {
        mode,
        owner: metadata.uid,
        group: metadata.gid,
        capabilities: program.capabilities.filter(|_| !no_set_id),
    };
    let secure = identity::execute(&mut credential, &file, of_root)?;
    Ok((credential, secure))
}

/// The capabilities that a program's file gives to who runs it.
///
/// # Errors
/// EINVAL for an attribute of no known form.
fn file_capabilities(walk: &Walk<'_>, location: &Location) -> Attempt<Option<FileCapabilities>> {
    match walk.attribute(location, CAPABILITY_ATTRIBUTE) {
        Ok(value) => Ok(FileCapabilities::read(&value)?),
        Err(Stop::Error(Errno::ENODATA | Errno::EOPNOTSUPP)) => Ok(None),
        Err(stop) => Err(stop),
    }
}

/// From here on nothing fails: the process becomes the program.
fn take_over(call: &mut Call<'_>, program: Program, loaded: Loaded) {
    let process = call.process();
    let former = call.thread.virtual_tid();
    process.lead(call.thread);
    call.thread.forget_name();
    // Who may not read a program may not look into it while it runs either.
    let Metadata { uid, gid, mode, .. } = program.metadata;
    let readable = call
        .credential()
        .may_access(uid, gid, mode.bits(), security::Mode::READ)
        .is_ok();
    let Loaded {
        space,
        stack,
        entry,
        credential,
        files,
        secure,
    } = loaded;
    close_on_exec(process, files);
    if let Ok(old) = process.space() {
        super::futex::release_robust(call.thread, &old);
    }
    super::uring::cancel_all(call.thread);
    process.replace_space(space);
    process.release_vfork();
    crate::posix_timers::delete_all(process);
    {
        let mut shared = process.signals.lock();
        shared.actions.forget_handlers();
        call.thread.signals.lock().stack = process::signal::AlternateStack::default();
    }
    let name = program
        .path
        .rsplit(|byte| *byte == b'/')
        .next()
        .unwrap_or_default();
    process.with(|state| {
        state.credential = credential;
        if secure {
            state.persona = 0;
            state.conduct.death_signal = None;
        }
        state.conduct.dumpable = !secure && readable;
        state.barriers = Membarrier::empty();
        state.name = crate::process::task_name(name);
        state.executable = Some(program.location);
        state.text = program.text;
        state.arguments = stack.arguments;
        state.environment = stack.environment;
        state.auxiliary = stack.auxiliary;
    });
    call.thread.forget_credential();
    call.thread
        .clear_child_tid
        .store(0, core::sync::atomic::Ordering::Relaxed);
    call.thread
        .robust_list
        .store(0, core::sync::atomic::Ordering::Relaxed);
    call.thread.rseq.forget();
    system().tree.lock().executed(process.pid);
    let context = &mut call.body.context;
    context.clear_vector();
    *context = UserContext::new(entry, stack.pointer);
    context.gpr[STACK_POINTER] = stack.pointer;
    // ELFv2: r12 holds the address of the function that is entered.
    context.gpr[12] = entry;
    ptrace::executed(call.thread, former);
}

/// A copy of the table of open files for the process alone, when others have it too.
fn own_files(process: &Arc<Process>) -> Result<Option<Files>, Errno> {
    let files = process.files()?;
    // The process and this function are the two owners of an unshared table.
    if Arc::strong_count(&files) <= 2 {
        return Ok(None);
    }
    let copy = files.lock().try_clone()?;
    Ok(Some(fallible::arc(SpinLock::new(Rank::FileTable, copy))?))
}

/// Closes what execve closes, in a table of open files of the process's own: before the program runs.
fn close_on_exec(process: &Arc<Process>, own: Option<Files>) {
    if let Some(own) = own {
        process.replace_files(own);
    }
    let Ok(files) = process.files() else {
        return;
    };
    let (mut at, mut any) = (0, false);
    let closed = core::iter::from_fn(move || {
        let taken = files.lock().take_for_exec(&mut at);
        match &taken {
            Some(_) => any = true,
            None if core::mem::take(&mut any) => locks::freed(),
            None => {}
        }
        taken
    });
    remains::for_each(closed.flat_map(|files| files.into_iter().flatten()), drop);
}
