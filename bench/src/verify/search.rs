//! Finds the coupons behind two fingerprints that differ: halves the range of sequence numbers until the rows can be
//! fetched, and lays them side by side.

use std::cmp::Ordering;

use firstcome_shared::position::Position;
use firstcome_shared::wire::{CouponRow, Fingerprint, Store};

use super::difference::{Difference, Kind, MASKED, is_masked};
use super::{NAMED_AT_MOST, parts};
use crate::api::{Api, Slice, is_unknown};
use crate::error::BenchError;

/// Rows are shown by the API only below this number.
const SHOWN_BELOW: u64 = 1_000;

/// What a search brings back.
#[derive(Debug, Default)]
pub(super) struct Found {
    pub(super) named: Vec<Difference>,
    /// Differences beyond those named, at least.
    pub(super) unnamed: u64,
}

/// Whether two stores have the same rows. The gate has no status.
pub(super) fn same(log: &Fingerprint, store: &Fingerprint) -> bool {
    log.count == store.count
        && log.highest == store.highest
        && log.checksum == store.checksum
        && (store.store == Store::Gate || log.status_checksum == store.status_checksum)
}

/// The fingerprint of a store, empty when a projection has not heard of the campaign yet; in parts up to number `top`.
pub(super) async fn fingerprint(
    api: &Api,
    store: Store,
    campaign: &str,
    slice: Slice,
    top: u64,
) -> Result<Option<Fingerprint>, BenchError> {
    match parts::fingerprint(api, store, campaign, slice, top).await {
        Ok(fingerprint) => Ok(Some(fingerprint)),
        Err(error) if is_unknown(&error) && matches!(store, Store::Ledger | Store::ReadModel) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Names what differs between the log and a store from seq `from` to seq `to`, both included. The log has about `top`.
pub(super) async fn differences(
    api: &Api,
    store: Store,
    campaign: &str,
    (from, to): (u64, u64),
    upto: Option<Position>,
    top: u64,
) -> Result<Found, BenchError> {
    let mut found = Found::default();
    let mut ranges = vec![(from, to)];
    while let Some((from, to)) = ranges.pop() {
        let slice = Slice { from: Some(from), to: Some(to), upto, rows: false };
        let theirs = fingerprint(api, store, campaign, slice, top).await?;
        // The gate runs ahead of the log and gets no upper position; its ranges are closed, so the order of the two
        // questions does not matter. A projection runs behind: its question comes first.
        let truth = api.fingerprint(Store::Log, campaign, slice).await?;
        let (count, equal) = theirs.as_ref().map_or((0, truth.count == 0), |it| (it.count, same(&truth, it)));
        if equal {
            continue;
        }
        if found.named.len() >= NAMED_AT_MOST {
            found.unnamed += truth.count.abs_diff(count).max(1);
        } else if truth.count < SHOWN_BELOW && count < SHOWN_BELOW {
            let shown = Slice { rows: true, ..slice };
            let theirs = fingerprint(api, store, campaign, shown, top).await?.and_then(|it| it.rows);
            let truth = api.fingerprint(Store::Log, campaign, shown).await?.rows;
            lay_side_by_side(
                store,
                campaign,
                (from, to),
                truth.unwrap_or_default(),
                theirs.unwrap_or_default(),
                &mut found.named,
            );
        } else if from < to {
            let middle = from + (to - from) / 2;
            ranges.push((middle + 1, to));
            ranges.push((from, middle));
        } else {
            let detail = format!("seq {from} stands {} times in the log, {count} times here", truth.count);
            found.named.push(Difference::general(store, campaign, Kind::Hidden, detail));
        }
    }
    Ok(found)
}

fn lay_side_by_side(
    store: Store,
    campaign: &str,
    (from, to): (u64, u64),
    mut truth: Vec<CouponRow>,
    mut theirs: Vec<CouponRow>,
    named: &mut Vec<Difference>,
) {
    truth.sort_by_key(|row| row.seq);
    theirs.sort_by_key(|row| row.seq);
    let before = named.len();
    let mut left = truth.iter().peekable();
    let mut right = theirs.iter().peekable();
    loop {
        let (log, found) = match (left.peek(), right.peek()) {
            (None, None) => break,
            (Some(_), None) => (left.next(), None),
            (None, Some(_)) => (None, right.next()),
            (Some(log), Some(found)) => match log.seq.cmp(&found.seq) {
                Ordering::Less => (left.next(), None),
                Ordering::Greater => (None, right.next()),
                Ordering::Equal => (left.next(), right.next()),
            },
        };
        named.extend(Difference::between(store, campaign, log, found));
    }
    if named.len() == before {
        let masked = truth.iter().chain(&theirs).any(|row| is_masked(&row.code));
        let why = if masked { MASKED } else { "the rows shown are equal" };
        let detail = format!("checksums of seq {from} to {to} differ; {why}");
        named.push(Difference::general(store, campaign, Kind::Hidden, detail));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(seqs: &[u64]) -> Vec<CouponRow> {
        seqs.iter()
            .map(|seq| CouponRow {
                seq: *seq,
                user_id: format!("u-{seq}"),
                code: format!("C{seq}"),
                issued_at: firstcome_shared::wire::Time::default(),
                expires_at: None,
                status: None,
            })
            .collect()
    }

    #[test]
    fn every_row_that_differs_is_named_and_no_other() {
        let mut named = Vec::new();
        let mut theirs = rows(&[4, 3, 1, 5, 5]);
        theirs[1].user_id = "thief".to_owned();
        lay_side_by_side(Store::Gate, "c", (1, 5), rows(&[1, 2, 3, 4]), theirs, &mut named);
        let said: Vec<_> = named.iter().map(|it| (it.seq, it.kind)).collect();
        let expected = [(2, Kind::Missing), (3, Kind::Changed), (5, Kind::Extra), (5, Kind::Extra)]
            .map(|(s, k)| (Some(s), k));
        assert_eq!(said, expected);
    }

    #[test]
    fn a_difference_that_cannot_be_shown_is_said_all_the_same() {
        let mut named = Vec::new();
        let mut masked = rows(&[1]);
        masked[0].code = "7Q2M-****-****-****".to_owned();
        lay_side_by_side(Store::Ledger, "c", (1, 9), masked.clone(), masked, &mut named);
        assert_eq!(named.len(), 1);
        assert!(named[0].is_masked(), "{}", named[0]);
    }
}
