//! `firstcome query`: the read side, with NATS JetStream behind the log and MongoDB behind the read model.

use std::sync::Arc;

use firstcome_query::read_model::mongo::MongoReadModel;
use firstcome_shared::http::Readiness;
use futures::FutureExt as _;

use super::{log, same_log};
use crate::cli::QueryArgs;
use crate::process::{Ground, Process, Surface};
use crate::serve::parse_keys;

/// Connections that answer queries.
const READERS: u32 = 16;

/// Connects, starts reading the log into the read model, and serves the read side.
pub async fn start(args: QueryArgs) -> anyhow::Result<Process> {
    let keys = parse_keys(&args.api_keys)?;
    // Before the port is opened: `at_least` cannot be understood without the log.
    let log = log(&args.log).await?;
    let ground = Ground::lay(&args.addr, keys).await?;
    // Its connections are driven from over there, so that queries go first.
    let url = args.mongo_url;
    let writer =
        ground.projections.handle().spawn(async move { MongoReadModel::open_writer(&url).await }).await??;
    let read_model = Arc::new(writer.with_readers(READERS).await?);
    same_log(&*log, &*read_model).await?;
    let query = ground.read_side(log, read_model);
    ground.serve(Surface {
        name: "firstcome-query",
        routes: Arc::clone(&query).routes(),
        readiness: query as Arc<dyn Readiness>,
        service: None,
        closing: async {}.boxed(),
        folder: None,
    })
}
