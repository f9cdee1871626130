//! Sockets of UDP (`man 7 udp`).

mod returned;

pub use returned::Return;

use crate::address::{self, Domain, Local};
use crate::connection::Identity;
use crate::counts::Counted;
use crate::echo;
use crate::options::{Kind, Options, Stamping, Told, Value, Way};
use crate::ports::{Claim, Ports, Sharing, UNPRIVILEGED};
use crate::stack::{Line, Stack};
use abi::linux::{FIONREAD, SIOCOUTQ};
use abi::{Errno, Nanos, PAGE_SIZE};
use alloc::collections::VecDeque;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::net::{IpAddr, SocketAddr};
use fallible::{NoMemory, This};
use ipc::{Buffer, Directions, Received, Timeouts};
use returned::Returned;
use security::Privileges;
use sync::{Rank, SpinLock};
use vfs::{FileOperations, IoContext, IoctlArgument, Metadata};
use wait::{Attempt, PollEvents, Sink, SliceSource, Source, WaitQueue, Waiter};

/// What the datagrams of a socket are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Datagrams {
    /// Those of UDP.
    Udp,
    /// Requests of ICMP for an echo, and their answers; ports are identifiers (`man 7 icmp`).
    Echo,
}

/// A socket of datagrams.
pub struct UdpSocket {
    this: This<UdpSocket>,
    stack: Arc<Stack>,
    datagrams: Datagrams,
    domain: Domain,
    state: SpinLock<State>,
    /// Those that wait for a datagram, or for readiness.
    readers: WaitQueue,
    timeouts: Timeouts,
    metadata: Metadata,
}

struct State {
    options: Options,
    local: Option<Bound>,
    /// Where datagrams without an address go, and the only place that they come from.
    peer: Option<SocketAddr>,
    bytes: Buffer,
    datagrams: VecDeque<Datagram>,
    /// What they occupy of the buffer for receiving.
    used: usize,
    /// What the next operation fails with.
    error: Option<Errno>,
    /// What was sent and found nobody, for who wants it back (`man 7 ip`, IP_RECVERR), and when something was sent.
    returned: VecDeque<Returned>,
    /// How many datagrams have been lost for want of room.
    losses: u32,
    /// How many have been sent since they are numbered.
    sent: u32,
    shut: Directions,
    open: usize,
    closed: bool,
}

/// What a socket is bound to.
#[derive(Clone, Copy)]
struct Bound {
    local: Local,
    /// The address by `bind`, which stays when an association is taken back; `None` when the port was chosen.
    asked: Option<Local>,
}

struct Datagram {
    length: usize,
    from: SocketAddr,
    way: Way,
    /// When it came, if somebody wanted to know then.
    at: Option<Nanos>,
    /// How many had been lost before.
    losses: u32,
}

/// What is told of a datagram that was received.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Arrival {
    /// Its sender.
    pub from: SocketAddr,
    /// How it has come.
    pub way: Way,
    /// When, in nanoseconds of the wall clock: when it is received, if nobody wanted to know when it came. 0 if nobody does.
    pub at: Nanos,
    /// The port that it was sent to.
    pub port: u16,
    /// How many had been lost before.
    pub losses: u32,
    /// What of that is to be told.
    pub told: Told,
}

/// What a program says of one datagram that it sends (`man 7 ip`, IP_PKTINFO; `man 7 ipv6`, IPV6_PKTINFO).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Departure {
    /// The address that it comes from.
    pub from: Option<IpAddr>,
    /// Its time to live.
    pub time_to_live: Option<u8>,
    /// Its type of service.
    pub service: Option<u8>,
    /// Its mark.
    pub mark: Option<u32>,
    /// Bytes of the datagrams that it is cut into; 0: it is not.
    pub cut: Option<u16>,
    /// It is said when it is to go.
    pub is_timed: bool,
}

impl Departure {
    fn change(self, way: Way) -> Way {
        Way {
            time_to_live: self.time_to_live.unwrap_or(way.time_to_live),
            service: self.service.unwrap_or(way.service),
            mark: self.mark.unwrap_or(way.mark),
            ..way
        }
    }
}

