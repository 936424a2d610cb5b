//! The servers, over HTTP. Several addresses may be instances of the same service or its two sides: what any of a side
//! can tell is asked where it last answered, and elsewhere when that one is away, is cut off from what it needs, or does
//! not know the path; what a server tells of itself is asked of that one.

mod each;
mod metrics;
mod prometheus;

use std::error::Error as _;
use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use firstcome_shared::wire::{Campaign, CampaignState, Code, Coupon, DeadLetter, Page, Problem};
use futures::FutureExt as _;
use futures::future::BoxFuture;
use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderValue};
use reqwest::{Client, Method, StatusCode, Url};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::Api;
use crate::ConsoleError;
use crate::message::{Data, Failure, Feed, Health, Order, Side, Verb};
use prometheus::Prometheus;

/// How long a server may take to accept a connection, and to answer.
const CONNECT: Duration = Duration::from_secs(2);
const ANSWER: Duration = Duration::from_secs(5);
/// The same where another server can be asked instead.
const ANSWER_OF_SEVERAL: Duration = Duration::from_secs(2);
/// An order waits for the log: it gets more time.
const ORDER: Duration = Duration::from_secs(15);
/// Campaigns a page.
const PAGE: &str = "200";
/// Acts a page.
const ACTS: &str = "100";
/// Latest coupons.
const COUPONS: &str = "50";

/// One or more servers.
#[derive(Debug)]
pub(crate) struct Http {
    client: Client,
    servers: Vec<Url>,
    /// The server that answered last, for each side.
    command: AtomicUsize,
    query: AtomicUsize,
    prometheus: Option<Prometheus>,
}

/// A request, wherever it is sent.
struct Ask<'a, B> {
    method: Method,
    path: &'a [&'a str],
    query: &'a [(&'a str, &'a str)],
    body: Option<&'a B>,
}

impl<'a> Ask<'a, ()> {
    fn get(path: &'a [&'a str], query: &'a [(&'a str, &'a str)]) -> Self {
        Self { method: Method::GET, path, query, body: None }
    }
}

impl Http {
    /// Servers at these addresses, at least one; `key` is sent to each of them, and not to `prometheus`.
    pub(crate) fn new(
        servers: &[String],
        key: Option<&str>,
        prometheus: Option<&str>,
    ) -> Result<Self, ConsoleError> {
        let servers: Vec<Url> =
            servers.iter().map(|address| url("--server", address)).collect::<Result<_, _>>()?;
        if servers.is_empty() {
            let reason = "no address given".to_owned();
            return Err(ConsoleError::Server { flag: "--server", address: String::new(), reason });
        }
        let mut headers = HeaderMap::new();
        if let Some(key) = key.filter(|key| !key.is_empty()) {
            let mut value =
                HeaderValue::try_from(format!("Bearer {key}")).map_err(|_| ConsoleError::ApiKey)?;
            value.set_sensitive(true);
            headers.insert(AUTHORIZATION, value);
        }
        let client = Client::builder()
            .default_headers(headers)
            .connect_timeout(CONNECT)
            .timeout(if servers.len() > 1 { ANSWER_OF_SEVERAL } else { ANSWER })
            // The key is meant for these servers and for nobody else.
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .build()?;
        let prometheus = prometheus.filter(|address| !address.is_empty()).map(Prometheus::new).transpose()?;
        Ok(Self { client, servers, command: AtomicUsize::new(0), query: AtomicUsize::new(0), prometheus })
    }

    /// Asks any server of that side.
    async fn get<T: DeserializeOwned>(
        &self,
        side: Side,
        path: &[&str],
        query: &[(&str, &str)],
    ) -> Result<T, Failure> {
        understood(&self.ask(side, &Ask::get(path, query)).await?)
    }

    /// Asks one server.
    async fn get_of<T: DeserializeOwned>(&self, at: usize, path: &[&str]) -> Result<T, Failure> {
        understood(&self.ask_one(self.server(at)?, &Ask::get(path, &[])).await?)
    }

    fn server(&self, at: usize) -> Result<&Url, Failure> {
        self.servers.get(at).ok_or_else(|| Failure::Unreachable("no server".to_owned()))
    }

    /// All pages of a list.
    async fn all<T: DeserializeOwned>(
        &self,
        side: Side,
        path: &[&str],
        limit: Option<&str>,
    ) -> Result<Vec<T>, Failure> {
        let mut items = Vec::new();
        let mut after: Option<String> = None;
        loop {
            let mut query: Vec<_> = limit.map(|limit| ("limit", limit)).into_iter().collect();
            query.extend(after.as_deref().map(|after| ("after", after)));
            let page: Page<T> = self.get(side, path, &query).await?;
            let empty = page.items.is_empty();
            items.extend(page.items);
            // A cursor that leads nowhere must not lead there for ever.
            if page.next.is_none() || empty || page.next == after {
                return Ok(items);
            }
            after = page.next;
        }
    }

