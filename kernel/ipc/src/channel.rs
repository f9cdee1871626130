//! Pairs of connected sockets (`man 2 socketpair`, `man 7 unix`).
//!
//! What one end sends waits in the inbox of the other, up to the sender's send buffer. A stream merges the bytes of
//! several sends; the other kinds keep each send as a record, and a receiver with less room loses the rest of it.
//! One lock guards both directions, because closing an end and shutting a direction down change both.

use crate::flight::{self, Node};
use crate::inbox::{Ancillary, Inbox, Name, RECORD_COST, Sender};
use crate::timeouts::Timeouts;
use abi::Errno;
use abi::linux::FIONREAD;
use alloc::sync::Arc;
use alloc::vec::Vec;
use bitflags::bitflags;
use fallible::NoMemory;
use sync::{Rank, SpinLock};
use vfs::{FileOperations, IoContext, IoctlArgument, Metadata, OpenFile};
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
    /// The name of this end, and the process that has made it.
    name: Option<Name>,
    owner: Sender,
    /// Whether the receiver wants to know who sends (SO_PASSCRED).
    wants_sender: bool,
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
            name: None,
            owner: Sender::default(),
            wants_sender: false,
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
    fn require_peer(&mut self, peer: &Side, lost: &mut Inbox) -> Result<(), Errno> {
        if peer.closed {
            self.has_peer = false;
            *lost = core::mem::take(&mut self.inbox);
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
    timeouts: Timeouts,
    metadata: Metadata,
}

impl Channel {
    /// The two ends of a new channel; `metadata` is what `fstat` tells of each.
    ///
    /// # Errors
    /// [`NoMemory`].
    pub fn pair(
        kind: ChannelKind,
        metadata: [Metadata; 2],
    ) -> Result<[Arc<ChannelEnd>; 2], NoMemory> {
        let channel = fallible::arc(Self {
            kind,
            sides: SpinLock::new(Rank::Stream, [Side::new(), Side::new()]),
        })?;
        let end = |second, metadata| {
            fallible::arc(ChannelEnd {
                channel: channel.clone(),
                second,
                timeouts: Timeouts::default(),
                metadata,
            })
        };
        let [first, second] = metadata;
        Ok([end(false, first)?, end(true, second)?])
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

    /// What a send buffer becomes that is set to `bytes`.
    pub(crate) fn send_buffer_of(bytes: usize) -> usize {
        bytes.saturating_mul(2).max(Self::SEND_MIN)
    }

    /// What a receive buffer becomes that is set to `bytes`.
    pub(crate) fn receive_buffer_of(bytes: usize) -> usize {
        bytes.saturating_mul(2).max(Self::RECEIVE_MIN)
    }

    /// How the channel carries what is sent.
    #[must_use]
    pub fn kind(&self) -> ChannelKind {
        self.channel.kind
    }

    /// How long calls on it wait.
    #[must_use]
    pub fn timeouts(&self) -> &Timeouts {
        &self.timeouts
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
        self.send_with(cx, source, &mut Ancillary::default())
    }

    /// Which inbox it has, to look for circles of them.
    pub(crate) fn node(&self) -> Node {
        (Arc::as_ptr(&self.channel) as usize, self.second)
    }

    fn peer_node(&self) -> Node {
        (Arc::as_ptr(&self.channel) as usize, !self.second)
    }

    /// Adds the files that wait in its inbox to others.
    pub(crate) fn carried(&self, into: &mut Vec<Arc<OpenFile>>) -> Result<(), Errno> {
        self.with(|own, _| own.inbox.carried(into))
    }

    /// As [`ChannelEnd::send`], with what goes with the message, which is left empty when it has been sent.
    ///
    /// # Errors
    /// As [`ChannelEnd::send`]; ETOOMANYREFS for a socket that would carry itself.
    pub fn send_with(
        &self,
        cx: &IoContext<'_>,
        source: &mut dyn Source,
        ancillary: &mut Ancillary,
    ) -> Attempt<usize> {
        let _flight = flight::admit(&ancillary.files, self.peer_node())?;
        // What is lost is dropped without the lock: it may be the last of a file, even of this one.
        let mut lost = Inbox::default();
        self.with(|own, peer| {
            if self.kind().keeps_records() {
                self.send_record(own, peer, cx, source, (ancillary, &mut lost))
            } else {
                send_bytes(own, peer, cx, source, ancillary)
            }
        })
    }

    fn send_record(
        &self,
        own: &mut Side,
        peer: &mut Side,
        cx: &IoContext<'_>,
        source: &mut dyn Source,
        (ancillary, lost): (&mut Ancillary, &mut Inbox),
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
            own.require_peer(peer, lost)?;
        }
        if peer.inbox.used() + cost > own.send_buffer {
            return cx.wait(|waiter| own.writers.enrol(waiter));
        }
        let count = peer.inbox.put_record(source, ancillary)?;
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
        self.receive_with(cx, sink, peek, &mut Ancillary::default())
    }

    /// As [`ChannelEnd::receive`], with what goes with the message.
    ///
    /// # Errors
    /// As [`ChannelEnd::receive`].
    pub fn receive_with(
        &self,
        cx: &IoContext<'_>,
        sink: &mut dyn Sink,
        peek: bool,
        ancillary: &mut Ancillary,
    ) -> Attempt<Received> {
        self.with(|own, peer| {
            // As on Linux: an error comes before records, and after the bytes of a stream.
            if self.kind().keeps_records() || own.inbox.is_empty() {
                own.take_error()?;
            }
            if !own.inbox.is_empty() {
                let received = own.inbox.take(sink, peek, ancillary)?;
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

    /// Changes the send buffer: to twice `bytes`, which is [`crate::asked_buffer`]'s, or to the least (`man 7 socket`).
    pub fn set_send_buffer(&self, bytes: usize) {
        self.with(|own, _| {
            own.send_buffer = Self::send_buffer_of(bytes);
            own.writers.wake_all();
        });
    }

    /// Size of the receive buffer in bytes (SO_RCVBUF), which is of no effect.
    #[must_use]
    pub fn receive_buffer(&self) -> usize {
        self.with(|own, _| own.receive_buffer)
    }

    /// Changes what [`ChannelEnd::receive_buffer`] answers: to twice `bytes`, or to the least (`man 7 socket`).
    pub fn set_receive_buffer(&self, bytes: usize) {
        self.with(|own, _| {
            own.receive_buffer = Self::receive_buffer_of(bytes);
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

    /// Answers what nobody will receive, to be dropped without the lock.
    fn close(&self, own: &mut Side, peer: &mut Side) -> Inbox {
        own.closed = true;
        let unread = !own.inbox.is_empty();
        let lost = core::mem::take(&mut own.inbox);
        if self.kind().is_connected() {
            peer.shut = Directions::all();
            if unread {
                peer.error = Some(Errno::ECONNRESET);
            }
        }
        own.wake_all();
        peer.wake_all();
        lost
    }

    /// Closes an end that nobody has got a descriptor of.
    pub(crate) fn abandon(&self) {
        let _lost = self.with(|own, peer| {
            peer.error = Some(Errno::ECONNRESET);
            self.close(own, peer)
        });
    }

    /// Says who owns this end, and its name.
    pub fn introduce(&self, owner: Sender, name: Option<Name>) {
        self.with(|own, _| (own.owner, own.name) = (owner, name));
    }

    /// The name of this end.
    #[must_use]
    pub fn name(&self) -> Option<Name> {
        self.with(|own, _| own.name.clone())
    }

    /// The name of the other end.
    #[must_use]
    pub fn peer_name(&self) -> Option<Name> {
        self.with(|_, peer| peer.name.clone())
    }

    /// The process that has made the other end (SO_PEERCRED).
    #[must_use]
    pub fn peer(&self) -> Sender {
        self.with(|_, peer| peer.owner)
    }

    /// Whether the receiver wants to know who sends (SO_PASSCRED).
    #[must_use]
    pub fn wants_sender(&self) -> bool {
        self.with(|own, _| own.wants_sender)
    }

    /// Changes that.
    pub fn set_wants_sender(&self, wanted: bool) {
        self.with(|own, _| own.wants_sender = wanted);
    }
}

fn send_bytes(
    own: &Side,
    peer: &mut Side,
    cx: &IoContext<'_>,
    source: &mut dyn Source,
    ancillary: &mut Ancillary,
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
    let count = peer.inbox.put_bytes(source, wanted.min(room), ancillary)?;
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
            ready.or_enrol_for(wanted, waiter, &own.readers, &own.writers)
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
        let length = self.with(|own, _| own.inbox.next_length());
        argument.put_length(length)
    }

    fn metadata(&self) -> Option<Metadata> {
        Some(self.metadata)
    }

    fn opened(&self) {
        self.with(|own, _| own.open += 1);
    }

    fn released(&self) {
        let _lost = self.with(|own, peer| {
            own.open = own.open.saturating_sub(1);
            (own.open == 0).then(|| self.close(own, peer))
        });
    }
}

#[cfg(test)]
mod tests;
