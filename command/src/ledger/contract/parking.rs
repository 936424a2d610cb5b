//! One message cannot be applied: its campaign waits, and comes back when an operator says how.

use super::*;

pub(in crate::ledger) async fn parks_one_campaign_and_no_other(harness: Box<dyn Harness>) {
    let ledger = harness.ledger();
    let mut story = Story::default();
    let claim = claim(ledger, "a", Millis(0)).await;
    let opening = [story.tell("summer", created("summer", 10)), story.tell("winter", created("winter", 5))];
    apply(ledger, &claim, &opening).await.unwrap();
    let poison = story.tell("summer", issued("summer", 1, &["ada"]));
    let letter = dead(&poison, "it cannot be read");
    ledger.park(&claim, 2, &letter, 3).await.unwrap();
    assert_eq!(ledger.parked(0).await.unwrap(), [letter]);
    assert_eq!(ledger.parked(1).await.unwrap(), []);
    assert_eq!(sequence(ledger).await, 3);

    let waits = story.tell("summer", issued("summer", 2, &["bob"]));
    assert_stale(&ledger.apply(&claim, 3, std::slice::from_ref(&waits), 4).await);
    assert_stale(&ledger.park(&claim, 3, &dead(&waits, "twice"), 4).await);
    ledger.apply(&claim, 3, &[], 4).await.unwrap();
    apply(ledger, &claim, &[story.tell("winter", issued("winter", 1, &["eve"]))]).await.unwrap();
    assert_eq!(holders(ledger, "winter").await, ["eve"]);
    assert_eq!(holders(ledger, "summer").await.len(), 0);
    assert_eq!(ledger.parked(0).await.unwrap()[0].reason, "it cannot be read");
}

/// A ledger in which summer is parked at message 2 of 4 and winter is level; the three messages that wait.
pub(super) async fn park_summer(ledger: &dyn Ledger, story: &mut Story) -> (Claim, Vec<Delivery>) {
    let claim = claim(ledger, "a", Millis(0)).await;
    apply(ledger, &claim, &[story.tell("summer", created("summer", 10))]).await.unwrap();
    let waiting = vec![
        story.tell("summer", issued("summer", 1, &["ada"])),
        story.tell("summer", issued("summer", 2, &["bob"])),
        story.tell("summer", issued("summer", 3, &["cid"])),
    ];
    ledger.park(&claim, 1, &dead(&waiting[0], "poison"), 2).await.unwrap();
    ledger.apply(&claim, 2, &[], 4).await.unwrap();
    (claim, waiting)
}

pub(in crate::ledger) async fn replays_to_level_and_unparks_in_one_step(harness: Box<dyn Harness>) {
    let ledger = harness.ledger();
    let mut story = Story::default();
    let (claim, waiting) = park_summer(ledger, &mut story).await;
    let (summer, winter) = (id("summer"), id("winter"));
    assert!(!ledger.request(Position::new(0, 3), Remedy::Replay).await.unwrap(), "nothing is parked there");
    assert!(ledger.request(Position::new(0, 2), Remedy::Replay).await.unwrap());
    assert_eq!(ledger.parked(0).await.unwrap()[0].remedy, Some(Remedy::Replay));
    assert_stale(&ledger.replayed(&claim, &step(&winter, &[], None)).await);
    // A replay that was read up to another checkpoint: a crash of the server took the moments between the two.
    for at in [3, 5] {
        let other = Replayed { at, ..step(&summer, &waiting, None) };
        assert_stale(&ledger.replayed(&claim, &other).await);
    }
    assert_eq!((ledger.parked(0).await.unwrap().len(), holders(ledger, "summer").await.len()), (1, 0));

    ledger.replayed(&claim, &step(&summer, &waiting[..2], Some(4))).await.unwrap();
    let letter = ledger.parked(0).await.unwrap().remove(0);
    assert_eq!((letter.position, letter.remedy), (Position::new(0, 4), Some(Remedy::Replay)));
    assert_eq!(holders(ledger, "summer").await, ["ada", "bob"]);
    // The same step again, as after a lost answer: it is done already.
    assert_stale(&ledger.replayed(&claim, &step(&summer, &waiting[..2], Some(4))).await);

    ledger.replayed(&claim, &step(&summer, &waiting[2..], None)).await.unwrap();
    assert_eq!(ledger.parked(0).await.unwrap(), []);
    assert_eq!(holders(ledger, "summer").await, ["ada", "bob", "cid"]);
    assert_eq!(sequence(ledger).await, 4, "a replay does not move the checkpoint");
    apply(ledger, &claim, &[story.tell("summer", issued("summer", 4, &["dan"]))]).await.unwrap();
    assert_eq!(holders(ledger, "summer").await.len(), 4);
}

