//! Workload partitions: their states, tags, limits and accounts.
//!
//! # Life of a partition
//!
//! ```text
//!            load                activate              quiesce                unload
//! (nothing) ──────▶ Transitional ────────▶ Active ───────────────▶ Transitional ──────▶ (nothing)
//!                      │    ▲                 │ freeze / thaw                 │
//!                      │    └── Frozen ◀──────┘                               │
//!                      └──────────── any ──▶ Broken ──── unload by force ─────┘
//! ```
//!
//! The states and what may follow what are [`control::WparState`]; this crate owns the objects and refuses every
//! other transition. *Defined* is a state on disk: the kernel has no object for it.
//!
//! A partition is loaded in three steps that can each fail, and what has been done is undone in reverse: a place
//! and a cid in the [`WparTable`], then every [`Subsystem`]'s `create`, then the first process. It is destroyed
//! when no process carries its tag any more, by every subsystem's `destroy` in reverse. A subsystem joins the
//! life cycle by being registered; no line here changes for it.
//!
//! This crate must never make a transition that the state machine does not have, destroy a partition that somebody is
//! in, or give a cid to another partition without a new generation.
//!
//! # Locks
//! The table and the changing part of a [`Wpar`] have locks of rank `Partition`; the table's is released
//! before a partition's is taken. Counts of processes and threads are atomic and can be changed anywhere.

#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

mod load;
mod population;
mod promises;
mod resource_sets;
mod shortage;
mod subsystem;
mod table;
mod wpar;

pub use load::LoadAverage;
pub use population::{Full, Population};
pub use promises::Promises;
pub use resource_sets::ResourceSets;
pub use shortage::{Holding, who_gives};
pub use subsystem::{Subsystem, Subsystems};
pub use table::WparTable;
pub use wpar::{NotActivated, Refused, Wpar, WparSettings};
