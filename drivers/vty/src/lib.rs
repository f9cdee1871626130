//! The hypervisor's terminals as buffered character devices.
//!
//! A [`Vty`] owns a queue of output that the hypervisor was too busy to take and a queue of input that nobody has
//! read. It never waits: a full output queue makes a short write, and whoever wrote calls [`Vty::pump`] again later
//! (there is no interrupt for output). Lock: one per terminal, [`Rank::Console`], held for as many hypervisor calls as
//! a write has chunks of 16 bytes, at most [`MAX_BURST`].

#![no_std]
#![forbid(unsafe_code)]

#[cfg(test)]
extern crate std;

use heapless::Deque;
use sync::{Rank, SpinLock};

/// How many bytes one exchange with the hypervisor carries.
pub const CHUNK: usize = 16;
/// Bytes of output that wait for a busy hypervisor.
pub const OUTPUT_SIZE: usize = 4096;
/// Bytes of input that wait for a reader; more is dropped.
pub const INPUT_SIZE: usize = 4096;
/// How many bytes one call gives to the hypervisor (about 70 µs on QEMU): longer output is cut into writes.
pub const MAX_BURST: usize = 4096;

/// What carries the bytes of a terminal.
pub trait Line: Send {
    /// Offers at most [`CHUNK`] bytes; returns how many were taken, 0 when busy.
    fn offer(&mut self, bytes: &[u8]) -> usize;

    /// Reads what has arrived and returns how many bytes that is, 0 when there is nothing.
    fn receive(&mut self, bytes: &mut [u8; CHUNK]) -> usize;
}

/// A terminal of the hypervisor (PAPR, "Virtual Terminal"), by its unit address.
#[cfg(target_arch = "powerpc64")]
#[derive(Clone, Copy, Debug)]
pub struct HypervisorLine(pub u32);

#[cfg(target_arch = "powerpc64")]
impl Line for HypervisorLine {
    fn offer(&mut self, bytes: &[u8]) -> usize {
        arch::console::offer(self.0, bytes)
    }

    fn receive(&mut self, bytes: &mut [u8; CHUNK]) -> usize {
        arch::console::get_from(self.0, bytes)
    }
}

/// A terminal.
pub struct Vty<L> {
    state: SpinLock<State<L>>,
}

struct State<L> {
    line: L,
    output: Deque<u8, OUTPUT_SIZE>,
    input: Deque<u8, INPUT_SIZE>,
    dropped: u64,
}

impl<L: Line> Vty<L> {
    /// A terminal on `line` with empty queues.
    pub const fn new(line: L) -> Self {
        let state = State {
            line,
            output: Deque::new(),
            input: Deque::new(),
            dropped: 0,
        };
        Self {
            state: SpinLock::new(Rank::Console, state),
        }
    }

    /// Writes bytes in order behind all earlier ones; returns how many were taken. Fewer than given, or 0, means
    /// that the queue is full or that the call has done its share: write the rest after [`Vty::pump`].
    pub fn write(&self, bytes: &[u8]) -> usize {
        let state = &mut *self.state.lock();
        let mut given = state.drain(MAX_BURST);
        let mut rest = bytes;
        while state.output.is_empty() && !rest.is_empty() && given < MAX_BURST {
            let taken = state.line.offer(rest.get(..CHUNK).unwrap_or(rest));
            if taken == 0 {
                break;
            }
            given += taken;
            rest = rest.get(taken..).unwrap_or(&[]);
        }
        let queued = rest
            .iter()
            .take_while(|&&byte| state.output.push_back(byte).is_ok())
            .count();
        bytes.len() - rest.len() + queued
    }

    /// Gives queued output to the hypervisor; returns how many bytes still wait. Not 0: call again within
    /// milliseconds.
    pub fn pump(&self) -> usize {
        let state = &mut *self.state.lock();
        state.drain(MAX_BURST);
        state.output.len()
    }

    /// Fetches what the hypervisor has received, at the terminal's interrupt; whether there is something to read.
    pub fn fetch(&self) -> bool {
        let state = &mut *self.state.lock();
        let mut chunk = [0; CHUNK];
        loop {
            let count = state.line.receive(&mut chunk);
            if count == 0 {
                return !state.input.is_empty();
            }
            for &byte in chunk.iter().take(count) {
                if state.input.push_back(byte).is_err() {
                    state.dropped += 1;
                }
            }
        }
    }

    /// Takes input that was fetched; returns how many bytes, 0 when there are none.
    pub fn read(&self, bytes: &mut [u8]) -> usize {
        let state = &mut *self.state.lock();
        let mut count = 0;
        for place in bytes {
            let Some(byte) = state.input.pop_front() else {
                break;
            };
            *place = byte;
            count += 1;
        }
        count
    }

