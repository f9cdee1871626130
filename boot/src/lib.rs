//! From Open Firmware to the kernel.

#![no_std]
