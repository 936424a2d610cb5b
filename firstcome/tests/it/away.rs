//! Lag is only lag (P7): while ledger and read model cannot be written, issuing goes on, also through a loss of the
//! gate's memory; when they can be again, they catch up by themselves.

use sqlx::Connection as _;

use crate::rig::{
    Folder, Server, ask_all, assert_exact, assert_level, coupons, eventually, fingerprint, hold, people,
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn issuing_goes_on_without_ledger_and_read_model_and_they_catch_up() {
    let folder = Folder::new();
    let server = Server::start(&folder).await;
    let api = &server.api;
    api.create("summer", 300).await;
    let mut told = ask_all(api, "summer", &people("before", 50)).await;
    assert_level(api, "summer").await;

    let (ledger, read_model) = (hold(&folder.file("ledger.db")).await, hold(&folder.file("read.db")).await);
    told.extend(ask_all(api, "summer", &people("away", 50)).await);
    // Until it is known: what nobody has noticed stops nobody.
    for (path, view) in [("/v1/pipeline", "/ledger/stalled"), ("/v1/history/lag", "/stalled")] {
        eventually("the store is known to be away", async || {
            let answer = api.get(path).await.with(200);
            answer.pointer(view).is_some_and(|why| !why.is_null()).then_some(())
        })
        .await;
    }
    told.extend(ask_all(api, "summer", &people("known", 50)).await);
    api.act("/v1/campaigns/summer/rebuild").await.with(200);
    told.extend(ask_all(api, "summer", &people("rebuilt", 100)).await);
    assert_eq!(coupons(&told).len(), 250, "everybody got one, with both databases away");
    assert_eq!(fingerprint(api, "summer", "ledger").await["count"], 50, "the ledger is away");
    assert_eq!(api.get("/readyz").await.status, 200, "what can issue is ready");

    ledger.close().await.unwrap();
    read_model.close().await.unwrap();
    assert_level(api, "summer").await;
    assert_exact(&server, "summer", 250, &coupons(&told)).await;
}
