//! The read model over HTTP: read your own write, pages, downloads, the live stream.

use std::time::{Duration, Instant};

use crate::rig::{Folder, Server, Told, ask_all, assert_level, coupons, eventually, people};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_was_told_issued_reads_it_at_once_with_at_least() {
    let folder = Folder::new();
    let server = Server::start(&folder).await;
    server.api.create("own", 100).await;
    for person in people("p", 40) {
        let Told::Issued(coupon, position) = server.api.ask("own", &person).await else {
            panic!("not issued")
        };
        let path = format!("/v1/history/coupons/{}?at_least={position}", coupon.code);
        let found = server.api.get(&path).await.with(200);
        assert_eq!(found["coupon"]["user_id"], person.as_str(), "{found}");
        assert_eq!(found["history"][0]["kind"], "coupons_issued", "{found}");
        let path = format!("/v1/history/campaigns/own?at_least={position}");
        let totals = server.api.get(&path).await.with(200);
        assert_eq!(totals["totals"]["issued"], coupon.seq, "{totals}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_position_that_is_not_reached_in_time_is_not_yet() {
    let folder = Folder::new();
    let server = Server::start(&folder).await;
    server.api.create("own", 10).await;
    let asked = Instant::now();
    let answer = server.api.get("/v1/history/campaigns/own?at_least=0-1000000").await;
    answer.problem(504, "not_yet");
    let waited = asked.elapsed();
    assert!(waited > Duration::from_secs(1) && waited < Duration::from_secs(30), "{waited:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pages_and_the_download_hold_every_coupon_once_in_order() {
    let folder = Folder::new();
    let server = Server::start(&folder).await;
    let api = &server.api;
    api.create("listed", 1_200).await;
    let sold = coupons(&ask_all(api, "listed", &people("p", 1_200)).await);
    assert_eq!(assert_level(api, "listed").await, 1_200);

    for (order, first) in [("asc", 1), ("desc", 1_200)] {
        let (mut numbers, mut after) = (Vec::new(), String::new());
        loop {
            let path = format!("/v1/history/campaigns/listed/coupons?order={order}&limit=7{after}");
            let page = api.get(&path).await.with(200);
            let items = page["items"].as_array().unwrap();
            assert!(items.len() <= 7);
            numbers.extend(items.iter().map(|item| item["seq"].as_u64().unwrap()));
            let Some(next) = page["next"].as_str() else { break };
            after = format!("&after={next}");
        }
        let mut expected: Vec<_> = (1..=1_200).collect();
        if first != 1 {
            expected.reverse();
        }
        assert_eq!(numbers, expected, "{order}");
    }

    let csv = api.get("/v1/history/campaigns/listed/coupons.csv").await;
    assert_eq!(csv.status, 200);
    assert!(csv.headers["content-type"].to_str().unwrap().starts_with("text/csv"));
    let lines: Vec<_> = csv.text.split("\r\n").filter(|line| !line.is_empty()).collect();
    assert_eq!(lines.len(), 1_201);
    for (line, coupon) in lines[1..].iter().zip(&sold) {
        let head = format!("{},{},{},{},", coupon.seq, coupon.user, coupon.code, coupon.issued_at);
        assert!(line.starts_with(&head), "{line} is not {head}");
    }
    let own = api.get("/v1/history/users/p-17/coupons").await.with(200);
    assert_eq!(own["items"].as_array().unwrap().len(), 1, "{own}");
    let buckets = api.get("/v1/history/campaigns/listed/timeline?step=1m").await.with(200);
    let issued: u64 =
        buckets["items"].as_array().unwrap().iter().map(|b| b["issued"].as_u64().unwrap()).sum();
    assert_eq!(issued, 1_200);
    let view = api.get("/v1/history/campaigns/listed").await.with(200);
    assert_eq!((&view["totals"]["issued"], &view["reason"]), (&1_200.into(), &"sold_out".into()), "{view}");
    assert!(view["seconds_to_sell_out"].is_number() && view["peak_per_second"].as_u64() > Some(0), "{view}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_live_stream_tells_that_a_campaign_moved() {
    let folder = Folder::new();
    let server = Server::start(&folder).await;
    server.api.create("moving", 100).await;
    let mut stream = server.api.request(reqwest::Method::GET, "/v1/history/live").send().await.unwrap();
    assert_eq!(stream.status(), 200);
    assert_eq!(stream.headers()["content-type"], "text/event-stream");
    let Told::Issued(_, position) = server.api.ask("moving", "p").await else { panic!("not issued") };
    let sequence = |position: &str| position.split_once('-').unwrap().1.parse::<u64>().unwrap();
    let mut heard = String::new();
    let told = tokio::time::timeout(crate::rig::PATIENCE, async {
        loop {
            heard.push_str(std::str::from_utf8(&stream.chunk().await.unwrap().expect("it goes on")).unwrap());
            let (whole, _) = heard.rsplit_once('\n').unwrap_or_default();
            let events = whole.lines().filter_map(|line| line.strip_prefix("data:"));
            let mut events = events.map(|data| serde_json::from_str::<serde_json::Value>(data).unwrap());
            let reached = events.any(|event| {
                event["campaign_id"] == "moving"
                    && sequence(event["position"].as_str().unwrap()) >= sequence(&position)
            });
            if reached {
                return;
            }
        }
    });
    told.await.unwrap_or_else(|_| panic!("heard only {heard:?}"));
    eventually("what it told of is there", async || {
        (server.api.get("/v1/history/campaigns/moving").await.with(200)["totals"]["issued"] == 1)
            .then_some(())
    })
    .await;
}
