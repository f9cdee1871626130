//! Programs in user mode: what they see of the kernel, and what the kernel sees of them.

use crate::check::Checks;
use crate::frames::{self, FRAMES};
use abi::mmu::{Access, FrameNumber, PageNumber, Protection, Translations};
use abi::{Cid, Ticks};
use arch::{Space, Trap, UserContext, print, run_user, time};

pub const CODE: u64 = 0x1000_0000;
pub const DATA: u64 = 0x2000_0000;
pub const MORE: u64 = 0x7fff_0000_0000;

unsafe extern "C" {
    static programs_start: u8;
    static programs_end: u8;
    pub static program_call: u8;
    pub static program_loop: u8;
    pub static program_vectors: u8;
    pub static program_special: u8;
    pub static program_divide: u8;
    pub static program_reserve: u8;
}

/// A space with the programs at [`CODE`] and a page for data at [`DATA`] and [`MORE`].
pub struct Room {
    pub space: Space,
    pub code: FrameNumber,
    pub data: FrameNumber,
    pub more: FrameNumber,
}

impl Room {
    pub fn new() -> Self {
        let mut space = Space::new(&FRAMES, Cid::GLOBAL);
        let (code, data, more) = (FRAMES.block(0), FRAMES.block(0), FRAMES.block(0));
        // SAFETY: both are labels of one section.
        let programs = unsafe {
            let start = &raw const programs_start;
            core::slice::from_raw_parts(
                start,
                (&raw const programs_end).offset_from(start) as usize,
            )
        };
        frames::bytes(code)[..programs.len()].copy_from_slice(programs);
        arch::cache::sync_instructions(frames::bytes(code));
        let all = Protection::READ | Protection::WRITE;
        let mut map = |address, frame, rights| {
            space
                .install(PageNumber::holding(address), frame, rights)
                .is_ok()
        };
        assert!(map(CODE, code, Protection::READ | Protection::EXECUTE));
        assert!(map(DATA, data, all) && map(MORE, more, all));
        Self {
            space,
            code,
            data,
            more,
        }
    }

    /// Gives the pages back.
    pub fn end(self) {
        for frame in [self.code, self.data, self.more] {
            FRAMES.release(frame, 0);
        }
    }
}

/// The user address of a program.
pub fn address(label: *const u8) -> u64 {
    CODE + (label as u64 - &raw const programs_start as u64)
}

/// Runs one instruction that does not loop.
fn run_word(room: &mut Room, context: &mut UserContext, word: u32) -> Trap {
    run_word_within(room, context, word, Ticks(512_000_000))
}

/// Runs one instruction with the registers of `context`, then `sc`.
fn run_word_within(room: &mut Room, context: &mut UserContext, word: u32, limit: Ticks) -> Trap {
    let page = frames::bytes(room.code);
    for (n, word) in [word, 0x4400_0002].into_iter().enumerate() {
        page[0xf00 + n * 4..][..4].copy_from_slice(&word.to_le_bytes());
    }
    arch::cache::sync_instructions(&page[0xf00..0xf08]);
    context.nip = CODE + 0xf00;
    room.space.activate();
    time::set_decrementer(limit);
    let trap = run_user(context);
    time::disarm();
    context.leave();
    trap
}

pub fn run(checks: &mut Checks, random: (u64, u32)) {
    checks.check(
        "ARCH0001",
        "a system call shows and keeps every register but r9 to r11 and CR0",
        registers_survive,
    );
    checks.check("ARCH0002", "faults say where, what and why", faults);
    checks.check(
        "ARCH0003",
        "kernel addresses are out of reach",
        kernel_addresses,
    );
    checks.check(
        "ARCH0004",
        "the kernel's instructions stop a program",
        forbidden,
    );
    checks.check(
        "ARCH0005",
        "traps, steps, arithmetic and alignment are told apart",
        exceptions,
    );
    checks.check("ARCH0006", "the decrementer stops a loop", preemption);
    checks.check(
        "ARCH0007",
        "a reservation does not outlive a call",
        reservation,
    );
    checks.check(
        "ARCH0008",
        "random instructions do not hurt the kernel",
        |checks| random_instructions(checks, random),
    );
}