    /// All campaigns. An instance that is cut off from the gate still has a list, in which it knows nothing of any:
    /// another one may know.
    async fn campaigns(&self) -> Result<Vec<Campaign>, Failure> {
        let fetch = || self.all(Side::Command, &["campaigns"], Some(PAGE));
        let mut campaigns: Vec<Campaign> = fetch().await?;
        for _ in 1..self.servers.len() {
            if campaigns.is_empty() || campaigns.iter().any(|seen| seen.state != CampaignState::Unavailable) {
                break;
            }
            let answered = self.command.load(Ordering::Relaxed);
            self.command.store((answered + 1) % self.servers.len(), Ordering::Relaxed);
            match fetch().await {
                Ok(others) => campaigns = others,
                Err(_) => break,
            }
        }
        Ok(campaigns)
    }

    /// What is below `/v1`, from any server of that side.
    async fn ask(&self, side: Side, ask: &Ask<'_, impl Serialize>) -> Result<Vec<u8>, Failure> {
        let answered = match side {
            Side::Command => &self.command,
            Side::Query => &self.query,
        };
        let first = answered.load(Ordering::Relaxed);
        let mut failure: Option<Failure> = None;
        for step in 0..self.servers.len() {
            let at = (first + step) % self.servers.len();
            match self.ask_one(&self.servers[at], ask).await {
                // The reason of the server that is usually asked says the most, unless it is of the other side.
                Err(other) if elsewhere(&other) => {
                    failure = failure.filter(|known| !known.is_other_half()).or(Some(other));
                }
                result => {
                    // Unless somebody has turned to another one meanwhile.
                    let _ = answered.compare_exchange(first, at, Ordering::Relaxed, Ordering::Relaxed);
                    return result;
                }
            }
        }
        Err(failure.unwrap_or_else(|| Failure::Unreachable("no server".to_owned())))
    }

    async fn ask_one(&self, server: &Url, ask: &Ask<'_, impl Serialize>) -> Result<Vec<u8>, Failure> {
        let path = ["v1"].iter().chain(ask.path);
        let mut request = self.client.request(ask.method.clone(), below(server, path)).query(ask.query);
        if ask.method != Method::GET {
            request = request.timeout(ORDER);
        }
        if let Some(body) = ask.body {
            request = request.json(body);
        }
        answer(request).await
    }

    /// Whether a server is ready. It says so to anybody.
    async fn health(&self, at: usize) -> Result<Health, Failure> {
        let request = self.client.get(below(self.server(at)?, &["readyz"]));
        match answer(request).await {
            Ok(_) => Ok(Health::Ready),
            Err(Failure::Refused(problem)) if problem.code == Code::Unavailable => {
                Ok(Health::NotReady(problem.detail.clone()))
            }
            Err(failure) => Err(failure),
        }
    }

    async fn metrics(&self, at: usize) -> Result<Data, Failure> {
        let request = self.client.get(below(self.server(at)?, &["metrics"]));
        let text = answer(request).await?;
        Ok(Data::Metrics(metrics::read(&String::from_utf8_lossy(&text))))
    }

    async fn page_of_audit(&self, campaign: Option<&str>, after: Option<&str>) -> Result<Data, Failure> {
        let mut query = vec![("limit", ACTS)];
        query.extend(campaign.map(|campaign| ("campaign", campaign)));
        query.extend(after.map(|after| ("after", after)));
        Ok(Data::Audit(self.get(Side::Command, &["audit-log"], &query).await?))
    }
}

impl Api for Http {
    fn fetch<'a>(&'a self, feed: &'a Feed) -> BoxFuture<'a, Result<Data, Failure>> {
        async move {
            let (command, query) = (Side::Command, Side::Query);
            Ok(match feed {
                Feed::Campaigns => Data::Campaigns(self.campaigns().await?),
                Feed::Campaign(id) => {
                    Data::Campaign(Box::new(self.get(command, &["campaigns", id], &[]).await?))
                }
                Feed::History(id) => {
                    Data::History(Box::new(self.get(query, &["history", "campaigns", id], &[]).await?))
                }
                Feed::Coupons(id) => {
                    let asked = [("order", "desc"), ("limit", COUPONS)];
                    let path = ["history", "campaigns", id, "coupons"];
                    let page: Page<Coupon> = self.get(query, &path, &asked).await?;
                    Data::Coupons(page.items)
                }
                Feed::Askers(id) => Data::Askers(self.askers(id).await?),
                Feed::DeadLetters(side) => {
                    let path: &[&str] = match side {
                        Side::Command => &["dead-letters"],
                        Side::Query => &["history", "dead-letters"],
                    };
                    Data::DeadLetters(self.all::<DeadLetter>(*side, path, None).await?)
                }
                Feed::Audit(part) => {
                    self.page_of_audit(part.campaign.as_deref(), part.after.as_deref()).await?
                }
                Feed::Pipeline(at) => Data::Pipeline(Box::new(self.get_of(*at, &["pipeline"]).await?)),
                Feed::Lag(at) => Data::Lag(self.get_of(*at, &["history", "lag"]).await?),
                Feed::Health(at) => Data::Health(self.health(*at).await?),
                Feed::Metrics(at) => self.metrics(*at).await?,
                Feed::Alerts => match &self.prometheus {
                    Some(prometheus) => Data::Alerts(prometheus.firing().await?),
                    None => Data::Alerts(Vec::new()),
                },
            })
        }
        .boxed()
    }

