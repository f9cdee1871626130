//! Admin commands.

#![forbid(unsafe_code)]
