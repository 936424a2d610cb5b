//! P4: what was said stays said, through kill -9 and cut connections; who was told nothing learns the truth.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::json;
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;

use crate::rig::{
    Api, Coupon, Folder, Server, Told, ask_all, ask_until_clear, assert_exact, coupons, eventually, gather,
    people,
};

/// One request: campaign, person, key.
type Ask = (&'static str, String, Option<String>);

const ROUNDS: usize = 3;

fn asks_of(round: usize) -> Vec<Ask> {
    let singles = people(&format!("r{round}"), 900).into_iter().map(|person| ("single", person, None));
    let mut pairs = people(&format!("r{round}"), 100)
        .into_iter()
        .flat_map(|person| ["a", "b"].map(|key| ("pairs", person.clone(), Some(key.to_owned()))));
    // Mixed, so that a kill meets both.
    let mut asks = Vec::new();
    for single in singles {
        asks.push(single);
        if asks.len() % 4 == 0 {
            asks.extend(pairs.next());
        }
    }
    asks.extend(pairs);
    asks
}

async fn send(api: &Api, (campaign, person, key): &Ask) -> Told {
    api.ask_with(campaign, person, key.as_deref()).await
}

async fn counted(api: &Api, ask: &Ask, issued: &AtomicUsize) -> Told {
    let told = send(api, ask).await;
    issued.fetch_add(usize::from(told.is_issued()), Ordering::Relaxed);
    told
}

/// Asks them all until the answers are clear; everybody who knows a coupon must get that one.
async fn repeat(api: &Api, asks: &[Ask], known: &mut BTreeMap<Ask, Coupon>) {
    let told =
        gather(64, asks.iter().map(|ask| ask_until_clear(api, ask.0, &ask.1, ask.2.as_deref())).collect())
            .await;
    for (ask, told) in asks.iter().zip(told) {
        if let Some(coupon) = known.get(ask) {
            assert_eq!(told, Told::Already(coupon.clone()), "{ask:?}");
        } else {
            let coupon = told.coupon().unwrap_or_else(|| panic!("{ask:?} was told {told:?}"));
            known.insert(ask.clone(), coupon.clone());
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_in_the_middle_of_a_rush_three_times_nothing_that_was_said_is_lost() {
    let folder = Folder::new();
    let mut server = Server::start(&folder).await;
    server.api.create("single", 3_000).await;
    server.api.create_as("pairs", 700, &json!({ "per_user_limit": 2 })).await;
    let mut known = BTreeMap::new();
    let mut all = Vec::new();
    let mut cut_off = 0;

    for round in 0..ROUNDS {
        let asks = Arc::new(asks_of(round));
        let answered = Arc::new(AtomicUsize::new(0));
        let rush = {
            let (api, asks, answered) = (server.api.clone(), Arc::clone(&asks), Arc::clone(&answered));
            tokio::spawn(async move {
                gather(64, asks.iter().map(|ask| counted(&api, ask, &answered)).collect()).await
            })
        };
        // Early, in the middle, late.
        let enough = 100 + 300 * round;
        eventually("the rush is under way", async || {
            (answered.load(Ordering::Relaxed) >= enough).then_some(())
        })
        .await;
        server.kill().await;
        let told = rush.await.unwrap();
        for (ask, told) in asks.iter().zip(&told) {
            match told {
                Told::Issued(coupon, _) => drop(known.insert(ask.clone(), coupon.clone())),
                Told::Nothing => cut_off += 1,
                other => panic!("{ask:?} was told {other:?}"),
            }
        }
        server = server.started_again().await;

        // Those who were told, first of all; then everybody of this round, told or not; then the same again.
        let told: Vec<Ask> = known.keys().cloned().collect();
        repeat(&server.api, &told, &mut known).await;
        repeat(&server.api, &asks, &mut known).await;
        repeat(&server.api, &asks, &mut known).await;
        all.extend(asks.iter().cloned());
    }
    assert!(cut_off > 0, "it was killed when everybody had been answered: nothing was shown");
    assert_eq!(known.len(), all.len());

    // Selling on ends exactly, and all that was ever said still holds.
    let late = people("late", 400);
    let single = ask_all(&server.api, "single", &late).await;
    assert_eq!(coupons(&single).len(), 300);
    let late: Vec<_> =
        gather(64, late.iter().map(|user| ask_until_clear(&server.api, "pairs", user, Some("k"))).collect())
            .await;
    assert_eq!(coupons(&late).len(), 100);
    repeat(&server.api, &all, &mut known).await;
    for (campaign, stock, late) in [("single", 3_000, &single), ("pairs", 700, &late)] {
        let mut sold: Vec<_> =
            known.iter().filter(|(ask, _)| ask.0 == campaign).map(|(_, coupon)| coupon.clone()).collect();
        sold.extend(coupons(late));
        assert_exact(&server, campaign, stock, &sold).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_again_before_anybody_asks_and_while_it_starts_it_still_opens() {
    let folder = Folder::new();
    let mut server = Server::start(&folder).await;
    server.api.create("steady", 500).await;
    let sold = coupons(&ask_all(&server.api, "steady", &people("p", 200)).await);
    for _ in 0..3 {
        server = server.killed_and_started_again().await;
    }
    for _ in 0..3 {
        // The first ask makes it rebuild the gate: killed in that very moment.
        let api = server.api.clone();
        let ask = tokio::spawn(async move { api.ask("steady", "p-1").await });
        server = server.killed_and_started_again().await;
        if let Some(coupon) = ask.await.unwrap().coupon() {
            assert_eq!(*coupon, sold.iter().find(|coupon| coupon.user == "p-1").cloned().unwrap());
        }
    }
    let more = coupons(&ask_all(&server.api, "steady", &people("p", 300)).await);
    assert_eq!(more.len(), 300);
    assert!(sold.iter().all(|coupon| more.contains(coupon)));
    assert_exact(&server, "steady", 300, &more).await;
}

/// Sends an ask on a connection of its own and does not wait for the answer.
async fn sent_and_gone(url: &str, campaign: &str, user: &str) -> TcpStream {
    let address = url.strip_prefix("http://").unwrap();
    let mut stream = TcpStream::connect(address).await.unwrap();
    let body = json!({ "user_id": user }).to_string();
    let request = format!(
        "POST /v1/campaigns/{campaign}/coupons HTTP/1.1\r\nhost: {address}\r\ncontent-type: application/json\r\n\
         content-length: {}\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    stream
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_person_told_nothing_asks_again_and_gets_the_coupon_that_was_decided() {
    let folder = Folder::new();
    let server = Server::start(&folder).await;
    server.api.create("cut", 10).await;
    let unread = sent_and_gone(&server.url, "cut", "unlucky").await;
    eventually("it is decided", async || (server.api.campaign("cut").await["issued"] == 1).then_some(()))
        .await;
    drop(unread);
    let coupon = server.api.ask("cut", "unlucky").await.already();
    assert_eq!(coupon.seq, 1);
    // The same when the whole server went down with the answer unread.
    let unread = sent_and_gone(&server.url, "cut", "unluckier").await;
    eventually("it is decided", async || (server.api.campaign("cut").await["issued"] == 2).then_some(()))
        .await;
    let server = server.killed_and_started_again().await;
    drop(unread);
    let told = server.api.ask("cut", "unluckier").await;
    // Decided is not yet logged: then it was told to nobody, and is decided anew.
    let second = told.coupon().expect("a coupon").clone();
    assert_eq!(second.seq, 2);
    assert_exact(&server, "cut", 2, &[coupon, second]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn people_who_hang_up_at_once_never_hold_two_coupons_nor_use_up_more_than_one() {
    let folder = Folder::new();
    let server = Server::start(&folder).await;
    server.api.create("hasty", 60).await;
    let hasty = people("hasty", 60);
    for person in &hasty {
        drop(sent_and_gone(&server.url, "hasty", person).await);
    }
    let again = ask_all(&server.api, "hasty", &hasty).await;
    assert_eq!(coupons(&again).len(), 60, "the stock is enough for each of them, once: {again:?}");
    let once_more = ask_all(&server.api, "hasty", &hasty).await;
    for (before, now) in again.iter().zip(once_more) {
        assert_eq!(now.already(), *before.coupon().unwrap());
    }
    assert_eq!(server.api.ask("hasty", "late").await, Told::No("sold_out".to_owned()));
    assert_exact(&server, "hasty", 60, &coupons(&again)).await;
}