fn registers_survive(checks: &mut Checks) {
    let mut room = Room::new();
    let mut context = UserContext::new(address(&raw const program_call), 0);
    for (n, register) in context.gpr.iter_mut().enumerate() {
        *register = 0x0123_4567_89ab_cdef_u64.rotate_left(n as u32);
    }
    (context.ctr, context.lr, context.xer, context.cr) = (
        0x1111_2222_3333_4444,
        CODE + 0x123,
        0xe000_0000,
        0x9876_5432,
    );
    let mut before = context.try_clone().expect("memory");
    // These are the kernel's to use at a call, which leaves nothing in them.
    before.gpr[9..12].fill(0);
    for _ in 0..3 {
        context.nip = before.nip;
        room.space.activate();
        checks.same("trap", run_user(&mut context), Trap::SystemCall);
        checks.same("gpr", context.gpr, before.gpr);
        checks.same("nip", context.nip, before.nip + 4);
        let special = |c: &UserContext| [c.ctr, c.lr, c.xer & 0xffff_ffff, c.cr & 0x0fff_ffff];
        checks.same("special", special(&context), special(&before));
    }
    checks.holds("no vector state without use", !context.is_vec_used());
    context.leave();
    room.space.activate();
    measure("system call and back", || {
        context.nip = before.nip;
        let _trap = run_user(&mut context);
    });
    context.leave();
    measure("hypervisor call", || {
        let _taken = arch::interrupts::take();
    });
    let mut other = Room::new();
    measure("change of address spaces, twice", || {
        other.space.activate();
        room.space.activate();
    });
    measure("copy of 64 bytes in", || {
        let mut buffer = [0; 64];
        let _copied = arch::user::copy_in(&mut buffer, DATA);
    });
    measure("copy of 4096 bytes in", || {
        let mut buffer = [0; 4096];
        let _copied = arch::user::copy_in(&mut buffer, DATA);
    });
    let page = frames::bytes(room.data);
    measure("clearing of a page", || {
        core::hint::black_box(&mut *page).fill(0)
    });
    let from = frames::bytes(room.code);
    measure("copy of a page", || {
        core::hint::black_box(&mut *page).copy_from_slice(core::hint::black_box(from))
    });
    measure("unaligned copy of 4000 bytes", || {
        core::hint::black_box(&mut *page)[..4000]
            .copy_from_slice(&core::hint::black_box(&*from)[3..4003]);
    });
    measure("decrementer write", || {
        time::set_decrementer(Ticks(51_200_000))
    });
    measure("clock read", || {
        let _now = core::hint::black_box(time::now());
    });
    other.end();
    room.end();
}

/// Prints the median cost of `body` over some batches.
fn measure(what: &str, mut body: impl FnMut()) {
    const BATCH: u64 = 500;
    let mut costs = [0; 21];
    for cost in &mut costs {
        let start = time::now();
        for _ in 0..BATCH {
            body();
        }
        *cost = (time::now() - start).0 * 1_000 / 512 / BATCH;
    }
    costs.sort_unstable();
    print!("  {what}: {} ns, least {} ns\n", costs[10], costs[0]);
}

fn faults(checks: &mut Checks) {
    let mut room = Room::new();
    let load = 0xe883_0000; // ld r4,0(r3)
    let store = 0xf883_0000; // std r4,0(r3)
    let jump = 0x4e80_0020; // blr
    let fault = |address, access, present_but_denied| Trap::PageFault {
        address,
        access,
        present_but_denied,
    };
    for (word, at, wanted) in [
        (load, 0, fault(0, Access::Read, false)),
        (store, 0x1238, fault(0x1238, Access::Write, false)),
        (load, DATA + 4096, fault(DATA + 4096, Access::Read, false)),
        (load, DATA - 4, fault(DATA - 4, Access::Read, false)),
        (store, DATA + 4096, fault(DATA + 4096, Access::Write, false)),
        (store, CODE, fault(CODE, Access::Write, true)),
        (jump, DATA, fault(DATA, Access::Execute, true)),
        (
            jump,
            DATA + 4096,
            fault(DATA + 4096, Access::Execute, false),
        ),
        (
            load,
            arch::USER_LIMIT - 8,
            fault(arch::USER_LIMIT - 8, Access::Read, false),
        ),
        (
            jump,
            arch::USER_LIMIT,
            fault(arch::USER_LIMIT, Access::Execute, false),
        ),
        (load, DATA, Trap::SystemCall),
        (store, MORE + 8, Trap::SystemCall),
    ] {
        let mut context = UserContext::new(0, 0xdead_0000);
        (context.gpr[3], context.lr) = (at, at);
        checks.same("fault", run_word(&mut room, &mut context, word), wanted);
    }
    // A space without tables.
    let mut context = UserContext::new(CODE, 0);
    let mut empty = Space::new(&FRAMES, Cid::GLOBAL);
    empty.activate();
    checks.same(
        "empty",
        run_user(&mut context),
        fault(CODE, Access::Execute, false),
    );
    context.leave();
    room.end();
}

