//! The scheduler: mechanism, the policy trait and the policies.

#![no_std]
#![forbid(unsafe_code)]
