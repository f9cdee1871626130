//! Wait queues: how a thread that cannot go on is found again.

#![no_std]
#![forbid(unsafe_code)]
