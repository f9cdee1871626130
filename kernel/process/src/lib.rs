//! Process identity, signals, credentials and limits.

#![no_std]
#![forbid(unsafe_code)]
