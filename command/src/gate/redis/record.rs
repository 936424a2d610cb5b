//! How a holder is kept: under a digest of the name, as a string of fixed numbers. A million holders must fit into a
//! server's memory twice while they are loaded, so each costs 110 bytes: a hash field of 16 for the digest, one of 16
//! for the record, and the name itself once, in the line.

use firstcome_shared::clock::Millis;
use firstcome_shared::domain::{Definition, Held, RequestKey, UserId};
use sha2::{Digest as _, Sha256};

/// Where keys are not kept: sequence number (5), time (6), window (2).
const PLAIN: usize = 13;
/// Else, behind the key: which of this person's it is (2), then as above, then the key's length (1).
const KEYED: usize = 16;

/// Who. With its header it fills an allocation of 16 bytes exactly; that two of a billion people share 112 bits of
/// SHA-256 has a chance of one in 10^16.
pub(super) type Digest = [u8; 14];

pub(super) fn digest(user: &UserId) -> Digest {
    let mut digest = Digest::default();
    digest.copy_from_slice(&Sha256::digest(user.as_str().as_bytes())[..14]);
    digest
}

/// What a holder holds, oldest first; `None` when a number is too large for its place.
pub(super) fn write<'a>(definition: &Definition, held: impl Iterator<Item = &'a Held>) -> Option<Vec<u8>> {
    let mut value = Vec::with_capacity(KEYED);
    for (nth, held) in (1_u64..).zip(held) {
        let key = held.key.as_ref().map_or("", RequestKey::as_str);
        if definition.keeps_keys() {
            value.extend_from_slice(key.as_bytes());
            put(&mut value, nth, 2)?;
        }
        put(&mut value, held.seq, 5)?;
        put(&mut value, u64::try_from(held.issued_at.0).ok()?, 6)?;
        put(&mut value, u64::from(held.window), 2)?;
        if definition.keeps_keys() {
            put(&mut value, u64::try_from(key.len()).ok()?, 1)?;
        }
    }
    Some(value)
}

/// What a value says, oldest first; `None` when it is not one.
pub(super) fn read(value: &[u8]) -> Option<Vec<Held>> {
    if value.len() == PLAIN {
        return Some(vec![held(value, None)?]);
    }
    let (mut rest, mut all) = (value, Vec::new());
    while let Some((&length, before)) = rest.split_last() {
        let start = (before.len() + 1).checked_sub(KEYED + usize::from(length))?;
        let (key, numbers) = before[start..].split_at(usize::from(length));
        let key = match key {
            [] => None,
            key => Some(RequestKey::parse(std::str::from_utf8(key).ok()?).ok()?),
        };
        all.push(held(&numbers[2..], key)?);
        rest = &rest[..start];
    }
    all.reverse();
    Some(all)
}

fn held(numbers: &[u8], key: Option<RequestKey>) -> Option<Held> {
    let number =
        |from: usize, to: usize| numbers[from..to].iter().fold(0, |sum, byte| sum << 8 | u64::from(*byte));
    Some(Held {
        seq: number(0, 5),
        issued_at: Millis(i64::try_from(number(5, 11)).ok()?),
        window: u32::try_from(number(11, 13)).ok()?,
        key,
    })
}

/// The last `bytes` of a number, which must be all of it.
fn put(value: &mut Vec<u8>, number: u64, bytes: usize) -> Option<()> {
    let all = number.to_be_bytes();
    let (zeros, kept) = all.split_at(8 - bytes);
    value.extend_from_slice(kept);
    zeros.iter().all(|byte| *byte == 0).then_some(())
}

#[cfg(test)]
mod tests {
    use firstcome_shared::domain::{CampaignId, Terms};
    use firstcome_shared::wire::LimitPer;
    use proptest::prelude::*;

    use super::*;

    fn definition(limit: u32) -> Definition {
        Definition {
            id: CampaignId::parse("summer").unwrap(),
            name: String::new(),
            windows: Vec::new(),
            per_user_limit: limit,
            limit_per: LimitPer::Campaign,
            coupon: Terms::default(),
            waiting_room: None,
            key_id: String::new(),
        }
    }

    fn held(key: Option<&str>) -> Held {
        let key = key.map(|key| RequestKey::parse(key).unwrap());
        Held { seq: (1 << 40) - 1, issued_at: Millis((1 << 48) - 1), window: 65_535, key }
    }

    proptest! {
        #[test]
        fn what_was_written_is_read(
            drawn in prop::collection::vec((0_u64..1 << 40, 0_i64..1 << 48, 0_u32..1 << 16, prop::option::of("[ -~]{1,128}")), 1..20),
        ) {
            let held: Vec<_> = drawn
                .into_iter()
                .map(|(seq, at, window, key)| {
                    let key = key.map(|key| RequestKey::parse(&key).unwrap());
                    Held { seq, issued_at: Millis(at), window, key }
                })
                .collect();
            prop_assert_eq!(read(&write(&definition(2), held.iter()).unwrap()).unwrap(), held.clone());
            let plain = Held { key: None, ..held[0].clone() };
            prop_assert_eq!(read(&write(&definition(1), [&plain].into_iter()).unwrap()).unwrap(), vec![plain]);
        }

        #[test]
        fn what_is_no_record_is_refused(bytes in prop::collection::vec(any::<u8>(), 0..80)) {
            // No more than that it does not panic, and makes nothing of too little.
            let holds = read(&bytes).map_or(0, |held| held.len());
            prop_assert!(holds * PLAIN <= bytes.len());
        }
    }

    #[test]
    fn records_are_as_small_as_they_are_said_to_be() {
        let size = |limit, held: &[Held]| write(&definition(limit), held.iter()).unwrap().len();
        assert_eq!(size(1, &[held(None)]), PLAIN);
        assert_eq!(size(2, &[held(None), held(Some("abc"))]), 2 * KEYED + 3);
    }

    #[test]
    fn a_number_that_does_not_fit_is_not_cut_off() {
        let fits = held(None);
        let refuses = |held: &Held| write(&definition(1), [held].into_iter()).is_none();
        assert!(!refuses(&fits));
        assert!(refuses(&Held { seq: 1 << 40, ..fits.clone() }));
        assert!(refuses(&Held { issued_at: Millis(1 << 48), ..fits.clone() }));
        assert!(refuses(&Held { issued_at: Millis(-1), ..fits.clone() }));
        assert!(refuses(&Held { window: 65_536, ..fits }));
    }
}
