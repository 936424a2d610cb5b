//! Dead letters: a campaign waits because of one message, and comes back in order.

use firstcome_shared::chain::Chain;
use firstcome_shared::event_log::Lane;
use firstcome_shared::position::Position;
use firstcome_shared::projection::{ApplyError, Claim, Delivery, Parked, Remedy, Replayed};

use super::{Place, claim, dump, letter};
use crate::projection::Views;
use crate::read_model::ReadModel;
use crate::testing::{History, id};

/// 1 winter is created, 2 summer is, 3 summer issues one, 4 (bad) another, 5 and 6 more; 7 winter issues one.
fn history() -> History {
    let mut history = History::new();
    history.create("winter", 9).create("summer", 9).ask("summer", &["a"]).poison("summer", "b");
    history.ask("summer", &["c"]).ask("summer", &["d"]).ask("winter", &["w"]);
    history
}

fn summer(history: &History, from: u64, to: u64) -> Vec<Delivery> {
    let inside = |delivery: &&Delivery| (from..=to).contains(&delivery.position.sequence);
    let of_summer = history.deliveries.iter().filter(|delivery| delivery.subject.campaign == id("summer"));
    of_summer.filter(inside).cloned().collect()
}

/// Summer is parked at 4 and winter has gone on to 7.
async fn parked(model: &dyn ReadModel, history: &History) -> (Claim, Parked) {
    let claim = claim(model).await;
    let bad = letter(&history.deliveries[3], "window 99 is not known");
    model.apply(&claim, 0, &history.deliveries[..3], 3).await.unwrap();
    model.park(&claim, 3, &bad, 4).await.unwrap();
    model.apply(&claim, 4, &history.deliveries[6..], 7).await.unwrap();
    (claim, bad)
}

async fn issued(model: &dyn ReadModel, campaign: &str) -> u64 {
    model.campaign(&id(campaign)).await.unwrap().map_or(0, |view| view.totals.issued)
}

/// A step of a replay while the checkpoint is at 7, as [`parked`] leaves it.
fn step<'a>(parked: &'a Parked, deliveries: &'a [Delivery], rest: Option<u64>) -> Replayed<'a> {
    let rest = rest.map(|sequence| Position::new(0, sequence));
    Replayed { campaign: &parked.campaign, at: 7, skipped: None, deliveries, rest }
}

pub(in crate::read_model) async fn a_parked_campaign_waits_and_others_go_on(place: &dyn Place) {
    let history = history();
    let model = place.open().await;
    let (_, bad) = parked(&*model, &history).await;
    let held = model.parked(0).await.unwrap();
    assert_eq!(held.len(), 1);
    assert_eq!(held[0].position, Position::new(0, 4));
    assert_eq!((&held[0].campaign, &held[0].reason), (&bad.campaign, &bad.reason));
    assert_eq!((held[0].parked_at, held[0].attempts, held[0].remedy), (bad.parked_at, 5, None));
    assert!(held[0].payload.starts_with("the ") && held[0].payload.ends_with(" bytes"));
    assert_eq!((issued(&*model, "summer").await, issued(&*model, "winter").await), (1, 1));
    assert_eq!(model.checkpoint(0).await.unwrap().unwrap().sequence, 7);
    assert_eq!(model.parked(1).await.unwrap(), []);
    let nowhere = model.request(Position::new(0, 5), Remedy::Replay).await.unwrap();
    assert!(!nowhere, "nothing is parked there");
}

pub(in crate::read_model) async fn a_replay_brings_a_campaign_level_step_by_step(place: &dyn Place) {
    let mut history = history();
    let model = place.open().await;
    let (claim, bad) = parked(&*model, &history).await;
    assert!(model.request(bad.position, Remedy::Replay).await.unwrap());
    assert_eq!(model.parked(0).await.unwrap()[0].remedy, Some(Remedy::Replay));
    // Somebody has mended what was wrong: window 99 exists in this release, say.
    let mended = mended(&history);
    // A replay that was read up to another checkpoint: the store came back without the moments between the two.
    let before = dump(&*model).await;
    for at in [6, 8] {
        let other = Replayed { at, ..step(&bad, &mended, None) };
        let stale = model.replayed(&claim, &other).await;
        assert!(matches!(stale, Err(ApplyError::Stale)), "{at}: {stale:?}");
    }
    assert_eq!(dump(&*model).await, before);
    model.replayed(&claim, &step(&bad, &mended[..2], Some(6))).await.unwrap();
    let held = model.parked(0).await.unwrap();
    assert_eq!((held[0].position.sequence, held[0].remedy), (6, Some(Remedy::Replay)));
    assert_eq!(issued(&*model, "summer").await, 3);
    model.replayed(&claim, &step(&bad, &mended[2..], None)).await.unwrap();
    assert_eq!(model.parked(0).await.unwrap(), []);
    assert_eq!(issued(&*model, "summer").await, 4);
    assert_eq!(model.checkpoint(0).await.unwrap().unwrap().sequence, 7, "a replay does not move it");
    history.ask("summer", &["e"]);
    model.apply(&claim, 7, history.since(7), 8).await.unwrap();
    assert_eq!(issued(&*model, "summer").await, 5);
}

/// Messages 4 to 6 of summer, with a window that exists.
fn mended(history: &History) -> Vec<Delivery> {
    let mut messages = summer(history, 4, 6);
    match &mut messages[0].message.entries[0].event {
        firstcome_shared::event::Event::CouponsIssued { window, .. } => *window = 1,
        other => panic!("{other:?}"),
    }
    messages
}

