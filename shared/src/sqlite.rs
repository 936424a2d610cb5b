//! How every SQLite file of ours is opened: WAL, flushed on every commit, one writer.

use std::path::Path;
use std::time::Duration;

use sqlx::Connection as _;
use sqlx::migrate::Migrator;
use sqlx::sqlite::{
    SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous,
};

/// A pool of one connection that may write; the file is made and migrated when it needs to be.
///
/// Its connection works on a thread of its own, which inherits the scheduling priority of the caller's thread.
pub async fn writer(path: &Path, migrations: &Migrator) -> Result<SqlitePool, sqlx::Error> {
    let pool = pool(options(path).create_if_missing(true), 1).await?;
    migrations.run(&pool).await?;
    Ok(pool)
}

/// A pool of connections that only read.
pub async fn readers(path: &Path, connections: u32) -> Result<SqlitePool, sqlx::Error> {
    pool(options(path).read_only(true), connections).await
}

/// Closes a file that [`writer`] and [`readers`] have opened. The last connection moves the WAL into the file and
/// removes it: from then on a copy of the one file is a copy of everything.
pub async fn close(readers: &SqlitePool, writer: &SqlitePool) {
    readers.close().await;
    writer.close().await;
}

/// Whether the data was refused: a constraint (19), too big (18) or a mismatch (20). Trying again cannot help.
pub fn is_refusal(error: &sqlx::Error) -> bool {
    // Of an extended code the low byte is the code.
    code(error).is_some_and(|code| matches!(code & 0xff, 18..=20))
        || matches!(error, sqlx::Error::ColumnDecode { .. } | sqlx::Error::Decode(_) | sqlx::Error::Encode(_))
}

fn code(error: &sqlx::Error) -> Option<u32> {
    error.as_database_error()?.code()?.parse().ok()
}

fn options(path: &Path) -> SqliteConnectOptions {
    SqliteConnectOptions::new()
        .filename(path)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        .foreign_keys(true)
        .busy_timeout(Duration::from_secs(2))
        .statement_cache_capacity(100)
        .pragma("cache_size", "-65536")
        .pragma("temp_store", "memory")
        // A commit that happens to reach this many pages also moves the WAL into the file: rarely, so that it does
        // not stand in the way of a rush.
        .pragma("wal_autocheckpoint", "25000")
}

async fn pool(options: SqliteConnectOptions, connections: u32) -> Result<SqlitePool, sqlx::Error> {
    SqlitePoolOptions::new()
        .max_connections(connections)
        .min_connections(connections)
        .idle_timeout(None)
        .max_lifetime(None)
        .test_before_acquire(false)
        // A commit that failed (a full disk) is undone by SQLite itself, which the driver does not learn: on such a
        // connection no transaction could begin any more.
        .before_acquire(|connection, _| {
            let usable = !connection.is_in_transaction();
            Box::pin(async move { Ok(usable) })
        })
        .acquire_timeout(Duration::from_secs(5))
        .connect_with(options)
        .await
}
