//! Sockets of TCP (`man 7 tcp`): before they are connected, those that listen, and their connections.

use crate::address::{self, Domain, Local};
use crate::connection::{Buffers, Connection, End, Identity};
use crate::counts::Counted;
use crate::options::{Kind, Options, Value};
use crate::ports::{Claim, Sharing, UNPRIVILEGED};
use crate::stack::{Line, Stack};
use abi::Errno;
use abi::linux::{FIONREAD, SIOCATMARK, SIOCOUTQ, TcpInfo};
use alloc::collections::VecDeque;
use alloc::sync::Arc;
use core::net::SocketAddr;
use fallible::{NoMemory, This};
use ipc::{Directions, Received, Timeouts};
use security::Privileges;
use spin::Once;
use sync::{Rank, SpinLock};
use vfs::{FileOperations, IoContext, IoctlArgument, Metadata};
use wait::{Attempt, PollEvents, Sink, Source, Stop, WaitQueue, Waiter};

/// A socket of TCP.
pub struct TcpSocket {
    this: This<TcpSocket>,
    stack: Arc<Stack>,
    domain: Domain,
    state: SpinLock<State>,
    /// Its end of a connection, once there is one.
    end: Once<End>,
    /// Those that wait for a connection, or for readiness.
    readers: WaitQueue,
    timeouts: Timeouts,
    metadata: Metadata,
}

struct State {
    options: Options,
    /// What it is bound to, by a claim of its own.
    local: Option<Local>,
    backlog: Option<Backlog>,
    /// Whether a thread is about to connect it.
    connecting: bool,
    /// What a connection has failed with that nobody waited for, until it is told.
    error: Option<Errno>,
    /// Whether that has happened, and `connect` has not told it.
    failed: bool,
    /// Whether a connection has come about, or will, of which `connect` has said that it is in progress.
    unreported: bool,
    open: usize,
    uid: u32,
}

/// Connections of a socket that listens.
struct Backlog {
    /// Those that can be accepted.
    waiting: VecDeque<End>,
    /// Those for which there was no room, in the order in which they came.
    asked: VecDeque<End>,
    /// There is room while no more than this wait.
    limit: usize,
}

impl TcpSocket {
    /// Most connections that wait to be accepted (`/proc/sys/net/core/somaxconn`).
    pub const BACKLOG_MAX: usize = 4096;

    /// A socket that is not connected; `metadata` is what `fstat` tells.
    ///
    /// # Errors
    /// [`NoMemory`].
    pub fn new(
        stack: Arc<Stack>,
        domain: Domain,
        metadata: Metadata,
    ) -> Result<Arc<Self>, NoMemory> {
        Self::with(stack, domain, metadata, Options::new(true))
    }

