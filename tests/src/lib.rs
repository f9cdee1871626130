//! Target tests: boot QEMU and talk to it.

#![forbid(unsafe_code)]
