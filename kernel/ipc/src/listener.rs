//! Sockets of connections before they are connected, those that listen, and names.

use crate::channel::{Channel, ChannelEnd, ChannelKind};
use crate::datagram::DatagramSocket;
use crate::flight::Node;
use crate::inbox::{Name, Sender};
use crate::timeouts::Timeouts;
use abi::Errno;
use alloc::collections::VecDeque;
use alloc::sync::{Arc, Weak};
use alloc::vec::Vec;
use fallible::{Map, NoMemory, This};
use spin::Once;
use sync::{Rank, SpinLock};
use vfs::{FileOperations, IoContext, Metadata, OpenFile};
use wait::{Attempt, PollEvents, Sink, Source, Stop, WaitQueue, Waiter};

/// A socket of a stream or of a sequence of records, as `socket` makes it.
pub struct StreamSocket {
    this: This<StreamSocket>,
    kind: ChannelKind,
    state: SpinLock<State>,
    /// Its end of a connection, once there is one.
    end: Once<Arc<ChannelEnd>>,
    /// Those that wait for a connection, or for readiness.
    readers: WaitQueue,
    /// Those that want to connect and find the backlog full.
    connecting: WaitQueue,
    timeouts: Timeouts,
    metadata: Metadata,
}

#[derive(Default)]
struct State {
    name: Option<Name>,
    /// Connections that nobody has accepted, and how many there may be; `None` unless it listens.
    backlog: Option<(VecDeque<Arc<ChannelEnd>>, usize)>,
    /// The process that listens.
    owner: Sender,
    open: usize,
    wants_sender: bool,
}

impl StreamSocket {
    /// Most connections that wait to be accepted (`/proc/sys/net/core/somaxconn`).
    pub const BACKLOG_MAX: usize = 4096;

    /// A socket that is not connected; `metadata` is what `fstat` tells.
    ///
    /// # Errors
    /// [`NoMemory`].
    pub fn new(kind: ChannelKind, metadata: Metadata) -> Result<Arc<Self>, NoMemory> {
        let socket = Self {
            this: This::new(),
            kind,
            state: SpinLock::new(Rank::Stream, State::default()),
            end: Once::new(),
            readers: WaitQueue::new(),
            connecting: WaitQueue::new(),
            timeouts: Timeouts::default(),
            metadata,
        };
        fallible::arc_with_this(socket, |socket| &socket.this)
    }

    /// How its connections carry what is sent.
    #[must_use]
    pub fn kind(&self) -> ChannelKind {
        self.kind
    }

    /// How long calls on it wait, be it connected or not.
    #[must_use]
    pub fn timeouts(&self) -> &Timeouts {
        &self.timeouts
    }

