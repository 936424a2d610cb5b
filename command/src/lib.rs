//! The write side: decides through the gate, appends the decisions to the log, answers when they are logged, and
//! keeps the ledger. It knows nothing of the read side.

pub mod gate;
pub mod http;
pub mod lane;
pub mod lanes;
pub mod ledger;
mod metrics;
pub mod service;
#[cfg(test)]
mod testing;
