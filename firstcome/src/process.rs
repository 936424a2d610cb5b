//! A process that serves: what every composition stands on (port, metrics, background tasks, the thread of the
//! projections), the two sides that can be put on it, and how it ends. Which adapters stand behind the ports is said
//! in `files.rs`, `cluster/command.rs` and `cluster/query.rs`, and nowhere else.

use std::sync::Arc;

use anyhow::{Context as _, bail};
use firstcome_command::service::{Adapters, Service};
use firstcome_query::Query;
use firstcome_query::read_model::ReadModel;
use firstcome_shared::auth::ApiKeys;
use firstcome_shared::clock::{Clock, SystemClock};
use firstcome_shared::config;
use firstcome_shared::event_log::EventLog;
use firstcome_shared::http::{self, Readiness, ServiceInfo};
use firstcome_shared::lifecycle::Lifecycle;
use firstcome_shared::projection::Projection;
use firstcome_shared::telemetry::{install_metrics, upkeep};
use futures::future::BoxFuture;
use tokio::net::TcpListener;
use utoipa_axum::router::OpenApiRouter;

use crate::data_dir::DataDir;
use crate::priority::LowPriority;

/// What a process stands on before it has services.
pub struct Ground {
    /// Ends it, and tells when it dies.
    pub lifecycle: Lifecycle,
    /// The machine's.
    pub clock: Arc<dyn Clock>,
    /// Where the projections run.
    pub projections: LowPriority,
    listener: TcpListener,
    keys: ApiKeys,
}

/// What is served on the ground.
pub struct Surface {
    /// Its name in the `OpenAPI` document and in the metrics.
    pub name: &'static str,
    /// Its routes.
    pub routes: OpenApiRouter,
    /// Asked by `/readyz`.
    pub readiness: Arc<dyn Readiness>,
    /// The write side, if it has one: to be closed before the tasks end.
    pub service: Option<Arc<Service>>,
    /// Done last, when nobody uses the stores any more.
    pub closing: BoxFuture<'static, ()>,
    /// Locked for as long as the process lives.
    pub folder: Option<DataDir>,
}

impl Ground {
    /// Opens the port, before there is anything to serve: a process whose address is taken must leave no files behind,
    /// nor read the log into a store. Whoever connects waits.
    pub async fn lay(addr: &str, keys: ApiKeys) -> anyhow::Result<Self> {
        // What is counted from here on is shown: handles that were made before count nothing.
        let metrics = install_metrics()?;
        let listener = http::bind(addr, &keys).await?;
        let lifecycle = Lifecycle::default();
        lifecycle.spawn("metrics upkeep", upkeep(metrics, lifecycle.stop()));
        let (clock, projections) = (Arc::new(SystemClock), LowPriority::new()?);
        Ok(Self { lifecycle, clock, projections, listener, keys })
    }

    /// The write side over these adapters; from now on its ledger is read from its log.
    pub async fn write_side(&self, adapters: Adapters, queue: usize) -> anyhow::Result<Arc<Service>> {
        let service = Arc::new(Service::new(adapters, self.lifecycle.clone(), queue));
        if let Some(campaign) = service.made_with_another_secret().await.context("the log cannot be read")? {
            bail!(
                "the codes of campaign {campaign} were made with another secret: restore the folder's code-secret, or \
                 set {} to the one that they were made with",
                config::CODE_SECRET
            );
        }
        let over_there = self.projections.handle();
        for reader in service.ledger_readers() {
            self.lifecycle.spawn_on(&over_there, "ledger reader", reader.run(self.lifecycle.stop()));
        }
        let (gauges, comparison) = service.measure();
        self.lifecycle.spawn("metrics", gauges);
        self.lifecycle.spawn_on(&over_there, "comparison of the stores", comparison);
        Ok(service)
    }

    /// The read side over these adapters; from now on its read model is read from the log.
    pub fn read_side(&self, log: Arc<dyn EventLog>, model: Arc<dyn ReadModel>) -> Arc<Query> {
        let query = Arc::new(Query::new(log, model, Arc::clone(&self.clock), self.lifecycle.stop()));
        let over_there = self.projections.handle();
        for reader in query.readers() {
            self.lifecycle.spawn_on(&over_there, "read model reader", reader.run(self.lifecycle.stop()));
        }
        let (gauges, comparison) = query.measure();
        self.lifecycle.spawn("metrics of the read model", gauges);
        self.lifecycle.spawn_on(&over_there, "comparison of the read model", comparison);
        query
    }

    /// Serves.
    pub fn serve(self, surface: Surface) -> anyhow::Result<Process> {
        let Self { lifecycle, projections, listener, keys, .. } = self;
        let Surface { name, routes, readiness, service, closing, folder } = surface;
        let url = format!("http://{}", listener.local_addr()?);
        let metrics = install_metrics()?;
        let info = ServiceInfo::new(name, env!("CARGO_PKG_VERSION"), keys, readiness, metrics);
        let server = tokio::spawn(http::serve(listener, http::app(routes, info), lifecycle.stop()));
        Ok(Process { url, lifecycle, server, service, closing, _projections: projections, _folder: folder })
    }
}

/// A running process. Dropping it does not stop it: [`Process::stop`] does.
pub struct Process {
    /// Where it listens.
    pub url: String,
    /// Ends it, and tells when it dies.
    pub lifecycle: Lifecycle,
    server: tokio::task::JoinHandle<std::io::Result<()>>,
    service: Option<Arc<Service>>,
    closing: BoxFuture<'static, ()>,
    _projections: LowPriority,
    _folder: Option<DataDir>,
}

impl Process {
    /// Stops accepting, answers who was accepted, logs what was decided, closes the stores, ends.
    pub async fn stop(self) -> anyhow::Result<()> {
        self.lifecycle.stop().cancel();
        let served = self.server.await;
        if let Some(service) = &self.service {
            service.close();
        }
        self.lifecycle.shut_down().await;
        self.closing.await;
        Ok(served??)
    }
}

/// Refuses a store that was read from another log than this one (ARCHITECTURE L7).
pub async fn same_log(log: &dyn EventLog, store: &dyn Projection) -> anyhow::Result<()> {
    for partition in 0..log.partitions() {
        let Some(checkpoint) = store.checkpoint(partition).await? else { continue };
        let end = log.last_sequence(partition, checkpoint.sequence).await?;
        if checkpoint.log != log.identity() || checkpoint.sequence > end {
            bail!(
                "the log is not the one that the {} was read from (log {} up to {}; this is log {}, which ends at {end}): \
                 restore the log, or delete what the {0} holds to read it anew",
                store.name().replace('_', " "),
                checkpoint.log,
                checkpoint.sequence,
                log.identity(),
            );
        }
    }
    Ok(())
}
