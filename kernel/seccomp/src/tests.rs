use crate::{CallData, Filter, Program, Verdict};
use abi::Errno;
use abi::linux::{
    SECCOMP_RET_ALLOW, SECCOMP_RET_ERRNO, SECCOMP_RET_KILL_PROCESS, SECCOMP_RET_KILL_THREAD,
    SECCOMP_RET_LOG, SECCOMP_RET_TRACE, SECCOMP_RET_TRAP, SECCOMP_RET_USER_NOTIF, SeccompData,
    SockFilter,
};
use alloc::sync::Arc;
use proptest::prelude::*;
use std::vec;
use std::vec::Vec;

const fn make(code: u16, jt: u8, jf: u8, k: u32) -> SockFilter {
    SockFilter { code, jt, jf, k }
}

const LOAD: u16 = 0x20;
const RETURN: u16 = 0x06;
const EQUAL: u16 = 0x15;

fn data() -> CallData {
    CallData::from(SeccompData {
        nr: 7,
        arch: 0xc000_0015,
        instruction_pointer: 0x1122_3344_5566_7788,
        args: [1, 2, 3, 4, 5, 0xaabb_ccdd_0000_0006],
    })
}

fn result(instructions: &[SockFilter]) -> u32 {
    Program::new(instructions).unwrap().run(&data())
}

fn refused(instructions: &[SockFilter]) {
    assert_eq!(Program::new(instructions).err(), Some(Errno::EINVAL));
}

#[test]
fn every_word_of_the_data_is_where_it_belongs() {
    let expected = [
        (0, 7),
        (4, 0xc000_0015),
        (8, 0x5566_7788),
        (12, 0x1122_3344),
        (16, 1),
        (20, 0),
        (48, 5),
        (56, 6),
        (60, 0xaabb_ccdd),
    ];
    for (offset, word) in expected {
        assert_eq!(
            result(&[make(LOAD, 0, 0, offset), make(0x16, 0, 0, 0)]),
            word
        );
    }
    for offset in [1, 2, 62, 64, u32::MAX] {
        refused(&[make(LOAD, 0, 0, offset), make(RETURN, 0, 0, 0)]);
    }
    // Bytes, halves and what lies at X are for packets.
    for code in [0x30, 0x28, 0x40, 0xa1, 0xb1] {
        refused(&[make(code, 0, 0, 0), make(RETURN, 0, 0, 0)]);
    }
    for code in [0x80, 0x81] {
        let to_a = if code == 0x81 { 0x87 } else { 0x04 };
        let program = [
            make(code, 0, 0, 0),
            make(to_a, 0, 0, 0),
            make(0x16, 0, 0, 0),
        ];
        assert_eq!(result(&program), 64);
    }
}

#[test]
fn a_program_ends_and_stays_in_itself() {
    refused(&[]);
    refused(&vec![make(RETURN, 0, 0, 0); 4097]);
    assert!(Program::new(&vec![make(RETURN, 0, 0, 0); 4096]).is_ok());
    refused(&[make(LOAD, 0, 0, 0)]);
    refused(&[make(0x05, 0, 0, 1), make(RETURN, 0, 0, 0)]);
    refused(&[make(0x05, 0, 0, u32::MAX), make(RETURN, 0, 0, 0)]);
    refused(&[make(EQUAL, 1, 0, 0), make(RETURN, 0, 0, 0)]);
    refused(&[make(EQUAL, 0, 1, 0), make(RETURN, 0, 0, 0)]);
    let over = [
        make(0x05, 0, 0, 1),
        make(RETURN, 0, 0, 1),
        make(RETURN, 0, 0, 2),
    ];
    assert_eq!(result(&over), 2);
}

#[test]
fn branches_go_where_their_test_says() {
    for (code, k, holds) in [
        (0x15, 7, true),
        (0x15, 8, false),
        (0x25, 6, true),
        (0x25, 7, false),
        (0x35, 7, true),
        (0x35, 8, false),
        (0x45, 2, true),
        (0x45, 8, false),
    ] {
        for x in [false, true] {
            let program = [
                make(0x01, 0, 0, k),
                make(LOAD, 0, 0, 0),
                make(code | if x { 8 } else { 0 }, 1, 0, if x { 99 } else { k }),
                make(RETURN, 0, 0, 0),
                make(RETURN, 0, 0, 1),
            ];
            assert_eq!(result(&program) == 1, holds, "{code:#x} {k} {x}");
        }
    }
}

#[test]
fn arithmetic_is_that_of_32_bits() {
    for (code, k, value) in [
        (0x04, u32::MAX, 6),
        (0x14, 8, u32::MAX),
        (0x24, 0x8000_0001, 0x8000_0007),
        (0x34, 2, 3),
        (0x44, 8, 15),
        (0x54, 6, 6),
        (0x64, 31, 0x8000_0000),
        (0x74, 1, 3),
        (0xa4, 1, 6),
        (0x84, 0, 7u32.wrapping_neg()),
    ] {
        for x in [0, 8] {
            if code == 0x84 && x == 8 {
                continue;
            }
            let program = [
                make(0x01, 0, 0, k),
                make(LOAD, 0, 0, 0),
                make(code | x, 0, 0, k),
                make(0x16, 0, 0, 0),
            ];
            assert_eq!(result(&program), value, "{code:#x} {x}");
        }
    }
    // By zero: known before, or found on the way.
    refused(&[make(0x34, 0, 0, 0), make(RETURN, 0, 0, 1)]);
    assert_eq!(result(&[make(0x3c, 0, 0, 0), make(RETURN, 0, 0, 1)]), 0);
    refused(&[make(0x64, 0, 0, 32), make(RETURN, 0, 0, 1)]);
    // There is no remainder, and no extended BPF.
    for code in [0x94, 0x9c, 0xb7, 0x61, 0x85, 0x95] {
        refused(&[make(code, 0, 0, 1), make(RETURN, 0, 0, 1)]);
    }
}

