//! Asking the file. Every query rides on an index, and lists are cut by key, never by offset.

use async_trait::async_trait;
use firstcome_shared::clock::Millis;
use firstcome_shared::domain::{CampaignId, UserId};
use firstcome_shared::fingerprint::{Range, Row as Summed, Sum};
use firstcome_shared::position::Position;
use firstcome_shared::projection::StoreUnavailable;
use firstcome_shared::wire::{CouponStatus, Fingerprint, Store, Time, TimelineBucket};
use futures::TryStreamExt;
use sqlx::sqlite::{SqlitePool, SqliteRow};
use sqlx::{AssertSqlSafe, Row};

use super::{SqliteReadModel, away, signed, unsigned};
use crate::projection::{CampaignView, CouponView};
use crate::read_model::{Order, ReadModel, Span};

/// Columns of a coupon, as [`coupon`] reads them; the partition stands with the campaign.
const COUPON: &str =
    "SELECT coupon.campaign, seq, user_id, code, window_id, n, issued_at, expires_at, status,
    version, coupon.sequence, campaign.partition FROM coupon JOIN campaign ON campaign.id = coupon.campaign";

#[async_trait]
impl ReadModel for SqliteReadModel {
    fn kind(&self) -> &'static str {
        "sqlite"
    }

    async fn campaign(&self, id: &CampaignId) -> Result<Option<CampaignView>, StoreUnavailable> {
        let row = sqlx::query("SELECT document FROM campaign WHERE id = ?1")
            .bind(id.as_str())
            .fetch_optional(&self.readers)
            .await
            .map_err(|error| away(&error))?;
        row.as_ref().map(campaign).transpose()
    }

    async fn campaigns(
        &self,
        after: Option<&str>,
        limit: u32,
    ) -> Result<Vec<CampaignView>, StoreUnavailable> {
        let rows = sqlx::query("SELECT document FROM campaign WHERE id > ?1 ORDER BY id LIMIT ?2")
            .bind(after.unwrap_or_default())
            .bind(limit)
            .fetch_all(&self.readers)
            .await
            .map_err(|error| away(&error))?;
        rows.iter().map(campaign).collect()
    }

    async fn moved(
        &self,
        partition: u32,
        after: u64,
        limit: u32,
    ) -> Result<Vec<(CampaignId, u64)>, StoreUnavailable> {
        let rows = sqlx::query(
            "SELECT id, sequence FROM campaign WHERE partition = ?1 AND sequence > ?2 ORDER BY sequence LIMIT ?3",
        )
        .bind(partition)
        .bind(signed(after))
        .bind(limit)
        .fetch_all(&self.readers)
        .await
        .map_err(|error| away(&error))?;
        let moved = |row: &SqliteRow| {
            let id = CampaignId::parse(row.get(0)).map_err(|error| away(&error))?;
            Ok((id, unsigned(row.get(1))))
        };
        rows.iter().map(moved).collect()
    }

    async fn timeline(
        &self,
        campaign: &CampaignId,
        span: Span,
    ) -> Result<Vec<TimelineBucket>, StoreUnavailable> {
        let rows = sqlx::query(
            "SELECT at - at % ?4, sum(issued), sum(redeemed), sum(restored), sum(revoked), sum(expired) FROM bucket
             WHERE campaign = ?1 AND at >= ?2 AND at < ?3 GROUP BY 1 ORDER BY 1 LIMIT ?5",
        )
        .bind(campaign.as_str())
        .bind(span.from.0)
        .bind(span.to.0)
        .bind(span.step.max(1))
        .bind(span.limit)
        .fetch_all(&self.readers)
        .await
        .map_err(|error| away(&error))?;
        Ok(rows.iter().map(timeline_bucket).collect())
    }

    async fn coupons(
        &self,
        campaign: &CampaignId,
        order: Order,
        after: Option<u64>,
        limit: u32,
    ) -> Result<Vec<CouponView>, StoreUnavailable> {
        let (beyond, after, direction) = match order {
            Order::Ascending => (">", after.map_or(-1, signed), "ASC"),
            Order::Descending => ("<", after.map_or(i64::MAX, signed), "DESC"),
        };
        let sql = format!(
            "{COUPON} WHERE coupon.campaign = ?1 AND seq {beyond} ?2 ORDER BY seq {direction} LIMIT ?3"
        );
        let rows = sqlx::query(AssertSqlSafe(sql))
            .bind(campaign.as_str())
            .bind(after)
            .bind(limit)
            .fetch_all(&self.readers)
            .await
            .map_err(|error| away(&error))?;
        rows.iter().map(coupon).collect()
    }

    async fn coupons_of(
        &self,
        user: &UserId,
        after: Option<(&CampaignId, u64)>,
        limit: u32,
    ) -> Result<Vec<CouponView>, StoreUnavailable> {
        let sql = format!(
            "{COUPON} WHERE user_id = ?1 AND (coupon.campaign, seq) > (?2, ?3) ORDER BY coupon.campaign, seq LIMIT ?4"
        );
        let rows = sqlx::query(AssertSqlSafe(sql))
            .bind(user.as_str())
            .bind(after.map_or("", |(campaign, _)| campaign.as_str()))
            .bind(after.map_or(0, |(_, seq)| signed(seq)))
            .bind(limit)
            .fetch_all(&self.readers)
            .await
            .map_err(|error| away(&error))?;
        rows.iter().map(coupon).collect()
    }

    async fn coupon(&self, code: &str) -> Result<Option<CouponView>, StoreUnavailable> {
        let row = sqlx::query(AssertSqlSafe(format!("{COUPON} WHERE code = ?1")))
            .bind(code)
            .fetch_optional(&self.readers)
            .await
            .map_err(|error| away(&error))?;
        row.as_ref().map(coupon).transpose()
    }

    async fn fingerprint(
        &self,
        campaign: &CampaignId,
        range: &Range,
    ) -> Result<Option<Fingerprint>, StoreUnavailable> {
        fingerprint(&self.readers, campaign, range).await
    }
}

