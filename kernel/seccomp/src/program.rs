//! Programs of classic BPF, as far as filters of system calls may use it (`man 2 seccomp`; McCanne and Jacobson, "The BSD
//! Packet Filter", 1993).

use abi::Errno;
use abi::linux::{BPF_MAXINSNS, SeccompData, SockFilter};
use alloc::boxed::Box;

/// Words of memory that a program has for itself.
const MEMORY: usize = 16;

/// What a program reads: the words of `struct seccomp_data`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CallData([u32; SeccompData::SIZE / 4]);

impl From<SeccompData> for CallData {
    fn from(data: SeccompData) -> Self {
        let [low, high] = [|word: u64| word as u32, |word: u64| (word >> 32) as u32];
        let mut words = [0; SeccompData::SIZE / 4];
        let wide = [data.instruction_pointer].into_iter().chain(data.args);
        let wide = wide.flat_map(|word| [low(word), high(word)]);
        let all = [data.nr, data.arch].into_iter().chain(wide);
        words
            .iter_mut()
            .zip(all)
            .for_each(|(place, word)| *place = word);
        Self(words)
    }
}

/// A program that has been checked.
#[derive(Debug)]
pub struct Program(Box<[Step]>);

/// An instruction. All places in memory, the data and the program are inside: [`Program::new`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    /// A is a word of the data.
    Load(u8),
    /// A is a constant.
    Constant(u32),
    /// A is a word of memory.
    Recall(u8),
    /// X is a constant.
    ConstantX(u32),
    /// X is a word of memory.
    RecallX(u8),
    /// A word of memory is A.
    Store(u8),
    /// A word of memory is X.
    StoreX(u8),
    /// A is what comes of A and an operand.
    Compute(Arithmetic, Operand),
    /// A is what is missing from A to 0.
    Negate,
    /// Passes over so many instructions.
    Jump(u32),
    /// Passes over as many as one or the other number says.
    Branch(Test, Operand, u8, u8),
    /// X is A.
    ToX,
    /// A is X.
    FromX,
    /// The end, with a constant.
    Return(u32),
    /// The end, with A.
    ReturnA,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Operand {
    Constant(u32),
    X,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Arithmetic {
    Add,
    Subtract,
    Multiply,
    Divide,
    And,
    Or,
    Xor,
    ShiftLeft,
    ShiftRight,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Test {
    Equal,
    Greater,
    GreaterOrEqual,
    AnySet,
}

/// Parts of `code` (linux/bpf_common.h).
mod code {
    pub const CLASS: u16 = 0x07;
    pub const LD: u16 = 0x00;
    pub const LDX: u16 = 0x01;
    pub const ST: u16 = 0x02;
    pub const STX: u16 = 0x03;
    pub const ALU: u16 = 0x04;
    pub const JMP: u16 = 0x05;
    pub const RET: u16 = 0x06;
    pub const MISC: u16 = 0x07;
    pub const IMM: u16 = 0x00;
    pub const ABS: u16 = 0x20;
    pub const MEM: u16 = 0x60;
    pub const LEN: u16 = 0x80;
    pub const X: u16 = 0x08;
    pub const A: u16 = 0x10;
    pub const NEG: u16 = 0x80;
    pub const TXA: u16 = 0x80;
}

impl Step {
    /// # Errors
    /// EINVAL for what filters of calls may not use.
    fn decode(instruction: &SockFilter) -> Result<Self, Errno> {
        let SockFilter { code, jt, jf, k } = *instruction;
        let class = code & code::CLASS;
        let word = u8::try_from(k)
            .ok()
            .filter(|word| usize::from(*word) < MEMORY);
        let operand = if code & code::X != 0 {
            Operand::X
        } else {
            Operand::Constant(k)
        };
        let sub = code & !(code::CLASS | code::X);
        let step = match class {
            code::LD if code == code::LD | code::ABS => {
                let inside = (k as usize) < SeccompData::SIZE && k.is_multiple_of(4);
                inside.then_some(Step::Load((k / 4) as u8))
            }
            code::LD if code == code::LD | code::LEN => {
                Some(Step::Constant(SeccompData::SIZE as u32))
            }
            code::LD if code == code::LD | code::IMM => Some(Step::Constant(k)),
            code::LD if code == code::LD | code::MEM => word.map(Step::Recall),
            code::LDX if code == code::LDX | code::LEN => {
                Some(Step::ConstantX(SeccompData::SIZE as u32))
            }
            code::LDX if code == code::LDX | code::IMM => Some(Step::ConstantX(k)),
            code::LDX if code == code::LDX | code::MEM => word.map(Step::RecallX),
            code::ST if code == code::ST => word.map(Step::Store),
            code::STX if code == code::STX => word.map(Step::StoreX),
            code::ALU if code == code::ALU | code::NEG => Some(Step::Negate),
            code::ALU => Arithmetic::decode(sub, operand)
                .map(|arithmetic| Step::Compute(arithmetic, operand)),
            code::JMP if code == code::JMP => Some(Step::Jump(k)),
            code::JMP => Test::decode(sub).map(|test| Step::Branch(test, operand, jt, jf)),
            code::RET if code == code::RET => Some(Step::Return(k)),
            code::RET if code == code::RET | code::A => Some(Step::ReturnA),
            code::MISC if code == code::MISC => Some(Step::ToX),
            code::MISC if code == code::MISC | code::TXA => Some(Step::FromX),
            _ => None,
        };
        step.ok_or(Errno::EINVAL)
    }
}

impl Arithmetic {
    fn decode(operation: u16, operand: Operand) -> Option<Self> {
        let arithmetic = match operation {
            0x00 => Self::Add,
            0x10 => Self::Subtract,
            0x20 => Self::Multiply,
            0x30 => Self::Divide,
            0x40 => Self::Or,
            0x50 => Self::And,
            0x60 => Self::ShiftLeft,
            0x70 => Self::ShiftRight,
            0xa0 => Self::Xor,
            _ => return None,
        };
        let possible = match (arithmetic, operand) {
            (Self::Divide, Operand::Constant(divisor)) => divisor != 0,
            (Self::ShiftLeft | Self::ShiftRight, Operand::Constant(by)) => by < u32::BITS,
            _ => true,
        };
        possible.then_some(arithmetic)
    }

    /// `None` for a division by zero.
    fn apply(self, a: u32, operand: u32) -> Option<u32> {
        Some(match self {
            Self::Add => a.wrapping_add(operand),
            Self::Subtract => a.wrapping_sub(operand),
            Self::Multiply => a.wrapping_mul(operand),
            Self::Divide => a.checked_div(operand)?,
            Self::And => a & operand,
            Self::Or => a | operand,
            Self::Xor => a ^ operand,
            Self::ShiftLeft => a.wrapping_shl(operand),
            Self::ShiftRight => a.wrapping_shr(operand),
        })
    }
}

impl Test {
    fn decode(operation: u16) -> Option<Self> {
        Some(match operation {
            0x10 => Self::Equal,
            0x20 => Self::Greater,
            0x30 => Self::GreaterOrEqual,
            0x40 => Self::AnySet,
            _ => return None,
        })
    }

    fn holds(self, a: u32, operand: u32) -> bool {
        match self {
            Self::Equal => a == operand,
            Self::Greater => a > operand,
            Self::GreaterOrEqual => a >= operand,
            Self::AnySet => a & operand != 0,
        }
    }
}

impl Program {
    /// Checks a program.
    ///
    /// # Errors
    /// EINVAL for one without instructions, with more than 4096, with one that filters may not use, that jumps beyond its end
    /// or does not end, and that reads of its memory what it may not have stored; ENOMEM.
    pub fn new(instructions: &[SockFilter]) -> Result<Self, Errno> {
        if !(1..=BPF_MAXINSNS).contains(&instructions.len()) {
            return Err(Errno::EINVAL);
        }
        let mut steps = fallible::list(instructions.len())?;
        for instruction in instructions {
            steps.push(Step::decode(instruction)?);
        }
        check_flow(&steps)?;
        Ok(Self(fallible::boxed_slice(&steps)?))
    }

    /// How many instructions it has.
    #[must_use]
    #[allow(clippy::len_without_is_empty, reason = "there is no empty program")]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// What it returns; 0 after a division by zero.
    #[must_use]
    pub fn run(&self, data: &CallData) -> u32 {
        let (mut a, mut x, mut memory) = (0u32, 0u32, [0u32; MEMORY]);
        let value = |operand, x| match operand {
            Operand::Constant(k) => k,
            Operand::X => x,
        };
        let recall =
            |memory: &[u32; MEMORY], word: u8| memory.get(usize::from(word)).copied().unwrap_or(0);
        let store = |memory: &mut [u32; MEMORY], word: u8, value| {
            if let Some(place) = memory.get_mut(usize::from(word)) {
                *place = value;
            }
        };
        let mut at = 0;
        while let Some(step) = self.0.get(at) {
            at += 1;
            match *step {
                Step::Load(word) => a = data.0.get(usize::from(word)).copied().unwrap_or(0),
                Step::Constant(k) => a = k,
                Step::Recall(word) => a = recall(&memory, word),
                Step::ConstantX(k) => x = k,
                Step::RecallX(word) => x = recall(&memory, word),
                Step::Store(word) => store(&mut memory, word, a),
                Step::StoreX(word) => store(&mut memory, word, x),
                Step::Compute(arithmetic, operand) => {
                    match arithmetic.apply(a, value(operand, x)) {
                        Some(result) => a = result,
                        None => return 0,
                    }
                }
                Step::Negate => a = a.wrapping_neg(),
                Step::Jump(over) => at += over as usize,
                Step::Branch(test, operand, yes, no) => {
                    let over = if test.holds(a, value(operand, x)) {
                        yes
                    } else {
                        no
                    };
                    at += usize::from(over);
                }
                Step::ToX => x = a,
                Step::FromX => a = x,
                Step::Return(k) => return k,
                Step::ReturnA => return a,
            }
        }
        // A checked program ends before.
        0
    }
}

/// Checks that the program stays in itself and ends, and that what it reads of its memory was stored on every way there.
fn check_flow(steps: &[Step]) -> Result<(), Errno> {
    if !matches!(steps.last(), Some(Step::Return(_) | Step::ReturnA)) {
        return Err(Errno::EINVAL);
    }
    // For each instruction the words that all jumps to it have stored.
    let mut stored_before = fallible::filled(u16::MAX, steps.len())?;
    let mut stored = 0u16;
    for (at, step) in steps.iter().enumerate() {
        stored &= stored_before.get(at).copied().unwrap_or(0);
        let mut jump = |over: usize, stored: u16| {
            let target = stored_before.get_mut(at + 1 + over).ok_or(Errno::EINVAL)?;
            *target &= stored;
            Ok::<(), Errno>(())
        };
        match *step {
            Step::Store(word) | Step::StoreX(word) => stored |= 1 << word,
            Step::Recall(word) | Step::RecallX(word) if stored & 1 << word == 0 => {
                return Err(Errno::EINVAL);
            }
            Step::Jump(over) => {
                jump(over as usize, stored)?;
                stored = u16::MAX;
            }
            Step::Branch(_, _, yes, no) => {
                jump(usize::from(yes), stored)?;
                jump(usize::from(no), stored)?;
                stored = u16::MAX;
            }
            _ => {}
        }
    }
    Ok(())
}
