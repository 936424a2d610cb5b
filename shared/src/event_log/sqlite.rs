//! The event log as one SQLite file, for the single process. WAL with `synchronous=FULL`: an append is flushed to
//! disk before it is acknowledged. One partition.

use std::path::Path;
use std::sync::{Arc, LazyLock};

use async_trait::async_trait;
use bytes::Bytes;
use futures::TryStreamExt;
use sqlx::migrate::Migrator;
use sqlx::sqlite::{SqlitePool, SqliteRow};
use sqlx::{AssertSqlSafe, Row};
use tokio::sync::watch;

use super::{AppendError, Backlog, Budget, EventLog, Lane, LogUnavailable, Stored, Subject};
use crate::clock::{Clock, Millis, random_hex};
use crate::domain::CampaignId;
use crate::migrations::migrator;
use crate::position::Position;
use crate::sqlite;

static MIGRATIONS: LazyLock<Migrator> =
    LazyLock::new(|| migrator(&[include_str!("../../../migrations/sqlite/log/0001_log.sql")]));

/// A log in a file. A dropped append may still be stored (ARCHITECTURE G9).
#[derive(Debug)]
pub struct SqliteLog {
    identity: String,
    clock: Arc<dyn Clock>,
    writer: SqlitePool,
    readers: SqlitePool,
    end: watch::Sender<u64>,
}

impl SqliteLog {
    /// Opens the log at `path`; makes a new one when there is no file.
    pub async fn open(path: &Path, clock: Arc<dyn Clock>) -> Result<Self, LogUnavailable> {
        let writer = sqlite::writer(path, &MIGRATIONS).await.map_err(|error| away(&error))?;
        let readers = sqlite::readers(path, 2).await.map_err(|error| away(&error))?;
        sqlx::query("INSERT INTO identity (id) SELECT ?1 WHERE NOT EXISTS (SELECT 1 FROM identity)")
            .bind(random_hex::<8>())
            .execute(&writer)
            .await
            .map_err(|error| away(&error))?;
        let identity = sqlx::query_scalar("SELECT id FROM identity")
            .fetch_one(&writer)
            .await
            .map_err(|error| away(&error))?;
        let last: i64 = sqlx::query_scalar("SELECT coalesce(max(sequence), 0) FROM message")
            .fetch_one(&writer)
            .await
            .map_err(|error| away(&error))?;
        Ok(Self { identity, clock, writer, readers, end: watch::Sender::new(unsigned(last)) })
    }

    /// Closes the file, when nothing is appended or read any more.
    pub async fn close(&self) {
        sqlite::close(&self.readers, &self.writer).await;
    }

    async fn one(&self, subject: &Subject, order: &str) -> Result<Option<Stored>, LogUnavailable> {
        // The writer's own connection: what was acknowledged is seen, whatever a reader's snapshot holds.
        sqlx::query(AssertSqlSafe(format!(
            "SELECT sequence, campaign, lane, stored_at, payload FROM message
             WHERE campaign = ?1 AND lane = ?2 ORDER BY sequence {order} LIMIT 1"
        )))
        .bind(subject.campaign.as_str())
        .bind(number(subject.lane))
        .fetch_optional(&self.writer)
        .await
        .map_err(|error| away(&error))?
        .map(|row| stored(&row))
        .transpose()
    }

    async fn many(
        &self,
        which: Which<'_>,
        after: u64,
        budget: Budget,
    ) -> Result<Vec<Stored>, LogUnavailable> {
        let (filter, campaign, lane) = match which {
            Which::All => ("TRUE", "", 0),
            Which::Campaign(campaign) => ("campaign = ?3", campaign.as_str(), 0),
            Which::Subject(subject) => {
                ("campaign = ?3 AND lane = ?4", subject.campaign.as_str(), number(subject.lane))
            }
        };
        let sql = format!(
            "SELECT sequence, campaign, lane, stored_at, payload FROM message
             WHERE sequence > ?1 AND {filter} ORDER BY sequence LIMIT ?2"
        );
        let mut rows = sqlx::query(AssertSqlSafe(sql))
            .bind(signed(after))
            .bind(budget.messages)
            .bind(campaign)
            .bind(lane)
            .fetch(&self.readers);
        let (mut messages, mut bytes) = (Vec::new(), 0);
        while let Some(row) = rows.try_next().await.map_err(|error| away(&error))? {
            let message = stored(&row)?;
            bytes += message.payload.len();
            messages.push(message);
            if bytes >= budget.bytes {
                break;
            }
        }
        Ok(messages)
    }
}

