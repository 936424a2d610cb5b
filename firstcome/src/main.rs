//! First come, first served, exactly: the one binary. It reads the command line and hands over; what it starts lives
//! in the other crates.

mod check;
mod cli;
#[cfg(feature = "cluster")]
mod cluster;
mod data_dir;
mod demo;
mod files;
mod priority;
mod process;
mod serve;

use std::process::ExitCode;

use clap::Parser;
use cli::{Cli, KeyAct, Part};
use firstcome_shared::telemetry::LogTo;

/// A rush allocates a few small things a request, on many threads.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// A broken promise, or a difference between stores.
const BROKEN: u8 = 1;
/// It could not be done.
const FAILED: u8 = 2;

fn main() -> ExitCode {
    let cli = Cli::parse();
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return failed(&error.into()),
    };
    let outcome = runtime.block_on(run(cli));
    // What still runs has been told to stop and has had its time.
    runtime.shutdown_background();
    match outcome {
        Ok(code) => code,
        Err(error) => failed(&error),
    }
}

/// What it did has its own exit code; an error means that it could not be done.
async fn run(cli: Cli) -> anyhow::Result<ExitCode> {
    match cli.part.unwrap_or(Part::Serve(cli.serve)) {
        Part::Serve(args) => serve::run(args, &cli.log).await.map(|()| ExitCode::SUCCESS),
        #[cfg(feature = "cluster")]
        Part::Command(args) => {
            let start = Box::pin(cluster::command::start(args));
            serve::run_part(start, &cli.log).await.map(|()| ExitCode::SUCCESS)
        }
        #[cfg(feature = "cluster")]
        Part::Query(args) => {
            let start = Box::pin(cluster::query::start(args));
            serve::run_part(start, &cli.log).await.map(|()| ExitCode::SUCCESS)
        }
        #[cfg(not(feature = "cluster"))]
        Part::Command(_) | Part::Query(_) => Err(lacks_cluster()),
        Part::Console(args) => {
            firstcome_console::run(args).await?;
            Ok(ExitCode::SUCCESS)
        }
        Part::Demo(args) => demo::run(args, &cli.log).await.map(held),
        Part::Bench(args) => {
            cli.log.begin(&LogTo::Stderr)?;
            let json = args.json;
            let report = firstcome_bench::run(args).await?;
            print(json, &report)?;
            Ok(held(report.ok()))
        }
        Part::Verify(args) => {
            cli.log.begin(&LogTo::Stderr)?;
            let json = args.json;
            let report = firstcome_bench::verify(args).await?;
            print(json, &report)?;
            Ok(held(report.ok()))
        }
        Part::Check(args) => check::run(args).await,
        Part::Key(args) => {
            let KeyAct::New { role, name } = args.act;
            let key =
                firstcome_shared::auth::ApiKeys::generate(name.as_deref().unwrap_or(role.as_str()), role)?;
            println!("{}", key.key);
            eprintln!(
                "\nGive this entry to the service, in {}:\n{}",
                firstcome_shared::config::API_KEYS,
                key.entry
            );
            Ok(ExitCode::SUCCESS)
        }
    }
}

/// Whether what it looked at holds.
fn held(holds: bool) -> ExitCode {
    if holds { ExitCode::SUCCESS } else { ExitCode::from(BROKEN) }
}

#[cfg(not(feature = "cluster"))]
fn lacks_cluster() -> anyhow::Error {
    anyhow::anyhow!(
        "this build lacks the drivers of Redis, NATS, PostgreSQL and MongoDB: build with `cargo build --release \
         --features cluster`"
    )
}

fn print(json: bool, report: &(impl serde::Serialize + std::fmt::Display)) -> anyhow::Result<()> {
    if json {
        println!("{}", serde_json::to_string_pretty(report)?);
    } else {
        println!("{report}");
    }
    Ok(())
}

fn failed(error: &anyhow::Error) -> ExitCode {
    eprintln!("firstcome: {error:#}");
    ExitCode::from(FAILED)
}
