//! FP, VMX and VSX state.

use crate::check::Checks;
use crate::frames;
use crate::programs::{DATA, MORE, Room, address, program_special, program_vectors};
use abi::linux::SIGINFO_SIZE;
use abi::mmu::{Access, Translations};
use arch::signal_frame::{self, Found, Parts};
use arch::user::UserFault;
use arch::{Trap, UserContext, run_user, time};

pub fn run(checks: &mut Checks) {
    checks.check(
        "ARCH0020",
        "vector registers of two programs are kept exactly",
        two_programs,
    );
    checks.check(
        "ARCH0021",
        "a new program's vector registers are zero",
        fresh,
    );
    checks.check("ARCH0022", "TAR, DSCR and VRSAVE are kept", special);
    checks.check(
        "ARCH0023",
        "vector registers can be read and written from outside",
        outside,
    );
    checks.check(
        "ARCH0064",
        "vector registers go to a signal frame and back",
        to_frame_and_back,
    );
}

/// The image of a state: 64 registers, FPSCR (rounding mode, no exceptions), VSCR (saturation).
fn image(seed: u64) -> [u8; 1056] {
    let mut bytes = [0; 1056];
    for (n, chunk) in bytes[..1024].chunks_exact_mut(8).enumerate() {
        let word = seed
            .wrapping_mul(0x9e37_79b9_7f4a_7c15)
            .rotate_left(n as u32)
            ^ n as u64;
        chunk.copy_from_slice(&word.to_le_bytes());
    }
    bytes[1024..1032].copy_from_slice(&(seed % 4).to_le_bytes());
    bytes[1040..1056].copy_from_slice(&u128::from(seed % 2).to_le_bytes());
    bytes
}

fn two_programs(checks: &mut Checks) {
    // The checks before may have taken as long as the decrementer counts.
    time::disarm();
    let mut rooms = [Room::new(), Room::new(), Room::new()];
    let mut contexts = [const { None }; 3];
    for (n, (room, context)) in rooms.iter_mut().zip(&mut contexts).enumerate() {
        frames::bytes(room.data)[..1056].copy_from_slice(&image(n as u64 + 1));
        let mut new = UserContext::new(address(&raw const program_vectors), 0);
        (new.gpr[3], new.gpr[4]) = (DATA, MORE);
        room.space.activate();
        checks.same("loaded", run_user(&mut new), Trap::SystemCall);
        checks.holds("used", new.is_vec_used() && new.is_live());
        new.leave();
        checks.holds("left", !new.is_live());
        *context = Some(new);
    }
    // A copy goes on as the original would.
    let mut copy = contexts[1]
        .as_ref()
        .map(|context| context.try_clone().expect("memory"));
    for (n, (room, context)) in rooms.iter_mut().zip(&mut contexts).enumerate() {
        let Some(context) = context else { continue };
        room.space.activate();
        checks.same("stored", run_user(context), Trap::SystemCall);
        let stored = &frames::bytes(room.more)[..1056];
        for (at, (stored, wanted)) in stored.iter().zip(image(n as u64 + 1)).enumerate() {
            if *stored != wanted {
                arch::print!("  program {n}, byte {at}: {stored:x}, wanted {wanted:x}\n");
                checks.holds("same bytes", false);
                break;
            }
        }
        context.leave();
    }
    if let Some(copy) = &mut copy {
        rooms[1].space.activate();
        frames::bytes(rooms[1].more).fill(0);
        checks.same("copy", run_user(copy), Trap::SystemCall);
        checks.holds(
            "same bytes",
            frames::bytes(rooms[1].more)[..1056] == image(2),
        );
        copy.leave();
    }
    for room in rooms {
        room.end();
    }
}

fn fresh(checks: &mut Checks) {
    let mut room = Room::new();
    let store_all = address(&raw const program_vectors) + 4 * (4 + 64 + 1);
    frames::bytes(room.more).fill(0x77);
    let mut context = UserContext::new(store_all, 0);
    context.gpr[4] = MORE;
    room.space.activate();
    checks.same("stored", run_user(&mut context), Trap::SystemCall);
    checks.holds(
        "zero",
        frames::bytes(room.more)[..1032]
            .iter()
            .all(|&byte| byte == 0),
    );
    context.leave();
    room.end();
}

fn special(checks: &mut Checks) {
    let mut room = Room::new();
    room.space.activate();
    let mut contexts = [1u64, 2].map(|n| {
        let mut context = UserContext::new(address(&raw const program_special), 0);
        (context.gpr[3], context.gpr[4]) = (0x1234_5678_9abc_0000 + n * 4, 0xffff_0000 + n);
        context.set_special(arch::Special {
            dscr: n,
            ..Default::default()
        });
        context
    });
    for _ in 0..2 {
        for context in &mut contexts {
            checks.same("call", run_user(context), Trap::SystemCall);
            context.leave();
        }
    }
    for (n, context) in contexts.iter().enumerate() {
        let [_, _, _, tar, vrsave, tar_again, vrsave_again, ..] = context.gpr;
        checks.same("kept", (tar_again, vrsave_again), (tar, vrsave));
        checks.same(
            "seen",
            context.special(),
            arch::Special {
                tar,
                vrsave,
                dscr: n as u64 + 1,
            },
        );
    }
    room.end();
}