#[test]
fn memory_is_read_only_where_it_was_stored() {
    let (store, recall) = (0x02, 0x60);
    assert_eq!(
        result(&[
            make(0x00, 0, 0, 9),
            make(store, 0, 0, 15),
            make(0x00, 0, 0, 1),
            make(recall, 0, 0, 15),
            make(0x16, 0, 0, 0),
        ]),
        9
    );
    refused(&[make(recall, 0, 0, 0), make(RETURN, 0, 0, 0)]);
    refused(&[make(store, 0, 0, 16), make(RETURN, 0, 0, 0)]);
    // On one way only.
    refused(&[
        make(EQUAL, 0, 1, 7),
        make(store, 0, 0, 3),
        make(recall, 0, 0, 3),
        make(RETURN, 0, 0, 0),
    ]);
    // On both.
    let both = [
        make(EQUAL, 0, 2, 7),
        make(store, 0, 0, 3),
        make(0x05, 0, 0, 1),
        make(0x03, 0, 0, 3),
        make(0x61, 0, 0, 3),
        make(RETURN, 0, 0, 5),
    ];
    assert_eq!(result(&both), 5);
}

fn returning(value: u32) -> Program {
    Program::new(&[make(RETURN, 0, 0, value)]).unwrap()
}

#[test]
fn the_strictest_counts_and_of_equals_the_newest() {
    let order = [
        SECCOMP_RET_KILL_PROCESS,
        SECCOMP_RET_KILL_THREAD,
        SECCOMP_RET_TRAP | 9,
        SECCOMP_RET_ERRNO | 9,
        SECCOMP_RET_USER_NOTIF,
        SECCOMP_RET_TRACE,
        SECCOMP_RET_LOG,
        SECCOMP_RET_ALLOW,
    ];
    for (at, stricter) in order.iter().enumerate() {
        for weaker in &order[at..] {
            for (first, second) in [(stricter, weaker), (weaker, stricter)] {
                let chain = Filter::install(returning(*first), None, false).unwrap();
                let chain = Filter::install(returning(*second), Some(chain), false).unwrap();
                assert_eq!(chain.judge(&data(), |_| ()).0, Verdict::of(*stricter));
            }
        }
    }
    let chain = Filter::install(returning(SECCOMP_RET_ERRNO | 1), None, false).unwrap();
    let chain = Filter::install(returning(SECCOMP_RET_ERRNO | 2), Some(chain), true).unwrap();
    let mut asked = 0;
    let judged = chain.judge(&data(), |count| asked += count);
    assert_eq!((judged, asked), ((Verdict::Fail(2), true), 2));
    assert_eq!(Verdict::of(SECCOMP_RET_ERRNO | 0xffff), Verdict::Fail(4095));
    assert_eq!(Verdict::of(0x0123_0000), Verdict::KillProcess);
}

#[test]
fn a_chain_is_bounded_and_goes_without_a_deep_stack() {
    let mut chain: Option<Arc<Filter>> = None;
    let mut first = None;
    let mut count = 0;
    let refusal = loop {
        match Filter::install(returning(SECCOMP_RET_ALLOW), chain.clone(), false) {
            Ok(longer) => {
                first.get_or_insert_with(|| longer.clone());
                chain = Some(longer);
                count += 1;
            }
            Err(errno) => break errno,
        }
    };
    assert_eq!(refusal, Errno::ENOMEM);
    assert_eq!(count, (Filter::LIMIT - 1) / (1 + Filter::PENALTY) + 1);
    let (chain, first) = (chain.unwrap(), first.unwrap());
    assert_eq!(chain.depth() as usize, count);
    assert!(chain.contains(&first) && !first.contains(&chain));
    let dropped = std::thread::Builder::new()
        .stack_size(64 << 10)
        .spawn(move || drop(chain))
        .unwrap();
    dropped.join().unwrap();
    assert_eq!(Arc::strong_count(&first), 1);
}

fn any_instruction() -> impl Strategy<Value = SockFilter> {
    // All kinds that neither divide nor return A.
    let codes = [
        0x20u16, 0x00, 0x60, 0x02, 0x03, 0x61, 0x15, 0x2d, 0x05, RETURN, 0x04, 0x6c, 0x84, 0x07,
        0x87,
    ];
    let code = prop::sample::select(codes.to_vec());
    (code, 0u8..6, 0u8..6, prop_oneof![0u32..70, any::<u32>()])
        .prop_map(|(code, jt, jf, k)| make(code, jt, jf, k))
}

proptest! {
    #[test]
    fn what_is_accepted_ends_at_a_return(body in prop::collection::vec(any_instruction(), 0..12)) {
        const MARK: u32 = 1 << 31;
        let mut instructions: Vec<_> = body;
        instructions.push(make(RETURN, 0, 0, 0));
        let returns = instructions.iter_mut().filter(|instruction| instruction.code == RETURN);
        returns.for_each(|instruction| instruction.k |= MARK);
        if let Ok(program) = Program::new(&instructions) {
            prop_assert_eq!(program.run(&data()) & MARK, MARK);
        }
    }
}
