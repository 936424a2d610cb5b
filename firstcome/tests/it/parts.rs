//! The parts of a cluster as processes: what they start without, what they wait for, what they refuse, how they end.

use std::time::Duration;

use firstcome_testkit::{Mongo, Nats, Postgres, Redis};
use rustix::process::Signal;
use serde_json::Value;

use crate::rig::{Ended, Launch, ask_all, coupons, eventually, fingerprint, people};

const SECRET: &str = "0123456789abcdef0123456789abcdef";

/// Servers of this test's own.
struct Servers {
    redis: Redis,
    nats: Nats,
    postgres: Postgres,
    mongo: Mongo,
}

impl Servers {
    async fn start() -> Self {
        let (redis, nats, postgres, mongo) =
            tokio::join!(Redis::start(), Nats::start(), Postgres::start(), Mongo::start());
        Self { redis, nats, postgres, mongo }
    }

    fn command(&self) -> Launch {
        Launch::part("command")
            .env("FIRSTCOME_CODE_SECRET", SECRET)
            .env("FIRSTCOME_REDIS_URL", &self.redis.url())
            .env("FIRSTCOME_NATS_URL", &self.nats.url())
            .env("FIRSTCOME_POSTGRES_URL", &self.postgres.url())
    }

    fn query(&self) -> Launch {
        Launch::part("query")
            .env("FIRSTCOME_NATS_URL", &self.nats.url())
            .env("FIRSTCOME_MONGO_URL", &format!("{}/firstcome", self.mongo.url()))
    }
}

