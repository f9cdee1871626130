//! Waiting, interrupts, clocks, terminals.

use crate::check::Checks;
use abi::Ticks;
use arch::idle::{Wakeup, idle};
use arch::interrupts::{self, Source};
use arch::{cpu, random, rtas, time};
use boot::BootInfo;
use core::arch::asm;

pub fn run(checks: &mut Checks, info: &'static BootInfo) {
    checks.check(
        "ARCH0030",
        "the decrementer ends an idle period in time",
        sleeps,
    );
    checks.check(
        "ARCH0070",
        "the same interrupt asked for again leaves the decrementer alone",
        asked_again,
    );
    checks.check(
        "ARCH0031",
        "a call between CPUs ends an idle period and is taken once",
        calls,
    );
    checks.check(
        "ARCH0036",
        "calls are told one by one, also after an event queue has been filled twice",
        many_calls,
    );
    checks.check(
        "ARCH0032",
        "terminals have interrupt sources that can be routed",
        |checks| {
            for terminal in info.terminals.iter() {
                let routed = terminal
                    .source
                    .map(|source| interrupts::enable_source(Source(source), cpu::this()));
                checks.same("routed", routed, Some(Ok(())));
            }
            checks.holds(
                "no such source",
                interrupts::enable_source(Source(0x77_7777), cpu::this()).is_err(),
            );
        },
    );
    if info.command_line.contains("input") {
        checks.check("ARCH0034", "input interrupts and is read", |checks| {
            input(checks, info);
        });
    }
    checks.check(
        "ARCH0035",
        "run-time services are instantiated, and every way to them gives the same time",
        services,
    );
    checks.check(
        "ARCH0033",
        "there are a wall clock and random numbers",
        |checks| {
            let now = rtas::wall_clock().map(|now| now.0 / 1_000_000_000);
            checks.holds("after 2020", now.is_some_and(|now| now > 1_577_836_800));
            let mut bytes = [[0; 13]; 2];
            let [first, second] = &mut bytes;
            checks.holds("random", random::fill(first) && random::fill(second));
            checks.holds(
                "different",
                first != second && first.iter().any(|&byte| byte != 0),
            );
        },
    );
}

/// Asks the clock in every way, often enough to see a register or a mode that a call has not restored.
fn services(checks: &mut Checks) {
    let ways = rtas::services().ways;
    checks.holds(
        "instantiated",
        ways.iter()
            .flatten()
            .any(|way| matches!(way, rtas::Way::Entry { .. })),
    );
    for way in ways.into_iter().flatten() {
        for _ in 0..100 {
            let before = rtas::wall_clock();
            let now = rtas::wall_clock_by(way);
            let after = rtas::wall_clock();
            checks.holds("a time", now.is_some());
            // Fractions of a second are rubbish on QEMU 7.2.
            let seconds = |time: Option<abi::Nanos>| time.map(|time| time.0 / 1_000_000_000);
            checks.holds(
                "the same time",
                seconds(before) <= seconds(now) && seconds(now) <= seconds(after),
            );
        }
    }
}

/// Waits for a line on the console: only when the option `input` is given.
fn input(checks: &mut Checks, info: &BootInfo) {
    let Some(console) = info.terminals.first() else {
        return;
    };
    let vty = vty::Vty::new(vty::HypervisorLine(console.unit));
    vty.write(b"  type a line\r\n");
    let until = time::now() + Ticks(512_000_000 * 20);
    let mut line = [0; 80];
    let mut length = 0;
    let mut interrupts_seen = 0;
    while time::now() < until
        && !line[..length].contains(&b'\r')
        && !line[..length].contains(&b'\n')
    {
        if !idle(Some(until)).contains(Wakeup::EXTERNAL) {
            continue;
        }
        while let Some(taken) = interrupts::take() {
            checks.same("source", Some(taken.source.0), console.source);
            interrupts_seen += 1;
            vty.fetch();
            interrupts::done(taken);
        }
        length += vty.read(&mut line[length..]);
    }
    arch::print!(
        "  {interrupts_seen} interrupts, {:?}\n",
        line[..length].escape_ascii()
    );
    checks.holds("a line", line[..length].starts_with(b"hello"));
}

fn sleeps(checks: &mut Checks) {
    for span in [0, 5_120, 512_000, 5_120_000] {
        let until = time::now() + Ticks(span);
        let mut rounds = 0;
        while time::now() < until {
            checks.same("woken", idle(Some(until)), Wakeup::DECREMENTER);
            rounds += 1;
        }
        checks.holds("within 500 ms", time::now() < until + Ticks(256_000_000));
        checks.holds("not over and over", rounds < 4);
    }
}

fn asked_again(checks: &mut Checks) {
    const FAR: u64 = 0x4000_0000;
    let at = time::now() + Ticks(51_200_000);
    time::interrupt_by(time::now(), at, at);
    // SAFETY: interrupts are off, and the register is written anew below.
    unsafe { asm!("mtdec {}", in(reg) FAR) };
    let decrementer = || {
        let left: u64;
        // SAFETY: only reads.
        unsafe { asm!("mfdec {}", out(reg) left) };
        left
    };
    let now = time::now();
    time::interrupt_by(now, at, at);
    checks.holds("left alone", decrementer() > FAR / 2);
    time::interrupt_by(now, at - Ticks(512_000), at - Ticks(512_000));
    checks.holds("an earlier one is asked for", decrementer() < 51_200_000);
    time::disarm();
}

fn calls(checks: &mut Checks) {
    let controller = interrupts::controller();
    controller.call(cpu::this());
    checks.same(
        "woken",
        idle(Some(time::now() + Ticks(512_000_000))),
        Wakeup::EXTERNAL,
    );
    match interrupts::take() {
        Some(taken) => {
            checks.same("source", taken.source, Source::IPI);
            controller.clear_call();
            interrupts::done(taken);
        }
        None => checks.holds("taken", false),
    }
    checks.holds("only once", interrupts::take().is_none());
    let until = time::now() + Ticks(512_000);
    checks.same("quiet", idle(Some(until)), Wakeup::DECREMENTER);
}

/// A queue of 64 KiB has 16384 entries of XIVE.
fn many_calls(checks: &mut Checks) {
    let controller = interrupts::controller();
    let until = time::now() + Ticks(512_000_000 * 20);
    for _ in 0..2 * 16_384 + 100 {
        controller.call(cpu::this());
        let mut taken = 0;
        while taken == 0 && time::now() < until {
            idle(Some(until));
            while let Some(event) = interrupts::take() {
                controller.clear_call();
                interrupts::done(event);
                taken += 1;
            }
        }
        if taken != 1 {
            checks.same("taken", taken, 1);
            return;
        }
    }
    checks.holds("nothing is left", interrupts::take().is_none());
}
