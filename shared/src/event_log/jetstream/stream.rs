//! The stream that the log is: how it is made, by whoever comes first, and what it must be for the log's promises to
//! hold. An operator can change a stream while nobody looks, so it is looked at whenever the log is opened.

use std::collections::HashMap;
use std::time::Duration;

use async_nats::jetstream::stream::{Config, DiscardPolicy, PersistenceMode, RetentionPolicy, StorageType};
use tokio::time::{Instant, sleep};

use super::api::{Api, Failure, Info, NOT_YET, STREAM_EXISTS, STREAM_NOT_FOUND};
use crate::clock::{jittered, random_hex};
use crate::event_log::{LogUnavailable, MESSAGE_BYTES};

/// The log's identity in the stream's metadata.
const IDENTITY: &str = "firstcome.log";
/// How many partitions, in the stream's metadata: for ever.
const PARTITIONS: &str = "firstcome.partitions";
/// How a campaign's partition is found, in the stream's metadata: for ever.
const HASH: &str = "firstcome.hash";
/// The hash of [`Subject::partition`](crate::event_log::Subject::partition).
const FNV: &str = "fnv1a-64";
/// The largest message (ARCHITECTURE L8) and its headers must fit; the server's default is 1 MiB.
const LARGEST: usize = MESSAGE_BYTES + (64 << 10);
/// Older ones were not tried, and tell "in process" from "refused" in other ways.
const OLDEST_SERVER: (i64, i64) = (2, 12);
/// Servers that start together need a moment until they have a leader.
const PATIENCE: Duration = Duration::from_secs(10);
const ASK_AGAIN_MS: u64 = 200;

/// Which log, and how a new one is made.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The servers, separated by commas: `nats://a:4222,nats://b:4222`, with user and password if need be.
    pub url: String,
    /// The stream's name, and the first part of its subjects.
    pub name: String,
    /// How many partitions: chosen when the log is made, never changed.
    pub partitions: u32,
    /// How many servers keep a copy, at least: 1, 3 or 5.
    pub replicas: usize,
    /// Where a new log is full; without it, when the disk is. A later change is made with the servers' own tools.
    pub max_bytes: Option<i64>,
}

impl Settings {
    /// The log of one server, with one partition.
    pub fn new(url: impl Into<String>) -> Self {
        Self { url: url.into(), name: "firstcome".to_owned(), partitions: 1, replicas: 1, max_bytes: None }
    }
}

