//! Redis, alone and as a cluster.

use std::{
    ops::Deref,
    time::{Duration, Instant},
};

use crate::{
    guard,
    probe::{self, Probe},
    server::{Plan, Server, blocking},
};

/// A Redis server.
#[derive(Debug)]
pub struct Redis {
    server: Server,
}

impl Redis {
    /// A server with the settings of `deploy/redis.conf`.
    pub async fn start() -> Self {
        Self::start_with(&[]).await
    }

    /// The same, with more arguments, which win over the file: `["--databases", "4"]`.
    pub async fn start_with(args: &[&str]) -> Self {
        let plan = Plan::new("redis", Probe::Redis, args);
        Self { server: blocking(|| Server::new("redis://", "", vec![plan.start()])).await }
    }

    /// What the server answers to one command, words parted by blanks: `"SET a 1"`. An array: a line for each element;
    /// nil: empty; an error: its text.
    pub async fn command(&self, command: &str) -> String {
        let (port, command) = (self.port(), command.to_owned());
        blocking(move || probe::redis(port, &command).unwrap_or_else(|error| error.to_string())).await
    }
}

impl Deref for Redis {
    type Target = Server;

    fn deref(&self) -> &Server {
        &self.server
    }
}

/// A Redis Cluster: the masters first, then their replicas.
#[derive(Debug)]
pub struct RedisCluster {
    nodes: Vec<Redis>,
}

impl RedisCluster {
    /// Three masters without replicas.
    pub async fn start() -> Self {
        Self::start_with(3, 0).await
    }

    /// `masters` (three at least), each with `replicas`. All slots are served, all replicas level, on return.
    pub async fn start_with(masters: usize, replicas: usize) -> Self {
        // Replicas follow at once, and a dead master is replaced within seconds. Without replicas nothing hurries.
        let timeout = if replicas == 0 { "5000" } else { "2000" };
        let quick = ["--repl-diskless-sync-delay", "0", "--cluster-node-timeout", timeout];
        let args = [["--cluster-enabled", "yes"].as_slice(), &quick].concat();
        let mut nodes = Vec::new();
        for _ in 0..masters * (1 + replicas) {
            nodes.push(Redis::start_with(&args).await);
        }
        let cluster = Self { nodes };
        let addresses: Vec<String> = cluster.nodes.iter().map(|node| node.addr()).collect();
        let each = replicas.to_string();
        let mut create = vec!["--cluster", "create"];
        create.extend(addresses.iter().map(String::as_str));
        create.extend(["--cluster-replicas", &each, "--cluster-yes"]);
        cluster.cli(&create).await;
        cluster.until_formed(masters * replicas).await;
        cluster
    }

    /// One node.
    ///
    /// # Panics
    /// If there are fewer.
    pub fn node(&self, index: usize) -> &Redis {
        &self.nodes[index]
    }

    /// All nodes.
    pub fn nodes(&self) -> &[Redis] {
        &self.nodes
    }

    /// The URLs of all nodes, parted by commas.
    pub fn url(&self) -> String {
        self.nodes.iter().map(|node| node.url()).collect::<Vec<_>>().join(",")
    }

    /// Runs `redis-cli` with these arguments: its `--cluster` moves slots. Returns what it printed.
    pub async fn cli(&self, args: &[&str]) -> String {
        let args: Vec<String> = args.iter().map(ToString::to_string).collect();
        blocking(move || guard::tool("redis-cli", &args)).await
    }

    /// Waits until every node knows every other and its role, and every replica is level.
    async fn until_formed(&self, followers: usize) {
        let deadline = Instant::now() + Duration::from_secs(30);
        for node in &self.nodes {
            loop {
                let info = node.command("CLUSTER INFO").await;
                let view = node.command("CLUSTER NODES").await;
                let role = node.command("INFO replication").await;
                let level = role.contains("role:master") || role.contains("master_link_status:up");
                let known =
                    view.lines().count() == self.nodes.len() && view.matches("slave").count() == followers;
                if info.contains("cluster_state:ok") && known && level {
                    break;
                }
                assert!(Instant::now() < deadline, "the cluster does not form:\n{info}\n{view}\n{role}");
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        }
    }
}
