//! How one CPU makes another look: a bell that is heard wherever the other one is.
//!
//! A CPU is in the kernel, where it looks at its bell before it leaves, or away: in a program, or resting. Whoever has
//! something for it publishes that first and rings then. Only the first ring at a CPU that is away needs an interrupt;
//! all others find it on its way back. Both facts are in one word, so there is no moment between the CPU's last look
//! and its leaving in which a ring could be lost.

#[cfg(not(loom))]
use core::sync::atomic::{AtomicU8, Ordering};
#[cfg(loom)]
use loom::sync::atomic::{AtomicU8, Ordering};

const RUNG: u8 = 1;
const AWAY: u8 = 2;

/// The bell of one CPU. Only its CPU calls [`Doorbell::leave`], [`Doorbell::back`] and [`Doorbell::answer`].
#[derive(Debug)]
pub struct Doorbell {
    state: AtomicU8,
}

impl Doorbell {
    /// The bell of a CPU that is in the kernel.
    #[cfg(not(loom))]
    #[must_use]
    pub const fn new() -> Self {
        Self {
            state: AtomicU8::new(0),
        }
    }

    /// The same; a model's atomics are not constants.
    #[cfg(loom)]
    pub fn new() -> Self {
        Self {
            state: AtomicU8::new(0),
        }
    }

    /// Rings. True when the CPU is away and nobody has interrupted it yet: the caller does.
    #[must_use = "a CPU that is away hears only an interrupt"]
    pub fn ring(&self) -> bool {
        self.state.fetch_or(RUNG, Ordering::AcqRel) & (RUNG | AWAY) == AWAY
    }

    /// Whether the bell has rung since the last answer. What was published before a ring is seen afterwards.
    pub fn answer(&self) -> bool {
        self.state.load(Ordering::Relaxed) & RUNG != 0
            && self.state.fetch_and(!RUNG, Ordering::AcqRel) & RUNG != 0
    }

    /// The CPU goes away. False when the bell has rung meanwhile: then it stays, and answers first.
    #[must_use = "a CPU that has not left must answer"]
    pub fn leave(&self) -> bool {
        self.state
            .compare_exchange(0, AWAY, Ordering::AcqRel, Ordering::Relaxed)
            .is_ok()
    }

    /// The CPU is back in the kernel.
    pub fn back(&self) {
        self.state.fetch_and(!AWAY, Ordering::AcqRel);
    }
}

impl Default for Doorbell {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(all(test, loom))]
mod models {
    use super::*;
    use loom::sync::Arc;
    use loom::sync::atomic::AtomicU32;
    use loom::thread;

    struct Machine {
        bell: Doorbell,
        published: AtomicU32,
        interrupts: AtomicU32,
    }

    impl Machine {
        fn new() -> Arc<Self> {
            Arc::new(Self {
                bell: Doorbell::new(),
                published: AtomicU32::new(0),
                interrupts: AtomicU32::new(0),
            })
        }

        fn publish(&self) {
            self.published.fetch_add(1, Ordering::Relaxed);
            if self.bell.ring() {
                self.interrupts.fetch_add(1, Ordering::Relaxed);
            }
        }

        /// The CPU's turns until it is away; answers what it has seen last.
        fn turns(&self) -> u32 {
            loop {
                self.bell.answer();
                let seen = self.published.load(Ordering::Relaxed);
                if self.bell.leave() {
                    return seen;
                }
            }
        }
    }

    /// SYNC0030: whatever is published while a CPU leaves, it has seen that, or an interrupt brings it back, and then it
    /// sees it; and one interrupt does for all.
    #[test]
    fn sync0030_no_ring_is_lost() {
        loom::model(|| {
            let machine = Machine::new();
            let publisher = {
                let machine = machine.clone();
                thread::spawn(move || {
                    machine.publish();
                    machine.publish();
                })
            };
            let mut seen = machine.turns();
            publisher.join().expect("the publisher");
            let interrupts = machine.interrupts.load(Ordering::Relaxed);
            assert!(interrupts <= 1);
            if interrupts == 1 {
                machine.bell.back();
                seen = machine.turns();
            }
            assert_eq!(seen, 2);
        });
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    /// SYNC0010: only the first ring at a CPU that is away asks for an interrupt.
    #[test]
    fn sync0010_one_interrupt_for_many_rings() {
        let bell = Doorbell::new();
        assert!(!bell.ring(), "the CPU is in the kernel");
        assert!(!bell.leave(), "it has been rung for");
        assert!(bell.answer());
        assert!(!bell.answer());
        assert!(bell.leave());
        assert!(bell.ring());
        assert!(!bell.ring());
        bell.back();
        assert!(!bell.ring());
        assert!(bell.answer());
    }
}
