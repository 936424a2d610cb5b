//! The command line. Every flag is an environment variable as well.

use std::path::PathBuf;

use clap::builder::RangedU64ValueParser;
use clap::{Args, Parser, Subcommand};
use firstcome_bench::{BenchArgs, VerifyArgs};
use firstcome_console::ConsoleArgs;
use firstcome_shared::auth::Role;
use firstcome_shared::config;
use firstcome_shared::telemetry::{LogFormat, LogTo, install_tracing};

/// First come, first served, exactly.
#[derive(Debug, Parser)]
#[command(name = "firstcome", version, about, args_conflicts_with_subcommands = true)]
pub struct Cli {
    #[command(subcommand)]
    pub part: Option<Part>,

    #[command(flatten)]
    pub serve: ServeArgs,

    #[command(flatten)]
    pub log: LoggingArgs,
}

/// The log for people.
#[derive(Clone, Debug, Args)]
pub struct LoggingArgs {
    /// What is logged: a tracing filter such as `info` or `info,firstcome_command=debug`
    #[arg(long = "log", global = true, env = config::LOG, value_name = "FILTER", default_value = "info")]
    filter: String,

    /// How a line of the log looks: text, or json with one object a line
    #[arg(long = "log-format", global = true, env = config::LOG_FORMAT, default_value_t)]
    format: LogFormat,
}

impl LoggingArgs {
    /// Begins to log.
    pub fn begin(&self, to: &LogTo) -> anyhow::Result<()> {
        Ok(install_tracing(to, self.format, &self.filter)?)
    }
}

#[derive(Debug, Subcommand)]
pub enum Part {
    /// Run the whole system in this process, on files (the default)
    Serve(ServeArgs),
    /// Run the write side of a cluster: on Redis, NATS JetStream and `PostgreSQL`
    Command(CommandArgs),
    /// Run the read side of a cluster: on NATS JetStream and `MongoDB`
    Query(QueryArgs),
    /// Open the operator's console on a running system
    Console(ConsoleArgs),
    /// See a rush: start a system in a temporary folder, send people, audit what they were told
    Demo(DemoArgs),
    /// Put load on a running system and audit the answers
    Bench(BenchArgs),
    /// Compare gate, log, ledger and read model of a running system, coupon by coupon
    Verify(VerifyArgs),
    /// Look whether everything is fit for an event: settings, clocks, secret, keys, what opens when
    Check(CheckArgs),
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

/// The log of a cluster.
#[derive(Clone, Debug, Args)]
pub struct LogArgs {
    /// NATS servers, separated by commas
    #[arg(long, env = config::NATS_URL, hide_env_values = true, default_value = "nats://127.0.0.1:4222")]
    pub nats_url: String,

    /// Copies of every message of the log: 1, 3 or 5
    #[arg(long, env = config::LOG_REPLICAS, default_value_t = 1, value_parser = replicas)]
    pub log_replicas: usize,

    /// Partitions of the log: set when it is made, never changed
    #[arg(long, env = config::LOG_PARTITIONS, default_value_t = 1,
        value_parser = clap::value_parser!(u32).range(1..=64))]
    pub log_partitions: u32,
}

#[derive(Clone, Debug, Args)]
pub struct CommandArgs {
    /// Where to listen; port 0 takes a free one
    #[arg(long, env = config::ADDR, default_value = "127.0.0.1:8080")]
    pub addr: String,

    /// API keys, each name:role:sha256-of-key, separated by commas; without any, loopback only
    #[arg(long, env = config::API_KEYS, hide_env_values = true, default_value = "")]
    pub api_keys: String,

    /// Secret of at least 32 characters that coupon codes are made from, the same for every instance; required
    #[arg(long, env = config::CODE_SECRET, hide_env_values = true)]
    pub code_secret: Option<String>,

    /// People that may wait in one campaign's queue before others are told busy
    #[arg(long, env = config::QUEUE, default_value_t = firstcome_command::service::QUEUE,
        value_parser = RangedU64ValueParser::<usize>::new().range(1..=1_000_000))]
    pub queue: usize,

    /// Redis: one server, or nodes of a Redis Cluster separated by commas
    #[arg(long, env = config::REDIS_URL, hide_env_values = true, default_value = "redis://127.0.0.1:6379")]
    pub redis_url: String,

    #[command(flatten)]
    pub log: LogArgs,

    /// `PostgreSQL`, with the database's name
    #[arg(long, env = config::POSTGRES_URL, hide_env_values = true,
        default_value = "postgres://postgres@127.0.0.1:5432/firstcome")]
    pub postgres_url: String,

    /// Most coupons a second that the ledger is given, so that others who use the database are not crowded out; 0: no
    /// limit
    #[arg(long, env = config::LEDGER_RATE, default_value_t = 0)]
    pub ledger_rate: u64,
}

