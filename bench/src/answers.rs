//! What people were told, collected for the audit.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use firstcome_shared::wire::{Code, Outcome, Time};
use hdrhistogram::Histogram;
use serde::Deserialize;

use crate::load::{Reply, fresh_histogram};

/// A coupon as a person was told of it.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Held {
    /// Its place in line.
    pub seq: u64,
    /// Whose it is, as the answer says.
    pub user_id: String,
    /// The code.
    pub code: String,
    /// When the gate decided.
    pub issued_at: Time,
}

/// The clear answer that ended one ask, or that there was none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// A new coupon.
    Issued(Held),
    /// The coupon that this person had before.
    AlreadyIssued(Held),
    /// All coupons are taken.
    SoldOut,
    /// Any other clear refusal.
    Refused(Code),
    /// No clear answer until the deadline.
    Unanswered,
}

/// One ask and how it ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Told {
    /// Who asked.
    pub user_id: String,
    /// What this person was told in the end.
    pub answer: Answer,
}

/// How often people were told nothing clear, or "not yet", and asked again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Again {
    /// 429: too many waited.
    pub busy: u64,
    /// 5xx: outcome unknown or not decided.
    pub unavailable: u64,
    /// No answer: connection refused, broken or too slow.
    pub cut: u64,
    /// Asked before the opening.
    pub not_open: u64,
}

/// Everything that a rush brought back.
#[derive(Clone, Debug)]
pub struct Answers {
    /// The campaign that was asked.
    pub campaign_id: String,
    /// Every ask that was sent, in no particular order.
    pub told: Vec<Told>,
    /// How often people had to ask again.
    pub again: Again,
    /// Microseconds from the intended time of asking to the clear answer.
    pub latency: Histogram<u64>,
    /// When the first ask was sent.
    pub began: Instant,
    /// When the last clear answer came.
    pub ended: Instant,
    /// From the first ask that got a new coupon to the last such answer.
    pub issuing: Duration,
}

impl Answers {
    /// Nobody has asked yet.
    pub fn none(campaign_id: impl Into<String>) -> Self {
        let now = Instant::now();
        Self {
            campaign_id: campaign_id.into(),
            told: Vec::new(),
            again: Again::default(),
            latency: fresh_histogram(),
            began: now,
            ended: now,
            issuing: Duration::ZERO,
        }
    }

    /// Adds the answers of a later rush for the same campaign. Rates then go over both and the pause between them.
    #[must_use]
    pub fn and(mut self, later: Self) -> Self {
        self.told.extend(later.told);
        self.again = Again {
            busy: self.again.busy + later.again.busy,
            unavailable: self.again.unavailable + later.again.unavailable,
            cut: self.again.cut + later.again.cut,
            not_open: self.again.not_open + later.again.not_open,
        };
        self.latency += later.latency;
        self.began = self.began.min(later.began);
        self.ended = self.ended.max(later.ended);
        self.issuing = self.issuing.max(later.issuing);
        self
    }

    /// How many asks ended so, by a plain name.
    pub fn tally(&self) -> Tally {
        let mut tally = Tally::default();
        for told in &self.told {
            match &told.answer {
                Answer::Issued(_) => tally.issued += 1,
                Answer::AlreadyIssued(_) => tally.already_issued += 1,
                Answer::SoldOut => tally.sold_out += 1,
                Answer::Refused(code) => *tally.refused.entry(code_name(*code)).or_default() += 1,
                Answer::Unanswered => tally.unanswered += 1,
            }
        }
        tally
    }
}

/// Asks by how they ended.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Told of a new coupon.
    pub issued: u64,
    /// Told again of the coupon they had.
    pub already_issued: u64,
    /// Told that all are taken.
    pub sold_out: u64,
    /// Refused otherwise, by code.
    pub refused: BTreeMap<String, u64>,
    /// Told nothing clear until the deadline.
    pub unanswered: u64,
}

