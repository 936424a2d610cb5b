//! Redis forgot: everything, or the last moment. Nobody is ever told `issued` for a coupon that the rebuild did not count.

use std::path::Path;

use super::rush::{STOCK, survives};
use super::stack::{Instance, Stack};
use crate::rig::{System as _, eventually};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn redis_comes_back_empty() {
    survives("redis emptied", async |stack, _| stack.redis.restart_empty().await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn redis_is_flushed_while_it_runs() {
    survives("redis flushed", async |stack, _| {
        stack.redis.command("FLUSHALL").await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn redis_comes_back_with_an_append_only_file_that_lacks_the_end() {
    survives("redis restored from before", async |stack, campaign| {
        let (files, before) = (stack.redis.folder().join("appendonlydir"), tempfile::tempdir().unwrap());
        copy(&files, before.path());
        let old = issued(stack, campaign).await;
        eventually("more is issued than the copy has", async || {
            let now = issued(stack, campaign).await;
            (now > old || now == u64::from(STOCK)).then_some(())
        })
        .await;
        stack.redis.kill().await;
        std::fs::remove_dir_all(&files).unwrap();
        std::fs::create_dir(&files).unwrap();
        copy(before.path(), &files);
        stack.redis.restart().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_forgets_again_while_it_is_being_rebuilt_and_postgres_is_away() {
    survives("redis flushed again and again, postgres away", async |stack, campaign| {
        stack.postgres.kill().await;
        for _ in 0..3 {
            let old = epoch(stack, campaign).await;
            // Both instances notice, and one of them rebuilds; in the middle of it, it is gone again. What is not there
            // yet cannot be lost: so it is flushed until somebody has fenced.
            eventually("somebody has fenced", async || {
                stack.redis.command("FLUSHALL").await;
                (epoch(stack, campaign).await > old).then_some(())
            })
            .await;
        }
        stack.postgres.restart().await;
    })
    .await;
}

async fn issued(stack: &Stack, campaign: &str) -> u64 {
    stack.api().campaign(campaign).await["issued"].as_u64().unwrap()
}

/// The campaign's epoch, as the instance says that is asked.
async fn epoch(stack: &Stack, campaign: &str) -> Option<u64> {
    let pipeline = stack.instance(Instance::Command(1)).api.get("/v1/pipeline").await.with(200);
    let campaigns = pipeline["campaigns"].as_array().unwrap();
    campaigns.iter().find(|each| each["campaign_id"] == campaign)?["epoch"].as_u64()
}

fn copy(from: &Path, to: &Path) {
    for file in std::fs::read_dir(from).unwrap() {
        let file = file.unwrap();
        std::fs::copy(file.path(), to.join(file.file_name())).unwrap();
    }
}
