//! `firstcome verify`: compares gate, log, ledger and read model of a running system, campaign by campaign, at one
//! position of the log, and names every coupon that differs, and every number of the read model's. The log is the truth; it only grows, so what stands in it up
//! to a position that all have passed can be compared while people go on asking.

mod compare;
mod difference;
mod level;
pub(crate) mod parts;
mod search;
mod statistics;

use std::fmt;
use std::time::Duration;

use clap::Args;
use firstcome_shared::config;
use firstcome_shared::position::Position;
use firstcome_shared::wire::Store;
use serde::Serialize;

pub use difference::{Difference, Kind};

use crate::api::{Api, store_name};
use crate::error::BenchError;
use crate::target::Target;
use crate::text::{Table, thousands};

/// So many differences are named; what is beyond is only counted.
pub(crate) const NAMED_AT_MOST: usize = 1_000;
/// A projection that has not come to the log's end and does not advance for so long stands still. Between two batches
/// it may rest for a second.
const STANDS_STILL: Duration = Duration::from_secs(5);

/// The arguments of `firstcome verify`.
#[derive(Args, Clone, Debug)]
pub struct VerifyArgs {
    /// Servers to ask, separated by commas: instances of one system, in a cluster of both sides
    #[arg(long, env = config::SERVER, value_delimiter = ',', default_value = "http://127.0.0.1:8080")]
    pub server: Vec<String>,
    /// Key of any role: checksums of the codes as they are show whether stores are equal. Of rows that differ a reader
    /// sees masked codes, so a difference in a code alone is found but not named
    #[arg(long, env = config::API_KEY, hide_env_values = true)]
    pub api_key: Option<String>,
    /// Campaigns to verify, separated by commas; all when absent
    #[arg(long, value_delimiter = ',')]
    pub campaign: Vec<String>,
    /// Print the report as JSON
    #[arg(long)]
    pub json: bool,
}

/// What a verification found.
#[derive(Clone, Debug, Default, Serialize)]
pub struct VerifyReport {
    /// Nothing differs.
    pub ok: bool,
    /// Differences found; when `at_least` is set there are more.
    pub differences_total: u64,
    /// Too many differences to look at each.
    pub at_least: bool,
    /// The differences, at most 1,000.
    pub differences: Vec<Difference>,
    /// Each campaign and the position it was compared at.
    pub campaigns: Vec<Verdict>,
    /// What the reader of this report should know.
    pub notes: Vec<String>,
}

/// One campaign's part of the report.
#[derive(Clone, Debug, Serialize)]
pub struct Verdict {
    /// The campaign.
    pub campaign_id: String,
    /// The position up to which all stores were compared: the log's end when the comparison began, unless a projection
    /// stood still before it.
    pub position: Position,
    /// Coupons in the log up to there.
    pub coupons: u64,
    /// Coupons in the log beyond it: they are on their way.
    pub on_their_way: u64,
    /// Coupons of the campaign.
    pub stock: u64,
    /// What is left of them, as the gate says.
    pub remaining: u64,
    /// Differences by store.
    pub differences: StoreCounts,
}

/// A number for each store that is compared with the log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct StoreCounts {
    /// In the gate.
    pub gate: u64,
    /// In the ledger.
    pub ledger: u64,
    /// In the read model.
    pub read_model: u64,
}

impl StoreCounts {
    fn add(&mut self, store: Store, count: u64) {
        match store {
            Store::Gate | Store::Log => self.gate += count,
            Store::Ledger => self.ledger += count,
            Store::ReadModel => self.read_model += count,
        }
    }
}

/// Verifies a running system. The report's `ok()` tells whether everything agrees; an error means that it could not be
/// found out.
pub async fn verify(args: VerifyArgs) -> Result<VerifyReport, BenchError> {
    let api = Api::new(&Target::new(&args.server, args.api_key.as_deref())?)?;
    let mut campaigns = args.campaign;
    if campaigns.is_empty() {
        campaigns = api.campaigns().await?.into_iter().map(|campaign| campaign.id).collect();
    }
    verify_campaigns(&api, &campaigns).await
}

