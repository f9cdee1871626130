//! A connection of TCP over loopback: two queues of bytes, and what each end has done to them (RFC 9293 as `man 7 tcp`
//! shows it to programs).
//!
//! What one end sends is in the inbox of the other at once. A FIN is a mark at the end of the bytes, a RST ends both
//! directions and leaves an error at the end that it reaches; what had come before may still be received there.
//! One byte on its way may be urgent: nothing is received across it, and it is received by itself or, in line, as others
//! are (RFC 6093). A further one makes it ordinary.

use crate::counts::Counted;
use crate::options::SEGMENT;
use crate::stack::{Line, Registration, Stack};
use abi::Errno;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::net::SocketAddr;
use core::sync::atomic::{AtomicI32, Ordering};
use ipc::{Buffer, Directions, Received};
use spin::Once;
use sync::{Rank, SpinLock};
use vfs::IoContext;
use wait::{Attempt, PollEvents, Sink, Source, WaitQueue, Waiter};

/// Two ends and the bytes between them: the one that connects is the first.
pub struct Connection {
    sides: SpinLock<[Side; 2]>,
    addresses: [SocketAddr; 2],
    registration: Once<Registration>,
    /// Bytes of a segment, as programs see it.
    segment: AtomicI32,
}

/// Whose socket an end is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Identity {
    /// The user.
    pub uid: u32,
    /// The number of the socket's inode; 0 before it is accepted.
    pub inode: u64,
    /// Whether it is of IPv6.
    pub is_v6: bool,
}

/// How far the two ends have come to know each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// The listener has no room for it yet (SYN_SENT).
    Asked,
    /// Both may send.
    Established,
    /// It is over, by a reset or because it was refused.
    Dead,
}

/// The urgent byte.
#[derive(Clone, Copy)]
struct Urgent {
    /// Bytes in front of it.
    before: usize,
    /// Whether it has been received by itself.
    received: bool,
}

/// One end's half of the state.
struct Side {
    stage: Stage,
    /// What the peer has sent.
    inbox: Buffer,
    /// Which byte of it is urgent.
    urgent: Option<Urgent>,
    /// How many bytes that were urgent have come.
    urgents: u64,
    /// Whether that is received as all others are (SO_OOBINLINE).
    in_line: bool,
    /// Those that wait for bytes, for the end, or for readiness.
    readers: WaitQueue,
    /// Those that wait for room in the peer's inbox, for the connection to come about, or for readiness.
    writers: WaitQueue,
    /// Whether somebody has found no room since there was last enough: a change is worth a wake-up then only.
    starved: bool,
    /// Directions that this end has shut down.
    shut: Directions,
    /// Whether the peer has said that nothing more comes (FIN).
    ended: bool,
    /// What the next operation fails with.
    error: Option<Errno>,
    /// Whether nobody has this end any more.
    closed: bool,
    send_buffer: usize,
    receive_buffer: usize,
    /// Bytes without which receiving waits.
    least: usize,
    identity: Identity,
}

/// One end of a connection.
#[derive(Clone)]
pub struct End {
    connection: Arc<Connection>,
    second: bool,
}

/// What decides how much is on its way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Buffers {
    /// Bytes that one may send ahead of what the peer takes.
    pub send: usize,
    /// Bytes that are taken before the program receives them.
    pub receive: usize,
    /// Bytes without which receiving waits (SO_RCVLOWAT).
    pub least: usize,
}

impl Side {
    fn new(stage: Stage, buffers: Buffers) -> Self {
        Self {
            stage,
            inbox: Buffer::default(),
            urgent: None,
            urgents: 0,
            in_line: false,
            readers: WaitQueue::new(),
            writers: WaitQueue::new(),
            starved: false,
            shut: Directions::empty(),
            ended: false,
            error: None,
            closed: false,
            send_buffer: buffers.send,
            receive_buffer: buffers.receive,
            least: buffers.least,
            identity: Identity::default(),
        }
    }

    /// Bytes in front of the urgent one, when it is not received in line.
    fn before_mark(&self) -> Option<usize> {
        let urgent = self.urgent.filter(|_| !self.in_line);
        urgent.map(|urgent| urgent.before)
    }

