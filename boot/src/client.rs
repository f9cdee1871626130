//! The Open Firmware client interface (IEEE 1275, section 6.3; PAPR, "Client Interface").

use crate::Region;
use crate::flatten::FirmwareTree;
use crate::negotiate::{Offer, REQUEST_SIZE, Request};
use arch::rtas::Way;
use core::cell::UnsafeCell;

unsafe extern "C" {
    /// In `entry.S`: calls the handler with the real address of the argument cells.
    fn open_firmware_call(arguments: u64, handler: u64) -> u64;
}

const MAX_CELLS: usize = 12;
/// How far apart the places are where memory is asked for.
const CLAIM_STEP: u64 = 1 << 20;
/// How many places are tried.
const MOST_CLAIMS: usize = 1024;
/// Firmware reaches addresses below this one: it is a 32-bit program, and some take them for signed numbers.
const FIRMWARE_LIMIT: u64 = 1 << 31;

/// Argument cells and the strings they point to; firmware reaches only the first 4 GiB, where the image is.
#[repr(C, align(16))]
struct Exchange {
    cells: [u32; MAX_CELLS],
    service: [u8; 32],
    name: [u8; 80],
    request: [u8; REQUEST_SIZE],
}

struct Shared<T>(UnsafeCell<T>);

// SAFETY: used by the boot CPU only, before it starts any other.
unsafe impl<T> Sync for Shared<T> {}

static EXCHANGE: Shared<Exchange> = Shared(UnsafeCell::new(Exchange {
    cells: [0; MAX_CELLS],
    service: [0; 32],
    name: [0; 80],
    request: [0; REQUEST_SIZE],
}));

/// The real address of something in the image.
fn real(pointer: *const u8) -> u32 {
    (pointer as u64 & !arch::LINEAR_BASE) as u32
}

/// Firmware, as long as translation is off.
pub struct Client {
    handler: u64,
}

impl Client {
    /// # Safety
    /// `handler` is the address that firmware passed in r5, translation is off, and there is no other client.
    pub unsafe fn new(handler: u64) -> Self {
        Self { handler }
    }

    /// Calls `service`; `None` when firmware does not know it. Otherwise the first answer.
    fn call(&mut self, service: &str, arguments: &[u32], answers: u32) -> Option<u32> {
        let mut results = [0; 1];
        self.exchange(service, arguments, answers, &mut results)?;
        results.first().copied()
    }

    /// Calls `service`, which gives `answers` cells, and keeps as many of them as fit into `results`.
    fn exchange(
        &mut self,
        service: &str,
        arguments: &[u32],
        answers: u32,
        results: &mut [u32],
    ) -> Option<()> {
        // SAFETY: `&mut self` is the only user (see `new`); firmware is not running.
        let exchange = unsafe { &mut *EXCHANGE.0.get() };
        let text = exchange.service.get_mut(..service.len())?;
        text.copy_from_slice(service.as_bytes());
        *exchange.service.get_mut(service.len())? = 0;
        let header = [
            real(exchange.service.as_ptr()),
            arguments.len() as u32,
            answers,
        ];
        exchange.cells = [0; MAX_CELLS];
        for (cell, value) in exchange
            .cells
            .iter_mut()
            .zip(header.iter().chain(arguments))
        {
            *cell = value.to_be();
        }
        let cells = u64::from(real(exchange.cells.as_ptr().cast()));
        // SAFETY: the cells follow the interface, all addresses in them are real and belong to the image.
        let status = unsafe { open_firmware_call(cells, self.handler) };
        let answers = (3 + arguments.len()..MAX_CELLS).take(answers as usize);
        for (result, at) in results.iter_mut().zip(answers) {
            // SAFETY: as above; firmware has written the answers behind the compiler's back.
            let answer =
                unsafe { core::ptr::read_volatile(EXCHANGE.0.get().cast::<u32>().add(at)) };
            *result = u32::from_be(answer);
        }
        (status == 0).then_some(())
    }

    /// Puts a zero-terminated name where firmware can read it and returns its real address.
    fn name(&mut self, name: &[u8]) -> Option<u32> {
        // SAFETY: as in `call`.
        let exchange = unsafe { &mut *EXCHANGE.0.get() };
        exchange.name.get_mut(..name.len())?.copy_from_slice(name);
        *exchange.name.get_mut(name.len())? = 0;
        Some(real(exchange.name.as_ptr()))
    }

    fn node(&mut self, service: &str, node: u32) -> Option<u32> {
        self.call(service, &[node], 1)
            .filter(|&node| node != 0 && node != u32::MAX)
    }

    /// Calls a method of the device or package at `path` with one argument (IEEE 1275, `call-method`); its answer.
    fn method(&mut self, path: &[u8], method: &[u8], argument: u32) -> Option<u32> {
        let name = self.name(path)?;
        let instance = self.node("open", name)?;
        let name = self.name(method)?;
        let mut results = [0; 2];
        self.exchange("call-method", &[name, instance, argument], 2, &mut results)?;
        let [refused, answer] = results;
        (refused == 0).then_some(answer)
    }

    /// A number of one or two cells in a property of the node at `path`.
    fn number(&mut self, path: &[u8], property: &[u8]) -> Option<u64> {
        let name = self.name(path)?;
        let node = self.node("finddevice", name)?;
        let mut value = [0; 8];
        match self.property(node, property, &mut value)? {
            4 => Some(u64::from_be_bytes(value) >> 32),
            8 => Some(u64::from_be_bytes(value)),
            _ => None,
        }
    }

    /// What the platform offers to those who negotiate.
    pub fn offer(&mut self) -> Offer {
        let mut property = [0; 64];
        let length = self.name(b"/chosen").and_then(|name| {
            let node = self.node("finddevice", name)?;
            self.property(node, b"ibm,arch-vec-5-platform-support", &mut property)
        });
        Offer::read(property.get(..length.unwrap_or(0)).unwrap_or(&property))
    }

