//! Routes over a real log, a real read model and the loop between them, asked as a client asks.

mod campaigns;
mod coupons;
mod letters;
mod live;
mod refusals;
mod waiting;

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::{Request, Response, StatusCode, header};
use firstcome_shared::auth::{ApiKeys, Role};
use firstcome_shared::clock::{Clock, ManualClock};
use firstcome_shared::event_log::EventLog;
use firstcome_shared::event_log::sqlite::SqliteLog;
use firstcome_shared::http::{ServiceInfo, app};
use firstcome_shared::telemetry::install_metrics;
use firstcome_shared::wire::Problem;
use http_body_util::BodyExt;
use serde::de::DeserializeOwned;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;

use crate::Query;
use crate::read_model::ReadModel;
use crate::read_model::sqlite::SqliteReadModel;
use crate::testing::{History, OPENS};

/// Longer than anything here takes.
const DEADLINE: Duration = Duration::from_secs(20);

/// A whole read side, with its folder and a key for each role.
struct Rig {
    history: History,
    /// How much of the history stands in the log.
    appended: u64,
    log: Arc<dyn EventLog>,
    query: Arc<Query>,
    router: Router,
    keys: [(Role, String); 3],
    shutdown: CancellationToken,
    folder: tempfile::TempDir,
}

impl Rig {
    async fn new() -> Self {
        Self::patient(DEADLINE).await
    }

    async fn patient(patience: Duration) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let clock: Arc<dyn Clock> = Arc::new(ManualClock::at(OPENS));
        let log = SqliteLog::open(&folder.path().join("log.db"), Arc::clone(&clock)).await.unwrap();
        let log: Arc<dyn EventLog> = Arc::new(log);
        let writer = SqliteReadModel::open_writer(&folder.path().join("read.db")).await.unwrap();
        let model: Arc<dyn ReadModel> = Arc::new(writer.with_readers(2).await.unwrap());
        let shutdown = CancellationToken::new();
        let query = Query::new(Arc::clone(&log), model, clock, shutdown.clone()).with_patience(patience);
        let query = Arc::new(query);
        let keys = [Role::Reader, Role::Issuer, Role::Operator].map(|role| {
            let new = ApiKeys::generate(&format!("the-{role}"), role).unwrap();
            (role, new.key, new.entry)
        });
        let entries: Vec<&str> = keys.iter().map(|(_, _, entry)| entry.as_str()).collect();
        let accepted = entries.join(",").parse().unwrap();
        let readiness = Arc::<Query>::clone(&query);
        let info = ServiceInfo::new("query", "0", accepted, readiness, install_metrics().unwrap());
        let router = app(Arc::clone(&query).routes(), info);
        let history = History::of(&*log);
        let keys = keys.map(|(role, key, _)| (role, key));
        Self { history, appended: 0, log, query, router, keys, shutdown, folder }
    }

    /// Starts reading the log into the model.
    fn read(&self) {
        for reader in self.query.readers() {
            tokio::spawn(reader.run(self.shutdown.clone()));
        }
    }

    /// Writes what was told since the last time to the log; returns its end.
    async fn append(&mut self) -> String {
        self.history.append_to(&*self.log, self.appended).await;
        self.appended = self.history.end();
        format!("0-{}", self.appended)
    }

    /// The same, and the model has read it.
    async fn level(&mut self) {
        let end = self.append().await;
        let path = format!("/v1/history/lag?at_least={end}");
        assert_eq!(self.get(Role::Reader, &path).await.status(), StatusCode::OK);
    }

    async fn send(&self, role: Role, method: &str, path: &str) -> Response<Body> {
        let key = &self.keys.iter().find(|(known, _)| *known == role).unwrap().1;
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header(header::AUTHORIZATION, format!("Bearer {key}"))
            .body(Body::empty())
            .unwrap();
        tokio::time::timeout(DEADLINE, self.router.clone().oneshot(request)).await.unwrap().unwrap()
    }

    async fn get(&self, role: Role, path: &str) -> Response<Body> {
        self.send(role, "GET", path).await
    }

    /// The answer to a question that is answered, as a reader gets it.
    async fn ask<T: DeserializeOwned>(&self, path: &str) -> T {
        self.ask_as(Role::Reader, path).await
    }

    async fn ask_as<T: DeserializeOwned>(&self, role: Role, path: &str) -> T {
        let response = self.get(role, path).await;
        let status = response.status();
        let body = bytes(response).await;
        assert_eq!(status, StatusCode::OK, "{path}: {}", String::from_utf8_lossy(&body));
        serde_json::from_slice(&body).unwrap()
    }

    async fn refused(&self, role: Role, method: &str, path: &str) -> Problem {
        let response = self.send(role, method, path).await;
        let status = response.status();
        assert!(!status.is_success(), "{path}: {status}");
        assert_eq!(response.headers()[header::CONTENT_TYPE], "application/problem+json", "{path}");
        let problem: Problem = serde_json::from_slice(&bytes(response).await).unwrap();
        assert_eq!(problem.status, status.as_u16());
        problem
    }

    /// The store's file, to change it by hand.
    async fn by_hand(&self) -> sqlx::SqlitePool {
        let options = sqlx::sqlite::SqliteConnectOptions::new().filename(self.folder.path().join("read.db"));
        sqlx::SqlitePool::connect_with(options).await.unwrap()
    }

    /// Breaks the store: its tables are gone.
    async fn break_store(&self) {
        let pool = self.by_hand().await;
        for table in ["campaign", "coupon", "bucket", "parked", "checkpoint"] {
            let sql = sqlx::AssertSqlSafe(format!("DROP TABLE {table}"));
            sqlx::query(sql).execute(&pool).await.unwrap();
        }
        pool.close().await;
    }
}

impl Drop for Rig {
    fn drop(&mut self) {
        self.shutdown.cancel();
    }
}

async fn bytes(response: Response<Body>) -> axum::body::Bytes {
    tokio::time::timeout(DEADLINE, response.into_body().collect()).await.unwrap().unwrap().to_bytes()
}

/// `from`..=`to` as names of people.
fn people(from: usize, to: usize) -> Vec<String> {
    (from..=to).map(|number| format!("u-{number}")).collect()
}

fn as_str(people: &[String]) -> Vec<&str> {
    people.iter().map(String::as_str).collect()
}