    /// Bytes in the inbox that can be received, with those behind the urgent one.
    fn unread(&self) -> usize {
        self.inbox.len() - usize::from(self.before_mark() == Some(0))
    }

    /// Drops the urgent byte when it is the next one and is not received in line.
    fn pass_mark(&mut self) {
        if self.before_mark() == Some(0) {
            self.take_out(1);
        }
    }

    /// Drops the first bytes of the inbox, which have been received.
    fn take_out(&mut self, count: usize) {
        self.inbox.discard(count);
        self.urgent = self.urgent.and_then(|urgent| {
            let before = urgent.before.checked_sub(count)?;
            Some(Urgent { before, ..urgent })
        });
    }

    /// The last byte of the inbox is urgent, and no other any more.
    fn mark_last(&mut self) {
        self.pass_mark();
        self.urgents += 1;
        self.urgent = self.inbox.len().checked_sub(1).map(|before| Urgent {
            before,
            received: false,
        });
    }

    /// Whether there are `wanted` bytes, or as many as can be waited for: the peer sends nothing more before some are taken.
    fn has(&self, wanted: usize) -> bool {
        self.unread() >= wanted.min(self.receive_buffer / 2).max(1)
    }

    fn wake_all(&self) {
        self.readers.wake_all();
        self.writers.wake_all();
    }

    /// Bytes that may still be sent to `peer`.
    fn room(&self, peer: &Side) -> usize {
        let all = self.send_buffer + peer.receive_buffer;
        all.saturating_sub(peer.inbox.len())
    }

    /// Whether `poll` calls it writable: a third of the room is free, as on Linux.
    fn writable(&self, peer: &Side) -> bool {
        self.room(peer) >= peer.inbox.len().div_ceil(2).max(1)
    }

    /// Gets a RST. One that was told of the end of what comes learns that nobody listens (EPIPE).
    fn reset(&mut self) {
        if self.stage == Stage::Dead || self.closed {
            return;
        }
        self.stage = Stage::Dead;
        let errno = if self.ended && !self.shut.contains(Directions::SEND) {
            Errno::EPIPE
        } else {
            Errno::ECONNRESET
        };
        self.error = Some(errno);
        self.wake_all();
    }

    /// The state as `/proc/net/tcp` numbers it.
    fn number(&self) -> u8 {
        const ESTABLISHED: u8 = 1;
        const SYN_SENT: u8 = 2;
        const FIN_WAIT: u8 = 5;
        const CLOSED: u8 = 7;
        const CLOSE_WAIT: u8 = 8;
        let silent = self.shut.contains(Directions::SEND);
        match self.stage {
            Stage::Asked => SYN_SENT,
            Stage::Dead => CLOSED,
            Stage::Established => match (self.ended, silent) {
                (true, true) => CLOSED,
                (true, false) => CLOSE_WAIT,
                (false, true) => FIN_WAIT,
                (false, false) => ESTABLISHED,
            },
        }
    }

    fn ready(&self, peer: &Side) -> PollEvents {
        let mut ready = PollEvents::empty();
        ready.set(PollEvents::ERR, self.error.is_some());
        if self.stage == Stage::Asked {
            return ready;
        }
        let dead = self.stage == Stage::Dead;
        let over = dead || self.ended || self.shut.contains(Directions::RECEIVE);
        let silent = dead || self.shut.contains(Directions::SEND);
        ready.set(PollEvents::HUP, over && silent);
        ready.set(PollEvents::RDHUP, over);
        let stops = self.urgent.is_some_and(|urgent| urgent.before > 0);
        let readable = over || stops || self.has(self.least);
        ready.set(PollEvents::READABLE, readable);
        let urgent = self.urgent.is_some_and(|urgent| !urgent.received);
        ready.set(PollEvents::PRI, urgent);
        ready.set(PollEvents::WRITABLE, silent || self.writable(peer));
        ready
    }
}