/// What a datagram occupies of the buffer for receiving: as much as on Linux, where programs have counted how many fit. Its
/// headers and the record behind its bytes are with it in a block of a power of two, or what is long in whole pages; the
/// record that names it comes to that.
fn cost(length: usize) -> usize {
    const HEADERS: usize = 64;
    const SHARED: usize = 320;
    const RECORD: usize = 256;
    const LONGEST_BLOCK: usize = 4096;
    let block = length + HEADERS + SHARED;
    if block <= LONGEST_BLOCK {
        return block.next_power_of_two() + RECORD;
    }
    let around = (HEADERS + SHARED).next_power_of_two() + RECORD;
    length.next_multiple_of(PAGE_SIZE) + around
}

impl UdpSocket {
    /// Most bytes of a datagram (RFC 768, RFC 791).
    pub const DATAGRAM_MAX: usize = 65_507;
    /// Most datagrams that one is cut into.
    const PIECES: usize = 64;

    /// A socket without address and peer; `metadata` is what `fstat` tells.
    ///
    /// # Errors
    /// [`NoMemory`].
    pub fn new(
        stack: Arc<Stack>,
        datagrams: Datagrams,
        domain: Domain,
        metadata: Metadata,
    ) -> Result<Arc<Self>, NoMemory> {
        let state = State {
            options: Options::new(false),
            local: None,
            peer: None,
            bytes: Buffer::default(),
            datagrams: VecDeque::new(),
            used: 0,
            error: None,
            returned: VecDeque::new(),
            losses: 0,
            sent: 0,
            shut: Directions::empty(),
            open: 0,
            closed: false,
        };
        let socket = Self {
            this: This::new(),
            stack,
            datagrams,
            domain,
            state: SpinLock::new(Rank::Stream, state),
            readers: WaitQueue::new(),
            timeouts: Timeouts::default(),
            metadata,
        };
        fallible::arc_with_this(socket, |socket| &socket.this)
    }

    fn ports(&self) -> &SpinLock<Ports<UdpSocket>> {
        match self.datagrams {
            Datagrams::Udp => &self.stack.udp,
            Datagrams::Echo => &self.stack.echo,
        }
    }

    /// What its datagrams are.
    #[must_use]
    pub fn datagrams(&self) -> Datagrams {
        self.datagrams
    }

    /// Its family.
    #[must_use]
    pub fn domain(&self) -> Domain {
        self.domain
    }

    /// How long calls wait.
    #[must_use]
    pub fn timeouts(&self) -> &Timeouts {
        &self.timeouts
    }

    /// Its address (`man 2 getsockname`).
    #[must_use]
    pub fn local(&self) -> SocketAddr {
        let bound = self.state.lock().local;
        bound.map_or(SocketAddr::new(self.domain.any(), 0), |bound| {
            bound.local.endpoint
        })
    }

    /// The address of its peer (`man 2 getpeername`).
    ///
    /// # Errors
    /// ENOTCONN.
    pub fn peer(&self) -> Result<SocketAddr, Errno> {
        self.state.lock().peer.ok_or(Errno::ENOTCONN)
    }

    /// Binds it to an address (`man 2 bind`).
    ///
    /// # Errors
    /// EINVAL when it has one; EADDRNOTAVAIL for one that is not the partition's; EACCES for a low port; EADDRINUSE.
    pub fn bind(&self, to: SocketAddr, privileges: Privileges) -> Result<(), Errno> {
        let address = to.ip();
        if !address.is_unspecified() && !address::is_own(address) {
            return Err(Errno::EADDRNOTAVAIL);
        }
        let low = self.datagrams == Datagrams::Udp && (1..UNPRIVILEGED).contains(&to.port());
        if low && !privileges.contains(Privileges::PORTS) {
            return Err(Errno::EACCES);
        }
        if self.state.lock().local.is_some() {
            return Err(Errno::EINVAL);
        }
        if self.claim(to, to.port() != 0)? {
            Ok(())
        } else {
            Err(Errno::EINVAL)
        }
    }

