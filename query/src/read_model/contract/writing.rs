//! Applying: what is written, and what a writer that is no longer the one cannot write.

use firstcome_shared::projection::{ApplyError, Checkpoint, Claim, Remedy, Replayed};

use super::{NOW, Place, TTL_MS, claim, dump, filled, letter, taken_over};
use crate::projection::Views;
use crate::testing::{History, LOG, id};

fn history() -> History {
    let mut history = History::new();
    history.create("summer", 3).create("winter", 5).ask("summer", &["a", "b"]).after(1_500);
    history.ask("winter", &["a"]).fence("summer").ask("summer", &["b", "c", "d"]).acted("summer");
    history.after(1_000).stock("summer", 9).ask("summer", &["d"]);
    history
}

pub(in crate::read_model) async fn shows_what_the_projection_folds(place: &dyn Place) {
    let history = history();
    let model = place.open().await;
    let claim = claim(&*model).await;
    let mut whole = Views::default();
    whole.fold(&history.deliveries).unwrap();
    let mut from = 0;
    for batch in history.deliveries.chunks(3) {
        let to = batch.last().unwrap().position.sequence;
        model.apply(&claim, from, batch, to).await.unwrap();
        from = to;
    }
    let held = dump(&*model).await;
    assert_eq!(held.campaigns, whole.campaigns.into_values().collect::<Vec<_>>());
    assert_eq!(held.timeline, whole.buckets.into_values().map(|bucket| bucket.counts).collect::<Vec<_>>());
    whole.coupons.sort_by_key(|coupon| (coupon.campaign.clone(), coupon.seq));
    assert_eq!(held.coupons, whole.coupons);
    assert_eq!(held.coupons.len(), 5);
}

pub(in crate::read_model) async fn the_checkpoint_moves_with_the_data(place: &dyn Place) {
    let history = history();
    let model = place.open().await;
    assert_eq!(model.checkpoint(0).await.unwrap(), None, "nothing was read yet");
    let claim = claim(&*model).await;
    assert_eq!(model.checkpoint(0).await.unwrap(), None, "a claim reads nothing");
    model.apply(&claim, 0, &history.deliveries[..2], 2).await.unwrap();
    let at = |sequence| Some(Checkpoint { log: LOG.to_owned(), sequence });
    assert_eq!(model.checkpoint(0).await.unwrap(), at(2));
    model.apply(&claim, 2, &[], 7).await.unwrap();
    assert_eq!(model.checkpoint(0).await.unwrap(), at(7), "what is skipped is passed");
}

pub(in crate::read_model) async fn a_batch_that_comes_again_changes_nothing(place: &dyn Place) {
    let history = history();
    let (model, claim) = filled(place, &history).await;
    let before = dump(&*model).await;
    let again = model.apply(&claim, 0, &history.deliveries, history.end()).await;
    assert!(matches!(again, Err(ApplyError::Stale)), "{again:?}");
    assert_eq!(dump(&*model).await, before);
    // As after a batch whose documents were written and whose checkpoint was not.
    model.apply(&claim, history.end(), &history.deliveries, history.end()).await.unwrap();
    assert_eq!(dump(&*model).await, before);
}

pub(in crate::read_model) async fn a_stale_claim_changes_nothing(place: &dyn Place) {
    let mut history = history();
    let (model, old) = filled(place, &history).await;
    assert_eq!(claim(&*model).await, old, "who has the lease keeps its token");
    let end = history.end();
    let parked = letter(history.create("autumn", 1).deliveries.last().unwrap(), "why");
    model.park(&old, end, &parked, end + 1).await.unwrap();
    let new = taken_over(&*model).await;
    assert!(new.token > old.token);
    let before = dump(&*model).await;
    history.ask("summer", &["e"]);
    let later = history.since(end + 1);
    let step = Replayed {
        campaign: &parked.campaign,
        at: end + 1,
        skipped: None,
        deliveries: &history.since(end)[..1],
        rest: None,
    };
    let writes = [
        model.apply(&old, end + 1, later, end + 2).await,
        model.park(&old, end + 1, &letter(&later[0], "why"), end + 2).await,
        model.replayed(&old, &step).await,
        model.repark(&old, &parked).await,
    ];
    for (which, write) in writes.iter().enumerate() {
        assert!(matches!(write, Err(ApplyError::Stale)), "write {which}: {write:?}");
    }
    assert_eq!(dump(&*model).await, before);
    assert!(model.request(parked.position, Remedy::Replay).await.unwrap());
    model.replayed(&new, &step).await.unwrap();
    model.apply(&new, end + 1, later, end + 2).await.unwrap();
    assert_ne!(dump(&*model).await, before, "the new claim writes");
}

