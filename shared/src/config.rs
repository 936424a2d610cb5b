//! The names of every environment variable, in one place.

/// Where `firstcome serve` keeps its files.
pub const DATA_DIR: &str = "FIRSTCOME_DATA_DIR";
/// The address a service listens on.
pub const ADDR: &str = "FIRSTCOME_ADDR";
/// The servers that console, bench and verify talk to, separated by commas.
pub const SERVER: &str = "FIRSTCOME_SERVER";
/// The key that console, bench and verify send as bearer token.
pub const API_KEY: &str = "FIRSTCOME_API_KEY";
/// The keys a service accepts: `name:role:sha256-of-key`, separated by commas.
pub const API_KEYS: &str = "FIRSTCOME_API_KEYS";
/// The secret from which coupon codes are made.
pub const CODE_SECRET: &str = "FIRSTCOME_CODE_SECRET";
/// What is logged: a `tracing` filter such as `info,firstcome_command=debug`.
pub const LOG: &str = "FIRSTCOME_LOG";
/// People that may wait in one campaign's queue.
pub const QUEUE: &str = "FIRSTCOME_QUEUE";
