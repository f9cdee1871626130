//! Rings of asynchronous calls (`man 7 io_uring`): making them, submitting and waiting.
//!
//! An entry is a call like any other, made with a [`Request`] in place of a thread as who waits. It is tried
//! when it is submitted; one that has to wait is parked and run again by the thread that submitted it, before that
//! goes on with its program or its own call ([`attend`]). There is no thread that polls (IORING_SETUP_SQPOLL), and no
//! polling of devices (IORING_SETUP_IOPOLL).

mod operations;
mod registration;

pub use registration::io_uring_register;

use super::Call;
use super::clock::{read_timespec, ticks};
use super::descriptor::{install, opened, require_room};
use super::file::{note, transferred};
use super::poll::{is_late, with_mask};
use crate::outcome::{Called, Continuation, Outcome, Wait};
use crate::request::{Parked, Request, Target, Work};
use crate::ring::{Ring, RingFile, Submitted};
use crate::room;
use crate::space::Space;
use crate::special;
use crate::thread::{Body, PendingCall, Thread};
use crate::user::Segment;
use abi::linux::{
    IORING_CQE_F_MORE, SignalSet, UringEnter, UringEntry, UringFeatures, UringFlags,
    UringOperation, UringParams, UringSetup, UringTimeout, UringWait, check_set_size,
};
use abi::mmu::Access as MemoryAccess;
use abi::{Errno, Nanos, Ticks};
use alloc::boxed::Box;
use alloc::collections::VecDeque;
use alloc::sync::Arc;
use fallible::NoMemory;
use uring::{Layout, Rings};
use vfs::{Access, OpenFile, StatusFlags};

/// Runs of calls between two looks at whether somebody else is due.
pub(super) const BUDGET: usize = 32;
/// How long they may take together, but for the last.
const SLICE: Nanos = Nanos(200_000);

/// Whether a time of [`SLICE`] has gone by.
pub(super) fn is_over(begun: Ticks) -> bool {
    arch::time::now() >= begun.saturating_add(ticks(SLICE))
}

/// `man 2 io_uring_setup`.
///
/// # Errors
/// EFAULT; EINVAL for sizes that cannot be and for what is not supported; EMFILE, ENOMEM.
pub fn io_uring_setup(call: &mut Call<'_>) -> Called {
    let address = call.argument(1);
    let mut params = UringParams::decode(&call.user.bytes(address)?);
    let flags = UringSetup::from_bits(params.flags).ok_or(Errno::EINVAL)?;
    let told = flags.contains(UringSetup::TASKRUN_FLAG);
    if params.resv != [0; 3] || told && !flags.contains(UringSetup::COOP_TASKRUN) {
        return Err(Errno::EINVAL.into());
    }
    let completions = flags
        .contains(UringSetup::CQSIZE)
        .then_some(params.cq_entries);
    let clamp = flags.contains(UringSetup::CLAMP);
    let layout = Layout::new(call.argument(0) as u32, completions, clamp)?;
    require_room(call)?;
    let length = UringParams::SIZE;
    call.user
        .gather(Segment { address, length }, MemoryAccess::Write)?;
    let rings = Rings::new(call.cid(), layout)?;
    let enabled = !flags.contains(UringSetup::R_DISABLED);
    let ring = Ring::new(rings, enabled, call.credential())?;
    let metadata = special::event_metadata(call.credential());
    let file = RingFile::new(ring, call.credential(), metadata)?;
    let access = Access::READ | Access::WRITE;
    let file = OpenFile::new(file, None, call.cid(), access, StatusFlags::empty())?;
    params.sq_entries = layout.entries;
    params.cq_entries = layout.completions;
    params.features = UringFeatures::all().bits();
    params.sq_off = layout.submission_offsets();
    params.cq_off = layout.completion_offsets();
    call.user.write(address, &params.encode())?;
    install(call, file, true)
}

