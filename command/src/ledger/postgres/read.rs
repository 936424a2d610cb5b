//! What is read from PostgreSQL.

use std::collections::BTreeSet;

use firstcome_shared::chain::Chain;
use firstcome_shared::clock::Millis;
use firstcome_shared::domain::{CampaignId, Flags};
use firstcome_shared::fingerprint::{Range, Row as CouponFacts, Sum};
use firstcome_shared::position::Position;
use firstcome_shared::projection::{ApplyError, Checkpoint, Parked};
use firstcome_shared::wire::{AuditEntry, Fingerprint, Page, Store, Time};
use futures::TryStreamExt;
use sqlx::postgres::PgConnection;
use sqlx::{AssertSqlSafe, Connection, Row};
use tokio::time::timeout;

use super::connections::{DEADLINE, failed, silent};
use crate::ledger::AuditCursor;
use crate::ledger::batch::{CampaignRow, Campaigns, Chains};
use crate::ledger::sql::{Result, bound, campaign, json, lane, page, remedy, status, unsigned};

/// The rows of a campaign in a range.
pub(super) const ROWS: &str = "SELECT seq, user_id, code, issued_at, expires_at, status FROM coupon
    WHERE campaign = $1 AND seq BETWEEN $2 AND $3 AND position <= $4";

/// Who has the lease.
pub(super) struct Lease {
    pub(super) holder: String,
    pub(super) token: u64,
    pub(super) expires_at: Millis,
}

pub(super) async fn lease(conn: &mut PgConnection, partition: u32) -> Result<Option<Lease>> {
    let row = sqlx::query("SELECT holder, token, expires_at FROM checkpoint WHERE partition = $1")
        .bind(i64::from(partition))
        .fetch_optional(conn)
        .await?;
    row.map(|row| {
        Ok(Lease {
            holder: row.try_get(0)?,
            token: unsigned(row.try_get(1)?)?,
            expires_at: Millis(row.try_get(2)?),
        })
    })
    .transpose()
}

pub(super) async fn checkpoint(conn: &mut PgConnection, partition: u32) -> Result<Option<Checkpoint>> {
    // Without a log it was claimed, but nothing was read.
    let row = sqlx::query("SELECT log, sequence FROM checkpoint WHERE partition = $1 AND log IS NOT NULL")
        .bind(i64::from(partition))
        .fetch_optional(conn)
        .await?;
    row.map(|row| Ok(Checkpoint { log: row.try_get(0)?, sequence: unsigned(row.try_get(1)?)? })).transpose()
}

pub(super) async fn chains(conn: &mut PgConnection, campaigns: &BTreeSet<&CampaignId>) -> Result<Chains> {
    let rows = sqlx::query(
        "SELECT campaign, lane, sequence, epoch, last, loose FROM chain WHERE campaign = ANY($1)",
    )
    .bind(names(campaigns))
    .fetch_all(conn)
    .await?;
    rows.iter()
        .map(|row| {
            let chain = Chain {
                sequence: unsigned(row.try_get(2)?)?,
                epoch: unsigned(row.try_get(3)?)?,
                last: unsigned(row.try_get(4)?)?,
                loose: row.try_get(5)?,
            };
            Ok(((campaign(row.try_get(0)?)?, lane(row.try_get(1)?)), chain))
        })
        .collect()
}

pub(super) async fn campaigns(
    conn: &mut PgConnection,
    campaigns: &BTreeSet<&CampaignId>,
) -> Result<Campaigns> {
    let rows =
        sqlx::query("SELECT id, definition, paused, cancelled, position FROM campaign WHERE id = ANY($1)")
            .bind(names(campaigns))
            .fetch_all(conn)
            .await?;
    rows.iter()
        .map(|row| {
            let known = CampaignRow {
                definition: json(row.try_get(1)?)?,
                flags: Flags { paused: row.try_get(2)?, cancelled: row.try_get(3)? },
                position: unsigned(row.try_get(4)?)?,
            };
            Ok((campaign(row.try_get(0)?)?, known))
        })
        .collect()
}

pub(super) async fn any_parked(conn: &mut PgConnection, campaigns: &BTreeSet<&CampaignId>) -> Result<bool> {
    sqlx::query_scalar("SELECT EXISTS (SELECT FROM parked WHERE campaign = ANY($1))")
        .bind(names(campaigns))
        .fetch_one(conn)
        .await
}

pub(super) async fn parked(conn: &mut PgConnection, partition: u32) -> Result<Vec<Parked>> {
    let rows = sqlx::query(
        "SELECT campaign, position, reason, parked_at, attempts, payload, remedy FROM parked
         WHERE partition = $1 ORDER BY position",
    )
    .bind(i64::from(partition))
    .fetch_all(conn)
    .await?;
    rows.iter()
        .map(|row| {
            Ok(Parked {
                campaign: campaign(row.try_get(0)?)?,
                position: Position::new(partition, unsigned(row.try_get(1)?)?),
                reason: row.try_get(2)?,
                parked_at: Millis(row.try_get(3)?),
                attempts: small(row.try_get(4)?)?,
                payload: row.try_get(5)?,
                remedy: remedy(row.try_get(6)?),
            })
        })
        .collect()
}

