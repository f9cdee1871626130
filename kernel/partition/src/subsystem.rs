//! Parts of the kernel that keep something for each partition.

use crate::Wpar;
use abi::Errno;
use alloc::sync::Arc;
use alloc::vec::Vec;

/// A part of the kernel that keeps something for each partition and takes part in its life.
///
/// All methods are called without a lock held and may take any. The order of `create` is that of registration,
/// that of `quiesce` and `destroy` the reverse.
#[expect(
    unused_variables,
    reason = "a default looks at nothing; its parameters have names for those who implement it"
)]
pub trait Subsystem: Send + Sync {
    /// The word for it in messages and in a checkpoint.
    fn name(&self) -> &'static str;

    /// Makes what the partition needs before its first process.
    ///
    /// # Errors
    /// Any; the partition is then not loaded, and `destroy` is called for the subsystems before this one.
    fn create(&self, wpar: &Arc<Wpar>) -> Result<(), Errno>;

    /// The partition has become Active.
    fn activate(&self, wpar: &Arc<Wpar>) {}

    /// The partition is going down: nothing new may begin; what runs is ended by its processes' end.
    fn quiesce(&self, wpar: &Arc<Wpar>) {}

    /// Gives back everything; no process carries the tag any more.
    fn destroy(&self, wpar: &Arc<Wpar>);

    /// Writes what the partition has here to a checkpoint.
    ///
    /// # Errors
    /// ENOSYS until the subsystem can.
    fn checkpoint(&self, wpar: &Arc<Wpar>, image: &mut Vec<u8>) -> Result<(), Errno> {
        Err(Errno::ENOSYS)
    }

    /// Makes what a checkpoint says.
    ///
    /// # Errors
    /// ENOSYS until the subsystem can.
    fn restore(&self, wpar: &Arc<Wpar>, image: &[u8]) -> Result<(), Errno> {
        Err(Errno::ENOSYS)
    }
}

/// The registered subsystems, in order.
#[derive(Default)]
pub struct Subsystems(&'static [&'static dyn Subsystem]);

impl Subsystems {
    /// The given ones, in this order.
    #[must_use]
    pub const fn new(members: &'static [&'static dyn Subsystem]) -> Self {
        Self(members)
    }

    /// Calls every `create`; what succeeded is destroyed again when one fails.
    ///
    /// # Errors
    /// That of the one that failed.
    pub fn create(&self, wpar: &Arc<Wpar>) -> Result<(), Errno> {
        for (done, member) in self.0.iter().enumerate() {
            if let Err(errno) = member.create(wpar) {
                self.0
                    .iter()
                    .take(done)
                    .rev()
                    .for_each(|member| member.destroy(wpar));
                return Err(errno);
            }
        }
        Ok(())
    }

    /// Calls every `activate`.
    pub fn activate(&self, wpar: &Arc<Wpar>) {
        self.0.iter().for_each(|member| member.activate(wpar));
    }

    /// Calls every `quiesce`.
    pub fn quiesce(&self, wpar: &Arc<Wpar>) {
        self.0.iter().rev().for_each(|member| member.quiesce(wpar));
    }

    /// Calls every `destroy`.
    pub fn destroy(&self, wpar: &Arc<Wpar>) {
        self.0.iter().rev().for_each(|member| member.destroy(wpar));
    }
}
