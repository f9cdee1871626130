//! Inodes, mounts, path walks and open files.

#![no_std]
#![forbid(unsafe_code)]
