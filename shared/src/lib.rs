//! What both sides of firstcome speak: the domain's pure rules, the events that stand in the log, the wire types of
//! the HTTP API, the event log port, the projection loop, and the small things that must have one owner (clock,
//! randomness, names of settings and metrics).

pub mod auth;
pub mod chain;
pub mod clock;
pub mod config;
pub mod dead_letters;
pub mod domain;
pub mod drift;
pub mod event;
pub mod event_log;
pub mod fingerprint;
pub mod http;
pub mod lifecycle;
pub mod migrations;
pub mod position;
pub mod projection;
pub mod sqlite;
pub mod telemetry;
pub mod wire;