    /// Claims an address, unless the socket has one: then the answer is `false`.
    fn claim(&self, to: SocketAddr, asked: bool) -> Result<bool, Errno> {
        let (only_v6, sharing) = {
            let state = self.state.lock();
            (state.options.only_v6, self.sharing(&state))
        };
        if self.domain == Domain::V6 && only_v6 && to.is_ipv4() {
            return Err(Errno::EINVAL);
        }
        let mut local = Local {
            endpoint: to,
            only_v6,
        };
        let claim = Claim {
            local,
            sharing,
            peer: None,
            listens: false,
            socket: self.this.weak(),
        };
        let port = self.ports().lock().claim(claim)?;
        local.endpoint.set_port(port);
        {
            let mut state = self.state.lock();
            if state.local.is_none() && !state.closed {
                let asked = asked.then_some(local);
                state.local = Some(Bound { local, asked });
                return Ok(true);
            }
        }
        // Another thread was faster.
        self.ports().lock().release(port, &self.this.weak());
        Ok(false)
    }

    /// Sees to it that it has a port.
    fn ensure_bound(&self) -> Result<Local, Errno> {
        let bound = self.state.lock().local;
        if let Some(bound) = bound {
            return Ok(bound.local);
        }
        let any = SocketAddr::new(self.domain.any(), 0);
        self.claim(any, false).map_err(|errno| match errno {
            Errno::EADDRINUSE => Errno::EAGAIN,
            other => other,
        })?;
        let bound = self.state.lock().local;
        bound.map(|bound| bound.local).ok_or(Errno::EBADF)
    }

    /// Sets where datagrams without an address go, and come from; `None` takes it back.
    ///
    /// # Errors
    /// ENETUNREACH, EAGAIN when no port is free, ENOMEM.
    pub fn connect(&self, to: Option<SocketAddr>) -> Result<(), Errno> {
        let Some(to) = to else {
            self.disconnect();
            return Ok(());
        };
        let only_v6 = self.state.lock().options.only_v6;
        let to = address::destination(self.domain, only_v6, to)?;
        let mut local = self.ensure_bound()?;
        if local.endpoint.ip().is_unspecified() {
            local.endpoint.set_ip(address::source_for(to.ip()));
        }
        if local.endpoint.is_ipv4() != to.is_ipv4() {
            return Err(Errno::ENETUNREACH);
        }
        {
            let mut state = self.state.lock();
            state.peer = Some(to);
            if let Some(bound) = &mut state.local {
                bound.local = local;
            }
        }
        self.publish(local, Some(to));
        Ok(())
    }

    fn publish(&self, local: Local, peer: Option<SocketAddr>) {
        let mut ports = self.ports().lock();
        ports.change(local.endpoint.port(), &self.this.weak(), |claim| {
            (claim.local, claim.peer) = (local, peer);
        });
    }

    /// Takes the peer back; a port that was chosen is given back too.
    fn disconnect(&self) {
        let bound = {
            let mut state = self.state.lock();
            state.peer = None;
            let bound = state.local;
            state.local = bound.and_then(|bound| {
                let local = bound.asked?;
                Some(Bound { local, ..bound })
            });
            bound
        };
        match bound {
            Some(Bound {
                asked: Some(local), ..
            }) => self.publish(local, None),
            Some(Bound { local, .. }) => {
                let port = local.endpoint.port();
                self.ports().lock().release(port, &self.this.weak());
            }
            None => {}
        }
    }

