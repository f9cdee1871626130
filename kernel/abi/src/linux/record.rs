//! Structures in program memory: fields at fixed offsets, little-endian, written and read byte by byte.
//!
//! [`record!`] makes an ordinary Rust structure with `encode` and `decode`. Its offsets are part of the
//! declaration, so that a reader can hold them against a header, and are checked against the cross
//! compiler's headers by `tests/headers.rs`.

/// A value with a fixed size in program memory.
pub trait Field: Sized {
    /// Its size in bytes.
    const SIZE: usize;

    /// Writes it to the start of `bytes`; nothing is written when there is no room.
    fn put(&self, bytes: &mut [u8]);

    /// Reads it from the start of `bytes`; missing bytes count as zero.
    fn get(bytes: &[u8]) -> Self;
}

macro_rules! numbers {
    ($($number:ty),*) => {$(
        impl Field for $number {
            const SIZE: usize = size_of::<$number>();

            fn put(&self, bytes: &mut [u8]) {
                if let Some(place) = bytes.first_chunk_mut() {
                    *place = self.to_le_bytes();
                }
            }

            fn get(bytes: &[u8]) -> Self {
                bytes.first_chunk().map_or(0, |place| Self::from_le_bytes(*place))
            }
        }
    )*};
}
numbers!(u8, u16, u32, u64, u128, i16, i32, i64);

impl<T: Field, const N: usize> Field for [T; N] {
    const SIZE: usize = T::SIZE * N;

    fn put(&self, bytes: &mut [u8]) {
        for (value, place) in self.iter().zip(bytes.chunks_exact_mut(T::SIZE)) {
            value.put(place);
        }
    }

    fn get(bytes: &[u8]) -> Self {
        core::array::from_fn(|at| T::get(bytes.get(at * T::SIZE..).unwrap_or_default()))
    }
}