fn kernel_addresses(checks: &mut Checks) {
    let mut room = Room::new();
    let image = arch::LINEAR_BASE + 0x41_0000;
    for at in [
        image,
        arch::LINEAR_BASE,
        arch::LINEAR_BASE + 0x4c00,
        u64::MAX - 7,
        1 << 63,
        1 << 62,
        1 << 52,
        1 << 60,
    ] {
        for word in [0xe883_0000_u32, 0xf883_0000, 0x4e80_0020] {
            let mut context = UserContext::new(0, at);
            (context.gpr[3], context.lr) = (at, at);
            match run_word(&mut room, &mut context, word) {
                Trap::PageFault {
                    address,
                    present_but_denied: false,
                    ..
                } => {
                    checks.same("address", address & !7, at & !7);
                }
                other => checks.holds("a fault", {
                    print!("  {at:x} {word:x}: {other:x?}\n");
                    false
                }),
            }
        }
    }
    room.end();
}

/// Instructions that programs must not execute, with the register fields naming r3.
const FORBIDDEN: &[(u32, &str)] = &[
    (0x0000_0000, "zero"),
    (0x0000_0200, "attn"),
    (0x0400_0000, "prefix"),
    (0x7c60_00a6, "mfmsr"),
    (0x7c60_0164, "mtmsrd"),
    (0x7c60_0124, "mtmsr"),
    (0x4c00_0024, "rfid"),
    (0x4c00_0224, "hrfid"),
    (0x4c00_00a4, "rfscv"),
    (0x4c00_02e4, "stop"),
    (0x4c00_0364, "nap"),
    (0x4400_0001, "scv"),
    (0x7c00_1a64, "tlbie"),
    (0x7c00_1a24, "tlbiel"),
    (0x7c00_046c, "tlbsync"),
    (0x7c00_03e4, "slbia"),
    (0x7c60_1b24, "slbmte"),
    (0x7c60_1e26, "slbmfee"),
    (0x7c70_42a6, "mfspr SPRG0"),
    (0x7c70_43a6, "mtspr SPRG0"),
    (0x7c7a_02a6, "mfspr SRR0"),
    (0x7c7b_03a6, "mtspr SRR1"),
    (0x7c76_02a6, "mfspr DEC"),
    (0x7c76_03a6, "mtspr DEC"),
    (0x7c70_0ba6, "mtspr PIDR"),
    (0x7c79_23a6, "mtspr FSCR"),
    (0x7c7d_03a6, "mtspr AMR, privileged"),
    (0x7c7d_0ba6, "mtspr IAMR"),
    (0x7c7e_4ba6, "mtspr LPCR"),
    (0x7c70_4ba6, "mtspr HSPRG0"),
    (0x7c7f_42a6, "mfspr PVR"),
    (0x7c70_fba6, "mtspr HID0"),
    (0x7c7c_43a6, "mtspr TBL"),
    (0x7c78_23a6, "mtspr CTRL"),
    (0x7c00_1b9c, "msgclr"),
    (0x7c00_199c, "msgsnd"),
    (0x7c00_191c, "msgsndp"),
    (0x7c00_195c, "msgclrp"),
    (0x7c00_051d, "tbegin."),
    (0x7c00_075d, "treclaim."),
    (0x7c00_07dd, "trechkpt."),
    (0x7c60_22a6, "mfspr TFHAR"),
    (0x7c00_03ac, "dcbi"),
    (0x7c60_1eaa, "ldcix"),
    (0x7c60_1fea, "stdcix"),
];

fn forbidden(checks: &mut Checks) {
    let mut room = Room::new();
    for &(word, name) in FORBIDDEN {
        let mut context = UserContext::new(0, 0);
        context.gpr[3] = DATA;
        let trap = run_word(&mut room, &mut context, word);
        if !matches!(
            trap,
            Trap::Illegal | Trap::Privileged | Trap::FacilityUnavailable(_)
        ) {
            print!("  {name}: {trap:x?}\n");
            checks.holds("stopped", false);
        }
    }
    // A hypervisor call from user mode is refused by the hypervisor, and the program goes on.
    let mut context = UserContext::new(0, 0);
    context.gpr[3] = 0x58;
    checks.same(
        "sc 1",
        run_word(&mut room, &mut context, 0x4400_0022),
        Trap::SystemCall,
    );
    checks.holds("sc 1 is refused", (context.gpr[3] as i64) < 0);
    room.end();
}

