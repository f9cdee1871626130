//! XICS: the controller that PAPR machines start with.
//!
//! Interrupts are presented by hypervisor calls (PAPR, "Interrupt Presentation"), sources are set up by run-time
//! services.

use super::{InterruptController, NoSuchSource, Source, Taken};
use crate::cpu::{self, CpuNumber};
use crate::hcall::{self, Function};
use crate::rtas;

/// The POWER external interrupt controller.
pub(super) struct Xics;

/// All priorities pass.
const OPEN: u64 = 0xff;
/// No priority passes.
const CLOSED: u64 = 0;
/// The priority of devices and of calls.
const PRIORITY: u8 = 5;
const SOURCE: u32 = 0x00ff_ffff;
const NO_CALL: u64 = 0xff;

impl InterruptController for Xics {
    fn start_cpu(&self) {
        // SAFETY: sets a priority.
        let _answer = unsafe { hcall::call(Function::Cppr, [OPEN, 0, 0, 0, 0]) };
    }

    fn stop_cpu(&self) {
        self.clear_call();
        // SAFETY: sets a priority.
        let _answer = unsafe { hcall::call(Function::Cppr, [CLOSED, 0, 0, 0, 0]) };
    }

    fn enable_source(&self, source: Source, cpu: CpuNumber) -> Result<(), NoSuchSource> {
        let server = cpu::hardware(cpu);
        let routed = rtas::set_xive(source.0, server, PRIORITY);
        if routed && rtas::interrupt_on(source.0) {
            Ok(())
        } else {
            Err(NoSuchSource)
        }
    }

    fn disable_source(&self, source: Source) -> Result<(), NoSuchSource> {
        if rtas::interrupt_off(source.0) {
            Ok(())
        } else {
            Err(NoSuchSource)
        }
    }

    fn take(&self) -> Option<Taken> {
        // SAFETY: accepts an interrupt and answers in registers.
        let answer = unsafe { hcall::call(Function::Xirr, [0; 5]) };
        let [xirr, ..] = answer.results;
        let xirr = xirr as u32;
        let source = Source(xirr & SOURCE);
        (answer.status == hcall::SUCCESS && source.0 != 0).then_some(Taken {
            source,
            token: xirr,
        })
    }

    fn done(&self, taken: Taken) {
        // SAFETY: ends an interrupt.
        let _answer = unsafe { hcall::call(Function::Eoi, [u64::from(taken.token), 0, 0, 0, 0]) };
    }

    fn call(&self, cpu: CpuNumber) {
        let server = u64::from(cpu::hardware(cpu));
        // SAFETY: interrupts another CPU.
        let _answer = unsafe { hcall::call(Function::Ipi, [server, u64::from(PRIORITY), 0, 0, 0]) };
    }

    fn clear_call(&self) {
        let server = u64::from(cpu::hardware(cpu::this()));
        // SAFETY: sets the CPU's own call priority to none.
        let _answer = unsafe { hcall::call(Function::Ipi, [server, NO_CALL, 0, 0, 0]) };
    }
}
