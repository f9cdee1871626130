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

        $(const _: () = assert!($offset + <$kind as $crate::linux::Field>::SIZE <= $size);)*

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
