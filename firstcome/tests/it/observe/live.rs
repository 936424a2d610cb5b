//! A rush on the real binary, under the eyes of a real Prometheus: every panel, every annotation and every alert's
//! expression finds what it asks for.

use std::time::Duration;

use serde_json::json;

use super::dashboards::{ANNOTATION_STEP, Asked, dashboards};
use super::prometheus::{Prometheus, free_port};
use crate::rig::{Api, Folder, Launch, crowd, eventually, people};

/// People who ask and ask, some of them too late.
async fn keep_asking(api: Api) {
    for round in 0_u32.. {
        crowd(&api, "summer", &people(&format!("round-{round}"), 40), 20).await;
        crowd(&api, "small", &people(&format!("late-{round}"), 10), 5).await;
        api.get("/v1/history/campaigns/summer").await;
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// As Grafana sends it when everything is chosen.
fn sent(expression: &str) -> String {
    expression
        .replace("$__rate_interval", "15s")
        .replace("$__range", "15m")
        .replace("$instance", ".*")
        .replace("$campaign", ".*")
}

/// The same comparison as a question with an answer in any case: 0 or 1 for each series that is compared. So data that
/// is missing, or labels that do not fit, show, though all is well.
fn answerable(expression: &str) -> String {
    // What asks whether something is absent has no answer while it is there.
    let mut text =
        expression.strip_prefix("absent(").map_or(expression, |it| it.trim_end_matches(')')).to_owned();
    for comparison in [" > ", " < ", " == "] {
        text = text.replace(comparison, &format!("{comparison}bool "));
    }
    text
}

/// What annotations are about: a campaign is held and resumed, gets more stock, and its gate is rebuilt. Everything of it
/// is seen before the next step.
async fn eventful(prometheus: &Prometheus, api: &Api) {
    api.create("summer", 1_000_000).await;
    api.create("small", 50).await;
    let scraped = async |expression: &str| {
        let found = async || (!prometheus.ask(expression).await.is_empty()).then_some(());
        eventually(&format!("Prometheus has seen {expression}"), found).await;
    };
    scraped("firstcome_campaign_open{campaign=\"summer\"} == 1").await;
    scraped("firstcome_campaign_open{campaign=\"small\"} == 1").await;
    api.act("/v1/campaigns/small/pause").await.with(200);
    scraped("firstcome_campaign_paused{campaign=\"small\"} == 1").await;
    api.act("/v1/campaigns/small/resume").await.with(200);
    api.patch("/v1/campaigns/small", &json!({ "stock": 60 })).await.with(200);
    crowd(api, "summer", &people("early", 200), 50).await;
    scraped("firstcome_stock{campaign=\"small\"} == 60").await;
    let epoch = api.act("/v1/campaigns/summer/rebuild").await.with(200)["epoch"].as_u64().unwrap();
    scraped(&format!("firstcome_gate_epoch{{campaign=\"summer\"}} >= {epoch}")).await;
}

/// Every panel, annotation and alert of the repository has data in this Prometheus, while people ask.
async fn all_have_data(prometheus: &Prometheus, api: &Api) {
    let asking = tokio::spawn(keep_asking(api.clone()));
    for dashboard in dashboards() {
        for Asked { place, expression } in dashboard.asked() {
            let expression = sent(&expression);
            let found = async || {
                let series = prometheus.ask(&expression).await;
                series.iter().any(|(_, value)| !value.is_nan()).then_some(())
            };
            eventually(&format!("{place} has data: {expression}"), found).await;
        }
        for Asked { place, expression } in dashboard.annotations() {
            let expression = sent(&expression);
            let found = async || {
                let marks = prometheus.ask_range(&expression, 300, ANNOTATION_STEP).await;
                (!marks.is_empty()).then_some(())
            };
            eventually(&format!("{place} has data: {expression}"), found).await;
        }
    }
    let alerts = prometheus.alerts().await;
    assert!(alerts.len() >= 20, "{alerts:?}");
    for (name, expression) in &alerts {
        let asked = answerable(expression);
        assert_ne!(&asked, expression, "{name} compares nothing");
        let found = async || (!prometheus.ask(&asked).await.is_empty()).then_some(());
        eventually(&format!("{name} has data: {asked}"), found).await;
    }
    // No promise is broken here.
    let fires = async |name: &str| {
        let (_, expression) = alerts.iter().find(|(known, _)| known == name).unwrap();
        prometheus.ask(expression).await
    };
    for name in ["FirstcomeDrift", "FirstcomeOversold", "FirstcomeSequenceGap", "FirstcomeLogForgot"] {
        let firing = fires(name).await;
        assert!(firing.is_empty(), "{name}: {firing:?}");
    }
    // One instance is not there; another one's scrape may have come too late once.
    eventually("one instance is down", async || {
        (fires("FirstcomeInstanceDown").await.len() == 1).then_some(())
    })
    .await;
    asking.abort();
}

#[tokio::test(flavor = "multi_thread")]
async fn every_panel_and_every_alert_finds_what_it_asks_for() {
    let [addr, nobody] = [free_port(), free_port()].map(|port| format!("127.0.0.1:{port}"));
    let folder = Folder::new();
    let server = Launch::on(&folder).args(&["--addr", &addr]).start().await;
    let prometheus = Prometheus::start(&[("firstcome", &addr), ("firstcome-gone", &nobody)]).await;
    eventful(&prometheus, &server.api).await;
    let server = server.killed_and_started_again().await;
    all_have_data(&prometheus, &server.api).await;
    server.stopped().await;
}

/// The same over real engines, each side a process and a job of its own.
#[cfg(feature = "cluster")]
#[tokio::test(flavor = "multi_thread")]
async fn in_a_cluster_too() {
    use firstcome_testkit::{Mongo, Nats, Postgres, Redis};
    let (redis, nats, postgres, mongo) =
        tokio::join!(Redis::start(), Nats::start(), Postgres::start(), Mongo::start());
    let [command, query, nobody] =
        [free_port(), free_port(), free_port()].map(|port| format!("127.0.0.1:{port}"));
    let writes = Launch::part("command")
        .args(&["--addr", &command])
        .env("FIRSTCOME_CODE_SECRET", "0123456789abcdef0123456789abcdef")
        .env("FIRSTCOME_REDIS_URL", &redis.url())
        .env("FIRSTCOME_NATS_URL", &nats.url())
        .env("FIRSTCOME_POSTGRES_URL", &postgres.url());
    let reads = Launch::part("query")
        .args(&["--addr", &query])
        .env("FIRSTCOME_NATS_URL", &nats.url())
        .env("FIRSTCOME_MONGO_URL", &format!("{}/firstcome", mongo.url()));
    let (writes, reads) = (writes.start().await, reads.start().await);
    let jobs = [("firstcome-command", &*command), ("firstcome-query", &*query), ("firstcome-gone", &*nobody)];
    let prometheus = Prometheus::start(&jobs).await;
    let api = Api::over(&[&writes.url], &[&reads.url], None);
    eventful(&prometheus, &api).await;
    let writes = writes.killed_and_started_again().await;
    all_have_data(&prometheus, &api).await;
    writes.stopped().await;
    reads.stopped().await;
}
