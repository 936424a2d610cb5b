//! What is asked of the servers, each request with a deadline and each answer told apart: what was refused, what may
//! yet happen, and what is not there as opposed to not reachable.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use async_nats::header::{NATS_EXPECTED_LAST_SUBJECT_SEQUENCE, NATS_EXPECTED_STREAM};
use async_nats::jetstream::message::StreamMessage;
use async_nats::jetstream::response::Response;
use async_nats::jetstream::stream::{ClusterInfo, Config, RawMessageError, RawMessageErrorKind, Stream};
use async_nats::jetstream::{Context, ContextBuilder};
use async_nats::{Client, ConnectOptions, Event, HeaderMap, HeaderValue, Request};
use bytes::Bytes;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::json;
use tokio::sync::watch;
use tokio::time::{Instant, timeout, timeout_at};

use crate::clock::jittered;
use crate::event_log::LogUnavailable;

/// What is not answered by then is in doubt, or failed. Below the deadlines of those who call the port.
pub(super) const DEADLINE: Duration = Duration::from_secs(2);
/// A connection that is silent for three of these is given up: a host that vanished closes nothing.
const PING: Duration = Duration::from_secs(2);
const LONGEST_RECONNECT_MS: u64 = 500;
/// How long after a connection was lost a call waits for the next one: most come back, to another server, in no time.
const GRACE: Duration = Duration::from_millis(500);
/// Shorter than the four seconds in which no follower elects another leader: who was heard by so many so recently is
/// still the leader.
const HEARD: Duration = Duration::from_secs(3);

/// Another message stands at the subject's end.
const WRONG_LAST_SEQUENCE: u64 = 10_071;
/// An append to the subject is under way, seen by the leader; and the same told of a message id.
const IN_PROCESS: [u64; 2] = [10_164, 10_158];
/// There is no such stream.
pub(super) const STREAM_NOT_FOUND: u64 = 10_059;
/// There is one with another configuration.
pub(super) const STREAM_EXISTS: u64 = 10_058;
/// The cluster has no leader, or too few of its servers have come up.
pub(super) const NOT_YET: [u64; 4] = [0, 10_004, 10_005, 10_008];

/// A request that was refused; code 0: nobody answered.
#[derive(Clone, Debug)]
pub(super) struct Failure {
    pub(super) code: u64,
    pub(super) reason: String,
}

impl Failure {
    fn away(reason: impl fmt::Display) -> Self {
        Self { code: 0, reason: reason.to_string() }
    }
}

impl From<Failure> for LogUnavailable {
    fn from(failure: Failure) -> Self {
        Self::new(failure.reason)
    }
}

/// What became of a publish.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Published {
    Stored(u64),
    /// Not stored; the subject's last sequence, when the server named it.
    Refused(Option<u64>),
    InProcess,
    Unknown(String),
}

/// The answer to `STREAM.INFO`, as far as it is of use here.
#[derive(Debug, Deserialize)]
pub(super) struct Info {
    pub(super) config: Config,
    pub(super) state: State,
    pub(super) cluster: Option<ClusterInfo>,
    /// How many subjects match, over all pages.
    #[serde(default)]
    pub(super) total: u64,
}

#[derive(Debug, Deserialize)]
pub(super) struct State {
    pub(super) first_seq: u64,
    pub(super) last_seq: u64,
    /// Sequences between these two that hold nothing.
    #[serde(default)]
    pub(super) num_deleted: u64,
    /// Messages a subject, of those that were asked for.
    #[serde(default)]
    pub(super) subjects: BTreeMap<String, u64>,
}