/// Where a field lies: its Rust name, its offset and its size in bytes.
pub type Place = (&'static str, usize, usize);

macro_rules! record {
    ($(
        $(#[$doc:meta])*
        $name:ident [$size:literal] { $($(#[$field_doc:meta])* $offset:literal $field:ident: $kind:ty,)* }
    )*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub struct $name { $($(#[$field_doc])* pub $field: $kind,)* }

        $(#[allow(clippy::int_plus_one, reason = "some offsets are 1")]
        const _: () = assert!($offset + <$kind as $crate::linux::Field>::SIZE <= $size);)*

        impl Default for $name {
            /// All bytes zero.
            fn default() -> Self {
                <Self as $crate::linux::Field>::get(&[])
            }
        }

        impl $name {
            /// Size in program memory, in bytes.
            pub const SIZE: usize = $size;

            /// Where the fields lie.
            pub const LAYOUT: &'static [$crate::linux::Place] =
                &[$((stringify!($field), $offset, <$kind as $crate::linux::Field>::SIZE),)*];

            /// The bytes that a program sees; padding is zero.
            #[must_use]
            pub fn encode(&self) -> [u8; $size] {
                let mut bytes = [0; $size];
                $crate::linux::Field::put(self, &mut bytes);
                bytes
            }

            /// The structure that a program has written.
            #[must_use]
            pub fn decode(bytes: &[u8; $size]) -> Self {
                $crate::linux::Field::get(bytes)
            }
        }

        impl $crate::linux::Field for $name {
            const SIZE: usize = $size;

            fn put(&self, bytes: &mut [u8]) {
                $(if let Some(place) = bytes.get_mut($offset..) {
                    $crate::linux::Field::put(&self.$field, place);
                })*
            }

            fn get(bytes: &[u8]) -> Self {
                Self { $($field: $crate::linux::Field::get(bytes.get($offset..).unwrap_or_default()),)* }
            }
        }
    )*};
}
pub(crate) use record;

#[cfg(test)]
mod tests {
    use crate::linux::*;

    /// Distinct bytes survive the way through a structure wherever a field lies, and padding becomes zero.
    fn round_trip<const N: usize>(layout: &[Place], encode: impl Fn(&[u8; N]) -> [u8; N]) {
        let bytes = core::array::from_fn(|at| (at % 251) as u8 + 1);
        let out = encode(&bytes);
        for (at, (before, after)) in bytes.iter().zip(out).enumerate() {
            let covered = layout
                .iter()
                .any(|(_, offset, size)| (*offset..offset + size).contains(&at));
            // A structure in a structure may have padding of its own.
            assert!(after == *before || after == 0);
            assert!(covered || after == 0);
        }
        assert_eq!(encode(&out), out);
    }

    #[test]
    fn structures_survive_the_way_to_a_program_and_back() {
        round_trip(Stat::LAYOUT, |bytes| Stat::decode(bytes).encode());
        round_trip(Statx::LAYOUT, |bytes| Statx::decode(bytes).encode());
        round_trip(Termios::LAYOUT, |bytes| Termios::decode(bytes).encode());
        round_trip(SignalFrame::LAYOUT, |bytes| {
            SignalFrame::decode(bytes).encode()
        });
        round_trip(KernelSigaction::LAYOUT, |bytes| {
            KernelSigaction::decode(bytes).encode()
        });
        let termios = Termios::decode(&core::array::from_fn(|at| at as u8));
        assert_eq!(
            (termios.oflag, termios.cc[2], termios.line, termios.ospeed),
            (0x0706_0504, 18, 35, 0x2b2a_2928)
        );
        assert_eq!(
            Stat {
                mode: 0o100_644,
                ..Stat::default()
            }
            .encode()[24..28],
            [0xa4, 0x81, 0, 0]
        );
    }

    #[test]
    fn a_frame_is_aligned_and_spares_the_red_zone() {
        for top in [0x7fff_ffff_1238u64, 0x1_0000, 4096] {
            let frame = SignalFrame::address(top);
            assert_eq!(frame % 16, 0);
            assert!(frame + 1888 + 288 <= top);
            let vectors = SignalFrame::vmx_address(frame);
            assert_eq!(vectors % 16, 0);
            assert!(vectors + 34 * 16 + 32 * 8 <= frame + Ucontext::SIZE as u64);
        }
    }

    #[test]
    fn siginfo_has_its_fields_where_programs_look() {
        let child = Detail::Child {
            pid: 7,
            uid: 8,
            status: 9,
            utime: 10,
            stime: 11,
        };
        let info = SigInfo {
            signal: SignalNumber::SIGCHLD,
            errno: 0,
            code: CLD_EXITED,
            detail: child,
        };
        let bytes = info.encode();
        let word = |at: usize| u32::get(&bytes[at..]);
        assert_eq!(
            (word(0), word(8), word(16), word(20), word(24)),
            (17, 1, 7, 8, 9)
        );
        assert_eq!((u64::get(&bytes[32..]), u64::get(&bytes[40..])), (10, 11));
        let queued = SigInfo::decode(SignalNumber::SIGUSR1, &bytes).expect("a known layout");
        assert_eq!(queued.encode()[4..], bytes[4..]);
        assert_eq!(queued.encode()[0], 10);
    }

    #[test]
    fn siginfo_of_a_program_ends_where_that_of_all_signals_does() {
        let decode = |code: i32, last: u8| {
            let mut bytes = [0; SIGINFO_SIZE];
            code.put(&mut bytes[8..]);
            (bytes[47], bytes[127]) = (9, last);
            SigInfo::decode(SignalNumber::SIGUSR1, &bytes).map(|info| info.encode())
        };
        for code in [SI_USER, SI_QUEUE, SI_TKILL, SI_KERNEL] {
            let encoded = decode(code, 1).expect("a known layout");
            assert_eq!((encoded[47], encoded[127]), (9, 0));
        }
        assert_eq!(decode(-1000, 0).map(|bytes| bytes[47]), Ok(9));
        assert_eq!(decode(-1000, 1), Err(crate::Errno::E2BIG));
    }
}
