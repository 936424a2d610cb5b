//! MongoDB, or what stands in for it.

use firstcome_testkit::Mongo;
use mongodb::{
    Client, Collection, IndexModel,
    bson::{Document, doc},
};

use crate::{hangs, listens, timed};

async fn collection(url: &str) -> Collection<Document> {
    Client::with_uri_str(url).await.unwrap().database("d").collection("c")
}

#[tokio::test]
async fn a_killed_mongo_comes_back_with_what_it_acknowledged_and_empty_if_told() {
    let mongo = timed("mongo", Mongo::start()).await;
    let documents = collection(&mongo.url()).await;
    documents.insert_one(doc! { "_id": 1, "a": 7 }).await.unwrap();

    mongo.kill().await;
    assert!(!listens(&mongo.addr()));
    mongo.restart().await;
    let documents = collection(&mongo.url()).await;
    let found = documents.find_one(doc! { "_id": 1 }).await.unwrap().unwrap();
    assert_eq!(found.get_i32("a").unwrap(), 7);

    mongo.restart_empty().await;
    let documents = collection(&mongo.url()).await;
    assert_eq!(documents.find_one(doc! { "_id": 1 }).await.unwrap(), None);
}

#[tokio::test]
async fn a_paused_mongo_answers_when_it_goes_on() {
    let mongo = Mongo::start().await;
    let documents = collection(&mongo.url()).await;
    documents.insert_one(doc! { "_id": 1 }).await.unwrap();
    mongo.pause();
    assert!(hangs(async { documents.find_one(doc! {}).await }).await);
    mongo.resume();
    assert!(documents.find_one(doc! {}).await.unwrap().is_some());
}

#[tokio::test]
async fn an_index_is_there_when_its_creation_is_acknowledged() {
    let mongo = Mongo::start().await;
    let documents = collection(&mongo.url()).await;
    documents.insert_one(doc! { "_id": 1, "a": 1, "b": 1 }).await.unwrap();
    let index = IndexModel::builder().keys(doc! { "a": 1, "b": 1 }).build();
    timed("an index", documents.create_index(index).into_future()).await.unwrap();
    assert!(documents.list_index_names().await.unwrap().contains(&"a_1_b_1".to_owned()));
}