/// A problem's code as it stands on the wire.
pub(crate) fn code_name(code: Code) -> String {
    match serde_json::to_value(code) {
        Ok(serde_json::Value::String(name)) => name,
        _ => format!("{code:?}"),
    }
}

/// What one reply means for the person who asked.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Meaning {
    /// The ask is over.
    Clear(Answer),
    /// Not before that moment.
    NotOpen(Option<Time>),
    /// Ask again: too many waited. Seconds as the server wishes.
    Busy(Option<u64>),
    /// Ask again: outcome unknown.
    Unavailable(Option<u64>),
}

/// Only what the audit needs: the rest of the answer is skipped, not built.
#[derive(Deserialize)]
struct LeanIssued {
    outcome: Outcome,
    coupon: Held,
}

#[derive(Deserialize)]
struct LeanProblem {
    code: Code,
    #[serde(default)]
    opens_at: Option<Time>,
    #[serde(default)]
    retry_after_seconds: Option<u64>,
}

impl Meaning {
    /// Reads a reply. What cannot be read is no clear answer: the person may ask again.
    pub(crate) fn of(reply: &Reply) -> Self {
        if matches!(reply.status, 200 | 201) {
            return match serde_json::from_slice::<LeanIssued>(&reply.body) {
                Ok(LeanIssued { outcome: Outcome::Issued, coupon }) => Self::Clear(Answer::Issued(coupon)),
                Ok(LeanIssued { outcome: Outcome::AlreadyIssued, coupon }) => {
                    Self::Clear(Answer::AlreadyIssued(coupon))
                }
                Err(_) => Self::Unavailable(None),
            };
        }
        let Ok(problem) = serde_json::from_slice::<LeanProblem>(&reply.body) else {
            return Self::Unavailable(None);
        };
        match problem.code {
            Code::SoldOut => Self::Clear(Answer::SoldOut),
            Code::NotOpen => Self::NotOpen(problem.opens_at),
            Code::Busy => Self::Busy(problem.retry_after_seconds),
            Code::Unavailable | Code::Internal | Code::NotYet => {
                Self::Unavailable(problem.retry_after_seconds)
            }
            code => Self::Clear(Answer::Refused(code)),
        }
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use firstcome_shared::clock::Millis;

    use super::*;

    fn meaning(status: u16, body: &'static str) -> Meaning {
        Meaning::of(&Reply { status, body: Bytes::from_static(body.as_bytes()) })
    }

    #[test]
    fn reads_every_kind_of_answer() {
        let issued = r#"{"outcome":"issued","coupon":{"campaign_id":"c","seq":7,"user_id":"u","code":"AB",
            "issued_at":"1970-01-01T00:00:01Z","expires_at":null,"status":"issued"},"remaining":3,"position":"0-1"}"#;
        let held =
            Held { seq: 7, user_id: "u".to_owned(), code: "AB".to_owned(), issued_at: Time(Millis(1_000)) };
        assert_eq!(meaning(201, issued), Meaning::Clear(Answer::Issued(held)));
        assert_eq!(meaning(409, r#"{"code":"sold_out"}"#), Meaning::Clear(Answer::SoldOut));
        assert_eq!(meaning(409, r#"{"code":"paused"}"#), Meaning::Clear(Answer::Refused(Code::Paused)));
        assert_eq!(meaning(429, r#"{"code":"busy","retry_after_seconds":2}"#), Meaning::Busy(Some(2)));
        assert_eq!(
            meaning(409, r#"{"code":"not_open","opens_at":"1970-01-01T00:00:01Z"}"#),
            Meaning::NotOpen(Some(Time(Millis(1_000))))
        );
    }

    #[test]
    fn what_cannot_be_read_is_no_answer() {
        assert_eq!(meaning(201, "{"), Meaning::Unavailable(None));
        assert_eq!(meaning(502, "<html>"), Meaning::Unavailable(None));
        assert_eq!(meaning(500, r#"{"code":"internal"}"#), Meaning::Unavailable(None));
    }
}
