//! First come, first served, exactly: the one binary. It reads the command line and hands over; what it starts lives
//! in the other crates.

mod cli;
mod data_dir;
mod demo;
mod priority;
mod process;
mod serve;

use std::process::ExitCode;

use clap::Parser;
use cli::{Cli, KeyAct, Part};
use firstcome_shared::telemetry::{LogTo, install_tracing};

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
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(BROKEN),
        Err(error) => failed(&error),
    }
}

/// `Ok(false)`: it ran, and what it checked does not hold.
async fn run(cli: Cli) -> anyhow::Result<bool> {
    match cli.part.unwrap_or(Part::Serve(cli.serve)) {
        Part::Serve(args) => serve::run(args, &cli.log).await.map(|()| true),
        Part::Console(args) => {
            firstcome_console::run(args).await?;
            Ok(true)
        }
        Part::Demo(args) => demo::run(args, &cli.log).await,
        Part::Bench(args) => {
            log_to_stderr(&cli.log)?;
            let json = args.json;
            let report = firstcome_bench::run(args).await?;
            print(json, &report)?;
            Ok(report.ok())
        }
        Part::Verify(args) => {
            log_to_stderr(&cli.log)?;
            let json = args.json;
            let report = firstcome_bench::verify(args).await?;
            print(json, &report)?;
            Ok(report.ok())
        }
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
            Ok(true)
        }
    }
}

fn print(json: bool, report: &(impl serde::Serialize + std::fmt::Display)) -> anyhow::Result<()> {
    if json {
        println!("{}", serde_json::to_string_pretty(report)?);
    } else {
        println!("{report}");
    }
    Ok(())
}

fn log_to_stderr(filter: &str) -> anyhow::Result<()> {
    Ok(install_tracing(&LogTo::Stderr, false, filter)?)
}

fn failed(error: &anyhow::Error) -> ExitCode {
    eprintln!("firstcome: {error:#}");
    ExitCode::from(FAILED)
}