pub(in crate::read_model) async fn a_discard_skips_one_message(place: &dyn Place) {
    let history = history();
    let model = place.open().await;
    let (claim, bad) = parked(&*model, &history).await;
    assert!(model.request(bad.position, Remedy::Discard).await.unwrap());
    assert_eq!(model.parked(0).await.unwrap()[0].remedy, Some(Remedy::Discard));
    let chain = Chain::at(4, &history.deliveries[3].message);
    let skip = Replayed { skipped: Some((Lane::Decisions, chain)), ..step(&bad, &[], Some(5)) };
    model.replayed(&claim, &skip).await.unwrap();
    let held = model.parked(0).await.unwrap();
    assert_eq!((held[0].position.sequence, held[0].remedy), (5, Some(Remedy::Replay)), "skipped only once");
    model.replayed(&claim, &step(&bad, &summer(&history, 5, 6), None)).await.unwrap();
    assert_eq!(model.parked(0).await.unwrap(), []);
    let coupons = model.coupons(&id("summer"), super::Order::Ascending, None, 9).await.unwrap();
    assert_eq!(coupons.iter().map(|coupon| coupon.seq).collect::<Vec<_>>(), [1, 3, 4]);
    let mut views = Views::default();
    views.fold(&history.deliveries[1..3]).unwrap();
    views.skip(&id("summer"), Lane::Decisions, chain, Position::new(0, 4));
    views.fold(&summer(&history, 5, 6)).unwrap();
    let expected = views.campaigns.remove(&id("summer"));
    assert_eq!(model.campaign(&id("summer")).await.unwrap(), expected);
}

pub(in crate::read_model) async fn a_first_message_that_nobody_could_read_can_be_skipped(place: &dyn Place) {
    let mut history = History::new();
    history.create("summer", 9).fence("summer").acted("summer");
    let model = place.open().await;
    let claim = claim(&*model).await;
    let bad = letter(&history.deliveries[0], "undecodable");
    model.park(&claim, 0, &bad, 1).await.unwrap();
    model.apply(&claim, 1, &[], 3).await.unwrap();
    assert!(model.request(bad.position, Remedy::Discard).await.unwrap());
    let skipped = Some((Lane::Decisions, Chain::unread(1)));
    model.replayed(&claim, &Replayed { at: 3, skipped, ..step(&bad, &[], Some(2)) }).await.unwrap();
    let level = Replayed { at: 3, ..step(&bad, &history.deliveries[1..], None) };
    model.replayed(&claim, &level).await.unwrap();
    assert_eq!(model.parked(0).await.unwrap(), []);
    let known = model.campaign(&id("summer")).await.unwrap().expect("its document goes on");
    assert_eq!((known.definition, known.position.sequence), (None, 3));
}

pub(in crate::read_model) async fn a_replay_that_fails_again_is_parked_again(place: &dyn Place) {
    let history = history();
    let model = place.open().await;
    let (claim, bad) = parked(&*model, &history).await;
    assert!(model.request(bad.position, Remedy::Replay).await.unwrap());
    let still = Parked { attempts: 6, reason: "still bad".to_owned(), ..bad };
    model.repark(&claim, &still).await.unwrap();
    let held = model.parked(0).await.unwrap();
    assert_eq!((held.len(), held[0].attempts, held[0].remedy), (1, 6, None));
    assert_eq!((held[0].position, held[0].reason.as_str()), (Position::new(0, 4), "still bad"));
    assert_eq!(issued(&*model, "summer").await, 1);
}

pub(in crate::read_model) async fn a_discard_that_comes_while_a_replay_fails_stands(place: &dyn Place) {
    let history = history();
    let model = place.open().await;
    let (claim, bad) = parked(&*model, &history).await;
    assert!(model.request(bad.position, Remedy::Replay).await.unwrap());
    // The reader is replaying when an operator asks to discard the message that it is just failing at.
    assert!(model.request(bad.position, Remedy::Discard).await.unwrap());
    model.repark(&claim, &Parked { attempts: 6, ..bad.clone() }).await.unwrap();
    let held = model.parked(0).await.unwrap();
    assert_eq!((held[0].position, held[0].attempts), (bad.position, 6));
    assert_eq!(held[0].remedy, Some(Remedy::Discard), "it was accepted");
}

pub(in crate::read_model) async fn a_wish_for_another_message_is_forgotten(place: &dyn Place) {
    let history = history();
    let model = place.open().await;
    let (claim, bad) = parked(&*model, &history).await;
    assert!(model.request(bad.position, Remedy::Replay).await.unwrap());
    // The reader is replaying when an operator asks to discard the message that it is just passing.
    assert!(model.request(bad.position, Remedy::Discard).await.unwrap());
    model.replayed(&claim, &step(&bad, &mended(&history)[..1], Some(5))).await.unwrap();
    let held = model.parked(0).await.unwrap();
    assert_eq!((held[0].position.sequence, held[0].remedy), (5, Some(Remedy::Replay)), "5 is not discarded");
}

pub(in crate::read_model) async fn a_refused_step_of_a_replay_changes_nothing(place: &dyn Place) {
    let history = history();
    let model = place.open().await;
    let (claim, bad) = parked(&*model, &history).await;
    assert!(model.request(bad.position, Remedy::Replay).await.unwrap());
    let before = dump(&*model).await;
    let refused = model.replayed(&claim, &step(&bad, &summer(&history, 4, 6), None)).await;
    assert!(matches!(refused, Err(ApplyError::Refused(_))), "{refused:?}");
    assert_eq!(dump(&*model).await, before);
    model.replayed(&claim, &step(&bad, &mended(&history), None)).await.unwrap();
    let level = dump(&*model).await;
    let stale = model.replayed(&claim, &step(&bad, &[], None)).await;
    assert!(matches!(stale, Err(ApplyError::Stale)), "nothing is parked any more: {stale:?}");
    assert_eq!(dump(&*model).await, level);
}
