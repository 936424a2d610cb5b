//! Queries.

use firstcome_shared::clock::Millis;
use firstcome_shared::domain::UserId;
use firstcome_shared::fingerprint::{MAX_ROWS, Range, Row, Sum};
use firstcome_shared::position::Position;
use firstcome_shared::wire::{CouponStatus, Store};

use super::{ALL, Order, Place, Span, filled};
use crate::projection::CouponView;
use crate::testing::{History, OPENS, code, id};

fn people(from: usize, to: usize) -> Vec<String> {
    (from..=to).map(|number| format!("u-{number}")).collect()
}

fn asked(history: &mut History, campaign: &str, from: usize, to: usize) {
    let people = people(from, to);
    history.ask(campaign, &people.iter().map(String::as_str).collect::<Vec<_>>());
}

fn seqs(coupons: &[CouponView]) -> Vec<u64> {
    coupons.iter().map(|coupon| coupon.seq).collect()
}

pub(in crate::read_model) async fn lists_coupons_by_key_in_both_orders(place: &dyn Place) {
    let mut history = History::new();
    history.create("summer", 20).create("winter", 20);
    asked(&mut history, "summer", 1, 12);
    asked(&mut history, "winter", 1, 3);
    let (model, _) = filled(place, &history).await;
    let summer = id("summer");
    let page = async |order, after, limit| seqs(&model.coupons(&summer, order, after, limit).await.unwrap());
    assert_eq!(page(Order::Ascending, None, 5).await, [1, 2, 3, 4, 5]);
    assert_eq!(page(Order::Ascending, Some(5), 5).await, [6, 7, 8, 9, 10]);
    assert_eq!(page(Order::Ascending, Some(10), 5).await, [11, 12]);
    assert_eq!(page(Order::Ascending, Some(12), 5).await, [0; 0]);
    assert_eq!(page(Order::Descending, None, 5).await, [12, 11, 10, 9, 8]);
    assert_eq!(page(Order::Descending, Some(3), 5).await, [2, 1]);
    let third = model.coupons(&summer, Order::Ascending, Some(2), 1).await.unwrap().remove(0);
    let expected = CouponView {
        campaign: summer,
        seq: 3,
        user_id: UserId::parse("u-3").unwrap(),
        code: code("summer", 3),
        window: 1,
        n: 1,
        issued_at: OPENS,
        expires_at: Some(OPENS.plus(60_000)),
        status: CouponStatus::Issued,
        version: 1,
        position: Position::new(0, 3),
    };
    assert_eq!(third, expected);
}

pub(in crate::read_model) async fn lists_a_persons_coupons_over_all_campaigns(place: &dyn Place) {
    let mut history = History::new();
    for name in ["autumn", "spring", "summer"] {
        history.create(name, 20);
        asked(&mut history, name, 1, 3);
    }
    let (model, _) = filled(place, &history).await;
    let user = UserId::parse("u-2").unwrap();
    let names = |coupons: &[CouponView]| {
        coupons.iter().map(|coupon| format!("{}/{}", coupon.campaign, coupon.seq)).collect::<Vec<_>>()
    };
    let first = model.coupons_of(&user, None, 2).await.unwrap();
    assert_eq!(names(&first), ["autumn/2", "spring/2"]);
    let rest = model.coupons_of(&user, Some((&first[1].campaign, first[1].seq)), 2).await.unwrap();
    assert_eq!(names(&rest), ["summer/2"]);
    let nobody = UserId::parse("u-99").unwrap();
    assert_eq!(model.coupons_of(&nobody, None, 2).await.unwrap(), []);
}

pub(in crate::read_model) async fn finds_a_coupon_by_its_code(place: &dyn Place) {
    let mut history = History::new();
    history.create("summer", 20);
    asked(&mut history, "summer", 1, 3);
    let (model, _) = filled(place, &history).await;
    let found = model.coupon(&code("summer", 2)).await.unwrap().expect("it was issued");
    assert_eq!((found.seq, found.user_id.as_str()), (2, "u-2"));
    assert_eq!(model.coupon(&code("summer", 4)).await.unwrap(), None);
    assert_eq!(model.coupon("").await.unwrap(), None);
}

