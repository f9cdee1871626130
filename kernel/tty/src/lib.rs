//! The terminal line discipline.

#![no_std]
#![forbid(unsafe_code)]
