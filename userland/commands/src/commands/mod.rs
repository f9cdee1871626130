//! One file a command.

pub mod chcpu;
pub mod chwpar;
pub mod clogin;
pub mod enter;
pub mod errpt;
pub mod hostname;
pub mod init;
pub mod lparstat;
pub mod lscpu;
pub mod lswpar;
pub mod mkwpar;
pub mod ps;
pub mod rcwpars;
pub mod rebootwpar;
pub mod rmwpar;
pub mod schedo;
pub mod shutdown;
pub mod startwpar;
pub mod stopwpar;
pub mod supervisor;
pub mod uname;
pub mod wlmstat;
pub mod wparexec;
pub mod wparlockctl;