pub(in crate::read_model) async fn lists_campaigns_and_those_that_moved(place: &dyn Place) {
    let mut history = History::new();
    for name in ["summer", "autumn", "winter", "spring"] {
        history.create(name, 20);
    }
    asked(&mut history, "autumn", 1, 1);
    let (model, _) = filled(place, &history).await;
    let names = |views: Vec<crate::projection::CampaignView>| {
        views.iter().map(|view| view.id.to_string()).collect::<Vec<_>>()
    };
    assert_eq!(names(model.campaigns(None, 3).await.unwrap()), ["autumn", "spring", "summer"]);
    assert_eq!(names(model.campaigns(Some("summer"), 3).await.unwrap()), ["winter"]);
    assert_eq!(names(model.campaigns(Some("winter"), 3).await.unwrap()), Vec::<String>::new());
    assert_eq!(model.moved(0, 0, 2).await.unwrap(), [(id("summer"), 1), (id("winter"), 3)]);
    assert_eq!(model.moved(0, 3, 9).await.unwrap(), [(id("spring"), 4), (id("autumn"), 5)]);
    assert_eq!(model.moved(0, 5, 9).await.unwrap(), []);
    assert_eq!(model.moved(1, 0, 9).await.unwrap(), []);
    assert_eq!(model.campaign(&id("nowhere")).await.unwrap(), None);
    assert_eq!(model.campaign(&id("winter")).await.unwrap().unwrap().position.sequence, 3);
}

pub(in crate::read_model) async fn sums_the_timeline_by_step(place: &dyn Place) {
    let mut history = History::new();
    history.create("summer", 90).create("winter", 90).after(400);
    asked(&mut history, "summer", 1, 3);
    asked(history.after(500), "summer", 4, 5);
    asked(history.after(500), "winter", 1, 9);
    asked(history.after(70_000), "summer", 6, 6);
    asked(history.after(3_600_000 - 2_600_000), "summer", 7, 7);
    let (model, _) = filled(place, &history).await;
    let summer = id("summer");
    let counts = async |span| {
        let buckets = model.timeline(&summer, span).await.unwrap();
        buckets.iter().map(|bucket| (bucket.at.0.0, bucket.issued)).collect::<Vec<_>>()
    };
    // Summer opens at 1,000 s; its last coupon here is refused, because it closes at 2,000 s.
    assert_eq!(counts(ALL).await, [(1_000_000, 5), (1_071_000, 1)]);
    assert_eq!(counts(Span { step: 60_000, ..ALL }).await, [(960_000, 5), (1_020_000, 1)]);
    assert_eq!(counts(Span { step: 3_600_000, ..ALL }).await, [(0, 6)]);
    assert_eq!(counts(Span { from: Millis(1_000_001), ..ALL }).await, [(1_071_000, 1)]);
    assert_eq!(counts(Span { to: Millis(1_071_000), ..ALL }).await, [(1_000_000, 5)]);
    assert_eq!(counts(Span { limit: 1, ..ALL }).await, [(1_000_000, 5)]);
    assert_eq!(model.timeline(&id("nowhere"), ALL).await.unwrap(), []);
}

pub(in crate::read_model) async fn sums_up_rows_within_a_range(place: &dyn Place) {
    let mut history = History::new();
    history.create("summer", 2_000).create("winter", 5);
    asked(&mut history, "summer", 1, 3);
    asked(&mut history, "summer", 4, 7);
    let (model, claim) = filled(place, &history).await;
    let summer = id("summer");
    let expected = |range: Range, seqs: std::ops::Range<u64>| {
        let mut sum = Sum::default();
        for seq in seqs {
            let row = Row {
                seq,
                user_id: format!("u-{seq}"),
                code: code("summer", seq),
                issued_at: OPENS,
                expires_at: Some(OPENS.plus(60_000)),
                status: Some(CouponStatus::Issued),
            };
            sum.add(&range, row);
        }
        Some(sum.fingerprint(Store::ReadModel, "summer", Position::new(0, 4), &range))
    };
    let all = Range { rows: true, ..Range::default() };
    for (range, seqs) in [
        (all, 1..8),
        (Range { from: 2, to: 5, ..all }, 2..6),
        (Range { upto: Some(Position::new(0, 3)), ..all }, 1..4),
        (Range { upto: Some(Position::new(0, 2)), ..all }, 1..1),
    ] {
        let held = model.fingerprint(&summer, &range).await.unwrap();
        assert_eq!(held, expected(range, seqs), "{range:?}");
    }
    assert_eq!(model.fingerprint(&id("nowhere"), &all).await.unwrap(), None);
    let empty = model.fingerprint(&id("winter"), &all).await.unwrap().unwrap();
    assert_eq!((empty.count, empty.highest, empty.rows), (0, 0, Some(Vec::new())));
    asked(&mut history, "summer", 8, 1_100);
    model.apply(&claim, 4, history.since(4), history.end()).await.unwrap();
    let many = model.fingerprint(&summer, &all).await.unwrap().unwrap();
    assert!(many.count >= MAX_ROWS);
    assert_eq!((many.count, many.highest, many.rows), (1_100, 1_100, None));
}
