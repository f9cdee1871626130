//! Pairs of connected sockets (`man 2 socketpair`, `man 7 unix`).
//!
//! What one end sends waits in the inbox of the other, up to the sender's send buffer. A stream merges the bytes of
//! several sends; the other kinds keep each send as a record, and a receiver with less room loses the rest of it.
//! One lock guards both directions, because closing an end and shutting a direction down change both.

use crate::buffer::Buffer;
use abi::Errno;
use abi::linux::FIONREAD;
use alloc::collections::VecDeque;
use alloc::sync::Arc;
use bitflags::bitflags;
use sync::{Rank, SpinLock};
use vfs::{FileOperations, IoContext, IoctlArgument, Metadata};
use wait::{Attempt, PollEvents, Sink, Source, Stop, WaitQueue, Waiter};

/// How a channel carries what is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChannelKind {
    /// Bytes, between ends that are connected (`SOCK_STREAM`).
    Stream,
    /// Records, between ends that are connected (`SOCK_SEQPACKET`).
    SeqPacket,
    /// Records, between ends that only know each other's address: no end of file (`SOCK_DGRAM`).
    Datagram,
}

impl ChannelKind {
    /// Whether each send is received as one record.
    #[must_use]
    pub const fn keeps_records(self) -> bool {
        !matches!(self, ChannelKind::Stream)
    }

    /// Whether an end notices that the other is gone, or has shut down a direction.
    #[must_use]
    pub const fn is_connected(self) -> bool {
        !matches!(self, ChannelKind::Datagram)
    }
}

bitflags! {
    /// Directions of an end, as `man 2 shutdown` closes them.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
    pub struct Directions: u8 {
        /// Receiving.
        const RECEIVE = 1;
        /// Sending.
        const SEND = 2;
    }
}

impl Directions {
    /// The same directions as the other end sees them.
    fn crossed(self) -> Self {
        let mut crossed = Self::empty();
        crossed.set(Self::SEND, self.contains(Self::RECEIVE));
        crossed.set(Self::RECEIVE, self.contains(Self::SEND));
        crossed
    }
}

/// What a receive has come to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Received {
    /// Bytes that were put into the sink; 0 at the end of a stream.
    pub count: usize,
    /// Length of the record that they are the start of; of a stream as much as `count`.
    pub length: usize,
}

/// Two ends and what is on its way between them.
pub struct Channel {
    kind: ChannelKind,
    sides: SpinLock<[Side; 2]>,
}

/// One end's half of the state.
struct Side {
    /// What the peer has sent.
    inbox: Inbox,
    /// Those that wait for something in the inbox, for the end of file, or for readiness.
    readers: WaitQueue,
    /// Those that wait for room in the peer's inbox, or for readiness.
    writers: WaitQueue,
    /// Directions that do not work any more, by either end's doing.
    shut: Directions,
    /// Tells once that the peer went away without reading everything.
    error: Option<Errno>,
    /// Open files of this end.
    open: usize,
    /// Whether all of them are gone again.
    closed: bool,
    /// Whether there is a peer to send to: a datagram end loses it upon the first refused send.
    has_peer: bool,
    /// What may wait in the peer's inbox, in bytes, with [`RECORD_COST`] for each record.
    send_buffer: usize,
    /// What SO_RCVBUF shows; without effect, as `man 7 unix` says.
    receive_buffer: usize,
}

/// What a record occupies besides its bytes, so that empty ones are not free.
const RECORD_COST: usize = 32;

#[derive(Default)]
struct Inbox {
    bytes: Buffer,
    /// Lengths of the records; none for a stream.
    records: VecDeque<usize>,
}

impl Inbox {
    fn is_empty(&self) -> bool {
        self.bytes.is_empty() && self.records.is_empty()
    }

    fn used(&self) -> usize {
        self.bytes.len() + self.records.len() * RECORD_COST
    }

    /// Takes all of `source` as one record, or nothing.
    fn put_record(&mut self, source: &mut dyn Source) -> Attempt<usize> {
        self.records.try_reserve(1).map_err(|_| Errno::ENOMEM)?;
        let wanted = source.remaining();
        let length = self.bytes.write(source, wanted, true)?;
        self.records.push_back(length);
        Ok(length)
    }

