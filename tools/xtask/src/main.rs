//! Build, run and test Corral.

fn main() {}