fn exceptions(checks: &mut Checks) {
    let mut room = Room::new();
    let mut context = UserContext::new(0, 0);
    checks.same(
        "trap",
        run_word(&mut room, &mut context, 0x7fe0_0008),
        Trap::Breakpoint,
    );
    checks.same("trap's address", context.nip, CODE + 0xf00);
    context.set_single_step(true);
    checks.same(
        "step",
        run_word(&mut room, &mut context, 0x6000_0000),
        Trap::SingleStep,
    );
    checks.same("step's address", context.nip, CODE + 0xf04);
    context.set_single_step(false);
    context.gpr[3] = DATA + 1;
    let reserve = 0x7c80_18a8; // ldarx r4,0,r3
    checks.same(
        "alignment",
        run_word(&mut room, &mut context, reserve),
        Trap::Alignment { address: DATA + 1 },
    );

    frames::bytes(room.data)[..8].copy_from_slice(&1.0f64.to_bits().to_le_bytes());
    for (enabled, wanted) in [(false, Trap::SystemCall), (true, Trap::FloatingPoint)] {
        let mut context = UserContext::new(address(&raw const program_divide), 0);
        context.gpr[3] = DATA;
        context.set_fp_exceptions(enabled);
        room.space.activate();
        checks.same("division by zero", run_user(&mut context), wanted);
        context.leave();
    }
    room.end();
}

fn preemption(checks: &mut Checks) {
    let mut room = Room::new();
    let mut context = UserContext::new(address(&raw const program_loop), 0);
    for _ in 0..5 {
        room.space.activate();
        let start = time::now();
        time::set_decrementer(Ticks(512_000));
        checks.same("trap", run_user(&mut context), Trap::Decrementer);
        let span = time::now() - start;
        checks.holds(
            "not early, and within 500 ms",
            span >= Ticks(512_000) && span < Ticks(256_000_000),
        );
        // Nobody has asked for another one.
        let mut call = UserContext::new(address(&raw const program_call), 0);
        context.leave();
        checks.same("once", run_user(&mut call), Trap::SystemCall);
        call.leave();
    }
    checks.holds("it ran", context.gpr[3] > 0);
    context.leave();
    room.end();
}

fn reservation(checks: &mut Checks) {
    let mut room = Room::new();
    let mut context = UserContext::new(address(&raw const program_reserve), 0);
    (context.gpr[3], context.gpr[4]) = (DATA, 9);
    room.space.activate();
    checks.same("first", run_user(&mut context), Trap::SystemCall);
    checks.same("second", run_user(&mut context), Trap::SystemCall);
    checks.same("stored", context.gpr[4], 0);
    context.leave();
    room.end();
}

fn random_instructions(checks: &mut Checks, (seed, count): (u64, u32)) {
    let mut room = Room::new();
    let mut seed = 0x9e37_79b9_7f4a_7c15_u64 ^ seed << 1;
    let mut next = || {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        seed
    };
    let mut kinds = [0u32; 4];
    for n in 0..count {
        let mut word = next() as u32;
        // Half of them from the crowded extended opcodes.
        if n % 2 == 0 {
            word = word & 0x03ff_ffff | [31, 19, 4, 60][n as usize / 2 % 4] << 26;
        }
        let mut context = UserContext::new(0, next());
        for register in &mut context.gpr {
            *register = if next() % 4 == 0 {
                DATA + next() % 4096
            } else {
                next()
            };
        }
        (context.lr, context.ctr) = (next(), next());
        let kind = match run_word_within(&mut room, &mut context, word, Ticks(512_000)) {
            Trap::SystemCall => 0,
            Trap::Illegal | Trap::Privileged | Trap::FacilityUnavailable(_) => 1,
            Trap::PageFault { .. } => 2,
            other => {
                if n % 500 == 0 {
                    print!("  {word:08x} {other:x?}\n");
                }
                3
            }
        };
        kinds[kind] += 1;
    }
    print!(
        "  {} went on, {} forbidden, {} faults, {} others\n",
        kinds[0], kinds[1], kinds[2], kinds[3]
    );
    checks.holds("all kinds met", kinds.iter().all(|&kind| kind > 0));
    room.end();
}
