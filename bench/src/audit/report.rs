//! What the audit found, as numbers for programs and as a table for people.

use std::collections::BTreeMap;
use std::fmt;

use serde::Serialize;

use crate::answers::Again;
use crate::load::Latency;
use crate::text::{Sheet, latency, rate, thousands};
use crate::verify::Difference;

/// The promises that the audit can show.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub enum Promise {
    /// Exact.
    P1,
    /// Once per person.
    P2,
    /// In order.
    P3,
    /// What was said stays said.
    P4,
    /// Conservation is checkable.
    P9,
}

impl Promise {
    const ALL: [Self; 5] = [Self::P1, Self::P2, Self::P3, Self::P4, Self::P9];

    fn title(self) -> &'static str {
        match self {
            Self::P1 => "exact",
            Self::P2 => "once per person",
            Self::P3 => "in order",
            Self::P4 => "what was said stays said",
            Self::P9 => "conservation",
        }
    }
}

/// A promise that is broken, or could not be shown to hold.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Broken {
    /// Which.
    pub promise: Promise,
    /// By what.
    pub detail: String,
}

/// What the audit found.
#[derive(Clone, Debug, Serialize)]
pub struct AuditReport {
    /// The campaign.
    pub campaign_id: String,
    /// Every promise holds.
    pub ok: bool,
    /// Coupons that could be had.
    pub stock: u64,
    /// Different people who asked.
    pub people: u64,
    /// Asks; one that is repeated until it is answered counts once.
    pub asked: u64,
    /// Coupons issued: distinct ones that people were told of.
    pub issued: u64,
    /// Asks of people who had their coupon and were told of it again.
    pub already_issued: u64,
    /// Asks refused because all were taken.
    pub sold_out: u64,
    /// Asks refused otherwise, by code.
    pub refused: BTreeMap<String, u64>,
    /// Asks without a clear answer until the deadline.
    pub unanswered: u64,
    /// How often people were told to ask again, or nothing.
    pub again: Again,
    /// How many coupons P1 demands; the second number is larger only when some asks stayed unanswered.
    pub expected: (u64, u64),
    /// Coupons beyond the stock.
    pub oversold: u64,
    /// Coupons whose number or code another one has, or one too many for a person.
    pub duplicates: u64,
    /// Numbers from 1 to the highest that no coupon has.
    pub missing: u64,
    /// Coupons decided before one with a lower number.
    pub out_of_order: u64,
    /// Differences between gate, log, ledger and read model, and between them and what people were told.
    pub differences: u64,
    /// The differences between stores, at most 1,000.
    pub named_differences: Vec<Difference>,
    /// New coupons a second, from the first ask that got one to the last such answer.
    pub issues_per_second: f64,
    /// The most coupons decided within any second of the gate's clock.
    pub peak_per_second: u64,
    /// Clear answers of any kind a second.
    pub answers_per_second: f64,
    /// From the intended time of asking to the clear answer.
    pub latency: Latency,
    /// Seconds from the last answer until the ledger had everything.
    pub ledger_complete_after_seconds: f64,
    /// Seconds from the last answer until the read model showed everything.
    pub read_model_complete_after_seconds: f64,
    /// What is broken; empty when all is well.
    pub broken: Vec<Broken>,
}

impl AuditReport {
    /// Whether every promise holds.
    pub fn ok(&self) -> bool {
        self.broken.is_empty()
    }

    /// Whether that promise holds.
    pub fn holds(&self, promise: Promise) -> bool {
        self.broken.iter().all(|broken| broken.promise != promise)
    }
}

impl fmt::Display for AuditReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut sheet = Sheet::default();
        sheet.remarked("asked", thousands(self.asked), format!("by {} people", thousands(self.people)));
        sheet.remarked("issued", thousands(self.issued), format!("of {}", thousands(self.stock)));
        sheet.line("already issued", thousands(self.already_issued));
        sheet.line("sold out", thousands(self.sold_out));
        for (code, count) in &self.refused {
            sheet.line(format!("refused: {}", code.replace('_', " ")), thousands(*count));
        }
        let Again { busy, unavailable, cut, not_open } = self.again;
        if not_open > 0 {
            sheet.line("too early, asked again", thousands(not_open));
        }
        if busy + unavailable + cut > 0 {
            let remark = format!(
                "busy {}, unavailable {}, cut off {}",
                thousands(busy),
                thousands(unavailable),
                thousands(cut)
            );
            sheet.remarked("told nothing, asked again", thousands(busy + unavailable + cut), remark);
        }
        if self.unanswered > 0 {
            sheet.line("without an answer", thousands(self.unanswered));
        }
        sheet.line("oversold", thousands(self.oversold));
        sheet.line("duplicates", thousands(self.duplicates));
        sheet.line("missing sequence numbers", thousands(self.missing));
        sheet.line("differences between gate, log, ledger and read model", thousands(self.differences));
        let peak = format!("most within a second {}", thousands(self.peak_per_second));
        sheet.remarked("issues a second", rate(self.issues_per_second), peak);
        sheet.line("answers a second", rate(self.answers_per_second));
        write!(f, "{sheet}")?;
        writeln!(f, "  latency p50 / p99 / p99.9: {}", latency(&self.latency))?;
        writeln!(
            f,
            "  after the last answer: ledger complete in {:.2} s, read model in {:.2} s",
            self.ledger_complete_after_seconds, self.read_model_complete_after_seconds
        )?;
        writeln!(f)?;
        for promise in Promise::ALL {
            let verdict = if self.holds(promise) { "holds" } else { "BROKEN" };
            writeln!(f, "  {promise:?} {:<25} {verdict}", promise.title())?;
        }
        if !self.broken.is_empty() {
            writeln!(f)?;
        }
        for broken in &self.broken {
            writeln!(f, "  {:?}: {}", broken.promise, broken.detail)?;
        }
        for difference in self.named_differences.iter().take(20) {
            writeln!(f, "  {difference}")?;
        }
        if self.named_differences.len() > 20 {
            writeln!(f, "  … run `firstcome verify` for the rest")?;
        }
        Ok(())
    }
}
