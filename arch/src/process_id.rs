//! Process ids: which tree quadrant 0 uses.
//!
//! There are 4096 (the size of the table that every hypervisor takes), far fewer than processes, so an id belongs
//! to an address space for one *generation*. When all are used, a new generation starts: every entry is emptied and
//! every translation flushed, except what runs on a CPU at that moment, and spaces get new ids as they run next.
//!
//! An [`Identity`] is the generation and the id in one number. Process 0 is the kernel; process 1 is nobody, an
//! empty tree for times when no address space is active; then come the CPUs' own trees ([`crate::cpu_tree`]). Lock: `STATE`, innermost, held for a few instructions
//! (a flush at the turn of a generation).

use crate::cpu::CpuNumber;
use crate::exposure;
use crate::radix::{self, Entry, Root};
use crate::registers::{self, Spr};
use crate::{MAX_CPUS, cpu, cpu_tree, time};
use abi::Ticks;
use core::sync::atomic::Ordering;
use sync::{Rank, SpinLock};

/// How many ids the table has.
const COUNT: usize = 4096;
/// `H_REGISTER_PROC_TBL`'s way to say so: 2^(12 + 4) bytes.
const SIZE_CODE: u64 = 4;
/// The id that translates nothing.
pub(crate) const NONE: u64 = 1;
/// The ids of the CPUs' own trees ([`crate::cpu_tree`]) begin here.
const FIRST_OF_CPUS: u64 = 2;
const FIRST: u64 = FIRST_OF_CPUS + MAX_CPUS as u64;
const ID_BITS: u32 = 12;

/// A generation and an id of it; 0 is none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Identity(pub(crate) u64);

impl Identity {
    const fn new(generation: u64, id: u64) -> Self {
        Self(generation << ID_BITS | id)
    }

    /// That of a CPU's own tree, which is of no generation.
    pub(crate) fn of_cpu(cpu: CpuNumber) -> Self {
        Self::new(0, FIRST_OF_CPUS + u64::from(cpu.0))
    }

    fn generation(self) -> u64 {
        self.0 >> ID_BITS
    }

    /// The id as the instructions want it that invalidate translations.
    pub(crate) fn for_invalidation(self) -> u64 {
        self.id() << 32
    }

    /// The id, as PIDR holds it.
    pub(crate) fn id(self) -> u64 {
        self.0 & ((1 << ID_BITS) - 1)
    }
}

#[repr(C, align(65536))]
struct ProcessTable([[Entry; 2]; COUNT]);

static PROCESS_TABLE: ProcessTable = ProcessTable([const { [const { Entry::empty() }; 2] }; COUNT]);
static EMPTY_ROOT: Root = Root([const { Entry::empty() }; radix::ROOT_ENTRIES]);
static STATE: SpinLock<State> = SpinLock::new(
    Rank::Machine,
    State {
        generation: 1,
        next: FIRST,
        kept: [0; MAX_CPUS],
    },
);

struct State {
    generation: u64,
    next: u64,
    /// Ids of earlier generations that a CPU went on to use when this one started: not given out in this one.
    kept: [u64; MAX_CPUS],
}

unsafe extern "C" {
    safe fn tlb_begin();
    safe fn tlb_page(page: u64, process: u64);
    safe fn tlb_process(process: u64);
    safe fn tlb_partition();
    safe fn tlb_wait();
}

fn slot(id: u64) -> &'static Entry {
    let [first, _] = &PROCESS_TABLE.0[id as usize % COUNT];
    first
}

fn nobody() -> u64 {
    radix::process_entry(radix::real(&EMPTY_ROOT))
}

/// Fills the table: the kernel's tree for process 0, those of the CPUs, the empty tree for all others.
pub(crate) fn start(kernel: u64) {
    for id in 0..COUNT as u64 {
        slot(id).set(nobody());
    }
    slot(0).set(kernel);
    for (id, entry) in (FIRST_OF_CPUS..FIRST).zip(cpu_tree::process_entries()) {
        slot(id).set(entry);
    }
}

/// The real address of the table and its size code.
pub(crate) fn table() -> (u64, u64) {
    (radix::real(&PROCESS_TABLE), SIZE_CODE)
}

/// The generation that ids belong to now; grows when they have run out.
pub fn generation() -> u64 {
    STATE.lock().generation
}

/// Makes the CPU translate by the tree that `entry` describes; `identity` is what the space got the last time.
/// Returns the space's identity from now on.
pub(crate) fn activate(identity: Identity, entry: u64) -> Identity {
    let block = cpu::block();
    if identity.0 != 0 && block.active_space.load(Ordering::Relaxed) == identity.0 {
        return identity;
    }
    let mut state = STATE.lock();
    let identity = if identity.0 == 0 {
        state.allocate(entry)
    } else if identity.generation() == state.generation {
        identity
    } else {
        // Its old id may be one that was kept for another CPU.
        if entry != nobody() && slot(identity.id()).get() == entry {
            replace(identity, nobody());
        }
        state.allocate(entry)
    };
    block.active_space.store(identity.0, Ordering::Release);
    drop(state);
    switch(identity.id());
    identity
}

/// Writes PIDR.
fn switch(id: u64) {
    note_change();
    // SAFETY: quadrant 0 is only for programs and for accesses that survive faults.
    unsafe { registers::write::<{ Spr::PIDR }>(id) };
    registers::isync();
}

