//! Pages by key: a cursor names the last item of the page before, so nothing is skipped or repeated while a list
//! grows, and page one thousand costs what page one does.

use firstcome_shared::domain::CampaignId;
use firstcome_shared::http::{self, Failure};
use firstcome_shared::wire::{Page, Problem};

const USUAL: u32 = 100;
const MOST: u32 = 1_000;

/// How many items a page may have.
pub(super) fn limit(asked: Option<u32>) -> http::Result<u32> {
    let limit = asked.unwrap_or(USUAL);
    if (1..=MOST).contains(&limit) {
        Ok(limit)
    } else {
        Err(Problem::invalid("limit", format!("must be 1 to {MOST}")).into())
    }
}

/// A page of at most `limit` of `items`, of which one more was asked for.
pub(super) fn page<T>(mut items: Vec<T>, limit: u32, cursor: impl Fn(&T) -> String) -> Page<T> {
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    let more = items.len() > limit;
    items.truncate(limit);
    let next = items.last().filter(|_| more).map(cursor);
    Page { items, next }
}

/// The same page with its items shown.
pub(super) fn shown<T, U>(page: Page<T>, show: impl FnMut(T) -> U) -> Page<U> {
    Page { items: page.items.into_iter().map(show).collect(), next: page.next }
}

/// The last campaign of the page before.
pub(super) fn after_campaign(cursor: Option<&str>) -> http::Result<Option<CampaignId>> {
    cursor.map(CampaignId::parse).transpose().map_err(|_| bad())
}

/// The last sequence number of the page before.
pub(super) fn after_seq(cursor: Option<&str>) -> http::Result<Option<u64>> {
    cursor.map(seq).transpose()
}

/// Campaign and sequence number of the last coupon of the page before.
pub(super) fn after_coupon(cursor: Option<&str>) -> http::Result<Option<(CampaignId, u64)>> {
    let read = |cursor: &str| {
        let (campaign, number) = cursor.split_once('.').ok_or_else(bad)?;
        Ok((CampaignId::parse(campaign).map_err(|_| bad())?, seq(number)?))
    };
    cursor.map(read).transpose()
}

fn seq(text: &str) -> http::Result<u64> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let number = text.parse().ok().filter(|number| digits && i64::try_from(*number).is_ok());
    number.ok_or_else(bad)
}

fn bad() -> Failure {
    Problem::invalid("after", "is not a cursor of this list").into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_has_a_next_only_when_there_is_more() {
        let cursor = |number: &u32| number.to_string();
        assert_eq!(page(vec![1, 2, 3], 2, cursor), Page { items: vec![1, 2], next: Some("2".to_owned()) });
        assert_eq!(page(vec![1, 2], 2, cursor), Page { items: vec![1, 2], next: None });
        assert_eq!(page(Vec::new(), 2, cursor), Page { items: Vec::new(), next: None });
    }

    #[test]
    fn cursors_are_read_strictly() {
        assert_eq!(after_seq(Some("17")).unwrap(), Some(17));
        assert_eq!(after_seq(None).unwrap(), None);
        for bad in ["", "+1", "-1", "1.0", "x", "99999999999999999999", "9223372036854775808"] {
            assert_eq!(after_seq(Some(bad)).unwrap_err().problem().field.as_deref(), Some("after"), "{bad}");
        }
        assert_eq!(after_coupon(Some("summer.3")).unwrap(), Some((CampaignId::parse("summer").unwrap(), 3)));
        for bad in ["summer", "summer.", ".3", "Summer.3", "summer.3.4"] {
            assert!(after_coupon(Some(bad)).is_err(), "{bad}");
        }
        assert!(after_campaign(Some("Not A Name")).is_err());
        assert!(limit(Some(0)).is_err() && limit(Some(1_001)).is_err());
        assert_eq!((limit(None).unwrap(), limit(Some(1_000)).unwrap()), (100, 1_000));
    }
}