    /// Puts the first record or, of a stream, bytes into `sink`; all stays when `peek` is asked for.
    fn take(&mut self, sink: &mut dyn Sink, peek: bool) -> Attempt<Received> {
        let (count, length) = match self.records.front() {
            Some(&length) => (self.bytes.copy(sink, length, true)?, length),
            None => {
                let count = self.bytes.copy(sink, usize::MAX, false)?;
                (count, count)
            }
        };
        if !peek {
            self.bytes.discard(length);
            self.records.pop_front();
        }
        Ok(Received { count, length })
    }
}

impl Side {
    fn new() -> Self {
        Self {
            inbox: Inbox::default(),
            readers: WaitQueue::new(),
            writers: WaitQueue::new(),
            shut: Directions::empty(),
            error: None,
            open: 0,
            closed: false,
            has_peer: true,
            send_buffer: ChannelEnd::BUFFER,
            receive_buffer: ChannelEnd::BUFFER,
        }
    }

    /// Whether `poll` calls this end writable, given the peer's inbox: at most a quarter is in use.
    fn writable(&self, inbox: &Inbox) -> bool {
        inbox.used().saturating_mul(4) <= self.send_buffer
    }

    fn wake_all(&self) {
        self.readers.wake_all();
        self.writers.wake_all();
    }

    fn take_error(&mut self) -> Result<(), Errno> {
        self.error.take().map_or(Ok(()), Err)
    }

    /// Fails when a datagram cannot reach `peer`. The first that finds it gone ends the association and drops what
    /// has not been received.
    fn require_peer(&mut self, peer: &Side) -> Result<(), Errno> {
        if peer.closed {
            self.has_peer = false;
            self.inbox = Inbox::default();
            return Err(Errno::ECONNREFUSED);
        }
        if peer.shut.contains(Directions::RECEIVE) {
            return Err(Errno::EPIPE);
        }
        Ok(())
    }
}

/// One end of a channel: a connected socket without a name.
pub struct ChannelEnd {
    channel: Arc<Channel>,
    second: bool,
    metadata: Metadata,
}

impl Channel {
    /// The two ends of a new channel; `metadata` is what `fstat` tells of each.
    #[must_use]
    pub fn pair(kind: ChannelKind, metadata: [Metadata; 2]) -> [Arc<ChannelEnd>; 2] {
        let channel = Arc::new(Self {
            kind,
            sides: SpinLock::new(Rank::Stream, [Side::new(), Side::new()]),
        });
        let [first, second] = metadata;
        [(false, first), (true, second)].map(|(second, metadata)| {
            Arc::new(ChannelEnd {
                channel: channel.clone(),
                second,
                metadata,
            })
        })
    }
}

impl ChannelEnd {
    /// Bytes that a new end may send ahead (`/proc/sys/net/core/wmem_default`).
    pub const BUFFER: usize = 212_992;
    /// Most that a program can ask a buffer to hold; it is then twice that (`/proc/sys/net/core/wmem_max`).
    pub const BUFFER_MAX: usize = 212_992;
    /// No record is longer, in bytes.
    pub const RECORD_MAX: usize = 2 * Self::BUFFER_MAX - RECORD_COST;
    /// Smallest send buffer (`man 7 socket`, SO_SNDBUF).
    const SEND_MIN: usize = 2048;
    /// Smallest receive buffer (`man 7 socket`, SO_RCVBUF).
    const RECEIVE_MIN: usize = 256;

    /// How the channel carries what is sent.
    #[must_use]
    pub fn kind(&self) -> ChannelKind {
        self.channel.kind
    }

    /// Runs `act` on this end's state and the peer's.
    fn with<T>(&self, act: impl FnOnce(&mut Side, &mut Side) -> T) -> T {
        let mut sides = self.channel.sides.lock();
        let [first, second] = &mut *sides;
        if self.second {
            act(second, first)
        } else {
            act(first, second)
        }
    }

