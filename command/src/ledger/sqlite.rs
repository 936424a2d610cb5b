//! The ledger as one SQLite file, for the single process, which owns the file: so nobody else can hold the lease on
//! it, and whoever claims it gets it at once, also right after a crash. One partition, as the SQLite log has.

mod read;
mod write;

use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use async_trait::async_trait;
use firstcome_shared::clock::Millis;
use firstcome_shared::domain::CampaignId;
use firstcome_shared::event_log::{Budget, Subject};
use firstcome_shared::fingerprint::Range;
use firstcome_shared::migrations::migrator;
use firstcome_shared::position::Position;
use firstcome_shared::projection::{
    Allowance, ApplyError, Checkpoint, Claim, Delivery, Parked, Projection, Remedy, Replayed,
    StoreUnavailable,
};
use firstcome_shared::sqlite;
use firstcome_shared::wire::{AuditEntry, Fingerprint, Page};
use sqlx::migrate::Migrator;
use sqlx::sqlite::SqlitePool;
use sqlx::{Sqlite, Transaction};
use tokio::time::Instant;

use super::batch::{self, Batch};
use super::pace::Pace;
use super::{AuditCursor, Ledger, sql};

static MIGRATIONS: LazyLock<Migrator> =
    LazyLock::new(|| migrator(&[include_str!("../../../migrations/sqlite/ledger/0001_ledger.sql")]));

const PARTITIONS: u32 = 1;

/// A ledger in a file.
#[derive(Debug)]
pub struct SqliteLedger {
    writer: SqlitePool,
    /// For claims, checkpoints and dead letters: the projection must not wait for those who read a million rows.
    small: SqlitePool,
    readers: SqlitePool,
    pace: Pace,
}

/// A ledger of which only the writing half is open.
#[derive(Debug)]
pub struct LedgerWriter {
    path: PathBuf,
    writer: SqlitePool,
}

impl SqliteLedger {
    /// Opens the writing half of the ledger at `path`; makes and migrates the file when it needs to be.
    ///
    /// The thread that writes inherits the scheduling priority of the caller's: issuing goes first, so call this on
    /// the runtime of the projections, and [`LedgerWriter::with_readers`] on that of the HTTP API.
    pub async fn open_writer(path: &Path) -> Result<LedgerWriter, StoreUnavailable> {
        let writer = sqlite::writer(path, &MIGRATIONS).await.map_err(|error| away(&error))?;
        Ok(LedgerWriter { path: path.to_owned(), writer })
    }
}

impl LedgerWriter {
    /// Opens so many connections that only read, whose threads inherit the caller's priority.
    pub async fn with_readers(self, connections: u32) -> Result<SqliteLedger, StoreUnavailable> {
        let readers = sqlite::readers(&self.path, connections).await.map_err(|error| away(&error))?;
        let small = sqlite::readers(&self.path, 1).await.map_err(|error| away(&error))?;
        Ok(SqliteLedger { writer: self.writer, small, readers, pace: Pace::default() })
    }
}

impl SqliteLedger {
    /// Closes the file, when nobody uses it any more.
    pub async fn close(&self) {
        self.small.close().await;
        sqlite::close(&self.readers, &self.writer).await;
    }

    /// A transaction that nothing can come between.
    async fn begin(&self) -> Result<Transaction<'static, Sqlite>, ApplyError> {
        self.writer.begin_with("BEGIN IMMEDIATE").await.map_err(failed)
    }
}

/// Writes what `deliveries` say, if each continues its campaign.
async fn write(tx: &mut Transaction<'_, Sqlite>, deliveries: &[Delivery]) -> Result<(), ApplyError> {
    if deliveries.is_empty() {
        return Ok(());
    }
    let chains = read::chains(tx, &batch::named(deliveries)).await.map_err(failed)?;
    let changed = batch::changed(deliveries);
    let campaigns = if changed.is_empty() {
        batch::Campaigns::new()
    } else {
        read::campaigns(tx, &changed).await.map_err(failed)?
    };
    let batch = Batch::fold(deliveries, chains, campaigns)?;
    write::coupons(tx, deliveries).await.map_err(failed)?;
    write::batch(tx, &batch).await.map_err(failed)
}

/// Stale unless the statement changed the one row that it was meant for.
fn one(changed: u64) -> Result<(), ApplyError> {
    if changed == 1 { Ok(()) } else { Err(ApplyError::Stale) }
}

