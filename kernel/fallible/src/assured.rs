//! What must not fail.

/// Is told when a part begins and ends on the running CPU in which no allocation may be made to fail; answers what it was
/// told before.
pub type Assure = fn(bool) -> bool;

#[cfg(debug_assertions)]
static ASSURE: spin::Once<Assure> = spin::Once::new();

/// Names the function that is told: for kernels in which allocations are made to fail.
#[cfg(debug_assertions)]
pub fn assure_with(assure: Assure) {
    ASSURE.call_once(|| assure);
}

/// Does what must not fail and takes little memory for it, out of what is kept for the heap.
///
/// A quarter of the reserve is never a program's (`memory::frames`), so a few small objects are there even when nothing else
/// is. Right where there is nobody to tell of a failure, as at the end of a process, and where the size is bounded by what
/// the code says, not by a program. Each use says why it is one.
#[inline]
pub fn assured<T>(act: impl FnOnce() -> T) -> T {
    #[cfg(debug_assertions)]
    {
        let tell = |assured| ASSURE.get().is_some_and(|assure| assure(assured));
        let before = tell(true);
        let result = act();
        tell(before);
        result
    }
    #[cfg(not(debug_assertions))]
    act()
}
