//! What is written to PostgreSQL: one statement a kind of row, over arrays of columns, however many rows there are.

use firstcome_shared::chain::Chain;
use firstcome_shared::clock::Millis;
use firstcome_shared::domain::{CampaignId, RequestKey};
use firstcome_shared::event_log::Lane;
use firstcome_shared::position::Position;
use firstcome_shared::projection::{Claim, Delivery, Parked, Remedy, Replayed};
use sqlx::postgres::PgConnection;

use crate::ledger::batch::Batch;
use crate::ledger::sql::{Result, lane_number, number, remedy_text, text, unsigned};

/// Takes or renews the lease; `None` while somebody else has it. A new holder gets a newer token.
pub(super) async fn claim(
    conn: &mut PgConnection,
    partition: u32,
    holder: &str,
    now: Millis,
    expires_at: Millis,
) -> Result<Option<u64>> {
    let token = sqlx::query_scalar(
        "INSERT INTO checkpoint AS held (partition, holder, token, expires_at, sequence) VALUES ($1, $2, 1, $3, 0)
         ON CONFLICT (partition) DO UPDATE SET token = held.token + (held.holder <> excluded.holder)::integer,
             holder = excluded.holder, expires_at = excluded.expires_at
         WHERE held.holder = excluded.holder OR held.expires_at <= $4
         RETURNING token",
    )
    .bind(i64::from(partition))
    .bind(holder)
    .bind(expires_at.0)
    .bind(now.0)
    .fetch_optional(conn)
    .await?;
    token.map(unsigned).transpose()
}

/// Ends the holder's lease.
pub(super) async fn release(conn: &mut PgConnection, partition: u32, holder: &str) -> Result<()> {
    sqlx::query("UPDATE checkpoint SET expires_at = 0 WHERE partition = $1 AND holder = $2")
        .bind(i64::from(partition))
        .bind(holder)
        .execute(conn)
        .await?;
    Ok(())
}

/// Moves the checkpoint, if claim and checkpoint are still the stored ones: then one row is changed, and nobody else
/// can change it until the transaction ends.
pub(super) async fn advance(conn: &mut PgConnection, claim: &Claim, from: u64, to: u64) -> Result<u64> {
    let done = sqlx::query(
        "UPDATE checkpoint SET sequence = $1, log = $2
         WHERE partition = $3 AND token = $4 AND sequence = $5 AND (log IS NULL OR log = $2)",
    )
    .bind(number(to)?)
    .bind(&claim.log)
    .bind(i64::from(claim.partition))
    .bind(number(claim.token)?)
    .bind(number(from)?)
    .execute(conn)
    .await?;
    Ok(done.rows_affected())
}

/// 1 when the claim is still the stored one, and so is the checkpoint `at`; then nobody can take over until the
/// transaction ends.
pub(super) async fn hold(conn: &mut PgConnection, claim: &Claim, at: Option<u64>) -> Result<u64> {
    let held = sqlx::query(
        "SELECT FROM checkpoint WHERE partition = $1 AND token = $2 AND sequence = coalesce($3, sequence) FOR UPDATE",
    )
    .bind(i64::from(claim.partition))
    .bind(number(claim.token)?)
    .bind(at.map(number).transpose()?)
    .execute(conn)
    .await?;
    Ok(held.rows_affected())
}

pub(super) async fn coupons(conn: &mut PgConnection, deliveries: &[Delivery]) -> Result<()> {
    let count = deliveries.iter().map(|delivery| delivery.message.coupons().count()).sum();
    if count == 0 {
        return Ok(());
    }
    let mut seqs = Vec::with_capacity(count);
    let mut positions = Vec::with_capacity(count);
    let mut times = Vec::with_capacity(count);
    let mut ends = Vec::with_capacity(count);
    let mut ns = Vec::with_capacity(count);
    let mut windows = Vec::with_capacity(count);
    let mut campaigns = Vec::with_capacity(count);
    let mut users = Vec::with_capacity(count);
    let mut codes = Vec::with_capacity(count);
    let mut keys = Vec::with_capacity(count);
    for delivery in deliveries {
        let position = number(delivery.position.sequence)?;
        for (coupon, at, window, expires_at) in delivery.message.coupons() {
            seqs.push(number(coupon.seq)?);
            positions.push(position);
            times.push(at.0);
            ends.push(expires_at.map(|at| at.0));
            ns.push(integer(coupon.n)?);
            windows.push(integer(window)?);
            campaigns.push(delivery.message.campaign.as_str());
            users.push(coupon.user_id.as_str());
            codes.push(coupon.code.as_str());
            keys.push(coupon.key.as_ref().map(RequestKey::as_str));
        }
    }
    sqlx::query(
        "INSERT INTO coupon (seq, position, issued_at, expires_at, n, window_id, campaign, user_id, code, request_key)
         SELECT * FROM unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::bigint[], $5::integer[], $6::integer[],
                              $7::text[], $8::text[], $9::text[], $10::text[])",
    )
    .bind(seqs)
    .bind(positions)
    .bind(times)
    .bind(ends)
    .bind(ns)
    .bind(windows)
    .bind(campaigns)
    .bind(users)
    .bind(codes)
    .bind(keys)
    .execute(conn)
    .await?;
    Ok(())
}

