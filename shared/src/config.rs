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
/// How a line of the log looks: `text` or `json`.
pub const LOG_FORMAT: &str = "FIRSTCOME_LOG_FORMAT";
/// People that may wait in one campaign's queue.
pub const QUEUE: &str = "FIRSTCOME_QUEUE";
/// Redis: one server, or the nodes of a Redis Cluster separated by commas.
pub const REDIS_URL: &str = "FIRSTCOME_REDIS_URL";
/// NATS servers, separated by commas.
pub const NATS_URL: &str = "FIRSTCOME_NATS_URL";
/// Where the NATS servers are monitored (HTTP), separated by commas: `firstcome check` sees the flush interval there.
pub const NATS_MONITOR_URL: &str = "FIRSTCOME_NATS_MONITOR_URL";
/// PostgreSQL, with the database's name.
pub const POSTGRES_URL: &str = "FIRSTCOME_POSTGRES_URL";
/// MongoDB, with the database's name.
pub const MONGO_URL: &str = "FIRSTCOME_MONGO_URL";
/// Copies of the event log's messages: 1, 3 or 5.
pub const LOG_REPLICAS: &str = "FIRSTCOME_LOG_REPLICAS";
/// Partitions of the event log: set when it is made, never changed.
pub const LOG_PARTITIONS: &str = "FIRSTCOME_LOG_PARTITIONS";
/// Most coupons a second that the ledger is given, so that other users of the database are not crowded out; 0: no limit.
pub const LEDGER_RATE: &str = "FIRSTCOME_LEDGER_RATE";
/// Prometheus whose alerts the console shows beside its own.
pub const PROMETHEUS_URL: &str = "FIRSTCOME_PROMETHEUS_URL";
