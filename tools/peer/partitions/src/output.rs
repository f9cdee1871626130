//! Results and settings, in the form that all programs here share.

use std::time::Duration;

/// Prints one result.
pub fn figure(name: &str, unit: &str, value: f64) {
    println!("@ {name} {unit} {value:.6}");
}

/// Prints a time in microseconds.
pub fn microseconds(name: &str, time: Duration) {
    figure(name, "us", time.as_secs_f64() * 1e6);
}
