//! The parts of a cluster, each a composition of its own: the write side on Redis, NATS JetStream and PostgreSQL, the
//! read side on NATS JetStream and MongoDB.
//!
//! What a part cannot exist without is waited for at its start, however long: the log, whose identity and partitions
//! everything else rests on, and the gate. The stores that are projections may be away (P7): a part starts and serves
//! without them, and their readers find them when they come.

pub mod command;
pub mod query;

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use firstcome_shared::clock::jittered;
use firstcome_shared::event_log::jetstream::{JetStreamLog, OpenError, Settings};
use firstcome_shared::event_log::{EventLog, LogUnavailable};
use firstcome_shared::projection::{Projection, StoreUnavailable};
use tokio::time::{sleep, timeout};

use crate::cli::LogArgs;
use crate::process;

const FIRST_BACK_OFF_MS: u64 = 100;
const LONGEST_BACK_OFF_MS: u64 = 2_000;
/// How long a store may take at the start to say what it was read from.
const PROBE: Duration = Duration::from_secs(3);

/// The log of these servers.
pub fn log_settings(urls: &str, replicas: usize, partitions: u32) -> Settings {
    Settings { replicas, partitions, ..Settings::new(urls) }
}

/// The log, as soon as it answers.
async fn log(args: &LogArgs) -> anyhow::Result<Arc<dyn EventLog>> {
    let settings = log_settings(&args.nats_url, args.log_replicas, args.log_partitions);
    let away = |error: &OpenError| matches!(error, OpenError::Unavailable(_));
    Ok(Arc::new(waited_for("the log", away, async || JetStreamLog::open(&settings).await).await?))
}

/// Tries again as long as the reason is that something is away. Whoever does not want to wait sends a signal.
async fn waited_for<T, E: Error>(
    what: &str,
    away: impl Fn(&E) -> bool,
    mut attempt: impl AsyncFnMut() -> Result<T, E>,
) -> Result<T, E> {
    let mut back_off = FIRST_BACK_OFF_MS;
    let mut said = String::new();
    loop {
        let reason = match attempt().await {
            Err(error) if away(&error) => error.to_string(),
            there_or_never => return there_or_never,
        };
        if reason != said {
            tracing::warn!("waiting for {what}: {reason}");
            said = reason;
        }
        sleep(jittered(back_off)).await;
        back_off = (back_off * 2).min(LONGEST_BACK_OFF_MS);
    }
}

/// Refuses a store that was read from another log. The log must have a quorum to say where it ends, so it is waited for.
/// A store that is away is left to its reader, which looks again before it writes anything (ARCHITECTURE L7).
async fn same_log(log: &dyn EventLog, store: &dyn Projection) -> anyhow::Result<()> {
    let check = async || match timeout(PROBE, process::same_log(log, store)).await {
        Ok(Err(error)) => error.downcast::<LogUnavailable>().map_or_else(|other| Ok(Err(other)), Err),
        Ok(Ok(())) => Ok(Ok(())),
        Err(_) => Ok(Err(StoreUnavailable { store: store.name(), problem: "no answer".to_owned() }.into())),
    };
    match waited_for("the log", |_: &LogUnavailable| true, check).await? {
        Err(error) if error.is::<StoreUnavailable>() => {
            tracing::warn!("{error}; starting without it");
            Ok(())
        }
        checked => checked,
    }
}
