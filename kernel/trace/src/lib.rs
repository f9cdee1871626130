//! The tagged error-log ring.

#![no_std]
#![forbid(unsafe_code)]
