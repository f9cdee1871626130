//! The device file system.

#![no_std]
#![forbid(unsafe_code)]