/// `man 2 io_uring_enter`.
///
/// # Errors
/// EBADF, EOPNOTSUPP for another file, EBADFD for a ring that is not enabled, EINVAL, EFAULT, EBUSY while completions are kept
/// that do not fit, ETIME, EINTR, ENOMEM.
pub fn io_uring_enter(call: &mut Call<'_>) -> Called {
    let flags = UringEnter::from_bits(call.argument(3) as u32).ok_or(Errno::EINVAL)?;
    let ring = RingFile::ring(&*opened(call, 0)?, call.credential())?;
    if !ring.lock().enabled {
        return Err(Errno::EBADFD.into());
    }
    submit(call, &ring, call.argument(1) as u32)?;
    if !flags.contains(UringEnter::GETEVENTS) {
        return Ok(transferred(call) as u64);
    }
    let asked = waits(call, flags)?;
    let wanted = call.argument(2) as u32 as usize;
    with_mask(call, asked.mask, |call| {
        wait(call, &ring, wanted, asked.span)
    })
}

/// How a thread waits for completions.
struct Waits {
    mask: Option<SignalSet>,
    span: Option<Ticks>,
}

/// What the last two arguments of `io_uring_enter` say.
fn waits(call: &Call<'_>, flags: UringEnter) -> Result<Waits, Errno> {
    let (address, size) = (call.argument(4), call.argument(5));
    let mut asked = UringWait {
        sigmask: address,
        sigmask_sz: size as u32,
        ..UringWait::default()
    };
    if flags.contains(UringEnter::EXT_ARG) {
        if size != UringWait::SIZE as u64 {
            return Err(Errno::EINVAL);
        }
        asked = UringWait::decode(&call.user.bytes(address)?);
        if asked.pad != 0 {
            return Err(Errno::EINVAL);
        }
    }
    let mask = match asked.sigmask {
        0 => None,
        address => {
            check_set_size(u64::from(asked.sigmask_sz))?;
            Some(SignalSet(call.user.u64(address)?))
        }
    };
    let span = match asked.ts {
        0 => None,
        address => Some(ticks(read_timespec(call, address)?.nanos()?)),
    };
    Ok(Waits { mask, span })
}

/// Begins up to `most` entries, less those that earlier runs of the call have begun.
fn submit(call: &mut Call<'_>, ring: &Arc<Ring>, most: u32) -> Result<(), Outcome> {
    let mut begun = transferred(call);
    let mut budget = BUDGET;
    let began = arch::time::now();
    while begun < most as usize {
        let submitted = match prepare(call, ring, most as usize - begun) {
            Ok(submitted) => submitted,
            Err(_) if begun > 0 => break,
            Err(errno) => return Err(errno.into()),
        };
        let count = match submitted {
            Submitted::HeldBack(count) => count,
            Submitted::Chain(chain) => {
                let count = chain.len();
                let space = call.user.space()?.clone();
                let target = Target::Ring(ring.clone());
                begin(call.thread, call.body, Some(&space), &target, chain);
                count
            }
        };
        if count == 0 {
            break;
        }
        begun += count;
        note(call, begun);
        budget = budget.saturating_sub(count);
        if (budget == 0 || is_over(began)) && begun < most as usize {
            return Err(Outcome::Again);
        }
    }
    note(call, begun);
    Ok(())
}

fn prepare(call: &Call<'_>, ring: &Arc<Ring>, most: usize) -> Result<Submitted, Errno> {
    room::ask()?;
    ring.note_user(call.thread)?;
    ring.take_chain(call.thread, most)
}

/// Waits until there are `wanted` completions, for `span` at most.
fn wait(call: &mut Call<'_>, ring: &Arc<Ring>, wanted: usize, span: Option<Ticks>) -> Called {
    let space = call.user.space()?.clone();
    attend(call.thread, call.body, Some(&space));
    let submitted = transferred(call);
    let until = call.deadline(span);
    let late = is_late(until);
    let waiter = (!late).then(|| call.waiter());
    if ring.wait_for(wanted, waiter) {
        return Ok(submitted as u64);
    }
    if late {
        return match submitted {
            0 => Err(Errno::ETIME.into()),
            _ => Ok(submitted as u64),
        };
    }
    if let Some(at) = until {
        call.set_progress(Continuation::TransferredUntil(submitted as u64, at));
    }
    Err(Outcome::Park(Wait::retry_until(until)))
}