enum Which<'a> {
    All,
    Campaign(&'a CampaignId),
    Subject(&'a Subject),
}

#[async_trait]
impl EventLog for SqliteLog {
    fn kind(&self) -> &'static str {
        "sqlite"
    }

    fn identity(&self) -> &str {
        &self.identity
    }

    fn partitions(&self) -> u32 {
        1
    }

    async fn append(&self, subject: &Subject, expected: u64, payload: Bytes) -> Result<u64, AppendError> {
        // One statement is one transaction: the comparison and the insert cannot be parted.
        // No RETURNING: a statement commits when it ends, and only one that is run to its end reports that it could not.
        let inserted = sqlx::query(
            "INSERT INTO message (campaign, lane, stored_at, payload)
             SELECT ?1, ?2, ?3, ?4
             WHERE (SELECT coalesce(max(sequence), 0) FROM message WHERE campaign = ?1 AND lane = ?2) = ?5",
        )
        .bind(subject.campaign.as_str())
        .bind(number(subject.lane))
        .bind(self.clock.now().0)
        .bind(payload.as_ref())
        .bind(signed(expected))
        .execute(&self.writer)
        .await
        .map_err(|error| away(&error))?;
        if inserted.rows_affected() == 1 {
            let sequence = unsigned(inserted.last_insert_rowid());
            self.end.send_if_modified(|end| std::mem::replace(end, sequence.max(*end)) < sequence);
            return Ok(sequence);
        }
        let end = self.end(subject).await?.map_or(0, |stored| stored.position.sequence);
        Err(AppendError::Refused { end })
    }

    async fn end(&self, subject: &Subject) -> Result<Option<Stored>, LogUnavailable> {
        self.one(subject, "DESC").await
    }

    async fn first(&self, subject: &Subject) -> Result<Option<Stored>, LogUnavailable> {
        self.one(subject, "ASC").await
    }

    async fn read(
        &self,
        subject: &Subject,
        after: u64,
        budget: Budget,
    ) -> Result<Vec<Stored>, LogUnavailable> {
        self.many(Which::Subject(subject), after, budget).await
    }

    async fn read_campaign(
        &self,
        campaign: &CampaignId,
        after: u64,
        budget: Budget,
    ) -> Result<Vec<Stored>, LogUnavailable> {
        self.many(Which::Campaign(campaign), after, budget).await
    }

    async fn read_partition(
        &self,
        _: u32,
        after: u64,
        budget: Budget,
    ) -> Result<Vec<Stored>, LogUnavailable> {
        self.many(Which::All, after, budget).await
    }

    async fn backlog(&self, _: u32, after: u64) -> Result<Backlog, LogUnavailable> {
        let row = sqlx::query(
            "SELECT (SELECT coalesce(max(sequence), 0) FROM message),
                    (SELECT count(*) FROM message WHERE sequence > ?1),
                    (SELECT stored_at FROM message WHERE sequence > ?1 ORDER BY sequence LIMIT 1)",
        )
        .bind(signed(after))
        .fetch_one(&self.readers)
        .await
        .map_err(|error| away(&error))?;
        Ok(Backlog {
            end: unsigned(row.get(0)),
            messages: unsigned(row.get(1)),
            oldest: row.get::<Option<i64>, _>(2).map(Millis),
        })
    }

    async fn campaigns(&self, after: Option<&str>, limit: u32) -> Result<Vec<CampaignId>, LogUnavailable> {
        // A loose index scan: one seek a campaign, however many messages it has.
        let names: Vec<String> = sqlx::query_scalar(
            "WITH RECURSIVE name (id) AS (
                 SELECT min(campaign) FROM message WHERE campaign > ?1
                 UNION ALL
                 SELECT (SELECT min(campaign) FROM message WHERE campaign > name.id) FROM name WHERE id IS NOT NULL
             ) SELECT id FROM name WHERE id IS NOT NULL LIMIT ?2",
        )
        .bind(after.unwrap_or_default())
        .bind(limit)
        .fetch_all(&self.readers)
        .await
        .map_err(|error| away(&error))?;
        names
            .iter()
            .map(|name| {
                CampaignId::parse(name)
                    .map_err(|_| LogUnavailable::new(format!("bad campaign name {name:?}")))
            })
            .collect()
    }

    async fn changed(&self, _: u32, after: u64) {
        let mut end = self.end.subscribe();
        // The sender lives as long as `self`, so waiting cannot fail.
        let _ = end.wait_for(|end| *end > after).await;
    }
}