/// The log was not opened.
#[derive(Clone, Debug, thiserror::Error)]
pub enum OpenError {
    /// The servers do not answer, or not yet.
    #[error(transparent)]
    Unavailable(#[from] LogUnavailable),
    /// With these servers, or this stream, the log could not keep its promises: somebody has to change them.
    #[error("{0}")]
    Unfit(String),
}

/// Finds the stream or makes it; returns the log's identity.
pub(super) async fn open(api: &Api, settings: &Settings) -> Result<String, OpenError> {
    let (major, minor) = OLDEST_SERVER;
    if !api.client.is_server_compatible(major, minor, 0) {
        let version = api.client.server_info().version;
        return Err(OpenError::Unfit(format!(
            "NATS server {version} is too old: {major}.{minor} is the least"
        )));
    }
    let max_payload = api.client.max_payload();
    if max_payload < LARGEST {
        return Err(OpenError::Unfit(format!(
            "the NATS server's max_payload is {max_payload}; the largest message needs {LARGEST}"
        )));
    }
    let began = Instant::now();
    loop {
        match find_or_make(api, settings).await {
            Ok(info) => return fit(&info.config, settings),
            Err(failure) if !NOT_YET.contains(&failure.code) => {
                return Err(OpenError::Unfit(format!("stream {}: {}", settings.name, failure.reason)));
            }
            Err(failure) if began.elapsed() > PATIENCE => return Err(OpenError::Unavailable(failure.into())),
            Err(_) => sleep(jittered(ASK_AGAIN_MS)).await,
        }
    }
}

async fn find_or_make(api: &Api, settings: &Settings) -> Result<Info, Failure> {
    match api.info(None, 0).await {
        Err(Failure { code: STREAM_NOT_FOUND, .. }) => {}
        found => return found,
    }
    let made = api.call(format!("STREAM.CREATE.{}", settings.name), &wanted(settings)).await;
    match made {
        // Somebody else was faster, and gave it an identity.
        Err(Failure { code: STREAM_EXISTS, .. }) => api.info(None, 0).await,
        made => made,
    }
}

/// A new log's stream.
fn wanted(settings: &Settings) -> Config {
    Config {
        name: settings.name.clone(),
        // Nothing else is taken in: every message in the stream is some campaign's.
        subjects: vec![format!("{}.*.*", settings.name), format!("{}.*.*.use", settings.name)],
        retention: RetentionPolicy::Limits,
        storage: StorageType::File,
        num_replicas: settings.replicas,
        max_messages: -1,
        max_messages_per_subject: -1,
        max_bytes: settings.max_bytes.unwrap_or(-1),
        max_consumers: -1,
        // Full: new messages are refused. Nothing is ever dropped to make room.
        discard: DiscardPolicy::New,
        // No message ids are used, so there are no duplicates to find; the least that the server takes.
        duplicate_window: Duration::from_millis(100),
        // A direct read is answered by any copy, however old (ARCHITECTURE L6).
        allow_direct: false,
        // Single messages are never taken out. Purging stays allowed: it is how a campaign that is over will be pruned
        // (ARCHITECTURE L9), and what is denied once is denied for the stream's life.
        deny_delete: true,
        deny_purge: false,
        metadata: HashMap::from([
            (IDENTITY.to_owned(), random_hex::<8>()),
            (PARTITIONS.to_owned(), settings.partitions.to_string()),
            (HASH.to_owned(), FNV.to_owned()),
        ]),
        ..Config::default()
    }
}

/// The log's identity, if the stream is one that keeps what this log promises.
fn fit(found: &Config, settings: &Settings) -> Result<String, OpenError> {
    let wrong = faults(found, settings);
    match identity(found) {
        Some(identity) if wrong.is_empty() => Ok(identity.to_owned()),
        _ => Err(OpenError::Unfit(format!(
            "stream {} is not fit to be the event log: {}",
            settings.name,
            wrong.join("; ")
        ))),
    }
}

/// The identity in a stream's metadata.
pub(super) fn identity(found: &Config) -> Option<&str> {
    found.metadata.get(IDENTITY).map(String::as_str)
}

/// What in a stream breaks a promise of the log.
fn faults(found: &Config, settings: &Settings) -> Vec<String> {
    let wanted = wanted(settings);
    let metadata = |key: &str| found.metadata.get(key).map_or("not given", String::as_str);
    let sorted = |config: &Config| {
        let mut subjects = config.subjects.clone();
        subjects.sort();
        subjects
    };
    let (partitions, asked) = (metadata(PARTITIONS), settings.partitions);
    let takes_largest = usize::try_from(found.max_message_size).is_ok_and(|size| size >= LARGEST);
    let not_its_own = found.mirror.is_some()
        || found.sources.as_ref().is_some_and(|sources| !sources.is_empty())
        || found.subject_transform.is_some();
    let faults = [
        (identity(found).is_none(), format!("it was not made as a log: its metadata lack {IDENTITY}")),
        (
            partitions != asked.to_string(),
            format!("its number of partitions is {partitions} for ever, and {asked} are asked for"),
        ),
        (metadata(HASH) != FNV, format!("its hash is {}, must be {FNV}", metadata(HASH))),
        (
            found.num_replicas < settings.replicas,
            format!("it keeps {} copies, and {} are asked for", found.num_replicas, settings.replicas),
        ),
        (sorted(found) != sorted(&wanted), format!("its subjects must be {}", wanted.subjects.join(", "))),
        (found.allow_direct, "allow_direct must be off: a direct read may be old".to_owned()),
        (found.storage != StorageType::File, "storage must be file".to_owned()),
        (
            found.persist_mode == Some(PersistenceMode::Async),
            "persist_mode must not be async: an append counts when it is on disk".to_owned(),
        ),
        (found.retention != RetentionPolicy::Limits, "retention must be limits".to_owned()),
        (found.discard != DiscardPolicy::New, "discard must be new: nothing makes room".to_owned()),
        (!found.max_age.is_zero(), "max_age must be 0: nothing expires".to_owned()),
        (
            found.max_messages > 0 || found.max_messages_per_subject > 0,
            "max_msgs and max_msgs_per_subject must be unlimited".to_owned(),
        ),
        (
            found.max_message_size > 0 && !takes_largest,
            format!("max_msg_size must be unlimited, or at least {LARGEST}"),
        ),
        (!found.deny_delete, "deny_delete must be on".to_owned()),
        (
            found.allow_rollup || found.allow_message_ttl,
            "allow_rollup_hdrs and allow_msg_ttl must be off: both remove messages".to_owned(),
        ),
        (found.sealed || found.no_ack, "sealed and no_ack must be off".to_owned()),
        (not_its_own, "it must have no mirror, no sources and no subject_transform".to_owned()),
    ];
    faults.into_iter().filter(|(wrong, _)| *wrong).map(|(_, fault)| fault).collect()
}
