//! A writer dies in front of any of its calls. Whoever comes next reads the same messages again, cut into other batches,
//! and everything comes out as if nothing had happened (ARCHITECTURE J2, J3).

use firstcome_shared::chain::Chain;
use firstcome_shared::event_log::Lane;
use firstcome_shared::position::Position;
use firstcome_shared::projection::{ApplyError, Claim, Parked, Projection, Remedy, Replayed};
use firstcome_testkit::shared;

use super::{BASE, applied_to_the_end, asked, begun, clean, history, open};
use crate::read_model::contract::{Dump, claim, dump, letter, taken_over};
use crate::read_model::mongo::MongoReadModel;
use crate::read_model::mongo::coupons;
use crate::read_model::mongo::documents::CouponDocument;
use crate::read_model::{Order, ReadModel};
use crate::testing::{History, id};

/// More calls than any step makes.
const MANY: usize = 40;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_batch_that_is_cut_off_anywhere_comes_out_as_if_nothing_had_happened() {
    let history = history();
    let expected = clean(&history).await;
    for n in 0..MANY {
        let url = shared::mongo_database().await;
        let (model, claim) = begun(&url, &history).await;
        model.writer.hook.cut_at(n);
        let cut = model.apply(&claim, BASE, history.since(BASE), history.end()).await;
        if cut.is_ok() {
            assert!(n >= 8, "a batch makes more than {n} calls");
            return;
        }
        assert!(matches!(cut, Err(ApplyError::Unavailable(_))), "{cut:?}");
        let next = open(&url).await;
        assert_eq!(next.checkpoint(0).await.unwrap().unwrap().sequence, BASE, "the checkpoint comes last");
        let claim = taken_over(&next).await;
        applied_to_the_end(&next, &claim, &history, n % 4 + 1).await;
        assert_eq!(dump(&next).await, expected, "cut off in front of call {n}");
    }
    panic!("a batch of {MANY} calls");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn half_of_the_coupons_is_no_more_than_none() {
    let history = history();
    let expected = clean(&history).await;
    for every in 1..4 {
        let url = shared::mongo_database().await;
        let (model, claim) = begun(&url, &history).await;
        let mut views = crate::projection::Views::default();
        views.fold(&history.deliveries).unwrap();
        let late = views.coupons.iter().filter(|coupon| coupon.position.sequence > BASE);
        let half: Vec<CouponDocument> = late.step_by(every).map(CouponDocument::from).collect();
        coupons::insert(&model.writer, &half).await.unwrap();
        coupons::insert(&model.writer, &half).await.expect("the same once more");
        applied_to_the_end(&model, &claim, &history, 3).await;
        assert_eq!(dump(&model).await, expected);
    }
}

/// A server that needs its whole deadline for a thousand documents: a batch that comes again must pass all the same.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_large_batch_that_comes_again_is_looked_for_in_small_parts() {
    let mut history = History::new();
    history.create("summer", 9_000).create("winter", 9_000);
    for hundred in 0..25 {
        asked(&mut history, "summer", hundred * 100 + 1, hundred * 100 + 100);
        asked(&mut history, "winter", hundred * 10 + 1, hundred * 10 + 10);
    }
    let model = open(&shared::mongo_database().await).await;
    let claim = claim(&model).await;
    let mut views = crate::projection::Views::default();
    views.fold(&history.deliveries).unwrap();
    let all: Vec<CouponDocument> = views.coupons.iter().map(CouponDocument::from).collect();
    assert_eq!(all.len(), 2_750);
    coupons::insert(&model.writer, &all).await.unwrap();
    *model.writer.hook.slow.lock().unwrap() = Some(coupons::INSERTS);
    model.apply(&claim, 0, &history.deliveries, history.end()).await.unwrap();
    assert_eq!(model.campaign(&id("summer")).await.unwrap().unwrap().totals.issued, 2_500);
}