    fn send<'a>(&'a self, order: &'a Order) -> BoxFuture<'a, Result<Option<Box<Campaign>>, Failure>> {
        async move {
            let method = match order.verb() {
                Verb::Post => Method::POST,
                Verb::Patch => Method::PATCH,
                Verb::Delete => Method::DELETE,
            };
            let (path, body) = (order.path(), order.body());
            let path: Vec<&str> = path.iter().map(String::as_str).collect();
            let ask = Ask { method, path: &path, query: &[], body: body.as_ref() };
            if order.is_for_each() {
                return self.tell_each(&ask).await.map(|()| None);
            }
            let answer = self.ask(order.side(), &ask).await?;
            // What is only accepted has no answer of its own.
            if answer.is_empty() { Ok(None) } else { understood(&answer).map(Some) }
        }
        .boxed()
    }

    fn servers(&self) -> usize {
        self.servers.len()
    }

    fn has_prometheus(&self) -> bool {
        self.prometheus.is_some()
    }
}

/// What is at this path of a server.
fn below<'a>(server: &Url, path: impl IntoIterator<Item = &'a &'a str>) -> Url {
    let mut url = server.clone();
    if let Ok(mut segments) = url.path_segments_mut() {
        segments.pop_if_empty().extend(path);
    }
    url
}

/// The body of a success; of anything else what it means.
async fn answer(request: reqwest::RequestBuilder) -> Result<Vec<u8>, Failure> {
    let response = request.send().await.map_err(|error| unreachable(&error))?;
    let status = response.status();
    let bytes = response.bytes().await.map_err(|error| unreachable(&error))?;
    if status.is_success() {
        return Ok(bytes.into());
    }
    Err(match serde_json::from_slice::<Problem>(&bytes) {
        Ok(problem) => Failure::Refused(Box::new(problem)),
        Err(_) if status == StatusCode::NOT_FOUND => {
            Failure::Refused(Box::new(Problem::new(Code::NotFound, "this server has no such path")))
        }
        Err(_) => Failure::Unexpected(format!("answered {status} without a problem document")),
    })
}

fn understood<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Failure> {
    serde_json::from_slice(bytes).map_err(|error| Failure::Unexpected(format!("not understood: {error}")))
}

/// Another server may know better, or be able to do it: an order carries absolute values, so that it may be sent again
/// where one server cannot tell whether it was done.
fn elsewhere(failure: &Failure) -> bool {
    match failure {
        Failure::Unreachable(_) => true,
        Failure::Refused(problem) => matches!(problem.code, Code::NotFound | Code::Unavailable),
        Failure::Unexpected(_) => false,
    }
}

fn url(flag: &'static str, address: &str) -> Result<Url, ConsoleError> {
    let fail =
        |reason: &str| ConsoleError::Server { flag, address: address.to_owned(), reason: reason.to_owned() };
    let address = address.trim();
    let full = if address.contains("://") { address.to_owned() } else { format!("http://{address}") };
    let url = Url::parse(&full).map_err(|error| fail(&error.to_string()))?;
    match url.scheme() {
        "http" => Ok(url),
        "https" => Err(fail("this console speaks plain HTTP only; reach the service behind its TLS proxy")),
        _ => Err(fail("expected http://host:port")),
    }
}

/// The deepest reason is the one that tells something: `connection refused`.
fn unreachable(error: &reqwest::Error) -> Failure {
    if error.is_timeout() {
        return Failure::Unreachable("timed out".to_owned());
    }
    let mut reason = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        reason = match cause.downcast_ref::<io::Error>().map(io::Error::kind) {
            Some(io::ErrorKind::ConnectionRefused) => "connection refused".to_owned(),
            Some(io::ErrorKind::ConnectionReset) => "connection reset".to_owned(),
            _ => cause.to_string(),
        };
        source = cause.source();
    }
    Failure::Unreachable(reason)
}

#[cfg(test)]
mod tests;