fn outside(checks: &mut Checks) {
    let mut room = Room::new();
    frames::bytes(room.data)[..1056].copy_from_slice(&image(5));
    let mut context = UserContext::new(address(&raw const program_vectors), 0);
    (context.gpr[3], context.gpr[4]) = (DATA, MORE);
    room.space.activate();
    checks.same("loaded", run_user(&mut context), Trap::SystemCall);
    context.leave();
    let word = |at: usize| {
        let bytes = image(5);
        core::array::from_fn(|n| bytes[at + n])
    };
    match context.vector_mut() {
        Ok(state) => {
            checks.same("f7", state.fpr(7), u64::from_le_bytes(word(7 * 16 + 8)));
            checks.same(
                "low half",
                state.vsr_low(7),
                u64::from_le_bytes(word(7 * 16)),
            );
            checks.same("rounding", state.fpscr() & 3, 1);
            state.set_fpr(7, 0x1111);
            state.set_vr(31, 0x2222);
        }
        Err(_) => checks.holds("a state", false),
    }
    checks.same("stored", run_user(&mut context), Trap::SystemCall);
    let page = frames::bytes(room.more);
    checks.same("f7 written", page[7 * 16 + 8], 0x11);
    checks.same("v31 written", page[63 * 16], 0x22);
    context.leave();
    room.end();
}

fn to_frame_and_back(checks: &mut Checks) {
    const VRSAVE: u32 = 0x8765_4321;
    let mut room = Room::new();
    frames::bytes(room.more)[..1056].copy_from_slice(&image(6));
    let mut context = UserContext::new(address(&raw const program_vectors), 0);
    (context.gpr[3], context.gpr[4]) = (MORE, DATA);
    room.space.activate();
    checks.same("loaded", run_user(&mut context), Trap::SystemCall);
    context.leave();
    context.set_special(arch::Special {
        vrsave: u64::from(VRSAVE),
        ..context.special()
    });
    context.gpr = core::array::from_fn(|n| 0x1234_5678_9abc_def0 + n as u64);
    (context.nip, context.ctr, context.lr) = (0x1000, 0x2000, 0x3000);
    (context.xer, context.cr) = (0x2000_0000, 0x8765_4321);
    let parts = Parts {
        head: [0, 0, 1, 2, 3, 4],
        signal: [10, 11, 12, 13],
        addresses: [20, 21],
        info: [7; SIGINFO_SIZE],
    };
    let at = 1024;
    let frame = DATA + at;
    // From here on what is written last is beyond the end.
    let late = DATA + 4096 - 888;
    let fault = |access, address| Err(UserFault { address, access });
    let put = |at| signal_frame::put(at, &parts, &context, 0x4321);
    checks.same(
        "out over the end",
        put(late),
        fault(Access::Write, late + 1744),
    );
    frames::bytes(room.data).fill(0);
    checks.same("out", put(frame), Ok(()));
    let state = image(6);
    let page = frames::bytes(room.data);
    let bytes = &page[at as usize..];
    let word = |place: usize| u64::from_le_bytes(core::array::from_fn(|n| bytes[place + n]));
    checks.holds("head", (0..6).map(|n| word(n * 8)).eq([0, 0, 1, 2, 3, 4]));
    checks.holds("signal", (0..4).map(|n| word(200 + n * 8)).eq(10..14));
    let general = (0..32).map(|n| word(232 + n * 8));
    checks.holds("general", general.eq(context.gpr));
    let others = [
        context.nip,
        0x4321,
        context.gpr[3],
        context.ctr,
        context.lr,
        context.xer,
        context.cr,
        1,
        0,
    ];
    checks.holds(
        "others",
        (32..).map(|n| word(232 + n * 8)).take(9).eq(others),
    );
    checks.same("addresses", (word(1744), word(1752)), (20, 21));
    checks.holds("info", bytes[1760..1888] == parts.info);
    checks.holds("the red zone", bytes[1888..].iter().all(|byte| *byte == 0));
    let chain = &page[at as usize - 128..];
    checks.holds("back chain", chain[..8] == context.gpr[1].to_le_bytes());
    checks.holds("f3", bytes[616 + 24..][..8] == state[56..64]);
    checks.holds("FPSCR", bytes[872..880] == state[1024..1032]);
    checks.same("address of the vectors", word(880), frame + 896);
    let vectors = &bytes[896..];
    checks.holds("all v", vectors[..512] == state[512..1024]);
    checks.holds("VSCR", vectors[512..528] == state[1040..1056]);
    checks.holds("VRSAVE", vectors[528..532] == VRSAVE.to_le_bytes());
    checks.holds("low half of vs3", vectors[568..576] == state[48..56]);

    let store_all = address(&raw const program_vectors) + 4 * (4 + 64 + 1);
    let mut other = UserContext::new(store_all, 0);
    let found = Found {
        stack: [1, 2, 3],
        mask: 4,
        msr: 0x4321,
        vectors: frame + 896,
    };
    checks.same("in", signal_frame::get(&mut other, frame), Ok(found));
    let special = |c: &UserContext| [c.nip, c.ctr, c.lr, c.xer, c.cr];
    checks.same("general back", other.gpr, context.gpr);
    checks.same("others back", special(&other), special(&context));
    checks.same(
        "in over the end",
        signal_frame::get(&mut other, DATA + 4096 - 64).map(drop),
        fault(Access::Read, DATA + 4096 - 64 + 496),
    );
    let end = DATA + 4096;
    match other.vector_mut() {
        Ok(state) => {
            let failed = signal_frame::get_vectors(state, frame, end - 544).map(drop);
            checks.same("vectors over the end", failed, fault(Access::Read, end));
            let vectors = signal_frame::get_vectors(state, frame, frame + 896);
            checks.same("vectors", vectors, Ok(VRSAVE));
        }
        Err(_) => checks.holds("a state", false),
    }
    (other.nip, other.gpr[4]) = (store_all, DATA);
    checks.same("stored", run_user(&mut other), Trap::SystemCall);
    checks.holds("same bytes", frames::bytes(room.data)[..1056] == state);
    other.leave();
    room.end();
}
