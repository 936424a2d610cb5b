//! One thing that differs between the log and a store, with both values.

use std::fmt;

use firstcome_shared::wire::{CouponRow, Store};
use serde::Serialize;

use super::spoken;

/// How a store differs from the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// The log has a coupon that the store lacks.
    Missing,
    /// The store has a coupon that the log lacks.
    Extra,
    /// Both have it, with different values.
    Changed,
    /// The checksums of a range differ though the rows that are shown do not.
    Hidden,
    /// `remaining + issued = stock` does not hold, of the campaign or a window, or the counter disagrees with the rows.
    Conservation,
    /// A number that the read model shows to people is not what the log adds up to.
    Statistics,
    /// A projection has not come to the log's end and does not advance: what it has was compared, the rest is not there.
    Behind,
}

/// A difference between the log and a store.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Difference {
    /// The store that differs from the log.
    pub store: Store,
    /// The campaign.
    pub campaign_id: String,
    /// The coupon's sequence number; absent when it is not about a single coupon.
    pub seq: Option<u64>,
    /// In what way.
    pub kind: Kind,
    /// The coupon as the log has it.
    pub log: Option<CouponRow>,
    /// The coupon as the store has it.
    pub found: Option<CouponRow>,
    /// Both values, in words.
    pub detail: String,
}

impl Difference {
    /// Compares one coupon; `None` when both agree. The gate does not know a status.
    pub(super) fn between(
        store: Store,
        campaign: &str,
        log: Option<&CouponRow>,
        found: Option<&CouponRow>,
    ) -> Option<Self> {
        let (kind, detail) = match (log, found) {
            (None, None) => return None,
            (Some(log), None) => (Kind::Missing, format!("log has {}, {} has none", row(log), spoken(store))),
            (None, Some(found)) => {
                (Kind::Extra, format!("log has none, {} has {}", spoken(store), row(found)))
            }
            (Some(log), Some(found)) => {
                let fields = fields(store, log, found);
                if fields.is_empty() {
                    return None;
                }
                let said = |(name, log, found): &(&str, String, String)| {
                    format!("{name}: log {log}, {} {found}", spoken(store))
                };
                (Kind::Changed, fields.iter().map(said).collect::<Vec<_>>().join("; "))
            }
        };
        Some(Self {
            store,
            campaign_id: campaign.to_owned(),
            seq: log.or(found).map(|row| row.seq),
            kind,
            log: log.cloned(),
            found: found.cloned(),
            detail,
        })
    }

    /// A difference that is not about one coupon that can be shown.
    pub(super) fn general(store: Store, campaign: &str, kind: Kind, detail: String) -> Self {
        Self { store, campaign_id: campaign.to_owned(), seq: None, kind, log: None, found: None, detail }
    }

    /// Tells whether two looks found the same; the values may have moved on in between.
    pub(super) fn is_same(&self, other: &Self) -> bool {
        (self.store, self.seq, self.kind) == (other.store, other.seq, other.kind)
    }

    /// Whether its codes are shown masked.
    pub(super) fn is_masked(&self) -> bool {
        self.log.iter().chain(&self.found).any(|row| is_masked(&row.code))
            || (self.kind == Kind::Hidden && self.detail.contains(MASKED))
    }
}

pub(super) const MASKED: &str = "codes are masked";

/// Codes are Crockford base32 in groups; anything else in them hides something.
pub(super) fn is_masked(code: &str) -> bool {
    code.chars().any(|letter| !letter.is_ascii_alphanumeric() && letter != '-')
}

fn fields(store: Store, log: &CouponRow, found: &CouponRow) -> Vec<(&'static str, String, String)> {
    let mut fields = Vec::new();
    let mut differ = |name, log: String, found: String| {
        if log != found {
            fields.push((name, log, found));
        }
    };
    let end = |row: &CouponRow| row.expires_at.map_or_else(|| "never".to_owned(), |at| at.to_string());
    differ("user_id", format!("{:?}", log.user_id), format!("{:?}", found.user_id));
    differ("code", log.code.clone(), found.code.clone());
    differ("issued_at", log.issued_at.to_string(), found.issued_at.to_string());
    differ("expires_at", end(log), end(found));
    if store != Store::Gate {
        differ("status", status(log), status(found));
    }
    fields
}

fn status(row: &CouponRow) -> String {
    match row.status.map(serde_json::to_value) {
        Some(Ok(serde_json::Value::String(name))) => name,
        _ => "none".to_owned(),
    }
}

fn row(row: &CouponRow) -> String {
    let known = row.status.map(|_| format!(" ({})", status(row))).unwrap_or_default();
    format!("{:?} {} of {}{known}", row.user_id, row.code, row.issued_at)
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} · {}", spoken(self.store), self.campaign_id)?;
        if let Some(seq) = self.seq {
            write!(f, " · seq {seq}")?;
        }
        let kind = match self.kind {
            Kind::Missing => "missing",
            Kind::Extra => "extra",
            Kind::Changed => "changed",
            Kind::Hidden => "differs",
            Kind::Conservation => "does not add up",
            Kind::Statistics => "miscounted",
            Kind::Behind => "behind",
        };
        write!(f, " · {kind} · {}", self.detail)
    }
}

#[cfg(test)]
mod tests {
    use firstcome_shared::clock::Millis;
    use firstcome_shared::wire::{CouponStatus, Time};

    use super::*;

    fn coupon() -> CouponRow {
        CouponRow {
            seq: 7,
            user_id: "u-7".into(),
            code: "7Q2M-AAAA".into(),
            issued_at: Time(Millis(1_000)),
            expires_at: None,
            status: Some(CouponStatus::Issued),
        }
    }

    #[test]
    fn names_both_values_of_every_field() {
        let log = coupon();
        assert_eq!(Difference::between(Store::Ledger, "summer", Some(&log), Some(&log)), None);
        let found = CouponRow {
            user_id: "thief".into(),
            code: "XXXX".into(),
            issued_at: Time(Millis(2_000)),
            expires_at: Some(Time(Millis(3_000))),
            status: Some(CouponStatus::Redeemed),
            ..log.clone()
        };
        let difference = Difference::between(Store::ReadModel, "summer", Some(&log), Some(&found)).unwrap();
        let text = difference.to_string();
        for part in [
            "read model · summer · seq 7 · changed",
            "user_id: log \"u-7\", read model \"thief\"",
            "code: log 7Q2M-AAAA, read model XXXX",
            "issued_at: log 1970-01-01T00:00:01.000Z, read model 1970-01-01T00:00:02.000Z",
            "expires_at: log never, read model 1970-01-01T00:00:03.000Z",
            "status: log issued, read model redeemed",
        ] {
            assert!(text.contains(part), "{text} lacks {part}");
        }
    }

    #[test]
    fn the_gate_knows_no_status() {
        let gate = CouponRow { status: None, ..coupon() };
        assert_eq!(Difference::between(Store::Gate, "summer", Some(&coupon()), Some(&gate)), None);
        assert!(Difference::between(Store::Ledger, "summer", Some(&coupon()), Some(&gate)).is_some());
    }

    #[test]
    fn knows_a_masked_code() {
        assert!(is_masked("7Q2M-****-****-****"));
        assert!(!is_masked("7Q2M-3PNV-GFNB-6CYN"));
    }
}
