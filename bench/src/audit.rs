//! The audit: holds what people were told against the gate, the log, the ledger and the read model, and says which
//! promise is broken and by what. It fails loudly rather than guess: a promise that cannot be shown counts as broken.

mod coupons;
mod evidence;
mod judge;
mod report;

pub use evidence::{Evidence, Level};
pub(crate) use evidence::{has_reached, rows, wait_until_level};
pub use judge::judge;
pub use report::{AuditReport, Broken, Promise};

use std::time::Duration;

use crate::answers::Answers;
use crate::api::Api;
use crate::error::BenchError;

/// What the auditor must know beside the answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Terms {
    /// Coupons that could be had, as the campaign's owner meant it.
    pub stock: u64,
    /// Coupons a person may hold.
    pub per_user_limit: u64,
    /// How long ledger and read model may take to reach the log's end.
    pub level_within: Duration,
}

impl Terms {
    /// One coupon a person, and a minute for the projections.
    pub fn one_each(stock: u64) -> Self {
        Self { stock, per_user_limit: 1, level_within: Duration::from_mins(1) }
    }
}

/// Waits until the projections have reached the log's end, gathers the evidence and judges it. Nobody else may have asked
/// for coupons of that campaign.
///
/// Fails when a store cannot be asked or does not become level in time: then nothing is shown.
pub async fn audit(api: &Api, answers: &Answers, terms: Terms) -> Result<AuditReport, BenchError> {
    let level = wait_until_level(api, answers.ended, terms.level_within).await?;
    let evidence = evidence::gather(api, &answers.campaign_id, level).await?;
    Ok(judge(answers, &evidence, terms))
}
