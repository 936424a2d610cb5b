//! What is read from the ledger's file.

use std::collections::BTreeSet;

use firstcome_shared::chain::Chain;
use firstcome_shared::clock::Millis;
use firstcome_shared::domain::{CampaignId, Flags};
use firstcome_shared::fingerprint::{Range, Row as CouponFacts, Sum};
use firstcome_shared::position::Position;
use firstcome_shared::projection::{Checkpoint, Parked};
use firstcome_shared::wire::{AuditEntry, Fingerprint, Page, Store, Time};
use futures::TryStreamExt;
use sqlx::sqlite::SqlitePool;
use sqlx::{AssertSqlSafe, Row, Sqlite, Transaction};

use crate::ledger::AuditCursor;
use crate::ledger::batch::{CampaignRow, Campaigns, Chains};
use crate::ledger::sql::{Result, bound, campaign, json, lane, page, remedy, status, text, unsigned};

pub(super) async fn token(pool: &SqlitePool, partition: u32, holder: &str) -> Result<Option<u64>> {
    let token = sqlx::query_scalar("SELECT token FROM checkpoint WHERE partition = ?1 AND holder = ?2")
        .bind(partition)
        .bind(holder)
        .fetch_optional(pool)
        .await?;
    token.map(unsigned).transpose()
}

pub(super) async fn checkpoint(pool: &SqlitePool, partition: u32) -> Result<Option<Checkpoint>> {
    // Without a log it was claimed, but nothing was read.
    let row = sqlx::query("SELECT log, sequence FROM checkpoint WHERE partition = ?1 AND log IS NOT NULL")
        .bind(partition)
        .fetch_optional(pool)
        .await?;
    row.map(|row| Ok(Checkpoint { log: row.try_get(0)?, sequence: unsigned(row.try_get(1)?)? })).transpose()
}

pub(super) async fn chains(
    tx: &mut Transaction<'_, Sqlite>,
    campaigns: &BTreeSet<&CampaignId>,
) -> Result<Chains> {
    let rows = sqlx::query(
        "SELECT campaign, lane, sequence, epoch, last, loose FROM chain
         WHERE campaign IN (SELECT value FROM json_each(?1))",
    )
    .bind(text(campaigns)?)
    .fetch_all(&mut **tx)
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
    tx: &mut Transaction<'_, Sqlite>,
    campaigns: &BTreeSet<&CampaignId>,
) -> Result<Campaigns> {
    let rows = sqlx::query(
        "SELECT id, definition, paused, cancelled, position FROM campaign
         WHERE id IN (SELECT value FROM json_each(?1))",
    )
    .bind(text(campaigns)?)
    .fetch_all(&mut **tx)
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

pub(super) async fn any_parked(
    tx: &mut Transaction<'_, Sqlite>,
    campaigns: &BTreeSet<&CampaignId>,
) -> Result<bool> {
    sqlx::query_scalar(
        "SELECT EXISTS (SELECT 1 FROM parked WHERE campaign IN (SELECT value FROM json_each(?1)))",
    )
    .bind(text(campaigns)?)
    .fetch_one(&mut **tx)
    .await
}

pub(super) async fn parked(pool: &SqlitePool, partition: u32) -> Result<Vec<Parked>> {
    let rows = sqlx::query(
        "SELECT campaign, position, reason, parked_at, attempts, payload, remedy FROM parked
         WHERE partition = ?1 ORDER BY position",
    )
    .bind(partition)
    .fetch_all(pool)
    .await?;
    rows.iter()
        .map(|row| {
            Ok(Parked {
                campaign: campaign(row.try_get(0)?)?,
                position: Position::new(partition, unsigned(row.try_get(1)?)?),
                reason: row.try_get(2)?,
                parked_at: Millis(row.try_get(3)?),
                attempts: row.try_get(4)?,
                payload: row.try_get(5)?,
                remedy: remedy(row.try_get(6)?),
            })
        })
        .collect()
}

pub(super) async fn audit(
    pool: &SqlitePool,
    of: Option<&CampaignId>,
    after: Option<AuditCursor>,
    limit: u32,
) -> Result<Page<AuditEntry>> {
    // Two statements, so that each has its index.
    let filter = if of.is_some() { "campaign = ?1" } else { "?1 IS NULL" };
    let sql = format!(
        "SELECT campaign, position, place, at, actor, action, details FROM audit
         WHERE {filter} AND (at, position, place) < (?2, ?3, ?4)
         ORDER BY at DESC, position DESC, place DESC LIMIT ?5"
    );
    let (at, position, place) = after.map_or((i64::MAX, i64::MAX, i64::MAX), |after| {
        (after.at.0, bound(after.position.sequence), i64::from(after.place))
    });
    let rows = sqlx::query(AssertSqlSafe(sql))
        .bind(of.map(CampaignId::as_str))
        .bind(at)
        .bind(position)
        .bind(place)
        // One more than asked for tells whether there is another page.
        .bind(i64::from(limit) + 1)
        .fetch_all(pool)
        .await?;
    page(&rows, limit, |row| {
        let position = Position::new(0, unsigned(row.try_get(1)?)?);
        let at = Millis(row.try_get(3)?);
        let entry = AuditEntry {
            campaign_id: row.try_get(0)?,
            position,
            at: Time(at),
            actor: row.try_get(4)?,
            action: row.try_get(5)?,
            details: json(row.try_get(6)?)?,
        };
        Ok((entry, AuditCursor { at, position, place: row.try_get(2)? }))
    })
}

pub(super) async fn fingerprint(
    pool: &SqlitePool,
    partition: u32,
    campaign: &CampaignId,
    range: &Range,
) -> Result<Fingerprint> {
    /// How many rows are hashed before others have a turn.
    const TURN: u32 = 1_000;
    // One transaction: the rows are those of the checkpoint.
    let mut tx = pool.begin().await?;
    let sequence = sqlx::query_scalar("SELECT sequence FROM checkpoint WHERE partition = ?1")
        .bind(partition)
        .fetch_optional(&mut *tx)
        .await?
        .unwrap_or(0);
    let position = Position::new(partition, unsigned(sequence)?);
    let mut sum = Sum::default();
    {
        let mut rows = sqlx::query(
            "SELECT seq, user_id, code, issued_at, expires_at, status FROM coupon
             WHERE campaign = ?1 AND seq BETWEEN ?2 AND ?3 AND position <= ?4 ORDER BY seq",
        )
        .bind(campaign.as_str())
        .bind(bound(range.from))
        .bind(bound(range.to))
        .bind(range.upto.map_or(i64::MAX, |upto| bound(upto.sequence)))
        .fetch(&mut *tx);
        let mut turn = 0;
        while let Some(row) = rows.try_next().await? {
            let row = CouponFacts {
                seq: unsigned(row.try_get(0)?)?,
                user_id: row.try_get(1)?,
                code: row.try_get(2)?,
                issued_at: Millis(row.try_get(3)?),
                expires_at: row.try_get::<Option<i64>, _>(4)?.map(Millis),
                status: Some(status(row.try_get(5)?)?),
            };
            sum.add(range, row);
            turn += 1;
            if turn % TURN == 0 {
                tokio::task::yield_now().await;
            }
        }
    }
    tx.commit().await?;
    Ok(sum.fingerprint(Store::Ledger, campaign.as_str(), position, range))
}