pub(in crate::read_model) async fn a_lease_that_is_given_up_is_free_at_once(place: &dyn Place) {
    let mut history = history();
    let (model, old) = filled(place, &history).await;
    model.release(0, "this").await.unwrap();
    let token = model.claim(0, "next", NOW, TTL_MS).await.unwrap().expect("nobody has it any more");
    assert!(token > old.token);
    // Who had it before has nothing to give up.
    model.release(0, "this").await.unwrap();
    let new = Claim { token, ..old.clone() };
    let end = history.end();
    let later = history.ask("summer", &["e"]).since(end);
    let stale = model.apply(&old, end, later, end + 1).await;
    assert!(matches!(stale, Err(ApplyError::Stale)), "{stale:?}");
    model.apply(&new, end, later, end + 1).await.unwrap();
    model.release(1, "nobody").await.expect("a partition that nobody ever claimed");
}

pub(in crate::read_model) async fn a_stale_checkpoint_changes_nothing(place: &dyn Place) {
    let mut history = history();
    let (model, claim) = filled(place, &history).await;
    let before = dump(&*model).await;
    let end = history.end();
    let later = history.ask("summer", &["e"]).since(end);
    for from in [0, end - 1, end + 1] {
        let stale = model.apply(&claim, from, later, end + 1).await;
        assert!(matches!(stale, Err(ApplyError::Stale)), "{stale:?}");
        let stale = model.park(&claim, from, &letter(&later[0], "why"), end + 1).await;
        assert!(matches!(stale, Err(ApplyError::Stale)), "{stale:?}");
    }
    assert_eq!(dump(&*model).await, before);
}

pub(in crate::read_model) async fn another_log_changes_nothing(place: &dyn Place) {
    let mut history = history();
    let (model, mut claim) = filled(place, &history).await;
    let before = dump(&*model).await;
    let end = history.end();
    claim.log = "another".to_owned();
    let other = model.apply(&claim, end, history.ask("summer", &["e"]).since(end), end + 1).await;
    assert!(matches!(other, Err(ApplyError::Stale)), "{other:?}");
    assert_eq!(dump(&*model).await, before);
}

pub(in crate::read_model) async fn a_message_that_does_not_follow_breaks_and_changes_nothing(
    place: &dyn Place,
) {
    let mut history = history();
    let (model, claim) = filled(place, &history).await;
    let before = dump(&*model).await;
    let end = history.end();
    history.ask("winter", &["x"]).ask("summer", &["y"]).ask("summer", &["z"]);
    let mut gap = history.since(end).to_vec();
    gap.remove(1);
    let broken = model.apply(&claim, end, &gap, end + 3).await;
    match broken {
        Err(ApplyError::Broken(broken)) => assert_eq!(broken.sequence, end + 3),
        other => panic!("expected a broken chain, got {other:?}"),
    }
    assert_eq!(dump(&*model).await, before, "winter's message of the same batch is not applied either");
    model.apply(&claim, end, history.since(end), end + 3).await.unwrap();
}

pub(in crate::read_model) async fn refused_data_changes_nothing(place: &dyn Place) {
    let mut history = history();
    let (model, claim) = filled(place, &history).await;
    let before = dump(&*model).await;
    let end = history.end();
    history.ask("winter", &["x"]).poison("summer", "y");
    let refused = model.apply(&claim, end, history.since(end), end + 2).await;
    assert!(matches!(refused, Err(ApplyError::Refused(_))), "{refused:?}");
    assert_eq!(dump(&*model).await, before);
}

pub(in crate::read_model) async fn a_code_belongs_to_one_coupon(place: &dyn Place) {
    use firstcome_shared::event::Event;
    let mut history = history();
    let (model, claim) = filled(place, &history).await;
    let before = dump(&*model).await;
    let end = history.end();
    let taken = model.coupon(&crate::testing::code("summer", 1)).await.unwrap().expect("it was issued").code;
    history.ask("winter", &["x"]);
    match &mut history.deliveries.last_mut().unwrap().message.entries[0].event {
        Event::CouponsIssued { coupons, .. } => coupons[0].code = taken,
        other => panic!("{other:?}"),
    }
    let refused = model.apply(&claim, end, history.since(end), end + 1).await;
    assert!(matches!(refused, Err(ApplyError::Refused(_))), "{refused:?}");
    assert_eq!(dump(&*model).await, before);
}

pub(in crate::read_model) async fn everything_is_still_there_after_a_restart(place: &dyn Place) {
    let mut history = history();
    let (model, old) = filled(place, &history).await;
    let end = history.end();
    let parked = letter(history.create("autumn", 1).deliveries.last().unwrap(), "why");
    model.park(&old, end, &parked, end + 1).await.unwrap();
    assert!(model.request(parked.position, Remedy::Discard).await.unwrap());
    let before = dump(&*model).await;
    assert_eq!(before.parked.len(), 1);
    assert_eq!(before.parked[0].remedy, Some(Remedy::Discard));
    drop(model);
    let model = place.open().await;
    assert_eq!(dump(&*model).await, before);
    assert_eq!(model.campaign(&id("summer")).await.unwrap().as_ref(), before.campaigns.first());
    let new = taken_over(&*model).await;
    let later = history.ask("summer", &["e"]).since(end + 1);
    let stale = model.apply(&old, end + 1, later, end + 2).await;
    assert!(matches!(stale, Err(ApplyError::Stale)), "{stale:?}");
    model.apply(&new, end + 1, later, end + 2).await.unwrap();
}
