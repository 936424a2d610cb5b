//! Load, audit and verification against a small server that keeps the promises, and that can be told to break each of
//! them: an auditor that has never been seen to object proves nothing.

#![expect(clippy::unwrap_used, reason = "tests")]

mod audit;
mod fake;
mod judge;
mod scenarios;
mod verify;