pub(super) async fn audit(
    conn: &mut PgConnection,
    of: Option<&CampaignId>,
    after: Option<AuditCursor>,
    limit: u32,
) -> Result<Page<AuditEntry>> {
    let (at, partition, position, place) = after.map_or((i64::MAX, i64::MAX, i64::MAX, i64::MAX), |after| {
        let Position { partition, sequence } = after.position;
        (after.at.0, partition.into(), bound(sequence), after.place.into())
    });
    let rows = sqlx::query(AssertSqlSafe(audit_sql(of.is_some())))
        .bind(of.map(CampaignId::as_str))
        .bind(at)
        .bind(partition)
        .bind(position)
        .bind(place)
        // One more than asked for tells whether there is another page.
        .bind(i64::from(limit) + 1)
        .fetch_all(conn)
        .await?;
    page(&rows, limit, |row| {
        let position = Position::new(small(row.try_get(1)?)?, unsigned(row.try_get(2)?)?);
        let at = Millis(row.try_get(4)?);
        let entry = AuditEntry {
            campaign_id: row.try_get(0)?,
            position,
            at: Time(at),
            actor: row.try_get(5)?,
            action: row.try_get(6)?,
            details: json(row.try_get(7)?)?,
        };
        Ok((entry, AuditCursor { at, position, place: small(row.try_get(3)?)? }))
    })
}

/// Two statements, so that each has its index.
pub(super) fn audit_sql(of_one: bool) -> String {
    let filter = if of_one { "campaign = $1" } else { "$1::text IS NULL" };
    format!(
        "SELECT campaign, partition, position, place, at, actor, action, details FROM audit
         WHERE {filter} AND (at, partition, position, place) < ($2, $3, $4, $5)
         ORDER BY at DESC, partition DESC, position DESC, place DESC LIMIT $6"
    )
}

/// A million rows take seconds, so each of them has its deadline, not all together.
pub(super) async fn fingerprint(
    conn: &mut PgConnection,
    partition: u32,
    campaign: &CampaignId,
    range: &Range,
) -> std::result::Result<Fingerprint, ApplyError> {
    /// How many rows are hashed before others have a turn.
    const TURN: u32 = 1_000;
    // One snapshot: the rows are those of the checkpoint.
    let begin = conn.begin_with("BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY");
    let mut tx = in_time(begin).await?;
    let sequence = sqlx::query_scalar("SELECT sequence FROM checkpoint WHERE partition = $1")
        .bind(i64::from(partition))
        .fetch_optional(&mut *tx);
    let sequence = unsigned(in_time(sequence).await?.unwrap_or(0)).map_err(failed)?;
    let mut sum = Sum::default();
    {
        let mut rows = sqlx::query(ROWS)
            .bind(campaign.as_str())
            .bind(bound(range.from))
            .bind(bound(range.to))
            .bind(range.upto.map_or(i64::MAX, |upto| bound(upto.sequence)))
            .fetch(&mut *tx);
        let mut turn = 0;
        while let Some(row) = in_time(rows.try_next()).await? {
            let facts = || {
                Ok(CouponFacts {
                    seq: unsigned(row.try_get(0)?)?,
                    user_id: row.try_get(1)?,
                    code: row.try_get(2)?,
                    issued_at: Millis(row.try_get(3)?),
                    expires_at: row.try_get::<Option<i64>, _>(4)?.map(Millis),
                    status: Some(status(row.try_get(5)?)?),
                })
            };
            sum.add(range, facts().map_err(failed)?);
            turn += 1;
            if turn % TURN == 0 {
                tokio::task::yield_now().await;
            }
        }
    }
    in_time(tx.commit()).await?;
    let position = Position::new(partition, sequence);
    Ok(sum.fingerprint(Store::Ledger, campaign.as_str(), position, range))
}

/// One step of something that may take long as a whole.
async fn in_time<T>(step: impl Future<Output = Result<T>>) -> std::result::Result<T, ApplyError> {
    match timeout(DEADLINE, step).await {
        Ok(outcome) => outcome.map_err(failed),
        Err(_) => Err(silent(DEADLINE).into()),
    }
}

fn names(campaigns: &BTreeSet<&CampaignId>) -> Vec<String> {
    campaigns.iter().map(|campaign| campaign.as_str().to_owned()).collect()
}

fn small(number: i64) -> Result<u32> {
    u32::try_from(number).map_err(|error| sqlx::Error::Decode(error.into()))
}
