//! The verdict, as a pure function of what people were told and what the stores say: so that a test can feed it every
//! broken promise and see it speak up.

use std::collections::{HashMap, HashSet};

use super::Terms;
use super::coupons::{self, Holding};
use super::evidence::Evidence;
use super::report::{AuditReport, Broken, Promise};
use crate::answers::{Answer, Answers, Held, Told};
use crate::load::{Latency, per_second};

/// Judges the answers by the evidence.
pub fn judge(answers: &Answers, evidence: &Evidence, terms: Terms) -> AuditReport {
    let case = Case::new(answers, evidence, terms);
    let mut broken = Vec::new();
    let expected = case.exact(&mut broken);
    let duplicates = case.once_per_person(&mut broken);
    let (missing, out_of_order) = case.in_order(&mut broken);
    let retold = case.stays_said(&mut broken);
    case.conserved(&mut broken);
    let tally = answers.tally();
    AuditReport {
        campaign_id: answers.campaign_id.clone(),
        ok: broken.is_empty(),
        stock: terms.stock,
        people: case.people.len() as u64,
        asked: answers.told.len() as u64,
        issued: case.told.len() as u64,
        already_issued: tally.already_issued,
        sold_out: tally.sold_out,
        refused: tally.refused,
        unanswered: tally.unanswered,
        again: answers.again,
        expected,
        oversold: case.most().saturating_sub(terms.stock),
        duplicates,
        missing,
        out_of_order,
        differences: evidence.verified.differences_total + retold,
        named_differences: evidence.verified.differences.clone(),
        issues_per_second: per_second(tally.issued, answers.issuing),
        peak_per_second: coupons::peak_per_second(&case.held),
        answers_per_second: per_second(
            answers.told.len() as u64 - tally.unanswered,
            answers.ended.saturating_duration_since(answers.began),
        ),
        latency: Latency::of(&answers.latency),
        ledger_complete_after_seconds: evidence.level.ledger.as_secs_f64(),
        read_model_complete_after_seconds: evidence.level.read_model.as_secs_f64(),
        broken,
    }
}

/// What is known of one person.
#[derive(Clone, Copy, Debug, Default)]
#[expect(clippy::struct_excessive_bools, reason = "a person may be told all of these, one after the other")]
struct Person {
    holder: bool,
    sold_out: bool,
    refused: bool,
    unanswered: bool,
}

struct Case<'a> {
    answers: &'a Answers,
    evidence: &'a Evidence,
    terms: Terms,
    people: HashMap<&'a str, Person>,
    /// Distinct coupons that people were told of, by seq.
    told: Vec<Holding<'a>>,
    /// The coupons of the stores, by seq.
    held: Vec<Holding<'a>>,
}

impl<'a> Case<'a> {
    fn new(answers: &'a Answers, evidence: &'a Evidence, terms: Terms) -> Self {
        let mut people: HashMap<&str, Person> = HashMap::new();
        for told in &answers.told {
            let person = people.entry(&told.user_id).or_default();
            match told.answer {
                Answer::Issued(_) | Answer::AlreadyIssued(_) => person.holder = true,
                Answer::SoldOut => person.sold_out = true,
                Answer::Refused(_) => person.refused = true,
                Answer::Unanswered => person.unanswered = true,
            }
        }
        let told = coupons::distinct(answers.told.iter().filter_map(holding));
        let held = coupons::distinct(evidence.rows.iter().map(|row| Holding {
            seq: row.seq,
            user_id: &row.user_id,
            code: &row.code,
            issued_at: row.issued_at.0,
        }));
        Self { answers, evidence, terms, people, told, held }
    }

    /// The most coupons that anybody knows of.
    fn most(&self) -> u64 {
        (self.told.len() as u64).max(self.evidence.rows.len() as u64).max(self.evidence.issued)
    }

    /// P1: issued = min(stock, what eligible askers may have), by what people were told and by what the gate and the
    /// stores say. Who stayed without an answer may or may not have been eligible: then there is a span.
    fn exact(&self, broken: &mut Vec<Broken>) -> (u64, u64) {
        let wishes = |clear: fn(&Person) -> bool| {
            let people = self.people.values().filter(|person| clear(person)).count() as u64;
            people.saturating_mul(self.terms.per_user_limit)
        };
        let stock = self.terms.stock;
        // With a higher limit it is not known how many a person wished for; at least one.
        let eligible = self.people.values().filter(|person| person.holder || person.sold_out).count() as u64;
        let least =
            if self.terms.per_user_limit == 1 { eligible } else { eligible.min(self.told.len() as u64) };
        let expected = (
            stock.min(least),
            stock.min(wishes(|person| person.holder || person.sold_out || person.unanswered)),
        );
        let span = expected.0..=expected.1;
        let told = self.told.len() as u64;
        let unanswered =
            self.people.values().filter(|person| person.unanswered && !person.holder).count() as u64;
        let mut wrong = |detail| broken.push(Broken { promise: Promise::P1, detail });
        // A coupon may have been issued to somebody who never heard of it.
        if told > expected.1 || told.saturating_add(unanswered) < expected.0 {
            wrong(format!("people were told of {told} coupons, expected {}", spell(expected)));
        }
        for (whose, count) in
            [("the gate says", self.evidence.issued), ("the stores hold", self.evidence.rows.len() as u64)]
        {
            if !span.contains(&count) {
                wrong(format!("{whose} {count} coupons, expected {}", spell(expected)));
            }
        }
        if unanswered > 0 && expected.0 != expected.1 {
            wrong(format!(
                "{unanswered} people got no clear answer: it cannot be shown that nobody was passed over"
            ));
        }
        let told_sold_out = self.people.values().any(|person| person.sold_out);
        if told_sold_out && self.most() < stock {
            wrong(format!("people were told \"sold out\" while {} of {stock} were issued", self.most()));
        }
        let refused = self.people.values().filter(|person| person.refused && !person.holder).count();
        if refused > 0 {
            let codes: Vec<String> = self.answers.tally().refused.into_keys().collect();
            wrong(format!("{refused} people were refused for other reasons ({})", codes.join(", ")));
        }
        expected
    }

