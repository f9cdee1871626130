//! Workload partitions: their states, tags, limits and accounts.

#![no_std]
#![forbid(unsafe_code)]
