//! What the ledgers in SQL have in common: how numbers and names stand in columns, and how a page of the audit is cut.

use firstcome_shared::domain::CampaignId;
use firstcome_shared::event_log::Lane;
use firstcome_shared::projection::{Delivery, Remedy};
use firstcome_shared::wire::{AuditEntry, CouponStatus, Page};
use serde::de::value::{Error as NoStatus, StrDeserializer};
use serde::de::{DeserializeOwned, IntoDeserializer};
use serde::{Deserialize, Serialize};

use super::AuditCursor;

pub(super) type Result<T> = std::result::Result<T, sqlx::Error>;

/// A number as the store holds it; what does not fit is data that the store refuses.
pub(super) fn number(number: u64) -> Result<i64> {
    i64::try_from(number).map_err(|error| sqlx::Error::Encode(error.into()))
}

pub(super) fn unsigned(number: i64) -> Result<u64> {
    u64::try_from(number).map_err(|error| sqlx::Error::Decode(error.into()))
}

/// A number in a question: what is too large stands for every number.
pub(super) fn bound(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// JSON for a statement or a column.
pub(super) fn text<T: Serialize>(value: &T) -> Result<String> {
    serde_json::to_string(value).map_err(|error| sqlx::Error::Encode(error.into()))
}

pub(super) fn json<T: DeserializeOwned>(text: &str) -> Result<T> {
    serde_json::from_str(text).map_err(|error| sqlx::Error::Decode(error.into()))
}

pub(super) fn campaign(name: &str) -> Result<CampaignId> {
    CampaignId::parse(name).map_err(|error| sqlx::Error::Decode(error.into()))
}

pub(super) fn status(name: &str) -> Result<CouponStatus> {
    let name: StrDeserializer<'_, NoStatus> = name.into_deserializer();
    CouponStatus::deserialize(name).map_err(|error| sqlx::Error::Decode(error.into()))
}

pub(super) fn lane_number(lane: Lane) -> i64 {
    match lane {
        Lane::Decisions => 0,
        Lane::Uses => 1,
    }
}

pub(super) fn lane(number: i64) -> Lane {
    if number == 0 { Lane::Decisions } else { Lane::Uses }
}

/// How a wish to discard stands in the store.
const DISCARD: &str = "discard";

pub(super) fn remedy_text(remedy: Remedy) -> &'static str {
    match remedy {
        Remedy::Replay => "replay",
        Remedy::Discard => DISCARD,
    }
}

pub(super) fn remedy(name: Option<&str>) -> Option<Remedy> {
    name.map(|name| if name == DISCARD { Remedy::Discard } else { Remedy::Replay })
}

/// How many coupons stand in `deliveries`.
pub(super) fn coupons(deliveries: &[Delivery]) -> u64 {
    let each = deliveries.iter().map(|delivery| delivery.message.coupons().count());
    u64::try_from(each.sum::<usize>()).unwrap_or(u64::MAX)
}

/// The page out of `rows`, of which there is one more than `limit` if there is another page.
pub(super) fn page<R>(
    rows: &[R],
    limit: u32,
    entry: impl Fn(&R) -> Result<(AuditEntry, AuditCursor)>,
) -> Result<Page<AuditEntry>> {
    let shown = rows.len().min(usize::try_from(limit).unwrap_or(usize::MAX));
    let mut page = Page { items: Vec::with_capacity(shown), next: None };
    for (index, row) in rows.iter().take(shown).enumerate() {
        let (entry, cursor) = entry(row)?;
        page.items.push(entry);
        if index + 1 == shown && rows.len() > shown {
            page.next = Some(cursor.to_string());
        }
    }
    Ok(page)
}