/// Everything but the coupons.
pub(super) async fn batch(conn: &mut PgConnection, partition: u32, batch: &Batch<'_>) -> Result<()> {
    campaigns(conn, batch).await?;
    stock(conn, batch).await?;
    audit(conn, partition, batch).await?;
    chains(conn, batch.chains.iter().map(|((campaign, lane), chain)| (campaign, *lane, *chain))).await
}

async fn campaigns(conn: &mut PgConnection, batch: &Batch<'_>) -> Result<()> {
    let rows = &batch.campaigns;
    if rows.is_empty() {
        return Ok(());
    }
    sqlx::query(
        "INSERT INTO campaign (id, definition, paused, cancelled, position)
         SELECT * FROM unnest($1::text[], $2::text[], $3::boolean[], $4::boolean[], $5::bigint[])
         ON CONFLICT (id) DO UPDATE SET definition = excluded.definition, paused = excluded.paused,
             cancelled = excluded.cancelled, position = excluded.position",
    )
    .bind(rows.keys().map(CampaignId::as_str).collect::<Vec<_>>())
    .bind(rows.values().map(|row| text(&row.definition)).collect::<Result<Vec<_>>>()?)
    .bind(rows.values().map(|row| row.flags.paused).collect::<Vec<_>>())
    .bind(rows.values().map(|row| row.flags.cancelled).collect::<Vec<_>>())
    .bind(rows.values().map(|row| number(row.position)).collect::<Result<Vec<_>>>()?)
    .execute(conn)
    .await?;
    Ok(())
}

async fn stock(conn: &mut PgConnection, batch: &Batch<'_>) -> Result<()> {
    let rows = &batch.stock;
    if rows.is_empty() {
        return Ok(());
    }
    sqlx::query(
        "INSERT INTO stock_entry (campaign, window_id, position, place, stock, actor, at)
         SELECT * FROM unnest($1::text[], $2::bigint[], $3::bigint[], $4::bigint[], $5::bigint[], $6::text[],
                              $7::bigint[])",
    )
    .bind(rows.iter().map(|row| row.campaign.as_str()).collect::<Vec<_>>())
    .bind(rows.iter().map(|row| i64::from(row.window)).collect::<Vec<_>>())
    .bind(rows.iter().map(|row| number(row.position)).collect::<Result<Vec<_>>>()?)
    .bind(rows.iter().map(|row| place(row.place)).collect::<Result<Vec<_>>>()?)
    .bind(rows.iter().map(|row| number(row.stock)).collect::<Result<Vec<_>>>()?)
    .bind(rows.iter().map(|row| row.actor).collect::<Vec<_>>())
    .bind(rows.iter().map(|row| row.at.0).collect::<Vec<_>>())
    .execute(conn)
    .await?;
    Ok(())
}

async fn audit(conn: &mut PgConnection, partition: u32, batch: &Batch<'_>) -> Result<()> {
    let rows = &batch.audit;
    if rows.is_empty() {
        return Ok(());
    }
    sqlx::query(
        "INSERT INTO audit (partition, position, place, campaign, at, actor, action, details)
         SELECT $1::bigint, said.* FROM unnest($2::bigint[], $3::bigint[], $4::text[], $5::bigint[], $6::text[], $7::text[],
                                       $8::text[]) AS said",
    )
    .bind(i64::from(partition))
    .bind(rows.iter().map(|row| number(row.position)).collect::<Result<Vec<_>>>()?)
    .bind(rows.iter().map(|row| place(row.place)).collect::<Result<Vec<_>>>()?)
    .bind(rows.iter().map(|row| row.campaign.as_str()).collect::<Vec<_>>())
    .bind(rows.iter().map(|row| row.at.0).collect::<Vec<_>>())
    .bind(rows.iter().map(|row| row.actor).collect::<Vec<_>>())
    .bind(rows.iter().map(|row| row.action).collect::<Vec<_>>())
    .bind(rows.iter().map(|row| row.details.to_string()).collect::<Vec<_>>())
    .execute(conn)
    .await?;
    Ok(())
}