    /// Sends the bytes of `source`: a part of them on a stream, all of them as one record on the other kinds.
    ///
    /// # Errors
    /// EPIPE when this end does not send or the other does not receive any more, upon which the caller raises SIGPIPE
    /// if the kind is connected; EMSGSIZE for a record that exceeds the send buffer; ECONNREFUSED, then ENOTCONN,
    /// for a datagram whose receiver is closed; ECONNRESET; EAGAIN, ENOMEM, what the source says.
    pub fn send(&self, cx: &IoContext<'_>, source: &mut dyn Source) -> Attempt<usize> {
        self.with(|own, peer| {
            if self.kind().keeps_records() {
                self.send_record(own, peer, cx, source)
            } else {
                send_bytes(own, peer, cx, source)
            }
        })
    }

    fn send_record(
        &self,
        own: &mut Side,
        peer: &mut Side,
        cx: &IoContext<'_>,
        source: &mut dyn Source,
    ) -> Attempt<usize> {
        if !own.has_peer {
            return Err(Errno::ENOTCONN.into());
        }
        let cost = source.remaining().saturating_add(RECORD_COST);
        if cost > own.send_buffer {
            return Err(Errno::EMSGSIZE.into());
        }
        own.take_error()?;
        if own.shut.contains(Directions::SEND) {
            return Err(Errno::EPIPE.into());
        }
        if !self.kind().is_connected() {
            own.require_peer(peer)?;
        }
        if peer.inbox.used() + cost > own.send_buffer {
            return cx.wait(|waiter| own.writers.enrol(waiter));
        }
        let count = peer.inbox.put_record(source)?;
        peer.readers.wake_all();
        Ok(count)
    }

    /// Receives bytes or one record into `sink`; with `peek`, what is received stays to be received again.
    ///
    /// # Errors
    /// ECONNRESET, once, when the other end was closed before it had read everything; EAGAIN, what the sink says.
    pub fn receive(
        &self,
        cx: &IoContext<'_>,
        sink: &mut dyn Sink,
        peek: bool,
    ) -> Attempt<Received> {
        self.with(|own, peer| {
            // As on Linux: an error comes before records, and after the bytes of a stream.
            if self.kind().keeps_records() || own.inbox.is_empty() {
                own.take_error()?;
            }
            if !own.inbox.is_empty() {
                let received = own.inbox.take(sink, peek)?;
                if peer.writable(&own.inbox) {
                    peer.writers.wake_all();
                }
                return Ok(received);
            }
            let ended = own.shut.contains(Directions::RECEIVE);
            let waits = self.kind().is_connected() || !cx.nonblocking;
            if ended && waits || !self.kind().keeps_records() && sink.room() == 0 {
                return Ok(Received::default());
            }
            cx.wait(|waiter| own.readers.enrol(waiter))
        })
    }

    /// Closes directions of this end (`man 2 shutdown`); on connected kinds the other end notices.
    pub fn shut_down(&self, directions: Directions) {
        self.with(|own, peer| {
            own.shut |= directions;
            if self.kind().is_connected() {
                peer.shut |= directions.crossed();
            }
            own.wake_all();
            peer.wake_all();
        });
    }

    /// The pending error, which is told once (SO_ERROR).
    #[must_use]
    pub fn take_error(&self) -> Option<Errno> {
        self.with(|own, _| own.error.take())
    }

    /// Whether there is a peer, be it closed (`man 2 getpeername`).
    #[must_use]
    pub fn has_peer(&self) -> bool {
        self.with(|own, _| own.has_peer)
    }

    /// Size of the send buffer in bytes (SO_SNDBUF).
    #[must_use]
    pub fn send_buffer(&self) -> usize {
        self.with(|own, _| own.send_buffer)
    }

    /// Changes the send buffer: to twice `bytes`, within limits (`man 7 socket`).
    pub fn set_send_buffer(&self, bytes: usize) {
        self.with(|own, _| {
            own.send_buffer = (2 * bytes.min(Self::BUFFER_MAX)).max(Self::SEND_MIN);
            own.writers.wake_all();
        });
    }

    /// Size of the receive buffer in bytes (SO_RCVBUF), which is of no effect.
    #[must_use]
    pub fn receive_buffer(&self) -> usize {
        self.with(|own, _| own.receive_buffer)
    }

