//! Each test gets a part of its own of the servers that all share.

use std::collections::HashSet;

use firstcome_testkit::shared;
use mongodb::{Client, bson::doc};

use crate::{listens, timed};

/// `host:port` of a URL, and the name of the database.
fn parts(url: &str) -> (&str, &str) {
    let (_, rest) = url.rsplit_once("//").unwrap();
    let (host, database) = rest.split_once('/').unwrap();
    (host.rsplit('@').next().unwrap(), database)
}

#[tokio::test]
async fn databases_are_of_one_server_and_differ() {
    for (one, other) in [
        (shared::redis_database().await, shared::redis_database().await),
        (shared::postgres_database().await, shared::postgres_database().await),
        (shared::mongo_database().await, shared::mongo_database().await),
    ] {
        assert_eq!(parts(&one).0, parts(&other).0);
        assert_ne!(parts(&one).1, parts(&other).1);
        assert!(listens(parts(&one).0), "{one}");
    }
}

#[tokio::test]
async fn one_nats_is_shared_and_names_are_unique() {
    assert_eq!(shared::nats().await.url(), shared::nats().await.url());
    let names: HashSet<String> = (0..100).map(|_| shared::unique("x")).collect();
    assert_eq!(names.len(), 100);
}

#[tokio::test]
async fn a_new_database_costs_little() {
    shared::postgres_database().await;
    timed("a postgres database", shared::postgres_database()).await;
    let url = timed("a mongo database", shared::mongo_database()).await;
    let client = Client::with_uri_str(&url).await.unwrap();
    let database = client.default_database().unwrap();
    assert_eq!(database.list_collection_names().await.unwrap(), Vec::<String>::new());
    database.collection("c").insert_one(doc! { "a": 1 }).await.unwrap();
    assert_eq!(database.list_collection_names().await.unwrap(), ["c"]);
}
