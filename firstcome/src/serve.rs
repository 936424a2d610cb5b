//! Running a service until a signal: `firstcome serve`, with the console where there is a terminal, and the parts of a
//! cluster, which have none.

use std::future::Future;
use std::io::IsTerminal as _;

use anyhow::{Context as _, bail};
use firstcome_console::ConsoleArgs;
use firstcome_shared::auth::{ApiKeys, Role};
use firstcome_shared::config;
use firstcome_shared::lifecycle::Lifecycle;
use firstcome_shared::telemetry::LogTo;
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::cli::{LoggingArgs, ServeArgs};
use crate::data_dir::DataDir;
use crate::files::{self, Settings};
use crate::process::Process;

/// Serves both sides until the first signal, or until the console is left; a second signal ends it at once.
pub async fn run(args: ServeArgs, logging: &LoggingArgs) -> anyhow::Result<()> {
    let folder = DataDir::open(&args.data_dir)?;
    let console = !args.headless && std::io::stdout().is_terminal() && std::io::stdin().is_terminal();
    let log = if console { LogTo::File(folder.log_for_people()) } else { LogTo::Stderr };
    logging.begin(&log)?;
    let (keys, console_key) = keys(&args, console)?;
    let screen = console.then(|| ConsoleArgs {
        api_key: console_key,
        operator: args.operator,
        owner: true,
        ..ConsoleArgs::for_server(String::new())
    });
    let settings =
        Settings { folder, addr: args.addr, keys, code_secret: args.code_secret, queue: args.queue };
    run_until_told(files::start(settings), screen).await
}

/// Serves one part of a cluster until the first signal; a second signal ends it at once.
#[cfg(feature = "cluster")]
pub async fn run_part(
    start: impl Future<Output = anyhow::Result<Process>>,
    logging: &LoggingArgs,
) -> anyhow::Result<()> {
    logging.begin(&LogTo::Stderr)?;
    run_until_told(start, None).await
}

async fn run_until_told(
    start: impl Future<Output = anyhow::Result<Process>>,
    console: Option<ConsoleArgs>,
) -> anyhow::Result<()> {
    let mut signals = Signals::new()?;
    let process = tokio::select! {
        started = start => started?,
        // Nothing was accepted yet.
        () = signals.next() => return Ok(()),
    };
    if console.is_none() {
        println!("firstcome listens on {0}  (API: {0}/docs, metrics: {0}/metrics)", process.url);
    }
    tracing::info!(url = process.url, "serving");
    let lifecycle = process.lifecycle.clone();
    let ended = if let Some(screen) = console {
        let screen = ConsoleArgs { servers: vec![process.url.clone()], ..screen };
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

/// The keys that a service accepts.
pub fn parse_keys(entries: &str) -> anyhow::Result<ApiKeys> {
    entries.parse().context(config::API_KEYS)
}

/// The keys the service accepts. Where there are any, the console of this process gets one of its own, for as long as
/// the process lives.
fn keys(args: &ServeArgs, console: bool) -> anyhow::Result<(ApiKeys, Option<String>)> {
    let keys = parse_keys(&args.api_keys)?;
    if keys.is_empty() || !console {
        return Ok((keys, None));
    }
    let role = if args.operator { Role::Operator } else { Role::Reader };
    let (keys, own) = with_own(&args.api_keys, &keys, role)?;
    Ok((keys, Some(own)))
}

/// These keys and one more, for the console, under a name that nobody has: somebody else's console may have a key, too.
fn with_own(entries: &str, keys: &ApiKeys, role: Role) -> anyhow::Result<(ApiKeys, String)> {
    let mut name = "console".to_owned();
    while keys.names().any(|taken| taken == name) {
        name.insert_str(0, "own-");
    }
    let own = ApiKeys::generate(&name, role)?;
    Ok((parse_keys(&format!("{entries},{}", own.entry))?, own.key))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_own_console_has_a_key_whatever_others_are_called() {
        let mut entries = ApiKeys::generate("alice", Role::Reader).unwrap().entry;
        for expected in ["console", "own-console", "own-own-console"] {
            let (keys, own) = with_own(&entries, &parse_keys(&entries).unwrap(), Role::Operator).unwrap();
            let caller = keys.find(&own).unwrap();
            assert_eq!((&*caller.name, caller.role), (expected, Role::Operator));
            entries = format!("{entries},{}", ApiKeys::generate(expected, Role::Reader).unwrap().entry);
        }
    }
}
