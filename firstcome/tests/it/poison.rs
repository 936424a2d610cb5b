//! A message that a projection cannot apply parks its campaign there and nowhere else; an operator mends it, and is
//! seen doing it.

use serde_json::Value;

use crate::rig::{
    Api, Folder, Launch, Server, Told, alter, ask_all, assert_exact, assert_level, coupons, eventually,
    fingerprint, history, people, run, verify,
};

/// The key of an operator and the entry that lets her in.
pub async fn key(name: &str, role: &str) -> (String, String) {
    let made = run(["key", "new", "--role", role, "--name", name]).await;
    assert_eq!(made.code, Some(0), "{made:?}");
    (made.stdout.trim().to_owned(), made.stderr.trim().lines().next_back().unwrap().to_owned())
}

async fn dead_letters(api: &Api) -> Vec<Value> {
    api.get("/v1/dead-letters").await.with(200)["items"].as_array().unwrap().clone()
}

async fn ledger_rows(api: &Api, campaign: &str) -> u64 {
    fingerprint(api, campaign, "ledger").await["count"].as_u64().unwrap()
}

const GHOST: &str = "INSERT INTO coupon (campaign, seq, user_id, n, code, window_id, issued_at, position)
                     VALUES ('poisoned', 6, 'ghost', 1, 'GHOS-T000-GHOS-T000', 1, 0, 1)";