    /// Its end of a connection.
    #[must_use]
    pub fn end(&self) -> Option<&Arc<ChannelEnd>> {
        self.end.get()
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> Option<Name> {
        self.state.lock().name.clone()
    }

    /// Gives it a name, which `publish` makes known.
    ///
    /// # Errors
    /// EINVAL when it has one; what `publish` says.
    pub fn bind<E: From<Errno>>(
        &self,
        publish: impl FnOnce(Bound) -> Result<Name, E>,
    ) -> Result<(), E> {
        let this = self.this.upgrade().ok_or(Errno::EBADF)?;
        if self.state.lock().name.is_some() {
            return Err(Errno::EINVAL.into());
        }
        let name = publish(Bound::Stream(this))?;
        if let Some(end) = self.end.get() {
            end.introduce(self.state.lock().owner, Some(name.clone()));
        }
        self.state.lock().name.get_or_insert(name);
        Ok(())
    }

    /// Lets others connect, at most `backlog` before they are accepted (`man 2 listen`).
    ///
    /// # Errors
    /// EINVAL when it has no name or is connected.
    pub fn listen(&self, backlog: usize, owner: Sender) -> Result<(), Errno> {
        let mut state = self.state.lock();
        if state.name.is_none() || self.end.get().is_some() {
            return Err(Errno::EINVAL);
        }
        let limit = backlog.min(Self::BACKLOG_MAX);
        state.owner = owner;
        match &mut state.backlog {
            Some((_, present)) => *present = limit,
            None => state.backlog = Some((VecDeque::new(), limit)),
        }
        self.connecting.wake_all();
        Ok(())
    }

    /// Whether it listens.
    #[must_use]
    pub fn listens(&self) -> bool {
        self.state.lock().backlog.is_some()
    }

    /// Whether receivers of its connection want to know who sends, also before there is one.
    #[must_use]
    pub fn wants_sender(&self) -> bool {
        match self.end.get() {
            Some(end) => end.wants_sender(),
            None => self.state.lock().wants_sender,
        }
    }

    /// Changes that.
    pub fn set_wants_sender(&self, wanted: bool) {
        self.state.lock().wants_sender = wanted;
        if let Some(end) = self.end.get() {
            end.set_wants_sender(wanted);
        }
    }

    /// Connects to a socket that listens (`man 2 connect`); `accepted` is what `fstat` tells of the other end.
    ///
    /// # Errors
    /// EISCONN, EINVAL when it listens itself; EPROTOTYPE for one of another kind; ECONNREFUSED when that does not listen;
    /// EAGAIN when its backlog is full and nobody is to wait; ENOMEM.
    pub fn connect(
        &self,
        cx: &IoContext<'_>,
        listener: &Self,
        owner: Sender,
        accepted: Metadata,
    ) -> Attempt<()> {
        if self.end.get().is_some() {
            return Err(Errno::EISCONN.into());
        }
        if listener.kind != self.kind {
            return Err(Errno::EPROTOTYPE.into());
        }
        let (name, wants_sender) = {
            let mut state = self.state.lock();
            if state.backlog.is_some() {
                return Err(Errno::EINVAL.into());
            }
            state.owner = owner;
            (state.name.clone(), state.wants_sender)
        };
        let [own, other] = Channel::pair(self.kind, [self.metadata, accepted])?;
        own.introduce(owner, name);
        own.set_wants_sender(wants_sender);
        {
            let mut state = listener.state.lock();
            let (accepting, name) = (state.owner, state.name.clone());
            let wants_sender = state.wants_sender;
            let Some((waiting, limit)) = &mut state.backlog else {
                return Err(Errno::ECONNREFUSED.into());
            };
            if waiting.len() > *limit {
                return cx.wait(|waiter| listener.connecting.enrol(waiter));
            }
            waiting.try_reserve(1).map_err(|_| Errno::ENOMEM)?;
            other.introduce(accepting, name);
            other.set_wants_sender(wants_sender);
            waiting.push_back(other);
            listener.readers.wake_all();
        }
        own.opened();
        let kept = self.end.call_once(|| own.clone());
        if !Arc::ptr_eq(kept, &own) {
            // Another thread has connected the socket meanwhile.
            own.released();
            return Err(Errno::EISCONN.into());
        }
        // Whoever waits for readiness waits with the connection from now on.
        let _state = self.state.lock();
        self.readers.wake_all();
        Ok(())
    }

    /// Takes the first connection that waits (`man 2 accept`).
    ///
    /// # Errors
    /// EINVAL when it does not listen; EAGAIN.
    pub fn accept(&self, cx: &IoContext<'_>) -> Attempt<Arc<ChannelEnd>> {
        let mut state = self.state.lock();
        let Some((waiting, _)) = &mut state.backlog else {
            return Err(Errno::EINVAL.into());
        };
        match waiting.pop_front() {
            Some(end) => {
                self.connecting.wake_all();
                Ok(end)
            }
            None => cx.wait(|waiter| self.readers.enrol(waiter)),
        }
    }

    /// Adds the files that wait in its inbox, or in those of connections that wait to be accepted, to others; answers
    /// whether one of these inboxes is `wanted`.
    pub(crate) fn carried(
        &self,
        wanted: Node,
        into: &mut Vec<Arc<OpenFile>>,
    ) -> Result<bool, Errno> {
        if let Some(end) = self.end.get() {
            end.carried(into)?;
            return Ok(end.node() == wanted);
        }
        let waiting: Vec<Arc<ChannelEnd>> = {
            let state = self.state.lock();
            let mut copy = Vec::new();
            if let Some((waiting, _)) = &state.backlog {
                copy.try_reserve_exact(waiting.len())
                    .map_err(|_| Errno::ENOMEM)?;
                copy.extend(waiting.iter().cloned());
            }
            copy
        };
        let mut found = false;
        for end in waiting {
            end.carried(into)?;
            found |= end.node() == wanted;
        }
        Ok(found)
    }

    /// What an operation on a connection fails with that there is not.
    fn unconnected(&self) -> Stop {
        match self.kind {
            ChannelKind::Stream => Errno::EINVAL.into(),
            _ => Errno::ENOTCONN.into(),
        }
    }
}

impl FileOperations for StreamSocket {
    fn read(&self, cx: &IoContext<'_>, position: u64, sink: &mut dyn Sink) -> Attempt<usize> {
        match self.end.get() {
            Some(end) => end.read(cx, position, sink),
            None => Err(self.unconnected()),
        }
    }

    fn write(&self, cx: &IoContext<'_>, position: u64, source: &mut dyn Source) -> Attempt<usize> {
        match self.end.get() {
            Some(end) => end.write(cx, position, source),
            None => Err(Errno::ENOTCONN.into()),
        }
    }

