//! The promises, held against the real binary: every test starts `firstcome` as a child process on a folder of its own
//! and talks to it as a backend team, an operator or an attacker would. One crate, so that it is linked once.

// Helpers beside the tests may unwrap like the tests themselves.
#![allow(clippy::unwrap_used)]

mod away;
#[cfg(feature = "cluster")]
mod bare_metal;
mod big;
mod check;
mod cli;
#[cfg(feature = "cluster")]
mod cluster;
mod compose;
mod console;
mod crash;
mod exactness;
mod full;
mod history;
mod input;
mod journey;
mod keys;
mod lifecycle;
mod observe;
mod operate;
mod overload;
#[cfg(feature = "cluster")]
mod parts;
mod poison;
mod rig;
mod stores;
mod verify;
mod windows;
