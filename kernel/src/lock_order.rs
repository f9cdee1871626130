//! Where each CPU notes the locks that it holds, for the checks of kernels with debug assertions ([`sync::order`]).

use arch::cpu::PerCpu;
use sync::order::Ledger;

static LEDGERS: PerCpu<Ledger> = PerCpu::new([const { Ledger::new() }; arch::MAX_CPUS]);

/// Begins to check.
pub fn watch() {
    sync::order::watch(|| LEDGERS.mine());
}
