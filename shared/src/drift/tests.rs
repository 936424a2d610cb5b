//! A store that is altered under the comparison's eyes: each difference is seen, once it has lasted, and none where
//! nothing differs.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use super::*;
use crate::clock::{ManualClock, Millis};
use crate::domain::UserId;
use crate::event::{Entry, Event, IssuedCoupon, VERSION};
use crate::event_log::Subject;
use crate::event_log::sqlite::SqliteLog;

const NOW: Millis = Millis(1_800_000_000_000);

/// A store in memory; `reached` is its checkpoint.
#[derive(Default)]
struct Shop {
    rows: Mutex<BTreeMap<u64, (Row, u64)>>,
    reached: Mutex<u64>,
}

#[async_trait]
impl Compared for Shop {
    fn name(&self) -> &'static str {
        "shop"
    }

    async fn has_reached(&self, _: &CampaignId, position: Position) -> Result<bool, String> {
        Ok(*self.reached.lock().unwrap() >= position.sequence)
    }

    async fn sum(&self, campaign: &CampaignId, range: &Range) -> Result<Fingerprint, String> {
        let mut sum = Sum::default();
        for (seq, (row, position)) in &*self.rows.lock().unwrap() {
            let passed = range.upto.is_none_or(|upto| *position <= upto.sequence);
            if (range.from..=range.to).contains(seq) && passed {
                sum.add(range, row.clone());
            }
        }
        Ok(sum.fingerprint(Store::Ledger, campaign.as_str(), Position::new(0, 0), range))
    }
}

struct Rig {
    _folder: tempfile::TempDir,
    log: SqliteLog,
    campaign: CampaignId,
    end: u64,
    decision: u64,
    shop: Shop,
    walk: Walk,
}

impl Rig {
    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let clock = Arc::new(ManualClock::at(NOW));
        let log = SqliteLog::open(&folder.path().join("log.db"), clock).await.unwrap();
        let campaign = CampaignId::parse("summer").unwrap();
        let (shop, walk) = (Shop::default(), Walk::default());
        Self { _folder: folder, log, campaign, end: 0, decision: 0, shop, walk }
    }

    /// Coupons `from..=to` in one message, in the store as well.
    async fn issue(&mut self, from: u64, to: u64) {
        let coupon = |seq: u64| IssuedCoupon {
            seq,
            user_id: UserId::parse(&format!("u-{seq}")).unwrap(),
            n: 1,
            key: None,
            code: format!("C-{seq}"),
        };
        let coupons: Vec<_> = (from..=to).map(coupon).collect();
        let prev = self.end;
        self.decision += 1;
        let event = Event::CouponsIssued { window: 1, expires_at: None, coupons: coupons.clone() };
        let message = Message {
            version: VERSION,
            campaign: self.campaign.clone(),
            log: self.log.identity().to_owned(),
            epoch: 1,
            first: self.decision,
            last: self.decision,
            prev,
            nonce: String::new(),
            entries: vec![Entry { decision: self.decision, at: NOW, event }],
            requests: std::collections::BTreeMap::new(),
        };
        self.end =
            self.log.append(&Subject::decisions(&self.campaign), prev, message.encode()).await.unwrap();
        let mut rows = self.shop.rows.lock().unwrap();
        for coupon in coupons {
            let row = Row {
                seq: coupon.seq,
                user_id: coupon.user_id.to_string(),
                code: coupon.code,
                issued_at: NOW,
                expires_at: None,
                status: Some(CouponStatus::Redeemed),
            };
            rows.insert(coupon.seq, (row, self.end));
        }
        *self.shop.reached.lock().unwrap() = self.end;
    }

    async fn step(&mut self) -> u64 {
        self.walk.step(&self.log, &self.campaign, &self.shop).await.unwrap()
    }

    async fn steps(&mut self, count: u64) -> (u64, u64) {
        for _ in 0..count {
            self.step().await;
        }
        (self.walk.drift(), self.walk.gaps())
    }

    fn alter(&self, seq: u64, alter: impl FnOnce(&mut Row)) {
        alter(&mut self.shop.rows.lock().unwrap().get_mut(&seq).unwrap().0);
    }
}

#[tokio::test]
async fn nothing_differs_where_nothing_does_and_each_coupon_is_looked_at_again() {
    let mut rig = Rig::new().await;
    assert_eq!(rig.steps(4).await, (0, 0), "nothing there yet");
    rig.issue(1, 2_500).await;
    rig.issue(2_501, 6_000).await;
    assert_eq!(rig.step().await, 6_000, "what is new, in chunks");
    assert_eq!(rig.step().await, 6_000, "and all once more");
    rig.issue(6_001, 6_001).await;
    assert_eq!(rig.step().await, 1, "what is new goes first");
    assert_eq!(rig.steps(10).await, (0, 0));
}

