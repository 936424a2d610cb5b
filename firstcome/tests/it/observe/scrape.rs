//! What `/metrics` says: what is documented and nothing else, of active campaigns only; and that it sees a store that
//! was altered.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write as _;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use firstcome_shared::telemetry::{ACTIVE, ADMITTED_TOTAL, METRICS, WAITING};

use super::base;
use crate::rig::{Api, Folder, Server, alter, ask_all, assert_level, eventually, people};

/// Series of the waiting room, which is not built yet.
const NOT_YET: [&str; 3] = [WAITING, ACTIVE, ADMITTED_TOTAL];

async fn scrape(api: &Api) -> String {
    let answer = api.get("/metrics").await;
    assert_eq!(answer.status, 200);
    answer.text
}

/// Values by series.
fn series(text: &str) -> BTreeMap<&str, f64> {
    let lines = text.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    lines
        .map(|line| line.rsplit_once(' ').unwrap())
        .map(|(name, value)| (name, value.parse().unwrap()))
        .collect()
}

fn labels(series: &str) -> BTreeSet<&str> {
    let Some((_, labels)) = series.split_once('{') else { return BTreeSet::new() };
    let parts = labels.trim_end_matches('}').split("\",");
    parts.map(|part| part.split_once('=').unwrap().0).filter(|label| *label != "le").collect()
}

/// The metrics that were scraped, each of which is documented with its labels and explained once.
fn documented(text: &str) -> BTreeSet<&str> {
    let mut exported = BTreeSet::new();
    for (name, _) in series(text) {
        let metric = base(name.split('{').next().unwrap());
        let known = METRICS.iter().find(|known| known.name == metric);
        let known = known.unwrap_or_else(|| panic!("{name} is documented nowhere"));
        assert_eq!(labels(name), known.labels.iter().copied().collect(), "{name}");
        assert_eq!(text.matches(&format!("# HELP {metric} ")).count(), 1, "{metric}");
        exported.insert(metric);
    }
    exported
}

/// Prometheus's own tool has nothing to say against it.
fn accepted(text: &str) {
    let mut promtool = Command::new("promtool");
    promtool.args(["check", "metrics"]).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut promtool = promtool.spawn().expect("promtool is installed: scripts/setup installs it");
    promtool.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    let said = promtool.wait_with_output().unwrap();
    assert!(said.status.success() && said.stdout.is_empty() && said.stderr.is_empty(), "{said:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_exported_is_documented_and_the_other_way_round() {
    let folder = Folder::new();
    let server = Server::start(&folder).await;
    server.api.create("summer", 20).await;
    ask_all(&server.api, "summer", &people("crowd", 30)).await;
    assert_level(&server.api, "summer").await;
    // What is known only after a while: a look at the campaign, a comparison of each store.
    let known = async || {
        let text = scrape(&server.api).await;
        let compared = text.matches("firstcome_drift_checked_timestamp_seconds{").count() == 3;
        (compared && text.contains("firstcome_issue_requests_total{")).then_some(text)
    };
    let text = eventually("the campaign is shown, and every store was compared once", known).await;

    let exported = documented(&text);
    for metric in METRICS {
        let is_there = exported.contains(metric.name);
        assert_eq!(is_there, !NOT_YET.contains(&metric.name), "{}", metric.name);
    }
    assert!(!text.contains("crowd-"), "no metric names a person");
    accepted(&text);
    server.stopped().await;
}

/// The sides of a cluster have all metrics between them.
#[cfg(feature = "cluster")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_side_of_a_cluster_exports_what_is_documented() {
    use crate::cluster::stack::{Instance, Stack};
    use crate::rig::System as _;

    let stack = Stack::start().await;
    stack.api().create("summer", 20).await;
    ask_all(stack.api(), "summer", &people("crowd", 30)).await;
    assert_level(stack.api(), "summer").await;
    let mut exported = BTreeSet::new();
    for instance in [Instance::Command(0), Instance::Command(1), Instance::Query(0), Instance::Query(1)] {
        let api = &stack.instance(instance).api;
        let known = async || {
            let text = scrape(api).await;
            text.contains("firstcome_drift{campaign=\"summer\",").then_some(text)
        };
        let text = eventually(&format!("{instance:?} watches the campaign"), known).await;
        accepted(&text);
        assert!(!text.contains("crowd-"), "no metric names a person");
        exported.extend(documented(&text).into_iter().map(str::to_owned));
    }
    let missing: Vec<_> = METRICS
        .iter()
        .map(|metric| metric.name)
        .filter(|name| !exported.contains(*name) && !NOT_YET.contains(name))
        .collect();
    assert!(missing.is_empty(), "{missing:?}");
}

