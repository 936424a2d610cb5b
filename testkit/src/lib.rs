//! Real servers for tests: Redis, NATS, PostgreSQL and MongoDB as child processes, each on a free port and in a folder
//! of its own, to be killed, paused and restarted; and a proxy to stand between them and us.
//!
//! A test that breaks a server starts its own: `Redis::start()`. Others share one, of which each uses a part of its own:
//! [`shared`]. The servers run with the settings in `deploy/`, through `scripts/server`, as those of a real stack do. They
//! end with their values, and with the test's process however it ends. What is missing, `scripts/setup` installs; a test
//! without its server fails and says so.

mod guard;
mod mongo;
mod nats;
mod port;
mod postgres;
mod probe;
mod proxy;
mod redis;
mod server;
pub mod shared;

pub use mongo::Mongo;
pub use nats::{Nats, NatsCluster};
pub use postgres::Postgres;
pub use proxy::Proxy;
pub use redis::{Redis, RedisCluster};
pub use server::Server;