pub(super) async fn chains(
    conn: &mut PgConnection,
    chains: impl Iterator<Item = (&CampaignId, Lane, Chain)> + Send,
) -> Result<()> {
    let rows: Vec<_> = chains.collect();
    if rows.is_empty() {
        return Ok(());
    }
    let numbers = |of: fn(&Chain) -> u64| {
        rows.iter().map(|(_, _, chain)| number(of(chain))).collect::<Result<Vec<_>>>()
    };
    sqlx::query(
        "INSERT INTO chain (campaign, lane, sequence, epoch, last, loose)
         SELECT * FROM unnest($1::text[], $2::bigint[], $3::bigint[], $4::bigint[], $5::bigint[], $6::boolean[])
         ON CONFLICT (campaign, lane) DO UPDATE SET sequence = excluded.sequence, epoch = excluded.epoch,
             last = excluded.last, loose = excluded.loose",
    )
    .bind(rows.iter().map(|(campaign, ..)| campaign.as_str()).collect::<Vec<_>>())
    .bind(rows.iter().map(|(_, lane, _)| lane_number(*lane)).collect::<Vec<_>>())
    .bind(numbers(|chain| chain.sequence)?)
    .bind(numbers(|chain| chain.epoch)?)
    .bind(numbers(|chain| chain.last)?)
    .bind(rows.iter().map(|(_, _, chain)| chain.loose).collect::<Vec<_>>())
    .execute(conn)
    .await?;
    Ok(())
}

/// Parks a campaign; changes nothing when it is parked already.
pub(super) async fn park(conn: &mut PgConnection, parked: &Parked) -> Result<u64> {
    let done = sqlx::query(
        "INSERT INTO parked (campaign, partition, position, reason, parked_at, attempts, payload, remedy)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT (campaign) DO NOTHING",
    )
    .bind(parked.campaign.as_str())
    .bind(i64::from(parked.position.partition))
    .bind(number(parked.position.sequence)?)
    .bind(printable(&parked.reason))
    .bind(parked.parked_at.0)
    .bind(i64::from(parked.attempts))
    .bind(printable(&parked.payload))
    .bind(parked.remedy.map(remedy_text))
    .execute(conn)
    .await?;
    Ok(done.rows_affected())
}

/// Parks a parked campaign further on; a wish to replay it is done with.
pub(super) async fn repark(conn: &mut PgConnection, parked: &Parked) -> Result<u64> {
    let done = sqlx::query(
        "UPDATE parked SET position = $2, reason = $3, parked_at = $4, attempts = $5, payload = $6,
             remedy = NULLIF(remedy, $7)
         WHERE campaign = $1 AND position <= $2",
    )
    .bind(parked.campaign.as_str())
    .bind(number(parked.position.sequence)?)
    .bind(printable(&parked.reason))
    .bind(parked.parked_at.0)
    .bind(i64::from(parked.attempts))
    .bind(printable(&parked.payload))
    .bind(remedy_text(Remedy::Replay))
    .execute(conn)
    .await?;
    Ok(done.rows_affected())
}

/// Moves a parked campaign on to where the rest begins, or unparks it; changes nothing when it is parked behind
/// `begin`.
pub(super) async fn unpark(conn: &mut PgConnection, step: &Replayed<'_>, begin: Option<u64>) -> Result<u64> {
    let begin = begin.map_or(Ok(i64::MAX), number)?;
    let query = match step.rest {
        Some(rest) => {
            sqlx::query("UPDATE parked SET position = $3, remedy = $4 WHERE campaign = $1 AND position <= $2")
                .bind(step.campaign.as_str())
                .bind(begin)
                .bind(number(rest.sequence)?)
                .bind(remedy_text(Remedy::Replay))
        }
        None => sqlx::query("DELETE FROM parked WHERE campaign = $1 AND position <= $2")
            .bind(step.campaign.as_str())
            .bind(begin),
    };
    Ok(query.execute(conn).await?.rows_affected())
}

/// Notes what an operator asks for.
pub(super) async fn request(conn: &mut PgConnection, position: Position, remedy: Remedy) -> Result<u64> {
    let done = sqlx::query("UPDATE parked SET remedy = $3 WHERE partition = $1 AND position = $2")
        .bind(i64::from(position.partition))
        .bind(number(position.sequence)?)
        .bind(remedy_text(remedy))
        .execute(conn)
        .await?;
    Ok(done.rows_affected())
}

/// A dead letter must find a place whatever is in it, and PostgreSQL's text takes every character but NUL.
fn printable(text: &str) -> String {
    text.replace('\0', "\u{2400}")
}

fn integer(number: u32) -> Result<i32> {
    i32::try_from(number).map_err(|error| sqlx::Error::Encode(error.into()))
}

fn place(place: usize) -> Result<i64> {
    i64::try_from(place).map_err(|error| sqlx::Error::Encode(error.into()))
}
