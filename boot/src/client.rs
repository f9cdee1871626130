//! The Open Firmware client interface (IEEE 1275, section 6.3; PAPR, "Client Interface").

use crate::flatten::FirmwareTree;
use core::cell::UnsafeCell;

unsafe extern "C" {
    /// In `entry.S`: calls the handler with the real address of the argument cells.
    fn open_firmware_call(arguments: u64, handler: u64) -> u64;
}

const MAX_CELLS: usize = 12;

/// Argument cells and the strings they point to; firmware reaches only the first 4 GiB, where the image is.
#[repr(C, align(16))]
struct Exchange {
    cells: [u32; MAX_CELLS],
    service: [u8; 32],
    name: [u8; 80],
}

struct Shared<T>(UnsafeCell<T>);

// SAFETY: used by the boot CPU only, before it starts any other.
unsafe impl<T> Sync for Shared<T> {}

static EXCHANGE: Shared<Exchange> = Shared(UnsafeCell::new(Exchange {
    cells: [0; MAX_CELLS],
    service: [0; 32],
    name: [0; 80],
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
        // SAFETY: as above; firmware has written the answers behind the compiler's back.
        let answer = unsafe {
            core::ptr::read_volatile(EXCHANGE.0.get().cast::<u32>().add(3 + arguments.len()))
        };
        (status == 0).then_some(u32::from_be(answer))
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