/// Verifies these campaigns.
pub async fn verify_campaigns(api: &Api, campaigns: &[String]) -> Result<VerifyReport, BenchError> {
    let mut report = VerifyReport::default();
    let ends = level::settled(api, STANDS_STILL).await?;
    for campaign in campaigns {
        let findings = compare::campaign(api, campaign, &ends).await?;
        report.at_least |= findings.uncounted;
        let mut verdict = findings.verdict;
        for difference in findings.differences {
            verdict.differences.add(difference.store, 1);
            report.differences_total += 1;
            if report.differences.len() < NAMED_AT_MOST {
                report.differences.push(difference);
            }
        }
        for (store, count) in findings.unnamed {
            verdict.differences.add(store, count);
            report.differences_total += count;
        }
        report.campaigns.push(verdict);
    }
    report.notes = notes(api, &report).await?;
    report.ok = report.ok();
    Ok(report)
}

async fn notes(api: &Api, report: &VerifyReport) -> Result<Vec<String>, BenchError> {
    let mut notes = Vec::new();
    let masked = report.differences.iter().any(Difference::is_masked);
    if masked {
        notes.push(
            "codes are masked for this key: differences in codes cannot be named; use an issuer's key".into(),
        );
    }
    let ledger = api.pipeline().await?.ledger;
    for projection in [ledger, api.read_model().await?] {
        if projection.parked > 0 {
            let name = projection.name.replace('_', " ");
            notes.push(match projection.parked {
                1 => format!("1 campaign is parked in the {name}: what it lacks of it waits for a replay"),
                many => format!(
                    "{} campaigns are parked in the {name}: what it lacks of them waits for a replay",
                    thousands(many)
                ),
            });
        }
        if let Some(stalled) = projection.stalled {
            notes.push(format!("the {} does not advance: {stalled}", projection.name.replace('_', " ")));
        }
    }
    Ok(notes)
}

impl VerifyReport {
    /// Whether gate, log, ledger and read model agree and `remaining + issued = stock` (P9).
    pub fn ok(&self) -> bool {
        self.differences_total == 0 && !self.at_least
    }

    fn is_behind(&self, store: Store, campaign: &str) -> bool {
        let mut named = self.differences.iter();
        named.any(|it| (it.kind, it.store, &*it.campaign_id) == (Kind::Behind, store, campaign))
    }
}

impl fmt::Display for VerifyReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut table = Table::new(2);
        let mut heads = vec!["campaign", "at", "coupons", "on their way", "remaining", "stock"];
        heads.extend(["gate", "ledger", "read model"]);
        table.row(heads);
        for campaign in &self.campaigns {
            let verdict = |store, count: u64| match count {
                0 => "equal".to_owned(),
                1 if self.is_behind(store, &campaign.campaign_id) => "behind".to_owned(),
                count => thousands(count),
            };
            table.row([
                campaign.campaign_id.clone(),
                campaign.position.to_string(),
                thousands(campaign.coupons),
                thousands(campaign.on_their_way),
                thousands(campaign.remaining),
                thousands(campaign.stock),
                verdict(Store::Gate, campaign.differences.gate),
                verdict(Store::Ledger, campaign.differences.ledger),
                verdict(Store::ReadModel, campaign.differences.read_model),
            ]);
        }
        if !self.campaigns.is_empty() {
            writeln!(f, "{table}")?;
        }
        for difference in &self.differences {
            writeln!(f, "  {difference}")?;
        }
        let unnamed = self.differences_total.saturating_sub(self.differences.len() as u64);
        if unnamed > 0 {
            let least = if self.at_least { "at least " } else { "" };
            writeln!(f, "  … and {least}{} more", thousands(unnamed))?;
        }
        if self.differences_total > 0 {
            writeln!(f)?;
        }
        for note in &self.notes {
            writeln!(f, "  note: {note}")?;
        }
        let least = if self.at_least { "at least " } else { "" };
        write!(
            f,
            "  differences between gate, log, ledger and read model: {least}{}",
            thousands(self.differences_total)
        )
    }
}

/// A store's name for people.
pub(crate) fn spoken(store: Store) -> String {
    store_name(store).replace('_', " ")
}
