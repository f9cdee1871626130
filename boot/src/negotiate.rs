//! What Corral tells the platform about itself, so that it gets the machine that it wants.
//!
//! PAPR, "ibm,client-architecture-support": a list of processors that the client knows, and option vectors, of
//! which the platform grants what it can. What can be asked for it says before, in `/chosen`: some hypervisors
//! end a partition that asks for more.

/// What the platform offers (`ibm,arch-vec-5-platform-support` in `/chosen`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Offer {
    /// The radix MMU.
    pub radix: bool,
    /// Guest translation shootdown: `tlbie` by the partition itself.
    pub shootdown: bool,
    /// The exploitation mode of the XIVE interrupt controller.
    pub xive: bool,
}

/// Bytes of option vector 5, as the offer and the request number them.
mod vector5 {
    pub const INTERRUPTS: u8 = 23;
    pub const MMU: u8 = 24;
    pub const RADIX: u8 = 26;
    pub const LAST: u8 = RADIX;
}

/// The two bits that choose among interrupt modes and among MMUs.
const CHOICE: u8 = 0xc0;
/// Of [`CHOICE`]: XIVE exploitation, or the radix MMU.
const MODERN: u8 = 0x40;
/// Of [`CHOICE`]: interrupts either way.
const EITHER_INTERRUPTS: u8 = 0x80;
/// Of [`CHOICE`]: either MMU.
const EITHER_MMU: u8 = 0xc0;
/// Guest translation shootdown, in the byte of radix extensions.
const SHOOTDOWN: u8 = 0x40;

impl Offer {
    /// Reads the property: pairs of the number of a byte of vector 5 and its value.
    #[must_use]
    pub fn read(property: &[u8]) -> Self {
        let mut offer = Self::default();
        for pair in property.chunks_exact(2) {
            if let [number, value] = *pair {
                match (number, value & CHOICE) {
                    (vector5::INTERRUPTS, choice) => {
                        offer.xive = matches!(choice, MODERN | EITHER_INTERRUPTS);
                    }
                    (vector5::MMU, choice) => offer.radix = matches!(choice, MODERN | EITHER_MMU),
                    (vector5::RADIX, _) => offer.shootdown = value & SHOOTDOWN != 0,
                    _ => {}
                }
            }
        }
        offer
    }
}

/// Pairs of mask and value of the processor version register: POWER9, POWER10 and POWER11, then any processor of Power
/// ISA 3.0 and 3.1. The last entry, with a value outside its mask, ends the list.
const PROCESSORS: [(u32, u32); 6] = [
    (0xffff_0000, 0x004e_0000),
    (0xffff_0000, 0x0080_0000),
    (0xffff_0000, 0x0082_0000),
    (0xffff_ffff, 0x0f00_0005),
    (0xffff_ffff, 0x0f00_0006),
    (0, 0x0f00_0001),
];

/// Vector 1: Power ISA 3.0 and 3.1.
const VECTOR_1: [u8; 3] = [0, 0, 0x80 | 0x40];
/// Vector 3: floating point, VMX, decimal floating point.
const VECTOR_3: [u8; 2] = [0, 0x80 | 0x40 | 0x20];
/// Vector 4: the least share of a processor is a hundredth.
const VECTOR_4: [u8; 2] = [0, 1];
/// Vector 5, byte 2: logical partitioning, shared processors.
const PARTITIONING: u8 = 0x80 | 0x40;
/// Vector 5, byte 5: associativity of form 1.
const ASSOCIATIVITY: u8 = 0x80;
/// The least memory, in MiB, that is reached in real mode: the image and a RAM disk fit.
const LEAST_REAL_MODE_MEMORY: u32 = 128;

/// Room for a request.
pub const REQUEST_SIZE: usize = 160;

/// A request, as firmware reads it.
#[derive(Clone, Copy)]
pub struct Request {
    bytes: [u8; REQUEST_SIZE],
    length: usize,
}

impl Request {
    /// What to ask of a platform that makes this offer, for at most `cpus` processors; `None` when there is nothing to
    /// negotiate: Corral runs on no other MMU.
    #[must_use]
    pub fn new(offer: &Offer, cpus: u32) -> Option<Self> {
        if !offer.radix {
            return None;
        }
        let mut request = Self {
            bytes: [0; REQUEST_SIZE],
            length: 0,
        };
        for (mask, value) in PROCESSORS {
            request.put(&mask.to_be_bytes());
            request.put(&value.to_be_bytes());
        }
        let vectors: [&[u8]; 5] = [
            &VECTOR_1,
            &vector_2(),
            &VECTOR_3,
            &VECTOR_4,
            &vector_5(offer, cpus),
        ];
        // Numbers of vectors, and of bytes in one, count from zero.
        request.put(&[vectors.len() as u8 - 1]);
        for vector in vectors {
            request.put(&[vector.len() as u8 - 1]);
            request.put(vector);
        }
        Some(request)
    }

    /// The bytes of the request.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        self.bytes.get(..self.length).unwrap_or(&[])
    }

    fn put(&mut self, bytes: &[u8]) {
        let end = self.length + bytes.len();
        if let Some(place) = self.bytes.get_mut(self.length..end) {
            place.copy_from_slice(bytes);
            self.length = end;
        }
    }
}