#[tokio::test]
async fn a_store_that_has_not_come_so_far_does_not_differ() {
    let mut rig = Rig::new().await;
    rig.issue(1, 10).await;
    rig.shop.rows.lock().unwrap().clear();
    *rig.shop.reached.lock().unwrap() = rig.end - 1;
    for _ in 0..4 {
        let step = rig.walk.step(&rig.log, &rig.campaign, &rig.shop).await;
        assert_eq!(step, Err("the shop has not come so far".to_owned()), "nor is it compared");
    }
    assert_eq!(rig.walk.drift(), 0);
    *rig.shop.reached.lock().unwrap() = rig.end;
    assert_eq!(rig.steps(1).await, (10, 0));
}

#[tokio::test]
async fn every_difference_is_seen_and_gone_when_it_is_mended() {
    let mut rig = Rig::new().await;
    rig.issue(1, 5_000).await;
    rig.steps(3).await;
    // Another person; a row less; a number that no gate gives; a number that the log does not have.
    rig.alter(7, |row| row.user_id = "somebody else".to_owned());
    let lost = rig.shop.rows.lock().unwrap().remove(&4_000).unwrap();
    assert_eq!(rig.steps(6).await.0, 2);
    let phantom = |seq| (Row { seq, ..lost.0.clone() }, rig.end);
    for seq in [0, 5_001, 5_002] {
        rig.shop.rows.lock().unwrap().insert(seq, phantom(seq));
    }
    // The zero falls into the chunk that the person has altered, and so counts for no more.
    assert_eq!(rig.steps(8).await.0, 4);

    rig.alter(7, |row| row.user_id = "u-7".to_owned());
    rig.shop.rows.lock().unwrap().insert(4_000, lost);
    for seq in [0, 5_001, 5_002] {
        rig.shop.rows.lock().unwrap().remove(&seq);
    }
    assert_eq!(rig.steps(8).await.0, 0);
}

#[tokio::test]
async fn a_difference_that_does_not_last_does_not_count() {
    let mut rig = Rig::new().await;
    rig.issue(1, 10).await;
    rig.alter(3, |row| row.code = "D-3".to_owned());
    let rig = &mut rig;
    let (walk, log, campaign, shop) = (&mut rig.walk, &rig.log, &rig.campaign, &rig.shop);
    let mended = async {
        tokio::time::sleep(LATER / 2).await;
        shop.rows.lock().unwrap().get_mut(&3).unwrap().0.code = "C-3".to_owned();
    };
    let (step, ()) = tokio::join!(walk.step(log, campaign, shop), mended);
    assert_eq!((step, walk.drift()), (Ok(10), 0));
}

#[tokio::test]
async fn a_gap_in_the_log_is_counted() {
    let mut rig = Rig::new().await;
    rig.issue(1, 10).await;
    rig.issue(14, 20).await;
    assert_eq!(rig.steps(1).await, (0, 3));
    assert_eq!(rig.steps(5).await, (0, 3), "also when all is read again");
}

#[tokio::test]
async fn many_small_messages_are_one_step_and_it_is_known_how_far_it_came() {
    let mut rig = Rig::new().await;
    for seq in 1..=100 {
        rig.issue(seq, seq).await;
    }
    assert_eq!(rig.walk.compared().0, 0);
    assert_eq!(rig.step().await, 100);
    assert_eq!(rig.walk.compared(), (100, NOW));
    rig.issue(101, 101).await;
    let Rig { walk, log, campaign, shop, .. } = &mut rig;
    let hour = Duration::from_hours(1);
    assert_eq!(walk.steps(hour, log, campaign, shop).await, Ok(1 + 101), "what is new, then all once more");
    assert!(walk.is_level());
    assert_eq!(walk.compared().0, 101);
}

/// While people ask, a store is nearly always a little behind.
#[tokio::test]
async fn what_the_store_has_reached_is_compared_though_more_is_there() {
    let mut rig = Rig::new().await;
    for seq in 1..=8 {
        rig.issue(seq, seq).await;
    }
    *rig.shop.reached.lock().unwrap() = rig.end - 1;
    assert_eq!(rig.step().await, 4);
    let Rig { walk, log, campaign, shop, .. } = &mut rig;
    assert_eq!(
        walk.steps(Duration::from_hours(1), log, campaign, shop).await,
        Ok(2 + 1 + 4),
        "and some once more"
    );
    assert!(!walk.is_level(), "one is missing");
    assert_eq!((walk.compared().0, walk.drift()), (7, 0));
}
