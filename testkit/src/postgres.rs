//! PostgreSQL.

use std::ops::Deref;

use crate::{
    guard,
    probe::Probe,
    server::{Plan, Server, blocking},
};

/// A PostgreSQL server. Its one user, `postgres`, needs no password.
#[derive(Debug)]
pub struct Postgres {
    server: Server,
}

impl Postgres {
    /// A server with the settings of `deploy/postgres.conf`.
    pub async fn start() -> Self {
        Self::start_with(&[]).await
    }

    /// The same, with more arguments, which win over the file: `["-c", "max_connections=5"]`.
    pub async fn start_with(args: &[&str]) -> Self {
        let plan = Plan::new("postgres", Probe::Postgres, args);
        let new = || Server::new("postgres://postgres@", "/postgres", vec![plan.start()]);
        Self { server: blocking(new).await }
    }

    /// Runs a statement in the database `postgres` and returns its rows, columns parted by `|`.
    pub async fn sql(&self, statement: &str) -> String {
        sql(self.url(), statement.to_owned()).await
    }
}

/// Runs a statement through `psql`.
pub(crate) async fn sql(url: String, statement: String) -> String {
    let options =
        ["--no-psqlrc", "--quiet", "--no-align", "--tuples-only", "--set", "ON_ERROR_STOP=1", "--command"];
    blocking(move || {
        let mut args = vec![url];
        args.extend(options.map(str::to_owned));
        args.push(statement);
        guard::tool("psql", &args)
    })
    .await
}

impl Deref for Postgres {
    type Target = Server;

    fn deref(&self) -> &Server {
        &self.server
    }
}
