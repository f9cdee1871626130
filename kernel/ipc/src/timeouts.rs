//! How long the calls on a socket wait (`man 7 socket`, SO_RCVTIMEO, SO_SNDTIMEO), with what else every socket keeps.

use crate::kept::KeptOptions;
use abi::Nanos;
use core::sync::atomic::{AtomicU64, Ordering};

/// A span for receiving, which `accept` takes too, and one for sending, which `connect` takes too.
#[derive(Debug, Default)]
pub struct Timeouts {
    receive: AtomicU64,
    send: AtomicU64,
    kept: KeptOptions,
}

impl Timeouts {
    fn span(nanos: &AtomicU64) -> Option<Nanos> {
        match nanos.load(Ordering::Relaxed) {
            0 => None,
            span => Some(Nanos(span)),
        }
    }

    /// Options that are kept and shown.
    #[must_use]
    pub fn kept(&self) -> &KeptOptions {
        &self.kept
    }

    /// The span for receiving; `None` waits for ever.
    #[must_use]
    pub fn receive(&self) -> Option<Nanos> {
        Self::span(&self.receive)
    }

    /// The span for sending; `None` waits for ever.
    #[must_use]
    pub fn send(&self) -> Option<Nanos> {
        Self::span(&self.send)
    }

    /// Changes the span for receiving; none, or 0, waits for ever.
    pub fn set_receive(&self, span: Option<Nanos>) {
        let span = span.map_or(0, |span| span.0);
        self.receive.store(span, Ordering::Relaxed);
    }

    /// Changes the span for sending; none, or 0, waits for ever.
    pub fn set_send(&self, span: Option<Nanos>) {
        let span = span.map_or(0, |span| span.0);
        self.send.store(span, Ordering::Relaxed);
    }

    /// Takes over the spans of another socket.
    pub fn copy_from(&self, other: &Self) {
        self.set_receive(other.receive());
        self.set_send(other.send());
    }
}