/// P9: somebody writes to a store. It is seen, also after the campaign was compared before.
#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_was_altered_shows() {
    let folder = Folder::new();
    let server = Server::start(&folder).await;
    server.api.create("summer", 20).await;
    ask_all(&server.api, "summer", &people("crowd", 20)).await;
    assert_level(&server.api, "summer").await;
    let drift = async |store: &str| {
        let text = scrape(&server.api).await;
        let name = format!("firstcome_drift{{campaign=\"summer\",store=\"{store}\"}}");
        series(&text).get(name.as_str()).copied()
    };
    let compared = async || {
        let text = scrape(&server.api).await;
        let all = series(&text);
        let counted =
            |store: &str| all.get(format!("firstcome_compared_coupons_total{{store=\"{store}\"}}").as_str());
        ["gate", "ledger", "read_model"].iter().all(|store| counted(store) >= Some(&20.0)).then_some(())
    };
    eventually("every store was compared", compared).await;
    for store in ["gate", "ledger", "read_model"] {
        assert_eq!(drift(store).await, Some(0.0), "{store}");
    }
    let touched =
        alter(&folder.file("ledger.db"), "UPDATE coupon SET user_id = 'mallory' WHERE seq = 7").await;
    assert_eq!(touched, 1);
    let touched = alter(&folder.file("read.db"), "DELETE FROM coupon WHERE seq IN (3, 4)").await;
    assert_eq!(touched, 2);
    for (store, coupons) in [("ledger", 1.0), ("read_model", 2.0)] {
        eventually(&format!("the {store} was altered"), async || {
            (drift(store).await == Some(coupons)).then_some(())
        })
        .await;
    }
    assert_eq!(drift("gate").await, Some(0.0));
    let said = eventually("it says so", async || {
        Some(server.stderr()).filter(|said| said.contains("the store differs from the log"))
    })
    .await;
    assert!(!said.contains("mallory"), "{said}");
    server.stopped().await;
}

/// Measured, not tested: how much processor time a scrape takes with fifty active campaigns. With a release build:
/// `FIRSTCOME_TEST_BINARY=target/release/firstcome cargo test --test it scrape_cost -- --ignored --nocapture`.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "a measurement"]
async fn scrape_cost() {
    const SCRAPES: u32 = 1_000;
    let folder = Folder::new();
    let server = Server::start(&folder).await;
    for number in 0..50 {
        let name = format!("campaign-{number}");
        server.api.create(&name, 10).await;
        ask_all(&server.api, &name, &people("crowd", 12)).await;
        server.api.get(&format!("/v1/history/campaigns/{name}/coupons")).await;
    }
    let cpu = async || series(&scrape(&server.api).await).get("process_cpu_seconds_total").copied().unwrap();
    // Read once a second; so both are taken when it has just changed.
    let fresh = async || {
        let before = cpu().await;
        eventually("it is read anew", async || Some(cpu().await).filter(|now| *now > before)).await
    };
    let idle = {
        let (from, begun) = (fresh().await, Instant::now());
        tokio::time::sleep(Duration::from_secs(10)).await;
        (fresh().await - from) / begun.elapsed().as_secs_f64()
    };
    let (from, begun) = (fresh().await, Instant::now());
    let mut bytes = 0;
    for _ in 0..SCRAPES {
        bytes = scrape(&server.api).await.len();
    }
    let lines = scrape(&server.api).await.lines().count();
    let (took, to) = (begun.elapsed(), fresh().await);
    let waited = begun.elapsed().as_secs_f64();
    let each = (to - from - idle * waited) * 1_000.0 / f64::from(SCRAPES);
    println!(
        "one scrape of 50 campaigns: {each:.3} ms of CPU (mean of {SCRAPES} in {took:.1?}; {lines} lines, {bytes} bytes; \
         idle {:.1} ms a second taken off)",
        idle * 1_000.0
    );
    assert!(each <= 2.0 || cfg!(debug_assertions), "{each} ms");
}
