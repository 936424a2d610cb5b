//! The load engine: real keep-alive connections, a pacer for open loops, and counting. It knows nothing about coupons
//! but how to ask for one.

mod hammer;
mod line;
mod measure;
mod pacer;

pub(crate) use hammer::{Hammer, Shot, Volley};
pub(crate) use line::{Cut, Line, Reply};
pub use measure::Latency;
pub(crate) use measure::{float, fresh_histogram, micros, per_second};
pub(crate) use pacer::Pacer;
