//! `firstcome command`: the write side, with Redis behind the gate, NATS JetStream behind the log and PostgreSQL behind
//! the ledger.

use std::sync::Arc;

use anyhow::bail;
use firstcome_command::gate::redis::{NotConnected, RedisGate};
use firstcome_command::ledger::Ledger as _;
use firstcome_command::ledger::postgres::PostgresLedger;
use firstcome_command::service::Adapters;
use firstcome_shared::config;
use firstcome_shared::domain::CodeSecret;
use firstcome_shared::http::Readiness;
use futures::FutureExt as _;

use super::{log, same_log, waited_for};
use crate::cli::CommandArgs;
use crate::process::{Ground, Process, Surface};
use crate::serve::parse_keys;

/// Connects, starts reading the log into the ledger, and serves the write side.
pub async fn start(args: CommandArgs) -> anyhow::Result<Process> {
    let keys = parse_keys(&args.api_keys)?;
    let secret = secret(args.code_secret.as_deref())?;
    let ledger = Arc::new(PostgresLedger::lazy(&args.postgres_url, args.log.log_partitions)?);
    ledger.set_rate(args.ledger_rate);
    // Before the port is opened: nobody is kept waiting by a process that cannot decide anything yet.
    let log = log(&args.log).await?;
    let away = |error: &NotConnected| matches!(error, NotConnected::Unavailable(_));
    let gate = waited_for("the gate", away, async || RedisGate::connect(&args.redis_url, None).await).await?;
    same_log(&*log, &*ledger).await?;

    let ground = Ground::lay(&args.addr, keys).await?;
    let (clock, closing) = (Arc::clone(&ground.clock), Arc::clone(&ledger));
    let adapters = Adapters { gate: Arc::new(gate), log, ledger, clock, secret };
    let service = ground.write_side(adapters, args.queue).await?;
    ground.serve(Surface {
        name: "firstcome-command",
        routes: firstcome_command::http::routes(Arc::clone(&service)),
        readiness: Arc::clone(&service) as Arc<dyn Readiness>,
        service: Some(service),
        closing: async move { closing.close().await }.boxed(),
        folder: None,
    })
}

/// There is no folder to keep one in, and every instance needs the same.
fn secret(given: Option<&str>) -> anyhow::Result<CodeSecret> {
    let Some(given) = given.filter(|given| !given.is_empty()) else {
        bail!(
            "{} is not set: coupon codes are made from it, so every instance needs the same, at least 32 random \
             characters; keep it safe",
            config::CODE_SECRET
        );
    };
    Ok(CodeSecret::new(given)?)
}