    /// Sends one datagram to an address, or to its peer. One that nobody has room for is lost.
    ///
    /// # Errors
    /// EDESTADDRREQ without either; EMSGSIZE, EPIPE, ENETUNREACH; EACCES for a broadcast that was not asked for; EINVAL for
    /// port 0, for an address of its own that is not the partition's, and for a time to go without SO_TXTIME; ECONNREFUSED,
    /// once, when the peer is not there; EAGAIN when no port is free, ENOMEM, what the source says.
    pub fn send(
        &self,
        to: Option<SocketAddr>,
        departure: Departure,
        source: &mut dyn Source,
    ) -> Attempt<usize> {
        let length = source.remaining();
        if length > Self::DATAGRAM_MAX {
            return Err(Errno::EMSGSIZE.into());
        }
        let (peer, only_v6, options) = {
            let mut state = self.state.lock();
            if let Some(errno) = state.error.take() {
                return Err(errno.into());
            }
            if state.shut.contains(Directions::SEND) {
                return Err(Errno::EPIPE.into());
            }
            if let Some(SocketAddr::V4(to)) = to
                && to.ip().is_broadcast()
                && !state.options.broadcast
            {
                return Err(Errno::EACCES.into());
            }
            let only_v6 = state.options.only_v6;
            (state.peer, only_v6, state.options.clone())
        };
        let to = match to {
            Some(to) if to.port() == 0 && self.datagrams == Datagrams::Udp => {
                return Err(Errno::EINVAL.into());
            }
            Some(to) => address::destination(self.domain, only_v6, to)?,
            None => peer.ok_or(Errno::EDESTADDRREQ)?,
        };
        let mut from = self.ensure_bound()?.endpoint;
        match departure.from {
            Some(address) if !address::is_own(address) => return Err(Errno::EINVAL.into()),
            Some(address) => from.set_ip(address),
            None if from.ip().is_unspecified() => from.set_ip(address::source_for(to.ip())),
            None => {}
        }
        if from.is_ipv4() != to.is_ipv4() {
            return Err(Errno::ENETUNREACH.into());
        }
        if departure.is_timed && options.departures.is_none() {
            return Err(Errno::EINVAL.into());
        }
        let way = departure.change(options.way(to.ip()));
        if self.datagrams == Datagrams::Echo {
            return self.echo(from, way, source);
        }
        let cut = usize::from(departure.cut.unwrap_or(options.cut));
        let delivered = match self.receiver(from, to) {
            Some(receiver) if (1..length).contains(&cut) => {
                receiver.deliver_cut(from, way, source, cut)?
            }
            Some(receiver) => receiver.deliver(from, way, source)?,
            None => false,
        };
        if options.stamping.contains(Stamping::SENT) {
            self.note_sent(to, options.stamping);
        }
        self.count(Counted::Sent, to);
        if delivered {
            return Ok(length);
        }
        self.count(Counted::Unclaimed, to);
        // Nobody is there: only who has a peer is told, or who wants to know of all that is lost.
        let queues = options.queues_errors(to.ip());
        if peer == Some(to) || queues {
            let mut bytes = Vec::new();
            if queues {
                bytes = fallible::filled(0, length)?;
                source.take(&mut bytes)?;
            }
            let mut state = self.state.lock();
            state.error = Some(Errno::ECONNREFUSED);
            if queues {
                let why = Return::Lost;
                state.give_back(Returned { to, bytes, why });
            }
            self.readers.wake_all();
        }
        Ok(length)
    }

    /// Sends a request for an echo: the answer is there at once.
    ///
    /// # Errors
    /// EINVAL for another message, and to an address of the other family; ENOMEM, what the source says.
    fn echo(&self, from: SocketAddr, way: Way, source: &mut dyn Source) -> Attempt<usize> {
        let to = SocketAddr::new(way.to, 0);
        if to.is_ipv4() != (self.domain == Domain::V4) {
            return Err(Errno::EINVAL.into());
        }
        let length = source.remaining();
        let mut message = fallible::filled(0, length)?;
        source.take(&mut message)?;
        echo::answer(self.domain, &mut message, from.port(), [from, to])?;
        let answer = Way {
            to: from.ip(),
            ..way
        };
        self.deliver(to, answer, &mut SliceSource::new(&message))?;
        self.stack.count(Counted::Echo.of_six(to.is_ipv6()));
        Ok(length)
    }

    fn count(&self, what: Counted, of: SocketAddr) {
        if self.datagrams == Datagrams::Udp {
            self.stack.count(what.of_six(of.is_ipv6()));
        }
    }

    fn receiver(&self, from: SocketAddr, to: SocketAddr) -> Option<Arc<Self>> {
        let turn = self.stack.next_turn();
        let found = self
            .ports()
            .lock()
            .find(to.ip(), to.port(), turn, |claim| match claim.peer {
                None => Some(0),
                Some(peer) => (peer == from).then_some(4),
            });
        found.and_then(|socket| socket.upgrade())
    }

