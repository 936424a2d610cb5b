//! The scenarios of `firstcome bench`: what is asked of a running system, and the report about it.

mod ratio;
mod report;
mod rushes;

use std::time::Duration;

use clap::{Args, ValueEnum};
use firstcome_shared::clock::{Clock as _, SystemClock, random_hex};
use firstcome_shared::config;
use firstcome_shared::wire::{CouponTerms, CreateCampaign, LimitPer, Time};
use serde::Serialize;

pub use ratio::{PhaseRate, RatioReport, RatioRun, RatioSet};
pub use report::{Report, RunReport};

use crate::api::Api;
use crate::error::BenchError;
use crate::rush::Pace;
use crate::target::Target;

/// What is asked of the system.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Scenario {
    /// More askers than stock, everybody once; then the audit
    Rush,
    /// Everybody three times at about the same moment, over different connections; then the audit
    Duplicate,
    /// A campaign that is sold out, asked by strangers and by its holders; then the audit
    Soldout,
    /// Durable issues and refusals beside the rate of /healthz, in paired runs
    Ratio,
}

/// The arguments of `firstcome bench`.
#[derive(Args, Clone, Debug)]
pub struct BenchArgs {
    /// Servers under load, separated by commas; connections are spread over them. In a cluster those of both sides
    #[arg(long, env = config::SERVER, value_delimiter = ',', default_value = "http://127.0.0.1:8080")]
    pub server: Vec<String>,
    /// Key of an operator: every run creates campaigns of its own
    #[arg(long, env = config::API_KEY, hide_env_values = true)]
    pub api_key: Option<String>,
    /// What to do
    #[arg(long, value_enum, default_value_t = Scenario::Rush)]
    pub scenario: Scenario,
    /// Connections; several numbers for `ratio` [default: 128; ratio: 128,512]
    #[arg(long, value_delimiter = ',', value_parser = clap::value_parser!(u16).range(1..))]
    pub connections: Vec<u16>,
    /// Coupons of the campaign [default: 1000; soldout: 100]
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..))]
    pub stock: Option<u64>,
    /// People who ask [default: ten times the stock; or as --rate and --seconds give]
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..))]
    pub people: Option<u32>,
    /// Requests a second whether answered or not (open loop; latency counts from the intended time); absent: every
    /// connection asks as fast as it is answered (closed loop)
    #[arg(long)]
    pub rate: Option<f64>,
    /// Seconds for each measured span of `ratio` [default: 5]; with --rate: how long people come
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..=3600))]
    pub seconds: Option<u64>,
    /// Paired runs of `ratio`; the median is reported
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u16).range(1..))]
    pub runs: u16,
    /// Campaigns that `ratio` issues from at once
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=1000))]
    pub campaigns: u16,
    /// What the names of the campaigns begin with
    #[arg(long, default_value = "bench")]
    pub campaign: String,
    /// Print the report as JSON
    #[arg(long)]
    pub json: bool,
}

/// Runs a scenario. The report's `ok()` is false when a promise is broken; an error means that nothing could be shown.
pub async fn run(args: BenchArgs) -> Result<Report, BenchError> {
    let bench = Bench::new(args).await?;
    match bench.args.scenario {
        Scenario::Rush => bench.rush().await.map(Report::Rush),
        Scenario::Duplicate => bench.duplicate().await.map(Report::Duplicate),
        Scenario::Soldout => bench.soldout().await.map(Report::Soldout),
        Scenario::Ratio => bench.ratio().await.map(Report::Ratio),
    }
}

struct Bench {
    args: BenchArgs,
    /// The servers that issue.
    target: Target,
    /// All of them.
    api: Api,
}

impl Bench {
    async fn new(args: BenchArgs) -> Result<Self, BenchError> {
        if args.rate.is_some_and(|rate| !(rate.is_finite() && rate > 0.0)) {
            return Err(BenchError::Usage("--rate must be above 0".to_owned()));
        }
        let api = Api::new(&Target::new(&args.server, args.api_key.as_deref())?)?;
        let target = api.issuers().await?;
        Ok(Self { args, target, api })
    }

    fn connections(&self) -> usize {
        self.args.connections.first().map_or(128, |connections| usize::from(*connections))
    }

    fn pace(&self) -> Pace {
        self.args.rate.map_or(Pace::AtOnce, Pace::Rate)
    }

    fn people(&self, stock: u64) -> u32 {
        let timed = self
            .args
            .rate
            .zip(self.args.seconds)
            .map(|(rate, seconds)| Duration::from_secs(seconds).as_secs_f64() * rate);
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped to what fits")]
        let timed = timed.map(|people| people.clamp(1.0, f64::from(u32::MAX)) as u32);
        let tenfold = u32::try_from(stock.saturating_mul(10)).unwrap_or(u32::MAX);
        self.args.people.or(timed).unwrap_or(tenfold)
    }

    /// Creates a campaign that is open now, under a name of its own.
    async fn campaign(&self, stock: u64) -> Result<String, BenchError> {
        let id = format!("{}-{}", self.args.campaign, random_hex::<4>());
        let created = self.api.create(&open_campaign(&id, stock)).await?;
        tracing::info!(campaign = created.id, stock, "created");
        Ok(created.id)
    }
}

/// A campaign that opened a minute ago, so that it is open also by a server's clock that is a little behind.
fn open_campaign(id: &str, stock: u64) -> CreateCampaign {
    let now = SystemClock.now();
    CreateCampaign {
        id: id.to_owned(),
        name: None,
        opens_at: Some(Time(now.plus(-60_000))),
        closes_at: Some(Time(now.plus(24 * 3_600_000))),
        stock: Some(stock),
        windows: None,
        daily: None,
        per_user_limit: None,
        limit_per: LimitPer::Campaign,
        coupon: CouponTerms { percent_off: Some(10), ..CouponTerms::default() },
        waiting_room: None,
    }
}
