use super::*;
use crate::terminal::tests::{World, error};
use abi::linux::{InputFlags, SignalNumber, TCIOFLUSH, Termios};
use std::vec;
use std::vec::Vec;
use wait::{SliceSink, SliceSource};

fn read(world: &Arc<World>, file: &dyn FileOperations, room: usize) -> Attempt<Vec<u8>> {
    let mut bytes = vec![0; room];
    let count = world.run(false, |cx| {
        file.read(cx, 0, &mut SliceSink::new(&mut bytes))
    })?;
    bytes.truncate(count);
    Ok(bytes)
}

fn write(world: &Arc<World>, file: &dyn FileOperations, bytes: &[u8]) -> Attempt<usize> {
    world.run(false, |cx| file.write(cx, 0, &mut SliceSource::new(bytes)))
}

fn pty() -> (Arc<World>, Arc<PtyMaster>) {
    let (world, _) = World::new();
    let master = PtyMaster::new(3, TerminalId(9), world.clone(), Box::new(())).expect("memory");
    master.opened();
    assert_eq!(master.slave().err(), Some(Errno::EIO));
    world.ioctl(&*master, TIOCSPTLCK, 0, &[0; 4]).unwrap();
    assert_eq!(
        world.ioctl(&*master, TIOCGPTN, 0, &[]).unwrap(),
        [3, 0, 0, 0]
    );
    (world, master)
}

#[test]
fn what_the_master_writes_is_typed_and_echoed() {
    let (world, master) = pty();
    let slave = world.open(master.slave().unwrap());
    slave.opened();
    assert_eq!(read(&world, &*master, 99), Err(Stop::Park));
    assert_eq!(write(&World::new().0, &*master, b"ls\r"), Ok(3));
    assert!(world.is_woken());
    assert_eq!(read(&world, &*master, 99).unwrap(), b"ls\r\n");
    assert_eq!(read(&world, &*slave, 99).unwrap(), b"ls\n");
    write(&world, &*slave, b"file\n").unwrap();
    assert_eq!(master.poll(PollEvents::IN, None), PollEvents::IN);
    assert_eq!(read(&world, &*master, 99).unwrap(), b"file\r\n");
    slave.released();
    assert_eq!(read(&world, &*master, 99), Err(error(Errno::EIO)));
}

#[test]
fn both_directions_hold_back() {
    let (world, master) = pty();
    let slave = world.open(master.slave().unwrap());
    // The slave prints more than both queues hold.
    let long = vec![b'.'; 20_000];
    let mut printed = 0;
    while let Ok(count) = write(&world, &*slave, &long) {
        printed += count;
    }
    assert!(printed < 20_000 && !world.is_woken());
    let other = World::new().0;
    let mut read_back = 0;
    while let Ok(bytes) = read(&other, &*master, 1000) {
        read_back += bytes.len();
    }
    assert!(world.is_woken());
    assert_eq!(read_back, printed);
    // The master types more than the slave takes.
    write(&world, &*master, &vec![b'\n'; 4096]).unwrap();
    while read(&other, &*master, 9999).is_ok() {}
    assert_eq!(write(&world, &*master, b"more"), Err(Stop::Park));
    assert_eq!(master.poll(PollEvents::OUT, None), PollEvents::empty());
    read(&other, &*slave, 9).unwrap();
    assert!(world.is_woken());
    assert_eq!(write(&world, &*master, b"m"), Ok(1));
}

#[test]
fn the_slave_is_hung_up_with_its_master() {
    let (world, master) = pty();
    let slave = world.open(master.slave().unwrap());
    world.sent();
    master.released();
    assert_eq!(read(&world, &*slave, 9).unwrap(), b"");
    let signals: Vec<_> = world.sent().into_iter().map(|(_, signal)| signal).collect();
    assert_eq!(signals, [SignalNumber::SIGHUP, SignalNumber::SIGCONT]);
}

#[test]
fn a_master_of_two_files_is_closed_with_the_second() {
    let (world, master) = pty();
    let slave = world.open(master.slave().unwrap());
    master.opened();
    master.released();
    assert!(master.is_open());
    write(&world, &*slave, b"x").unwrap();
    master.released();
    assert!(!master.is_open());
    assert_eq!(master.slave().err(), Some(Errno::EIO));
    assert_eq!(write(&world, &*slave, b"x"), Err(error(Errno::EIO)));
}

