//! That a campaign was sold exactly: by the answers, by every store's rows, and by `firstcome verify`.

use std::collections::HashSet;

use serde_json::Value;

use super::{Api, Coupon, Ended, Server, eventually, run_with};

/// What can be held against the promises: one process, or a cluster.
pub trait System {
    /// How it is asked.
    fn api(&self) -> &Api;

    /// Its addresses, as `firstcome verify` takes them.
    fn addresses(&self) -> String;

    /// The key that it wants, if any.
    fn key(&self) -> Option<&str>;
}

impl System for Server {
    fn api(&self) -> &Api {
        &self.api
    }

    fn addresses(&self) -> String {
        self.url.clone()
    }

    fn key(&self) -> Option<&str> {
        Server::key(self)
    }
}

/// Asks until there is an answer, which must be 200. Another instance than the one that was asked before may rightly say
/// 503, as long as it is behind.
async fn answered(api: &Api, path: &str) -> Value {
    eventually(&format!("{path} is answered"), async || {
        let answer = api.get(path).await;
        (answer.status != 503).then(|| answer.with(200))
    })
    .await
}

/// A store's rows, summed up.
pub async fn fingerprint(api: &Api, campaign: &str, store: &str) -> Value {
    let path = match store {
        "read_model" => format!("/v1/history/campaigns/{campaign}/fingerprint"),
        store => format!("/v1/campaigns/{campaign}/fingerprint?store={store}"),
    };
    answered(api, &path).await
}

/// Waits until ledger and read model hold the rows of the log; returns how many there are.
pub async fn assert_level(api: &Api, campaign: &str) -> u64 {
    let log = fingerprint(api, campaign, "log").await;
    for store in ["ledger", "read_model"] {
        eventually(&format!("the {store} of {campaign} is level with the log"), async || {
            let path = if store == "ledger" { "/v1" } else { "/v1/history" };
            // The read model does not know the campaign before it has read that it was created.
            let known = api.get(&format!("{path}/campaigns/{campaign}")).await.status == 200;
            let rows = if known { fingerprint(api, campaign, store).await } else { return None };
            ["count", "highest", "checksum", "status_checksum"]
                .iter()
                .all(|of| rows[of] == log[of])
                .then_some(())
        })
        .await;
    }
    log["count"].as_u64().unwrap()
}

/// `firstcome verify --json` on this system.
pub async fn verify(system: &impl System) -> Ended {
    let key = system.key().map(|key| ("FIRSTCOME_API_KEY", key));
    run_with(["verify", "--json", "--server", &system.addresses()], key.as_slice()).await
}

/// Of this campaign exactly the coupons 1 to `count` were given out, `known` among them under the same number, person
/// and code; gate, log, ledger and read model agree; and the binary's own verification finds nothing.
pub async fn assert_exact(system: &impl System, campaign: &str, count: u64, known: &[Coupon]) {
    let api = system.api();
    let view = answered(api, &format!("/v1/campaigns/{campaign}")).await;
    assert_eq!(view["issued"], count, "{view}");
    let stock = view["stock"].as_u64().unwrap();
    assert_eq!(view["remaining"], stock - count, "{view}");

    assert_eq!(assert_level(api, campaign).await, count);
    let log = fingerprint(api, campaign, "log").await;
    assert_eq!((log["count"].as_u64(), log["highest"].as_u64()), (Some(count), Some(count)), "{log}");
    let gate = fingerprint(api, campaign, "gate").await;
    for of in ["count", "highest", "checksum"] {
        assert_eq!(gate[of], log[of], "gate {gate}, log {log}");
    }

    let sold = history(api, campaign).await;
    let numbers: Vec<_> = sold.iter().map(|coupon| coupon.seq).collect();
    assert_eq!(numbers, (1..=count).collect::<Vec<_>>(), "1..{count} without a gap, in order");
    let codes: HashSet<_> = sold.iter().map(|coupon| &coupon.code).collect();
    assert_eq!(codes.len(), sold.len(), "codes are unique");
    for coupon in known {
        let found = coupon.seq.checked_sub(1).and_then(|place| sold.get(usize::try_from(place).unwrap()));
        assert_eq!(found, Some(coupon), "what was said stays said");
    }

    let report = verify(system).await;
    assert_eq!(report.code, Some(0), "{report:?}");
    assert_eq!(report.json()["ok"], true, "{report:?}");
}

/// All coupons of a campaign, from the read model, page by page.
pub async fn history(api: &Api, campaign: &str) -> Vec<Coupon> {
    let (mut coupons, mut after) = (Vec::new(), String::new());
    loop {
        let path = format!("/v1/history/campaigns/{campaign}/coupons?limit=1000{after}");
        let page = answered(api, &path).await;
        coupons.extend(page["items"].as_array().unwrap().iter().map(Coupon::read));
        match page["next"].as_str() {
            Some(next) => after = format!("&after={next}"),
            None => return coupons,
        }
    }
}
