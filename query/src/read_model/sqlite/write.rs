//! Writing a batch: read what it touches, fold it, write it back. One statement a kind of document, each over a JSON
//! list, because a call into SQLite costs more than a row.

use std::collections::BTreeMap;

use firstcome_shared::clock::Millis;
use firstcome_shared::domain::CampaignId;
use firstcome_shared::projection::{ApplyError, Claim, Delivery};
use firstcome_shared::wire::TimelineBucket;
use serde::Serialize;
use sqlx::sqlite::{SqlitePool, SqliteRow};
use sqlx::{Row, Sqlite, SqliteConnection, Transaction};

use super::{away, failed, queries, signed, unsigned};
use crate::projection::{Bucket, Touched, Views};

pub(super) async fn apply(
    writer: &SqlitePool,
    claim: &Claim,
    from: u64,
    deliveries: &[Delivery],
    to: u64,
) -> Result<(), ApplyError> {
    let mut transaction = begin(writer).await?;
    advance(&mut transaction, claim, from, to).await?;
    fold(&mut transaction, deliveries).await?;
    commit(transaction).await
}

pub(super) async fn begin(writer: &SqlitePool) -> Result<Transaction<'static, Sqlite>, ApplyError> {
    writer.begin_with("BEGIN IMMEDIATE").await.map_err(|error| failed(&error))
}

pub(super) async fn commit(transaction: Transaction<'static, Sqlite>) -> Result<(), ApplyError> {
    transaction.commit().await.map_err(|error| failed(&error))
}

/// Moves the checkpoint, if claim and checkpoint are the stored ones.
pub(super) async fn advance(
    connection: &mut SqliteConnection,
    claim: &Claim,
    from: u64,
    to: u64,
) -> Result<(), ApplyError> {
    let moved = sqlx::query(
        "UPDATE checkpoint SET sequence = ?5, log = ?3
         WHERE partition = ?1 AND token = ?2 AND (log = ?3 OR log IS NULL) AND sequence = ?4",
    )
    .bind(claim.partition)
    .bind(signed(claim.token))
    .bind(&claim.log)
    .bind(signed(from))
    .bind(signed(to))
    .execute(connection)
    .await
    .map_err(|error| failed(&error))?;
    if moved.rows_affected() == 1 { Ok(()) } else { Err(ApplyError::Stale) }
}

/// Folds `deliveries` into the stored views.
pub(super) async fn fold(
    connection: &mut SqliteConnection,
    deliveries: &[Delivery],
) -> Result<(), ApplyError> {
    if deliveries.is_empty() {
        return Ok(());
    }
    let touched = Touched::by(deliveries);
    let mut views = read(connection, &touched).await?;
    views.fold(deliveries)?;
    write(connection, &views).await
}

/// The stored ones of the views that are touched.
pub(super) async fn read(connection: &mut SqliteConnection, touched: &Touched) -> Result<Views, ApplyError> {
    let mut views = Views::default();
    let rows = sqlx::query(
        "SELECT document FROM campaign WHERE id IN (SELECT value FROM json_each(?1)) ORDER BY id",
    )
    .bind(json(&touched.campaigns)?)
    .fetch_all(&mut *connection)
    .await
    .map_err(|error| failed(&error))?;
    for row in rows {
        let view = queries::campaign(&row)?;
        views.campaigns.insert(view.id.clone(), view);
    }
    if touched.buckets.is_empty() {
        return Ok(views);
    }
    let rows = sqlx::query(
        "SELECT at, issued, redeemed, restored, revoked, expired, bucket.sequence, bucket.campaign
         FROM json_each(?1) AS wanted
         JOIN bucket ON bucket.campaign = wanted.value ->> 0 AND bucket.at = wanted.value ->> 1",
    )
    .bind(json(&touched.buckets)?)
    .fetch_all(connection)
    .await
    .map_err(|error| failed(&error))?;
    views.buckets = rows.iter().map(bucket).collect::<Result<BTreeMap<_, _>, ApplyError>>()?;
    Ok(views)
}

