//! What every ledger must do, whatever it is made of. An adapter runs all of it with [`ledger_contract`]; a case that
//! the macro does not list is dead code, which the build refuses.

mod parking;
mod reading;
mod story;

use async_trait::async_trait;
use firstcome_shared::chain::{Broken, Chain};
use firstcome_shared::clock::Millis;
use firstcome_shared::domain::CampaignId;
use firstcome_shared::event::Event;
use firstcome_shared::event_log::Lane;
use firstcome_shared::fingerprint::Range;
use firstcome_shared::position::Position;
use firstcome_shared::projection::{ApplyError, Checkpoint, Claim, Delivery, Parked, Remedy, Replayed};
use firstcome_shared::wire::{AuditEntry, CouponStatus, Fingerprint, Store};

pub(super) use parking::{
    discards_one_message, keeps_a_discard_that_comes_while_a_replay_fails, parks_a_failed_replay_further_on,
    parks_one_campaign_and_no_other, replays_to_level_and_unparks_in_one_step,
};
pub(super) use reading::{
    audits_several_entries_of_one_message, audits_what_was_so_before, lists_the_audit_newest_first,
    sees_what_was_changed_by_hand, sums_up_rows_in_a_range,
};
pub(super) use story::{ACTOR, LOG, Story, created, id, issue, issued, paused};

use parking::park_summer;
use reading::audit;

use super::{AuditCursor, Ledger};

/// A ledger under test, and the ways around its port.
#[async_trait]
pub(super) trait Harness: Send {
    /// The ledger.
    fn ledger(&self) -> &dyn Ledger;

    /// Lets go of the ledger and opens it again, as after a restart.
    async fn reopen(&mut self);

