//! The file system in memory, filled from the cpio archive of the RAM disk.

#![no_std]
#![forbid(unsafe_code)]