pub(in crate::ledger) async fn parks_a_failed_replay_further_on(harness: Box<dyn Harness>) {
    let ledger = harness.ledger();
    let mut story = Story::default();
    let (claim, mut waiting) = park_summer(ledger, &mut story).await;
    let summer = id("summer");
    ledger.request(Position::new(0, 2), Remedy::Replay).await.unwrap();
    let Event::CouponsIssued { coupons, .. } = &mut waiting[1].message.entries[0].event else {
        unreachable!()
    };
    coupons[0].code.clear();
    let before = ledger.parked(0).await.unwrap();
    assert_refused(&ledger.replayed(&claim, &step(&summer, &waiting, None)).await);
    assert_eq!(ledger.parked(0).await.unwrap(), before);
    assert_eq!(holders(ledger, "summer").await.len(), 0);

    ledger.replayed(&claim, &step(&summer, &waiting[..1], Some(3))).await.unwrap();
    let again = Parked { attempts: 6, ..dead(&waiting[1], "refused") };
    ledger.repark(&claim, &again).await.unwrap();
    assert_eq!(ledger.parked(0).await.unwrap(), [again]);
    assert_stale(&ledger.repark(&claim, &dead(&waiting[0], "older")).await);
    assert_stale(
        &ledger.repark(&claim, &dead(&story.tell("winter", created("winter", 1)), "not parked")).await,
    );
    assert_eq!(holders(ledger, "summer").await, ["ada"]);
}

pub(in crate::ledger) async fn keeps_a_discard_that_comes_while_a_replay_fails(harness: Box<dyn Harness>) {
    let ledger = harness.ledger();
    let (claim, waiting) = park_summer(ledger, &mut Story::default()).await;
    assert!(ledger.request(Position::new(0, 2), Remedy::Replay).await.unwrap());
    // The reader is replaying when an operator asks to discard the message that it is just failing at.
    assert!(ledger.request(Position::new(0, 2), Remedy::Discard).await.unwrap());
    ledger.repark(&claim, &Parked { attempts: 6, ..dead(&waiting[0], "poison") }).await.unwrap();
    let letter = ledger.parked(0).await.unwrap().remove(0);
    assert_eq!((letter.attempts, letter.remedy), (6, Some(Remedy::Discard)), "it was accepted");
}

pub(in crate::ledger) async fn discards_one_message(harness: Box<dyn Harness>) {
    let ledger = harness.ledger();
    let mut story = Story::default();
    let (claim, waiting) = park_summer(ledger, &mut story).await;
    let summer = id("summer");
    assert!(ledger.request(Position::new(0, 2), Remedy::Discard).await.unwrap());
    assert_eq!(ledger.parked(0).await.unwrap()[0].remedy, Some(Remedy::Discard));
    let skip = |chain| Replayed {
        campaign: &summer,
        at: 4,
        skipped: Some((Lane::Decisions, chain)),
        deliveries: &[],
        rest: Some(Position::new(0, 3)),
    };
    ledger.replayed(&claim, &skip(Chain::unread(2))).await.unwrap();
    let letter = ledger.parked(0).await.unwrap().remove(0);
    assert_eq!((letter.position.sequence, letter.remedy), (3, Some(Remedy::Replay)), "the skip is done");
    assert_stale(&ledger.replayed(&claim, &skip(Chain::unread(2))).await);

    ledger.replayed(&claim, &step(&summer, &waiting[1..], None)).await.unwrap();
    assert_eq!(holders(ledger, "summer").await, ["bob", "cid"]);
    apply(ledger, &claim, &[story.tell("summer", issued("summer", 4, &["dan"]))]).await.unwrap();
    assert_eq!(ledger.parked(0).await.unwrap(), []);
}