async fn fingerprint(
    readers: &SqlitePool,
    campaign: &CampaignId,
    range: &Range,
) -> Result<Option<Fingerprint>, StoreUnavailable> {
    // One transaction is one snapshot: the checkpoint is the very one that these rows have reached.
    let mut snapshot = readers.begin().await.map_err(|error| away(&error))?;
    let known = sqlx::query(
        "SELECT campaign.partition, checkpoint.sequence FROM campaign
         JOIN checkpoint ON checkpoint.partition = campaign.partition WHERE campaign.id = ?1",
    )
    .bind(campaign.as_str())
    .fetch_optional(&mut *snapshot)
    .await
    .map_err(|error| away(&error))?;
    let Some(known) = known else { return Ok(None) };
    let position = Position::new(known.get(0), unsigned(known.get(1)));
    let mut sum = Sum::default();
    let mut rows = sqlx::query(
        "SELECT seq, user_id, code, issued_at, expires_at, status FROM coupon
         WHERE campaign = ?1 AND seq BETWEEN ?2 AND ?3 AND sequence <= ?4",
    )
    .bind(campaign.as_str())
    .bind(signed(range.from))
    .bind(signed(range.to))
    .bind(range.upto.map_or(i64::MAX, |upto| signed(upto.sequence)))
    .fetch(&mut *snapshot);
    while let Some(row) = rows.try_next().await.map_err(|error| away(&error))? {
        let summed = Summed {
            seq: unsigned(row.get(0)),
            user_id: row.get(1),
            code: row.get(2),
            issued_at: Millis(row.get(3)),
            expires_at: row.get::<Option<i64>, _>(4).map(Millis),
            status: Some(status(row.get(5))?),
        };
        sum.add(range, summed);
    }
    Ok(Some(sum.fingerprint(Store::ReadModel, campaign.as_str(), position, range)))
}

/// The campaign whose document stands first in the row.
pub(super) fn campaign(row: &SqliteRow) -> Result<CampaignView, StoreUnavailable> {
    let document: &str = row.try_get(0).map_err(|error| away(&error))?;
    serde_json::from_str(document).map_err(|error| away(&format_args!("a campaign's document: {error}")))
}

/// The bucket whose time and counts stand first in the row.
pub(super) fn timeline_bucket(row: &SqliteRow) -> TimelineBucket {
    TimelineBucket {
        at: Time(Millis(row.get(0))),
        issued: unsigned(row.get(1)),
        redeemed: unsigned(row.get(2)),
        restored: unsigned(row.get(3)),
        revoked: unsigned(row.get(4)),
        expired: unsigned(row.get(5)),
    }
}

fn coupon(row: &SqliteRow) -> Result<CouponView, StoreUnavailable> {
    Ok(CouponView {
        campaign: CampaignId::parse(row.get(0)).map_err(|error| away(&error))?,
        seq: unsigned(row.get(1)),
        user_id: UserId::parse(row.get(2)).map_err(|error| away(&error))?,
        code: row.get(3),
        window: row.get(4),
        n: row.get(5),
        issued_at: Millis(row.get(6)),
        expires_at: row.get::<Option<i64>, _>(7).map(Millis),
        status: status(row.get(8))?,
        version: unsigned(row.get(9)),
        position: Position::new(row.get(11), unsigned(row.get(10))),
    })
}

fn status(text: &str) -> Result<CouponStatus, StoreUnavailable> {
    match text {
        "issued" => Ok(CouponStatus::Issued),
        "redeemed" => Ok(CouponStatus::Redeemed),
        "revoked" => Ok(CouponStatus::Revoked),
        "expired" => Ok(CouponStatus::Expired),
        other => Err(away(&format_args!("a coupon's status is {other:?}"))),
    }
}
