//! An entry never takes more bytes than it is counted for: else a message that is drafted to fit might be larger than
//! the log takes, and everybody behind it would wait for ever (ARCHITECTURE L8).

use std::collections::BTreeMap;

use firstcome_shared::clock::Millis;
use firstcome_shared::domain::{CampaignId, RequestKey, UserId};
use firstcome_shared::event::{Entry, Event, IssuedCoupon, Message, VERSION};
use firstcome_shared::event_log::MESSAGE_BYTES;

const LARGE: u64 = 9_999_999_999;

/// A batch for people whose names and keys are as long as they may be, of letters that JSON writes as two.
fn batch(people: u32) -> Entry {
    let longest = "\"".repeat(128);
    let coupons = (0..u64::from(people))
        .map(|person| IssuedCoupon {
            seq: LARGE + person,
            user_id: UserId::parse(&longest).expect("a user"),
            n: 100,
            key: Some(RequestKey::parse(&longest).expect("a key")),
            code: "7Q2M-3PNV-GFNB-6CYN".to_owned(),
        })
        .collect();
    let event = Event::CouponsIssued { window: u32::MAX, expires_at: Some(Millis(i64::MAX)), coupons };
    Entry { decision: LARGE, at: Millis(i64::MAX), event }
}

fn bytes(entries: Vec<Entry>) -> usize {
    let message = Message {
        version: VERSION,
        campaign: CampaignId::parse(&"c".repeat(64)).expect("a campaign"),
        log: "f".repeat(16),
        epoch: LARGE,
        first: LARGE,
        last: LARGE,
        prev: LARGE,
        nonce: "f".repeat(16),
        entries,
        requests: BTreeMap::new(),
    };
    message.encode().len()
}

#[test]
fn a_batch_is_never_larger_than_it_is_counted_for() {
    let empty = bytes(Vec::new());
    for people in [0, 1, 7, 512] {
        let entry = batch(people);
        let weight = entry.weight();
        let taken = bytes(vec![entry]) - empty;
        assert!(taken <= weight, "{people} people: {taken} bytes, counted for {weight}");
    }
    assert!(empty < 1_000, "and what stands around it is small: {empty}");
}

#[test]
fn the_largest_batch_fits_into_a_message() {
    let most = batch(512);
    assert!(most.weight() <= MESSAGE_BYTES, "{}", most.weight());
}
