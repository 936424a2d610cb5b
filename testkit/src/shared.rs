//! One server for all tests of a process, of which each test uses a part of its own. `FIRSTCOME_TEST_REDIS_URL` (and
//! `…_NATS_URL`, `…_POSTGRES_URL`, `…_MONGO_URL`) put one from outside in its place, which should serve nothing else: the
//! tests leave their parts behind, and number Redis databases up to 1023.

use std::{
    env,
    sync::atomic::{AtomicU32, Ordering::Relaxed},
};

use tokio::sync::OnceCell;

use crate::{Mongo, Nats, Postgres, Redis, guard, postgres, server::blocking};

/// A name that nobody else uses, nor used: letters and digits, beginning with `prefix`.
pub fn unique(prefix: &str) -> String {
    format!("{prefix}{}n{}", std::process::id(), next())
}

/// An empty logical database: `redis://127.0.0.1:port/7`.
pub async fn redis_database() -> String {
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    static SERVER: OnceCell<Redis> = OnceCell::const_new();
    let number = NUMBER.fetch_add(1, Relaxed).to_string();
    if let Some(base) = given("REDIS") {
        let url = format!("{}/{number}", base.trim_end_matches('/'));
        let flush = ["-u", &url, "FLUSHDB"].map(str::to_owned);
        blocking(move || guard::tool("redis-cli", &flush)).await;
        return url;
    }
    let server = SERVER.get_or_init(async || Redis::start_with(&["--databases", "1024"]).await).await;
    format!("{}/{number}", server.url())
}

/// The server; use names of streams and subjects that are [`unique`].
pub async fn nats() -> &'static Nats {
    static SERVER: OnceCell<Nats> = OnceCell::const_new();
    SERVER
        .get_or_init(async || match given("NATS") {
            Some(url) => Nats::foreign(url),
            None => Nats::start().await,
        })
        .await
}

/// A new, empty database: `postgres://postgres@127.0.0.1:port/t7`.
pub async fn postgres_database() -> String {
    static SERVER: OnceCell<Postgres> = OnceCell::const_new();
    let url = match given("POSTGRES") {
        Some(url) => url,
        None => SERVER.get_or_init(Postgres::start).await.url(),
    };
    let name = unique("t");
    postgres::sql(url.clone(), format!("CREATE DATABASE {name}")).await;
    in_database(&url, &name)
}

/// A new, empty database: `mongodb://127.0.0.1:port/t7`.
pub async fn mongo_database() -> String {
    static SERVER: OnceCell<Mongo> = OnceCell::const_new();
    let url = match given("MONGO") {
        Some(url) => url,
        None => SERVER.get_or_init(Mongo::start).await.url(),
    };
    in_database(&url, &unique("t"))
}

fn next() -> u32 {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    NEXT.fetch_add(1, Relaxed)
}

fn given(kind: &str) -> Option<String> {
    env::var(format!("FIRSTCOME_TEST_{kind}_URL")).ok().filter(|url| !url.is_empty())
}

/// The URL with another database in the place of its own, its options kept.
fn in_database(url: &str, database: &str) -> String {
    let (scheme, rest) = url.split_once("://").unwrap_or(("", url));
    let (rest, options) =
        rest.split_once('?').map_or((rest, String::new()), |(rest, o)| (rest, format!("?{o}")));
    let host = rest.split_once('/').map_or(rest, |(host, _)| host);
    format!("{scheme}://{host}/{database}{options}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_database_of_a_url_is_replaced() {
        assert_eq!(in_database("mongodb://a:1", "t"), "mongodb://a:1/t");
        assert_eq!(in_database("postgres://u:p@a:1/x?sslmode=off", "t"), "postgres://u:p@a:1/t?sslmode=off");
    }
}