impl Info {
    /// Whether the leader that answered still leads: so many copies, itself included, were in touch with it lately that
    /// no other leader can have been elected (ARCHITECTURE L6).
    pub(super) fn has_quorum(&self) -> bool {
        if self.config.num_replicas <= 1 {
            return true;
        }
        let Some(cluster) = &self.cluster else { return false };
        let led = cluster.leader.as_ref().is_some_and(|leader| !leader.is_empty());
        let heard = cluster.replicas.iter().filter(|peer| {
            // A peer that was never heard has an age of nothing.
            !peer.offline && peer.active < HEARD && (peer.current || peer.active > Duration::ZERO)
        });
        led && heard.count() + 1 > self.config.num_replicas / 2
    }
}

/// The connection to the servers.
#[derive(Clone, Copy, Debug, Default)]
struct Link {
    /// How often it was lost.
    losses: u64,
    lost_at: Option<Instant>,
}

/// One stream on some servers.
#[derive(Debug)]
pub(super) struct Api {
    pub(super) client: Client,
    pub(super) stream: Stream<()>,
    context: Context,
    name: String,
    link: watch::Sender<Link>,
}

impl Api {
    /// Connects to one of the servers, which are separated by commas.
    pub(super) async fn connect(url: &str, name: &str) -> Result<Self, LogUnavailable> {
        let servers: Vec<&str> = url.split(',').map(str::trim).filter(|server| !server.is_empty()).collect();
        let link = watch::Sender::new(Link::default());
        let events = link.clone();
        let options = ConnectOptions::new()
            .name("firstcome")
            .event_callback(move |event| {
                events.send_modify(|link| match event {
                    Event::Connected => link.lost_at = None,
                    Event::Disconnected => {
                        *link = Link { losses: link.losses + 1, lost_at: Some(Instant::now()) };
                    }
                    _ => {}
                });
                std::future::ready(())
            })
            .connection_timeout(DEADLINE)
            .request_timeout(Some(DEADLINE))
            .ping_interval(PING)
            .reconnect_delay_callback(|attempts| {
                let doubled = 10 << attempts.min(6);
                jittered(LONGEST_RECONNECT_MS.min(doubled))
            });
        let away =
            |reason: &dyn fmt::Display| LogUnavailable::new(format!("NATS at {}: {reason}", masked(url)));
        let client = options.connect(servers).await.map_err(|error| away(&error))?;
        let context = ContextBuilder::new().timeout(DEADLINE).build(client.clone());
        let stream = context.get_stream_no_info(name).await.map_err(|error| away(&error))?;
        Ok(Self { client, stream, context, name: name.to_owned(), link })
    }

    pub(super) fn context(&self) -> &Context {
        &self.context
    }

    /// How often the connection was lost: what was asked for on an earlier one need not be answered.
    pub(super) fn losses(&self) -> u64 {
        self.link.borrow().losses
    }

    /// Bounds `call` in time. Without a connection nothing is sent: the client would keep it and send it later, when
    /// nobody waits for it any more. And when the connection is lost, the answer is not waited for: it went there.
    pub(super) async fn within<T, E: fmt::Display>(
        &self,
        call: impl Future<Output = Result<T, E>>,
    ) -> Result<T, Failure> {
        let mut link = self.link.subscribe();
        let Link { losses, lost_at } = *link.borrow();
        if let Some(lost_at) = lost_at {
            let back = timeout_at(lost_at + GRACE, link.wait_for(|link| link.lost_at.is_none())).await;
            if back.is_err() {
                return Err(Failure::away("NATS is not connected"));
            }
        }
        tokio::select! {
            answer = timeout(DEADLINE, call) => match answer {
                Ok(answer) => answer.map_err(Failure::away),
                Err(_) => Err(Failure::away("NATS did not answer in time")),
            },
            _ = link.wait_for(|link| link.losses > losses) => {
                Err(Failure::away("the connection to NATS was lost"))
            }
        }
    }

    /// A request to the JetStream API.
    pub(super) async fn call<T: DeserializeOwned>(
        &self,
        subject: String,
        request: &(impl Serialize + ?Sized),
    ) -> Result<T, Failure> {
        match self.within(self.context.request(subject, request)).await? {
            Response::Ok(answer) => Ok(answer),
            Response::Err { error } => Err(Failure { code: error.error_code().0, reason: error.to_string() }),
        }
    }

