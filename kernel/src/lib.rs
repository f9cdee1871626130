//! The kernel: the dispatcher, the system calls and the glue between its crates.

#![no_std]
#![forbid(unsafe_code)]