/// Runs what has become ready of the calls that a thread has submitted, between two turns of its own. What there is no
/// time for comes at its next turn.
pub fn attend(thread: &Arc<Thread>, body: &mut Body, space: Option<&Arc<Space>>) {
    if thread.requests.take_orphaned() && cancel_some(thread, |request| request.target.is_closed())
    {
        thread.requests.orphan();
        thread.call_attention();
    }
    if !thread.requests.are_ready() {
        return;
    }
    let began = arch::time::now();
    for _ in 0..BUDGET {
        if is_over(began) {
            break;
        }
        let Some(request) = thread.requests.next() else {
            return;
        };
        let completion = request.end_run();
        if let Some(work) = request.take_work() {
            run(thread, body, space, request, work, completion);
        }
    }
    thread.call_attention();
}

/// Begins the first of a chain of entries.
fn begin(
    thread: &Arc<Thread>,
    body: &mut Body,
    space: Option<&Arc<Space>>,
    target: &Target,
    chain: VecDeque<UringEntry>,
) {
    match first_of(thread, target, chain, false) {
        Some((request, work)) => run(thread, body, space, request, work, None),
        None => begin_held_back(target),
    }
}

/// Lets the workers begin what was held back until now.
fn begin_held_back(target: &Target) {
    let Target::Ring(ring) = target else { return };
    while let Some((worker, chain)) = ring.release() {
        if let Some((request, work)) = first_of(&worker, target, chain, true) {
            defer(&worker, request, work);
        }
    }
}

/// Begins an entry that is about a file which has been looked up.
///
/// # Errors
/// [`NoMemory`]: nothing has begun.
pub(super) fn begin_one(
    call: &mut Call<'_>,
    target: Target,
    entry: UringEntry,
    file: Arc<OpenFile>,
) -> Result<(), NoMemory> {
    let request = Request::new(target, call.thread, entry, None)?;
    if let Some(mut work) = request.take_work() {
        work.file = Some(file);
        let space = call.user.space().ok().cloned();
        run(call.thread, call.body, space.as_ref(), request, work, None);
    }
    Ok(())
}

/// A request for the first of a chain; without memory for it all of the chain fails.
fn first_of(
    thread: &Arc<Thread>,
    target: &Target,
    mut chain: VecDeque<UringEntry>,
    waited: bool,
) -> Option<(Arc<Request>, Box<Work>)> {
    let entry = chain.pop_front()?;
    let is_limit = |entry: &UringEntry| entry.opcode == UringOperation::LinkTimeout as u8;
    let limited = !is_limit(&entry) && chain.front().is_some_and(is_limit);
    let limit = if limited { chain.pop_front() } else { None };
    let made = Request::new(target.clone(), thread, entry, None);
    let Some((request, mut work)) = made.ok().and_then(|request| {
        let work = request.take_work()?;
        Some((request, work))
    }) else {
        target.complete(&entry, failure(Errno::ENOMEM), 0, waited);
        for entry in limit.iter().chain(&chain) {
            target.complete(entry, failure(Errno::ECANCELED), 0, waited);
        }
        return None;
    };
    work.chain = chain;
    work.limit = limit;
    work.waited = waited;
    Some((request, work))
}

