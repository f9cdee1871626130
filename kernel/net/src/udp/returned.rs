//! What comes back of datagrams that were sent (MSG_ERRQUEUE): those that have found nobody (`man 7 ip`, IP_RECVERR), and when
//! one was sent (SO_TIMESTAMPING).

use super::{State, UdpSocket};
use crate::options::Stamping;
use abi::{Errno, Nanos};
use alloc::vec::Vec;
use core::net::SocketAddr;
use ipc::Received;
use wait::{Attempt, Sink};

/// So many are kept.
const MOST: usize = 64;

/// What comes back of a datagram that was sent.
pub(super) struct Returned {
    pub to: SocketAddr,
    pub bytes: Vec<u8>,
    pub why: Return,
}

/// Why something comes back of a datagram that was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Return {
    /// It has found nobody.
    Lost,
    /// It was sent.
    Sent {
        /// When, in nanoseconds of the wall clock; `None` when that is not to be told.
        at: Option<Nanos>,
        /// The number of it that was asked for, or 0.
        number: u32,
    },
}

impl State {
    /// Keeps what has come back, if there is room.
    pub(super) fn give_back(&mut self, returned: Returned) {
        if self.returned.len() < MOST && self.returned.try_reserve(1).is_ok() {
            self.returned.push_back(returned);
        }
    }
}

impl UdpSocket {
    /// Notes when something was sent, for who wants to know.
    pub(super) fn note_sent(&self, to: SocketAddr, stamping: Stamping) {
        let at = stamping
            .contains(Stamping::TOLD)
            .then(|| (self.stack.clock)());
        let mut state = self.state.lock();
        let numbered = stamping.contains(Stamping::NUMBERED);
        let number = if numbered { state.sent } else { 0 };
        state.sent = state.sent.wrapping_add(1);
        state.give_back(Returned {
            to,
            bytes: Vec::new(),
            why: Return::Sent { at, number },
        });
        self.readers.wake_all();
    }

    /// Receives what has come back (MSG_ERRQUEUE): what was sent and has found nobody, with where it was to go, or when
    /// something was sent. The error that the former is goes with the last of them.
    ///
    /// # Errors
    /// EAGAIN when there is none, what the sink says.
    pub fn receive_returned(
        &self,
        sink: &mut dyn Sink,
        peek: bool,
    ) -> Attempt<(Received, SocketAddr, Return)> {
        let mut state = self.state.lock();
        let Some(Returned { to, bytes, why }) = state.returned.front() else {
            return Err(Errno::EAGAIN.into());
        };
        let (to, length, why) = (*to, bytes.len(), *why);
        let count = length.min(sink.room());
        sink.put(bytes.get(..count).unwrap_or_default())?;
        if !peek {
            state.returned.pop_front();
            let mut rest = state.returned.iter();
            if why == Return::Lost && !rest.any(|one| one.why == Return::Lost) {
                state.error = None;
            }
        }
        Ok((Received { count, length }, to, why))
    }
}
