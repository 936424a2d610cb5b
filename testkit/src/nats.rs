//! NATS with JetStream, alone and as a cluster of three.

use std::{
    ops::Deref,
    time::{Duration, Instant},
};

use crate::{
    port,
    probe::{self, Probe},
    server::{Plan, Server, blocking},
};

/// A NATS server with JetStream.
#[derive(Debug)]
pub struct Nats {
    server: Server,
    monitor: u16,
}

impl Nats {
    /// A server with the settings of `deploy/nats.conf`.
    pub async fn start() -> Self {
        Self::start_with(&[]).await
    }

    /// The same, with more arguments, which win over the file.
    pub async fn start_with(args: &[&str]) -> Self {
        // Its streams are recovered.
        Self::launch(args, "/healthz").await
    }

    /// Somebody's server: it may be used, not broken.
    pub(crate) fn foreign(url: String) -> Self {
        Self { server: Server::foreign(url), monitor: 0 }
    }

    /// What the monitoring port answers: `"/jsz?streams=true"`; nothing if it does not.
    pub async fn monitor(&self, path: &str) -> Option<String> {
        let (port, path) = (self.monitor, path.to_owned());
        blocking(move || probe::http(port, &path).ok()).await
    }

    async fn launch(args: &[&str], health: &'static str) -> Self {
        let monitor = port::free();
        let port = monitor.to_string();
        let args = [&["--http_port", &port], args].concat();
        let plan = Plan::new("nats", Probe::Nats { monitor, health }, &args);
        Self { server: blocking(|| Server::new("nats://", "", vec![plan.start()])).await, monitor }
    }
}

impl Deref for Nats {
    type Target = Server;

    fn deref(&self) -> &Server {
        &self.server
    }
}

/// Three NATS servers with JetStream, for streams with three replicas.
#[derive(Debug)]
pub struct NatsCluster {
    nodes: Vec<Nats>,
}

impl NatsCluster {
    /// Three nodes, named `n0` to `n2`, with a leader that all of them know.
    pub async fn start() -> Self {
        let routes: Vec<String> = (0..3).map(|_| format!("nats://127.0.0.1:{}", port::free())).collect();
        let all = routes.join(",");
        let mut nodes = Vec::new();
        for (index, route) in routes.iter().enumerate() {
            let name = format!("n{index}");
            let args = ["--name", &name, "--cluster_name", "firstcome", "--cluster", route, "--routes", &all];
            // One alone has no leader to be healthy with.
            nodes.push(Nats::launch(&args, "/healthz?js-enabled-only=true").await);
        }
        let cluster = Self { nodes };
        cluster.until_led().await;
        cluster
    }

    /// One node.
    ///
    /// # Panics
    /// If there are fewer.
    pub fn node(&self, index: usize) -> &Nats {
        &self.nodes[index]
    }

    /// All nodes.
    pub fn nodes(&self) -> &[Nats] {
        &self.nodes
    }

    /// The node of that name (`n0` to `n2`), as the servers name a stream's leader.
    pub fn named(&self, name: &str) -> Option<&Nats> {
        name.strip_prefix('n').and_then(|index| self.nodes.get(index.parse::<usize>().ok()?))
    }

    /// The URLs of all nodes, parted by commas.
    pub fn url(&self) -> String {
        self.nodes.iter().map(|node| node.url()).collect::<Vec<_>>().join(",")
    }

    /// Waits until every node is healthy: connected, and level with the leader. For after a restart, too.
    ///
    /// # Panics
    /// If that takes half a minute.
    pub async fn until_led(&self) {
        let deadline = Instant::now() + Duration::from_secs(30);
        for node in &self.nodes {
            loop {
                let state = node.monitor("/jsz").await.unwrap_or_default();
                let led = state.contains("\"leader\":") && node.monitor("/healthz").await.is_some();
                if led {
                    break;
                }
                assert!(Instant::now() < deadline, "no leader:\n{state}\n{}", node.log());
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        }
    }
}
