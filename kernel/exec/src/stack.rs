//! The stack that a program starts with (64-Bit ELF V2 ABI Specification, "Process Initialization").

use abi::Errno;
use alloc::vec::Vec;
use fallible::{Extend, NoMemory};

/// The auxiliary vector: pairs of a type (`man 3 getauxval`) and a value, without the final AT_NULL.
pub type AuxiliaryVector = Vec<(u64, u64)>;

/// Types of the auxiliary vector that only [`InitialStack`] can know the value of.
const AT_PLATFORM: u64 = 15;
const AT_RANDOM: u64 = 25;
const AT_EXECFN: u64 = 31;

/// What lies from the stack pointer to the top of the stack.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InitialStack {
    /// The bytes, the last of which is just below the top.
    pub bytes: Vec<u8>,
    /// Address of the first: the stack pointer, a multiple of 16, where argc stands.
    pub pointer: u64,
    /// Addresses of the first byte of the first argument and of the byte after the last.
    pub arguments: (u64, u64),
    /// The same of the environment.
    pub environment: (u64, u64),
    /// Addresses of the first byte of the auxiliary vector and of the byte after its AT_NULL.
    pub auxiliary: (u64, u64),
}

/// What goes onto the stack.
#[derive(Clone, Copy, Debug)]
pub struct Contents<'a> {
    /// argv, without NULs.
    pub arguments: &'a [Vec<u8>],
    /// envp, without NULs.
    pub environment: &'a [Vec<u8>],
    /// The path that the program was executed by (AT_EXECFN).
    pub path: &'a [u8],
    /// The processor's name (AT_PLATFORM).
    pub platform: &'a [u8],
    /// Random bytes for the program's use (AT_RANDOM).
    pub random: [u8; 16],
}

impl InitialStack {
    /// Lays the contents out below `top`, a multiple of 16; at most `limit` bytes.
    ///
    /// AT_RANDOM, AT_PLATFORM and AT_EXECFN are added to `auxiliary` here.
    ///
    /// # Errors
    /// E2BIG when they do not fit.
    pub fn new(
        contents: &Contents<'_>,
        auxiliary: &[(u64, u64)],
        top: u64,
        limit: usize,
    ) -> Result<Self, Errno> {
        let mut strings = Strings {
            bytes: Vec::new(),
            limit,
        };
        let arguments = strings.add_all(contents.arguments)?;
        let environment = strings.add_all(contents.environment)?;
        let path = strings.add(contents.path)?;
        let platform = strings.add(contents.platform)?;
        let random = strings.bytes.len();
        strings.bytes.try_extend(&contents.random[..])?;

        let words = 1 + arguments.len() + 1 + environment.len() + 1 + 2 * (auxiliary.len() + 4);
        let size = (words * 8 + strings.bytes.len()).next_multiple_of(16);
        if size > limit || size as u64 > top {
            return Err(Errno::E2BIG);
        }
        let pointer = top - size as u64;
        let base = top - strings.bytes.len() as u64;
        let at = |offset: usize| base + offset as u64;

        let vector = pointer + 8 * (3 + arguments.len() + environment.len()) as u64;
        let vector_end = vector + 16 * (auxiliary.len() + 4) as u64;
        let mut bytes = Vec::new();
        bytes.try_reserve_exact(size).map_err(NoMemory::from)?;
        let mut word = |value: u64| bytes.extend_from_slice(&value.to_le_bytes());
        word(arguments.len() as u64);
        arguments.iter().for_each(|offset| word(at(*offset)));
        word(0);
        environment.iter().for_each(|offset| word(at(*offset)));
        word(0);
        let own = [
            (AT_RANDOM, at(random)),
            (AT_PLATFORM, at(platform)),
            (AT_EXECFN, at(path)),
            (0, 0),
        ];
        for (kind, value) in auxiliary.iter().chain(&own) {
            word(*kind);
            word(*value);
        }
        bytes.resize(size - strings.bytes.len(), 0);
        bytes.extend_from_slice(&strings.bytes);
        let environment_start = environment.first().copied().unwrap_or(path);
        Ok(Self {
            bytes,
            pointer,
            arguments: (at(0), at(environment_start)),
            environment: (at(environment_start), at(path)),
            auxiliary: (vector, vector_end),
        })
    }
}

