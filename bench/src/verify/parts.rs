//! Sums up a store's rows in parts. A server gives no answer that takes it longer than ten seconds, and holds one such
//! question at a time; checksums are sums, so parts can be added up. The log alone is asked as a whole: it is read from its
//! beginning whatever part of it is meant.

use firstcome_shared::wire::{Fingerprint, Store};

use crate::api::{Api, Slice};
use crate::error::BenchError;

/// Sequence numbers in one question: a fraction of a second for any store.
const PART: u64 = 20_000;

/// The fingerprint of these rows, in parts up to number `top`; behind it there should be little. Rows that are to be shown
/// are few, and come in one answer.
pub(crate) async fn fingerprint(
    api: &Api,
    store: Store,
    campaign: &str,
    slice: Slice,
    top: u64,
) -> Result<Fingerprint, BenchError> {
    let (first, last) = (slice.from.unwrap_or(1), slice.to.unwrap_or(u64::MAX));
    let part_to = |from: u64| match store {
        Store::Log => last,
        _ if slice.rows || from > top => last,
        _ => last.min(top).min(from.saturating_add(PART - 1)),
    };
    let ask = async |from, to| {
        // A server takes an absent end as it takes the largest.
        let to = (to < u64::MAX).then_some(to);
        api.fingerprint(store, campaign, Slice { from: Some(from), to, ..slice }).await
    };
    let mut to = part_to(first);
    let mut sum = ask(first, to).await?;
    while to < last {
        let from = to + 1;
        to = part_to(from);
        add(&mut sum, ask(from, to).await?);
    }
    Ok(sum)
}

fn add(sum: &mut Fingerprint, part: Fingerprint) {
    sum.count += part.count;
    sum.highest = sum.highest.max(part.highest);
    sum.checksum = added(&sum.checksum, &part.checksum);
    let statuses = sum.status_checksum.take().zip(part.status_checksum);
    sum.status_checksum = statuses.map(|(sum, part)| added(&sum, &part));
}

/// Two checksums as one. What is none stays one that nothing equals.
fn added(sum: &str, part: &str) -> String {
    match (u64::from_str_radix(sum, 16), u64::from_str_radix(part, 16)) {
        (Ok(sum), Ok(part)) => format!("{:016x}", sum.wrapping_add(part)),
        _ => format!("{sum} and {part}"),
    }
}