/// Two campaigns with five coupons sold each; the ledger has a row by hand where the sixth coupon of `poisoned` will
/// stand; that coupon was then sold. Returns the server and the dead letter.
async fn parked(folder: &Folder) -> (Server, Value, Vec<Told>) {
    let (key, entry) = key("alice", "operator").await;
    let server = Launch::on(folder).env("FIRSTCOME_API_KEYS", &entry).key(&key).start().await;
    for campaign in ["poisoned", "healthy"] {
        server.api.create(campaign, 50).await;
    }
    let mut told = ask_all(&server.api, "poisoned", &people("p", 5)).await;
    ask_all(&server.api, "healthy", &people("p", 5)).await;
    for campaign in ["poisoned", "healthy"] {
        assert_level(&server.api, campaign).await;
    }
    server.kill().await;
    assert_eq!(alter(&folder.file("ledger.db"), GHOST).await, 1);
    let server = server.started_again().await;

    let sixth = server.api.ask("poisoned", "p-6").await;
    assert_eq!(sixth.coupon().unwrap().seq, 6, "issuing does not wait for the ledger");
    told.push(sixth);
    let letter = eventually("the campaign is parked", async || dead_letters(&server.api).await.pop()).await;
    (server, letter, told)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_poisoned_campaign_is_parked_in_the_ledger_alone_and_replay_brings_it_level() {
    let folder = Folder::new();
    let (server, letter, mut told) = parked(&folder).await;
    let api = &server.api;
    assert_eq!(
        (&letter["campaign_id"], &letter["projection"]),
        (&"poisoned".into(), &"ledger".into()),
        "{letter}"
    );
    assert_eq!(letter["attempts"], 5, "{letter}");
    assert!(!letter["reason"].as_str().unwrap().is_empty(), "{letter}");
    let code = &told[5].coupon().unwrap().code;
    let message = letter["message"].as_str().unwrap();
    assert!(!message.contains(code.as_str()) && message.contains("****"), "codes are money: {message}");

    // Issuing goes on, the read model goes on, the other campaign goes on, in the ledger too.
    told.extend(ask_all(api, "poisoned", &people("q", 10)).await);
    let other = ask_all(api, "healthy", &people("q", 10)).await;
    assert_exact_of(api, "healthy", 15, &other).await;
    eventually("the read model goes on", async || (history(api, "poisoned").await.len() == 16).then_some(()))
        .await;
    assert_eq!(ledger_rows(api, "poisoned").await, 6, "five and the ghost: the ledger does not go on");
    assert_eq!(dead_letters(api).await.len(), 1);
    assert_eq!(api.get("/v1/history/dead-letters").await.with(200)["items"], Value::Array(Vec::new()));
    assert_eq!(api.get("/v1/pipeline").await.with(200)["ledger"]["parked"], 1);
    assert_eq!(api.get("/readyz").await.status, 200, "it can do its work");
    let report = verify(&server).await;
    assert_eq!(report.code, Some(1), "the ledger does differ: {report:?}");

    // A rebuild of the gate meanwhile is exact: it rests on the log alone.
    let before = api.campaign("poisoned").await;
    let rebuilt = api.act("/v1/campaigns/poisoned/rebuild").await.with(200);
    assert_eq!(rebuilt["epoch"], before["epoch"].as_u64().unwrap() + 1);
    assert_eq!((&rebuilt["issued"], &rebuilt["remaining"]), (&before["issued"], &before["remaining"]));
    for earlier in &told {
        let coupon = earlier.coupon().unwrap();
        assert_eq!(api.ask("poisoned", &coupon.user).await.already(), *coupon);
    }
    told.extend(ask_all(api, "poisoned", &people("r", 4)).await);
    assert_eq!(coupons(&told).len(), 20);

    // A replay that cannot succeed parks it again, and says so.
    let id = letter["id"].as_str().unwrap();
    assert_eq!(api.act(&format!("/v1/dead-letters/{id}/replay")).await.status, 202);
    eventually("it is parked again", async || {
        let letter = dead_letters(api).await.pop()?;
        (letter["attempts"].as_u64() > Some(5) && letter["replaying"] == false).then_some(())
    })
    .await;
    // Mended by hand, then replayed: level again, nothing lost, also after a kill.
    assert_eq!(alter(&folder.file("ledger.db"), "DELETE FROM coupon WHERE user_id = 'ghost'").await, 1);
    assert_eq!(api.act(&format!("/v1/dead-letters/{id}/replay")).await.status, 202);
    eventually("it is level", async || dead_letters(api).await.is_empty().then_some(())).await;
    assert_exact(&server, "poisoned", 20, &coupons(&told)).await;

    let replays = acts(api, "replay").await;
    assert_eq!(replays.len(), 2, "nobody acts unseen: {replays:?}");
    for act in &replays {
        assert_eq!((&act["actor"], &act["campaign_id"]), (&"alice".into(), &"poisoned".into()), "{act}");
    }
    assert_eq!(acts(api, "rebuild").await.len(), 1);
    let server = server.killed_and_started_again().await;
    told.extend(ask_all(&server.api, "poisoned", &people("s", 3)).await);
    assert_exact(&server, "poisoned", 23, &coupons(&told)).await;
}

async fn assert_exact_of(api: &Api, campaign: &str, count: u64, told: &[Told]) {
    assert_eq!(assert_level(api, campaign).await, count);
    let sold = history(api, campaign).await;
    assert!(coupons(told).iter().all(|coupon| sold.contains(coupon)));
}

/// What operators did outside the gate, by what they did, once the ledger has read of it.
async fn acts(api: &Api, what: &str) -> Vec<Value> {
    let entries = api.get("/v1/audit-log?campaign=poisoned").await.with(200);
    let entries = entries["items"].as_array().unwrap().iter();
    entries.filter(|entry| entry["details"]["action"] == what).cloned().collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_discarded_message_is_skipped_seen_and_stays_a_difference() {
    let folder = Folder::new();
    let (server, letter, mut told) = parked(&folder).await;
    let api = &server.api;
    told.extend(ask_all(api, "poisoned", &people("q", 5)).await);
    let id = letter["id"].as_str().unwrap();

    assert_eq!(api.delete(&format!("/v1/dead-letters/{id}")).await.status, 202);
    eventually("it is no longer parked", async || dead_letters(api).await.is_empty().then_some(())).await;
    // Five, the ghost and the five behind the message that was skipped.
    eventually("the ledger goes on", async || (ledger_rows(api, "poisoned").await == 11).then_some(())).await;
    api.delete(&format!("/v1/dead-letters/{id}")).await.problem(404, "dead_letter_not_found");

    let report = verify(&server).await;
    assert_eq!(report.code, Some(1), "a discard is a decision, and verify does not hide it: {report:?}");
    let report = report.json();
    let differences = report["differences"].as_array().unwrap();
    let [difference] = &differences[..] else { panic!("{report}") };
    assert_eq!((&difference["store"], &difference["seq"]), (&"ledger".into(), &6.into()), "{difference}");
    let detail = difference["detail"].as_str().unwrap();
    assert!(detail.contains("p-6") && detail.contains("ghost"), "{detail}");

    let discards = eventually("the audit log tells", async || acts(api, "discard").await.pop()).await;
    assert_eq!(discards["actor"], "alice", "{discards}");
    let target = discards["details"]["target"].as_str().unwrap();
    assert!(target.contains("ledger") && target.contains(id), "{discards}");
    // Not forgotten by a restart, and the campaign sells on to its end.
    let server = server.killed_and_started_again().await;
    told.extend(ask_all(&server.api, "poisoned", &people("z", 60)).await);
    let sold: Vec<_> = coupons(&told).into_iter().map(|coupon| coupon.seq).collect();
    assert_eq!(sold, (1..=50).collect::<Vec<_>>());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_message_nobody_can_read_stops_its_own_campaign_and_no_other() {
    let folder = Folder::new();
    let server = Server::start(&folder).await;
    for campaign in ["garbled", "healthy"] {
        server.api.create(campaign, 50).await;
        ask_all(&server.api, campaign, &people("p", 5)).await;
        assert_level(&server.api, campaign).await;
    }
    server.stopped().await;
    let garble =
        "INSERT INTO message (campaign, lane, stored_at, payload) VALUES ('garbled', 0, 0, x'00ff7b')";
    assert_eq!(alter(&folder.file("log.db"), garble).await, 1);

    let server = Server::start(&folder).await;
    let told = ask_all(&server.api, "healthy", &people("q", 5)).await;
    assert_exact_of(&server.api, "healthy", 10, &told).await;
    for path in ["/v1/dead-letters", "/v1/history/dead-letters"] {
        let letter = eventually("it is parked", async || {
            server.api.get(path).await.with(200)["items"].as_array().unwrap().first().cloned()
        });
        assert_eq!(letter.await["campaign_id"], "garbled");
    }
    // Who cannot read every message of a campaign does not know what was sold.
    assert_eq!(server.api.ask("garbled", "p-1").await, Told::Again("unavailable".to_owned()));
    assert_eq!(server.api.ask("garbled", "new").await, Told::Again("unavailable".to_owned()));
    server.api.ask("healthy", "r").await.issued();
    // And whoever has to mend it still sees all campaigns.
    let list = server.api.get("/v1/campaigns").await.with(200);
    let states: Vec<_> = list["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|campaign| (&campaign["id"], &campaign["state"]))
        .collect();
    assert_eq!(
        states,
        [(&"garbled".into(), &"unavailable".into()), (&"healthy".into(), &"open".into())],
        "{list}"
    );
}
