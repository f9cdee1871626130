//! Pipes and futexes.

#![no_std]
#![forbid(unsafe_code)]
