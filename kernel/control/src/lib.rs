//! The control interface between the admin commands and the kernel.

#![no_std]
#![forbid(unsafe_code)]