#[async_trait]
impl Projection for SqliteLedger {
    fn name(&self) -> &'static str {
        "ledger"
    }

    async fn claim(
        &self,
        partition: u32,
        holder: &str,
        _now: Millis,
        _ttl_ms: i64,
    ) -> Result<Option<u64>, StoreUnavailable> {
        let token = match read::token(&self.small, partition, holder).await {
            // A renewal writes nothing, so that an idle process leaves the disk alone.
            Ok(Some(token)) => Ok(token),
            Ok(None) => write::claim(&self.writer, partition, holder).await,
            Err(error) => Err(error),
        };
        token.map(Some).map_err(|error| away(&error))
    }

    fn allowance(&self, most: Budget) -> Allowance {
        self.pace.allowance(most)
    }

    async fn checkpoint(&self, partition: u32) -> Result<Option<Checkpoint>, StoreUnavailable> {
        read::checkpoint(&self.small, partition).await.map_err(|error| away(&error))
    }

    async fn apply(
        &self,
        claim: &Claim,
        from: u64,
        deliveries: &[Delivery],
        to: u64,
    ) -> Result<(), ApplyError> {
        let began = Instant::now();
        let mut tx = self.begin().await?;
        one(write::advance(&mut tx, claim, from, to).await.map_err(failed)?)?;
        if read::any_parked(&mut tx, &batch::named(deliveries)).await.map_err(failed)? {
            return Err(ApplyError::Stale);
        }
        write(&mut tx, deliveries).await?;
        tx.commit().await.map_err(failed)?;
        self.pace.wrote(sql::coupons(deliveries), began);
        Ok(())
    }

    async fn park(&self, claim: &Claim, from: u64, parked: &Parked, to: u64) -> Result<(), ApplyError> {
        let mut tx = self.begin().await?;
        one(write::advance(&mut tx, claim, from, to).await.map_err(failed)?)?;
        one(write::park(&mut tx, parked).await.map_err(failed)?)?;
        tx.commit().await.map_err(failed)
    }

    async fn parked(&self, partition: u32) -> Result<Vec<Parked>, StoreUnavailable> {
        read::parked(&self.small, partition).await.map_err(|error| away(&error))
    }

    async fn request(&self, position: Position, remedy: Remedy) -> Result<bool, StoreUnavailable> {
        let changed = write::request(&self.writer, position, remedy).await;
        changed.map(|changed| changed > 0).map_err(|error| away(&error))
    }

    async fn replayed(&self, claim: &Claim, step: &Replayed<'_>) -> Result<(), ApplyError> {
        let began = Instant::now();
        let mut tx = self.begin().await?;
        one(write::hold(&mut tx, claim, Some(step.at)).await.map_err(failed)?)?;
        // What stands before the parked message is applied already: a step from there is somebody's old picture.
        let first = step.deliveries.first().map(|delivery| delivery.position.sequence);
        let from = step.skipped.map(|(_, chain)| chain.sequence).or(first);
        one(write::unpark(&mut tx, step, from).await.map_err(failed)?)?;
        if let Some((lane, chain)) = step.skipped {
            write::chains(&mut tx, [(step.campaign, lane, chain)].into_iter()).await.map_err(failed)?;
        }
        write(&mut tx, step.deliveries).await?;
        tx.commit().await.map_err(failed)?;
        self.pace.wrote(sql::coupons(step.deliveries), began);
        Ok(())
    }

    async fn repark(&self, claim: &Claim, parked: &Parked) -> Result<(), ApplyError> {
        let mut tx = self.begin().await?;
        one(write::hold(&mut tx, claim, None).await.map_err(failed)?)?;
        one(write::repark(&mut tx, parked).await.map_err(failed)?)?;
        tx.commit().await.map_err(failed)
    }
}

#[async_trait]
impl Ledger for SqliteLedger {
    fn kind(&self) -> &'static str {
        "sqlite"
    }

    fn set_rate(&self, coupons_per_second: u64) {
        self.pace.set_rate(coupons_per_second);
    }

    fn rate(&self) -> u64 {
        self.pace.rate()
    }

    async fn audit(
        &self,
        campaign: Option<&CampaignId>,
        after: Option<AuditCursor>,
        limit: u32,
    ) -> Result<Page<AuditEntry>, StoreUnavailable> {
        read::audit(&self.readers, campaign, after, limit).await.map_err(|error| away(&error))
    }

    async fn fingerprint(
        &self,
        campaign: &CampaignId,
        range: &Range,
    ) -> Result<Fingerprint, StoreUnavailable> {
        let partition = Subject::decisions(campaign).partition(PARTITIONS);
        read::fingerprint(&self.readers, partition, campaign, range).await.map_err(|error| away(&error))
    }
}

#[expect(clippy::needless_pass_by_value, reason = "`map_err` hands it over")]
fn failed(error: sqlx::Error) -> ApplyError {
    if sqlite::is_refusal(&error) {
        return ApplyError::Refused(error.to_string());
    }
    away(&error).into()
}

fn away(error: &sqlx::Error) -> StoreUnavailable {
    StoreUnavailable { store: "ledger", problem: error.to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::contract::{Harness, ledger_contract};

    struct File {
        ledger: SqliteLedger,
        folder: tempfile::TempDir,
    }

    async fn ledger(folder: &Path) -> SqliteLedger {
        let writer = SqliteLedger::open_writer(&folder.join("ledger.db")).await.unwrap();
        writer.with_readers(2).await.unwrap()
    }

    async fn open() -> Box<dyn Harness> {
        let folder = tempfile::tempdir().unwrap();
        Box::new(File { ledger: ledger(folder.path()).await, folder })
    }

    #[async_trait]
    impl Harness for File {
        fn ledger(&self) -> &dyn Ledger {
            &self.ledger
        }

        async fn reopen(&mut self) {
            self.ledger.writer.close().await;
            self.ledger.readers.close().await;
            self.ledger = ledger(self.folder.path()).await;
        }

        async fn by_hand(&self, sql: &'static str) -> u64 {
            sqlx::query(sql).execute(&self.ledger.writer).await.unwrap().rows_affected()
        }

        async fn number(&self, sql: &'static str) -> i64 {
            sqlx::query_scalar(sql).fetch_one(&self.ledger.readers).await.unwrap()
        }
    }

    ledger_contract!(open);
}
