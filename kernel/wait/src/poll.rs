//! What a file is ready for.

use crate::{Manner, WaitQueue, Waiter};
use bitflags::bitflags;

bitflags! {
    /// Readiness as `poll` reports it (`man 2 poll`; the numbers are those of powerpc's asm/poll.h).
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
    pub struct PollEvents: u16 {
        /// There is data to read, or the end of file.
        const IN = 0x001;
        /// There is an exceptional condition.
        const PRI = 0x002;
        /// Writing will not block.
        const OUT = 0x004;
        /// An error; reported whether asked for or not.
        const ERR = 0x008;
        /// The other end is gone; reported whether asked for or not.
        const HUP = 0x010;
        /// Not an open descriptor; reported whether asked for or not.
        const NVAL = 0x020;
        /// As [`PollEvents::IN`].
        const RDNORM = 0x040;
        /// Priority data to read.
        const RDBAND = 0x080;
        /// As [`PollEvents::OUT`].
        const WRNORM = 0x100;
        /// Priority data may be written.
        const WRBAND = 0x200;
        /// The other end has shut down writing.
        const RDHUP = 0x2000;
    }
}

impl PollEvents {
    /// Reported whether asked for or not.
    pub const ALWAYS: PollEvents = PollEvents::ERR
        .union(PollEvents::HUP)
        .union(PollEvents::NVAL);
    /// All that says "can be read".
    pub const READABLE: PollEvents = PollEvents::IN.union(PollEvents::RDNORM);
    /// All that says "can be written".
    pub const WRITABLE: PollEvents = PollEvents::OUT.union(PollEvents::WRNORM);

    /// Who is to be enrolled in the queues of a file that is ready for these events: a waiter for readiness only when
    /// there are none, one that wants to know of changes always.
    #[must_use]
    pub fn to_enrol(self, waiter: Option<&Waiter>) -> Option<&Waiter> {
        waiter.filter(|waiter| self.is_empty() || waiter.manner().contains(Manner::CHANGES))
    }

    /// These events of a file with one queue, in which who is [to be enrolled](Self::to_enrol) is.
    pub fn or_enrol(self, waiter: Option<&Waiter>, queue: &WaitQueue) -> Self {
        if let Some(waiter) = self.to_enrol(waiter) {
            queue.enrol(waiter);
        }
        self
    }

    /// These events of a file with a queue for each direction: who is to be enrolled is in those that what it wants depends on.
    pub fn or_enrol_for(
        self,
        wanted: Self,
        waiter: Option<&Waiter>,
        readers: &WaitQueue,
        writers: &WaitQueue,
    ) -> Self {
        if let Some(waiter) = self.to_enrol(waiter) {
            if wanted.wants_data() {
                readers.enrol(waiter);
            }
            if wanted.wants_room() {
                writers.enrol(waiter);
            }
        }
        self
    }

    /// Whether changes of what can be written matter to somebody who wants these.
    #[must_use]
    pub fn wants_room(self) -> bool {
        self.intersects(Self::WRITABLE.union(Self::WRBAND))
    }

    /// Whether changes of what can be read matter, or of neither: then the queue of the readers tells of the end.
    #[must_use]
    pub fn wants_data(self) -> bool {
        let room = Self::WRITABLE.union(Self::WRBAND).union(Self::ALWAYS);
        self.intersects(room.complement()) || !self.wants_room()
    }
}
