//! What is written to the ledger's file: one statement a kind of row, over `json_each`, however many rows there are.

use firstcome_shared::chain::Chain;
use firstcome_shared::domain::CampaignId;
use firstcome_shared::event::IssuedCoupon;
use firstcome_shared::event_log::Lane;
use firstcome_shared::position::Position;
use firstcome_shared::projection::{Claim, Delivery, Parked, Remedy, Replayed};
use serde::Serialize;
use sqlx::sqlite::SqlitePool;
use sqlx::{Sqlite, Transaction};

use crate::ledger::batch::Batch;
use crate::ledger::sql::{Result, lane_number, number, remedy_text, text, unsigned};

type Tx<'a, 'c> = &'a mut Transaction<'c, Sqlite>;

/// Takes the partition over: a new holder gets a newer token.
pub(super) async fn claim(pool: &SqlitePool, partition: u32, holder: &str) -> Result<u64> {
    let token = sqlx::query_scalar(
        "INSERT INTO checkpoint (partition, holder, token, sequence) VALUES (?1, ?2, 1, 0)
         ON CONFLICT (partition) DO UPDATE SET token = token + (holder <> excluded.holder), holder = excluded.holder
         RETURNING token",
    )
    .bind(partition)
    .bind(holder)
    .fetch_one(pool)
    .await?;
    unsigned(token)
}

/// Moves the checkpoint, if claim and checkpoint are still the stored ones: then one row is changed.
pub(super) async fn advance(tx: Tx<'_, '_>, claim: &Claim, from: u64, to: u64) -> Result<u64> {
    let done = sqlx::query(
        "UPDATE checkpoint SET sequence = ?1, log = ?2
         WHERE partition = ?3 AND token = ?4 AND sequence = ?5 AND (log IS NULL OR log = ?2)",
    )
    .bind(number(to)?)
    .bind(&claim.log)
    .bind(claim.partition)
    .bind(number(claim.token)?)
    .bind(number(from)?)
    .execute(&mut **tx)
    .await?;
    Ok(done.rows_affected())
}

/// 1 when the claim is still the stored one, and so is the checkpoint `at`.
pub(super) async fn hold(tx: Tx<'_, '_>, claim: &Claim, at: Option<u64>) -> Result<u64> {
    let held = sqlx::query_scalar(
        "SELECT count(*) FROM checkpoint WHERE partition = ?1 AND token = ?2 AND sequence = coalesce(?3, sequence)",
    )
    .bind(claim.partition)
    .bind(number(claim.token)?)
    .bind(at.map(number).transpose()?)
    .fetch_one(&mut **tx)
    .await?;
    unsigned(held)
}

pub(super) async fn coupons(tx: Tx<'_, '_>, deliveries: &[Delivery]) -> Result<()> {
    let rows: Vec<_> = deliveries
        .iter()
        .flat_map(|delivery| {
            let (message, position) = (&delivery.message, delivery.position.sequence);
            message.coupons().map(move |(coupon, at, window, expires_at)| {
                let IssuedCoupon { seq, user_id, n, key, code } = coupon;
                (&message.campaign, seq, user_id, n, code, window, key, at, expires_at, position)
            })
        })
        .collect();
    insert(
        tx,
        "INSERT INTO coupon (campaign, seq, user_id, n, code, window_id, request_key, issued_at, expires_at, position)
         SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4, value ->> 5, value ->> 6,
                value ->> 7, value ->> 8, value ->> 9
         FROM json_each(?1)",
        &rows,
    )
    .await
}

/// Everything but the coupons.
pub(super) async fn batch(tx: Tx<'_, '_>, batch: &Batch<'_>) -> Result<()> {
    let rows: Vec<_> = batch
        .campaigns
        .iter()
        .map(|(id, row)| {
            Ok((id, text(&row.definition)?, row.flags.paused, row.flags.cancelled, row.position))
        })
        .collect::<Result<_>>()?;
    insert(
        tx,
        "INSERT INTO campaign (id, definition, paused, cancelled, position)
         SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4 FROM json_each(?1) WHERE TRUE
         ON CONFLICT (id) DO UPDATE SET definition = excluded.definition, paused = excluded.paused,
             cancelled = excluded.cancelled, position = excluded.position",
        &rows,
    )
    .await?;
    let rows: Vec<_> = batch
        .stock
        .iter()
        .map(|row| (row.campaign, row.window, row.position, row.place, row.stock, row.actor, row.at))
        .collect();
    insert(
        tx,
        "INSERT INTO stock_entry (campaign, window_id, position, place, stock, actor, at)
         SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4, value ->> 5, value ->> 6
         FROM json_each(?1)",
        &rows,
    )
    .await?;
    let rows: Vec<_> = batch
        .audit
        .iter()
        .map(|row| {
            let details = row.details.to_string();
            (row.position, row.place, row.campaign, row.at, row.actor, row.action, details)
        })
        .collect();
    insert(
        tx,
        "INSERT INTO audit (position, place, campaign, at, actor, action, details)
         SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4, value ->> 5, value ->> 6
         FROM json_each(?1)",
        &rows,
    )
    .await?;
    chains(tx, batch.chains.iter().map(|((campaign, lane), chain)| (campaign, *lane, *chain))).await
}