fn bucket(row: &SqliteRow) -> Result<((CampaignId, Millis), Bucket), ApplyError> {
    let counts = queries::timeline_bucket(row);
    let name: &str = row.try_get(7).map_err(|error| failed(&error))?;
    let campaign = CampaignId::parse(name).map_err(|error| away(&error))?;
    Ok(((campaign, counts.at.0), Bucket { counts, sequence: unsigned(row.get(6)) }))
}

/// Writes folded views back.
pub(super) async fn write(connection: &mut SqliteConnection, views: &Views) -> Result<(), ApplyError> {
    #[derive(Serialize)]
    struct CouponRow<'a>(&'a str, u64, &'a str, &'a str, u32, u32, Millis, Option<Millis>, &'a str, u64, u64);

    let coupons: Vec<CouponRow<'_>> = views
        .coupons
        .iter()
        .map(|coupon| {
            CouponRow(
                coupon.campaign.as_str(),
                coupon.seq,
                coupon.user_id.as_str(),
                &coupon.code,
                coupon.window,
                coupon.n,
                coupon.issued_at,
                coupon.expires_at,
                coupon.status_name(),
                coupon.version,
                coupon.position.sequence,
            )
        })
        .collect();
    let campaigns: Vec<_> = views
        .campaigns
        .values()
        .map(|view| (&view.id, view.position.partition, view.position.sequence, view))
        .collect();
    let buckets: Vec<_> = views
        .buckets
        .iter()
        .map(|((campaign, at), Bucket { counts, sequence })| {
            let &TimelineBucket { issued, redeemed, restored, revoked, expired, .. } = counts;
            (campaign, at, sequence, issued, redeemed, restored, revoked, expired)
        })
        .collect();
    // `WHERE TRUE` tells the parser that ON CONFLICT does not belong to the FROM.
    statement(
        connection,
        "INSERT INTO coupon (campaign, seq, user_id, code, window_id, n, issued_at, expires_at, status, version, sequence)
         SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4, value ->> 5,
                value ->> 6, value ->> 7, value ->> 8, value ->> 9, value ->> 10
         FROM json_each(?1) WHERE TRUE
         ON CONFLICT (campaign, seq) DO UPDATE SET status = excluded.status, version = excluded.version
         WHERE excluded.version > coupon.version",
        &coupons,
    )
    .await?;
    statement(
        connection,
        "INSERT INTO campaign (id, partition, sequence, document)
         SELECT value ->> 0, value ->> 1, value ->> 2, value -> 3 FROM json_each(?1) WHERE TRUE
         ON CONFLICT (id) DO UPDATE SET sequence = excluded.sequence, document = excluded.document",
        &campaigns,
    )
    .await?;
    statement(
        connection,
        "INSERT INTO bucket (campaign, at, sequence, issued, redeemed, restored, revoked, expired)
         SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4, value ->> 5, value ->> 6, value ->> 7
         FROM json_each(?1) WHERE TRUE
         ON CONFLICT (campaign, at) DO UPDATE SET
             sequence = excluded.sequence, issued = excluded.issued, redeemed = excluded.redeemed,
             restored = excluded.restored, revoked = excluded.revoked, expired = excluded.expired",
        &buckets,
    )
    .await
}

async fn statement<T: Serialize>(
    connection: &mut SqliteConnection,
    sql: &'static str,
    rows: &[T],
) -> Result<(), ApplyError> {
    if rows.is_empty() {
        return Ok(());
    }
    sqlx::query(sql).bind(json(&rows)?).execute(connection).await.map_err(|error| failed(&error))?;
    Ok(())
}

fn json(value: &impl Serialize) -> Result<String, ApplyError> {
    serde_json::to_string(value).map_err(|error| ApplyError::Refused(error.to_string()))
}
