//! POWER ISA and PAPR.

#![no_std]
