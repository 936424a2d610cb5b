//! P8: busy is not sold out. A full queue uses up nothing and nobody's chance.

use crate::rig::{Folder, Launch, Told, ask_all, assert_exact, coupons, crowd, eventually, people, send};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_queue_says_busy_and_who_was_busy_gets_a_coupon_when_asking_again() {
    let folder = Folder::new();
    let server = Launch::on(&folder).args(&["--queue", "1"]).start().await;
    server.api.create("narrow", 2_000).await;
    let (mut everybody, mut unavailable) = (Vec::new(), 0);
    // One crowd may happen to get through; not every one.
    let busy = eventually("somebody is told that it is busy", async || {
        let crowd_name = format!("c{}", everybody.len());
        let asking = people(&crowd_name, 400);
        let told = crowd(&server.api, "narrow", &asking, 400).await;
        let busy: Vec<_> = asking
            .iter()
            .zip(&told)
            .filter(|(_, told)| **told == Told::Again("busy".to_owned()))
            .map(|(person, _)| person.clone())
            .collect();
        assert!(told.iter().all(|told| told.is_issued() || matches!(told, Told::Again(_))), "{told:?}");
        // On a disk that stands still: decided or not.
        unavailable += told.iter().filter(|told| **told == Told::Again("unavailable".to_owned())).count();
        everybody.extend(asking);
        (!busy.is_empty()).then_some(busy)
    })
    .await;
    let issued = usize::try_from(server.api.campaign("narrow").await["issued"].as_u64().unwrap()).unwrap();
    let clear = everybody.len() - busy.len();
    assert!(
        (clear - unavailable..=clear).contains(&issued),
        "{issued} of {clear}, {unavailable} unavailable"
    );

    let again = ask_all(&server.api, "narrow", &busy).await;
    assert!(
        again.iter().all(|told| told.coupon().is_some()),
        "being busy uses up nobody's chance: {again:?}"
    );
    let all = ask_all(&server.api, "narrow", &everybody).await;
    assert_exact(&server, "narrow", u64::try_from(everybody.len()).unwrap(), &coupons(&all)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_a_tiny_queue_the_stock_is_sold_to_the_last_coupon() {
    let folder = Folder::new();
    let server = Launch::on(&folder).args(&["--queue", "2"]).start().await;
    server.api.create("narrow", 300).await;
    let told = ask_all(&server.api, "narrow", &people("p", 500)).await;
    assert_eq!(coupons(&told).len(), 300);
    assert_eq!(told.iter().filter(|told| **told == Told::No("sold_out".to_owned())).count(), 200);
    assert_exact(&server, "narrow", 300, &coupons(&told)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_campaigns_flood_does_not_make_another_busy() {
    let folder = Folder::new();
    let server = Launch::on(&folder).args(&["--queue", "1"]).start().await;
    server.api.create("flooded", 1_000_000).await;
    server.api.create("quiet", 100).await;
    let api = server.api.clone();
    let flood = tokio::spawn(async move { crowd(&api, "flooded", &people("p", 1_500), 100).await });
    for person in people("q", 20) {
        // One at a time: its own queue of one always has room.
        server.api.ask("quiet", &person).await.issued();
    }
    flood.await.unwrap();
    let metrics = send(server.api.request(reqwest::Method::GET, "/metrics")).await.unwrap();
    assert_eq!(metrics.status, 200);
    assert_exact(&server, "quiet", 20, &[]).await;
}
