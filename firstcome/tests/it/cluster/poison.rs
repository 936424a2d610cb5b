//! Messages that a store cannot apply, on the cluster's engines: parked, read byte for byte, replayed and discarded, and
//! whoever did it is seen.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;

use serde_json::Value;

use super::stack::Stack;
use crate::rig::{
    Api, System as _, ask_all, assert_exact, assert_level, coupons, eventually, history, people,
};

const GHOST: &str = "INSERT INTO coupon (campaign, seq, user_id, n, code, window_id, issued_at, position)
                     VALUES ('poisoned', 6, 'ghost', 1, 'GHOS-T000-GHOS-T000', 1, 0, 1)";
const LEDGER: &str = "/v1/dead-letters";
const READ_MODEL: &str = "/v1/history/dead-letters";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_postgres_or_mongo_cannot_hold_is_parked_replayed_and_discarded() {
    let stack = Stack::start().await;
    let api = stack.api();
    for campaign in ["poisoned", "garbled"] {
        api.create(campaign, 50).await;
    }
    let mut told = ask_all(api, "poisoned", &people("p", 5)).await;
    let mut others = ask_all(api, "garbled", &people("p", 5)).await;
    for campaign in ["poisoned", "garbled"] {
        assert_level(api, campaign).await;
    }

    // PostgreSQL has a row by hand where the sixth coupon will stand; the read model goes on.
    stack.postgres.sql(GHOST).await;
    told.extend(ask_all(api, "poisoned", &people("q", 5)).await);
    let letter = parked(api, LEDGER, "poisoned").await;
    let id = letter["id"].as_str().unwrap();
    assert!(letter["reason"].as_str().is_some_and(|reason| !reason.is_empty()), "{letter}");
    eventually("the read model goes on", async || (history(api, "poisoned").await.len() == 10).then_some(()))
        .await;

    // A message that nobody can read, longer than what a list shows, stops the other campaign in both stores.
    let garbled: Vec<u8> = (0..6_000_u32).map(|n| u8::try_from(n * n % 251).unwrap() ^ 0x80).collect();
    publish(&stack.nats.addr(), "firstcome.0.garbled.use", &garbled);
    for list in [LEDGER, READ_MODEL] {
        let letter = parked(api, list, "garbled").await;
        let path = format!("{list}/{}", letter["id"].as_str().unwrap());
        let message = api.request(reqwest::Method::GET, &format!("{path}/message")).send().await.unwrap();
        assert_eq!(message.bytes().await.unwrap(), garbled, "{list}");
        // Again and again the same.
        assert_eq!(api.act(&format!("{path}/replay")).await.status, 202);
        eventually("it is parked again", async || {
            let letter = find(api, list, "garbled").await?;
            (letter["attempts"].as_u64() > Some(5) && letter["replaying"] == false).then_some(())
        })
        .await;
    }
    // Nobody who asks notices.
    others.extend(ask_all(api, "garbled", &people("q", 5)).await);

    // Mended and replayed; skipped. Nothing is lost, and both sides are exact again.
    stack.postgres.sql("DELETE FROM coupon WHERE user_id = 'ghost'").await;
    assert_eq!(api.act(&format!("{LEDGER}/{id}/replay")).await.status, 202);
    for list in [LEDGER, READ_MODEL] {
        let letter = parked(api, list, "garbled").await;
        let discarded = api.delete(&format!("{list}/{}", letter["id"].as_str().unwrap())).await;
        assert_eq!(discarded.status, 202, "{discarded:?}");
    }
    for (list, campaign) in [(LEDGER, "poisoned"), (LEDGER, "garbled"), (READ_MODEL, "garbled")] {
        eventually("it is level", async || find(api, list, campaign).await.is_none().then_some(())).await;
    }
    assert_exact(&stack, "poisoned", 10, &coupons(&told)).await;
    assert_exact(&stack, "garbled", 10, &coupons(&others)).await;

    for (campaign, expected) in [
        ("poisoned", vec![format!("replay ledger {id}")]),
        (
            "garbled",
            ["discard read_model", "discard ledger", "replay read_model", "replay ledger"]
                .map(str::to_owned)
                .into(),
        ),
    ] {
        let acts = eventually("the audit log tells", async || {
            let acts = acts(api, campaign).await;
            (acts.len() == expected.len()).then_some(acts)
        })
        .await;
        for (act, expected) in acts.iter().zip(expected) {
            assert!(act.starts_with(&expected), "{acts:?}");
        }
    }
}

async fn find(api: &Api, list: &str, campaign: &str) -> Option<Value> {
    let letters = api.get(list).await.with(200);
    letters["items"].as_array().unwrap().iter().find(|letter| letter["campaign_id"] == campaign).cloned()
}

async fn parked(api: &Api, list: &str, campaign: &str) -> Value {
    eventually(&format!("{campaign} is in {list}"), async || find(api, list, campaign).await).await
}

/// What operators did outside the gate, newest first.
async fn acts(api: &Api, campaign: &str) -> Vec<String> {
    let page = api.get(&format!("/v1/audit-log?campaign={campaign}")).await.with(200);
    let entries = page["items"].as_array().unwrap().iter();
    let said = |entry: &Value| {
        assert_eq!(entry["actor"], "local", "{entry}");
        let of = |name: &str| entry["details"][name].as_str().unwrap().to_owned();
        format!("{} {}", of("action"), of("target"))
    };
    entries.filter(|entry| entry["action"] == "operator_acted").map(said).collect()
}

/// Publishes bytes past the product, as its protocol has it, and waits until the server has them.
fn publish(addr: &str, subject: &str, bytes: &[u8]) {
    let mut nats = TcpStream::connect(addr).unwrap();
    let head = format!("CONNECT {{\"verbose\":false}}\r\nPUB {subject} {}\r\n", bytes.len());
    nats.write_all(&[head.as_bytes(), bytes, b"\r\nPING\r\n"].concat()).unwrap();
    let mut said = Vec::new();
    while !said.windows(4).any(|word| word == b"PONG") {
        let mut some = [0; 1024];
        let read = nats.read(&mut some).unwrap();
        assert!(read > 0, "{}", String::from_utf8_lossy(&said));
        said.extend_from_slice(&some[..read]);
    }
}
