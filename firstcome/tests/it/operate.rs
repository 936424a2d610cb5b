//! What an operator looks at and sets while it runs: who asks most often, how fast the ledger is written, what was so
//! before somebody changed it.

use reqwest::Method;
use serde_json::{Value, json};

use crate::poison::key;
use crate::rig::{Api, Folder, Launch, Server, ask_all, eventually, people, send};

async fn server(folder: &Folder) -> Server {
    let (key, entry) = key("alice", "operator").await;
    Launch::on(folder).env("FIRSTCOME_API_KEYS", &entry).key(&key).start().await
}

/// The newest entries of the audit, when it has so many.
async fn audit(api: &Api, campaign: &str, entries: usize) -> Vec<Value> {
    eventually("the audit log tells", async || {
        let page = api.get(&format!("/v1/audit-log?campaign={campaign}")).await.with(200);
        let items = page["items"].as_array().unwrap();
        (items.len() == entries).then(|| items.clone())
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_asks_most_often_is_told_to_operators_also_when_nothing_is_left() {
    let folder = Folder::new();
    let server = server(&folder).await;
    let api = &server.api;
    api.create("sought", 5).await;
    ask_all(api, "sought", &people("crowd", 40)).await;
    for (user, times) in [("scalper", 30), ("crowd-7", 3)] {
        for _ in 0..times {
            ask_all(api, "sought", &[user.to_owned()]).await;
        }
    }
    let top = api.get("/v1/campaigns/sought/askers?limit=2").await.with(200);
    let asked: Vec<_> = top["items"].as_array().unwrap().iter().map(|asker| &asker["user_id"]).collect();
    assert_eq!(asked, ["scalper", "crowd-7"], "{top}");
    assert!(top["items"][0]["asks"].as_u64().is_some_and(|asks| asks >= 30), "{top}");
    assert_eq!(top["items"][0]["asks"], top["items"][0]["at_least"], "{top}");
    api.get("/v1/campaigns/nowhere/askers").await.problem(404, "campaign_not_found");
    for limit in ["0", "1001", "x"] {
        api.get(&format!("/v1/campaigns/sought/askers?limit={limit}")).await.problem(422, "invalid_request");
    }
    // Nobody is named in what everybody may read.
    let metrics = api.get("/metrics").await.text;
    assert!(metrics.contains("firstcome_build_info") && !metrics.contains("scalper"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_ledgers_rate_is_set_while_it_runs_and_who_set_it_is_seen() {
    let folder = Folder::new();
    let server = server(&folder).await;
    let api = &server.api;
    let rate = async || api.get("/v1/pipeline").await.with(200)["ledger_rate"].clone();
    assert_eq!(rate().await, Value::Null);
    for set in [json!(500), json!(500), json!(20), Value::Null] {
        let pipeline = api.patch("/v1/pipeline", &json!({ "ledger_rate": set })).await.with(200);
        assert_eq!((&pipeline["ledger_rate"], rate().await), (&set, set.clone()));
    }
    for (body, field) in [
        (json!({}), "ledger_rate"),
        (json!({ "ledger_rate": 0 }), "ledger_rate"),
        (json!({ "ledger_rate": -1 }), "ledger_rate"),
        (json!({ "ledger_rate": 1, "more": 1 }), "more"),
    ] {
        let problem = api.patch("/v1/pipeline", &body).await.problem(422, "invalid_request");
        assert_eq!(problem["field"], field, "{body}");
    }
    let entries = audit(api, "-", 3).await;
    let said: Vec<_> = entries
        .iter()
        .map(|entry| {
            assert_eq!(
                (&entry["actor"], &entry["details"]["action"]),
                (&json!("alice"), &json!("ledger_rate"))
            );
            entry["details"]["target"].as_str().unwrap().split_once(": ").unwrap().1
        })
        .collect();
    assert_eq!(said, ["20 → no limit", "500 → 20", "no limit → 500"], "twice the same is no act");
    // It is no campaign, and none can be called so.
    for list in ["/v1/campaigns", "/v1/history/campaigns"] {
        assert_eq!(api.get(list).await.with(200)["items"], json!([]), "{list}");
    }
    let create = api.request(Method::POST, "/v1/campaigns").json(&crate::rig::one_off("-", 5));
    let problem = send(create).await.unwrap().problem(422, "invalid_request");
    assert_eq!(problem["field"], "id");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_audit_tells_what_was_so_before() {
    let folder = Folder::new();
    let server = server(&folder).await;
    let api = &server.api;
    api.create("changed", 5).await;
    api.patch("/v1/campaigns/changed", &json!({ "stock": 8, "name": "Changed" })).await.with(200);
    api.act("/v1/campaigns/changed/pause").await.with(200);
    let entries = audit(api, "changed", 4).await;
    let seen: Vec<_> = entries
        .iter()
        .map(|entry| (entry["action"].as_str().unwrap(), entry["details"]["before"].clone()))
        .collect();
    assert_eq!(
        seen,
        [
            ("campaign_paused", json!({ "paused": false })),
            ("campaign_updated", json!({ "name": "changed" })),
            ("stock_changed", json!({ "stock": 5 })),
            ("campaign_created", Value::Null),
        ]
    );
    assert_eq!(
        (&entries[0]["details"]["paused"], &entries[2]["details"]["stock"]),
        (&json!(true), &json!(8))
    );
}
