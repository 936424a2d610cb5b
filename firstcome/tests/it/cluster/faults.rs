//! Each engine and each kind of instance is killed, and stopped for five seconds, in the middle of a rush.

use std::time::Duration;

use rustix::process::Signal;
use tokio::time::sleep;

use super::rush::survives;
use super::stack::Instance;

/// How long a stopped one is stopped: longer than a gate or an append is waited for (3 s), so that some are told to ask
/// again; shorter than a request's deadline (10 s), so that others are still waiting when it goes on.
const STOPPED: Duration = Duration::from_secs(5);

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
    survives("command killed", async |stack, _| {
        stack.kill(Instance::Command(0)).await;
        stack.start_again(Instance::Command(0)).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_instance_of_the_read_side_is_killed() {
    survives("query killed", async |stack, _| {
        stack.kill(Instance::Query(1)).await;
        stack.start_again(Instance::Query(1)).await;
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
async fn an_instance_of_each_side_is_stopped_for_five_seconds() {
    survives("command and query stopped", async |stack, _| {
        let both = [Instance::Command(1), Instance::Query(0)];
        for each in both {
            stack.instance(each).signal(Signal::STOP);
        }
        sleep(STOPPED).await;
        for each in both {
            stack.instance(each).signal(Signal::CONT);
        }
    })
    .await;
}
