//! Each engine and each kind of instance is killed, and stopped, in the middle of a rush: an engine for five seconds, an
//! instance until another has taken over what it read.

use std::time::Duration;

use rustix::process::Signal;
use tokio::time::sleep;

use super::rush::survives;
use super::stack::{Instance, Stack};
use crate::rig::eventually;

/// How long an engine is stopped: longer than a gate or an append is waited for (3 s), so that some are told to ask
/// again; shorter than a request's deadline (10 s), so that others are still waiting when it goes on.
const STOPPED: Duration = Duration::from_secs(5);

/// How many messages of the log an instance has applied to its projection.
async fn applied(stack: &Stack, instance: Instance) -> u64 {
    let text = stack.instance(instance).api.get("/metrics").await.text;
    let count = text.lines().find_map(|line| {
        let series = line.strip_prefix("firstcome_applied_messages_total{")?;
        series.rsplit_once(' ')?.1.parse().ok()
    });
    count.unwrap_or(0)
}

/// The instance that reads the log into its side's projection, and the one that would.
async fn reader(stack: &Stack, side: fn(usize) -> Instance, name: &str) -> (Instance, Instance) {
    let (one, other) = (side(0), side(1));
    let before = (applied(stack, one).await, applied(stack, other).await);
    // Something to read, however far the rush has come.
    stack.instance(Instance::Command(0)).api.create(&format!("{name}-before"), 1).await;
    eventually("one of them reads", async || {
        if applied(stack, one).await > before.0 {
            Some((one, other))
        } else {
            (applied(stack, other).await > before.1).then_some((other, one))
        }
    })
    .await
}

/// Returns when `heir` reads in the place of one that is gone; `live` takes orders meanwhile.
async fn takes_over(stack: &Stack, heir: Instance, live: Instance, name: &str) {
    let before = applied(stack, heir).await;
    stack.instance(live).api.create(&format!("{name}-after"), 1).await;
    eventually("the other takes over", async || (applied(stack, heir).await > before).then_some(())).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn redis_is_killed() {
    survives("redis killed", async |stack, _| stack.redis.restart().await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nats_is_killed() {
    survives("nats killed", async |stack, _| stack.nats.restart().await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn postgres_is_killed() {
    survives("postgres killed", async |stack, _| stack.postgres.restart().await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn mongo_is_killed() {
    survives("mongo killed", async |stack, _| stack.mongo.restart().await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_instance_of_the_write_side_is_killed() {
    survives("reader of the ledger killed", async |stack, campaign| {
        let (reader, heir) = reader(stack, Instance::Command, campaign).await;
        stack.kill(reader).await;
        takes_over(stack, heir, heir, campaign).await;
        stack.start_again(reader).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_instance_of_the_read_side_is_killed() {
    survives("reader of the read model killed", async |stack, campaign| {
        let (reader, heir) = reader(stack, Instance::Query, campaign).await;
        stack.kill(reader).await;
        takes_over(stack, heir, Instance::Command(0), campaign).await;
        stack.start_again(reader).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn redis_is_stopped_for_five_seconds() {
    survives("redis stopped", async |stack, _| {
        stack.redis.pause();
        sleep(STOPPED).await;
        stack.redis.resume();
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nats_is_stopped_for_five_seconds() {
    survives("nats stopped", async |stack, _| {
        stack.nats.pause();
        sleep(STOPPED).await;
        stack.nats.resume();
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_databases_are_stopped_for_five_seconds() {
    survives("postgres and mongo stopped", async |stack, _| {
        stack.postgres.pause();
        stack.mongo.pause();
        sleep(STOPPED).await;
        stack.postgres.resume();
        stack.mongo.resume();
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_readers_of_both_sides_are_stopped_until_others_have_taken_over() {
    survives("readers of ledger and read model stopped", async |stack, campaign| {
        let (ledger, live) = reader(stack, Instance::Command, &format!("{campaign}-ledger")).await;
        let (read_model, heir) = reader(stack, Instance::Query, &format!("{campaign}-model")).await;
        let both = [ledger, read_model];
        for each in both {
            stack.instance(each).signal(Signal::STOP);
        }
        takes_over(stack, live, live, &format!("{campaign}-ledger")).await;
        takes_over(stack, heir, live, &format!("{campaign}-model")).await;
        for each in both {
            stack.instance(each).signal(Signal::CONT);
        }
    })
    .await;
}
