//! The API as a caller sees it: plain JSON, read without the product's own types, so that a change of the wire shows.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use reqwest::header::HeaderMap;
use reqwest::{Client, Method, RequestBuilder};
use serde_json::{Value, json};

use super::{PATIENCE, from_now};

/// A caller with or without a key, of one process or of a cluster's two sides; of several instances one after the other
/// is asked, as a load balancer does it.
#[derive(Clone)]
pub struct Api {
    http: Client,
    commands: Arc<[String]>,
    queries: Arc<[String]>,
    turn: Arc<AtomicUsize>,
    key: Option<String>,
}

/// An answer.
#[derive(Clone, Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: HeaderMap,
    pub text: String,
}

impl Answer {
    /// Its body as JSON.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// Its body, when the answer is that status.
    pub fn with(&self, status: u16) -> Value {
        assert_eq!(self.status, status, "{self:?}");
        if self.text.is_empty() { Value::Null } else { self.json() }
    }

    /// A problem document, as RFC 9457 has it; returns it.
    pub fn problem(&self, status: u16, code: &str) -> Value {
        let media_type = self.headers.get("content-type").and_then(|value| value.to_str().ok());
        assert_eq!(media_type, Some("application/problem+json"), "{self:?}");
        let body = self.with(status);
        assert_eq!(body["code"], code, "{body}");
        assert_eq!(body["status"], status, "{body}");
        assert_eq!(body["type"], "about:blank", "{body}");
        for text in ["title", "detail"] {
            assert!(body[text].as_str().is_some_and(|text| !text.is_empty()), "no {text}: {body}");
        }
        body
    }
}

/// A coupon, as somebody was told.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Coupon {
    pub seq: u64,
    pub user: String,
    pub code: String,
    pub issued_at: String,
}

impl Coupon {
    pub fn read(coupon: &Value) -> Self {
        let text =
            |field: &str| coupon[field].as_str().unwrap_or_else(|| panic!("no {field}: {coupon}")).to_owned();
        let seq = coupon["seq"].as_u64().unwrap_or_else(|| panic!("no seq: {coupon}"));
        Self { seq, user: text("user_id"), code: text("code"), issued_at: text("issued_at") }
    }
}

/// What somebody who asked was told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Told {
    /// 201, with the position of the log where it stands.
    Issued(Coupon, String),
    /// 200.
    Already(Coupon),
    /// A clear no: the problem's code.
    No(String),
    /// Ask again: 429 or 503.
    Again(String),
    /// Nothing: the connection broke.
    Nothing,
}

impl Told {
    /// The coupon, if there is one.
    pub fn coupon(&self) -> Option<&Coupon> {
        match self {
            Self::Issued(coupon, _) | Self::Already(coupon) => Some(coupon),
            _ => None,
        }
    }

    pub fn is_issued(&self) -> bool {
        matches!(self, Self::Issued(..))
    }

    pub fn is_clear(&self) -> bool {
        !matches!(self, Self::Again(_) | Self::Nothing)
    }

    /// A new coupon.
    #[track_caller]
    pub fn issued(self) -> Coupon {
        match self {
            Self::Issued(coupon, _) => coupon,
            other => panic!("not issued: {other:?}"),
        }
    }

    /// The coupon of before.
    #[track_caller]
    pub fn already(self) -> Coupon {
        match self {
            Self::Already(coupon) => coupon,
            other => panic!("not already issued: {other:?}"),
        }
    }
}

impl Api {
    /// A caller of one process.
    pub fn new(base: &str, key: Option<&str>) -> Self {
        Self::over(&[base], &[base], key)
    }

    /// A caller of these instances of the write side and of the read side.
    pub fn over(commands: &[&str], queries: &[&str], key: Option<&str>) -> Self {
        // No retries and no redirects of its own: what a test sends is sent once.
        let http = Client::builder()
            .no_proxy()
            .timeout(PATIENCE)
            .redirect(reqwest::redirect::Policy::none())
            .retry(reqwest::retry::never())
            .build()
            .unwrap();
        let instances = |urls: &[&str]| urls.iter().map(|url| (*url).to_owned()).collect();
        Self {
            http,
            commands: instances(commands),
            queries: instances(queries),
            turn: Arc::default(),
            key: key.map(str::to_owned),
        }
    }

