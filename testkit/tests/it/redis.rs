//! Redis, alone and as a cluster.

use firstcome_testkit::{Redis, RedisCluster};

use crate::{hangs, listens, timed, until};

#[tokio::test]
async fn a_killed_redis_comes_back_with_what_it_flushed_and_empty_if_told() {
    let redis = timed("redis", Redis::start()).await;
    assert_eq!(redis.command("SET a 1").await, "OK");
    // The file is flushed every second; the process alone dies, so what it has written survives.
    assert_eq!(redis.command("GET a").await, "1");

    redis.kill().await;
    assert!(!listens(&redis.addr()));
    redis.restart().await;
    assert_eq!(redis.command("GET a").await, "1");

    redis.restart_empty().await;
    assert_eq!(redis.command("GET a").await, "");
}

#[tokio::test]
async fn a_paused_redis_answers_when_it_goes_on() {
    let redis = Redis::start().await;
    redis.pause();
    assert!(hangs(redis.command("PING")).await);
    redis.resume();
    assert_eq!(redis.command("PING").await, "PONG");
}

#[tokio::test]
async fn redis_runs_with_the_settings_of_a_stack_and_those_of_the_test() {
    let redis = Redis::start_with(&["--databases", "40"]).await;
    for (setting, value) in [
        ("maxmemory-policy", "noeviction"),
        ("appendonly", "yes"),
        ("repl-backlog-ttl", "0"),
        ("databases", "40"),
    ] {
        assert_eq!(redis.command(&format!("CONFIG GET {setting}")).await, format!("{setting}\n{value}"));
    }
}

#[tokio::test]
async fn a_replica_takes_over_from_a_killed_master() {
    let cluster = timed("redis cluster of six", RedisCluster::start_with(3, 1)).await;
    assert_eq!(cluster.nodes().len(), 6);
    let nodes = cluster.node(1).command("CLUSTER NODES").await;
    assert_eq!(nodes.matches("master").count(), 3, "{nodes}");

    // The first slots are the first master's.
    let killed = cluster.node(0);
    killed.kill().await;
    let survivor = cluster.node(1);
    until("a failover", async || {
        let nodes = survivor.command("CLUSTER NODES").await;
        let heir = nodes.lines().find(|node| node.contains(" 0-")).unwrap();
        !heir.contains(&killed.addr()) && survivor.command("CLUSTER INFO").await.contains("cluster_state:ok")
    })
    .await;

    killed.restart().await;
    until("the old master follows", async || killed.command("ROLE").await.starts_with("slave")).await;
}

#[tokio::test]
async fn three_masters_serve_all_slots() {
    let cluster = timed("redis cluster of three", RedisCluster::start()).await;
    assert!(cluster.node(0).command("CLUSTER INFO").await.contains("cluster_slots_ok:16384"));
    assert_eq!(cluster.url().split(',').count(), 3);
    let told = cluster.cli(&["--cluster", "check", &cluster.node(2).addr()]).await;
    assert!(told.contains("All 16384 slots covered"), "{told}");
}
