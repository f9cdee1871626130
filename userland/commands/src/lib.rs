//! Admin commands.
//!
//! One static program is installed under the names in the file `applets`. Each command has a file in
//! `commands/`; what they share has the field's word: the configuration database, its stanza format, the
//! administrative lock, the messages, the tables, and the client of the kernel's control interface.
//!
//! No command parses what another one printed, none holds a state of its own: what is defined is in
//! `/etc/wpars`, what runs is in the kernel. A command completes what it has begun, or undoes it, also when it is
//! interrupted; it must never leave a WPAR half made. No `unsafe`: the control interface is a file.
//!
//! Lock: the administrative lock of a WPAR, a file with its owner's pid, held by every command that changes it. It is
//! advisory, and one whose owner is dead is broken with a warning.

#![forbid(unsafe_code)]

mod applet;
mod arguments;
mod clock;
mod commands;
mod database;
mod definition;
mod directory_tree;
#[cfg(test)]
mod fake_kernel;
mod interruption;
mod kernel_control;
#[cfg(test)]
mod life_cycle_tests;
mod lock;
mod messages;
mod session;
mod stanza;
mod table;
mod users;

pub use applet::run;
