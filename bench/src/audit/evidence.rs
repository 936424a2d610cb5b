//! What the stores say, once the projections have reached the log's end.

use std::time::{Duration, Instant};

use firstcome_shared::position::Position;
use firstcome_shared::wire::{CouponRow, ProjectionView, Store};

use crate::api::{Api, Slice};
use crate::error::BenchError;
use crate::verify::{VerifyReport, parts, verify_campaigns};

/// Rows fetched at a time: the API shows fewer than 1,000.
const PAGE: u64 = 999;
/// How often the projections are asked how far they are.
const LOOK_EVERY: Duration = Duration::from_millis(10);

/// What the stores of one campaign say.
#[derive(Clone, Debug)]
pub struct Evidence {
    /// Coupons of the campaign, as the gate says.
    pub stock: u64,
    /// Issued so far, as the gate says.
    pub issued: u64,
    /// Left, as the gate says.
    pub remaining: u64,
    /// The ledger's rows by seq. Where `verified` finds nothing they are the log's, the gate's and the read model's too.
    pub rows: Vec<CouponRow>,
    /// The comparison of all stores with the log.
    pub verified: VerifyReport,
    /// When the projections were level.
    pub level: Level,
}

/// How long after the last answer everything could be seen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Level {
    /// In the ledger.
    pub ledger: Duration,
    /// In the read model.
    pub read_model: Duration,
}

/// Waits until ledger and read model have reached the log's end as it is now.
pub(crate) async fn wait_until_level(
    api: &Api,
    since: Instant,
    within: Duration,
) -> Result<Level, BenchError> {
    let until = Instant::now() + within;
    let end = loop {
        let end = api.pipeline().await?.log.positions;
        if !end.is_empty() {
            break end;
        }
        // The log is away: nobody knows where it ends.
        if Instant::now() >= until {
            return Err(BenchError::NotLevel(within, "the log does not answer".to_owned()));
        }
        tokio::time::sleep(LOOK_EVERY).await;
    };
    let (mut ledger, mut read_model) = (None, None);
    loop {
        let mut behind = Vec::new();
        if ledger.is_none() {
            let view = api.pipeline().await?.ledger;
            ledger = has_reached(&view, &end).then(|| since.elapsed());
            behind.push(view);
        }
        if read_model.is_none() {
            let view = api.read_model().await?;
            read_model = has_reached(&view, &end).then(|| since.elapsed());
            behind.push(view);
        }
        if let (Some(ledger), Some(read_model)) = (ledger, read_model) {
            return Ok(Level { ledger, read_model });
        }
        if Instant::now() >= until {
            let said = |view: &ProjectionView| {
                let why = view.stalled.as_deref().map(|why| format!(" ({why})")).unwrap_or_default();
                format!("{}: {} messages behind{why}", view.name.replace('_', " "), view.lag_events)
            };
            return Err(BenchError::NotLevel(within, behind.iter().map(said).collect::<Vec<_>>().join("; ")));
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

/// Whether a projection has come to these ends of the log.
pub(crate) fn has_reached(view: &ProjectionView, end: &[Position]) -> bool {
    end.iter().all(|end| {
        end.sequence == 0
            || view
                .positions
                .iter()
                .any(|position| position.partition == end.partition && position.sequence >= end.sequence)
    })
}

/// Asks every store.
pub(crate) async fn gather(api: &Api, campaign: &str, level: Level) -> Result<Evidence, BenchError> {
    let verified = verify_campaigns(api, &[campaign.to_owned()]).await?;
    let view = api.campaign(campaign).await?;
    let rows = rows(api, campaign).await?;
    Ok(Evidence { stock: view.stock, issued: view.issued, remaining: view.remaining, rows, verified, level })
}

/// All coupons, page by page from the ledger: it has them by seq, while the log would have to be read from its beginning
/// for each page; whether ledger and log agree is part of the verification.
pub(crate) async fn rows(api: &Api, campaign: &str) -> Result<Vec<CouponRow>, BenchError> {
    let top = api.campaign(campaign).await?.issued;
    let all = parts::fingerprint(api, Store::Ledger, campaign, Slice::default(), top).await?;
    let mut rows = Vec::with_capacity(usize::try_from(all.count).unwrap_or_default());
    let mut from = 1;
    while from <= all.highest && (rows.len() as u64) < all.count {
        // Where numbers are missing or out of all bounds, this walks the range that a gapless ledger would fill.
        if from > all.count.saturating_mul(2).saturating_add(PAGE) {
            break;
        }
        let page = Slice { from: Some(from), to: Some(from + PAGE - 1), upto: None, rows: true };
        rows.extend(api.fingerprint(Store::Ledger, campaign, page).await?.rows.unwrap_or_default());
        from += PAGE;
    }
    Ok(rows)
}