/// Other programs' translations come to this CPU.
pub(crate) fn note_change() {
    let since = &cpu::block().active_since;
    since.store(time::now().0, Ordering::Relaxed);
}

/// How long ago other translations came to this CPU.
pub(crate) fn age() -> Ticks {
    let since = cpu::block().active_since.load(Ordering::Relaxed);
    time::now().saturating_sub(Ticks(since))
}

/// Makes the CPU translate by its own tree, whose identity that is.
pub(crate) fn adopt(identity: Identity) {
    let active = &cpu::block().active_space;
    if active.load(Ordering::Relaxed) == identity.0 {
        return;
    }
    active.store(identity.0, Ordering::Release);
    switch(identity.id());
}

/// The CPU translates by nobody's tree from now on.
pub(crate) fn deactivate() {
    switch(NONE);
    let _state = STATE.lock();
    cpu::block().active_space.store(0, Ordering::Release);
}

impl State {
    fn allocate(&mut self, entry: u64) -> Identity {
        loop {
            if self.next == COUNT as u64 {
                self.turn();
            }
            let id = self.next;
            self.next += 1;
            if !self.kept.contains(&id) {
                slot(id).set(entry);
                return Identity::new(self.generation, id);
            }
        }
    }

    fn turn(&mut self) {
        self.generation += 1;
        self.next = FIRST;
        for (kept, active) in self.kept.iter_mut().zip(cpu::active_spaces()) {
            *kept = Identity(active).id();
        }
        for id in FIRST..COUNT as u64 {
            if !self.kept.contains(&id) {
                slot(id).set(nobody());
            }
        }
        tlb_begin();
        tlb_partition();
        tlb_wait();
    }
}

/// The tree of a space has changed from what the table entry `old` describes to `new`: tells the processor, if it
/// knows the space. Afterwards no CPU walks the old tree.
pub(crate) fn set_tree(identity: Identity, old: u64, new: u64) {
    if identity.0 == 0 {
        return;
    }
    let state = STATE.lock();
    // Only one space has a given tree, but many have none.
    let mine = if old == nobody() {
        identity.generation() == state.generation
            || cpu::active_spaces().any(|active| active == identity.0)
    } else {
        slot(identity.id()).get() == old
    };
    if mine {
        replace(identity, new);
    }
}

/// Gives up an identity whose tree `entry` describes, when no CPU translates by it: nothing has to be forgotten, as its id
/// translates nothing before the next generation, which begins with a flush of everything. False when some CPU does. The
/// caller has the space to itself, so that none begins to.
pub(crate) fn retire(identity: Identity, entry: u64) -> bool {
    if identity.0 == 0 {
        return true;
    }
    let _state = STATE.lock();
    if cpu::active_spaces().any(|active| active == identity.0) {
        return false;
    }
    // After the turn of a generation the id may be another's.
    if slot(identity.id()).get() == entry {
        slot(identity.id()).set(nobody());
    }
    true
}

fn replace(identity: Identity, entry: u64) {
    slot(identity.id()).set(entry);
    tlb_begin();
    tlb_process(identity.for_invalidation());
    tlb_wait();
    exposure::wait(identity);
}

/// Forgets all translations of the kernel's tree.
pub(crate) fn flush_kernel() {
    tlb_begin();
    tlb_process(0);
    tlb_wait();
}

/// The table entry of a space that has no tree.
pub(crate) fn no_tree() -> u64 {
    nobody()
}

/// The real address of the active root on this CPU, `None` for nobody's.
pub(crate) fn active_root() -> Option<u64> {
    let active = Identity(cpu::block().active_space.load(Ordering::Relaxed));
    let value = slot(active.id()).get();
    (active.0 != 0 && value != nobody()).then_some(value & radix::entry::TABLE & !0xffff)
}

/// An invalidation in progress: single pages up to a number, then everything of the process at once.
pub(crate) struct Flush {
    identity: Identity,
    addresses: [u64; MOST_PAGES],
    pages: usize,
}

/// Up to how many pages are flushed one by one.
const MOST_PAGES: usize = 32;

impl Flush {
    /// For translations of the space with this identity. Changes to tables are made before [`Flush::finish`].
    pub(crate) const fn new(identity: Identity) -> Self {
        Self {
            identity,
            addresses: [0; MOST_PAGES],
            pages: 0,
        }
    }

    /// The translation of one page has changed.
    pub(crate) fn page(&mut self, address: u64) {
        if let Some(place) = self.addresses.get_mut(self.pages) {
            *place = address;
        }
        self.pages += 1;
    }

    /// Ends it; `tables` when tables were unlinked too. Afterwards no CPU uses what was changed.
    pub(crate) fn finish(&self, tables: bool) {
        if self.identity.0 == 0 || self.pages == 0 && !tables {
            return;
        }
        tlb_begin();
        let process = self.identity.for_invalidation();
        match self.addresses.get(..self.pages) {
            Some(addresses) if !tables => {
                addresses
                    .iter()
                    .for_each(|address| tlb_page(*address, process));
            }
            _ => tlb_process(process),
        }
        tlb_wait();
        exposure::wait(self.identity);
    }
}

/// Whether this CPU translates by the space with this identity.
pub(crate) fn is_active(identity: Identity) -> bool {
    identity.0 != 0 && cpu::block().active_space.load(Ordering::Relaxed) == identity.0
}