    fn with(
        stack: Arc<Stack>,
        domain: Domain,
        metadata: Metadata,
        options: Options,
    ) -> Result<Arc<Self>, NoMemory> {
        let state = State {
            options,
            local: None,
            backlog: None,
            connecting: false,
            error: None,
            failed: false,
            unreported: false,
            open: 0,
            uid: metadata.uid,
        };
        let socket = Self {
            this: This::new(),
            stack,
            domain,
            state: SpinLock::new(Rank::Stream, state),
            end: Once::new(),
            readers: WaitQueue::new(),
            timeouts: Timeouts::default(),
            metadata,
        };
        fallible::arc_with_this(socket, |socket| &socket.this)
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

    /// Its end of a connection, or of what is to become one.
    #[must_use]
    pub fn end(&self) -> Option<&End> {
        self.end.get()
    }

    /// Whether it listens.
    #[must_use]
    pub fn listens(&self) -> bool {
        self.state.lock().backlog.is_some()
    }

    /// Its address (`man 2 getsockname`).
    #[must_use]
    pub fn local(&self) -> SocketAddr {
        if let Some(end) = self.end.get() {
            let [own, _] = end.addresses();
            return own;
        }
        let local = self.state.lock().local;
        local.map_or(SocketAddr::new(self.domain.any(), 0), |local| {
            local.endpoint
        })
    }

    /// The address of its peer (`man 2 getpeername`).
    ///
    /// # Errors
    /// ENOTCONN.
    pub fn peer(&self) -> Result<SocketAddr, Errno> {
        let end = self.end.get().filter(|end| end.is_connected());
        let [_, peer] = end.ok_or(Errno::ENOTCONN)?.addresses();
        Ok(peer)
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
        let low = (1..UNPRIVILEGED).contains(&to.port());
        if low && !privileges.contains(Privileges::PORTS) {
            return Err(Errno::EACCES);
        }
        let (only_v6, sharing) = {
            let state = self.state.lock();
            if state.local.is_some() || state.connecting || self.end.get().is_some() {
                return Err(Errno::EINVAL);
            }
            if self.domain == Domain::V6 && state.options.only_v6 && address.is_ipv4() {
                return Err(Errno::EINVAL);
            }
            (state.options.only_v6, state.sharing())
        };
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
        let port = self.stack.tcp.lock().ports.claim(claim)?;
        local.endpoint.set_port(port);
        let mut state = self.state.lock();
        if state.local.is_some() || state.connecting {
            // Another thread was faster.
            drop(state);
            self.stack.tcp.lock().ports.release(port, &self.this.weak());
            return Err(Errno::EINVAL);
        }
        state.local = Some(local);
        Ok(())
    }

    /// Lets others connect, at most `backlog` and one before they are accepted (`man 2 listen`).
    ///
    /// # Errors
    /// EINVAL when it is connected; EADDRINUSE when another listens at its address.
    pub fn listen(&self, backlog: usize) -> Result<(), Errno> {
        if self.end.get().is_some() {
            return Err(Errno::EINVAL);
        }
        let bound = self.state.lock().local;
        let local = match bound {
            Some(local) => local,
            None => {
                let any = SocketAddr::new(self.domain.any(), 0);
                self.bind(any, Privileges::empty())?;
                self.state.lock().local.ok_or(Errno::EINVAL)?
            }
        };
        let port = local.endpoint.port();
        self.stack
            .tcp
            .lock()
            .ports
            .listen(port, &self.this.weak())?;
        let limit = backlog.min(Self::BACKLOG_MAX);
        let mut state = self.state.lock();
        match &mut state.backlog {
            Some(present) => present.limit = limit,
            None => {
                state.backlog = Some(Backlog {
                    waiting: VecDeque::new(),
                    asked: VecDeque::new(),
                    limit,
                });
                self.readers.wake_all();
            }
        }
        drop(state);
        self.admit();
        Ok(())
    }

    /// Lets those in who wait for room in the backlog.
    fn admit(&self) {
        loop {
            let end = {
                let mut state = self.state.lock();
                let Some(backlog) = &mut state.backlog else {
                    return;
                };
                if backlog.waiting.len() > backlog.limit {
                    return;
                }
                let Some(end) = backlog.asked.pop_front() else {
                    return;
                };
                // There is room for it since it asked.
                backlog.waiting.push_back(end.clone());
                self.readers.wake_all();
                end
            };
            end.establish();
        }
    }

    /// Connects (`man 2 connect`).
    ///
    /// # Errors
    /// EISCONN; EINPROGRESS and later EALREADY for one that does not wait; ECONNREFUSED; ENETUNREACH, EADDRNOTAVAIL, ENOMEM;
    /// ECONNABORTED when a connection has failed and that was told already.
    pub fn connect(&self, cx: &IoContext<'_>, to: SocketAddr) -> Attempt<()> {
        if let Some(end) = self.end.get() {
            return self.connect_again(cx, end);
        }
        let (local, options, uid) = {
            let mut state = self.state.lock();
            if state.backlog.is_some() {
                return Err(Errno::EISCONN.into());
            }
            if state.failed {
                state.failed = false;
                return Err(state.error.take().unwrap_or(Errno::ECONNABORTED).into());
            }
            if state.connecting {
                return Err(Errno::EALREADY.into());
            }
            state.connecting = true;
            (state.local, state.options.clone(), state.uid)
        };
        let made = self.open_connection(to, local, &options);
        let mut state = self.state.lock();
        state.connecting = false;
        state.uid = uid;
        let errno = match made {
            Ok(end) => {
                let asked = end.is_asked();
                self.end.call_once(|| end);
                // Whoever waits for readiness waits with the connection from now on.
                self.readers.wake_all();
                state.unreported = asked || cx.nonblocking;
                drop(state);
                return match self.end.get() {
                    Some(_) if cx.nonblocking => Err(Errno::EINPROGRESS.into()),
                    Some(end) if asked => self.connect_again(cx, end),
                    _ => Ok(()),
                };
            }
            Err(errno) => errno,
        };
        if errno == Errno::ECONNREFUSED && cx.nonblocking {
            // The answer comes later on a wire.
            (state.error, state.failed) = (Some(errno), true);
            self.readers.wake_all();
            return Err(Errno::EINPROGRESS.into());
        }
        Err(errno.into())
    }

    /// What `connect` says of a connection that there is, or that is to be.
    fn connect_again(&self, cx: &IoContext<'_>, end: &End) -> Attempt<()> {
        if !self.state.lock().unreported {
            return Err(Errno::EISCONN.into());
        }
        let answer = end.await_established(cx);
        if matches!(answer, Ok(()) | Err(Stop::Error(_))) && answer != Err(Errno::EALREADY.into()) {
            self.state.lock().unreported = false;
        }
        answer
    }

    /// Makes a connection and hands its other end to who listens.
    fn open_connection(
        &self,
        to: SocketAddr,
        local: Option<Local>,
        options: &Options,
    ) -> Result<End, Errno> {
        let to = address::destination(self.domain, options.only_v6, to)?;
        let mut from = local.map_or(SocketAddr::new(to.ip(), 0), |local| local.endpoint);
        if from.ip().is_unspecified() || local.is_none() {
            from.set_ip(address::source_for(to.ip()));
        }
        if from.is_ipv4() != to.is_ipv4() {
            return Err(Errno::ENETUNREACH);
        }
        self.stack.count(Counted::Connecting);
        let Some(listener) = self.listener_at(to) else {
            self.stack.count(Counted::Refused);
            return Err(Errno::ECONNREFUSED);
        };
        let chosen = local.is_none();
        if chosen {
            from.set_port(self.stack.tcp.lock().ports.choose()?);
        }
        let (buffers, shared, segment) = {
            let state = listener.state.lock();
            let theirs = &state.options;
            let segment = options.segment_with(theirs.segment());
            (theirs.buffers, theirs.reuse_address, segment)
        };
        let both = [options.buffers, buffers];
        let made = Connection::pair(&self.stack, [from, to], both, [chosen, shared]);
        let [own, other] = made.inspect_err(|_| {
            if chosen {
                self.stack.tcp.lock().ports.give_back(from.port());
            }
        })?;
        own.introduce(self.identity());
        own.set_in_line(options.urgent_inline);
        own.set_segment(segment);
        listener.receive_connection(other)?;
        Ok(own)
    }

    fn listener_at(&self, to: SocketAddr) -> Option<Arc<TcpSocket>> {
        let turn = self.stack.next_turn();
        let found = {
            let tcp = self.stack.tcp.lock();
            let listening = |claim: &Claim<Self>| claim.listens.then_some(0);
            tcp.ports.find(to.ip(), to.port(), turn, listening)
        };
        found.and_then(|socket| socket.upgrade())
    }

    /// Takes a connection into the backlog, or notes it when that is full.
    fn receive_connection(&self, end: End) -> Result<(), Errno> {
        let mut state = self.state.lock();
        let backlog = state.backlog.as_mut().ok_or(Errno::ECONNREFUSED)?;
        // One that asks may be let in when nothing may fail.
        let (waiting, asked) = (backlog.waiting.len(), backlog.asked.len());
        backlog
            .waiting
            .try_reserve(asked + 1)
            .map_err(|_| Errno::ENOMEM)?;
        if waiting > backlog.limit {
            backlog.asked.try_reserve(1).map_err(|_| Errno::ENOMEM)?;
            backlog.asked.push_back(end);
            return Ok(());
        }
        backlog.waiting.push_back(end.clone());
        self.readers.wake_all();
        drop(state);
        end.establish();
        Ok(())
    }

    /// Takes the first connection that waits (`man 2 accept`); `metadata` is what `fstat` will tell of the socket.
    ///
    /// # Errors
    /// EINVAL when it does not listen; EAGAIN.
    pub fn accept(&self, cx: &IoContext<'_>, metadata: Metadata) -> Attempt<Arc<TcpSocket>> {
        let (end, options) = {
            let mut state = self.state.lock();
            let options = state.options.clone();
            let Some(backlog) = &mut state.backlog else {
                return Err(Errno::EINVAL.into());
            };
            match backlog.waiting.pop_front() {
                Some(end) => (end, options),
                None => return cx.wait(|waiter| self.readers.enrol(waiter)),
            }
        };
        self.admit();
        end.set_buffers(options.buffers);
        end.set_in_line(options.urgent_inline);
        let socket = Self::with(self.stack.clone(), self.domain, metadata, options)?;
        socket.timeouts.copy_from(&self.timeouts);
        end.introduce(socket.identity());
        socket.end.call_once(|| end);
        Ok(socket)
    }

    /// Sends bytes (`man 2 send`); with `urgent`, the last of them is.
    ///
    /// # Errors
    /// EPIPE when it is not connected; those of a connection.
    pub fn send(
        &self,
        cx: &IoContext<'_>,
        source: &mut dyn Source,
        urgent: bool,
    ) -> Attempt<usize> {
        match self.end.get() {
            Some(end) => end.send(cx, source, urgent),
            None => Err(self.take_error().unwrap_or(Errno::EPIPE).into()),
        }
    }

    /// Receives bytes (`man 2 recv`).
    ///
    /// # Errors
    /// ENOTCONN when it is not connected; those of a connection.
    pub fn receive(
        &self,
        cx: &IoContext<'_>,
        sink: &mut dyn Sink,
        peek: bool,
    ) -> Attempt<Received> {
        match self.end.get() {
            Some(end) => end.receive(cx, sink, peek),
            None => Err(self.take_error().unwrap_or(Errno::ENOTCONN).into()),
        }
    }

    /// Receives the urgent byte (`man 2 recv`, MSG_OOB).
    ///
    /// # Errors
    /// ENOTCONN when it is not connected; those of a connection.
    pub fn receive_urgent(&self, sink: &mut dyn Sink, peek: bool) -> Attempt<Received> {
        let end = self.end.get().ok_or(Errno::ENOTCONN)?;
        end.receive_urgent(sink, peek)
    }

    /// Closes directions (`man 2 shutdown`). A socket that listens does so no more when it is not to receive.
    ///
    /// # Errors
    /// ENOTCONN.
    pub fn shut_down(&self, directions: Directions) -> Result<(), Errno> {
        if let Some(end) = self.end.get() {
            return end.shut_down(directions);
        }
        if !self.listens() {
            return Err(Errno::ENOTCONN);
        }
        if directions.contains(Directions::RECEIVE) {
            self.stop_listening();
        }
        Ok(())
    }

    /// Sends those away who wait in the backlog.
    fn stop_listening(&self) {
        let (backlog, local) = {
            let mut state = self.state.lock();
            self.readers.wake_all();
            (state.backlog.take(), state.local)
        };
        if let Some(local) = local {
            let port = local.endpoint.port();
            let mut tcp = self.stack.tcp.lock();
            tcp.ports
                .change(port, &self.this.weak(), |claim| claim.listens = false);
        }
        let Some(backlog) = backlog else { return };
        backlog.waiting.iter().for_each(|end| end.close(true));
        backlog.asked.iter().for_each(End::refuse);
    }

    /// Takes back an association (`man 2 connect`, AF_UNSPEC): ends a connection by a reset, or listening. A socket that
    /// has been connected stays without a connection.
    pub fn disconnect(&self) {
        match self.end.get() {
            Some(end) => {
                self.forget_asked(end);
                end.close(true);
            }
            None => self.stop_listening(),
        }
    }

    /// Takes a connection that has not come about from where it waits.
    fn forget_asked(&self, end: &End) {
        if !end.is_asked() {
            return;
        }
        let [_, to] = end.addresses();
        let Some(listener) = self.listener_at(to) else {
            return;
        };
        let mut found = None;
        {
            let mut state = listener.state.lock();
            if let Some(backlog) = &mut state.backlog {
                let place = backlog.asked.iter().position(|other| other.is_of(end));
                found = place.and_then(|place| backlog.asked.remove(place));
            }
        }
        drop(found);
    }

    /// The pending error, which is told once (SO_ERROR).
    #[must_use]
    pub fn take_error(&self) -> Option<Errno> {
        match self.end.get() {
            Some(end) => end.take_error(),
            None => self.state.lock().error.take(),
        }
    }

    fn kind(&self, state: &State) -> Kind {
        Kind {
            domain: self.domain,
            is_tcp: true,
            bound: state.local.is_some() || self.end.get().is_some(),
            connected: self.end.get().is_some(),
            segment: self.end.get().map_or(0, End::segment),
        }
    }

    /// What is known of the connection (TCP_INFO). Times and windows are those of an interface that delays and loses nothing.
    #[must_use]
    pub fn info(&self) -> TcpInfo {
        const CLOSE: u8 = 7;
        const LISTEN: u8 = 10;
        let state = match self.end.get() {
            Some(end) => end.number(),
            None if self.listens() => LISTEN,
            None => CLOSE,
        };
        let receive = u32::try_from(self.buffers().receive).unwrap_or(u32::MAX);
        let segment = self.end.get().map_or(crate::options::SEGMENT, End::segment);
        let segment = segment.cast_unsigned();
        TcpInfo {
            state,
            rto: 201_000,
            ato: 40_000,
            snd_mss: segment,
            rcv_mss: segment,
            pmtu: crate::interface::MTU,
            rcv_ssthresh: receive,
            snd_ssthresh: i32::MAX.cast_unsigned(),
            snd_cwnd: 10,
            advmss: segment,
            reordering: 3,
            rcv_space: receive,
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
        let (local, sharing, buffers, in_line) = {
            let mut state = self.state.lock();
            let kind = self.kind(&state);
            state.options.set(kind, level, option, value)?;
            let Options {
                buffers,
                urgent_inline,
                ..
            } = state.options;
            (state.local, state.sharing(), buffers, urgent_inline)
        };
        if let Some(local) = local {
            let port = local.endpoint.port();
            let mut tcp = self.stack.tcp.lock();
            tcp.ports
                .change(port, &self.this.weak(), |claim| claim.sharing = sharing);
        }
        if let Some(end) = self.end.get() {
            end.set_buffers(buffers);
            end.set_in_line(in_line);
        }
        Ok(())
    }

    fn identity(&self) -> Identity {
        Identity {
            uid: self.metadata.uid,
            inode: self.metadata.id.number,
            is_v6: self.domain == Domain::V6,
        }
    }

    /// What `/proc/net/tcp` tells of a socket that listens.
    pub(crate) fn line(&self) -> Option<Line> {
        const LISTEN: u8 = 10;
        let state = self.state.lock();
        let local = state.local?.endpoint;
        let backlog = state.backlog.as_ref()?;
        Some(Line {
            local,
            remote: SocketAddr::new(self.domain.any(), 0),
            state: LISTEN,
            unsent: 0,
            unread: backlog.waiting.len(),
            backlog: backlog.limit,
            identity: self.identity(),
        })
    }

    /// Bytes of the buffers.
    #[must_use]
    pub fn buffers(&self) -> Buffers {
        self.state.lock().options.buffers
    }
}

impl State {
    fn sharing(&self) -> Sharing {
        Sharing {
            address: self.options.reuse_address,
            port: self.options.reuse_port,
            uid: self.uid,
        }
    }
}

impl FileOperations for TcpSocket {
    fn read(&self, cx: &IoContext<'_>, _position: u64, sink: &mut dyn Sink) -> Attempt<usize> {
        self.receive(cx, sink, false).map(|received| received.count)
    }

    fn write(&self, cx: &IoContext<'_>, _position: u64, source: &mut dyn Source) -> Attempt<usize> {
        self.send(cx, source, false)
    }

    fn poll(&self, wanted: PollEvents, waiter: Option<&Waiter>) -> PollEvents {
        if let Some(end) = self.end.get() {
            return end.poll(wanted, waiter);
        }
        let state = self.state.lock();
        if let Some(end) = self.end.get() {
            drop(state);
            return end.poll(wanted, waiter);
        }
        let mut ready = match &state.backlog {
            Some(backlog) if backlog.waiting.is_empty() => PollEvents::empty(),
            Some(_) => PollEvents::READABLE,
            None => PollEvents::WRITABLE | PollEvents::HUP,
        };
        if state.failed {
            ready |= PollEvents::READABLE | PollEvents::RDHUP;
        }
        ready.set(PollEvents::ERR, state.error.is_some());
        let ready = ready & (wanted | PollEvents::ALWAYS);
        ready.or_enrol(waiter, &self.readers)
    }

    /// FIONREAD: bytes that can be received. SIOCOUTQ: bytes that the peer has not received. SIOCATMARK: 1 when the next
    /// byte is urgent.
    fn ioctl(
        &self,
        _cx: &IoContext<'_>,
        request: u32,
        argument: &mut dyn IoctlArgument,
    ) -> Attempt<i64> {
        let end = self.end.get();
        let length = match request {
            FIONREAD if self.listens() => return Err(Errno::EINVAL.into()),
            FIONREAD => end.map_or(0, End::waiting),
            SIOCOUTQ => end.map_or(0, End::unreceived),
            SIOCATMARK => usize::from(end.is_some_and(End::is_at_mark)),
            _ => return Err(Errno::ENOTTY.into()),
        };
        argument.put_length(length)
    }

    fn metadata(&self) -> Option<Metadata> {
        Some(self.metadata)
    }

    fn urgents(&self) -> Option<u64> {
        Some(self.end.get().map_or(0, End::urgents))
    }

    fn opened(&self) {
        self.state.lock().open += 1;
    }

    fn released(&self) {
        let (local, abort) = {
            let mut state = self.state.lock();
            state.open = state.open.saturating_sub(1);
            if state.open > 0 {
                return;
            }
            (state.local, state.options.linger == Some(0))
        };
        self.stop_listening();
        if let Some(end) = self.end.get() {
            self.forget_asked(end);
            end.close(abort);
        }
        if let Some(local) = local {
            let port = local.endpoint.port();
            self.stack.tcp.lock().ports.release(port, &self.this.weak());
        }
    }
}

#[cfg(test)]
mod tests;