impl Connection {
    /// The two ends of a new connection in a stack, the first of which waits for [`End::establish`]. `buffers` are the
    /// first's and the second's; `chosen` says that the first's port is its own and has no claim, `shared` that the second
    /// shares its port.
    ///
    /// # Errors
    /// Those of [`Stack::register`].
    pub(crate) fn pair(
        stack: &Arc<Stack>,
        addresses: [SocketAddr; 2],
        [first, second]: [Buffers; 2],
        [chosen, shared]: [bool; 2],
    ) -> Result<[End; 2], Errno> {
        let sides = [
            Side::new(Stage::Asked, first),
            Side::new(Stage::Established, second),
        ];
        let connection = fallible::arc(Self {
            sides: SpinLock::new(Rank::Stream, sides),
            addresses,
            registration: Once::new(),
            segment: AtomicI32::new(SEGMENT),
        })?;
        let registration = stack.register(&connection, chosen, shared)?;
        connection.registration.call_once(|| registration);
        Ok([false, true].map(|second| End {
            connection: connection.clone(),
            second,
        }))
    }

    /// Its addresses, those of the first end first.
    pub(crate) fn addresses(&self) -> [SocketAddr; 2] {
        self.addresses
    }

    /// Adds what `/proc/net/tcp` tells of the ends that somebody has.
    pub(crate) fn lines(self: &Arc<Self>, into: &mut Vec<Line>) -> Result<(), Errno> {
        into.try_reserve(2).map_err(|_| Errno::ENOMEM)?;
        for second in [false, true] {
            let end = End {
                connection: self.clone(),
                second,
            };
            let [local, remote] = end.addresses();
            let line = end.with(|own, peer| {
                (!own.closed).then(|| Line {
                    local,
                    remote,
                    state: own.number(),
                    unsent: peer.inbox.len(),
                    unread: own.inbox.len(),
                    backlog: 0,
                    identity: own.identity,
                })
            });
            into.extend(line);
        }
        Ok(())
    }
}

impl End {
    /// Runs `act` on this end's state and the peer's.
    fn with<T>(&self, act: impl FnOnce(&mut Side, &mut Side) -> T) -> T {
        let mut sides = self.connection.sides.lock();
        let [first, second] = &mut *sides;
        if self.second {
            act(second, first)
        } else {
            act(first, second)
        }
    }

    /// Its address and the peer's.
    #[must_use]
    pub fn addresses(&self) -> [SocketAddr; 2] {
        let [first, second] = self.connection.addresses;
        if self.second {
            [second, first]
        } else {
            [first, second]
        }
    }