    fn poll(&self, wanted: PollEvents, waiter: Option<&Waiter>) -> PollEvents {
        let state = self.state.lock();
        if let Some(end) = self.end.get() {
            drop(state);
            return end.poll(wanted, waiter);
        }
        let ready = match &state.backlog {
            Some((waiting, _)) if waiting.is_empty() => PollEvents::empty(),
            Some(_) => PollEvents::READABLE,
            None => PollEvents::WRITABLE | PollEvents::WRBAND | PollEvents::HUP,
        };
        let ready = ready & (wanted | PollEvents::ALWAYS);
        ready.or_enrol(waiter, &self.readers)
    }

    fn ioctl(
        &self,
        cx: &IoContext<'_>,
        request: u32,
        argument: &mut dyn vfs::IoctlArgument,
    ) -> Attempt<i64> {
        match self.end.get() {
            Some(end) => end.ioctl(cx, request, argument),
            None if request == abi::linux::FIONREAD => Err(Errno::EINVAL.into()),
            None => Err(Errno::ENOTTY.into()),
        }
    }

    fn metadata(&self) -> Option<Metadata> {
        Some(self.metadata)
    }

    fn opened(&self) {
        self.state.lock().open += 1;
    }

    fn released(&self) {
        let refused = {
            let mut state = self.state.lock();
            state.open = state.open.saturating_sub(1);
            if state.open > 0 {
                return;
            }
            self.connecting.wake_all();
            state.backlog.take()
        };
        if let Some((waiting, _)) = refused {
            remains::for_each(waiting.into_iter(), |end| end.abandon());
        }
        if let Some(end) = self.end.get() {
            end.released();
        }
    }
}

/// A socket with a name.
pub enum Bound {
    /// Of connections.
    Stream(Arc<StreamSocket>),
    /// Of datagrams.
    Datagram(Arc<DatagramSocket>),
}

#[derive(Clone)]
enum WeakBound {
    Stream(Weak<StreamSocket>),
    Datagram(Weak<DatagramSocket>),
}

impl Bound {
    fn downgrade(&self) -> WeakBound {
        match self {
            Self::Stream(socket) => WeakBound::Stream(Arc::downgrade(socket)),
            Self::Datagram(socket) => WeakBound::Datagram(Arc::downgrade(socket)),
        }
    }
}

impl WeakBound {
    fn upgrade(&self) -> Option<Bound> {
        match self {
            Self::Stream(socket) => socket.upgrade().map(Bound::Stream),
            Self::Datagram(socket) => socket.upgrade().map(Bound::Datagram),
        }
    }
}

/// What is attached to the node of a socket in a file system.
#[derive(Default)]
pub struct SocketPlace(Once<WeakBound>);

impl SocketPlace {
    /// A node whose socket nobody has.
    #[must_use]
    pub const fn new() -> Self {
        Self(Once::new())
    }

    /// Says which socket the node is of; the first counts.
    pub fn occupy(&self, socket: &Bound) {
        self.0.call_once(|| socket.downgrade());
    }

    /// The socket, if somebody has it.
    #[must_use]
    pub fn socket(&self) -> Option<Bound> {
        self.0.get().and_then(WeakBound::upgrade)
    }
}

/// The abstract names of a partition. A name is free again once its socket is gone.
pub struct AbstractNames(SpinLock<Map<Name, WeakBound>>);

impl Default for AbstractNames {
    fn default() -> Self {
        Self::new()
    }
}

impl AbstractNames {
    /// No names.
    #[must_use]
    pub const fn new() -> Self {
        Self(SpinLock::new(Rank::OpenFile, Map::new()))
    }

    /// Takes a name.
    ///
    /// # Errors
    /// EADDRINUSE, ENOMEM.
    pub fn take(&self, name: &Name, socket: &Bound) -> Result<(), Errno> {
        let mut names = self.0.lock();
        if names.get(name).is_some_and(|old| old.upgrade().is_some()) {
            return Err(Errno::EADDRINUSE);
        }
        /// Names at which those whose sockets are gone are looked for.
        const CROWD: usize = 64;
        if names.len() >= CROWD && names.len().is_power_of_two() {
            names.retain(|_, socket| socket.upgrade().is_some());
        }
        names.insert(name.clone(), socket.downgrade())?;
        Ok(())
    }

    /// The socket with a name.
    #[must_use]
    pub fn find(&self, name: &[u8]) -> Option<Bound> {
        let found = self.0.lock().get(name).cloned();
        found.and_then(|socket| socket.upgrade())
    }
}

#[cfg(test)]
mod tests;
