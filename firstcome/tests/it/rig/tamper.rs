//! A hand in the files: what an operator with a SQLite shell could do to them, also while the server runs.

use std::path::Path;
use std::time::Duration;

use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{ConnectOptions as _, Connection as _};

/// Runs one statement on a file; returns how many rows it touched.
pub async fn alter(file: &Path, statement: &'static str) -> u64 {
    let mut connection = open(file).await;
    let touched = sqlx::query(statement).execute(&mut connection).await.unwrap().rows_affected();
    connection.close().await.unwrap();
    touched
}

/// Holds the file's one write lock, as a database does that hangs, until it is closed.
pub async fn hold(file: &Path) -> SqliteConnection {
    let mut held = open(file).await;
    sqlx::query("BEGIN IMMEDIATE").execute(&mut held).await.unwrap();
    held
}

/// Counts rows with one statement; `None` when the file or its tables are not there yet.
pub async fn rows(file: &Path, statement: &'static str) -> Option<i64> {
    let options = SqliteConnectOptions::new().filename(file).busy_timeout(Duration::from_secs(10));
    let mut connection = options.connect().await.ok()?;
    let count = sqlx::query_scalar(statement).fetch_one(&mut connection).await.ok();
    connection.close().await.unwrap();
    count
}

async fn open(file: &Path) -> SqliteConnection {
    let options = SqliteConnectOptions::new().filename(file).busy_timeout(Duration::from_secs(10));
    options.connect().await.unwrap()
}