pub(super) async fn chains(
    tx: Tx<'_, '_>,
    chains: impl Iterator<Item = (&CampaignId, Lane, Chain)> + Send,
) -> Result<()> {
    let rows: Vec<_> = chains
        .map(|(campaign, lane, chain)| {
            (campaign, lane_number(lane), chain.sequence, chain.epoch, chain.last, chain.loose)
        })
        .collect();
    insert(
        tx,
        "INSERT INTO chain (campaign, lane, sequence, epoch, last, loose)
         SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4, value ->> 5
         FROM json_each(?1) WHERE TRUE
         ON CONFLICT (campaign, lane) DO UPDATE SET sequence = excluded.sequence, epoch = excluded.epoch,
             last = excluded.last, loose = excluded.loose",
        &rows,
    )
    .await
}

/// Parks a campaign; changes nothing when it is parked already.
pub(super) async fn park(tx: Tx<'_, '_>, parked: &Parked) -> Result<u64> {
    let done = sqlx::query(
        "INSERT INTO parked (campaign, partition, position, reason, parked_at, attempts, payload, remedy)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8) ON CONFLICT (campaign) DO NOTHING",
    )
    .bind(parked.campaign.as_str())
    .bind(parked.position.partition)
    .bind(number(parked.position.sequence)?)
    .bind(&parked.reason)
    .bind(parked.parked_at.0)
    .bind(parked.attempts)
    .bind(&parked.payload)
    .bind(parked.remedy.map(remedy_text))
    .execute(&mut **tx)
    .await?;
    Ok(done.rows_affected())
}

/// Parks a parked campaign further on; a wish to replay it is done with.
pub(super) async fn repark(tx: Tx<'_, '_>, parked: &Parked) -> Result<u64> {
    let done = sqlx::query(
        "UPDATE parked SET position = ?2, reason = ?3, parked_at = ?4, attempts = ?5, payload = ?6,
             remedy = nullif(remedy, ?7)
         WHERE campaign = ?1 AND position <= ?2",
    )
    .bind(parked.campaign.as_str())
    .bind(number(parked.position.sequence)?)
    .bind(&parked.reason)
    .bind(parked.parked_at.0)
    .bind(parked.attempts)
    .bind(&parked.payload)
    .bind(remedy_text(Remedy::Replay))
    .execute(&mut **tx)
    .await?;
    Ok(done.rows_affected())
}

/// Moves a parked campaign on to where the rest begins, or unparks it; changes nothing when it is parked behind
/// `begin`.
pub(super) async fn unpark(tx: Tx<'_, '_>, step: &Replayed<'_>, begin: Option<u64>) -> Result<u64> {
    let begin = begin.map_or(Ok(i64::MAX), number)?;
    let query = match step.rest {
        Some(rest) => {
            sqlx::query("UPDATE parked SET position = ?3, remedy = ?4 WHERE campaign = ?1 AND position <= ?2")
                .bind(step.campaign.as_str())
                .bind(begin)
                .bind(number(rest.sequence)?)
                .bind(remedy_text(Remedy::Replay))
        }
        None => sqlx::query("DELETE FROM parked WHERE campaign = ?1 AND position <= ?2")
            .bind(step.campaign.as_str())
            .bind(begin),
    };
    Ok(query.execute(&mut **tx).await?.rows_affected())
}

/// Notes what an operator asks for.
pub(super) async fn request(pool: &SqlitePool, position: Position, remedy: Remedy) -> Result<u64> {
    let done = sqlx::query("UPDATE parked SET remedy = ?3 WHERE partition = ?1 AND position = ?2")
        .bind(position.partition)
        .bind(number(position.sequence)?)
        .bind(remedy_text(remedy))
        .execute(pool)
        .await?;
    Ok(done.rows_affected())
}

async fn insert<T: Serialize + Sync>(tx: Tx<'_, '_>, sql: &'static str, rows: &[T]) -> Result<()> {
    if !rows.is_empty() {
        sqlx::query(sql).bind(text(&rows)?).execute(&mut **tx).await?;
    }
    Ok(())
}
