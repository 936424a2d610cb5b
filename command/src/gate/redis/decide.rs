//! A batch on its way to the script and back: verdicts and entries are put together here, so that the script says only
//! what nobody else knows.

use std::collections::VecDeque;

use firstcome_shared::clock::Millis;
use firstcome_shared::domain::{Ask, Held, Terms, Verdict};
use firstcome_shared::event::{Entry, Event, IssuedCoupon};
use firstcome_shared::wire::StateReason;
use redis::Cmd;

use super::record::{self, digest};
use super::reply::{Fields, strange};
use crate::gate::{GateError, Reply};

/// The script's arguments for `asks`.
pub(super) fn arguments(command: &mut Cmd, asks: &[Ask]) {
    let keys = asks.iter().any(|ask| ask.key.is_some());
    command.arg(asks.len()).arg(u8::from(keys));
    for ask in asks {
        command.arg(&digest(&ask.user)[..]);
    }
    for ask in asks {
        command.arg(ask.user.as_str());
    }
    if keys {
        for ask in asks {
            command.arg(ask.key.as_ref().map_or("", |key| key.as_str()));
        }
    }
}

/// What the script decided about `asks`. It lists who holds something already; of all others the first get the new
/// coupons, and the rest is refused for one common reason.
pub(super) fn reply(
    asks: &[Ask],
    decision: u64,
    logged: u64,
    mut fields: Fields,
) -> Result<Reply<Vec<Verdict>>, GateError> {
    let now = Millis(fields.number()?);
    let window = fields.number()?;
    let (stock, issued): (u64, u64) = (fields.number()?, fields.number()?);
    let (before, count): (u64, u64) = (fields.number()?, fields.number()?);
    let percent: u8 = fields.number()?;
    let refusal = refusal(&fields.text()?, &mut fields)?;
    let terms = fields.bytes()?;
    let mut listed = listed(fields.list()?)?;
    let mut nths = fields.list()?;
    let keyed = nths.more();

    let (mut verdicts, mut coupons) = (Vec::with_capacity(asks.len()), Vec::new());
    let mut seq = before;
    for (place, ask) in (1_i64..).zip(asks) {
        if listed.front().is_some_and(|(listed, _)| *listed == place) {
            verdicts.extend(listed.pop_front().map(|(_, verdict)| verdict));
        } else if seq < before + count {
            seq += 1;
            let key = ask.key.clone().filter(|_| keyed);
            let n = if keyed { nths.number()? } else { 1 };
            coupons.push(IssuedCoupon {
                seq,
                user_id: ask.user.clone(),
                n,
                key: key.clone(),
                code: String::new(),
            });
            let held = Held { seq, issued_at: now, window, key };
            verdicts.push(Verdict::Issued { held, remaining: (stock - issued).saturating_sub(seq - before) });
        } else {
            verdicts.push(refusal.clone().ok_or_else(|| strange(&"no reason for a refusal"))?);
        }
    }
    if seq != before + count || !listed.is_empty() {
        return Err(strange(&(seq, before, count, listed.len())));
    }
    let mut entries = Vec::new();
    if count > 0 {
        let terms: Terms = serde_json::from_slice(&terms).map_err(|error| strange(&error))?;
        let event = Event::CouponsIssued { window, expires_at: terms.expiry(now), coupons };
        entries.push(Entry { decision: decision - u64::from(percent > 0), at: now, event });
        if percent > 0 {
            entries.push(Entry {
                decision,
                at: now,
                event: Event::StockThresholdReached { window, percent },
            });
        }
    }
    Ok(Reply { decision, logged, entries, body: verdicts })
}

/// Those who hold something already, by their place in the batch: what they got before; a place below zero means that they
/// asked for more than a person may have.
fn listed(mut fields: Fields) -> Result<VecDeque<(i64, Verdict)>, GateError> {
    let mut listed = VecDeque::new();
    while fields.more() {
        let (place, value): (i64, _) = (fields.number()?, fields.bytes()?);
        let mut held = record::read(&value).filter(|held| !held.is_empty()).ok_or_else(|| strange(&value))?;
        let verdict =
            if place < 0 { Verdict::LimitReached(held) } else { Verdict::AlreadyIssued(held.swap_remove(0)) };
        listed.push_back((place.abs(), verdict));
    }
    Ok(listed)
}

fn refusal(reason: &str, fields: &mut Fields) -> Result<Option<Verdict>, GateError> {
    let detail: i64 = fields.number()?;
    Ok(Some(match reason {
        "" => return Ok(None),
        "sold_out" => Verdict::SoldOut { stock: u64::try_from(detail).map_err(|_| strange(&detail))? },
        "not_open" => Verdict::NotOpen { opens_at: Millis(detail) },
        "paused" => Verdict::Paused,
        "cancelled" => Verdict::Closed(StateReason::Cancelled),
        "ended" => Verdict::Closed(StateReason::Ended),
        other => return Err(strange(&other)),
    }))
}
