//! One evening as its people see it, from the announcement to the books: the same story over one process and over a
//! cluster. It knows nothing but the HTTP API.

use serde_json::{Value, json};

use crate::rig::{
    Api, Folder, Server, System, Told, ask_all, ask_until_clear, assert_exact, assert_level, coupons,
    eventually, from_now, people,
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_journey_over_one_process() {
    journey(&Server::start(&Folder::new()).await).await;
}

/// The story.
pub async fn journey(system: &impl System) {
    let api = system.api();
    announced(api).await;
    let first = opened(api).await;
    let sold = sold_out_and_topped_up(api, first).await;
    assert_exact(system, "evening", 130, &sold).await;
    looked_up(api, &sold[41].code, &sold[41].user).await;
    several_each(api).await;
    assert_exact(system, "pairs", 4, &[]).await;
    called_off(api).await;
    in_the_books(api).await;
}

/// What somebody is told who asks until it is clear.
async fn asked(api: &Api, campaign: &str, user: &str) -> Told {
    ask_until_clear(api, campaign, user, None).await
}

/// Nobody is early: what opens tomorrow answers when.
async fn announced(api: &Api) {
    let opens_at = from_now(86_400_000);
    let tomorrow =
        json!({ "id": "tomorrow", "opens_at": opens_at, "closes_at": from_now(90_000_000), "stock": 5 });
    let created = api.post("/v1/campaigns", &tomorrow).await.with(201);
    assert_eq!((&created["state"], &created["remaining"]), (&"scheduled".into(), &5.into()), "{created}");
    let early = api
        .post("/v1/campaigns/tomorrow/coupons", &json!({ "user_id": "early" }))
        .await
        .problem(409, "not_open");
    assert_eq!(early["opens_at"], opens_at.as_str(), "{early}");
    api.post("/v1/campaigns", &tomorrow).await.problem(409, "campaign_exists");
    let nowhere = api.post("/v1/campaigns/nowhere/coupons", &json!({ "user_id": "early" })).await;
    nowhere.problem(404, "campaign_not_found");
}

/// A rush, with a pause in it; a double click is one coupon.
async fn opened(api: &Api) -> Vec<Told> {
    api.create("evening", 100).await;
    let mut told = ask_all(api, "evening", &people("guest", 40)).await;
    let again = asked(api, "evening", "guest-7").await.already();
    assert_eq!(Some(&again), told[6].coupon());

    let paused = api.act("/v1/campaigns/evening/pause").await.with(200);
    assert_eq!(paused["state"], "paused", "{paused}");
    assert_eq!(api.act("/v1/campaigns/evening/pause").await.with(200)["state"], "paused", "once more");
    assert_eq!(asked(api, "evening", "late-1").await, Told::No("paused".to_owned()));
    assert_eq!(asked(api, "evening", "guest-7").await.already(), again, "who has one keeps it");
    let resumed = api.act("/v1/campaigns/evening/resume").await.with(200);
    assert_eq!((&resumed["state"], &resumed["issued"]), (&"open".into(), &40.into()), "{resumed}");
    told.extend(ask_all(api, "evening", &people("late", 120)).await);
    told
}

/// The last one is gone; then there are more after all.
async fn sold_out_and_topped_up(api: &Api, mut told: Vec<Told>) -> Vec<crate::rig::Coupon> {
    assert_eq!(coupons(&told).len(), 100);
    assert_eq!(told.iter().filter(|told| **told == Told::No("sold_out".to_owned())).count(), 60);
    let closed = api.campaign("evening").await;
    assert_eq!((&closed["state"], &closed["reason"]), (&"closed".into(), &"sold_out".into()), "{closed}");

    api.act("/v1/campaigns/evening/rebuild").await.with(200);
    let more = api.patch("/v1/campaigns/evening", &json!({ "stock": 130 })).await.with(200);
    assert_eq!((&more["state"], &more["remaining"]), (&"open".into(), &30.into()), "{more}");
    told.extend(ask_all(api, "evening", &people("late", 120)).await);
    let sold = coupons(&told);
    assert_eq!(sold.len(), 130);
    sold
}

/// A guest calls: what do I have, and when did I get it?
async fn looked_up(api: &Api, code: &str, user: &str) {
    let coupon = api.get(&format!("/v1/history/coupons/{code}")).await.with(200);
    assert_eq!(coupon["coupon"]["user_id"], user, "{coupon}");
    let own = api.get(&format!("/v1/history/users/{user}/coupons")).await.with(200);
    assert_eq!(own["items"].as_array().map(Vec::len), Some(1), "{own}");
    assert_eq!(own["items"][0]["code"], code, "{own}");
    let csv = api.get("/v1/history/campaigns/evening/coupons.csv").await;
    assert_eq!((csv.status, csv.text.lines().count()), (200, 131));
    let minutes = api.get("/v1/history/campaigns/evening/timeline?step=1m").await.with(200);
    let issued: u64 =
        minutes["items"].as_array().unwrap().iter().map(|minute| minute["issued"].as_u64().unwrap()).sum();
    assert_eq!(issued, 130, "{minutes}");
}

/// Two for each, with keys: a retry is no second wish.
async fn several_each(api: &Api) {
    api.create_as("pairs", 10, &json!({ "per_user_limit": 2 })).await;
    for user in ["ada", "bob"] {
        let ask = async |key| ask_until_clear(api, "pairs", user, Some(key)).await;
        let first = ask("one").await.coupon().cloned().expect("a coupon");
        assert_eq!(ask("one").await.already(), first);
        let second = ask("two").await.coupon().cloned().expect("a coupon");
        assert_ne!(first.code, second.code);
        assert_eq!(ask("three").await, Told::No("limit_reached".to_owned()));
    }
}

/// Tomorrow is cancelled.
async fn called_off(api: &Api) {
    let cancelled = api.act("/v1/campaigns/tomorrow/cancel").await.with(200);
    assert_eq!(
        (&cancelled["state"], &cancelled["reason"]),
        (&"closed".into(), &"cancelled".into()),
        "{cancelled}"
    );
    assert_eq!(asked(api, "tomorrow", "early").await, Told::No("closed".to_owned()));
    assert_eq!(assert_level(api, "tomorrow").await, 0);
}

/// Who did what stands in the audit; what is behind, and who is stuck, can be asked.
async fn in_the_books(api: &Api) {
    let actions = |audit: &Value| -> Vec<String> {
        let items = audit["items"].as_array().unwrap().iter().rev();
        items.map(|entry| entry["action"].as_str().unwrap().to_owned()).collect()
    };
    eventually("everything that was done is in the audit", async || {
        let audit = api.get("/v1/audit-log?campaign=evening").await.with(200);
        let wanted =
            ["campaign_created", "campaign_paused", "campaign_resumed", "gate_fenced", "stock_changed"];
        let mut actions = actions(&audit);
        // The wish to rebuild stands there beside the fence that it led to, and a loss of the gate would add fences.
        actions.retain(|action| action != "operator_acted");
        (actions == wanted).then_some(())
    })
    .await;
    let ids: Vec<_> = api.get("/v1/campaigns").await.with(200)["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|campaign| campaign["id"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(ids, ["evening", "pairs", "tomorrow"]);
    for path in ["/v1/dead-letters", "/v1/history/dead-letters"] {
        assert_eq!(api.get(path).await.with(200)["items"], json!([]), "{path}");
    }
    eventually("nothing is behind", async || {
        (api.get("/v1/history/lag").await.with(200)["lag_events"] == 0).then_some(())
    })
    .await;
}