#[derive(Clone, Debug, Args)]
pub struct QueryArgs {
    /// Where to listen; port 0 takes a free one
    #[arg(long, env = config::ADDR, default_value = "127.0.0.1:8081")]
    pub addr: String,

    /// API keys, each name:role:sha256-of-key, separated by commas; without any, loopback only
    #[arg(long, env = config::API_KEYS, hide_env_values = true, default_value = "")]
    pub api_keys: String,

    #[command(flatten)]
    pub log: LogArgs,

    /// `MongoDB`, with the database's name
    #[arg(long, env = config::MONGO_URL, hide_env_values = true,
        default_value = "mongodb://127.0.0.1:27017/firstcome")]
    pub mongo_url: String,
}

/// `firstcome check`: a folder, or the parts of a cluster that are named.
#[derive(Clone, Debug, Args)]
pub struct CheckArgs {
    /// Only ask whether the servers are ready, for a container's health check
    #[arg(long)]
    pub ready: bool,

    /// Running services to ask, separated by commas; those of both sides in a cluster
    #[arg(long, env = config::SERVER, value_name = "URL", value_delimiter = ',',
        default_value = "http://127.0.0.1:8080")]
    pub server: Vec<String>,

    /// Key of any role to ask with what opens when
    #[arg(long, env = config::API_KEY, hide_env_values = true, value_name = "KEY")]
    pub api_key: Option<String>,

    /// Print the report as JSON
    #[arg(long)]
    pub json: bool,

    /// The folder to check, when no part of a cluster is named
    #[arg(long, env = config::DATA_DIR, default_value = "firstcome-data")]
    pub data_dir: PathBuf,

    /// Where that process listens, or would
    #[arg(long, env = config::ADDR, default_value = "127.0.0.1:8080")]
    pub addr: String,

    /// The API keys that the services are given
    #[arg(long, env = config::API_KEYS, hide_env_values = true, default_value = "")]
    pub api_keys: String,

    /// The secret that the services are given
    #[arg(long, env = config::CODE_SECRET, hide_env_values = true)]
    pub code_secret: Option<String>,

    #[command(flatten)]
    pub cluster: ClusterArgs,
}

/// The parts of a cluster to check: those that are named.
#[derive(Clone, Debug, Args)]
pub struct ClusterArgs {
    /// Redis to check
    #[arg(long, env = config::REDIS_URL, hide_env_values = true)]
    pub redis_url: Option<String>,

    /// NATS to check
    #[arg(long, env = config::NATS_URL, hide_env_values = true)]
    pub nats_url: Option<String>,

    /// Where the NATS servers are monitored, separated by commas: only there the flush interval can be seen. Absent:
    /// port 8222 of each NATS server
    #[arg(long, env = config::NATS_MONITOR_URL, value_name = "URL", value_delimiter = ',')]
    pub nats_monitor_url: Vec<String>,

    /// Copies of every message that the log should have
    #[arg(long, env = config::LOG_REPLICAS, default_value_t = 1, value_parser = replicas)]
    pub log_replicas: usize,

    /// Partitions that the log should have
    #[arg(long, env = config::LOG_PARTITIONS, default_value_t = 1,
        value_parser = clap::value_parser!(u32).range(1..=64))]
    pub log_partitions: u32,

    /// `PostgreSQL` to check
    #[arg(long, env = config::POSTGRES_URL, hide_env_values = true)]
    pub postgres_url: Option<String>,

    /// `MongoDB` to check
    #[arg(long, env = config::MONGO_URL, hide_env_values = true)]
    pub mongo_url: Option<String>,
}

/// A majority needs an odd number.
fn replicas(text: &str) -> Result<usize, String> {
    match text {
        "1" => Ok(1),
        "3" => Ok(3),
        "5" => Ok(5),
        _ => Err("expected 1, 3 or 5".to_owned()),
    }
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
