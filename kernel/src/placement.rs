//! Where the parts of a program are put: at random, so that an address that is known of one run says nothing about another.
//!
//! What lies close together stays so, for the tables' sake: mappings in the half terabyte below the stack, the heap within
//! 32 MiB of the program. A program that asks for it (`man 2 personality`, ADDR_NO_RANDOMIZE) is put at fixed places. The
//! vDSO stands at one place.

use crate::space::{LAYOUT, USER_LIMIT};
use crate::system::system;
use abi::PAGE_SIZE;
use memory::space::Layout;

/// Where a program that may be anywhere is put, and its dynamic linker, at the least; multiples of what segments align to.
const PROGRAM: u64 = 0x1_0000_0000;
const INTERPRETER: u64 = 0x7f00_0000_0000;
const SEGMENT_ALIGNMENT: u64 = 0x1_0000;

/// How far things may be moved, in bytes, each a power of two.
const PROGRAM_SPAN: u64 = 1 << 40;
const INTERPRETER_SPAN: u64 = 1 << 38;
const MAPPINGS_SPAN: u64 = 1 << 38;
const HEAP_SPAN: u64 = 32 << 20;
const STACK_SPAN: u64 = 64 << 20;
const STACK_ALIGNMENT: u64 = 16;

/// Places for one program.
#[derive(Clone, Copy, Debug)]
pub struct Placement {
    /// Base of a movable program.
    pub program: u64,
    /// Base of its dynamic linker.
    pub interpreter: u64,
    /// From the end of the program to its heap.
    pub heap_gap: u64,
    /// The first address above the stack's contents.
    pub stack_top: u64,
    /// Where mappings go.
    pub layout: Layout,
}

impl Placement {
    /// The same places for every program.
    pub const FIXED: Self = Self {
        program: PROGRAM,
        interpreter: INTERPRETER,
        heap_gap: 0,
        stack_top: USER_LIMIT,
        layout: LAYOUT,
    };

    /// Places for a program that starts now.
    pub fn choose(fixed: bool) -> Self {
        if fixed {
            return Self::FIXED;
        }
        let mut random = [[0; size_of::<u64>()]; 5];
        system().entropy.fill(random.as_flattened_mut());
        let [program, interpreter, heap, stack, mappings] = random.map(u64::from_le_bytes);
        let page = PAGE_SIZE as u64;
        let within =
            |random: u64, span: u64, alignment: u64| random % (span / alignment) * alignment;
        Self {
            program: PROGRAM + within(program, PROGRAM_SPAN, SEGMENT_ALIGNMENT),
            interpreter: INTERPRETER + within(interpreter, INTERPRETER_SPAN, SEGMENT_ALIGNMENT),
            heap_gap: within(heap, HEAP_SPAN, page),
            stack_top: USER_LIMIT - within(stack, STACK_SPAN, STACK_ALIGNMENT),
            layout: Layout {
                mappings_below: LAYOUT.mappings_below - within(mappings, MAPPINGS_SPAN, page),
                ..LAYOUT
            },
        }
    }
}