/// Runs a request, and those that follow it when it is done, until one parks.
fn run(
    thread: &Arc<Thread>,
    body: &mut Body,
    space: Option<&Arc<Space>>,
    mut request: Arc<Request>,
    mut work: Box<Work>,
    mut resumption: Option<i64>,
) {
    for _ in 0..BUDGET {
        let run = match resumption.take() {
            Some(result) => Run::Done(result as i32),
            None => once(thread, body, space, &request, &mut work),
        };
        let next = match run {
            Run::Done(result) => finish(thread, &request, *work, result),
            // There is more of it than is done at once.
            Run::Cut => break,
            Run::Waits => match suspend(thread, &request, work) {
                Suspended::Parked => return,
                Suspended::Goes(work, with) => {
                    resumption = with;
                    Some((request.clone(), work))
                }
                Suspended::Over(work, result) => finish(thread, &request, *work, result),
            },
        };
        match next {
            Some(next) => (request, work) = next,
            None => return,
        }
    }
    defer(thread, request, work);
}

/// What a run of a call has come to.
enum Run {
    Done(i32),
    Waits,
    Cut,
}

/// What has become of a request that was to park.
enum Suspended {
    Parked,
    /// It goes on, with the result that a waker has stored if there is one.
    Goes(Box<Work>, Option<i64>),
    Over(Box<Work>, i32),
}

/// One run of the call of a request.
fn once(
    thread: &Arc<Thread>,
    body: &mut Body,
    space: Option<&Arc<Space>>,
    request: &Arc<Request>,
    work: &mut Work,
) -> Run {
    if request.is_cancelled() {
        return Run::Done(failure(Errno::ECANCELED));
    }
    let pending = PendingCall {
        number: u64::MAX,
        admitted: true,
        asked: false,
        progress: work.progress,
        wait: None,
    };
    let mut call = Call::new(thread, body, space.cloned(), pending);
    call.act_for(request.begin_run());
    let called = operations::perform(&mut call, request, work);
    work.progress = call.progress();
    drop(call);
    let result = match called {
        Ok(value) if work.repeats => {
            let result = i32::try_from(value).unwrap_or(i32::MAX);
            let flags = core::mem::take(&mut work.flags) | IORING_CQE_F_MORE;
            request.target.complete(&request.entry, result, flags, true);
            (work.repeats, work.progress) = (false, Continuation::Fresh);
            request.end_run();
            return Run::Cut;
        }
        Ok(value) => i32::try_from(value).unwrap_or(i32::MAX),
        Err(Outcome::Done(value)) => value as i32,
        Err(Outcome::Failed(errno)) => failure(errno),
        Err(Outcome::Park(wait)) => match wait.until.map(|at| request.arm(at)) {
            Some(Err(no_memory)) => failure(no_memory.into()),
            _ => return Run::Waits,
        },
        Err(Outcome::Again) => {
            request.end_run();
            return Run::Cut;
        }
        // No call that an entry can ask for ends its thread or changes its registers.
        Err(Outcome::Yield | Outcome::Resume | Outcome::Restored | Outcome::Exit) => {
            failure(Errno::EINVAL)
        }
    };
    request.end_run();
    Run::Done(result)
}

/// Parks a request that has enrolled itself.
fn suspend(thread: &Arc<Thread>, request: &Arc<Request>, mut work: Box<Work>) -> Suspended {
    work.waited = true;
    if let Some(entry) = work.limit.take() {
        work.limited_by = limit(thread, request, entry);
    }
    if let Err(no_memory) = thread.requests.add(request) {
        request.end_run();
        return Suspended::Over(work, failure(no_memory.into()));
    }
    request.put_work(work);
    let parked = request.park();
    if parked == Parked::Waits {
        return Suspended::Parked;
    }
    thread.requests.remove(request);
    let completion = request.end_run();
    // Who cancels it may have the work already, and then sees to the rest.
    let Some(work) = request.take_work() else {
        return Suspended::Parked;
    };
    match parked {
        Parked::Woken => Suspended::Goes(work, completion),
        _ => Suspended::Over(work, failure(Errno::ECANCELED)),
    }
}

