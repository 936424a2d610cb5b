//! Windows on the real clock: they open and close by themselves, each sells its own stock, and numbers run through.

use serde_json::{Value, json};

use crate::rig::{
    Api, Coupon, Folder, Server, Told, ask_all, ask_until_clear, assert_exact, coupons, eventually, from_now,
    gather, people,
};

/// Windows of `length` milliseconds, one behind the other, the first in `begin`; returns their openings.
async fn windows(
    api: &Api,
    id: &str,
    (begin, length): (i64, i64),
    stocks: &[u64],
    limit_per: &str,
) -> Vec<String> {
    let mut at: Vec<String> = Vec::new();
    let begin = begin..;
    let edges: Vec<_> =
        begin.step_by(usize::try_from(length).unwrap()).take(stocks.len() + 1).map(from_now).collect();
    let mut windows = Vec::new();
    for (edge, stock) in edges.windows(2).zip(stocks) {
        windows.push(json!({ "opens_at": edge[0], "closes_at": edge[1], "stock": stock }));
        at.push(edge[0].clone());
    }
    let created =
        api.post("/v1/campaigns", &json!({ "id": id, "windows": windows, "limit_per": limit_per })).await;
    created.with(201);
    at.push(edges.last().unwrap().clone());
    at
}

/// Waits until that window is open.
async fn open(api: &Api, id: &str, window: u64) -> Value {
    eventually(&format!("window {window} opens"), async || {
        let view = api.campaign(id).await;
        let now = view["now"].as_str().unwrap().to_owned();
        let open = &view["window"];
        (open["id"] == window && open["opens_at"].as_str().unwrap() <= now.as_str()).then_some(view)
    })
    .await
}

fn sold_between(sold: &[Coupon], edges: &[String]) -> Vec<usize> {
    let within = |edge: &[String]| {
        sold.iter().filter(|coupon| edge[0] <= coupon.issued_at && coupon.issued_at < edge[1]).count()
    };
    edges.windows(2).map(within).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn three_windows_sold_out_in_the_first_and_exact_in_the_second() {
    let folder = Folder::new();
    let server = Server::start(&folder).await;
    let api = &server.api;
    let edges = windows(api, "days", (5_000, 10_000), &[20, 20, 20], "campaign").await;
    let early = api.post("/v1/campaigns/days/coupons", &json!({ "user_id": "early" })).await;
    assert_eq!(early.problem(409, "not_open")["opens_at"], *edges[0], "tells when it opens");

    open(api, "days", 1).await;
    let crowd = people("p", 30);
    let first = ask_all(api, "days", &crowd).await;
    assert_eq!(coupons(&first).len(), 20);
    assert!(first.contains(&Told::No("sold_out".to_owned())));
    let view = api.campaign("days").await;
    assert_eq!((&view["state"], &view["reason"]), (&json!("closed"), &json!("sold_out")), "{view}");

    open(api, "days", 2).await;
    // The limit counts over the campaign: who holds gets the same coupon, who was refused gets one now.
    let second = ask_all(api, "days", &crowd).await;
    for (before, now) in first.iter().zip(&second) {
        match before.coupon() {
            Some(coupon) => assert_eq!(now.clone().already(), *coupon),
            None => assert!(now.coupon().is_some(), "{now:?}"),
        }
    }
    let third = ask_all(api, "days", &people("q", 12)).await;
    assert_eq!(coupons(&third).len(), 10, "ten were left in the second window");

    open(api, "days", 3).await;
    let last = ask_all(api, "days", &people("r", 5)).await;
    assert_eq!(coupons(&last).len(), 5, "{last:?}");
    let over = eventually("the last window closes", async || {
        let view = api.campaign("days").await;
        (view["reason"] == "ended").then_some(view)
    });
    assert_eq!(over.await["state"], "closed");
    let late = api.post("/v1/campaigns/days/coupons", &json!({ "user_id": "late" })).await;
    assert_eq!(late.problem(409, "closed")["reason"], "ended");

    let known = coupons(first.iter().chain(&second).chain(&third).chain(&last));
    assert_exact(&server, "days", 45, &known).await;
    assert_eq!(sold_between(&known, &edges), [20, 20, 5], "each window sold its own stock in its own time");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_asks_without_a_break_over_the_boundary_gets_one_coupon_a_window() {
    let folder = Folder::new();
    let server = Server::start(&folder).await;
    let api = &server.api;
    let edges = windows(api, "boundary", (0, 10_000), &[1_000, 1_000], "window").await;

    // Everybody holds a coupon of the first window, and asks again and again, from before the boundary until each holds
    // one of the second.
    let people = people("p", 20);
    let hold = people
        .iter()
        .map(async |person| {
            let coupon = async || {
                let told = ask_until_clear(api, "boundary", person, None).await;
                told.coupon().cloned().unwrap_or_else(|| panic!("no coupon at every moment: {told:?}"))
            };
            let first = coupon().await;
            eventually("the boundary is near", async || (from_now(1_000) >= edges[1]).then_some(())).await;
            let second = eventually("a coupon of the second window", async || {
                Some(coupon().await).filter(|coupon| *coupon != first)
            })
            .await;
            [first, second]
        })
        .collect();
    let hold = gather(20, hold).await;

    for held in &hold {
        assert!(held[0].issued_at < edges[1] && edges[1] <= held[1].issued_at, "{held:?} {edges:?}");
    }
    let mut known: Vec<_> = hold.into_iter().flatten().collect();
    known.sort();
    assert_eq!(sold_between(&known, &edges), [20, 20]);
    assert_exact(&server, "boundary", 40, &known).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_campaign_opens_on_time_though_nobody_touched_it_and_the_server_was_killed() {
    let folder = Folder::new();
    let server = Server::start(&folder).await;
    let edges = windows(&server.api, "tomorrow", (1_500, 3_600_000), &[5], "campaign").await;
    let server = server.killed_and_started_again().await;
    let told = eventually("it opens", async || {
        let told = ask_until_clear(&server.api, "tomorrow", "early bird", None).await;
        (told != Told::No("not_open".to_owned())).then_some(told)
    });
    let coupon = told.await.coupon().cloned().expect("a coupon");
    assert!(coupon.issued_at >= edges[0], "{coupon:?} before {edges:?}");
    assert_exact(&server, "tomorrow", 1, &[coupon]).await;
}
