//! Sockets of datagrams, which send to names (`man 7 unix`, SOCK_DGRAM).

use crate::channel::{ChannelEnd, Directions, Received};
use crate::flight::{self, Node};
use crate::inbox::{Ancillary, Inbox, Name, RECORD_COST};
use crate::listener::Bound;
use crate::timeouts::Timeouts;
use abi::Errno;
use alloc::sync::{Arc, Weak};
use alloc::vec::Vec;
use fallible::{NoMemory, This};
use sync::{Rank, SpinLock};
use vfs::{FileOperations, IoContext, Metadata, OpenFile};
use wait::{Attempt, PollEvents, Sink, Source, WaitQueue, Waiter};

/// A socket of datagrams.
pub struct DatagramSocket {
    this: This<DatagramSocket>,
    state: SpinLock<State>,
    /// Those that wait for a datagram, or for readiness.
    readers: WaitQueue,
    /// Those that wait for room in the inbox, or for readiness.
    writers: WaitQueue,
    timeouts: Timeouts,
    metadata: Metadata,
}

struct State {
    inbox: Inbox,
    name: Option<Name>,
    /// Where datagrams without an address go, and the only one that they may come from.
    peer: Option<Weak<DatagramSocket>>,
    shut: Directions,
    open: usize,
    closed: bool,
    send_buffer: usize,
    receive_buffer: usize,
    wants_sender: bool,
}

impl DatagramSocket {
    /// A socket without name and peer; `metadata` is what `fstat` tells.
    ///
    /// # Errors
    /// [`NoMemory`].
    pub fn new(metadata: Metadata) -> Result<Arc<Self>, NoMemory> {
        let socket = Self {
            this: This::new(),
            state: SpinLock::new(
                Rank::Stream,
                State {
                    inbox: Inbox::default(),
                    name: None,
                    peer: None,
                    shut: Directions::empty(),
                    open: 0,
                    closed: false,
                    send_buffer: ChannelEnd::BUFFER,
                    receive_buffer: ChannelEnd::BUFFER,
                    wants_sender: false,
                },
            ),
            readers: WaitQueue::new(),
            writers: WaitQueue::new(),
            timeouts: Timeouts::default(),
            metadata,
        };
        fallible::arc_with_this(socket, |socket| &socket.this)
    }