fn stored(row: &SqliteRow) -> Result<Stored, LogUnavailable> {
    let campaign: &str = row.try_get(1).map_err(|error| away(&error))?;
    let campaign = CampaignId::parse(campaign)
        .map_err(|_| LogUnavailable::new(format!("bad campaign name {campaign:?}")))?;
    let lane = if row.get::<i64, _>(2) == number(Lane::Decisions) { Lane::Decisions } else { Lane::Uses };
    Ok(Stored {
        subject: Subject { campaign, lane },
        position: Position::new(0, unsigned(row.get(0))),
        stored_at: Millis(row.get(3)),
        payload: Bytes::from(row.get::<Vec<u8>, _>(4)),
    })
}

fn number(lane: Lane) -> i64 {
    match lane {
        Lane::Decisions => 0,
        Lane::Uses => 1,
    }
}

fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

fn unsigned(number: i64) -> u64 {
    u64::try_from(number).unwrap_or(0)
}

fn away(error: &sqlx::Error) -> LogUnavailable {
    LogUnavailable::new(error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::SystemClock;
    use crate::event_log::contract::event_log_contract;

    async fn open() -> (Arc<dyn EventLog>, tempfile::TempDir) {
        let folder = tempfile::tempdir().unwrap();
        let log = SqliteLog::open(&folder.path().join("log.db"), Arc::new(SystemClock)).await.unwrap();
        (Arc::new(log), folder)
    }

    event_log_contract!(open);

    #[tokio::test]
    async fn keeps_identity_and_messages_over_a_restart() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log.db");
        let subject = Subject::decisions(&CampaignId::parse("summer").unwrap());
        let before = SqliteLog::open(&path, Arc::new(SystemClock)).await.unwrap();
        let sequence = before.append(&subject, 0, Bytes::from_static(b"kept")).await.unwrap();
        let identity = before.identity().to_owned();
        drop(before);
        let after = SqliteLog::open(&path, Arc::new(SystemClock)).await.unwrap();
        assert_eq!(after.identity(), identity);
        assert_eq!(after.end(&subject).await.unwrap().unwrap().position.sequence, sequence);
        assert!(after.append(&subject, sequence, Bytes::new()).await.unwrap() > sequence);
    }

    /// Locked, the file takes the appends of no campaign: that is the log's fault, not one subject's.
    #[tokio::test]
    async fn a_file_that_another_process_locks_is_away() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log.db");
        let log = SqliteLog::open(&path, Arc::new(SystemClock)).await.unwrap();
        let other = SqliteLog::open(&path, Arc::new(SystemClock)).await.unwrap();
        let subject = Subject::decisions(&CampaignId::parse("summer").unwrap());
        let lock = other.writer.begin_with("BEGIN IMMEDIATE").await.unwrap();
        let refused = log.append(&subject, 0, Bytes::from_static(b"late")).await.unwrap_err();
        assert!(matches!(refused, AppendError::Unavailable(_)), "{refused:?}");
        lock.rollback().await.unwrap();
        log.append(&subject, 0, Bytes::from_static(b"late")).await.unwrap();
    }
}
