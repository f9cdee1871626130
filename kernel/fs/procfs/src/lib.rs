//! The process file system, one view a partition.

#![no_std]
#![forbid(unsafe_code)]
