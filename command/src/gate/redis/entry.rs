//! An entry as it waits in the outbox. Coupons are written by the script, in short: what is the same for all of them
//! once, then the names. Everything else is JSON, as in the log. Fields are parted by a zero byte, which no name and no
//! key can hold.

use std::str::FromStr;

use firstcome_shared::clock::Millis;
use firstcome_shared::domain::{RequestKey, Terms, UserId};
use firstcome_shared::event::{Entry, Event, IssuedCoupon};

/// The entry that `text` means; `None` when it means none. Terms of a coupon are not in it: a campaign never changes
/// them.
pub(super) fn read(decision: u64, text: &[u8], terms: &Terms) -> Option<Entry> {
    if text.first() == Some(&b'{') {
        return serde_json::from_slice::<Entry>(text).ok().filter(|entry| entry.decision == decision);
    }
    let mut fields = std::str::from_utf8(text).ok()?.split('\0');
    let kind = fields.next()?;
    let at = Millis(number(fields.next())?);
    let window = number(fields.next())?;
    let event = match kind {
        "threshold" => Event::StockThresholdReached { window, percent: number(fields.next())? },
        "plain" => {
            let first: u64 = number(fields.next())?;
            let coupon = |(seq, name)| {
                Some(IssuedCoupon {
                    seq,
                    user_id: UserId::parse(name).ok()?,
                    n: 1,
                    key: None,
                    code: String::new(),
                })
            };
            let coupons = (first..).zip(fields).map(coupon).collect::<Option<_>>()?;
            Event::CouponsIssued { window, expires_at: terms.expiry(at), coupons }
        }
        "keyed" => {
            let (mut seq, mut coupons) = (number(fields.next())?, Vec::new());
            while let Some(name) = fields.next() {
                let key = match fields.next()? {
                    "" => None,
                    key => Some(RequestKey::parse(key).ok()?),
                };
                let (user_id, n) = (UserId::parse(name).ok()?, number(fields.next())?);
                coupons.push(IssuedCoupon { seq, user_id, n, key, code: String::new() });
                seq += 1;
            }
            Event::CouponsIssued { window, expires_at: terms.expiry(at), coupons }
        }
        _ => return None,
    };
    Some(Entry { decision, at, event })
}

fn number<T: FromStr>(field: Option<&str>) -> Option<T> {
    field?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The entry of decision 3 whose fields stand between bars.
    fn entry(fields: &str) -> Option<Entry> {
        super::read(3, fields.replace('|', "\0").as_bytes(), &Terms::default())
    }

    #[test]
    fn what_is_no_entry_is_refused() {
        let good = entry("keyed|5|1|7|ann|k|1|bob||2").unwrap();
        let Event::CouponsIssued { coupons, expires_at: None, window: 1 } = good.event else {
            panic!("{good:?}")
        };
        assert_eq!(coupons.iter().map(|coupon| (coupon.seq, coupon.n)).collect::<Vec<_>>(), [(7, 1), (8, 2)]);
        for bad in [
            "",
            "plain",
            "plain|x|1|1|ann",
            "other|5|1|1|ann",
            "plain|5|1|1|",
            "keyed|5|1|7|ann|k",
            "threshold|5|1",
            "threshold|5|1|500",
            "{}",
            r#"{"decision":4,"at":5,"event":{"campaign_paused":{"actor":"olga"}}}"#,
        ] {
            assert_eq!(entry(bad), None, "{bad:?}");
        }
    }
}
