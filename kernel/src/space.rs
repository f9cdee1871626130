//! Address spaces as processes hold them: the description with its lock and the translations of this machine.

use crate::aio::Contexts;
use abi::mmu::{Access, PageNumber};
use abi::{Cid, Errno};
use alloc::boxed::Box;
use alloc::sync::Arc;
use core::sync::atomic::{AtomicU64, Ordering};
use fallible::NoMemory;
use memory::space::{ForkError, Layout};
use memory::{AddressSpace, FaultError};
use sync::{Guard, Rank, SpinLock};

/// An address space that may be shared.
pub struct Space {
    description: SpinLock<AddressSpace>,
    /// Tells it from every other, for futexes; never used again.
    pub id: u64,
    /// Contexts of asynchronous transfers.
    pub contexts: Contexts,
}

/// The number of the next address space.
static NEXT_SPACE: AtomicU64 = AtomicU64::new(1);

impl Space {
    /// An empty space charged to a partition.
    ///
    /// # Errors
    /// [`NoMemory`].
    pub fn new(owner: Cid) -> Result<Arc<Self>, NoMemory> {
        Self::laid_out(owner, LAYOUT)
    }

    /// An empty space in which things go where a layout says.
    ///
    /// # Errors
    /// [`NoMemory`].
    pub fn laid_out(owner: Cid, layout: Layout) -> Result<Arc<Self>, NoMemory> {
        Self::with(AddressSpace::new(owner, layout, Self::translations(owner)?))
    }

    fn translations(owner: Cid) -> Result<Box<arch::Space>, NoMemory> {
        fallible::boxed(arch::Space::new(&memory::TablePool, owner).refillable())
    }

    fn with(description: AddressSpace) -> Result<Arc<Self>, NoMemory> {
        let id = NEXT_SPACE.fetch_add(1, Ordering::Relaxed);
        fallible::arc(Self {
            description: SpinLock::new(Rank::AddressSpace, description),
            id,
            contexts: Contexts::new(),
        })
    }

    /// The description, to look at or change.
    pub fn lock(&self) -> Guard<'_, AddressSpace> {
        self.description.lock()
    }

    /// Resolves a fault of the program that runs here.
    ///
    /// Its number for the processor may have been given to the space anew on another CPU meanwhile; this CPU goes on
    /// with the one that counts.
    ///
    /// # Errors
    /// As [`AddressSpace::fault`].
    pub fn fault(&self, address: u64, access: Access) -> Result<(), FaultError> {
        let mut description = self.lock();
        let outcome = description.fault(address, access);
        description.activate();
        outcome
    }

    /// Begins a copy on write.
    ///
    /// # Errors
    /// ENOMEM.
    pub fn begin_fork(&self) -> Result<Box<AddressSpace>, Errno> {
        let description = self.lock();
        let translations = Self::translations(description.owner())?;
        Ok(fallible::boxed(description.begin_fork(translations))?)
    }

    /// A step of a copy on write, for a program that is about to write to the addresses `near`.
    ///
    /// # Errors
    /// As [`AddressSpace::fork_step`].
    pub fn fork_step(
        &self,
        copy: &mut AddressSpace,
        from: PageNumber,
        near: &[u64],
        budget: u64,
    ) -> Result<Option<PageNumber>, ForkError> {
        self.lock().fork_step(copy, from, near, budget)
    }

    /// The space that a finished copy, or what there is of one, makes.
    ///
    /// # Errors
    /// [`NoMemory`]; the copy is given back at once.
    pub fn of_copy(copy: Box<AddressSpace>) -> Result<Arc<Self>, NoMemory> {
        Self::with(*copy)
    }
}

/// Where things go in an address space: 47 bits of user addresses, mappings below the largest stack.
pub const LAYOUT: Layout = Layout::below(USER_LIMIT);

/// The first address that programs cannot use: 47 bits, as programs built for Linux expect.
pub const USER_LIMIT: u64 = 0x0000_7fff_ffff_0000;
const _: () = assert!(USER_LIMIT <= arch::USER_LIMIT);