    /// Takes a datagram that is cut into ones of `cut` bytes (UDP_SEGMENT), as [`deliver`](Self::deliver).
    fn deliver_cut(
        &self,
        from: SocketAddr,
        way: Way,
        source: &mut dyn Source,
        cut: usize,
    ) -> Attempt<bool> {
        let length = source.remaining();
        if length.div_ceil(cut) > Self::PIECES {
            return Err(Errno::EINVAL.into());
        }
        // All bytes first: nothing stops in the middle then.
        let mut bytes = fallible::filled(0, length)?;
        source.take(&mut bytes)?;
        for piece in bytes.chunks(cut) {
            if !self.deliver(from, way, &mut SliceSource::new(piece))? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Takes a datagram into the inbox; `false` when nobody has the socket any more.
    fn deliver(&self, from: SocketAddr, way: Way, source: &mut dyn Source) -> Attempt<bool> {
        let length = source.remaining();
        let mut state = self.state.lock();
        if state.closed {
            return Ok(false);
        }
        // The last one may go beyond the limit, as on Linux.
        if state.used > state.options.buffers.receive || state.shut.contains(Directions::RECEIVE) {
            // As a network drops it.
            state.losses = state.losses.wrapping_add(1);
            self.count(Counted::Lost, from);
            return Ok(true);
        }
        let State {
            bytes,
            datagrams,
            options,
            losses,
            used,
            ..
        } = &mut *state;
        datagrams.try_reserve(1).map_err(|_| Errno::ENOMEM)?;
        let length = bytes.write(source, length, true)?;
        let stamped = options.told.intersects(Told::STAMPS);
        let at = stamped.then(|| (self.stack.clock)());
        datagrams.push_back(Datagram {
            length,
            from,
            way,
            at,
            losses: *losses,
        });
        *used += cost(length);
        self.stack.carried(length);
        self.readers.wake_all();
        Ok(true)
    }

    /// Receives one datagram, and what is told of it.
    ///
    /// # Errors
    /// ECONNREFUSED, once, when what was sent has found nobody; EAGAIN, what the sink says.
    pub fn receive(
        &self,
        cx: &IoContext<'_>,
        sink: &mut dyn Sink,
        peek: bool,
    ) -> Attempt<(Received, Option<Arrival>)> {
        let mut state = self.state.lock();
        if let Some(errno) = state.error.take() {
            return Err(errno.into());
        }
        let Some(&Datagram {
            length,
            from,
            way,
            at,
            losses,
        }) = state.datagrams.front()
        else {
            if state.shut.contains(Directions::RECEIVE) && !cx.nonblocking {
                return Ok((Received::default(), None));
            }
            return cx.wait(|waiter| self.readers.enrol(waiter));
        };
        let count = state.bytes.copy(sink, length, true)?;
        if !peek {
            state.bytes.discard(length);
            state.datagrams.pop_front();
            state.used -= cost(length);
            self.count(Counted::Received, from);
        }
        let told = state.options.told;
        let wanted = told.intersects(Told::STAMPS);
        let at = at.filter(|_| wanted);
        let at = at.or_else(|| wanted.then(|| (self.stack.clock)()));
        let arrival = Arrival {
            from,
            way,
            at: at.unwrap_or_default(),
            port: state.local.map_or(0, |bound| bound.local.endpoint.port()),
            losses,
            told,
        };
        Ok((Received { count, length }, Some(arrival)))
    }

    /// Closes directions (`man 2 shutdown`): those of a socket without a peer too, which is an error all the same.
    ///
    /// # Errors
    /// ENOTCONN without a peer.
    pub fn shut_down(&self, directions: Directions) -> Result<(), Errno> {
        let mut state = self.state.lock();
        state.shut |= directions;
        self.readers.wake_all();
        state.peer.map(drop).ok_or(Errno::ENOTCONN)
    }

    /// The pending error, which is told once (SO_ERROR).
    #[must_use]
    pub fn take_error(&self) -> Option<Errno> {
        self.state.lock().error.take()
    }

    fn sharing(&self, state: &State) -> Sharing {
        Sharing {
            address: state.options.reuse_address,
            port: state.options.reuse_port,
            uid: self.metadata.uid,
        }
    }

    fn kind(&self, state: &State) -> Kind {
        Kind {
            domain: self.domain,
            is_tcp: false,
            bound: state.local.is_some(),
            connected: state.peer.is_some(),
            segment: 0,
        }
    }

    /// What an option is set to.
    ///
    /// # Errors
    /// ENOPROTOOPT, EOPNOTSUPP.
    pub fn option(&self, level: u32, option: u32) -> Result<Value, Errno> {
        let state = self.state.lock();
        state.options.get(self.kind(&state), level, option)
    }

    /// Sets an option.
    ///
    /// # Errors
    /// ENOPROTOOPT, EINVAL.
    pub fn set_option(&self, level: u32, option: u32, value: Value) -> Result<(), Errno> {
        let (bound, sharing) = {
            let mut state = self.state.lock();
            let kind = self.kind(&state);
            state.options.set(kind, level, option, value)?;
            (state.local, self.sharing(&state))
        };
        if let Some(bound) = bound {
            let port = bound.local.endpoint.port();
            let mut ports = self.ports().lock();
            ports.change(port, &self.this.weak(), |claim| claim.sharing = sharing);
        }
        Ok(())
    }

    /// What `/proc/net/udp` tells of it.
    pub(crate) fn line(&self) -> Option<Line> {
        const CONNECTED: u8 = 1;
        const UNCONNECTED: u8 = 7;
        let unread = self.used();
        let state = self.state.lock();
        let local = state.local?.local.endpoint;
        let any = SocketAddr::new(self.domain.any(), 0);
        Some(Line {
            local,
            remote: state.peer.unwrap_or(any),
            state: match state.peer {
                Some(_) => CONNECTED,
                None => UNCONNECTED,
            },
            unsent: 0,
            unread,
            backlog: 0,
            identity: Identity {
                uid: self.metadata.uid,
                inode: self.metadata.id.number,
                is_v6: self.domain == Domain::V6,
            },
        })
    }

    /// Bytes that wait to be received, with what the datagrams cost.
    #[must_use]
    pub fn used(&self) -> usize {
        let state = self.state.lock();
        state.used
    }
}

impl FileOperations for UdpSocket {
    fn read(&self, cx: &IoContext<'_>, _position: u64, sink: &mut dyn Sink) -> Attempt<usize> {
        let (received, _) = self.receive(cx, sink, false)?;
        Ok(received.count)
    }

    fn write(
        &self,
        _cx: &IoContext<'_>,
        _position: u64,
        source: &mut dyn Source,
    ) -> Attempt<usize> {
        self.send(None, Departure::default(), source)
    }

    fn poll(&self, wanted: PollEvents, waiter: Option<&Waiter>) -> PollEvents {
        let state = self.state.lock();
        let ended = state.shut.contains(Directions::RECEIVE);
        let mut ready = PollEvents::WRITABLE | PollEvents::WRBAND;
        ready.set(PollEvents::READABLE, ended || !state.datagrams.is_empty());
        ready.set(PollEvents::RDHUP, ended);
        ready.set(PollEvents::HUP, state.shut.is_all());
        let failed = state.error.is_some() || !state.returned.is_empty();
        ready.set(PollEvents::ERR, failed);
        let ready = ready & (wanted | PollEvents::ALWAYS);
        ready.or_enrol(waiter, &self.readers)
    }

    fn moves_values(&self) -> bool {
        true
    }

    /// FIONREAD: bytes of the first datagram. SIOCOUTQ: none, for all have gone.
    fn ioctl(
        &self,
        _cx: &IoContext<'_>,
        request: u32,
        argument: &mut dyn IoctlArgument,
    ) -> Attempt<i64> {
        let length = match request {
            FIONREAD => {
                let state = self.state.lock();
                state.datagrams.front().map_or(0, |first| first.length)
            }
            SIOCOUTQ => 0,
            _ => return Err(Errno::ENOTTY.into()),
        };
        argument.put_length(length)
    }

    fn metadata(&self) -> Option<Metadata> {
        Some(self.metadata)
    }

    fn opened(&self) {
        self.state.lock().open += 1;
    }

    fn released(&self) {
        // What nobody will receive is dropped without the lock.
        let (bound, _gone) = {
            let mut state = self.state.lock();
            state.open = state.open.saturating_sub(1);
            if state.open > 0 {
                return;
            }
            state.closed = true;
            self.readers.wake_all();
            let gone = (
                core::mem::take(&mut state.bytes),
                core::mem::take(&mut state.datagrams),
                core::mem::take(&mut state.returned),
            );
            (state.local.take(), gone)
        };
        if let Some(bound) = bound {
            let port = bound.local.endpoint.port();
            self.ports().lock().release(port, &self.this.weak());
        }
    }
}

#[cfg(test)]
mod tests;