    /// How long calls on it wait.
    #[must_use]
    pub fn timeouts(&self) -> &Timeouts {
        &self.timeouts
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> Option<Name> {
        self.state.lock().name.clone()
    }

    /// The name of its peer; `None` without a peer.
    #[must_use]
    pub fn peer_name(&self) -> Option<Option<Name>> {
        let peer = self.peer()?;
        Some(peer.name())
    }

    /// Where datagrams without an address go.
    #[must_use]
    pub fn peer(&self) -> Option<Arc<Self>> {
        self.state.lock().peer.as_ref().and_then(Weak::upgrade)
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
        let name = publish(Bound::Datagram(this))?;
        self.state.lock().name.get_or_insert(name);
        Ok(())
    }

    /// Sets where datagrams without an address go; `None` takes it back.
    ///
    /// # Errors
    /// ECONNREFUSED for a socket that is closed, EPERM for one that hears another only.
    pub fn connect(&self, peer: Option<&Arc<Self>>) -> Result<(), Errno> {
        if let Some(peer) = peer {
            peer.require_open_to(self)?;
        }
        let mut state = self.state.lock();
        state.peer = peer.map(Arc::downgrade);
        // Whoever waits to send waits for another's room now.
        self.readers.wake_all();
        Ok(())
    }

    fn require_open_to(&self, sender: &Self) -> Result<(), Errno> {
        let state = self.state.lock();
        if state.closed {
            return Err(Errno::ECONNREFUSED);
        }
        state.hears(&sender.this.weak())
    }

    /// Sends one datagram to a socket, or to its peer.
    ///
    /// # Errors
    /// ENOTCONN without either; ETOOMANYREFS for a socket that would carry itself; ECONNREFUSED, EPERM, EPIPE, EMSGSIZE, EAGAIN, ENOMEM, what the source says.
    pub fn send(
        &self,
        cx: &IoContext<'_>,
        to: Option<&Arc<Self>>,
        source: &mut dyn Source,
        ancillary: &mut Ancillary,
    ) -> Attempt<usize> {
        let (shut, send_buffer, name, peer) = {
            let state = self.state.lock();
            let peer = state.peer.clone();
            (state.shut, state.send_buffer, state.name.clone(), peer)
        };
        let to = match (to, peer) {
            (Some(to), _) => to.clone(),
            (None, Some(peer)) => peer.upgrade().ok_or(Errno::ECONNREFUSED)?,
            (None, None) => return Err(Errno::ENOTCONN.into()),
        };
        let cost = source.remaining().saturating_add(RECORD_COST);
        if cost > send_buffer {
            return Err(Errno::EMSGSIZE.into());
        }
        if shut.contains(Directions::SEND) {
            return Err(Errno::EPIPE.into());
        }
        ancillary.from = name;
        let _flight = flight::admit(&ancillary.files, to.node())?;
        let mut state = to.state.lock();
        if state.closed {
            return Err(Errno::ECONNREFUSED.into());
        }
        state.hears(&self.this.weak())?;
        if state.shut.contains(Directions::RECEIVE) {
            return Err(Errno::EPIPE.into());
        }
        if state.inbox.used() + cost > send_buffer {
            return cx.wait(|waiter| to.writers.enrol(waiter));
        }
        let count = state.inbox.put_record(source, ancillary)?;
        to.readers.wake_all();
        Ok(count)
    }

    /// Which inbox it has, to look for circles of them.
    pub(crate) fn node(&self) -> Node {
        (core::ptr::from_ref(self) as usize, false)
    }

    /// Adds the files that wait in its inbox to others.
    pub(crate) fn carried(&self, into: &mut Vec<Arc<OpenFile>>) -> Result<(), Errno> {
        self.state.lock().inbox.carried(into)
    }

    /// Receives one datagram.
    ///
    /// # Errors
    /// EAGAIN, what the sink says.
    pub fn receive(
        &self,
        cx: &IoContext<'_>,
        sink: &mut dyn Sink,
        peek: bool,
        ancillary: &mut Ancillary,
    ) -> Attempt<Received> {
        let mut state = self.state.lock();
        if state.inbox.is_empty() {
            if state.shut.contains(Directions::RECEIVE) && !cx.nonblocking {
                return Ok(Received::default());
            }
            return cx.wait(|waiter| self.readers.enrol(waiter));
        }
        let received = state.inbox.take(sink, peek, ancillary)?;
        self.writers.wake_all();
        Ok(received)
    }

    /// Closes directions (`man 2 shutdown`).
    ///
    /// # Errors
    /// ENOTCONN without a peer.
    pub fn shut_down(&self, directions: Directions) -> Result<(), Errno> {
        let mut state = self.state.lock();
        if state.peer.is_none() {
            return Err(Errno::ENOTCONN);
        }
        state.shut |= directions;
        self.readers.wake_all();
        self.writers.wake_all();
        Ok(())
    }

    /// Sizes of the buffers (SO_SNDBUF, SO_RCVBUF).
    #[must_use]
    pub fn buffers(&self) -> (usize, usize) {
        let state = self.state.lock();
        (state.send_buffer, state.receive_buffer)
    }

    /// Changes the send buffer: to twice `bytes`, which is [`crate::asked_buffer`]'s, or to the least.
    pub fn set_send_buffer(&self, bytes: usize) {
        self.state.lock().send_buffer = ChannelEnd::send_buffer_of(bytes);
    }

    /// Changes what is shown of the receive buffer.
    pub fn set_receive_buffer(&self, bytes: usize) {
        self.state.lock().receive_buffer = ChannelEnd::receive_buffer_of(bytes);
    }

    /// Whether the receiver wants to know who sends (SO_PASSCRED).
    #[must_use]
    pub fn wants_sender(&self) -> bool {
        self.state.lock().wants_sender
    }

    /// Changes that.
    pub fn set_wants_sender(&self, wanted: bool) {
        self.state.lock().wants_sender = wanted;
    }
}

impl State {
    /// Fails unless datagrams of a socket are received: a socket with a peer hears that alone.
    fn hears(&self, sender: &Weak<DatagramSocket>) -> Result<(), Errno> {
        match &self.peer {
            Some(peer) if !peer.ptr_eq(sender) => Err(Errno::EPERM),
            _ => Ok(()),
        }
    }
}

impl FileOperations for DatagramSocket {
    fn read(&self, cx: &IoContext<'_>, _position: u64, sink: &mut dyn Sink) -> Attempt<usize> {
        let mut ancillary = Ancillary::default();
        self.receive(cx, sink, false, &mut ancillary)
            .map(|received| received.count)
    }

    fn write(&self, cx: &IoContext<'_>, _position: u64, source: &mut dyn Source) -> Attempt<usize> {
        self.send(cx, None, source, &mut Ancillary::default())
    }

    fn poll(&self, wanted: PollEvents, waiter: Option<&Waiter>) -> PollEvents {
        let always = wanted | PollEvents::ALWAYS;
        let mut ready = PollEvents::empty();
        let peer = self.peer();
        {
            let state = self.state.lock();
            let ended = state.shut.contains(Directions::RECEIVE);
            if ended || !state.inbox.is_empty() {
                ready |= PollEvents::READABLE;
            }
            ready.set(PollEvents::RDHUP, ended);
            ready.set(PollEvents::HUP, state.shut.is_all());
            if let Some(waiter) = (ready & always).to_enrol(waiter) {
                self.readers.enrol(waiter);
            }
        }
        let room = PollEvents::WRITABLE | PollEvents::WRBAND;
        match peer.filter(|_| wanted.wants_room()) {
            None => ready |= room,
            Some(peer) => {
                let state = peer.state.lock();
                if state.closed || state.inbox.used().saturating_mul(4) <= state.send_buffer {
                    ready |= room;
                }
                if let Some(waiter) = (ready & always).to_enrol(waiter) {
                    peer.writers.enrol(waiter);
                }
            }
        }
        ready & always
    }

    fn moves_values(&self) -> bool {
        true
    }

    fn ioctl(
        &self,
        _cx: &IoContext<'_>,
        request: u32,
        argument: &mut dyn vfs::IoctlArgument,
    ) -> Attempt<i64> {
        if request != abi::linux::FIONREAD {
            return Err(Errno::ENOTTY.into());
        }
        let length = self.state.lock().inbox.next_length();
        argument.put_length(length)
    }

    fn metadata(&self) -> Option<Metadata> {
        Some(self.metadata)
    }

    fn opened(&self) {
        self.state.lock().open += 1;
    }

    fn released(&self) {
        let _lost = {
            let mut state = self.state.lock();
            state.open = state.open.saturating_sub(1);
            if state.open > 0 {
                return;
            }
            state.closed = true;
            self.readers.wake_all();
            self.writers.wake_all();
            core::mem::take(&mut state.inbox)
        };
    }
}