/// Begins the timeout that goes with a request.
fn limit(thread: &Arc<Thread>, request: &Arc<Request>, entry: UringEntry) -> Option<Arc<Request>> {
    let limits = Some(Arc::downgrade(request));
    let made = Request::new(request.target.clone(), thread, entry, limits);
    let limit = match made {
        Ok(limit) => limit,
        Err(no_memory) => {
            request
                .target
                .complete(&entry, failure(no_memory.into()), 0, true);
            return None;
        }
    };
    // It is run by its worker, in its turn: that is this thread.
    let work = limit.take_work()?;
    defer(thread, limit.clone(), work);
    Some(limit)
}

/// Lets the worker run a request in its next turn. Without memory for that it fails, and so do those that follow it.
fn defer(thread: &Arc<Thread>, mut request: Arc<Request>, mut work: Box<Work>) {
    loop {
        // What woke it before is void.
        drop(request.begin_run());
        if thread.requests.add(&request).is_ok() {
            request.put_work(work);
            return request.make_ready();
        }
        match finish(thread, &request, *work, failure(Errno::ENOMEM)) {
            Some(next) => (request, work) = next,
            None => return,
        }
    }
}

/// Tells what has become of a request; answers the next of its chain if that is to begin.
fn finish(
    thread: &Arc<Thread>,
    request: &Arc<Request>,
    work: Work,
    result: i32,
) -> Option<(Arc<Request>, Box<Work>)> {
    let Work {
        chain,
        limit,
        limited_by,
        waited,
        wanted,
        flags: told,
        ..
    } = work;
    let target = &request.target;
    target.complete(&request.entry, result, told, waited);
    if let Some(limit) = limited_by {
        cancel(&limit);
    }
    if let Some(entry) = limit {
        target.complete(&entry, failure(Errno::ECANCELED), 0, waited);
    }
    let flags = UringFlags::from_bits_retain(request.entry.flags);
    let breaks = has_failed(&request.entry, result, wanted);
    let next = if breaks && !flags.contains(UringFlags::IO_HARDLINK) {
        for entry in &chain {
            target.complete(entry, failure(Errno::ECANCELED), 0, waited);
        }
        None
    } else {
        first_of(thread, target, chain, waited)
    };
    begin_held_back(target);
    next
}

/// Whether what follows does not begin: a transfer of less than was asked for is a failure too.
fn has_failed(entry: &UringEntry, result: i32, wanted: Option<u64>) -> bool {
    let expired = entry.opcode == UringOperation::Timeout as u8 && result == failure(Errno::ETIME);
    if expired {
        let flags = UringTimeout::from_bits_retain(entry.op_flags);
        return !flags.contains(UringTimeout::ETIME_SUCCESS);
    }
    match u64::try_from(result) {
        Ok(count) => wanted.is_some_and(|wanted| count < wanted),
        Err(_) => true,
    }
}

/// Ends a request that waits; false when it is being run, and will end by itself or when it is about to wait again.
pub fn cancel(request: &Arc<Request>) -> bool {
    request.mark_cancelled();
    let Some(work) = request.take_work() else {
        return false;
    };
    request.end_run();
    // A worker that has ended has no requests.
    if let Some(worker) = request.worker() {
        worker.requests.remove(request);
        if let Some((next, work)) = finish(&worker, request, *work, failure(Errno::ECANCELED)) {
            defer(&worker, next, work);
        }
    }
    true
}

/// Ends some of what a thread has submitted and is `wanted`; true when there may be more.
pub fn cancel_some(thread: &Arc<Thread>, wanted: impl Fn(&Arc<Request>) -> bool) -> bool {
    for _ in 0..BUDGET {
        match thread.requests.take(&wanted) {
            Some(request) => cancel(&request),
            None => return false,
        };
    }
    true
}

/// Ends all that a thread has submitted: it executes a program or goes to another partition.
pub fn cancel_all(thread: &Arc<Thread>) {
    while cancel_some(thread, |_| true) {}
}

/// A result that is an error.
fn failure(errno: Errno) -> i32 {
    -i32::from(errno.number())
}