struct Strings {
    bytes: Vec<u8>,
    limit: usize,
}

impl Strings {
    /// Adds a string and its NUL; answers its offset.
    fn add(&mut self, string: &[u8]) -> Result<usize, Errno> {
        let offset = self.bytes.len();
        if offset + string.len() + 1 > self.limit {
            return Err(Errno::E2BIG);
        }
        self.bytes
            .try_reserve(string.len() + 1)
            .map_err(NoMemory::from)?;
        self.bytes.extend_from_slice(string);
        self.bytes.push(0);
        Ok(offset)
    }

    fn add_all(&mut self, strings: &[Vec<u8>]) -> Result<Vec<usize>, Errno> {
        let mut offsets = fallible::list(strings.len())?;
        for string in strings {
            offsets.push(self.add(string)?);
        }
        Ok(offsets)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const TOP: u64 = 0x7fff_ffff_0000;

    fn word(stack: &InitialStack, address: u64) -> u64 {
        let at = (address - stack.pointer) as usize;
        u64::from_le_bytes(stack.bytes[at..at + 8].try_into().expect("eight bytes"))
    }

    fn string(stack: &InitialStack, address: u64) -> Vec<u8> {
        let bytes = &stack.bytes[(address - stack.pointer) as usize..];
        bytes
            .iter()
            .copied()
            .take_while(|byte| *byte != 0)
            .collect()
    }

    proptest! {
        /// EXEC0002: a program finds its arguments, environment and auxiliary vector where the ABI says.
        #[test]
        fn what_goes_in_is_found(
            arguments in proptest::collection::vec(proptest::collection::vec(1u8.., 0..20), 0..6),
            environment in proptest::collection::vec(proptest::collection::vec(1u8.., 0..20), 0..6),
        ) {
            let contents = Contents {
                arguments: &arguments, environment: &environment, path: b"/p", platform: b"power9", random: [7; 16],
            };
            let stack = InitialStack::new(&contents, &[(6, 4096)], TOP, 1 << 20).expect("fits");
            prop_assert_eq!(stack.pointer % 16, 0);
            prop_assert_eq!(stack.pointer + stack.bytes.len() as u64, TOP);
            prop_assert_eq!(word(&stack, stack.pointer), arguments.len() as u64);
            let mut at = stack.pointer + 8;
            for list in [&arguments, &environment] {
                for wanted in list.iter() {
                    prop_assert_eq!(&string(&stack, word(&stack, at)), wanted);
                    at += 8;
                }
                prop_assert_eq!(word(&stack, at), 0);
                at += 8;
            }
            prop_assert_eq!(stack.auxiliary, (at, at + 5 * 16));
            prop_assert_eq!((word(&stack, at), word(&stack, at + 8)), (6, 4096));
            prop_assert_eq!(word(&stack, at + 16), AT_RANDOM);
            prop_assert_eq!(string(&stack, word(&stack, at + 40)), b"power9");
            prop_assert_eq!(string(&stack, word(&stack, at + 56)), b"/p");
            prop_assert_eq!(word(&stack, at + 64), 0);
        }
    }

    #[test]
    fn too_much_is_refused() {
        let arguments = [alloc::vec![1; 5000]];
        let contents = Contents {
            arguments: &arguments,
            environment: &[],
            path: b"",
            platform: b"",
            random: [0; 16],
        };
        assert_eq!(
            InitialStack::new(&contents, &[], TOP, 4096),
            Err(Errno::E2BIG)
        );
    }
}
