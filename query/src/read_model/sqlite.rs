//! The read model as one SQLite file, for the single process. One transaction a batch, with one statement a kind of
//! document, and the checkpoint in it (ARCHITECTURE J1).
//!
//! One process owns the file, so the lease needs no time: whoever claims gets a newer token, and the one before is
//! refused from then on.

mod parked;
mod queries;
mod write;

use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use async_trait::async_trait;
use firstcome_shared::clock::Millis;
use firstcome_shared::migrations::migrator;
use firstcome_shared::position::Position;
use firstcome_shared::projection::{
    ApplyError, Checkpoint, Claim, Delivery, Parked, Projection, Remedy, Replayed, StoreUnavailable,
};
use firstcome_shared::sqlite;
use sqlx::Row;
use sqlx::migrate::Migrator;
use sqlx::sqlite::SqlitePool;

static MIGRATIONS: LazyLock<Migrator> =
    LazyLock::new(|| migrator(&[include_str!("../../../migrations/sqlite/read_model/0001_read_model.sql")]));

/// The read model in a file.
#[derive(Debug)]
pub struct SqliteReadModel {
    writer: SqlitePool,
    /// For claims, checkpoints and dead letters: the projection must not wait for those who read a million rows.
    small: SqlitePool,
    readers: SqlitePool,
}

/// A read model of which only the writing half is open.
#[derive(Debug)]
pub struct ReadModelWriter {
    path: PathBuf,
    writer: SqlitePool,
}

impl SqliteReadModel {
    /// Opens the writing half of the read model at `path`; makes and migrates the file when it needs to be.
    ///
    /// The thread that writes inherits the scheduling priority of the caller's: issuing goes first, so call this on
    /// the runtime of the projections, and [`ReadModelWriter::with_readers`] on that of the HTTP API.
    pub async fn open_writer(path: &Path) -> Result<ReadModelWriter, StoreUnavailable> {
        let writer = sqlite::writer(path, &MIGRATIONS).await.map_err(|error| away(&error))?;
        Ok(ReadModelWriter { path: path.to_owned(), writer })
    }
}

impl ReadModelWriter {
    /// Opens so many connections that only read, whose threads inherit the caller's priority.
    pub async fn with_readers(self, connections: u32) -> Result<SqliteReadModel, StoreUnavailable> {
        let readers = sqlite::readers(&self.path, connections).await.map_err(|error| away(&error))?;
        let small = sqlite::readers(&self.path, 1).await.map_err(|error| away(&error))?;
        Ok(SqliteReadModel { writer: self.writer, small, readers })
    }
}

impl SqliteReadModel {
    /// Closes the file, when nobody uses it any more.
    pub async fn close(&self) {
        self.small.close().await;
        sqlite::close(&self.readers, &self.writer).await;
    }
}

#[async_trait]
impl Projection for SqliteReadModel {
    fn name(&self) -> &'static str {
        "read_model"
    }

    async fn claim(
        &self,
        partition: u32,
        holder: &str,
        _: Millis,
        _: i64,
    ) -> Result<Option<u64>, StoreUnavailable> {
        // Renewing costs a look, not a write that is flushed.
        let held: Option<i64> =
            sqlx::query_scalar("SELECT token FROM checkpoint WHERE partition = ?1 AND holder = ?2")
                .bind(partition)
                .bind(holder)
                .fetch_optional(&self.small)
                .await
                .map_err(|error| away(&error))?;
        if let Some(token) = held {
            return Ok(Some(unsigned(token)));
        }
        let token: i64 = sqlx::query_scalar(
            "INSERT INTO checkpoint (partition, log, sequence, holder, token) VALUES (?1, NULL, 0, ?2, 1)
             ON CONFLICT (partition) DO UPDATE SET
                 token = checkpoint.token + (checkpoint.holder <> excluded.holder), holder = excluded.holder
             RETURNING token",
        )
        .bind(partition)
        .bind(holder)
        .fetch_one(&self.writer)
        .await
        .map_err(|error| away(&error))?;
        Ok(Some(unsigned(token)))
    }

    async fn checkpoint(&self, partition: u32) -> Result<Option<Checkpoint>, StoreUnavailable> {
        let row =
            sqlx::query("SELECT log, sequence FROM checkpoint WHERE partition = ?1 AND log IS NOT NULL")
                .bind(partition)
                .fetch_optional(&self.small)
                .await
                .map_err(|error| away(&error))?;
        Ok(row.map(|row| Checkpoint { log: row.get(0), sequence: unsigned(row.get(1)) }))
    }

    async fn apply(
        &self,
        claim: &Claim,
        from: u64,
        deliveries: &[Delivery],
        to: u64,
    ) -> Result<(), ApplyError> {
        write::apply(&self.writer, claim, from, deliveries, to).await
    }

    async fn park(&self, claim: &Claim, from: u64, parked: &Parked, to: u64) -> Result<(), ApplyError> {
        parked::park(&self.writer, claim, from, parked, to).await
    }

    async fn parked(&self, partition: u32) -> Result<Vec<Parked>, StoreUnavailable> {
        parked::all(&self.small, partition).await
    }

    async fn request(&self, position: Position, remedy: Remedy) -> Result<bool, StoreUnavailable> {
        parked::request(&self.writer, position, remedy).await
    }

    async fn replayed(&self, claim: &Claim, step: &Replayed<'_>) -> Result<(), ApplyError> {
        parked::replayed(&self.writer, claim, step).await
    }

    async fn repark(&self, claim: &Claim, parked: &Parked) -> Result<(), ApplyError> {
        parked::repark(&self.writer, claim, parked).await
    }
}

fn away(problem: &dyn std::fmt::Display) -> StoreUnavailable {
    StoreUnavailable { store: "read_model", problem: problem.to_string() }
}

fn failed(error: &sqlx::Error) -> ApplyError {
    if sqlite::is_refusal(error) { ApplyError::Refused(error.to_string()) } else { away(error).into() }
}

fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

fn unsigned(number: i64) -> u64 {
    u64::try_from(number).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::read_model::ReadModel;
    use crate::read_model::contract::{Place, read_model_contract};

    struct Folder(tempfile::TempDir);

    #[async_trait]
    impl Place for Folder {
        async fn open(&self) -> Arc<dyn ReadModel> {
            let path = self.0.path().join("read.db");
            let writer = SqliteReadModel::open_writer(&path).await.unwrap();
            Arc::new(writer.with_readers(2).await.unwrap())
        }
    }

    async fn place() -> Folder {
        Folder(tempfile::tempdir().unwrap())
    }

    read_model_contract!(place);
}
