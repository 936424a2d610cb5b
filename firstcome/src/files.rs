//! The whole system in one process, on files: the same pipeline as a cluster's, with other adapters behind the ports.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use firstcome_command::gate::memory::MemoryGate;
use firstcome_command::ledger::sqlite::SqliteLedger;
use firstcome_command::service::Adapters;
use firstcome_query::read_model::sqlite::SqliteReadModel;
use firstcome_shared::auth::ApiKeys;
use firstcome_shared::event_log::EventLog;
use firstcome_shared::event_log::sqlite::SqliteLog;
use firstcome_shared::http::Readiness;
use futures::FutureExt as _;
use tokio::time::timeout;

use crate::data_dir::DataDir;
use crate::process::{Ground, Process, Surface, same_log};

/// How long the stores may take to close.
const CLOSING: Duration = Duration::from_secs(5);

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

/// Opens the files, starts reading the log into ledger and read model, and serves both sides.
pub async fn start(settings: Settings) -> anyhow::Result<Process> {
    let Settings { folder, addr, keys, code_secret, queue } = settings;
    let ground = Ground::lay(&addr, keys).await?;
    let secret = folder.secret(code_secret.as_deref())?;
    let log = SqliteLog::open(&folder.log(), Arc::clone(&ground.clock)).await;
    let log_file = Arc::new(log.context("the log cannot be opened")?);
    let log: Arc<dyn EventLog> = Arc::<SqliteLog>::clone(&log_file);

    let (ledger_file, read_file) = (folder.ledger(), folder.read_model());
    // Opened over there, so that their writers' threads have the low priority too.
    let (ledger, read_model) = ground
        .projections
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
        gate: Arc::new(MemoryGate::new(Arc::clone(&ground.clock))),
        log: Arc::clone(&log),
        ledger,
        clock: Arc::clone(&ground.clock),
        secret,
    };
    let service = ground.write_side(adapters, queue).await?;
    let query = ground.read_side(log, read_model);
    ground.serve(Surface {
        name: "firstcome",
        routes: firstcome_command::http::routes(Arc::clone(&service)).merge(query.routes()),
        // Ready is what can issue: a read model that is behind or away takes nobody out of a load balancer (P7).
        readiness: Arc::clone(&service) as Arc<dyn Readiness>,
        service: Some(service),
        closing: files.close().boxed(),
        folder: Some(folder),
    })
}

/// The three stores, to be closed when nobody uses them any more.
struct Files {
    log: Arc<SqliteLog>,
    ledger: Arc<SqliteLedger>,
    read_model: Arc<SqliteReadModel>,
}

impl Files {
    /// Leaves each store in its one file, so that a copy of that file is a copy of the store.
    async fn close(self) {
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
