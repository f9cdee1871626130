//! Frames, the kernel heap and address spaces.

#![no_std]
#![forbid(unsafe_code)]
