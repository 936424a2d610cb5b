//! P1, P2, P3 over HTTP: exactly so many, once a person, in one order, however many ask at once.

use serde_json::json;

use crate::rig::{
    Folder, Server, Told, ask_all, assert_exact, coupons, crowd, eventually, gather, one, people,
};

/// So many people ask at once for so many coupons, everybody once.
async fn sells_exactly(asking: u32, stock: u64, at_once: usize) {
    let folder = Folder::new();
    let server = Server::start(&folder).await;
    server.api.create("rush", stock).await;
    let people = people("p", asking);

    let told = crowd(&server.api, "rush", &people, at_once).await;

    let expected = stock.min(u64::from(asking));
    let issued = told.iter().filter(|told| told.is_issued()).count();
    assert_eq!(u64::try_from(issued).unwrap(), expected, "issued");
    let refused = told.iter().filter(|told| **told == Told::No("sold_out".to_owned())).count();
    assert_eq!(issued + refused, people.len(), "everybody else is told that it is sold out: {told:?}");
    for (person, told) in people.iter().zip(&told) {
        assert!(told.coupon().is_none_or(|coupon| coupon.user == *person), "{person} was told {told:?}");
    }
    assert_exact(&server, "rush", expected, &coupons(&told)).await;
    let state = server.api.campaign("rush").await;
    assert_eq!((&state["state"], &state["reason"]), (&json!("closed"), &json!("sold_out")), "{state}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn thirty_people_for_ten_coupons() {
    sells_exactly(30, 10, 30).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hundred_people_for_a_hundred_coupons() {
    sells_exactly(100, 100, 100).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_thousand_people_for_a_thousand_coupons() {
    sells_exactly(10_000, 1_000, 256).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_person_ten_times_at_once_gets_one_coupon() {
    let folder = Folder::new();
    let server = Server::start(&folder).await;
    server.api.create("double", 1_000).await;

    let told = gather(10, (0..10).map(|_| server.api.ask("double", "impatient")).collect()).await;

    assert_eq!(told.iter().filter(|told| told.is_issued()).count(), 1, "{told:?}");
    let coupon = one(&told.iter().map(|told| told.coupon().cloned()).collect::<Vec<_>>()).unwrap();
    assert_exact(&server, "double", 1, &[coupon]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_whole_crowd_that_clicks_ten_times_shares_the_stock_as_if_it_had_clicked_once() {
    let folder = Folder::new();
    let server = Server::start(&folder).await;
    server.api.create("double", 40).await;
    let people = people("p", 60);

    let clicks = (0..600).map(|click| server.api.ask("double", &people[click % 60]));
    let told = gather(300, clicks.collect()).await;

    assert_eq!(told.iter().filter(|told| told.is_issued()).count(), 40);
    let sold = coupons(&told);
    assert_eq!(sold.len(), 40, "a person's answers name one coupon");
    for (person, name) in people.iter().enumerate() {
        let of_person: Vec<_> = told.iter().skip(person).step_by(60).collect();
        let holds = of_person.iter().any(|told| told.coupon().is_some());
        for told in of_person {
            let sold_out = *told == Told::No("sold_out".to_owned());
            assert!(sold_out != holds, "{name} holds a coupon or does not: {told:?}");
        }
    }
    assert_exact(&server, "double", 40, &sold).await;
}

/// Everybody wishes one more than the limit, each wish under a key of its own and three times at once.
async fn limit_with_keys(limit: u32, stock: u64) {
    let folder = Folder::new();
    let server = Server::start(&folder).await;
    server.api.create_as("several", stock, &json!({ "per_user_limit": limit })).await;
    let people = people("p", 30);
    let wishes: Vec<_> = people
        .iter()
        .flat_map(|person| (0..=limit).map(move |wish| (person, format!("wish {wish}"))))
        .collect();

    let asks = wishes.iter().flat_map(|wish| std::iter::repeat_n(wish, 3));
    let asks = asks.map(|(person, key)| server.api.ask_with("several", person, Some(key)));
    let told = gather(200, asks.collect()).await;

    let may_have = stock.min(30 * u64::from(limit));
    let sold = coupons(&told);
    assert_eq!(u64::try_from(sold.len()).unwrap(), may_have);
    assert_eq!(told.iter().filter(|told| told.is_issued()).count(), sold.len(), "each is new once");
    for (wish, told) in wishes.iter().zip(told.chunks(3)) {
        let held: Vec<_> = told.iter().map(|told| told.coupon().map(|coupon| coupon.seq)).collect();
        one(&held);
        for told in told {
            let refusal = matches!(told, Told::No(code) if code == "sold_out" || code == "limit_reached");
            assert!(
                refusal || told.coupon().is_some_and(|coupon| coupon.user == *wish.0),
                "{wish:?} {told:?}"
            );
        }
    }
    for person in &people {
        let holds = sold.iter().filter(|coupon| coupon.user == *person).count();
        assert!(holds <= usize::try_from(limit).unwrap(), "{person} holds {holds}");
    }
    // Each key again, afterwards: what it got it gets, what it did not get it does not get.
    for ((person, key), told) in wishes.iter().zip(told.chunks(3)) {
        let again = server.api.ask_with("several", person, Some(key)).await;
        match told[0].coupon() {
            Some(coupon) => assert_eq!(&again.already(), coupon),
            None => assert!(again.coupon().is_none() && again.is_clear(), "{person} {key} {again:?}"),
        }
    }
    assert_exact(&server, "several", may_have, &sold).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn limit_two_with_every_key_repeated() {
    limit_with_keys(2, 1_000).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn limit_three_with_every_key_repeated() {
    limit_with_keys(3, 1_000).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn limit_three_with_too_little_stock() {
    limit_with_keys(3, 50).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_may_hold_several_must_send_a_key_and_is_told_what_he_holds() {
    let folder = Folder::new();
    let server = Server::start(&folder).await;
    let api = &server.api;
    api.create_as("several", 10, &json!({ "per_user_limit": 2 })).await;

    let path = "/v1/campaigns/several/coupons";
    let refused = api.post(path, &json!({ "user_id": "u" })).await.problem(422, "invalid_request");
    assert_eq!(refused["field"], "Idempotency-Key");
    assert_eq!(api.campaign("several").await["issued"], 0);

    let first = api.ask_with("several", "u", Some("a")).await.issued();
    let second = api.ask_with("several", "u", Some("b")).await.issued();
    let request = api.request(reqwest::Method::POST, path).header("idempotency-key", "c");
    let third = crate::rig::send(request.json(&json!({ "user_id": "u" }))).await.unwrap();
    let held = third.problem(409, "limit_reached")["coupons"].clone();
    let held: Vec<_> = held.as_array().unwrap().iter().map(crate::rig::Coupon::read).collect();
    assert_eq!(held, [first.clone(), second.clone()]);
    // A key is a person's own: another person's equal key is another wish.
    let other = api.ask_with("several", "v", Some("a")).await.issued();
    assert_exact(&server, "several", 3, &[first, second, other]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn stock_that_is_added_when_all_is_sold_is_sold_exactly_too() {
    let folder = Folder::new();
    let server = Server::start(&folder).await;
    let api = &server.api;
    api.create("grows", 50).await;
    let first = crowd(api, "grows", &people("early", 80), 80).await;
    assert_eq!(coupons(&first).len(), 50);

    api.patch("/v1/campaigns/grows", &json!({ "stock": 80 })).await.with(200);
    let second = crowd(api, "grows", &people("late", 80), 80).await;
    assert_eq!(coupons(&second).len(), 30, "those who come now are not refused from memory");

    // Paused in the middle of nothing: nobody new, but who holds is told so.
    api.patch("/v1/campaigns/grows", &json!({ "stock": 90 })).await.with(200);
    assert_eq!(api.act("/v1/campaigns/grows/pause").await.with(200)["state"], "paused");
    assert_eq!(api.ask("grows", "new").await, Told::No("paused".to_owned()));
    let holder = coupons(&first)[0].clone();
    assert_eq!(api.ask("grows", &holder.user).await.already(), holder);
    api.act("/v1/campaigns/grows/resume").await.with(200);
    let third = ask_all(api, "grows", &people("last", 20)).await;
    let known = coupons(first.iter().chain(&second).chain(&third));
    assert_exact(&server, "grows", 90, &known).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pausing_and_resuming_in_the_middle_of_a_rush_loses_and_gives_nobody_anything() {
    let folder = Folder::new();
    let server = Server::start(&folder).await;
    let api = server.api.clone();
    api.create("switched", 2_000).await;
    let rush = tokio::spawn(async move { crowd(&api, "switched", &people("p", 2_500), 64).await });
    for _ in 0..10 {
        server.api.act("/v1/campaigns/switched/pause").await.with(200);
        let at_rest = server.api.campaign("switched").await["issued"].clone();
        assert_eq!(server.api.campaign("switched").await["issued"], at_rest, "paused is paused");
        server.api.act("/v1/campaigns/switched/resume").await.with(200);
    }
    let told = rush.await.unwrap();
    assert!(told.iter().all(Told::is_clear), "{told:?}");
    let more = eventually("it is sold out", async || {
        let more = ask_all(&server.api, "switched", &people("p", 2_500)).await;
        (server.api.campaign("switched").await["remaining"] == 0).then_some(more)
    });
    let known = coupons(told.iter().chain(&more.await));
    assert_exact(&server, "switched", 2_000, &known).await;
}
