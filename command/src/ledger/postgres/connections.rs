//! Connections to a PostgreSQL that may be paused, cut off or killed at any moment: nobody waits for it beyond a
//! deadline, and nothing it holds for us outlives us for long.
//!
//! Three deadlines guard each other, the inner ones first: the server gives up waiting for a lock, then the statement;
//! then we give up the call. A connection whose call did not end in an answer is never used again. If the server
//! cannot know that it was given up, it finds out by itself, and lets go of the locks of its transaction.

use std::ops::{Deref, DerefMut};
use std::str::FromStr;
use std::time::Duration;

use firstcome_shared::projection::{ApplyError, StoreUnavailable};
use sqlx::pool::PoolConnection;
use sqlx::postgres::{PgConnectOptions, PgConnection, PgPool, PgPoolOptions};
use sqlx::{Connection, Postgres};
use tokio::time::timeout;

use super::MIGRATIONS;

/// A call is given up after this.
pub(super) const DEADLINE: Duration = Duration::from_secs(10);
/// The server gives up a statement of ours after this.
pub(super) const STATEMENT: Duration = Duration::from_secs(8);
/// So long a call waits for a connection. While the server is away, this is what a question costs.
const ACQUIRE: Duration = Duration::from_secs(3);
/// Tables of millions of rows may have to be changed.
const MIGRATION: Duration = Duration::from_mins(10);

/// What holds on every connection.
const SETTINGS: [(&str, &str); 9] = [
    ("statement_timeout", "8s"),
    ("lock_timeout", "5s"),
    ("idle_in_transaction_session_timeout", "15s"),
    // Somebody who vanished without a word.
    ("tcp_keepalives_idle", "10"),
    ("tcp_keepalives_interval", "2"),
    ("tcp_keepalives_count", "3"),
    ("tcp_user_timeout", "15s"),
    // Our statements are small or long, never complicated.
    ("jit", "off"),
    ("default_transaction_isolation", "read committed"),
];

/// Makes two pools: connections that write, and connections that read. None is opened yet.
pub(super) fn pools(url: &str, writers: u32, readers: u32) -> Result<(PgPool, PgPool), StoreUnavailable> {
    let options = PgConnectOptions::from_str(url).map_err(|error| away(&error))?;
    let options = options.application_name("firstcome-ledger").options(SETTINGS);
    let pool = |connections| PgPoolOptions::new().max_connections(connections).acquire_timeout(ACQUIRE);
    let writer = pool(writers).connect_lazy_with(options.clone());
    let reading = options.options([("default_transaction_read_only", "on"), ("statement_timeout", "60s")]);
    Ok((writer, pool(readers).connect_lazy_with(reading)))
}

/// Brings the tables up to date. Several may try at once: sqlx lets them in one by one, by an advisory lock.
pub(super) async fn migrate(pool: &PgPool) -> Result<(), StoreUnavailable> {
    let unlimited = [("statement_timeout", "0"), ("lock_timeout", "0")];
    let options = PgConnectOptions::clone(&pool.connect_options()).options(unlimited);
    // A connection of its own: with it the lock is gone, whatever happens.
    let mut connection = match timeout(ACQUIRE, PgConnection::connect_with(&options)).await {
        Ok(connection) => connection.map_err(|error| away(&error))?,
        Err(_) => return Err(silent(ACQUIRE)),
    };
    match timeout(MIGRATION, MIGRATIONS.run_direct(None, &mut connection, false)).await {
        Ok(done) => done.map_err(|error| problem(error.to_string()))?,
        Err(_) => return Err(silent(MIGRATION)),
    }
    // It would be closed without a word, too.
    let _ = timeout(ACQUIRE, connection.close()).await;
    Ok(())
}

/// A connection on loan from a pool. Dropped on the way (the caller was cancelled, or gave up) it is closed: what it was
/// about to answer would else be waited for by the pool, with no deadline.
pub(super) struct Lent {
    connection: PoolConnection<Postgres>,
    sound: bool,
}

