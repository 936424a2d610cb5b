//! `firstcome check`: is this fit for tonight? It looks at what the promises rest on and nobody sees until it matters
//! (server settings, flush, copies, clocks, secret, keys), and at what opens when. It changes nothing.

#[cfg(feature = "cluster")]
mod cluster;
mod folder;
mod given;
mod report;
mod services;

use std::process::ExitCode;
use std::time::Duration;

use crate::cli::CheckArgs;
use report::Report;

/// How long whatever is asked may take to answer.
const PATIENCE: Duration = Duration::from_secs(3);

/// Checks the cluster whose parts are named, else the folder of a single process; then the running services.
pub async fn run(args: CheckArgs) -> anyhow::Result<ExitCode> {
    if args.ready {
        return services::ready(&args.server).await;
    }
    let mut report = Report::default();
    if names_a_cluster(&args) {
        #[cfg(not(feature = "cluster"))]
        return Err(crate::lacks_cluster());
        #[cfg(feature = "cluster")]
        cluster::check(&args, &mut report).await;
    } else {
        folder::check(&args, &mut report).await;
    }
    services::check(&args, &mut report).await?;
    crate::print(args.json, &report)?;
    Ok(report.code())
}

fn names_a_cluster(args: &CheckArgs) -> bool {
    let named = &args.cluster;
    [&named.redis_url, &named.nats_url, &named.postgres_url, &named.mongo_url]
        .into_iter()
        .any(Option::is_some)
}
