//! MongoDB: `mongod` where it is on PATH, else `FerretDB` with PostgreSQL and its `DocumentDB` extension behind it.
//!
//! `mongod` runs alone, not as a replica set of one: writes with concern `majority` are then flushed all the same, and
//! nothing of ours needs what only replica sets have (transactions, change streams). The stand-in is two processes, which
//! are killed, paused and restarted together. As it lives in a root folder of its own, so does its data.

use std::ops::Deref;

use crate::{
    guard,
    probe::Probe,
    server::{Plan, Server, blocking},
};

/// A MongoDB server, or what stands in for it.
#[derive(Debug)]
pub struct Mongo {
    server: Server,
}

impl Mongo {
    /// `mongod`, or `FerretDB` with the settings of `deploy/documentdb.conf`.
    pub async fn start() -> Self {
        Self { server: blocking(start).await }
    }
}

fn start() -> Server {
    let kind = guard::ask(&["mongo-kind"]);
    let processes = match kind.split_once(' ') {
        None => vec![Plan::new("mongod", Probe::Listens, &[]).start()],
        Some((_, folder)) => {
            let mut plan = Plan::new("documentdb", Probe::Postgres, &[]);
            plan.parent = folder.into();
            let behind = plan.start();
            let port = behind.port.to_string();
            vec![behind, Plan::new("ferretdb", Probe::Listens, &[&port]).start()]
        }
    };
    Server::new("mongodb://", "", processes)
}

impl Deref for Mongo {
    type Target = Server;

    fn deref(&self) -> &Server {
        &self.server
    }
}