    /// Whether both are ends of one connection.
    pub(crate) fn is_of(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.connection, &other.connection)
    }

    fn count(&self, what: Counted) {
        if let Some(registration) = self.connection.registration.get() {
            registration.stack().count(what);
        }
    }

    /// Tells the end that connects that the listener has taken the connection.
    pub(crate) fn establish(&self) {
        self.with(|own, peer| {
            let first = if self.second { peer } else { own };
            if first.stage == Stage::Asked {
                first.stage = Stage::Established;
                first.wake_all();
                self.count(Counted::Accepted);
            }
        });
    }

    /// Tells the end that connects that it will not be.
    pub(crate) fn refuse(&self) {
        self.with(|own, peer| {
            let (first, second) = if self.second {
                (peer, own)
            } else {
                (own, peer)
            };
            if first.stage == Stage::Asked {
                first.stage = Stage::Dead;
                first.error = Some(Errno::ECONNREFUSED);
                second.closed = true;
                first.wake_all();
                self.count(Counted::Refused);
            }
        });
    }

    /// Waits for the connection to come about.
    ///
    /// # Errors
    /// EALREADY for one that does not wait; why there is none, or ECONNABORTED when that has been told already.
    pub(crate) fn await_established(&self, cx: &IoContext<'_>) -> Attempt<()> {
        self.with(|own, _| match own.stage {
            Stage::Established => Ok(()),
            Stage::Asked if cx.nonblocking => Err(Errno::EALREADY.into()),
            Stage::Asked => cx.wait(|waiter| own.writers.enrol(waiter)),
            Stage::Dead => Err(own.error.take().unwrap_or(Errno::ECONNABORTED).into()),
        })
    }

    /// Whether it still waits for the listener.
    pub(crate) fn is_asked(&self) -> bool {
        self.with(|own, _| own.stage == Stage::Asked)
    }

    /// Whether it is connected, if only in one direction.
    #[must_use]
    pub fn is_connected(&self) -> bool {
        self.with(|own, _| own.stage == Stage::Established)
    }

    /// Sends a part of `source`, as much as there is room for; with `urgent`, the last byte of all of it is.
    ///
    /// # Errors
    /// EPIPE when this end does not send any more, upon which the caller raises SIGPIPE; ECONNRESET or ECONNREFUSED,
    /// once; EAGAIN, ENOMEM, what the source says.
    pub fn send(
        &self,
        cx: &IoContext<'_>,
        source: &mut dyn Source,
        urgent: bool,
    ) -> Attempt<usize> {
        self.with(|own, peer| {
            if let Some(errno) = own.error.take() {
                return Err(errno.into());
            }
            if own.stage == Stage::Dead || own.shut.contains(Directions::SEND) {
                return Err(Errno::EPIPE.into());
            }
            if own.stage == Stage::Asked {
                return cx.wait(|waiter| own.writers.enrol(waiter));
            }
            let wanted = source.remaining();
            if wanted == 0 {
                return Ok(0);
            }
            // Nobody receives it any more: what arrives is answered with a RST.
            if peer.closed || peer.shut.is_all() {
                peer.reset();
                own.reset();
                return Ok(wanted);
            }
            let room = own.room(peer);
            if room == 0 {
                own.starved = true;
                return cx.wait(|waiter| own.writers.enrol(waiter));
            }
            let count = peer.inbox.write(source, wanted.min(room), false)?;
            if let Some(registration) = self.connection.registration.get() {
                registration.stack().carried(count);
                let is_six = self.connection.addresses[0].is_ipv6();
                registration.stack().count(Counted::Segment.of_six(is_six));
            }
            if urgent && count == wanted {
                peer.mark_last();
            }
            // Whoever watches for changes learns of every send, not of the first alone.
            peer.readers.wake_all();
            Ok(count)
        })
    }

    /// Receives bytes into `sink`; with `peek`, what is received stays to be received again.
    ///
    /// # Errors
    /// ECONNRESET and its like, once, after the bytes; EAGAIN, what the sink says.
    pub fn receive(
        &self,
        cx: &IoContext<'_>,
        sink: &mut dyn Sink,
        peek: bool,
    ) -> Attempt<Received> {
        self.with(|own, peer| {
            let over = own.stage == Stage::Dead || own.shut.contains(Directions::RECEIVE);
            let over = over || own.ended || own.error.is_some();
            // Nothing is received across the urgent byte, and what is in front of it is enough.
            let (skipped, limit) = match own.urgent {
                Some(Urgent { before: 0, .. }) => (usize::from(!own.in_line), usize::MAX),
                Some(Urgent { before, .. }) => (0, before),
                None => (0, usize::MAX),
            };
            let enough = over || cx.nonblocking || limit < usize::MAX;
            let enough = enough || own.has(own.least.min(sink.room()));
            if own.unread() > 0 && enough {
                let count = own.inbox.copy_behind(skipped, sink, limit, false)?;
                if !peek {
                    own.take_out(skipped + count);
                    if peer.starved && peer.writable(own) {
                        peer.starved = false;
                        peer.writers.wake_all();
                    }
                }
                return Ok(Received {
                    count,
                    length: count,
                });
            }
            if own.ended {
                return Ok(Received::default());
            }
            if let Some(errno) = own.error.take() {
                return Err(errno.into());
            }
            if own.stage == Stage::Dead || own.shut.contains(Directions::RECEIVE) {
                return Ok(Received::default());
            }
            if !peek {
                own.pass_mark();
            }
            // More than there is now.
            cx.wait(|waiter| own.readers.enrol(waiter))
        })
    }

    /// Receives the urgent byte by itself; with `peek`, it stays to be received again. Answers 0 where nothing more comes.
    ///
    /// # Errors
    /// EINVAL when there is none, it has been received, or is received in line; what the sink says.
    pub fn receive_urgent(&self, sink: &mut dyn Sink, peek: bool) -> Attempt<Received> {
        self.with(|own, _| {
            let urgent = own.urgent.filter(|urgent| !urgent.received && !own.in_line);
            let Some(urgent) = urgent else {
                return Err(Errno::EINVAL.into());
            };
            let count = own.inbox.copy_behind(urgent.before, sink, 1, true)?;
            if !peek {
                own.urgent = Some(Urgent {
                    received: true,
                    ..urgent
                });
            }
            Ok(Received { count, length: 1 })
        })
    }

    /// How many bytes that were urgent have come.
    pub fn urgents(&self) -> u64 {
        self.with(|own, _| own.urgents)
    }

    /// Whether the next byte is the urgent one (SIOCATMARK).
    #[must_use]
    pub fn is_at_mark(&self) -> bool {
        self.with(|own, _| own.urgent.is_some_and(|urgent| urgent.before == 0))
    }

    /// Says of how many bytes a segment is.
    pub(crate) fn set_segment(&self, bytes: i32) {
        self.connection.segment.store(bytes, Ordering::Relaxed);
    }

    /// Bytes of a segment.
    pub(crate) fn segment(&self) -> i32 {
        self.connection.segment.load(Ordering::Relaxed)
    }

    /// Says whether the urgent byte is received as others are.
    pub(crate) fn set_in_line(&self, in_line: bool) {
        self.with(|own, _| {
            own.in_line = in_line;
            own.readers.wake_all();
        });
    }

    /// What of `wanted` it is ready for, as [`vfs::FileOperations::poll`].
    pub fn poll(&self, wanted: PollEvents, waiter: Option<&Waiter>) -> PollEvents {
        self.with(|own, peer| {
            let all = own.ready(peer);
            own.starved |= wanted.wants_room() && !all.intersects(PollEvents::OUT);
            let ready = all & (wanted | PollEvents::ALWAYS);
            ready.or_enrol_for(wanted, waiter, &own.readers, &own.writers)
        })
    }

    /// Its state as `/proc/net/tcp` has it.
    pub(crate) fn number(&self) -> u8 {
        self.with(|own, _| own.number())
    }

    /// Bytes that can be received, up to the urgent one.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.with(|own, _| own.before_mark().unwrap_or(own.inbox.len()))
    }

    /// Bytes that the peer has not received (SIOCOUTQ).
    #[must_use]
    pub fn unreceived(&self) -> usize {
        self.with(|_, peer| peer.inbox.len())
    }

    /// Closes directions of this end (`man 2 shutdown`). The peer learns that nothing more comes, and does not learn that
    /// nothing more is received.
    ///
    /// # Errors
    /// ENOTCONN when it is not connected.
    pub fn shut_down(&self, directions: Directions) -> Result<(), Errno> {
        self.with(|own, peer| {
            if own.stage != Stage::Established {
                return Err(Errno::ENOTCONN);
            }
            own.shut |= directions;
            if directions.contains(Directions::SEND) {
                peer.ended = true;
                peer.wake_all();
            }
            own.wake_all();
            Ok(())
        })
    }

    /// The pending error, which is told once (SO_ERROR).
    #[must_use]
    pub fn take_error(&self) -> Option<Errno> {
        self.with(|own, _| own.error.take())
    }

    /// Changes the sizes of the buffers.
    pub(crate) fn set_buffers(&self, buffers: Buffers) {
        self.with(|own, peer| {
            (own.send_buffer, own.receive_buffer) = (buffers.send, buffers.receive);
            own.least = buffers.least;
            own.readers.wake_all();
            own.writers.wake_all();
            peer.writers.wake_all();
        });
    }

    /// Closes this end. With `abort`, or when something has not been received, the peer gets a RST, otherwise a FIN.
    pub(crate) fn close(&self, abort: bool) {
        // Dropped without the lock.
        let _unread = self.with(|own, peer| {
            let unread = !own.inbox.is_empty();
            let alive = own.stage == Stage::Established;
            own.closed = true;
            own.wake_all();
            if alive && (abort || unread) {
                if peer.stage == Stage::Established {
                    self.count(Counted::Reset);
                }
                peer.reset();
            } else if alive {
                peer.ended = true;
                peer.wake_all();
            }
            own.stage = Stage::Dead;
            own.urgent = None;
            core::mem::take(&mut own.inbox)
        });
    }

    /// Says whose socket this end is.
    pub(crate) fn introduce(&self, identity: Identity) {
        self.with(|own, _| own.identity = identity);
    }
}
