//! Parked campaigns: a row each. Parking moves the checkpoint and unparking applies what waited, in one transaction
//! each (ARCHITECTURE J3).

use firstcome_shared::clock::Millis;
use firstcome_shared::domain::CampaignId;
use firstcome_shared::position::Position;
use firstcome_shared::projection::{ApplyError, Claim, Parked, Remedy, Replayed, StoreUnavailable};
use sqlx::sqlite::{SqlitePool, SqliteRow};
use sqlx::{Row, SqliteConnection};

use super::write::{advance, begin, commit, fold, read, write};
use super::{away, failed, signed, unsigned};
use crate::projection::Touched;

pub(super) async fn all(readers: &SqlitePool, partition: u32) -> Result<Vec<Parked>, StoreUnavailable> {
    let rows = sqlx::query(
        "SELECT campaign, partition, sequence, reason, parked_at, attempts, payload, remedy FROM parked
         WHERE partition = ?1 ORDER BY sequence",
    )
    .bind(partition)
    .fetch_all(readers)
    .await
    .map_err(|error| away(&error))?;
    rows.iter().map(parked).collect()
}

fn parked(row: &SqliteRow) -> Result<Parked, StoreUnavailable> {
    let name: &str = row.try_get(0).map_err(|error| away(&error))?;
    Ok(Parked {
        campaign: CampaignId::parse(name).map_err(|error| away(&error))?,
        position: Position::new(row.get(1), unsigned(row.get(2))),
        reason: row.get(3),
        parked_at: Millis(row.get(4)),
        attempts: row.get(5),
        payload: row.get(6),
        remedy: row.get::<Option<&str>, _>(7).map(|remedy| match remedy {
            "discard" => Remedy::Discard,
            _ => Remedy::Replay,
        }),
    })
}

pub(super) async fn park(
    writer: &SqlitePool,
    claim: &Claim,
    from: u64,
    parked: &Parked,
    to: u64,
) -> Result<(), ApplyError> {
    let mut transaction = begin(writer).await?;
    advance(&mut transaction, claim, from, to).await?;
    sqlx::query(
        "INSERT INTO parked (campaign, partition, sequence, reason, parked_at, attempts, payload)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
    )
    .bind(parked.campaign.as_str())
    .bind(parked.position.partition)
    .bind(signed(parked.position.sequence))
    .bind(text(&parked.reason))
    .bind(parked.parked_at.0)
    .bind(parked.attempts)
    .bind(text(&parked.payload))
    .execute(&mut *transaction)
    .await
    .map_err(|error| failed(&error))?;
    commit(transaction).await
}

pub(super) async fn request(
    writer: &SqlitePool,
    position: Position,
    remedy: Remedy,
) -> Result<bool, StoreUnavailable> {
    let noted = sqlx::query("UPDATE parked SET remedy = ?3 WHERE partition = ?1 AND sequence = ?2")
        .bind(position.partition)
        .bind(signed(position.sequence))
        .bind(match remedy {
            Remedy::Replay => "replay",
            Remedy::Discard => "discard",
        })
        .execute(writer)
        .await
        .map_err(|error| away(&error))?;
    Ok(noted.rows_affected() > 0)
}

pub(super) async fn replayed(
    writer: &SqlitePool,
    claim: &Claim,
    step: &Replayed<'_>,
) -> Result<(), ApplyError> {
    let mut transaction = begin(writer).await?;
    holds(&mut transaction, claim, Some(step.at)).await?;
    if let Some((lane, chain)) = step.skipped {
        let campaigns = [step.campaign.clone()].into();
        let mut views = read(&mut transaction, &Touched { campaigns, ..Touched::default() }).await?;
        views.skip(step.campaign, lane, chain, Position::new(claim.partition, chain.sequence));
        write(&mut transaction, &views).await?;
    }
    fold(&mut transaction, step.deliveries).await?;
    let done = match step.rest {
        // What is left is replayed, whatever was asked for meanwhile: that was about the message just passed.
        Some(rest) => sqlx::query("UPDATE parked SET sequence = ?2, remedy = 'replay' WHERE campaign = ?1")
            .bind(step.campaign.as_str())
            .bind(signed(rest.sequence)),
        None => sqlx::query("DELETE FROM parked WHERE campaign = ?1").bind(step.campaign.as_str()),
    };
    changed(done.execute(&mut *transaction).await)?;
    commit(transaction).await
}

pub(super) async fn repark(writer: &SqlitePool, claim: &Claim, parked: &Parked) -> Result<(), ApplyError> {
    let mut transaction = begin(writer).await?;
    holds(&mut transaction, claim, None).await?;
    let updated = sqlx::query(
        "UPDATE parked SET sequence = ?2, reason = ?3, parked_at = ?4, attempts = ?5, payload = ?6,
             remedy = nullif(remedy, 'replay')
         WHERE campaign = ?1",
    )
    .bind(parked.campaign.as_str())
    .bind(signed(parked.position.sequence))
    .bind(text(&parked.reason))
    .bind(parked.parked_at.0)
    .bind(parked.attempts)
    .bind(text(&parked.payload))
    .execute(&mut *transaction)
    .await;
    changed(updated)?;
    commit(transaction).await
}

/// Refuses a claim that is no longer the stored one, and a checkpoint `at` that is not.
async fn holds(connection: &mut SqliteConnection, claim: &Claim, at: Option<u64>) -> Result<(), ApplyError> {
    let held: Option<i64> = sqlx::query_scalar(
        "SELECT token FROM checkpoint
         WHERE partition = ?1 AND token = ?2 AND log = ?3 AND sequence = coalesce(?4, sequence)",
    )
    .bind(claim.partition)
    .bind(signed(claim.token))
    .bind(&claim.log)
    .bind(at.map(signed))
    .fetch_optional(connection)
    .await
    .map_err(|error| failed(&error))?;
    held.map(|_| ()).ok_or(ApplyError::Stale)
}

/// A row that should have been there and was not: somebody else has unparked the campaign.
fn changed(result: Result<sqlx::sqlite::SqliteQueryResult, sqlx::Error>) -> Result<(), ApplyError> {
    match result.map_err(|error| failed(&error))?.rows_affected() {
        0 => Err(ApplyError::Stale),
        _ => Ok(()),
    }
}

/// Text as SQLite keeps it whole: it ends at the first NUL for many who read it.
fn text(text: &str) -> String {
    text.replace('\0', "\u{fffd}")
}
