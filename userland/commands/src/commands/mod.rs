//! One file a command.

pub mod chwpar;
pub mod clogin;
pub mod enter;
pub mod errpt;
pub mod hostname;
pub mod init;
pub mod lparstat;
pub mod lsrset;
pub mod lswpar;
pub mod mkrset;
pub mod mkwpar;
pub mod ps;
pub mod rcwpars;
pub mod rebootwpar;
pub mod rmrset;
pub mod rmwpar;
pub mod schedo;
pub mod shutdown;
pub mod startwpar;
pub mod stopwpar;
pub mod supervisor;
pub mod topas;
pub mod uname;
pub mod wlmstat;
pub mod wparexec;
pub mod wparlockctl;
