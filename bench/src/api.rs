//! The API as the bench uses it beside the load: create a campaign, look at the pipeline, take fingerprints. Unlike the
//! load it is patient: what is safe to repeat is repeated until a deadline, on every server in turn. In a cluster each
//! side has its own paths; which server is of which side is found out by asking.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use firstcome_shared::clock::jittered;
use firstcome_shared::position::Position;
use firstcome_shared::wire::{
    Campaign, Code, CreateCampaign, Fingerprint, HistoryCampaign, Page, Pipeline, Problem, ProjectionView,
    Store, Timeline,
};
use hyper::header;
use reqwest::{Client, Method, StatusCode, redirect};
use serde::de::DeserializeOwned;

use crate::error::BenchError;
use crate::target::Target;

/// How long a question is repeated while servers are away or busy.
const PATIENCE: Duration = Duration::from_secs(15);
/// The same while none has ever let us connect: then the address is wrong or nothing runs there.
const PATIENCE_WITH_STRANGERS: Duration = Duration::from_millis(500);
/// Longest wait for a connection.
const CONNECT: Duration = Duration::from_millis(1_500);
/// Longest wait for one answer. A server takes ten seconds, a proxy in front of it may make it more.
const ONE_ANSWER: Duration = Duration::from_mins(1);

/// A client of the HTTP API for everything that is not load.
#[derive(Clone, Debug)]
pub struct Api {
    http: Client,
    target: Target,
    /// A server has been there.
    met: Arc<AtomicBool>,
}

/// Which rows a fingerprint is taken of; the default is all of them.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Slice {
    /// First sequence number.
    pub(crate) from: Option<u64>,
    /// Last sequence number.
    pub(crate) to: Option<u64>,
    /// Only rows that stand in the log up to here.
    pub(crate) upto: Option<Position>,
    /// The rows themselves too.
    pub(crate) rows: bool,
}

impl Api {
    /// A client for that target. Proxies of the environment are ignored: only the named servers are contacted.
    pub fn new(target: &Target) -> Result<Self, BenchError> {
        let http = Client::builder()
            .no_proxy()
            .redirect(redirect::Policy::none())
            .connect_timeout(CONNECT)
            .timeout(ONE_ANSWER)
            .build()
            .map_err(BenchError::Client)?;
        Ok(Self { http, target: target.clone(), met: Arc::default() })
    }

    /// Creates a campaign.
    pub async fn create(&self, campaign: &CreateCampaign) -> Result<Campaign, BenchError> {
        let body = serde_json::to_vec(campaign)
            .map_err(|source| BenchError::Garbled { what: "the campaign to create".to_owned(), source })?;
        self.call(Method::POST, "/v1/campaigns", &[], Some(body)).await
    }

    /// The live view of a campaign, from the gate.
    pub async fn campaign(&self, id: &str) -> Result<Campaign, BenchError> {
        self.call(Method::GET, &format!("/v1/campaigns/{id}"), &[], None).await
    }

    /// All campaigns, page by page.
    pub async fn campaigns(&self) -> Result<Vec<Campaign>, BenchError> {
        let mut all = Vec::new();
        let mut query = vec![("limit", "100".to_owned())];
        loop {
            let page: Page<Campaign> = self.call(Method::GET, "/v1/campaigns", &query, None).await?;
            all.extend(page.items);
            match page.next {
                Some(next) => query = vec![("limit", "100".to_owned()), ("after", next)],
                None => return Ok(all),
            }
        }
    }

    /// The command side's view of the pipeline.
    pub async fn pipeline(&self) -> Result<Pipeline, BenchError> {
        self.call(Method::GET, "/v1/pipeline", &[], None).await
    }

    /// How far the read model is.
    pub async fn read_model(&self) -> Result<ProjectionView, BenchError> {
        self.call(Method::GET, "/v1/history/lag", &[], None).await
    }

    /// A campaign's statistics, from the read model.
    pub(crate) async fn statistics(&self, id: &str) -> Result<HistoryCampaign, BenchError> {
        self.call(Method::GET, &format!("/v1/history/campaigns/{id}"), &[], None).await
    }

    /// What happened in each `1s` or `1h`, from the read model.
    pub(crate) async fn timeline(&self, id: &str, step: &str) -> Result<Timeline, BenchError> {
        let query = [("step", step.to_owned())];
        self.call(Method::GET, &format!("/v1/history/campaigns/{id}/timeline"), &query, None).await
    }