    /// The same with another key.
    pub fn with_key(&self, key: Option<&str>) -> Self {
        Self { key: key.map(str::to_owned), ..self.clone() }
    }

    pub fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let side = if path.starts_with("/v1/history") { &self.queries } else { &self.commands };
        let base = &side[self.turn.fetch_add(1, Ordering::Relaxed) % side.len()];
        let request = self.http.request(method, format!("{base}{path}"));
        match &self.key {
            Some(key) => request.bearer_auth(key),
            None => request,
        }
    }

    pub async fn get(&self, path: &str) -> Answer {
        send(self.request(Method::GET, path)).await.unwrap()
    }

    pub async fn post(&self, path: &str, body: &Value) -> Answer {
        send(self.request(Method::POST, path).json(body)).await.unwrap()
    }

    /// A POST without a body.
    pub async fn act(&self, path: &str) -> Answer {
        send(self.request(Method::POST, path)).await.unwrap()
    }

    pub async fn patch(&self, path: &str, body: &Value) -> Answer {
        send(self.request(Method::PATCH, path).json(body)).await.unwrap()
    }

    pub async fn delete(&self, path: &str) -> Answer {
        send(self.request(Method::DELETE, path)).await.unwrap()
    }

    /// A one-off that is open now and for an hour.
    pub async fn create(&self, id: &str, stock: u64) -> Value {
        self.create_as(id, stock, &json!({})).await
    }

    /// The same, with more fields.
    pub async fn create_as(&self, id: &str, stock: u64, more: &Value) -> Value {
        let mut campaign = one_off(id, stock);
        for (field, value) in more.as_object().unwrap() {
            campaign[field] = value.clone();
        }
        self.post("/v1/campaigns", &campaign).await.with(201)
    }

    /// The live view.
    pub async fn campaign(&self, id: &str) -> Value {
        self.get(&format!("/v1/campaigns/{id}")).await.with(200)
    }

    /// Asks once.
    pub async fn ask(&self, campaign: &str, user: &str) -> Told {
        self.ask_with(campaign, user, None).await
    }

    /// Asks once, with an `Idempotency-Key`.
    pub async fn ask_with(&self, campaign: &str, user: &str, key: Option<&str>) -> Told {
        let request = self.request(Method::POST, &format!("/v1/campaigns/{campaign}/coupons"));
        let request = match key {
            Some(key) => request.header("idempotency-key", key),
            None => request,
        };
        let Ok(answer) = send(request.json(&json!({ "user_id": user }))).await else { return Told::Nothing };
        told(&answer)
    }
}

/// The body that creates a one-off that is open now and for an hour.
pub fn one_off(id: &str, stock: u64) -> Value {
    json!({ "id": id, "opens_at": from_now(-1_000), "closes_at": from_now(3_600_000), "stock": stock })
}

/// Sends a request and reads the whole answer.
pub async fn send(request: RequestBuilder) -> Result<Answer, reqwest::Error> {
    let response = request.send().await?;
    let (status, headers) = (response.status().as_u16(), response.headers().clone());
    Ok(Answer { status, headers, text: response.text().await? })
}

/// Reads an answer to an ask, every field of it.
pub fn told(answer: &Answer) -> Told {
    let body = answer.json();
    let code = || body["code"].as_str().unwrap_or_else(|| panic!("no code: {body}")).to_owned();
    match (answer.status, body["outcome"].as_str()) {
        (201, Some("issued")) => {
            assert!(body["remaining"].is_u64(), "{body}");
            let position = body["position"].as_str().unwrap_or_else(|| panic!("no position: {body}"));
            Told::Issued(Coupon::read(&body["coupon"]), position.to_owned())
        }
        (200, Some("already_issued")) => Told::Already(Coupon::read(&body["coupon"])),
        (status @ (429 | 503), _) => {
            answer.problem(status, if status == 429 { "busy" } else { "unavailable" });
            let after = answer.headers.get("retry-after").and_then(|value| value.to_str().ok());
            assert!(after.is_some_and(|after| after.parse::<u32>().is_ok()), "no Retry-After: {answer:?}");
            Told::Again(code())
        }
        (status @ 409, _) => {
            answer.problem(status, &code());
            Told::No(code())
        }
        _ => panic!("no answer to an ask: {answer:?}"),
    }
}