/// The same rows in every store.
fn assert_same(stores: &[Value], count: u64) {
    for store in stores {
        assert_eq!(store["count"], count, "{stores:?}");
        assert_eq!(store["checksum"], stores[0]["checksum"], "{stores:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn both_sides_start_and_work_without_their_databases_and_catch_up_when_they_come() {
    let servers = Servers::start().await;
    servers.postgres.kill().await;
    servers.mongo.kill().await;
    let command = servers.command().start().await;
    let other = servers.command().start().await;
    let query = servers.query().start().await;

    command.api.create("summer", 300).await;
    let (here, there) = (people("a", 100), people("b", 100));
    let (mut told, others) =
        tokio::join!(ask_all(&command.api, "summer", &here), ask_all(&other.api, "summer", &there));
    told.extend(others);
    assert_eq!(coupons(&told).len(), 200, "everybody got one, with both databases away");
    assert_eq!(command.api.get("/readyz").await.status, 200, "what can issue is ready");
    let problem = query.api.get("/readyz").await.problem(503, "unavailable");
    assert!(problem["detail"].as_str().unwrap().contains("read_model"), "{problem}");

    servers.postgres.restart().await;
    servers.mongo.restart().await;
    let stores = eventually("all stores hold 200 coupons", async || {
        let ledger = command.api.get("/v1/campaigns/summer/fingerprint?store=ledger").await;
        let model = query.api.get("/v1/history/campaigns/summer/fingerprint").await;
        let both = [ledger, model];
        let level = both.iter().all(|answer| answer.status == 200 && answer.json()["count"] == 200);
        level.then(|| both.map(|answer| answer.json()))
    })
    .await;
    let mut all = vec![fingerprint(&other.api, "summer", "log").await];
    all.push(fingerprint(&other.api, "summer", "gate").await);
    all.extend(stores);
    assert_same(&all, 200);
    eventually("the read side is ready", async || {
        (query.api.get("/readyz").await.status == 200).then_some(())
    })
    .await;

    for server in [command, other, query] {
        server.stopped().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_start_waits_for_log_and_gate_and_ends_when_told_to() {
    let servers = Servers::start().await;
    servers.nats.kill().await;
    let others = async {
        ends_while_it_waits_for(&servers, "the log").await;
        servers.redis.kill().await;
        servers.nats.restart().await;
        ends_while_it_waits_for(&servers, "the gate").await;
        servers.redis.restart().await;
    };
    let (command, ()) = tokio::join!(servers.command().start(), others);
    command.api.create("late", 5).await;
    command.api.ask("late", "somebody").await.issued();
    command.stopped().await;
}

async fn ends_while_it_waits_for(servers: &Servers, what: &str) {
    let waits = servers.command().spawn();
    let says = format!("waiting for {what}");
    eventually(&says, async || waits.stderr().contains(&says).then_some(())).await;
    waits.signal(Signal::TERM);
    let ended = waits.ended().await;
    assert_eq!((ended.code, ended.stdout.as_str()), (Some(0), ""), "{ended:?}");
}

async fn refused(launch: Launch, says: &[&str]) -> Ended {
    let ended = launch.refused().await;
    let error = ended.one_clear_error();
    for part in says {
        assert!(error.contains(part), "{part} is not in {error}");
    }
    assert!(!ended.stderr.contains(SECRET), "{ended:?}");
    ended
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_part_must_not_start_with_is_one_clear_error() {
    let servers = Servers::start().await;
    refused(servers.command().env("FIRSTCOME_CODE_SECRET", ""), &["FIRSTCOME_CODE_SECRET"]).await;
    refused(servers.command().env("FIRSTCOME_CODE_SECRET", "short"), &["32 characters"]).await;
    let everywhere = servers.command().args(&["--addr", "0.0.0.0:0"]);
    refused(everywhere, &["FIRSTCOME_API_KEYS"]).await;
    refused(servers.query().env("FIRSTCOME_API_KEYS", "nonsense"), &["FIRSTCOME_API_KEYS"]).await;
    refused(servers.command().env("FIRSTCOME_REDIS_URL", "http://nonsense"), &["Redis"]).await;
    refused(servers.command().env("FIRSTCOME_POSTGRES_URL", "nonsense"), &["ledger"]).await;
    refused(servers.query().env("FIRSTCOME_MONGO_URL", "nonsense"), &["read_model"]).await;

    assert_eq!(servers.redis.command("CONFIG SET maxmemory-policy allkeys-lru").await, "OK");
    refused(servers.command(), &["maxmemory-policy", "noeviction"]).await;
    assert_eq!(servers.redis.command("CONFIG SET maxmemory-policy noeviction").await, "OK");

    // Both databases have read this log.
    let (command, query) = (servers.command().start().await, servers.query().start().await);
    command.api.create("once", 5).await;
    command.api.ask("once", "somebody").await.issued();
    eventually("both have read it", async || {
        let ledger = fingerprint(&command.api, "once", "ledger").await["count"] == 1;
        let model = query.api.get("/v1/history/campaigns/once/fingerprint").await;
        (ledger && model.status == 200 && model.json()["count"] == 1).then_some(())
    })
    .await;
    command.stopped().await;
    query.stopped().await;
    let other = "x".repeat(32);
    let ended =
        refused(servers.command().env("FIRSTCOME_CODE_SECRET", &other), &["once", "another secret"]).await;
    assert!(!ended.stderr.contains(&other));
    refused(servers.command().env("FIRSTCOME_LOG_PARTITIONS", "2"), &["partitions"]).await;
    // Another log: the databases are not of this one.
    servers.nats.restart_empty().await;
    refused(servers.command(), &["the log is not the one that the ledger was read from"]).await;
    refused(servers.query(), &["the log is not the one that the read model was read from"]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_part_whose_port_is_taken_says_so_and_a_drained_one_ends_well() {
    let servers = Servers::start().await;
    let command = servers.command().start().await;
    let address = command.url.trim_start_matches("http://").to_owned();
    refused(servers.command().args(&["--addr", &address]), &[&address]).await;
    command.api.create("ends", 400).await;
    let rush = {
        let api = command.api.clone();
        tokio::spawn(async move { crate::rig::crowd(&api, "ends", &people("p", 400), 32).await })
    };
    eventually("the rush is under way", async || {
        (command.api.campaign("ends").await["issued"].as_u64() > Some(30)).then_some(())
    })
    .await;
    let began = std::time::Instant::now();
    let told = {
        command.stopped().await;
        rush.await.unwrap()
    };
    assert!(began.elapsed() < Duration::from_secs(40), "{:?}", began.elapsed());
    let again = servers.command().start().await;
    for coupon in coupons(&told) {
        assert_eq!(again.api.ask("ends", &coupon.user).await.already(), coupon);
    }
    again.stopped().await;
}