    /// The fingerprint of a store's rows.
    pub(crate) async fn fingerprint(
        &self,
        store: Store,
        campaign: &str,
        slice: Slice,
    ) -> Result<Fingerprint, BenchError> {
        let mut query = Vec::with_capacity(5);
        let path = match store {
            Store::ReadModel => format!("/v1/history/campaigns/{campaign}/fingerprint"),
            Store::Gate | Store::Log | Store::Ledger => {
                query.push(("store", store_name(store).to_owned()));
                format!("/v1/campaigns/{campaign}/fingerprint")
            }
        };
        query.extend(slice.from.map(|from| ("from", from.to_string())));
        query.extend(slice.to.map(|to| ("to", to.to_string())));
        query.extend(slice.upto.map(|upto| ("upto", upto.to_string())));
        if slice.rows {
            query.push(("rows", "true".to_owned()));
        }
        self.call(Method::GET, &path, &query, None).await
    }

    /// One question, repeated while the answer is "try again". Creating is repeated too: the campaign's name makes it
    /// safe, and what an earlier try created then shows as `campaign_exists`.
    async fn call<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        query: &[(&str, String)],
        body: Option<Vec<u8>>,
    ) -> Result<T, BenchError> {
        let began = Instant::now();
        let (mut turn, mut strangers) = (0, 0);
        loop {
            let answer = self.once(&method, path, query, body.clone(), turn).await;
            turn += 1;
            // A server of the other side: the next one may be of this.
            strangers = if answer.as_ref().is_ok_and(has_no_such_path) { strangers + 1 } else { 0 };
            if (1..self.target.servers()).contains(&strangers) {
                continue;
            }
            let again = match &answer {
                Ok((status, _)) => matches!(
                    *status,
                    StatusCode::TOO_MANY_REQUESTS
                        | StatusCode::SERVICE_UNAVAILABLE
                        | StatusCode::GATEWAY_TIMEOUT
                        | StatusCode::BAD_GATEWAY
                ),
                Err(error) => !error.is_builder(),
            };
            let absent = matches!(&answer, Err(error) if error.is_connect());
            if !absent {
                self.met.store(true, Ordering::Relaxed);
            }
            // Whoever was never there is not waited for, but each server is tried.
            let patient = if self.met.load(Ordering::Relaxed) {
                began.elapsed() < PATIENCE
            } else {
                began.elapsed() < PATIENCE_WITH_STRANGERS || turn < self.target.servers()
            };
            if again && patient {
                tokio::time::sleep(jittered(200)).await;
                continue;
            }
            let what = || format!("{method} {path}");
            let server = || self.target.server(turn - 1).address.clone();
            let (status, bytes) =
                answer.map_err(|source| BenchError::Unreachable { server: server(), source })?;
            if status.is_success() {
                return serde_json::from_slice(&bytes)
                    .map_err(|source| BenchError::Garbled { what: what(), source });
            }
            let problem = serde_json::from_slice::<Problem>(&bytes).ok();
            return Err(BenchError::Refused {
                what: what(),
                code: problem.as_ref().map(|problem| problem.code),
                detail: problem.map_or_else(|| status.to_string(), |problem| problem.detail),
            });
        }
    }

    /// Those of the servers that issue coupons: load goes to them. One that does not answer now is taken for one.
    pub(crate) async fn issuers(&self) -> Result<Target, BenchError> {
        let mut issuing = Vec::new();
        for turn in 0..self.target.servers() {
            let answer = self.once(&Method::GET, "/v1/pipeline", &[], None, turn).await;
            issuing.push(!answer.as_ref().is_ok_and(has_no_such_path));
        }
        self.target.only(&issuing).ok_or_else(|| {
            BenchError::Usage("none of the servers issues coupons: name one of the write side".to_owned())
        })
    }

    async fn once(
        &self,
        method: &Method,
        path: &str,
        query: &[(&str, String)],
        body: Option<Vec<u8>>,
        turn: usize,
    ) -> Result<(StatusCode, Vec<u8>), reqwest::Error> {
        let url = format!("http://{}{path}", self.target.server(turn).address);
        let mut request = self.http.request(method.clone(), url).query(query);
        if let Some(bearer) = self.target.bearer() {
            request = request.header(header::AUTHORIZATION, bearer.clone());
        }
        if let Some(body) = body {
            request = request.header(header::CONTENT_TYPE, "application/json").body(body);
        }
        let response = request.send().await?;
        Ok((response.status(), response.bytes().await?.to_vec()))
    }
}

/// Whether the server is of the other side, which has no such path.
fn has_no_such_path((status, body): &(StatusCode, Vec<u8>)) -> bool {
    *status == StatusCode::NOT_FOUND
        && serde_json::from_slice::<Problem>(body).is_ok_and(|problem| problem.code == Code::NotFound)
}

/// A store's name in URLs and reports.
pub(crate) fn store_name(store: Store) -> &'static str {
    match store {
        Store::Gate => "gate",
        Store::Log => "log",
        Store::Ledger => "ledger",
        Store::ReadModel => "read_model",
    }
}

/// Whether a campaign is not known there (yet).
pub(crate) fn is_unknown(error: &BenchError) -> bool {
    error.code() == Some(Code::CampaignNotFound)
}
