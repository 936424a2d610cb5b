//! The servers, over HTTP. Several addresses may be instances of the same service or its two sides: each side is asked
//! where it last answered, and elsewhere when it is away there or that address does not know the path.

use std::error::Error as _;
use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use firstcome_shared::wire::{Campaign, Code, Coupon, Page, Problem};
use futures::FutureExt as _;
use futures::future::BoxFuture;
use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderValue};
use reqwest::{Client, Method, StatusCode, Url};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::Api;
use crate::ConsoleError;
use crate::message::{Data, Failure, Feed, Order, Side};

/// How long a server may take to accept a connection, and to answer.
const CONNECT: Duration = Duration::from_secs(2);
const ANSWER: Duration = Duration::from_secs(5);
/// An order waits for the log: it gets more time.
const ORDER: Duration = Duration::from_secs(15);
/// Campaigns a page.
const PAGE: &str = "200";
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
}

impl Http {
    /// Servers at these addresses, at least one; `key` is sent to each of them.
    pub(crate) fn new(servers: &[String], key: Option<&str>) -> Result<Self, ConsoleError> {
        let servers: Vec<Url> = servers.iter().map(|address| url(address)).collect::<Result<_, _>>()?;
        if servers.is_empty() {
            return Err(ConsoleError::Server { address: String::new(), reason: "no address given".into() });
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
            .timeout(ANSWER)
            // The key is meant for these servers and for nobody else.
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .build()?;
        Ok(Self { client, servers, command: AtomicUsize::new(0), query: AtomicUsize::new(0) })
    }

    async fn get<T: DeserializeOwned>(&self, feed: &Feed, query: &[(&str, &str)]) -> Result<T, Failure> {
        let id = feed.campaign().unwrap_or_default();
        let path: &[&str] = match feed {
            Feed::Campaigns => &["campaigns"],
            Feed::Pipeline => &["pipeline"],
            Feed::Lag => &["history", "lag"],
            Feed::Campaign(_) => &["campaigns", id],
            Feed::History(_) => &["history", "campaigns", id],
            Feed::Coupons(_) => &["history", "campaigns", id, "coupons"],
        };
        self.ask(feed.side(), &Method::GET, path, query, None::<&()>).await
    }

    async fn all_campaigns(&self) -> Result<Vec<Campaign>, Failure> {
        let mut campaigns = Vec::new();
        let mut after: Option<String> = None;
        loop {
            let mut query = vec![("limit", PAGE)];
            query.extend(after.as_deref().map(|after| ("after", after)));
            let page: Page<Campaign> = self.get(&Feed::Campaigns, &query).await?;
            let empty = page.items.is_empty();
            campaigns.extend(page.items);
            // A cursor that leads nowhere must not lead there for ever.
            if page.next.is_none() || empty || page.next == after {
                return Ok(campaigns);
            }
            after = page.next;
        }
    }

    async fn ask<T: DeserializeOwned>(
        &self,
        side: Side,
        method: &Method,
        path: &[&str],
        query: &[(&str, &str)],
        body: Option<&impl Serialize>,
    ) -> Result<T, Failure> {
        let answered = match side {
            Side::Command => &self.command,
            Side::Query => &self.query,
        };
        let first = answered.load(Ordering::Relaxed);
        let mut failure = None;
        for step in 0..self.servers.len() {
            let at = (first + step) % self.servers.len();
            match self.ask_one(&self.servers[at], method, path, query, body).await {
                // The reason of the server that is usually asked says the most.
                Err(other) if elsewhere(&other) => failure = failure.or(Some(other)),
                result => {
                    answered.store(at, Ordering::Relaxed);
                    return result;
                }
            }
        }
        Err(failure.unwrap_or_else(|| Failure::Unreachable("no server".to_owned())))
    }

    async fn ask_one<T: DeserializeOwned>(
        &self,
        server: &Url,
        method: &Method,
        path: &[&str],
        query: &[(&str, &str)],
        body: Option<&impl Serialize>,
    ) -> Result<T, Failure> {
        let mut url = server.clone();
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.pop_if_empty().push("v1").extend(path);
        }
        let mut request = self.client.request(method.clone(), url).query(query);
        if *method != Method::GET {
            request = request.timeout(ORDER);
        }
        if let Some(body) = body {
            request = request.json(body);
        }
        let response = request.send().await.map_err(|error| unreachable(&error))?;
        let status = response.status();
        let bytes = response.bytes().await.map_err(|error| unreachable(&error))?;
        if status.is_success() {
            return serde_json::from_slice(&bytes)
                .map_err(|error| Failure::Unexpected(format!("not understood: {error}")));
        }
        Err(match serde_json::from_slice::<Problem>(&bytes) {
            Ok(problem) => Failure::Refused(Box::new(problem)),
            Err(_) if status == StatusCode::NOT_FOUND => {
                Failure::Refused(Box::new(Problem::new(Code::NotFound, "this server has no such path")))
            }
            Err(_) => Failure::Unexpected(format!("answered {status} without a problem document")),
        })
    }
}

impl Api for Http {
    fn fetch<'a>(&'a self, feed: &'a Feed) -> BoxFuture<'a, Result<Data, Failure>> {
        async move {
            Ok(match feed {
                Feed::Campaigns => Data::Campaigns(self.all_campaigns().await?),
                Feed::Pipeline => Data::Pipeline(Box::new(self.get(feed, &[]).await?)),
                Feed::Lag => Data::Lag(self.get(feed, &[]).await?),
                Feed::Campaign(_) => Data::Campaign(Box::new(self.get(feed, &[]).await?)),
                Feed::History(_) => Data::History(Box::new(self.get(feed, &[]).await?)),
                Feed::Coupons(_) => {
                    let query = [("order", "desc"), ("limit", COUPONS)];
                    let page: Page<Coupon> = self.get(feed, &query).await?;
                    Data::Coupons(page.items)
                }
            })
        }
        .boxed()
    }

    fn send<'a>(&'a self, order: &'a Order) -> BoxFuture<'a, Result<Box<Campaign>, Failure>> {
        async move {
            let mut path = vec!["campaigns", order.campaign.as_str()];
            path.extend(order.verb());
            let method = if order.verb().is_some() { Method::POST } else { Method::PATCH };
            self.ask(Side::Command, &method, &path, &[], order.body().as_ref()).await.map(Box::new)
        }
        .boxed()
    }
}

/// Another server may know better.
fn elsewhere(failure: &Failure) -> bool {
    match failure {
        Failure::Unreachable(_) => true,
        Failure::Refused(problem) => problem.code == Code::NotFound,
        Failure::Unexpected(_) => false,
    }
}

fn url(address: &str) -> Result<Url, ConsoleError> {
    let fail = |reason: &str| ConsoleError::Server { address: address.to_owned(), reason: reason.to_owned() };
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
