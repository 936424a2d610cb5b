//! The whole system in one process: the same pipeline as a cluster's, with other adapters behind the ports.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, bail};
use firstcome_command::gate::memory::MemoryGate;
use firstcome_command::ledger::sqlite::SqliteLedger;
use firstcome_command::service::{Adapters, Service};
use firstcome_query::Query;
use firstcome_query::read_model::sqlite::SqliteReadModel;
use firstcome_shared::auth::ApiKeys;
use firstcome_shared::clock::{Clock, SystemClock};
use firstcome_shared::event_log::EventLog;
use firstcome_shared::event_log::sqlite::SqliteLog;
use firstcome_shared::http::{self, Readiness, ServiceInfo};
use firstcome_shared::lifecycle::Lifecycle;
use firstcome_shared::projection::Projection;
use firstcome_shared::telemetry::{install_metrics, upkeep};
use tokio::net::TcpListener;
use tokio::time::timeout;

use crate::data_dir::DataDir;
use crate::priority::LowPriority;

/// How long the stores may take to close.
const CLOSING: Duration = Duration::from_secs(5);

/// A running system. Dropping it does not stop it: [`Process::stop`] does.
pub struct Process {
    /// Where it listens.
    pub url: String,
    /// Ends it, and tells when it dies.
    pub lifecycle: Lifecycle,
    service: Arc<Service>,
    files: Files,
    server: tokio::task::JoinHandle<std::io::Result<()>>,
    _projections: LowPriority,
    _folder: DataDir,
}

/// How a system is to be started.
#[derive(Debug)]
pub struct Settings {
    /// Its folder.
    pub folder: DataDir,
    /// Where it listens.
    pub addr: String,
    /// Who may do what.
    pub keys: ApiKeys,
    /// Makes coupon codes; when absent, the folder's own.
    pub code_secret: Option<String>,
    /// People that may wait in one campaign's queue.
    pub queue: usize,
}

/// The three stores, to be closed when nobody uses them any more.
struct Files {
    log: Arc<SqliteLog>,
    ledger: Arc<SqliteLedger>,
    read_model: Arc<SqliteReadModel>,
}

impl Files {
    /// Leaves each store in its one file, so that a copy of that file is a copy of the store.
    async fn close(&self) {
        let closing = async {
            self.log.close().await;
            self.ledger.close().await;
            self.read_model.close().await;
        };
        if timeout(CLOSING, closing).await.is_err() {
            // Nothing is lost: the next start finds the rest in the WAL.
            tracing::warn!("a store is still in use: its WAL is left beside it");
        }
    }
}

impl Process {
    /// Opens the files, starts reading the log into ledger and read model, and serves.
    pub async fn start(settings: Settings) -> anyhow::Result<Self> {
        let Settings { folder, addr, keys, code_secret, queue } = settings;
        let metrics = install_metrics()?;
        // First of all: an address that is taken must not leave new files behind.
        let listener: TcpListener = http::bind(&addr, &keys).await?;
        let url = format!("http://{}", listener.local_addr()?);
        let lifecycle = Lifecycle::default();
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let secret = folder.secret(code_secret.as_deref())?;
        let log = SqliteLog::open(&folder.log(), Arc::clone(&clock)).await;
        let log_file = Arc::new(log.context("the log cannot be opened")?);
        let log: Arc<dyn EventLog> = Arc::<SqliteLog>::clone(&log_file);

        let projections = LowPriority::new()?;
        let (ledger_file, read_file) = (folder.ledger(), folder.read_model());
        // Opened over there, so that their writers' threads have the low priority too.
        let (ledger, read_model) = projections
            .handle()
            .spawn(async move {
                let ledger = SqliteLedger::open_writer(&ledger_file).await?;
                let read_model = SqliteReadModel::open_writer(&read_file).await?;
                Ok::<_, firstcome_shared::projection::StoreUnavailable>((ledger, read_model))
            })
            .await??;
        let ledger = Arc::new(ledger.with_readers(2).await?);
        let read_model = Arc::new(read_model.with_readers(2).await?);
        same_log(&*log, &*ledger).await?;
        same_log(&*log, &*read_model).await?;
        let files = Files { log: log_file, ledger: Arc::clone(&ledger), read_model: Arc::clone(&read_model) };

        let adapters = Adapters {
            gate: Arc::new(MemoryGate::new(Arc::clone(&clock))),
            log: Arc::clone(&log),
            ledger,
            clock: Arc::clone(&clock),
            secret,
        };
        let service = Arc::new(Service::new(adapters, lifecycle.clone(), queue));
        if let Some(campaign) = service.made_with_another_secret().await.context("the log cannot be read")? {
            bail!(
                "the codes of campaign {campaign} were made with another secret: restore the folder's code-secret, or \
                 set {}",
                firstcome_shared::config::CODE_SECRET
            );
        }
        let query = Arc::new(Query::new(Arc::clone(&log), read_model, clock, lifecycle.stop()));
        {
            let over_there = projections.handle();
            let _entered = over_there.enter();
            for reader in service.ledger_readers() {
                lifecycle.spawn("ledger reader", reader.run(lifecycle.stop()));
            }
            for reader in query.readers() {
                lifecycle.spawn("read model reader", reader.run(lifecycle.stop()));
            }
            lifecycle.spawn("metrics", Arc::clone(&service).measure());
            lifecycle.spawn("metrics of the read model", Arc::clone(&query).measure());
        }
        lifecycle.spawn("metrics upkeep", upkeep(metrics.clone(), lifecycle.stop()));

        // Ready is what can issue: a read model that is behind or away takes nobody out of a load balancer (P7).
        let readiness = Arc::clone(&service) as Arc<dyn Readiness>;
        let info = ServiceInfo::new("firstcome", env!("CARGO_PKG_VERSION"), keys, readiness, metrics);
        let routes = firstcome_command::http::routes(Arc::clone(&service)).merge(query.routes());
        let server = tokio::spawn(http::serve(listener, http::app(routes, info), lifecycle.stop()));
        Ok(Self { url, lifecycle, service, files, server, _projections: projections, _folder: folder })
    }

    /// Stops accepting, answers who was accepted, logs what was decided, closes the files, ends.
    pub async fn stop(self) -> anyhow::Result<()> {
        let stop = self.lifecycle.stop();
        stop.cancel();
        let served = self.server.await;
        self.service.close();
        self.lifecycle.shut_down().await;
        self.files.close().await;
        Ok(served??)
    }
}

/// Refuses a store that was read from another log than the one in the folder (ARCHITECTURE L7).
async fn same_log(log: &dyn EventLog, store: &dyn Projection) -> anyhow::Result<()> {
    for partition in 0..log.partitions() {
        let Some(checkpoint) = store.checkpoint(partition).await? else { continue };
        let end = log.backlog(partition, u64::MAX).await?.end;
        if checkpoint.log != log.identity() || checkpoint.sequence > end {
            bail!(
                "the log is not the one that the {} was read from (log {} up to {}; this is log {}, which ends at {end}): \
                 restore the log, or delete the {0}'s file to read it anew",
                store.name().replace('_', " "),
                checkpoint.log,
                checkpoint.sequence,
                log.identity(),
            );
        }
    }
    Ok(())
}