impl Lent {
    pub(super) async fn from(pool: &PgPool) -> Result<Self, StoreUnavailable> {
        let connection = pool.acquire().await.map_err(|error| away(&error))?;
        Ok(Self { connection, sound: false })
    }

    /// Gives the connection back, if the server has answered on it.
    pub(super) fn back<T>(mut self, outcome: Result<T, ApplyError>) -> Result<T, ApplyError> {
        self.sound = !matches!(outcome, Err(ApplyError::Unavailable(_)));
        outcome
    }
}

impl Deref for Lent {
    type Target = PgConnection;

    fn deref(&self) -> &PgConnection {
        &self.connection
    }
}

impl DerefMut for Lent {
    fn deref_mut(&mut self) -> &mut PgConnection {
        &mut self.connection
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        if !self.sound {
            self.connection.close_on_drop();
        }
    }
}

/// Does `work`, unless that takes too long.
pub(super) async fn within<T>(work: impl Future<Output = Result<T, ApplyError>>) -> Result<T, ApplyError> {
    timeout(DEADLINE, work).await.unwrap_or_else(|_| Err(silent(DEADLINE).into()))
}

/// Tells data that is refused from a server that is away.
#[expect(clippy::needless_pass_by_value, reason = "`map_err` hands it over")]
pub(super) fn failed(error: sqlx::Error) -> ApplyError {
    let refused = match &error {
        sqlx::Error::Database(error) => error.code().is_some_and(|code| is_refusal(&code)),
        sqlx::Error::ColumnDecode { .. } | sqlx::Error::Decode(_) | sqlx::Error::Encode(_) => true,
        _ => false,
    };
    if refused { ApplyError::Refused(error.to_string()) } else { away(&error).into() }
}

/// Whether the data was refused: its form (22), a constraint (23), or a value that no index takes (54). Trying again
/// cannot help. All else may pass: a deadlock, a full disk, a server that shuts down, a table that is not ours.
fn is_refusal(sqlstate: &str) -> bool {
    matches!(sqlstate.get(..2), Some("22" | "23" | "54"))
}

/// For questions, which refuse nothing.
pub(super) fn unavailable(error: ApplyError) -> StoreUnavailable {
    match error {
        ApplyError::Unavailable(error) => error,
        error => problem(error.to_string()),
    }
}

pub(super) fn away(error: &sqlx::Error) -> StoreUnavailable {
    problem(error.to_string())
}

pub(super) fn silent(waited: Duration) -> StoreUnavailable {
    problem(format!("no answer within {} s", waited.as_secs()))
}

fn problem(problem: String) -> StoreUnavailable {
    StoreUnavailable { store: "ledger", problem }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_data_is_refused() {
        for refused in ["22001", "22021", "22P05", "23505", "23514", "23502", "54000"] {
            assert!(is_refusal(refused), "{refused}");
        }
        // A deadlock, a timeout, no disk, shutting down, read-only after a failover, no rights, no such table.
        for passing in
            ["40P01", "40001", "57014", "53100", "57P01", "25006", "42501", "42P01", "55P03", "08006", ""]
        {
            assert!(!is_refusal(passing), "{passing}");
        }
    }

    #[test]
    fn the_server_gives_up_before_we_do() {
        let limit = |name| {
            let (_, limit) = SETTINGS.iter().find(|(setting, _)| *setting == name).unwrap();
            Duration::from_secs(limit.trim_end_matches('s').parse().unwrap())
        };
        assert_eq!(limit("statement_timeout"), STATEMENT);
        assert!(limit("lock_timeout") < STATEMENT && STATEMENT < DEADLINE);
        assert!(DEADLINE < limit("idle_in_transaction_session_timeout"));
    }

    #[test]
    fn an_address_that_is_none_is_an_error() {
        assert!(pools("no address", 1, 1).is_err());
    }
}
