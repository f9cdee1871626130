//! Who may reach what: credentials, privileges and tags.
//!
//! Every kernel object that belongs to a partition is a [`Tagged`] value. The value inside can only be
//! reached by showing a [`Credential`]; a credential of another partition gets [`Absent`], as if the object
//! did not exist. No caller needs to compare cids by hand.
//!
//! It must never give a value without a credential, nor tell one that is not there from one that may not be seen.
//! This crate holds no state and no lock.

#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

mod capabilities;
mod credential;
mod tagged;

pub use capabilities::{Capabilities, CapabilitySet, SecureBits};
pub use credential::{Credential, Identity, Mode, Privileges};
pub use tagged::{Absent, Tagged};
