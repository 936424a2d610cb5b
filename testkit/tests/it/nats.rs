//! NATS with JetStream, alone and as a cluster.

use async_nats::jetstream::{self, stream};
use firstcome_testkit::{Nats, NatsCluster};

use crate::{hangs, listens, timed, until};

async fn jetstream(url: &str) -> jetstream::Context {
    let servers: Vec<async_nats::ServerAddr> = url.split(',').map(|one| one.parse().unwrap()).collect();
    jetstream::new(async_nats::connect(servers).await.unwrap())
}

fn stream(replicas: usize) -> stream::Config {
    stream::Config {
        name: "S".to_owned(),
        subjects: vec!["s.>".to_owned()],
        num_replicas: replicas,
        ..Default::default()
    }
}

async fn messages(url: &str) -> Option<u64> {
    let mut stream = jetstream(url).await.get_stream("S").await.ok()?;
    Some(stream.info().await.ok()?.state.messages)
}

#[tokio::test]
async fn a_killed_nats_comes_back_with_what_it_acknowledged_and_empty_if_told() {
    let nats = timed("nats", Nats::start()).await;
    let log = jetstream(&nats.url()).await;
    log.create_stream(stream(1)).await.unwrap();
    for _ in 0..10 {
        log.publish("s.a", "x".into()).await.unwrap().await.unwrap();
    }

    nats.kill().await;
    assert!(!listens(&nats.addr()));
    nats.restart().await;
    assert_eq!(messages(&nats.url()).await, Some(10));

    nats.restart_empty().await;
    assert_eq!(messages(&nats.url()).await, None);
}

#[tokio::test]
async fn a_paused_nats_answers_when_it_goes_on() {
    let nats = Nats::start().await;
    let log = jetstream(&nats.url()).await;
    log.create_stream(stream(1)).await.unwrap();
    nats.pause();
    assert!(hangs(log.get_stream("S")).await);
    nats.resume();
    log.get_stream("S").await.unwrap();
}

#[tokio::test]
async fn nats_flushes_every_append() {
    let nats = Nats::start().await;
    let state = nats.monitor("/varz").await.unwrap();
    assert!(state.contains("\"sync_always\": true"), "{state}");
    assert!(state.contains("\"max_payload\": 1048576"), "{state}");
}

#[tokio::test]
async fn a_cluster_of_three_goes_on_without_the_leader() {
    let cluster = timed("nats cluster", NatsCluster::start()).await;
    let log = jetstream(&cluster.url()).await;
    let created = log.create_stream(stream(3)).await.unwrap();
    log.publish("s.a", "x".into()).await.unwrap().await.unwrap();

    let leader = created.cached_info().cluster.as_ref().unwrap().leader.clone().unwrap();
    let killed = cluster.named(&leader).unwrap();
    killed.kill().await;
    until("the others take an append", async || match log.publish("s.a", "y".into()).await {
        Ok(acknowledgement) => acknowledgement.await.is_ok(),
        Err(_) => false,
    })
    .await;

    killed.restart().await;
    cluster.until_led().await;
    assert!(messages(&killed.url()).await.unwrap() >= 2);
}