#[test]
fn the_lease_goes_with_the_last_end() {
    let (world, _) = World::new();
    let lease = Arc::new(());
    let master =
        PtyMaster::new(0, TerminalId(1), world.clone(), Box::new(lease.clone())).expect("memory");
    master.opened();
    world.ioctl(&*master, TIOCSPTLCK, 0, &[0; 4]).unwrap();
    let slave = world.open(master.slave().unwrap());
    master.released();
    drop(master);
    assert_eq!(Arc::strong_count(&lease), 2);
    drop(slave);
    assert_eq!(Arc::strong_count(&lease), 1);
}

#[test]
fn the_master_tells_and_signals_the_foreground() {
    let (world, master) = pty();
    let _slave = world.open(master.slave().unwrap());
    world.sent();
    let group = world.ioctl(&*master, TIOCGPGRP, 0, &[]).unwrap();
    assert_ne!(group, [0; 4]);
    world
        .ioctl(
            &*master,
            TIOCSIG,
            u64::from(SignalNumber::SIGQUIT.get()),
            &[],
        )
        .unwrap();
    let signals: Vec<_> = world.sent().into_iter().map(|(_, signal)| signal).collect();
    assert_eq!(signals, [SignalNumber::SIGQUIT]);
    assert_eq!(
        world.ioctl(&*master, TIOCSIG, 0, &[]),
        Err(error(Errno::EINVAL))
    );
}

#[test]
fn a_master_in_packet_mode_is_told_what_changes() {
    let (world, master) = pty();
    let slave = world.open(master.slave().unwrap());
    let mode = || world.ioctl(&*master, TIOCGPKT, 0, &[]).unwrap();
    let flush = |queue| world.ioctl(&*slave, TCFLSH, queue, &[]).unwrap();
    write(&world, &*slave, b"a").unwrap();
    assert_eq!(mode(), [0; 4]);
    world.ioctl(&*master, TIOCPKT, 0, &[1, 0, 0, 0]).unwrap();
    assert_eq!(mode(), [1, 0, 0, 0]);
    // The byte before the data is none of them.
    assert_eq!(read(&world, &*master, 1).unwrap(), b"\0");
    assert_eq!(read(&world, &*master, 9).unwrap(), b"\0a");
    let reader = World::new().0;
    assert_eq!(read(&reader, &*master, 9), Err(Stop::Park));
    flush(TCIOFLUSH);
    assert!(reader.is_woken());
    assert_eq!(
        master.poll(PollEvents::PRI, None),
        PollEvents::PRI,
        "what has changed is exceptional"
    );
    write(&world, &*slave, b"b").unwrap();
    // Control-S and Control-Q: the last one counts.
    write(&world, &*master, b"\x13").unwrap();
    write(&world, &*master, b"\x11").unwrap();
    assert_eq!(read(&world, &*master, 9).unwrap(), [0b1011]);
    write(&world, &*master, b"\x13").unwrap();
    assert_eq!(read(&world, &*master, 9).unwrap(), [0b0100]);
    assert_eq!(read(&world, &*master, 9).unwrap(), b"\0b");
    write(&world, &*master, b"\x11").unwrap();
    assert_eq!(read(&world, &*master, 9).unwrap(), [0b1000]);
    let mut termios = world.ioctl(&*slave, TCGETS, 0, &[]).unwrap();
    let settings = Termios::decode(termios.as_slice().try_into().unwrap());
    let deaf = Termios {
        iflag: settings.iflag & !InputFlags::IXON.bits(),
        ..settings
    };
    termios.copy_from_slice(&deaf.encode());
    world.ioctl(&*slave, TCSETS, 0, &termios).unwrap();
    assert_eq!(read(&world, &*master, 9).unwrap(), [0b1_0000]);
    world.ioctl(&*master, TIOCPKT, 0, &[0; 4]).unwrap();
    flush(TCIOFLUSH);
    write(&world, &*slave, b"c").unwrap();
    assert_eq!(read(&world, &*master, 9).unwrap(), b"c");
}
