//! Nice values as weights.

/// Weight of a thread of nice value 0.
pub(crate) const NICE_0: u32 = 1024;

/// Weight of a thread of the class for work that nobody waits for, as on Linux.
pub(crate) const IDLE: u32 = 3;

/// The weights of nice values −20 to 19, as Linux programs know them: each step is worth about 10 % of a CPU
/// between two threads, a factor of 1.25 (sched(7), "The nice value").
const WEIGHTS: [u32; 40] = [
    88761, 71755, 56483, 46273, 36291, 29154, 23254, 18705, 14949, 11916, 9548, 7620, 6100, 4904,
    3906, 3121, 2501, 1991, 1586, 1277, 1024, 820, 655, 526, 423, 335, 272, 215, 172, 137, 110, 87,
    70, 56, 45, 36, 29, 23, 18, 15,
];

/// The weight of a nice value; one out of range counts as the nearest.
pub(crate) fn weight(nice: i8) -> u32 {
    let step = usize::try_from(i32::from(nice.clamp(-20, 19)) + 20).unwrap_or(20);
    WEIGHTS.get(step).copied().unwrap_or(NICE_0)
}
