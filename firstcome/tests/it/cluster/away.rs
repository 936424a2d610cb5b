//! What is down takes nothing else with it: the failure table, line by line.

use std::time::Instant;

use super::stack::{Instance, Stack};
use crate::rig::{
    System as _, Told, ask_all, assert_exact, assert_level, coupons, crowd, eventually, fingerprint, people,
};

/// Enough that a question for each of them stands out of what goes on anyway.
const TURNED_AWAY: u32 = 5_000;
/// A bound statement with a campaign's name and no other parameter, in bytes.
const SHORTEST_QUESTION: u64 = 40;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_redis_nothing_is_decided_and_postgres_is_not_asked_instead() {
    let (stack, ledger) = Stack::start_watching_the_ledger().await;
    stack.api().create("summer", 500).await;
    let sold = coupons(&ask_all(stack.api(), "summer", &people("p", 100)).await);
    assert_level(stack.api(), "summer").await;
    assert!(ledger.asked() > 100 * SHORTEST_QUESTION, "what the ledger is asked goes this way");

    stack.redis.kill().await;
    let (began, before) = (Instant::now(), ledger.asked());
    let told = crowd(stack.api(), "summer", &people("turned-away", TURNED_AWAY), 64).await;
    assert!(told.iter().all(|told| *told == Told::Again("unavailable".to_owned())), "{told:?}");
    let asked = ledger.asked() - before;
    println!("{TURNED_AWAY} turned away in {:?}; postgres was sent {asked} bytes meanwhile", began.elapsed());
    // The readers' lease and the metrics go on, whoever asks; the shortest question for a person has more bytes.
    assert!(asked < SHORTEST_QUESTION * u64::from(TURNED_AWAY), "{asked} bytes");
    assert_eq!(stack.api().get("/v1/history/campaigns/summer").await.with(200)["totals"]["issued"], 100);

    stack.redis.restart().await;
    let more = ask_all(stack.api(), "summer", &people("p", 300)).await;
    assert!(sold.iter().all(|coupon| coupons(&more).contains(coupon)));
    assert_exact(&stack, "summer", 300, &coupons(&more)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_the_databases_issuing_goes_on_and_an_instance_starts() {
    let mut stack = Stack::start().await;
    stack.api().create("summer", 500).await;
    ask_all(stack.api(), "summer", &people("p", 50)).await;
    stack.postgres.kill().await;
    stack.mongo.kill().await;
    let told = crowd(stack.api(), "summer", &people("p", 150), 32).await;
    // At once; those who meet a disk that stands still may be told to ask again, once.
    let held_up = told.iter().filter(|told| **told == Told::Again("unavailable".to_owned())).count();
    assert!(held_up <= 32 && coupons(&told).len() + held_up == 150, "{told:?}");
    assert_eq!(coupons(&ask_all(stack.api(), "summer", &people("p", 150)).await).len(), 150);
    stack.kill(Instance::Command(1)).await;
    stack.start_again(Instance::Command(1)).await;
    let told = ask_all(stack.api(), "summer", &people("p", 250)).await;
    assert_eq!(coupons(&told).len(), 250);
    stack.redis.restart_empty().await;
    let told = ask_all(stack.api(), "summer", &people("p", 350)).await;
    assert_eq!(coupons(&told).len(), 350, "also through a loss of the gate (P7)");
    for instance in [Instance::Command(0), Instance::Command(1)] {
        assert_eq!(stack.instance(instance).api.get("/readyz").await.status, 200, "what can issue is ready");
    }
    stack.postgres.restart().await;
    stack.mongo.restart().await;
    assert_exact(&stack, "summer", 350, &coupons(&told)).await;
}

/// What the runbook has people do about a ledger that differs from the log.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_ledger_that_was_emptied_as_the_runbook_says_is_read_anew() {
    const EMPTIED: &str = "DROP SCHEMA public CASCADE; CREATE SCHEMA public";
    let runbook = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../grafana/RUNBOOK.md"));
    assert!(runbook.unwrap().contains(EMPTIED));
    let mut stack = Stack::start().await;
    stack.api().create("summer", 60).await;
    let told = ask_all(stack.api(), "summer", &people("p", 40)).await;
    assert_level(stack.api(), "summer").await;
    let writers = [Instance::Command(0), Instance::Command(1)];
    for instance in writers {
        stack.kill(instance).await;
    }
    stack.postgres.sql(EMPTIED).await;
    for instance in writers {
        stack.start_again(instance).await;
    }
    assert_exact(&stack, "summer", 40, &coupons(&told)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_the_log_people_are_refused_before_anything_is_decided() {
    let stack = Stack::start().await;
    stack.api().create("summer", 500).await;
    let mut told = ask_all(stack.api(), "summer", &people("p", 50)).await;
    stack.nats.kill().await;
    let decided = async || stack.redis.command("HGET fc:{summer}:meta decision").await;
    // The first ones are decided before it is known; both instances must have learnt it.
    eventually("it is known", async || {
        let pipelines = [Instance::Command(0), Instance::Command(1)].map(|each| stack.instance(each));
        for instance in pipelines {
            instance.api.ask("summer", "scout").await;
            let pipeline = instance.api.get("/v1/pipeline").await.with(200);
            if pipeline["campaigns"][0]["log_away"] != true {
                return None;
            }
        }
        Some(())
    })
    .await;
    let before = decided().await;
    let refused = crowd(stack.api(), "summer", &people("dark", 500), 64).await;
    assert!(refused.iter().all(|told| *told == Told::Again("unavailable".to_owned())), "{refused:?}");
    assert_eq!(decided().await, before, "never decided in the dark (P5)");

    stack.nats.restart().await;
    for instance in [Instance::Command(0), Instance::Command(1), Instance::Query(0), Instance::Query(1)] {
        eventually("it has found the log again", async || {
            (stack.instance(instance).api.get("/readyz").await.status == 200).then_some(())
        })
        .await;
    }
    told.extend(ask_all(stack.api(), "summer", &people("dark", 100)).await);
    told.push(ask_all(stack.api(), "summer", &["scout".to_owned()]).await.remove(0));
    assert_eq!(fingerprint(stack.api(), "summer", "log").await["count"], 151);
    assert_exact(&stack, "summer", 151, &coupons(&told)).await;
}
