//! `firstcome demo`: the real system in a temporary folder, a real rush over HTTP, and the audit of what every person
//! was told. On a terminal the rush is paced and the console shows it live; else, or with `--fast`, it goes as fast as
//! it can.

use std::io::IsTerminal as _;
use std::time::Duration;

use anyhow::{Context as _, bail};
use firstcome_bench::{Api, Pace, Progress, Rush, Target, Terms, audit};
use firstcome_console::ConsoleArgs;
use firstcome_shared::auth::ApiKeys;
use firstcome_shared::clock::{Clock, SystemClock};
use firstcome_shared::telemetry::LogTo;
use firstcome_shared::wire::{CouponTerms, CreateCampaign, LimitPer, Time};
use tokio::sync::watch;

use crate::cli::{DemoArgs, LoggingArgs};
use crate::data_dir::DataDir;
use crate::files::{self, Settings};
use crate::serve::Signals;

const CAMPAIGN: &str = "demo";
const COUNTDOWN_SECONDS: i64 = 5;
const RAMP: Duration = Duration::from_secs(20);
/// One person in so many clicks twice.
const DOUBLE_CLICKS: u32 = 20;

/// Runs the demo; false when a promise was broken.
pub async fn run(args: DemoArgs, logging: &LoggingArgs) -> anyhow::Result<bool> {
    let people = u32::try_from(args.people).context("--people is too large")?;
    if args.stock == 0 || people == 0 {
        bail!("--stock and --people must be at least 1");
    }
    let temporary = Temporary::make()?;
    let folder = DataDir::open(&temporary.0)?;
    let live = !args.fast && !args.json && std::io::stdout().is_terminal() && std::io::stdin().is_terminal();
    let log = if live { LogTo::File(folder.log_for_people()) } else { LogTo::Stderr };
    logging.begin(&log)?;
    let mut signals = Signals::new()?;
    let settings = Settings {
        folder,
        addr: "127.0.0.1:0".to_owned(),
        keys: ApiKeys::none(),
        code_secret: None,
        queue: firstcome_command::service::QUEUE,
    };
    let process = files::start(settings).await?;
    let played = tokio::select! {
        played = play(&process.url, args.stock, people, live) => played,
        () = signals.next() => Err(anyhow::anyhow!("interrupted")),
        name = process.lifecycle.death() => Err(anyhow::anyhow!("the task {name:?} died")),
    };
    process.stop().await?;
    let report = played?;
    crate::print(args.json, &report)?;
    Ok(report.ok())
}

async fn play(
    url: &str,
    stock: u64,
    people: u32,
    live: bool,
) -> anyhow::Result<firstcome_bench::AuditReport> {
    let target = Target::new(&[url.to_owned()], None)?;
    let api = Api::new(&target)?;
    let now = SystemClock.now();
    let opens_at = if live { now.plus(COUNTDOWN_SECONDS * 1_000) } else { now };
    let request = CreateCampaign {
        id: CAMPAIGN.to_owned(),
        name: Some("The firstcome demo".to_owned()),
        opens_at: Some(Time(opens_at)),
        closes_at: Some(Time(now.plus(3_600_000))),
        stock: Some(stock),
        windows: None,
        daily: None,
        per_user_limit: None,
        limit_per: LimitPer::Campaign,
        coupon: CouponTerms {
            percent_off: Some(50),
            valid_for: Some("P30D".to_owned()),
            ..CouponTerms::default()
        },
        waiting_room: None,
    };
    api.create(&request).await?;
    let pace = if live { Pace::Ramp(RAMP) } else { Pace::AtOnce };
    let rush = Rush::new(&target, CAMPAIGN, people).double_click_every(DOUBLE_CLICKS).pace(pace);
    let (tell, progress) = watch::channel(Progress::default());
    // At once when the rush is over, also while the console is still open: it tells how long the projections took.
    let audited = async move {
        let answers = rush.run(Some(tell)).await?;
        audit(&api, &answers, Terms::one_each(stock)).await
    };
    let audited = tokio::spawn(audited);
    if live {
        watch(url, progress).await?;
        if !audited.is_finished() {
            eprintln!("waiting for the last answers …");
        }
    } else {
        print_progress(progress).await;
    }
    Ok(audited.await??)
}

/// The console, until its user has seen enough.
async fn watch(url: &str, mut progress: watch::Receiver<Progress>) -> anyhow::Result<()> {
    let (say, banner) = watch::channel(None);
    tokio::spawn(async move {
        while progress.changed().await.is_ok() {
            let line = progress.borrow_and_update().to_string();
            say.send_replace(Some(line));
        }
        say.send_replace(Some("the rush is over: press q for the audit".to_owned()));
        // The line stays as long as the console does.
        say.closed().await;
    });
    let screen = ConsoleArgs {
        campaign: Some(CAMPAIGN.to_owned()),
        banner: Some(banner),
        ..ConsoleArgs::for_server(url.to_owned())
    };
    Ok(firstcome_console::run(screen).await?)
}

async fn print_progress(mut progress: watch::Receiver<Progress>) {
    let mut last = std::time::Instant::now();
    while progress.changed().await.is_ok() {
        if last.elapsed() >= Duration::from_secs(1) {
            last = std::time::Instant::now();
            eprintln!("{}", *progress.borrow_and_update());
        }
    }
}

/// A folder that is gone with the demo.
struct Temporary(std::path::PathBuf);

impl Temporary {
    fn make() -> anyhow::Result<Self> {
        let name = format!("firstcome-demo-{}", firstcome_shared::clock::random_hex::<6>());
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir(&path).with_context(|| format!("cannot make {}", path.display()))?;
        Ok(Self(path))
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
