//! Chains of filters.

use crate::program::{CallData, Program};
use crate::verdict::Verdict;
use abi::Errno;
use abi::linux::SECCOMP_RET_ALLOW;
use alloc::sync::Arc;

/// A filter and all that were installed before it.
#[derive(Debug)]
pub struct Filter {
    program: Program,
    earlier: Option<Arc<Filter>>,
    /// Whether what it refuses is noted.
    logs: bool,
    /// How many there are in the chain.
    depth: u32,
    /// What the chain costs: its instructions, and [`Filter::PENALTY`] for each filter.
    cost: usize,
}

impl Filter {
    /// The most that a chain may cost, in instructions.
    pub const LIMIT: usize = 32768;
    /// What a filter costs beside its instructions.
    pub const PENALTY: usize = 4;

    /// Puts a program before a chain.
    ///
    /// # Errors
    /// ENOMEM, also where the chain would cost too much.
    pub fn install(
        program: Program,
        earlier: Option<Arc<Filter>>,
        logs: bool,
    ) -> Result<Arc<Self>, Errno> {
        let (depth, before) = earlier
            .as_ref()
            .map_or((0, 0), |filter| (filter.depth, filter.cost));
        let cost = before + program.len();
        if cost > Self::LIMIT {
            return Err(Errno::ENOMEM);
        }
        Ok(fallible::arc(Self {
            program,
            earlier,
            logs,
            depth: depth + 1,
            cost: cost + Self::PENALTY,
        })?)
    }

    /// Asks every filter, and `pauses` after each, which is told how many instructions that had; answers the strictest verdict,
    /// of several equal ones the newest filter's, and whether that filter's are noted.
    pub fn judge(&self, data: &CallData, mut pauses: impl FnMut(usize)) -> (Verdict, bool) {
        let (mut strictest, mut logs) = (SECCOMP_RET_ALLOW, false);
        let mut next = Some(self);
        while let Some(filter) = next {
            let value = filter.program.run(data);
            if Verdict::rank(value) < Verdict::rank(strictest) {
                (strictest, logs) = (value, filter.logs);
            }
            pauses(filter.program.len());
            next = filter.earlier.as_deref();
        }
        (Verdict::of(strictest), logs)
    }

    /// How many there are in the chain.
    #[must_use]
    pub fn depth(&self) -> u32 {
        self.depth
    }

    /// Whether the chain has `other` in it.
    #[must_use]
    pub fn contains(&self, other: &Filter) -> bool {
        let mut next = Some(self);
        while let Some(filter) = next {
            if core::ptr::eq(filter, other) {
                return true;
            }
            next = filter.earlier.as_deref();
        }
        false
    }
}

impl Drop for Filter {
    /// One after the other: the kernel's stack is not as deep as a chain may be.
    fn drop(&mut self) {
        let mut next = self.earlier.take();
        while let Some(mut last) = next.and_then(Arc::into_inner) {
            next = last.earlier.take();
        }
    }
}
