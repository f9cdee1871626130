//! The hypervisor console as a terminal.

#![no_std]
#![forbid(unsafe_code)]
