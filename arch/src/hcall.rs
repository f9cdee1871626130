//! Hypervisor calls (PAPR, chapter "Hypervisor Call Functions").

use core::arch::asm;

/// The function numbers that Corral uses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u64)]
pub enum Function {
    /// `H_PAGE_INIT`
    PageInit = 0x2c,
    /// `H_GET_TERM_CHAR`
    GetTermChar = 0x54,
    /// `H_PUT_TERM_CHAR`
    PutTermChar = 0x58,
    /// `H_EOI`
    Eoi = 0x64,
    /// `H_CPPR`
    Cppr = 0x68,
    /// `H_IPI`
    Ipi = 0x6c,
    /// `H_XIRR`
    Xirr = 0x74,
    /// `H_CEDE`
    Cede = 0xe0,
    /// `H_VIO_SIGNAL`
    VioSignal = 0x104,
    /// `H_RANDOM`
    Random = 0x300,
    /// `H_SET_MODE`
    SetMode = 0x31c,
    /// `H_REGISTER_PROC_TBL`
    RegisterProcessTable = 0x37c,
    /// `H_INT_GET_SOURCE_INFO`
    GetSourceInfo = 0x3a8,
    /// `H_INT_SET_SOURCE_CONFIG`
    SetSourceConfig = 0x3ac,
    /// `H_INT_SET_QUEUE_CONFIG`
    SetQueueConfig = 0x3b8,
    /// `H_INT_ESB`
    EventStateBuffer = 0x3c8,
    /// `H_INT_SYNC`
    SyncSource = 0x3cc,
    /// QEMU's run-time services.
    Rtas = 0xf000,
}

/// `H_SUCCESS`
pub const SUCCESS: i64 = 0;
/// `H_BUSY`
pub const BUSY: i64 = 1;

/// The status and the first four results of a call.
#[derive(Clone, Copy, Debug)]
pub struct Answer {
    /// r3: [`SUCCESS`], a positive code that asks to try again, or a negative error.
    pub status: i64,
    /// r4 to r7.
    pub results: [u64; 4],
}

/// Calls the hypervisor.
///
/// # Safety
/// What the function does with the arguments must be sound: addresses among them are real addresses of memory
/// that the caller owns.
pub unsafe fn call(function: Function, arguments: [u64; 5]) -> Answer {
    let mut status = function as u64;
    let [mut r4, mut r5, mut r6, mut r7, r8] = arguments;
    // SAFETY: the hypervisor keeps all registers but those named here (PAPR, "Register Usage").
    unsafe {
        asm!(
            "sc 1",
            inlateout("r3") status,
            inlateout("r4") r4,
            inlateout("r5") r5,
            inlateout("r6") r6,
            inlateout("r7") r7,
            inlateout("r8") r8 => _,
            out("r0") _, out("r9") _, out("r10") _, out("r11") _, out("r12") _,
            out("ctr") _, out("xer") _, out("cr0") _, out("cr1") _, out("cr5") _, out("cr6") _, out("cr7") _,
        );
    }
    Answer {
        status: status as i64,
        results: [r4, r5, r6, r7],
    }
}