    /// Changes data by hand, in SQL that every adapter understands; returns how many rows.
    async fn by_hand(&self, sql: &'static str) -> u64;

    /// The one number that a query gives.
    async fn number(&self, sql: &'static str) -> i64;
}

/// Generates one test a case; `$open` is an async function that gives an empty ledger in its [`Harness`].
macro_rules! ledger_contract {
    ($open:path) => {
        ledger_contract!($open:
            applies_a_batch_with_its_checkpoint,
            applies_a_redelivered_batch_once,
            obeys_only_the_newest_claim,
            gives_a_lease_up_at_once,
            starts_only_from_its_checkpoint,
            finds_every_break_of_a_chain,
            refuses_what_breaks_a_promise,
            parks_one_campaign_and_no_other,
            replays_to_level_and_unparks_in_one_step,
            parks_a_failed_replay_further_on,
            keeps_a_discard_that_comes_while_a_replay_fails,
            discards_one_message,
            lists_the_audit_newest_first,
            audits_several_entries_of_one_message,
            audits_what_was_so_before,
            sums_up_rows_in_a_range,
            sees_what_was_changed_by_hand,
            goes_on_after_a_restart,
        );
    };
    ($open:path: $($case:ident),+ $(,)?) => {
        $(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $case() {
                $crate::ledger::contract::$case($open().await).await;
            }
        )+
    };
}
pub(super) use ledger_contract;

const LONG_AFTER: Millis = Millis(1_000_000);
const TTL_MS: i64 = 10_000;

/// Takes the ledger over from whoever has it.
async fn claim(ledger: &dyn Ledger, holder: &str, now: Millis) -> Claim {
    let token = ledger.claim(0, holder, now, TTL_MS).await.unwrap().expect("the lease is free");
    Claim { partition: 0, token, log: LOG.to_owned() }
}

async fn sequence(ledger: &dyn Ledger) -> u64 {
    ledger.checkpoint(0).await.unwrap().map_or(0, |checkpoint| checkpoint.sequence)
}

/// Applies from the checkpoint to the last delivery.
async fn apply(ledger: &dyn Ledger, claim: &Claim, deliveries: &[Delivery]) -> Result<(), ApplyError> {
    let to = deliveries.last().unwrap().position.sequence;
    ledger.apply(claim, sequence(ledger).await, deliveries, to).await
}

async fn sum(ledger: &dyn Ledger, campaign: &str) -> Fingerprint {
    ledger.fingerprint(&id(campaign), &Range { rows: true, ..Range::default() }).await.unwrap()
}

/// Who holds the campaign's coupons, in line.
async fn holders(ledger: &dyn Ledger, campaign: &str) -> Vec<String> {
    sum(ledger, campaign).await.rows.unwrap().into_iter().map(|row| row.user_id).collect()
}

fn dead(delivery: &Delivery, reason: &str) -> Parked {
    Parked {
        campaign: delivery.subject.campaign.clone(),
        position: delivery.position,
        reason: reason.to_owned(),
        parked_at: Millis(77),
        attempts: 5,
        payload: "{}".to_owned(),
        remedy: None,
    }
}

/// A step of a replay while the checkpoint is at 4, where the tests of parking leave it.
fn step<'a>(campaign: &'a CampaignId, deliveries: &'a [Delivery], rest: Option<u64>) -> Replayed<'a> {
    let rest = rest.map(|sequence| Position::new(0, sequence));
    Replayed { campaign, at: 4, skipped: None, deliveries, rest }
}

/// Makes a message one that does not continue its campaign.
type Spoil = fn(&mut Delivery);

fn assert_stale(outcome: &Result<(), ApplyError>) {
    assert!(matches!(outcome, Err(ApplyError::Stale)), "{outcome:?}");
}

fn assert_refused(outcome: &Result<(), ApplyError>) {
    assert!(matches!(outcome, Err(ApplyError::Refused(_))), "{outcome:?}");
}

pub(super) async fn applies_a_batch_with_its_checkpoint(harness: Box<dyn Harness>) {
    let ledger = harness.ledger();
    assert_eq!(ledger.name(), "ledger");
    let mut story = Story::default();
    let batch = [
        story.tell("summer", created("summer", 10)),
        story.tell("summer", issued("summer", 1, &["ada", "bob"])),
        story.tell("summer", Event::StockChanged { window: 1, stock: 25, actor: "eve".to_owned() }),
        story.tell("summer", issued("summer", 3, &["한국어 \"user\""])),
        story.tell("summer", paused()),
    ];
    let claim = claim(ledger, "a", Millis(0)).await;
    assert_eq!(ledger.checkpoint(0).await.unwrap(), None, "claimed, but nothing was read");
    ledger.apply(&claim, 0, &batch, 9).await.unwrap();
    let checkpoint = Checkpoint { log: LOG.to_owned(), sequence: 9 };
    assert_eq!(ledger.checkpoint(0).await.unwrap(), Some(checkpoint));

    let sum = sum(ledger, "summer").await;
    assert_eq!((sum.store, sum.count, sum.highest, sum.position), (Store::Ledger, 3, 3, Position::new(0, 9)));
    let last = &sum.rows.unwrap()[2];
    assert_eq!((last.seq, last.user_id.as_str(), last.code.as_str()), (3, "한국어 \"user\"", "summer-3"));
    assert_eq!(
        (last.issued_at.0, last.expires_at, last.status),
        (batch[3].message.entries[0].at, None, Some(CouponStatus::Issued))
    );

    let number = |sql| harness.number(sql);
    assert_eq!(number("SELECT sum(stock) FROM stock_entry WHERE actor = 'ops' AND position = 1").await, 10);
    assert_eq!(number("SELECT sum(stock) FROM stock_entry WHERE actor = 'eve' AND position = 3").await, 25);
    assert_eq!(number("SELECT count(*) FROM stock_entry").await, 2);
    assert_eq!(number("SELECT position FROM coupon WHERE seq = 2").await, 2);
    assert_eq!(
        number("SELECT count(*) FROM campaign WHERE id = 'summer' AND definition LIKE '%\"stock\":25%' AND position = 5").await,
        1
    );
    let switched =
        "SELECT count(*) FROM campaign WHERE CAST(paused AS INTEGER) = 1 AND CAST(cancelled AS INTEGER) = 0";
    assert_eq!(number(switched).await, 1);
}

pub(super) async fn applies_a_redelivered_batch_once(harness: Box<dyn Harness>) {
    let ledger = harness.ledger();
    let mut story = Story::default();
    let batch =
        [story.tell("summer", created("summer", 10)), story.tell("summer", issued("summer", 1, &["ada"]))];
    let claim = claim(ledger, "a", Millis(0)).await;
    ledger.apply(&claim, 0, &batch, 2).await.unwrap();
    let before = sum(ledger, "summer").await;
    assert_stale(&ledger.apply(&claim, 0, &batch, 2).await);
    assert_eq!(sum(ledger, "summer").await, before);
    assert_eq!(sequence(ledger).await, 2);
}

pub(super) async fn obeys_only_the_newest_claim(harness: Box<dyn Harness>) {
    let ledger = harness.ledger();
    let mut story = Story::default();
    let first = [story.tell("summer", created("summer", 10))];
    let next = [story.tell("summer", issued("summer", 1, &["ada"]))];
    let old = claim(ledger, "a", Millis(0)).await;
    ledger.apply(&old, 0, &first, 1).await.unwrap();
    ledger.park(&old, 1, &dead(&next[0], "poison"), 2).await.unwrap();
    assert_eq!(claim(ledger, "a", Millis(1)).await, old, "renewed, the lease is the same");

    let new = claim(ledger, "b", LONG_AFTER).await;
    assert!(new.token > old.token);
    let third = [story.tell("winter", created("winter", 10))];
    let summer = id("summer");
    assert_stale(&ledger.apply(&old, 2, &third, 3).await);
    assert_stale(&ledger.park(&old, 2, &dead(&third[0], "poison"), 3).await);
    let late = Replayed { at: 2, ..step(&summer, &next, None) };
    assert_stale(&ledger.replayed(&old, &late).await);
    assert_stale(&ledger.repark(&old, &dead(&next[0], "changed")).await);
    assert_eq!((sequence(ledger).await, holders(ledger, "summer").await.len()), (2, 0));
    let parked = ledger.parked(0).await.unwrap();
    assert_eq!(parked.iter().map(|letter| letter.reason.as_str()).collect::<Vec<_>>(), ["poison"]);
    ledger.apply(&new, 2, &third, 3).await.unwrap();
}

pub(super) async fn gives_a_lease_up_at_once(harness: Box<dyn Harness>) {
    let ledger = harness.ledger();
    let mut story = Story::default();
    let old = claim(ledger, "a", Millis(0)).await;
    apply(ledger, &old, &[story.tell("summer", created("summer", 10))]).await.unwrap();
    ledger.release(0, "a").await.unwrap();
    let new = claim(ledger, "b", Millis(1)).await;
    assert!(new.token > old.token);
    // Who had it before has nothing to give up.
    ledger.release(0, "a").await.unwrap();
    let next = [story.tell("summer", issued("summer", 1, &["ada"]))];
    assert_stale(&apply(ledger, &old, &next).await);
    apply(ledger, &new, &next).await.unwrap();
    ledger.release(1, "nobody").await.expect("a partition that nobody ever claimed");
}

pub(super) async fn starts_only_from_its_checkpoint(harness: Box<dyn Harness>) {
    let ledger = harness.ledger();
    let mut story = Story::default();
    let first = [story.tell("summer", created("summer", 10))];
    let next = [story.tell("summer", issued("summer", 1, &["ada"]))];
    let claim = claim(ledger, "a", Millis(0)).await;
    ledger.apply(&claim, 0, &first, 1).await.unwrap();
    for wrong in [0, 2] {
        assert_stale(&ledger.apply(&claim, wrong, &next, 2).await);
        assert_stale(&ledger.park(&claim, wrong, &dead(&next[0], "poison"), 2).await);
    }
    let other = Claim { log: "another".to_owned(), ..claim.clone() };
    assert_stale(&ledger.apply(&other, 1, &next, 2).await);
    assert_eq!(ledger.parked(0).await.unwrap(), []);
    assert_eq!((sequence(ledger).await, holders(ledger, "summer").await.len()), (1, 0));
    ledger.apply(&claim, 1, &next, 2).await.unwrap();
    // Messages of parked campaigns are passed over by moving the checkpoint alone.
    ledger.apply(&claim, 2, &[], 7).await.unwrap();
    assert_eq!(sequence(ledger).await, 7);
}

pub(super) async fn finds_every_break_of_a_chain(harness: Box<dyn Harness>) {
    let ledger = harness.ledger();
    let mut story = Story::default();
    let claim = claim(ledger, "a", Millis(0)).await;
    let opening = [
        story.tell("summer", created("summer", 10)),
        story.tell("summer", issued("summer", 1, &["ada"])),
        story.act("summer", "replay"),
    ];
    apply(ledger, &claim, &opening).await.unwrap();
    let breaks: [(&str, Spoil); 5] = [
        ("prev", |next| next.message.prev -= 1),
        ("epoch", |next| next.message.epoch += 1),
        ("first", |next| next.message.first += 1),
        ("last", |next| next.message.last = next.message.first - 1),
        ("nothing in it", |next| next.message.entries.clear()),
    ];
    let after = story.clone();
    for (what, spoil) in breaks {
        story = after.clone();
        let good = story.tell("winter", created("winter", 5));
        let mut bad = story.tell("summer", issued("summer", 2, &["bob"]));
        spoil(&mut bad);
        let outcome = apply(ledger, &claim, &[good, bad]).await;
        match outcome {
            Err(ApplyError::Broken(Broken { campaign, sequence, .. })) => {
                assert_eq!((campaign.as_str(), sequence), ("summer", 5), "{what}");
            }
            other => panic!("{what}: {other:?}"),
        }
        assert_eq!(sequence(ledger).await, 3, "{what}");
    }
    story = after.clone();
    let mut bad = story.act("summer", "discard");
    bad.message.prev = 2;
    let outcome = apply(ledger, &claim, &[bad]).await;
    assert!(
        matches!(outcome, Err(ApplyError::Broken(_))),
        "the second lane has a chain of its own: {outcome:?}"
    );
    assert_eq!(
        harness.number("SELECT count(*) FROM campaign").await,
        1,
        "nothing of a broken batch is written"
    );

    story = after;
    let next = [
        story.tell("summer", Event::GateFenced { incarnation: "two".to_owned() }),
        story.tell("summer", issued("summer", 2, &["bob"])),
        story.act("summer", "discard"),
    ];
    apply(ledger, &claim, &next).await.unwrap();
    assert_eq!(holders(ledger, "summer").await, ["ada", "bob"]);
}

pub(super) async fn refuses_what_breaks_a_promise(harness: Box<dyn Harness>) {
    let ledger = harness.ledger();
    let mut story = Story::default();
    let claim = claim(ledger, "a", Millis(0)).await;
    let opening =
        [story.tell("summer", created("summer", 10)), story.tell("summer", issued("summer", 1, &["ada"]))];
    apply(ledger, &claim, &opening).await.unwrap();
    let before = sum(ledger, "summer").await;
    let coupon = |seq, user, n, code: &str| {
        let mut coupon = issue("summer", seq, user);
        coupon.n = n;
        code.clone_into(&mut coupon.code);
        Event::CouponsIssued { window: 1, expires_at: None, coupons: vec![coupon] }
    };
    let bad = [
        ("a sequence number twice", coupon(1, "bob", 1, "B")),
        ("a person's first coupon twice", coupon(2, "ada", 1, "B")),
        ("a code twice", coupon(2, "bob", 1, "summer-1")),
        ("no code", coupon(2, "bob", 1, "")),
        ("no place in line", coupon(0, "bob", 1, "B")),
        ("a number too large", coupon(u64::MAX, "bob", 1, "B")),
        ("an unknown window", Event::StockChanged { window: 9, stock: 1, actor: ACTOR.to_owned() }),
    ];
    let after = story.clone();
    for (what, event) in bad {
        story = after.clone();
        let batch = [story.tell("winter", created("winter", 5)), story.tell("summer", event)];
        let outcome = apply(ledger, &claim, &batch).await;
        assert!(matches!(outcome, Err(ApplyError::Refused(_))), "{what}: {outcome:?}");
        assert_eq!(sum(ledger, "summer").await, before, "{what}");
        assert_eq!(sequence(ledger).await, 2, "{what}");
    }
    story = after.clone();
    let mut lost = story.tell("summer", issued("summer", 2, &["bob"]));
    lost.subject.lane = Lane::Uses;
    assert_refused(&apply(ledger, &claim, &[lost]).await);
    assert_eq!(ledger.parked(0).await.unwrap(), [], "a refusal alone parks nothing");
    assert_eq!(harness.number("SELECT count(*) FROM campaign").await, 1);

    story = after;
    let mut twice = issue("summer", 2, "ada");
    twice.n = 2;
    let event = Event::CouponsIssued { window: 1, expires_at: Some(Millis(9_000)), coupons: vec![twice] };
    apply(ledger, &claim, &[story.tell("summer", event)]).await.unwrap();
    assert_eq!(holders(ledger, "summer").await, ["ada", "ada"]);
}

pub(super) async fn goes_on_after_a_restart(mut harness: Box<dyn Harness>) {
    let mut story = Story::default();
    let (old, waiting) = park_summer(harness.ledger(), &mut story).await;
    let winter =
        [story.tell("winter", created("winter", 5)), story.tell("winter", issued("winter", 1, &["eve"]))];
    apply(harness.ledger(), &old, &winter).await.unwrap();
    let before = (sum(harness.ledger(), "winter").await, audit(harness.ledger(), None, None, 9).await);
    harness.reopen().await;
    let ledger = harness.ledger();
    assert_eq!((sum(ledger, "winter").await, audit(ledger, None, None, 9).await), before);
    assert_eq!(ledger.checkpoint(0).await.unwrap(), Some(Checkpoint { log: LOG.to_owned(), sequence: 6 }));
    let new = claim(ledger, "b", LONG_AFTER).await;
    assert!(new.token > old.token);
    let next = [story.tell("winter", issued("winter", 2, &["fay"]))];
    assert_stale(&apply(ledger, &old, &next).await);
    apply(ledger, &new, &next).await.unwrap();
    assert_eq!(holders(ledger, "winter").await, ["eve", "fay"]);
    let summer = id("summer");
    let level = Replayed { at: 7, ..step(&summer, &waiting, None) };
    ledger.replayed(&new, &level).await.unwrap();
    assert_eq!((ledger.parked(0).await.unwrap(), holders(ledger, "summer").await.len()), (vec![], 3));
}
