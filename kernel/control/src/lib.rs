//! The control interface between the admin commands and the kernel.
//!
//! A command opens `/dev/corral`, writes one [`Request`] as a frame and reads the [`Reply`] from the same
//! open file. The types here are the whole contract: both sides use this crate, so there is no second
//! description of a layout and no text for the kernel to parse.
//!
//! # Protocol
//!
//! * One `write` carries one whole request frame ([`encode_request`]), at most [`REQUEST_LIMIT`] bytes. It
//!   never parks. A request written before the answer to the previous one was read to its end replaces it.
//! * `read` gives the next bytes of the answer frame and 0 at its end; it parks while the answer is not there
//!   yet ([`Request::Await`] only) and fails with EINVAL when no request was written.
//! * A frame is the protocol [`VERSION`] (two bytes, little-endian) and one postcard message. A request of
//!   another version is answered with a [`Refusal`] of EPROTO in a frame of the kernel's own version.
//! * Inside a WPAR only [`Request::Identity`] and [`Request::Processes`] with [`Scope::Own`] are answered;
//!   everything else is refused with EPERM. The check uses the credential of the process that writes, not
//!   of the one that opened the file. In Global everything but those two needs the privilege over partitions.
//! * A request that names a WPAR does it with a [`WparHandle`]: a cid alone may have been given to
//!   another WPAR meanwhile, or to the same one started again. A stale handle is ESRCH.
//!
//! The crate also owns what both sides must agree on: the states and their transitions ([`WparState`]), names
//! ([`WparName`]), and the resource attributes with their rules ([`ResourceControls`]).
//!
//! It holds no state and takes no lock. A layout must never change without a new [`VERSION`].

#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

mod cpus;
mod frame;
mod message;
mod name;
mod percent;
mod resources;
mod state;

pub use cpus::CpuList;
pub use frame::{
    FrameError, REQUEST_LIMIT, VERSION, decode_reply, decode_request, encode_reply, encode_request,
};
pub use message::{
    AccountOf, Accounts, Answer, BindMount, ErrorLogEntry, Identity, Load, PagesByKind,
    ProcessState, ProcessStatus, Refusal, Reply, Request, ResourceSet, Scope, Tunable, WparHandle,
    WparKind, WparStatus,
};
pub use name::{NameError, WparName};
pub use percent::{Percent, PercentLimits};
pub use resources::{
    Megabytes, ResourceControls, ResourceError, ResourceValue, Shares, check_minimum_sum,
};
pub use state::WparState;
