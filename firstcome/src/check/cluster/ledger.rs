//! PostgreSQL: what is committed must be on the disk.

use std::str::FromStr as _;

use firstcome_shared::clock::{Clock as _, Millis, SystemClock};
use sqlx::postgres::PgConnectOptions;
use sqlx::{ConnectOptions as _, Connection as _, PgConnection};
use tokio::time::timeout;

use super::away;
use crate::check::PATIENCE;
use crate::check::report::{Place, Report};

/// Looks at the server.
pub async fn check(url: &str, report: &mut Report) {
    let options = PgConnectOptions::from_str(url);
    let at = options.as_ref().map(|options| format!("{}:{}", options.get_host(), options.get_port()));
    let mut place = Place::new("ledger", at.unwrap_or_default());
    match options {
        Err(error) => away(&mut place, &error),
        Ok(options) => match timeout(PATIENCE, server(&mut place, options)).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => away(&mut place, &error),
            Err(_) => away(&mut place, &"no answer"),
        },
    }
    report.add(place);
}

async fn server(place: &mut Place, options: PgConnectOptions) -> sqlx::Result<()> {
    let mut connection = options.disable_statement_logging().connect().await?;
    let version = setting(&mut connection, "server_version").await?;
    place.ok("answers", format!("PostgreSQL {version}"));
    let recovering: bool =
        sqlx::query_scalar("SELECT pg_is_in_recovery()").fetch_one(&mut connection).await?;
    if recovering {
        place.wrong("role", "standby", "name the primary: nothing can be written here");
    }
    let why = "a power cut would take back what payment was told";
    place.demand("fsync", &setting(&mut connection, "fsync").await?, "on", why);
    match &*setting(&mut connection, "synchronous_commit").await? {
        "off" => place.demand("synchronous_commit", "off", "on", why),
        set => place.ok("synchronous_commit", set),
    }
    let asked = SystemClock.now();
    let micros: i64 = sqlx::query_scalar("SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint")
        .fetch_one(&mut connection)
        .await?;
    place.clock(Millis(micros / 1_000), asked, SystemClock.now(), 0, false);
    connection.close().await
}

async fn setting(connection: &mut PgConnection, name: &'static str) -> sqlx::Result<String> {
    sqlx::query_scalar("SELECT current_setting($1)").bind(name).fetch_one(connection).await
}