    /// How many bytes of input were lost because nobody read.
    pub fn dropped(&self) -> u64 {
        self.state.lock().dropped
    }
}

impl<L: Line> State<L> {
    /// Offers queued output until the queue is empty, the line is busy, or `most` bytes have gone; returns how many.
    fn drain(&mut self, most: usize) -> usize {
        let mut given = 0;
        while given < most && !self.output.is_empty() {
            let (front, _) = self.output.as_slices();
            let taken = self.line.offer(front.get(..CHUNK).unwrap_or(front));
            if taken == 0 {
                break;
            }
            for _ in 0..taken {
                self.output.pop_front();
            }
            given += taken;
        }
        given
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::VecDeque;
    use std::vec::Vec;

    /// A line that takes as many chunks as `patience` says, and has `waiting` to give.
    #[derive(Default)]
    struct Fake {
        patience: usize,
        out: Vec<u8>,
        waiting: VecDeque<u8>,
    }

    impl Line for Fake {
        fn offer(&mut self, bytes: &[u8]) -> usize {
            assert!(bytes.len() <= CHUNK);
            if self.patience == 0 {
                return 0;
            }
            self.patience -= 1;
            self.out.extend(bytes);
            bytes.len()
        }

        fn receive(&mut self, bytes: &mut [u8; CHUNK]) -> usize {
            let count = self.waiting.len().min(CHUNK);
            for (to, from) in bytes.iter_mut().zip(self.waiting.drain(..count)) {
                *to = from;
            }
            count
        }
    }

    #[derive(Clone, Debug)]
    enum Step {
        Write(Vec<u8>),
        Pump,
        Patience(usize),
        Arrive(Vec<u8>),
        Fetch,
        Read(usize),
    }

    fn step() -> impl Strategy<Value = Step> {
        let bytes = |most| prop::collection::vec(any::<u8>(), 0..most);
        prop_oneof![
            bytes(6000).prop_map(Step::Write),
            Just(Step::Pump),
            (0usize..600).prop_map(Step::Patience),
            bytes(100).prop_map(Step::Arrive),
            Just(Step::Fetch),
            (0usize..100).prop_map(Step::Read),
        ]
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]

        /// VTY0001: what was taken goes out once and in order, what arrived comes in once and in order.
        #[test]
        fn in_order(steps in prop::collection::vec(step(), 0..40)) {
            let vty = Vty::new(Fake::default());
            let mut written: Vec<u8> = Vec::new();
            let mut arrived: Vec<u8> = Vec::new();
            let mut read: Vec<u8> = Vec::new();
            for step in steps {
                match step {
                    Step::Write(bytes) => {
                        let taken = vty.write(&bytes);
                        prop_assert!(taken <= bytes.len());
                        written.extend(&bytes[..taken]);
                    }
                    Step::Pump => {
                        let left = vty.pump();
                        prop_assert_eq!(vty.state.lock().line.out.len() + left, written.len());
                    }
                    Step::Patience(patience) => vty.state.lock().line.patience = patience,
                    Step::Arrive(bytes) => {
                        vty.state.lock().line.waiting.extend(&bytes);
                        arrived.extend(bytes);
                    }
                    Step::Fetch => {
                        vty.fetch();
                    }
                    Step::Read(most) => {
                        let mut bytes = std::vec![0; most];
                        let count = vty.read(&mut bytes);
                        read.extend(&bytes[..count]);
                    }
                }
            }
            vty.state.lock().line.patience = usize::MAX;
            while vty.pump() > 0 {}
            prop_assert_eq!(&vty.state.lock().line.out, &written);
            vty.fetch();
            let mut rest = std::vec![0; INPUT_SIZE];
            let count = vty.read(&mut rest);
            read.extend(&rest[..count]);
            prop_assert_eq!(vty.dropped(), 0);
            prop_assert_eq!(read, arrived);
        }
    }

    /// VTY0002: a dead line makes short writes and loses nothing that was taken.
    #[test]
    fn dead() {
        let vty = Vty::new(Fake::default());
        assert_eq!(vty.write(&[b'x'; 5000]), OUTPUT_SIZE);
        assert_eq!(vty.write(b"y"), 0);
        assert_eq!(vty.pump(), OUTPUT_SIZE);
        vty.state.lock().line.patience = 1;
        assert_eq!(vty.pump(), OUTPUT_SIZE - CHUNK);
        assert_eq!(vty.write(b"y"), 1);
    }
}
