//! The read side: projects the log into a read model for people (history, statistics, a timeline) and answers for it
//! under `/v1/history`. It never decides anything; what it shows may lag behind, and says how far it is.

mod http;
mod metrics;
pub mod projection;
pub mod read_model;
mod service;

#[cfg(test)]
mod testing;

pub use service::Query;
