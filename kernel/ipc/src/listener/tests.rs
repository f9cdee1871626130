use super::*;
use crate::inbox::Ancillary;
use crate::sleeper::{Thread, nameless};
use abi::{Cid, Pid};
use security::{Credential, Identity, Privileges};
use std::vec::Vec;
use vfs::{Access, FileKind, OpenFile, StatusFlags};
use wait::{SliceSink, SliceSource};

fn open(operations: Arc<dyn FileOperations>) -> Arc<OpenFile> {
    let access = Access::READ | Access::WRITE;
    OpenFile::new(operations, None, Cid(1), access, StatusFlags::empty()).expect("memory")
}

fn run<T>(thread: &Arc<Thread>, nonblocking: bool, act: impl FnOnce(&IoContext<'_>) -> T) -> T {
    let credential = Credential::new(Cid(1), Identity::user(1, 1), Privileges::empty());
    let waiter = thread.run();
    act(&IoContext {
        credential: &credential,
        caller: &waiter,
        nonblocking,
    })
}

fn sender(pid: u32) -> Sender {
    Sender {
        pid: Pid(pid),
        uid: 1,
        gid: 1,
    }
}

/// A socket that listens, and the file that keeps it.
fn listener(backlog: usize) -> (Arc<StreamSocket>, Arc<OpenFile>) {
    let socket =
        StreamSocket::new(ChannelKind::Stream, nameless(FileKind::Socket)).expect("memory");
    let name = |_| Ok::<Name, Errno>(Arc::from(&b"name\0"[..]));
    assert_eq!(socket.listen(backlog, sender(1)), Err(Errno::EINVAL));
    assert_eq!(socket.bind(name), Ok(()));
    assert_eq!(socket.bind(name), Err(Errno::EINVAL));
    assert_eq!(socket.listen(backlog, sender(1)), Ok(()));
    (socket.clone(), open(socket))
}

fn connect(thread: &Arc<Thread>, to: &StreamSocket) -> (Arc<OpenFile>, Attempt<()>) {
    let socket =
        StreamSocket::new(ChannelKind::Stream, nameless(FileKind::Socket)).expect("memory");
    let file = open(socket.clone());
    let result = run(thread, false, |cx| {
        socket.connect(cx, to, sender(2), nameless(FileKind::Socket))
    });
    (file, result)
}

#[test]
fn a_full_backlog_is_waited_for_until_somebody_accepts() {
    let (socket, _file) = listener(0);
    let (first, second, server) = (Thread::new(), Thread::new(), Thread::new());
    assert_eq!(
        run(&server, false, |cx| socket.accept(cx).map(drop)),
        Err(Stop::Park)
    );
    let (_one, connected) = connect(&first, &socket);
    assert_eq!((connected, server.woken()), (Ok(()), Some(None)));
    assert_eq!(connect(&second, &socket).1, Err(Stop::Park));
    let end = run(&server, false, |cx| socket.accept(cx)).unwrap();
    assert_eq!(second.woken(), Some(None));
    assert_eq!(
        (end.peer(), end.name().as_deref()),
        (sender(2), Some(&b"name\0"[..]))
    );
}

#[test]
fn a_listener_that_goes_refuses_those_that_wait() {
    let (socket, file) = listener(0);
    let thread = Thread::new();
    let (queued, connected) = connect(&thread, &socket);
    assert_eq!(connected, Ok(()));
    assert_eq!(connect(&thread, &socket).1, Err(Stop::Park));
    drop(file);
    assert_eq!(thread.woken(), Some(None));
    assert_eq!(connect(&thread, &socket).1, Err(Errno::ECONNREFUSED.into()));
    let read = run(&thread, true, |cx| {
        queued.read(cx, &mut SliceSink::new(&mut [0; 1]))
    });
    assert_eq!(read, Err(Errno::ECONNRESET.into()));
}

/// Sends a file through a socket of datagrams.
fn pass(thread: &Arc<Thread>, to: &Arc<DatagramSocket>, file: &Arc<OpenFile>) -> Attempt<usize> {
    let mut with = Ancillary {
        files: Vec::from([file.clone()]),
        ..Ancillary::default()
    };
    run(thread, true, |cx| {
        to.send(cx, Some(to), &mut SliceSource::new(b"x"), &mut with)
    })
}

#[test]
fn no_socket_carries_itself() {
    let thread = Thread::new();
    let sockets: Vec<_> = (0..3)
        .map(|_| DatagramSocket::new(nameless(FileKind::Socket)).expect("memory"))
        .collect();
    let files: Vec<_> = sockets.iter().map(|socket| open(socket.clone())).collect();
    let circle = Err(Errno::ETOOMANYREFS.into());
    assert_eq!(pass(&thread, &sockets[0], &files[0]), circle);
    assert_eq!(pass(&thread, &sockets[0], &files[1]), Ok(1));
    assert_eq!(pass(&thread, &sockets[0], &files[1]), Ok(1));
    assert_eq!(pass(&thread, &sockets[1], &files[2]), Ok(1));
    assert_eq!(pass(&thread, &sockets[2], &files[0]), circle);
    assert_eq!(pass(&thread, &sockets[2], &files[1]), circle);
    // One that waits to be accepted is carried by the listener.
    let (socket, listening) = listener(4);
    let (client, connected) = connect(&thread, &socket);
    assert_eq!(connected, Ok(()));
    let through = |file: &Arc<OpenFile>| {
        let operations: &dyn core::any::Any = &**client.operations();
        let end = operations.downcast_ref::<StreamSocket>().unwrap().end();
        let mut with = Ancillary {
            files: Vec::from([file.clone()]),
            ..Ancillary::default()
        };
        run(&thread, true, |cx| {
            let source = &mut SliceSource::new(b"x");
            end.unwrap().send_with(cx, source, &mut with)
        })
    };
    assert_eq!(through(&listening), circle);
    assert_eq!(through(&files[0]), Ok(1));
    assert_eq!(pass(&thread, &sockets[2], &listening), circle);
    // What waits is closed with the last descriptor of the socket that it waits in.
    assert_eq!(Arc::strong_count(&files[2]), 2);
    drop((client, listening, socket));
    let mut files = files.into_iter();
    drop((files.next(), files.next()));
    assert_eq!(Arc::strong_count(&files.next().unwrap()), 1);
}

#[test]
fn a_name_is_free_again_when_its_socket_is_gone() {
    let names = AbstractNames::new();
    let name: Name = Arc::from(&b"\0name"[..]);
    let first = StreamSocket::new(ChannelKind::Stream, nameless(FileKind::Socket)).expect("memory");
    let second = DatagramSocket::new(nameless(FileKind::Socket)).expect("memory");
    assert_eq!(names.take(&name, &Bound::Stream(first.clone())), Ok(()));
    let other = Bound::Datagram(second);
    assert_eq!(names.take(&name, &other), Err(Errno::EADDRINUSE));
    assert!(matches!(names.find(&name), Some(Bound::Stream(_))));
    drop(first);
    assert!(names.find(&name).is_none());
    assert_eq!(names.take(&name, &other), Ok(()));
}