/// A batch's coupons are inserted a thousand a call, two calls side by side: the later ones may stand there first, and
/// alone for a while when the writer dies (P3).
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_list_has_no_gap_while_a_batch_is_half_written() {
    let history = history();
    let (model, claim) = begun(&shared::mongo_database().await, &history).await;
    let mut views = crate::projection::Views::default();
    views.fold(&history.deliveries).unwrap();
    let later = views.coupons.iter().filter(|coupon| coupon.campaign == id("summer") && coupon.seq > 6);
    let later: Vec<CouponDocument> = later.map(CouponDocument::from).collect();
    coupons::insert(&model.writer, &later).await.unwrap();
    let listed = async |order, after| {
        let coupons = model.coupons(&id("summer"), order, after, 100).await.unwrap();
        coupons.iter().map(|coupon| coupon.seq).collect::<Vec<_>>()
    };
    assert_eq!(listed(Order::Ascending, None).await, [1, 2, 3]);
    assert_eq!(listed(Order::Ascending, Some(3)).await, [0; 0]);
    assert_eq!(listed(Order::Descending, None).await, [3, 2, 1]);
    assert_eq!(listed(Order::Descending, Some(9)).await, [3, 2, 1]);
    applied_to_the_end(&model, &claim, &history, 3).await;
    assert_eq!(listed(Order::Ascending, Some(3)).await, (4..=14).collect::<Vec<_>>());
    assert_eq!(listed(Order::Descending, None).await, (1..=14).rev().collect::<Vec<_>>());
}

/// 1 and 2 create summer and winter, 3 summer issues, 4 is bad, 5 and 6 summer again, 7 winter issues.
fn poisoned() -> History {
    let mut history = History::new();
    history.create("summer", 9).create("winter", 9).ask("summer", &["a"]).poison("summer", "b");
    history.ask("summer", &["c"]).after(1_000).ask("summer", &["d"]).ask("winter", &["w"]);
    history
}

async fn parked(model: &MongoReadModel, history: &History) -> (Claim, Parked) {
    let claim = claim(model).await;
    let bad = letter(&history.deliveries[3], "why");
    model.apply(&claim, 0, &history.deliveries[..3], 3).await.unwrap();
    model.park(&claim, 3, &bad, 4).await.unwrap();
    model.apply(&claim, 4, &history.deliveries[6..], 7).await.unwrap();
    (claim, bad)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_campaign_is_parked_and_passed_or_neither() {
    let history = poisoned();
    for n in 0..MANY {
        let url = shared::mongo_database().await;
        let model = open(&url).await;
        let claim = claim(&model).await;
        model.apply(&claim, 0, &history.deliveries[..3], 3).await.unwrap();
        let before = dump(&model).await;
        model.writer.hook.cut_at(n);
        let bad = letter(&history.deliveries[3], "why");
        if model.park(&claim, 3, &bad, 4).await.is_ok() {
            assert!(n >= 2);
            return;
        }
        assert_eq!(dump(&open(&url).await).await, before);
    }
    panic!("parking takes {MANY} calls");
}

/// Both steps of a discard; the calls of the first or the second from the n-th on do not reach the server, and somebody
/// else does that step again. Whether the step was cut off, and what is held in the end.
async fn discarded(history: &History, cut: Option<(usize, usize)>) -> (bool, Dump) {
    let url = shared::mongo_database().await;
    let mut model = open(&url).await;
    let (mut claim, bad) = parked(&model, history).await;
    assert!(model.request(bad.position, Remedy::Discard).await.unwrap());
    let skipped = (Lane::Decisions, Chain::at(4, &history.deliveries[3].message));
    let campaign = &bad.campaign;
    let rest = Some(Position::new(0, 5));
    let skip = Replayed { campaign, at: 7, skipped: Some(skipped), deliveries: &[], rest };
    let waiting = &history.deliveries[4..6];
    let level = Replayed { campaign, at: 7, skipped: None, deliveries: waiting, rest: None };
    let mut was_cut = false;
    for (number, step) in [skip, level].iter().enumerate() {
        if let Some((which, n)) = cut
            && number == which
        {
            model.writer.hook.cut_at(n);
            was_cut = model.replayed(&claim, step).await.is_err();
            model.writer.hook.take_off();
            if !was_cut {
                continue;
            }
            model = open(&url).await;
            claim = taken_over(&model).await;
        }
        model.replayed(&claim, step).await.unwrap();
    }
    (was_cut, dump(&model).await)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_discard_that_is_cut_off_anywhere_is_done_once() {
    let history = poisoned();
    let (_, expected) = discarded(&history, None).await;
    let issued: Vec<u64> = expected.campaigns.iter().map(|view| view.totals.issued).collect();
    assert_eq!((&expected.parked, issued, expected.coupons.len()), (&Vec::new(), vec![3, 1], 4));
    for which in 0..2 {
        let mut n = 0;
        loop {
            let (was_cut, held) = discarded(&history, Some((which, n))).await;
            assert_eq!(held, expected, "step {which} cut off in front of call {n}");
            if !was_cut {
                break;
            }
            n += 1;
        }
        assert!((3..MANY).contains(&n), "step {which} makes {n} calls");
    }
}
