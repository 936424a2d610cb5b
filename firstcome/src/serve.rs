//! `firstcome serve`: the whole system in one process, with the console where there is a terminal, until a signal.

use std::io::IsTerminal as _;

use anyhow::{Context as _, bail};
use firstcome_console::ConsoleArgs;
use firstcome_shared::auth::{ApiKeys, Role};
use firstcome_shared::lifecycle::Lifecycle;
use firstcome_shared::telemetry::{LogTo, install_tracing};
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::cli::ServeArgs;
use crate::data_dir::DataDir;
use crate::process::{Process, Settings};

/// Serves until the first signal, or until the console is left; a second signal ends it at once.
pub async fn run(args: ServeArgs, filter: &str) -> anyhow::Result<()> {
    let folder = DataDir::open(&args.data_dir)?;
    let console = !args.headless && std::io::stdout().is_terminal() && std::io::stdin().is_terminal();
    let log = if console { LogTo::File(folder.log_for_people()) } else { LogTo::Stderr };
    install_tracing(&log, false, filter)?;
    let (keys, console_key) = keys(&args, console)?;
    let mut signals = Signals::new()?;
    let settings =
        Settings { folder, addr: args.addr, keys, code_secret: args.code_secret, queue: args.queue };
    let process = Process::start(settings).await?;
    if !console {
        println!("firstcome listens on {0}  (API: {0}/docs, metrics: {0}/metrics)", process.url);
    }
    tracing::info!(url = process.url, "serving");
    let lifecycle = process.lifecycle.clone();
    let ended = if console {
        let screen = ConsoleArgs {
            api_key: console_key,
            operator: args.operator,
            owner: true,
            ..ConsoleArgs::for_server(process.url.clone())
        };
        tokio::select! {
            ended = firstcome_console::run(screen) => ended.map_err(anyhow::Error::from),
            ended = end(&mut signals, &lifecycle) => ended,
        }
    } else {
        end(&mut signals, &lifecycle).await
    };
    tracing::info!("stopping: nothing new is accepted, what was accepted is answered");
    tokio::select! {
        stopped = process.stop() => stopped.and(ended),
        () = signals.next() => bail!("stopped at once by a second signal"),
    }
}

/// The keys the service accepts. Where there are any, the console of this process gets one of its own, for as long as
/// the process lives.
fn keys(args: &ServeArgs, console: bool) -> anyhow::Result<(ApiKeys, Option<String>)> {
    let parse = |entries: &str| entries.parse::<ApiKeys>().context(firstcome_shared::config::API_KEYS);
    let keys = parse(&args.api_keys)?;
    if keys.is_empty() || !console {
        return Ok((keys, None));
    }
    let role = if args.operator { Role::Operator } else { Role::Reader };
    let own = ApiKeys::generate("console", role)?;
    Ok((parse(&format!("{},{}", args.api_keys, own.entry))?, Some(own.key)))
}

/// A signal, or the death of a task, which is an error.
async fn end(signals: &mut Signals, lifecycle: &Lifecycle) -> anyhow::Result<()> {
    tokio::select! {
        () = signals.next() => Ok(()),
        name = lifecycle.death() => bail!("the task {name:?} died: see the log"),
    }
}

/// What tells a process to end.
pub struct Signals {
    interrupt: Signal,
    terminate: Signal,
}

impl Signals {
    /// From now on signals are caught.
    pub fn new() -> std::io::Result<Self> {
        Ok(Self { interrupt: signal(SignalKind::interrupt())?, terminate: signal(SignalKind::terminate())? })
    }

    /// The next one.
    pub async fn next(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}