    /// Negotiates (PAPR, "ibm,client-architecture-support"); whether firmware could and would. All handles of nodes are
    /// void afterwards, and the tree is another one. A platform that must start the partition anew to grant the
    /// request does not return, and grants it at once when it is asked again.
    pub fn negotiate(&mut self, request: &Request) -> bool {
        // SAFETY: as in `exchange`.
        let exchange = unsafe { &mut *EXCHANGE.0.get() };
        let bytes = request.bytes();
        let Some(place) = exchange.request.get_mut(..bytes.len()) else {
            return false;
        };
        place.copy_from_slice(bytes);
        let argument = real(exchange.request.as_ptr());
        self.method(b"/", b"ibm,client-architecture-support", argument) == Some(0)
    }

    /// Where a boot loader says that it has put the RAM disk.
    pub fn ram_disk(&mut self) -> Option<Region> {
        Some(Region {
            start: self.number(b"/chosen", b"linux,initrd-start")?,
            end: self.number(b"/chosen", b"linux,initrd-end")?,
        })
    }

    /// Claims memory above the image that `taken` does not touch. Firmware has only the last word: it need not know
    /// all that a boot loader has taken, nor the whole image (QEMU's forgets the gaps between the segments).
    fn claim(&mut self, size: u64, taken: &[Region]) -> Option<Region> {
        let (_, image_end) = arch::image();
        let first = image_end.next_multiple_of(CLAIM_STEP);
        let places = (first..FIRMWARE_LIMIT).step_by(CLAIM_STEP as usize);
        places
            .map(|start| Region {
                start,
                end: start + size,
            })
            .filter(|place| taken.iter().all(|other| !other.overlaps(*place)))
            .take(MOST_CLAIMS)
            .find(|place| {
                let claimed = self.call("claim", &[place.start as u32, size as u32, 0], 1);
                claimed == Some(place.start as u32)
            })
    }

    /// Has the run-time services instantiated (PAPR, "Instantiate RTAS") in memory outside `taken`: where they are
    /// called, and their memory. `None` when firmware cannot.
    pub fn instantiate_rtas(&mut self, taken: &[Region]) -> Option<(Way, Region)> {
        let size = u32::try_from(self.number(b"/rtas", b"rtas-size")?).ok()?;
        let memory = self.claim(u64::from(size), taken)?;
        let base = u32::try_from(memory.start).ok()?;
        let entry = self.method(b"/rtas", b"instantiate-rtas", base)?;
        (entry != 0).then_some((Way::Entry { base, entry }, memory))
    }

    /// SLOF's `fdt-fetch`: the whole tree, already flattened. Returns its length.
    pub fn fetch_tree(&mut self, blob: &mut [u8]) -> Option<usize> {
        let status = self.call("fdt-fetch", &[real(blob.as_ptr()), blob.len() as u32], 1)?;
        let header = blob.get(..8)?;
        let (magic, size) = header.split_at(4);
        let size = u32::from_be_bytes(size.try_into().ok()?) as usize;
        (status == 0 && magic == [0xd0, 0x0d, 0xfe, 0xed] && size <= blob.len()).then_some(size)
    }

    /// Stops firmware's devices; firmware's memory is ours afterwards.
    pub fn quiesce(mut self) {
        // VOF does not know the service and has no devices to stop.
        let _known = self.call("quiesce", &[], 0);
    }
}

/// Bytes that firmware wrote, of `length`, as far as they fit.
fn fitting(length: Option<u32>, name: &[u8]) -> Option<usize> {
    length.filter(|&length| length != u32::MAX).map(|_| {
        name.iter()
            .position(|&byte| byte == 0)
            .unwrap_or(name.len())
    })
}

impl FirmwareTree for Client {
    fn root(&mut self) -> Option<u32> {
        self.node("peer", 0)
    }

    fn child(&mut self, node: u32) -> Option<u32> {
        self.node("child", node)
    }

    fn peer(&mut self, node: u32) -> Option<u32> {
        self.node("peer", node)
    }

    fn name(&mut self, node: u32, name: &mut [u8]) -> Option<usize> {
        // The path is the one place where every firmware gives the unit address.
        let mut path = [0u8; 256];
        let room = path.len() as u32;
        self.call("package-to-path", &[node, real(path.as_ptr()), room - 1], 1)
            .filter(|&length| length != u32::MAX && length < room)?;
        core::hint::black_box(&mut path);
        let path = path.split(|&byte| byte == 0).next()?;
        let last = path.rsplit(|&byte| byte == b'/').next()?;
        let length = last.len().min(name.len());
        name.get_mut(..length)?.copy_from_slice(last.get(..length)?);
        Some(length)
    }

    fn next_property(&mut self, node: u32, previous: &[u8], name: &mut [u8]) -> Option<usize> {
        let previous = if previous.is_empty() {
            0
        } else {
            self.name(previous)?
        };
        name.fill(0);
        let found = self
            .call("nextprop", &[node, previous, real(name.as_ptr())], 1)
            .filter(|&found| found == 1);
        core::hint::black_box(&mut *name);
        fitting(found, name).filter(|&length| length > 0)
    }

    fn property(&mut self, node: u32, name: &[u8], value: &mut [u8]) -> Option<usize> {
        let name = self.name(name)?;
        let room = value.len().min(i32::MAX as usize) as u32;
        let length = self.call("getprop", &[node, name, real(value.as_ptr()), room], 1);
        core::hint::black_box(&mut *value);
        length
            .filter(|&length| length != u32::MAX)
            .map(|length| length as usize)
    }
}
