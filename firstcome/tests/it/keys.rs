//! Who may do what: keys made by the binary, roles enforced, codes kept from readers, nothing open without keys.

use reqwest::Method;
use serde_json::json;

use crate::poison::key;
use crate::rig::{
    Api, Folder, Launch, Server, alter, assert_level, eventually, one_off, run_with, send, verify,
};

/// A server with a key of each role; the operator's is the one that its caller has.
async fn server(folder: &Folder) -> (Server, Api, Api) {
    let (operator, operators) = key("olga", "operator").await;
    let (issuer, issuers) = key("shop", "issuer").await;
    let (reader, readers) = key("dashboard", "reader").await;
    let keys = [operators, issuers, readers].join(",");
    let server = Launch::on(folder).env("FIRSTCOME_API_KEYS", &keys).key(&operator).start().await;
    let (issuer, reader) = (server.api.with_key(Some(&issuer)), server.api.with_key(Some(&reader)));
    (server, issuer, reader)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_route_is_open_to_its_role_and_those_above_alone() {
    let folder = Folder::new();
    let (server, issuer, reader) = server(&folder).await;
    server.api.create("there", 10).await;
    server.api.ask("there", "somebody").await.issued();
    assert_level(&server.api, "there").await;
    let (read, issue, operate) = (0, 1, 2);
    let routes = [
        ("GET", "/v1/campaigns", read),
        ("GET", "/v1/campaigns/there", read),
        ("GET", "/v1/campaigns/there/fingerprint?store=log", read),
        ("GET", "/v1/pipeline", read),
        ("GET", "/v1/dead-letters", read),
        ("GET", "/v1/history/campaigns", read),
        ("GET", "/v1/history/campaigns/there/coupons", read),
        ("GET", "/v1/history/campaigns/there/coupons.csv", read),
        ("GET", "/v1/history/campaigns/there/fingerprint", read),
        ("GET", "/v1/history/campaigns/there/timeline", read),
        ("GET", "/v1/history/users/somebody/coupons", read),
        ("GET", "/v1/history/lag", read),
        ("GET", "/v1/history/dead-letters", read),
        ("POST", "/v1/campaigns/there/coupons", issue),
        ("POST", "/v1/campaigns", operate),
        ("PATCH", "/v1/campaigns/there", operate),
        ("POST", "/v1/campaigns/there/pause", operate),
        ("POST", "/v1/campaigns/there/resume", operate),
        ("POST", "/v1/campaigns/there/rebuild", operate),
        ("GET", "/v1/dead-letters/0-1/message", operate),
        ("GET", "/v1/history/dead-letters/0-1/message", operate),
        ("PATCH", "/v1/pipeline", operate),
        ("POST", "/v1/dead-letters/0-1/replay", operate),
        ("DELETE", "/v1/dead-letters/0-1", operate),
        ("POST", "/v1/history/dead-letters/0-1/replay", operate),
        ("DELETE", "/v1/history/dead-letters/0-1", operate),
        ("GET", "/v1/campaigns/there/askers", operate),
        ("GET", "/v1/audit-log", operate),
        ("POST", "/v1/campaigns/there/cancel", operate),
    ];
    let callers = [
        (None, server.api.with_key(None)),
        (Some(read), reader),
        (Some(issue), issuer),
        (Some(operate), server.api.clone()),
    ];
    for (method, path, needed) in routes {
        for (role, caller) in &callers {
            let mut request = caller.request(method.parse().unwrap(), path);
            request = match path {
                "/v1/campaigns" if method == "POST" => request.json(&one_off("made", 5)),
                "/v1/pipeline" if method == "PATCH" => request.json(&json!({ "ledger_rate": 9_000 })),
                "/v1/campaigns/there/coupons" => request.json(&json!({ "user_id": "u" })),
                "/v1/campaigns/there" if method == "PATCH" => request.json(&json!({ "name": "There" })),
                _ => request,
            };
            let answer = send(request).await.unwrap();
            match role {
                None => drop(answer.problem(401, "unauthenticated")),
                Some(role) if *role < needed => drop(answer.problem(403, "forbidden")),
                Some(_) => {
                    let answered =
                        answer.status < 300 || answer.status == 404 && path.contains("dead-letters/");
                    assert!(answered, "{method} {path}: {answer:?}");
                }
            }
        }
    }
    // What tells a prober nothing about anybody is open.
    let anybody = server.api.with_key(None);
    for path in ["/healthz", "/readyz", "/metrics", "/openapi.json"] {
        assert_eq!(anybody.get(path).await.status, 200, "{path}");
    }
    // The ledger may be a moment behind.
    for action in
        ["campaign_created", "campaign_updated", "campaign_paused", "campaign_resumed", "campaign_cancelled"]
    {
        let entry = eventually(&format!("{action} is in the audit log"), async || {
            let audit = server.api.get("/v1/audit-log").await.with(200);
            let mut entries = audit["items"].as_array().unwrap().iter();
            entries.find(|entry| entry["action"] == action).cloned()
        })
        .await;
        assert_eq!(entry["actor"], "olga", "{action}");
    }
}

/// Every route that changes something, and what the audit log calls it. Whoever adds a route adds it here, and sees to it
/// that it is seen.
const MUTATING: [(&str, &str); 12] = [
    ("POST /v1/campaigns", "campaign_created"),
    ("PATCH /v1/campaigns/{id}", "campaign_updated"),
    ("POST /v1/campaigns/{id}/pause", "campaign_paused"),
    ("POST /v1/campaigns/{id}/resume", "campaign_resumed"),
    ("POST /v1/campaigns/{id}/rebuild", "rebuild"),
    ("POST /v1/campaigns/{id}/cancel", "campaign_cancelled"),
    ("POST /v1/dead-letters/{id}/replay", "replay ledger"),
    ("POST /v1/history/dead-letters/{id}/replay", "replay read_model"),
    ("PATCH /v1/pipeline", "ledger_rate"),
    ("DELETE /v1/dead-letters/{id}", "discard ledger"),
    ("DELETE /v1/history/dead-letters/{id}", "discard read_model"),
    // Not an operator's act: it stands in the log as a coupon.
    ("POST /v1/campaigns/{id}/coupons", ""),
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_route_that_changes_something_names_who_did_it() {
    let folder = Folder::new();
    let (server, ..) = server(&folder).await;
    server.api.create("there", 10).await;
    server.api.ask("there", "somebody").await.issued();
    assert_level(&server.api, "there").await;
    let document = server.api.get("/openapi.json").await.with(200);
    let mut found = Vec::new();
    for (path, methods) in document["paths"].as_object().unwrap() {
        for method in methods.as_object().unwrap().keys().filter(|method| *method != "get") {
            found.push(format!("{} {path}", method.to_uppercase()));
        }
    }
    found.sort();
    let mut known: Vec<_> = MUTATING.iter().map(|(route, _)| (*route).to_owned()).collect();
    known.sort();
    assert_eq!(found, known, "the routes that change something");

    // A message that nobody can read parks a campaign in both stores.
    server.api.create("garbled", 10).await;
    assert_level(&server.api, "garbled").await;
    server.kill().await;
    let garble =
        "INSERT INTO message (campaign, lane, stored_at, payload) VALUES ('garbled', 0, 0, x'00ff7b')";
    assert_eq!(alter(&folder.file("log.db"), garble).await, 1);
    let server = server.started_again().await;
    let api = &server.api;
    for act in ["replay", "discard"] {
        for side in ["/v1", "/v1/history"] {
            let letter = eventually("it is parked", async || {
                let letters = api.get(&format!("{side}/dead-letters")).await.with(200);
                let letter = letters["items"].get(0).filter(|letter| letter["replaying"] == false)?;
                letter["id"].as_str().map(str::to_owned)
            })
            .await;
            let at = format!("{side}/dead-letters/{letter}");
            let answer =
                if act == "replay" { api.act(&format!("{at}/replay")).await } else { api.delete(&at).await };
            assert_eq!(answer.status, 202, "{act} {at}: {answer:?}");
        }
    }
    api.patch("/v1/campaigns/there", &json!({ "name": "There" })).await.with(200);
    api.patch("/v1/pipeline", &json!({ "ledger_rate": 1_000 })).await.with(200);
    for act in ["pause", "resume", "rebuild", "cancel"] {
        api.act(&format!("/v1/campaigns/there/{act}")).await.with(200);
    }

    for (route, action) in MUTATING.iter().filter(|(_, action)| !action.is_empty()) {
        let entry = eventually(&format!("{route} is in the audit log"), async || {
            let audit = api.get("/v1/audit-log?limit=1000").await.with(200);
            let mut entries = audit["items"].as_array().unwrap().iter();
            let said = |entry: &serde_json::Value| match entry["details"]["action"].as_str() {
                Some(act @ ("rebuild" | "ledger_rate")) => act.to_owned(),
                Some(act) => {
                    let target = entry["details"]["target"].as_str().unwrap_or_default();
                    format!("{act} {}", target.split(' ').next().unwrap_or_default())
                }
                None => entry["action"].as_str().unwrap_or_default().to_owned(),
            };
            entries.find(|entry| said(entry) == *action).cloned()
        })
        .await;
        assert_eq!(entry["actor"], "olga", "{route}: {entry}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn wrong_keys_are_refused_however_they_are_sent() {
    let folder = Folder::new();
    let (server, ..) = server(&folder).await;
    let key = server.key().unwrap().to_owned();
    let anybody = server.api.with_key(None);
    for sent in [
        "",
        "Bearer",
        "Bearer ",
        "Bearer nonsense",
        &format!("Basic {key}"),
        &key,
        &format!("Bearer {}", &key[..key.len() - 1]),
        &format!("Bearer {key}0"),
        &format!("Bearer {}", key.to_uppercase()),
        &format!("Bearer {key},{key}"),
    ] {
        let request = anybody.request(Method::GET, "/v1/campaigns").header("authorization", sent);
        let answer = send(request).await.unwrap();
        answer.problem(401, "unauthenticated");
        assert!(answer.headers.contains_key("www-authenticate"), "{sent}: {answer:?}");
        assert!(!answer.text.contains(&key), "the answer repeats the key");
    }
    // With keys, names and origins are the proxy's business.
    let request = server.api.request(Method::GET, "/v1/campaigns").header("host", "coupons.example");
    assert_eq!(send(request.header("origin", "https://shop.example")).await.unwrap().status, 200);
    assert!(!server.stderr().contains(&key), "keys are not logged");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn codes_are_masked_for_readers_everywhere() {
    let folder = Folder::new();
    let (server, issuer, reader) = server(&folder).await;
    server.api.create("there", 10).await;
    let told = issuer.ask("there", "somebody").await;
    let crate::rig::Told::Issued(coupon, position) = told else { panic!("{told:?}") };
    let masked = format!("{}-****-****-****", &coupon.code[..4]);
    for path in [
        format!("/v1/history/campaigns/there/coupons?at_least={position}"),
        "/v1/history/campaigns/there/coupons.csv".to_owned(),
        "/v1/history/users/somebody/coupons".to_owned(),
        "/v1/history/campaigns/there/fingerprint?rows=true".to_owned(),
        "/v1/campaigns/there/fingerprint?store=gate&rows=true".to_owned(),
        "/v1/campaigns/there/fingerprint?store=log&rows=true".to_owned(),
        "/v1/campaigns/there/fingerprint?store=ledger&rows=true".to_owned(),
    ] {
        let path = if path.contains("store=ledger") {
            // The ledger may be a moment behind.
            assert_level(&server.api, "there").await;
            path
        } else {
            path
        };
        for caller in [&server.api, &issuer] {
            let shown = caller.get(&path).await;
            assert!(shown.status == 200 && shown.text.contains(&coupon.code), "{path}: {shown:?}");
        }
        let shown = reader.get(&path).await;
        assert!(shown.status == 200 && shown.text.contains(&masked), "{path}: {shown:?}");
        assert!(!shown.text.contains(&coupon.code), "{path}: {shown:?}");
    }
    let by_code = reader.get(&format!("/v1/history/coupons/{}", coupon.code)).await;
    assert!(by_code.status == 200 && by_code.text.contains(&masked), "{by_code:?}");
    assert!(!by_code.with(200)["coupon"]["code"].as_str().unwrap().contains(&coupon.code));
    assert!(!server.stderr().contains(&coupon.code), "codes are not logged");
    assert_eq!(verify(&server).await.code, Some(0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_keys_it_listens_to_this_machine_alone() {
    let folder = Folder::new();
    for addr in ["0.0.0.0:0", "[::]:0"] {
        let ended = Launch::on(&folder).args(&["--addr", addr]).refused().await;
        let error = ended.one_clear_error();
        assert!(error.contains("FIRSTCOME_API_KEYS") && error.contains("127.0.0.1"), "{error}");
    }
    let server = Server::start(&folder).await;
    eventually("it says so", async || server.stderr().contains("no API keys").then_some(())).await;
    server.api.create("mine", 5).await;
    let audit = eventually("the creation is audited", async || {
        let audit = server.api.get("/v1/audit-log").await.with(200);
        audit["items"].get(0).cloned()
    });
    assert_eq!(audit.await["actor"], "local");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keys_that_cannot_be_used_are_one_clear_error_that_gives_nothing_away() {
    let folder = Folder::new();
    let (made, entry) = key("olga", "operator").await;
    let hash = entry.rsplit(':').next().unwrap().to_owned();
    for keys in [
        made.clone(),
        format!("olga:operator:{made}"),
        format!("olga:emperor:{hash}"),
        format!("olga:operator:{}", &hash[1..]),
        format!(":operator:{hash}"),
        format!("{entry},olga:reader:{}", "0".repeat(64)),
        format!("{entry},other:reader:{hash}"),
    ] {
        let ended = Launch::on(&folder).env("FIRSTCOME_API_KEYS", &keys).refused().await;
        let error = ended.one_clear_error();
        assert!(error.contains("FIRSTCOME_API_KEYS") && error.contains("API key"), "{error}");
        assert!(!ended.stderr.contains(&made) && !ended.stderr.contains(&hash), "{error}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_new_key_goes_to_stdout_alone_and_its_entry_to_stderr() {
    for role in ["operator", "issuer", "reader"] {
        let made = run_with(["key", "new", "--role", role], &[]).await;
        assert_eq!(made.code, Some(0), "{made:?}");
        let key = made.stdout.trim();
        assert!(key.starts_with(&format!("fc_{role}_")) && made.stdout.lines().count() == 1, "{made:?}");
        assert!(made.stderr.contains(&format!("{role}:{role}:")) && !made.stderr.contains(key), "{made:?}");
    }
    for bad in [
        &["key", "new"][..],
        &["key", "new", "--role", "emperor"],
        &["key", "new", "--role", "reader", "--name", "a:b"],
    ] {
        let refused = run_with(bad.iter().copied(), &[]).await;
        assert_eq!((refused.code, refused.stdout.as_str()), (Some(2), ""), "{refused:?}");
    }
}
