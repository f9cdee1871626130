//! What a busy partition loses to a neighbour that forks, faults, sends or calls as fast as it can, or has timers expire all
//! the time, against a neighbour of the same share that computes.

use crate::child;
use crate::output::figure;
use crate::system::{Isolation, Limits, System};
use std::hint::black_box;
use std::io;
use std::net::UdpSocket;
use std::time::Duration;

/// Partitions.
const VICTIM: usize = 0;
const NEIGHBOUR: usize = 1;

/// How long each of the two is watched in one pair.
const WINDOW: Duration = Duration::from_millis(1000);

/// Pairs of windows, an ordinary neighbour and one that attacks in turn.
pub fn measure(system: &mut dyn System, pairs: usize) -> io::Result<()> {
    let attacks: [(&str, fn() -> !); 5] = [
        ("fork", forks),
        ("fault", faults),
        ("send", sends),
        ("call", calls),
        ("timer", timers),
    ];
    system.create(VICTIM, Limits::ORDINARY)?;
    let victim = system.start(VICTIM, Isolation::Time, &mut || child::spin())?;
    for (name, attack) in attacks {
        let (mut beside_ordinary, mut beside_attack) = (0.0, 0.0);
        for _ in 0..pairs {
            beside_ordinary += window(system, || child::spin())?;
            beside_attack += window(system, attack)?;
        }
        let lost = 100.0 * (1.0 - beside_attack / beside_ordinary);
        figure(&format!("attack_{name}_loss"), "pct", lost.max(0.0));
    }
    victim.end()?;
    system.remove(VICTIM)
}

/// The part of the time that the victim had beside this neighbour.
fn window(system: &mut dyn System, neighbour: fn() -> !) -> io::Result<f64> {
    system.create(NEIGHBOUR, Limits::ORDINARY)?;
    let child = system.start(NEIGHBOUR, Isolation::Time, &mut || neighbour())?;
    child::rest(Duration::from_millis(200));
    let before = system.usage(&[VICTIM])?;
    child::rest(WINDOW);
    let after = system.usage(&[VICTIM])?;
    child.end()?;
    system.remove(NEIGHBOUR)?;
    match (&before[..], &after[..]) {
        ([before], [after]) => {
            Ok((after.used - before.used).as_secs_f64() / (after.at - before.at).as_secs_f64())
        }
        _ => Err(io::Error::other("no account")),
    }
}

fn forks() -> ! {
    loop {
        match child::fork(&mut || child::exit()) {
            Ok(child) => drop(child.wait()),
            Err(error) => println!("! attack: {error}"),
        }
    }
}

fn faults() -> ! {
    // More than malloc keeps for itself: mapped and unmapped each time.
    const SIZE: usize = 40 << 20;
    const PAGE: usize = 4096;
    loop {
        let mut memory = vec![0_u8; SIZE];
        memory.iter_mut().step_by(PAGE).for_each(|byte| *byte = 1);
        black_box(&memory);
    }
}

/// Datagrams over the loopback interface, to itself.
fn sends() -> ! {
    // Where the interface is up already, or nobody may switch it, that is no matter.
    drop(child::loopback_up());
    let socket = || -> io::Result<UdpSocket> {
        let socket = UdpSocket::bind("127.0.0.1:0")?;
        socket.connect(socket.local_addr()?)?;
        Ok(socket)
    };
    match socket() {
        Ok(socket) => {
            let mut bytes = [0; 64];
            loop {
                if let Err(error) = socket.send(&bytes).and_then(|_| socket.recv(&mut bytes)) {
                    println!("! attack: {error}");
                }
            }
        }
        Err(error) => println!("! attack: {error}"),
    }
    child::exit()
}

/// Many that sleep for a moment again and again, and one that computes.
fn timers() -> ! {
    const SLEEPERS: usize = 20;
    const MOMENT: Duration = Duration::from_micros(200);
    for _ in 0..SLEEPERS {
        match child::fork(&mut || {
            loop {
                child::rest(MOMENT);
            }
        }) {
            // Ends with its partition, or with its control group's first process.
            Ok(child) => std::mem::forget(child),
            Err(error) => println!("! attack: {error}"),
        }
    }
    child::spin()
}

fn calls() -> ! {
    loop {
        black_box(rustix::process::getppid());
    }
}