    /// P2: nobody holds more than the limit, no number and no code is given twice, and who holds a coupon is told of it.
    fn once_per_person(&self, broken: &mut Vec<Broken>) -> u64 {
        let mut most = 0;
        for (where_, coupons) in [("people were told of", &self.told), ("the stores hold", &self.held)] {
            let duplicates = coupons::duplicates(coupons, self.terms.per_user_limit);
            most = most.max(duplicates.len() as u64);
            if let Some(first) = duplicates.first() {
                let detail = format!(
                    "{where_} {} duplicate coupons, first seq {} of {:?}",
                    duplicates.len(),
                    first.seq,
                    first.user_id
                );
                broken.push(Broken { promise: Promise::P2, detail });
            }
        }
        let stored = self.evidence.rows.len() - self.held.len();
        if stored > 0 {
            most = most.max(stored as u64);
            broken.push(Broken {
                promise: Promise::P2,
                detail: format!("{stored} rows stand twice in the ledger"),
            });
        }
        let both = self.people.values().filter(|person| person.holder && person.sold_out).count();
        if self.terms.per_user_limit == 1 && both > 0 {
            let detail = format!("{both} people who hold a coupon were told \"sold out\"");
            broken.push(Broken { promise: Promise::P2, detail });
        }
        most
    }

    /// P3: numbers run from 1 without a gap, in the order of decision.
    fn in_order(&self, broken: &mut Vec<Broken>) -> (u64, u64) {
        let highest = |coupons: &[Holding<'_>]| coupons.last().map_or(0, |coupon| coupon.seq);
        let top = highest(&self.told).max(highest(&self.held)).max(self.evidence.issued);
        let (missing, first) = coupons::missing(&self.held, top);
        if missing > 0 {
            let detail = format!("{missing} numbers of 1 to {top} are missing, first {first:?}");
            broken.push(Broken { promise: Promise::P3, detail });
        }
        let disorder = coupons::out_of_order(&self.held);
        if let Some(first) = disorder.first() {
            let detail =
                format!("{} coupons were decided before a lower number, first {first}", disorder.len());
            broken.push(Broken { promise: Promise::P3, detail });
        }
        (missing, disorder.len() as u64)
    }

    /// P4: every coupon that somebody was told of stands in the stores, the same to the letter; and nobody holds a coupon
    /// there without having been told, but those who got no answer.
    fn stays_said(&self, broken: &mut Vec<Broken>) -> u64 {
        let held: HashSet<(u64, &str, &str, i64)> = self.held.iter().map(letters).collect();
        let retold: Vec<_> = self.told.iter().filter(|coupon| !held.contains(&letters(coupon))).collect();
        if let Some(first) = retold.first() {
            let detail = format!(
                "{} coupons that people were told of are not in the stores, or not so; first seq {} of {:?}",
                retold.len(),
                first.seq,
                first.user_id
            );
            broken.push(Broken { promise: Promise::P4, detail });
        }
        let untold: Vec<_> = self
            .held
            .iter()
            .filter(|coupon| {
                self.people.get(coupon.user_id).is_none_or(|person| !person.holder && !person.unanswered)
            })
            .collect();
        if let Some(first) = untold.first() {
            let detail = format!(
                "{} coupons stand in the stores for people who were not told so; first seq {} of {:?}",
                untold.len(),
                first.seq,
                first.user_id
            );
            broken.push(Broken { promise: Promise::P4, detail });
        }
        let other = self.answers.told.iter().filter(|told| names_another(told)).count();
        if other > 0 {
            let detail = format!("{other} people were told of somebody else's coupon");
            broken.push(Broken { promise: Promise::P4, detail });
        }
        (retold.len() + untold.len() + other) as u64
    }

    /// P9: remaining + issued = stock, and all stores agree.
    fn conserved(&self, broken: &mut Vec<Broken>) {
        let Evidence { stock, issued, remaining, verified, .. } = self.evidence;
        let mut wrong = |detail| broken.push(Broken { promise: Promise::P9, detail });
        if remaining.checked_add(*issued) != Some(*stock) {
            wrong(format!("remaining {remaining} + issued {issued} is not stock {stock}"));
        }
        if *stock != self.terms.stock {
            wrong(format!("the gate says stock {stock}, the campaign was made with {}", self.terms.stock));
        }
        if !verified.ok() {
            wrong(format!(
                "{} differences between gate, log, ledger and read model",
                verified.differences_total
            ));
        }
    }
}

fn held(told: &Told) -> Option<&Held> {
    match &told.answer {
        Answer::Issued(held) | Answer::AlreadyIssued(held) => Some(held),
        _ => None,
    }
}

/// The coupon counts for who asked and was told of it, whatever name stands in the answer.
fn holding(told: &Told) -> Option<Holding<'_>> {
    held(told).map(|held| Holding {
        seq: held.seq,
        user_id: &told.user_id,
        code: &held.code,
        issued_at: held.issued_at.0,
    })
}

fn names_another(told: &Told) -> bool {
    held(told).is_some_and(|held| held.user_id != told.user_id)
}

fn letters<'a>(coupon: &Holding<'a>) -> (u64, &'a str, &'a str, i64) {
    (coupon.seq, coupon.user_id, coupon.code, coupon.issued_at.0)
}

fn spell((least, most): (u64, u64)) -> String {
    if least == most { least.to_string() } else { format!("{least} to {most}") }
}
