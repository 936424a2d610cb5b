//! The console over several addresses: each instance is shown, and the system as a whole; one that dies, and one that is
//! cut off, are seen, and the others do their work.

use super::stack::{Instance, Stack};
use crate::console::tmux::Tmux;
use crate::rig::{System as _, ask_all, assert_level, eventually, people};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_instances_of_each_side_are_shown_each_and_as_a_whole_and_one_is_killed() {
    let mut stack = Stack::start().await;
    stack.api().create("shown", 50).await;
    ask_all(stack.api(), "shown", &people("p", 20)).await;
    assert_level(stack.api(), "shown").await;
    let bare = |instance| stack.instance(instance).url.strip_prefix("http://").unwrap().to_owned();
    let first = bare(Instance::Command(0));
    let all = [first.clone(), bare(Instance::Command(1)), bare(Instance::Query(0)), bare(Instance::Query(1))];

    let tmux = Tmux::start(120, 40).await;
    tmux.starts(&format!("console --operator --server {}", stack.addresses()));
    tmux.shows("● live").await;
    tmux.types(":pipeline");
    tmux.presses("Enter");
    // Each.
    for (address, side) in all.iter().zip(["command", "command", "query", "query"]) {
        tmux.shows(&format!("{address:<30}{side:<9}● ready")).await;
    }
    // As a whole: one campaign, whichever instance sold what.
    tmux.types(":shown");
    tmux.presses("Enter");
    tmux.shows("30 of 50 left").await;
    tmux.shows("Asked most").await;

    // The one that is asked first dies.
    stack.kill(Instance::Command(0)).await;
    tmux.shows(&format!("{first} does not answer: connection refused")).await;
    let over = stack.instance(Instance::Command(1)).api.clone();
    ask_all(&over, "shown", &people("q", 5)).await;
    tmux.shows("25 of 50 left").await;
    // The whole picture is live all the same.
    tmux.shows("● live").await;
    // An order goes to the other one.
    tmux.types("p");
    tmux.shows("POST /v1/campaigns/shown/pause").await;
    tmux.types("y");
    eventually("it is paused", async || (over.campaign("shown").await["state"] == "paused").then_some(()))
        .await;
    tmux.shows("‖ paused").await;

    stack.start_again(Instance::Command(0)).await;
    tmux.hides("does not answer").await;
    // A rate is each instance's own: both hear of it.
    tmux.types(":ledger-rate 5000");
    tmux.presses("Enter");
    tmux.shows("PATCH /v1/pipeline {\"ledger_rate\":5000}").await;
    tmux.types("y");
    tmux.shows("at most 5,000 coupons a second go into the ledger").await;
    for instance in [Instance::Command(0), Instance::Command(1)] {
        let pipeline = stack.instance(instance).api.get("/v1/pipeline").await.with(200);
        assert_eq!(pipeline["ledger_rate"], 5_000, "{instance:?}");
    }
    tmux.types(":audit -");
    tmux.presses("Enter");
    tmux.shows("ledger rate").await;
    tmux.presses("Enter");
    tmux.shows("no limit → 5000").await;
    tmux.types("q");
    tmux.shows("left with 0.").await;
}

/// It listens and lists campaigns, but cannot reach the log, so it decides nothing: the other one is asked.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_instance_that_is_cut_off_from_the_log_is_not_asked_to_act() {
    let stack = Stack::start().await;
    stack.api().create("shown", 50).await;
    ask_all(stack.api(), "shown", &people("p", 20)).await;
    let tmux = Tmux::start(120, 40).await;
    tmux.starts(&format!("console --operator --server {}", stack.addresses()));
    tmux.shows("● open").await;
    stack.wire.cut().await;
    tmux.shows("The log (jetstream) is away").await;
    tmux.types("p");
    tmux.shows("POST /v1/campaigns/shown/pause").await;
    tmux.types("y");
    tmux.shows("shown is paused").await;
    tmux.types("q");
    tmux.shows("left with 0.").await;
}