    /// Publishes behind the subject's message `expected`.
    pub(super) async fn publish(&self, subject: String, expected: u64, payload: Bytes) -> Published {
        let mut headers = HeaderMap::new();
        headers.insert(NATS_EXPECTED_STREAM, self.name.as_str());
        headers.insert(NATS_EXPECTED_LAST_SUBJECT_SEQUENCE, HeaderValue::from(expected));
        let request = Request::new().headers(headers).payload(payload);
        match self.within(self.client.send_request(subject, request)).await {
            Ok(reply) => published(&reply.payload),
            Err(failure) => Published::Unknown(failure.reason),
        }
    }

    /// The stream, and how many messages stand on each subject that matches `subjects`, from the `offset`th on.
    pub(super) async fn info(&self, subjects: Option<&str>, offset: u64) -> Result<Info, Failure> {
        let request = subjects.map(|subjects| json!({ "subjects_filter": subjects, "offset": offset }));
        self.call(format!("STREAM.INFO.{}", self.name), &request.unwrap_or(json!({}))).await
    }

    /// The last message that matches `subject`, from the stream's leader. `None` is what the leader says, which it also
    /// says when it cannot read.
    pub(super) async fn last(&self, subject: &str) -> Result<Option<StreamMessage>, LogUnavailable> {
        self.message(self.stream.raw_message_builder().last_by_subject(subject).send()).await
    }

    /// The first message that matches `subject` after sequence `after`, from the stream's leader.
    pub(super) async fn next(
        &self,
        subject: &str,
        after: u64,
    ) -> Result<Option<StreamMessage>, LogUnavailable> {
        let from = after.saturating_add(1);
        self.message(self.stream.raw_message_builder().sequence(from).next_by_subject(subject).send()).await
    }

    async fn message(
        &self,
        request: impl Future<Output = Result<StreamMessage, RawMessageError>>,
    ) -> Result<Option<StreamMessage>, LogUnavailable> {
        let answer = self.within(async {
            match request.await {
                Ok(message) => Ok(Some(message)),
                Err(error) if error.kind() == RawMessageErrorKind::NoMessageFound => Ok(None),
                Err(error) => Err(error),
            }
        });
        Ok(answer.await?)
    }
}

/// Reads the answer to a publish (ARCHITECTURE L5).
pub(super) fn published(reply: &[u8]) -> Published {
    #[derive(Deserialize)]
    struct Refusal {
        #[serde(default)]
        err_code: u64,
        #[serde(default)]
        description: String,
    }
    #[derive(Deserialize)]
    struct Reply {
        #[serde(default)]
        seq: u64,
        error: Option<Refusal>,
    }
    match serde_json::from_slice::<Reply>(reply) {
        Ok(Reply { error: Some(refusal), .. }) => match refusal.err_code {
            WRONG_LAST_SEQUENCE => {
                let named = refusal.description.rsplit(' ').next().and_then(|last| last.parse().ok());
                Published::Refused(named)
            }
            code if IN_PROCESS.contains(&code) => Published::InProcess,
            code => Published::Unknown(format!("NATS refused: {} ({code})", refusal.description)),
        },
        Ok(Reply { seq, error: None }) if seq > 0 => Published::Stored(seq),
        Ok(_) => Published::Unknown("NATS acknowledged without a sequence".to_owned()),
        Err(error) => Published::Unknown(format!("NATS answered something else: {error}")),
    }
}

/// The servers without what may be a password.
fn masked(url: &str) -> String {
    let server = |server: &str| match (server.split_once("://"), server.rsplit_once('@')) {
        (Some((scheme, _)), Some((_, host))) => format!("{scheme}://{host}"),
        (None, Some((_, host))) => host.to_owned(),
        (_, None) => server.to_owned(),
    };
    url.split(',').map(server).collect::<Vec<_>>().join(",")
}
