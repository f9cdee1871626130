//! The admin commands of Corral in one program; the name it is called by chooses.

#![forbid(unsafe_code)]

fn main() -> std::process::ExitCode {
    commands::run(std::env::args_os())
}
