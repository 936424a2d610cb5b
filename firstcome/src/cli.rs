//! The command line. Every flag is an environment variable as well.

use std::path::PathBuf;

use clap::builder::RangedU64ValueParser;
use clap::{Args, Parser, Subcommand};
use firstcome_bench::{BenchArgs, VerifyArgs};
use firstcome_console::ConsoleArgs;
use firstcome_shared::auth::Role;
use firstcome_shared::config;

/// First come, first served, exactly.
#[derive(Debug, Parser)]
#[command(name = "firstcome", version, about, args_conflicts_with_subcommands = true)]
pub struct Cli {
    #[command(subcommand)]
    pub part: Option<Part>,

    #[command(flatten)]
    pub serve: ServeArgs,

    /// What is logged: a tracing filter such as `info` or `info,firstcome_command=debug`
    #[arg(long, global = true, env = config::LOG, default_value = "info")]
    pub log: String,
}

#[derive(Debug, Subcommand)]
pub enum Part {
    /// Run the whole system in this process, on files (the default)
    Serve(ServeArgs),
    /// Open the operator's console on a running system
    Console(ConsoleArgs),
    /// See a rush: start a system in a temporary folder, send people, audit what they were told
    Demo(DemoArgs),
    /// Put load on a running system and audit the answers
    Bench(BenchArgs),
    /// Compare gate, log, ledger and read model of a running system, coupon by coupon
    Verify(VerifyArgs),
    /// Make API keys
    Key(KeyArgs),
}

#[derive(Clone, Debug, Args)]
pub struct ServeArgs {
    /// Where the files are
    #[arg(long, env = config::DATA_DIR, default_value = "firstcome-data")]
    pub data_dir: PathBuf,

    /// Where to listen; port 0 takes a free one
    #[arg(long, env = config::ADDR, default_value = "127.0.0.1:8080")]
    pub addr: String,

    /// API keys, each name:role:sha256-of-key, separated by commas; without any, loopback only
    #[arg(long, env = config::API_KEYS, hide_env_values = true, default_value = "")]
    pub api_keys: String,

    /// Secret of at least 32 characters that coupon codes are made from; without it one is kept in the data folder
    #[arg(long, env = config::CODE_SECRET, hide_env_values = true)]
    pub code_secret: Option<String>,

    /// People that may wait in one campaign's queue before others are told busy
    #[arg(long, env = config::QUEUE, default_value_t = firstcome_command::service::QUEUE,
        value_parser = RangedU64ValueParser::<usize>::new().range(1..=1_000_000))]
    pub queue: usize,

    /// Never open the console, log to stderr
    #[arg(long)]
    pub headless: bool,

    /// Let the console act: pause, resume, add stock, cancel
    #[arg(long)]
    pub operator: bool,
}

#[derive(Clone, Debug, Args)]
pub struct DemoArgs {
    /// Coupons
    #[arg(long, default_value_t = 10_000)]
    pub stock: u64,

    /// People who want one
    #[arg(long, default_value_t = 30_000)]
    pub people: u64,

    /// No countdown, no pacing, no console: as fast as it goes
    #[arg(long)]
    pub fast: bool,

    /// Print the audit as JSON
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub struct KeyArgs {
    #[command(subcommand)]
    pub act: KeyAct,
}

#[derive(Debug, Subcommand)]
pub enum KeyAct {
    /// Make a key: the key goes to stdout, the service's entry for it to stderr
    New {
        /// operator, issuer or reader
        #[arg(long)]
        role: Role,
        /// Who will use it: the actor of what is done with it
        #[arg(long)]
        name: Option<String>,
    },
}