/// Open Firmware: in real mode, wherever it likes to be, with the least memory that boot needs.
fn vector_2() -> [u8; 33] {
    const REAL_MODE: u8 = 0x20;
    /// The hash table's size that nobody needs here: 2^24 bytes.
    const HASH_TABLE_BITS: u8 = 24;
    let mut vector = [0; 33];
    let anywhere = u32::MAX.to_be_bytes();
    let least = LEAST_REAL_MODE_MEMORY.to_be_bytes();
    let fields: [&[u8]; 9] = [
        &[REAL_MODE, 0, 0],
        &anywhere,
        &anywhere,
        &anywhere,
        &anywhere,
        &anywhere,
        &least,
        &anywhere,
        &[0],
    ];
    let bytes = fields.into_iter().flatten();
    for (place, byte) in vector.iter_mut().zip(bytes) {
        *place = *byte;
    }
    let [.., last] = &mut vector;
    *last = HASH_TABLE_BITS;
    vector
}

/// The platform: partitioning, processors, interrupts, MMU. Bytes are numbered from 1, as PAPR does.
fn vector_5(offer: &Offer, cpus: u32) -> [u8; vector5::LAST as usize] {
    let mut vector = [0; vector5::LAST as usize];
    let mut set = |number: u8, value: u8| {
        if let Some(place) = vector.get_mut(usize::from(number) - 1) {
            *place = value;
        }
    };
    set(2, PARTITIONING);
    set(5, ASSOCIATIVITY);
    for (number, byte) in (9..).zip(cpus.to_be_bytes()) {
        set(number, byte);
    }
    if offer.xive {
        set(vector5::INTERRUPTS, MODERN);
    }
    set(vector5::MMU, MODERN);
    if offer.shootdown {
        set(vector5::RADIX, SHOOTDOWN);
    }
    vector
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::vec::Vec;

    /// What QEMU says by `ic-mode`: `xics`, `xive`, `dual`; and on a POWER8.
    const PROPERTIES: [[u8; 8]; 4] = [
        [23, 0x00, 24, 0xc0, 25, 0, 26, 0x40],
        [23, 0x40, 24, 0xc0, 25, 0, 26, 0x40],
        [23, 0x80, 24, 0xc0, 25, 0, 26, 0x40],
        [23, 0x00, 24, 0x00, 25, 0, 26, 0x00],
    ];

    /// The vectors of a request, found as the platform finds them.
    fn vectors(bytes: &[u8]) -> Vec<&[u8]> {
        let mut at = 0;
        // The list of processors ends with a value that its mask cannot give.
        loop {
            let word = |at: usize| u32::from_be_bytes(bytes[at..at + 4].try_into().unwrap());
            let (mask, value) = (word(at), word(at + 4));
            at += 8;
            if value & !mask != 0 {
                break;
            }
        }
        let count = usize::from(bytes[at]) + 1;
        at += 1;
        let mut vectors = Vec::new();
        for _ in 0..count {
            let length = usize::from(bytes[at]) + 1;
            vectors.push(&bytes[at + 1..][..length]);
            at += 1 + length;
        }
        assert_eq!(at, bytes.len());
        vectors
    }

    /// BOOT0030: an offer is read as the platform means it.
    #[test]
    fn offers() {
        let [xics, xive, dual, power8] = PROPERTIES.map(|property| Offer::read(&property));
        let radix = Offer {
            radix: true,
            shootdown: true,
            xive: false,
        };
        assert_eq!(xics, radix);
        assert_eq!(
            xive,
            Offer {
                xive: true,
                ..radix
            }
        );
        assert_eq!(dual, xive);
        assert_eq!(power8, Offer::default());
        assert_eq!(Offer::read(&[24]), Offer::default());
    }

    /// BOOT0031: nothing is asked for that is not offered, and nothing at all where there is no radix MMU.
    #[test]
    fn modest() {
        for property in PROPERTIES {
            let offer = Offer::read(&property);
            let Some(request) = Request::new(&offer, 16) else {
                assert!(!offer.radix);
                continue;
            };
            let vectors = vectors(request.bytes());
            let asked = |number: u8| vectors[4][usize::from(number) - 1];
            assert_eq!(asked(vector5::INTERRUPTS) == MODERN, offer.xive);
            assert_eq!(asked(vector5::MMU), MODERN);
            assert_eq!(asked(vector5::RADIX) == SHOOTDOWN, offer.shootdown);
        }
    }

    proptest! {
        /// BOOT0032: a request has five vectors of the lengths that PAPR gives them, and carries the number of CPUs.
        #[test]
        fn layout(cpus: u32, shootdown: bool, xive: bool) {
            let request = Request::new(&Offer { radix: true, shootdown, xive }, cpus).unwrap();
            let vectors = vectors(request.bytes());
            let lengths: Vec<_> = vectors.iter().map(|vector| vector.len()).collect();
            prop_assert_eq!(lengths, [3, 33, 2, 2, 26]);
            prop_assert_eq!(&vectors[4][8..12], cpus.to_be_bytes());
            prop_assert_eq!(&vectors[1][23..27], LEAST_REAL_MODE_MEMORY.to_be_bytes());
        }

        /// BOOT0033: any property is read without harm.
        #[test]
        fn rubbish(property: Vec<u8>) {
            let offer = Offer::read(&property);
            prop_assert_eq!(Request::new(&offer, 1).is_some(), offer.radix);
        }
    }
}
