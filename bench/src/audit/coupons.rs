//! Counting over coupons: whose number or code was given twice, which numbers lack. One set of rules for what people were
//! told and for what a store holds.

use std::collections::{BTreeSet, HashMap};
use std::hash::Hash;

use firstcome_shared::clock::Millis;

/// One coupon of one person.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Holding<'a> {
    pub(super) seq: u64,
    pub(super) user_id: &'a str,
    pub(super) code: &'a str,
    pub(super) issued_at: Millis,
}

/// The distinct coupons among these, by seq.
pub(super) fn distinct<'a>(all: impl Iterator<Item = Holding<'a>>) -> Vec<Holding<'a>> {
    all.collect::<BTreeSet<_>>().into_iter().collect()
}

/// Distinct coupons that break "unique": a number or a code that another coupon has too, or one more for a person than the
/// limit allows. The first of each is right, every further one counts once.
pub(super) fn duplicates<'a>(coupons: &[Holding<'a>], per_user_limit: u64) -> Vec<Holding<'a>> {
    let (mut seqs, mut codes, mut people) = (HashMap::new(), HashMap::new(), HashMap::new());
    let again = |coupon: &&Holding<'a>| {
        // All three are counted for every coupon, whatever the first of them says.
        let seq = nth(&mut seqs, coupon.seq) > 1;
        let code = nth(&mut codes, coupon.code) > 1;
        let person = nth(&mut people, coupon.user_id) > per_user_limit;
        seq || code || person
    };
    coupons.iter().filter(again).copied().collect()
}

fn nth<K: Eq + Hash>(counts: &mut HashMap<K, u64>, key: K) -> u64 {
    let count = counts.entry(key).or_default();
    *count += 1;
    *count
}

/// How many numbers from 1 to the highest lack, and the first few of them.
pub(super) fn missing(coupons: &[Holding<'_>], highest: u64) -> (u64, Vec<u64>) {
    let have: BTreeSet<u64> =
        coupons.iter().map(|coupon| coupon.seq).filter(|seq| (1..=highest).contains(seq)).collect();
    let missing = highest - have.len() as u64;
    let mut first = Vec::new();
    if missing > 0 {
        first.extend((1..=highest).filter(|seq| !have.contains(seq)).take(5));
    }
    (missing, first)
}

/// Coupons, in the order of seq, that were decided before the one in front of them.
pub(super) fn out_of_order(coupons: &[Holding<'_>]) -> Vec<u64> {
    coupons.windows(2).filter(|pair| pair[1].issued_at < pair[0].issued_at).map(|pair| pair[1].seq).collect()
}

/// The most coupons decided within any second.
pub(super) fn peak_per_second(coupons: &[Holding<'_>]) -> u64 {
    let mut times: Vec<i64> = coupons.iter().map(|coupon| coupon.issued_at.0).collect();
    times.sort_unstable();
    let mut first = 0;
    let mut most = 0;
    for (index, at) in times.iter().enumerate() {
        while at - times[first] >= 1_000 {
            first += 1;
        }
        most = most.max(index + 1 - first);
    }
    most as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn coupon(seq: u64, user_id: &'static str, code: &'static str) -> Holding<'static> {
        Holding { seq, user_id, code, issued_at: Millis(0) }
    }

    #[test]
    fn finds_every_kind_of_duplicate_once() {
        let all = [coupon(1, "a", "A"), coupon(2, "b", "B"), coupon(1, "a", "A")];
        let right = distinct(all.into_iter());
        assert_eq!(
            (right.len(), duplicates(&right, 1)),
            (2, vec![]),
            "the same coupon told twice is one coupon"
        );
        for wrong in [coupon(2, "c", "C"), coupon(3, "c", "B"), coupon(3, "b", "C"), coupon(2, "c", "B")] {
            let coupons = distinct(right.iter().copied().chain([wrong]));
            assert_eq!(duplicates(&coupons, 1), [wrong]);
        }
        let second = distinct(right.iter().copied().chain([coupon(3, "b", "C")]));
        assert!(duplicates(&second, 2).is_empty(), "a limit of two allows a second");
    }

    #[test]
    fn finds_gaps_and_disorder() {
        let mut coupons = [coupon(1, "a", "A"), coupon(3, "b", "B"), coupon(5, "c", "C")];
        assert_eq!(missing(&coupons, 6), (3, vec![2, 4, 6]));
        assert_eq!(missing(&[], 0), (0, vec![]));
        assert!(out_of_order(&coupons).is_empty(), "the same millisecond is in order");
        coupons[0].issued_at = Millis(1_500);
        assert_eq!(out_of_order(&coupons), [3]);
        // 1,500, 0 and 0; then a second that begins at 900.
        assert_eq!(peak_per_second(&coupons), 2);
        coupons[1].issued_at = Millis(900);
        coupons[2].issued_at = Millis(1_899);
        assert_eq!(peak_per_second(&coupons), 3);
        coupons[2].issued_at = Millis(1_900);
        assert_eq!(peak_per_second(&coupons), 2);
    }
}
