//! The HTTP plumbing that both services share, so that a refusal looks the same wherever it is made: problems,
//! extractors, one middleware stack for every route, and the routes that every service has.

mod app;
mod body;
pub mod dead_letters;
mod foreign;
mod json;
mod listen;
mod openapi;
mod params;
mod problem;
mod request_id;
mod requests;
mod serve;
mod stack;
mod stream;
mod throttle;

#[cfg(test)]
mod tests;

pub use app::{Readiness, ServiceInfo, app};
pub use body::MAX_BODY_BYTES;
pub use json::Json;
pub use listen::{BindError, bind};
pub use params::{Path, Query};
pub use problem::{Failure, Result, document, written};
pub use request_id::RequestId;
pub use serve::{DRAIN, serve};
pub use stack::DEADLINE;
pub use stream::sse;