    /// Changes what [`ChannelEnd::receive_buffer`] answers: to twice `bytes`, within limits (`man 7 socket`).
    pub fn set_receive_buffer(&self, bytes: usize) {
        self.with(|own, _| {
            own.receive_buffer = (2 * bytes.min(Self::BUFFER_MAX)).max(Self::RECEIVE_MIN);
        });
    }

    fn ready(&self, own: &Side, peer: &Side) -> PollEvents {
        let mut ready = PollEvents::empty();
        let ended = own.shut.contains(Directions::RECEIVE);
        if ended || !own.inbox.is_empty() {
            ready |= PollEvents::READABLE;
        }
        if own.writable(&peer.inbox) {
            ready |= PollEvents::WRITABLE | PollEvents::WRBAND;
        }
        ready.set(PollEvents::RDHUP, ended);
        ready.set(PollEvents::HUP, own.shut.is_all());
        ready.set(PollEvents::ERR, own.error.is_some());
        ready
    }

    fn close(&self, own: &mut Side, peer: &mut Side) {
        own.closed = true;
        let unread = !own.inbox.is_empty();
        own.inbox = Inbox::default();
        if self.kind().is_connected() {
            peer.shut = Directions::all();
            if unread {
                peer.error = Some(Errno::ECONNRESET);
            }
        }
        own.wake_all();
        peer.wake_all();
    }
}

fn send_bytes(
    own: &Side,
    peer: &mut Side,
    cx: &IoContext<'_>,
    source: &mut dyn Source,
) -> Attempt<usize> {
    if own.shut.contains(Directions::SEND) {
        return Err(Errno::EPIPE.into());
    }
    let wanted = source.remaining();
    if wanted == 0 {
        return Ok(0);
    }
    let room = own.send_buffer.saturating_sub(peer.inbox.used());
    if room == 0 {
        return cx.wait(|waiter| own.writers.enrol(waiter));
    }
    let count = peer.inbox.bytes.write(source, wanted.min(room), false)?;
    // Whoever watches for changes learns of every send, not of the first alone.
    peer.readers.wake_all();
    Ok(count)
}

impl FileOperations for ChannelEnd {
    fn read(&self, cx: &IoContext<'_>, _position: u64, sink: &mut dyn Sink) -> Attempt<usize> {
        self.receive(cx, sink, false).map(|received| received.count)
    }

    /// As [`ChannelEnd::send`].
    fn write(&self, cx: &IoContext<'_>, _position: u64, source: &mut dyn Source) -> Attempt<usize> {
        self.send(cx, source)
    }

    fn poll(&self, wanted: PollEvents, waiter: Option<&Waiter>) -> PollEvents {
        self.with(|own, peer| {
            let ready = self.ready(own, peer) & (wanted | PollEvents::ALWAYS);
            if let Some(waiter) = ready.to_enrol(waiter) {
                if wanted.wants_data() {
                    own.readers.enrol(waiter);
                }
                if wanted.wants_room() {
                    own.writers.enrol(waiter);
                }
            }
            ready
        })
    }

    /// FIONREAD: bytes of a stream that can be read, or of the first record.
    fn ioctl(
        &self,
        _cx: &IoContext<'_>,
        request: u32,
        argument: &mut dyn IoctlArgument,
    ) -> Attempt<i64> {
        if request != FIONREAD {
            return Err(Stop::Error(Errno::ENOTTY));
        }
        let length = self.with(|own, _| {
            let first = own.inbox.records.front().copied();
            first.unwrap_or_else(|| own.inbox.bytes.len())
        });
        let length = u32::try_from(length).unwrap_or(u32::MAX);
        argument.put(&length.to_le_bytes())?;
        Ok(0)
    }

    fn metadata(&self) -> Option<Metadata> {
        Some(self.metadata)
    }

    fn opened(&self) {
        self.with(|own, _| own.open += 1);
    }

    fn released(&self) {
        self.with(|own, peer| {
            own.open = own.open.saturating_sub(1);
            if own.open == 0 {
                self.close(own, peer);
            }
        });
    }
}

#[cfg(test)]
mod tests;
