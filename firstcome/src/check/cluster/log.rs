//! NATS JetStream: an append that is acknowledged must be on disks, on as many as was wanted, and nothing may ever
//! expire. How often a server flushes is seen only where it is monitored.

use async_nats::jetstream::stream::{Info, Stream};
use async_nats::{ConnectOptions, jetstream};
use firstcome_shared::clock::{Clock as _, SystemClock};
use firstcome_shared::config;
use firstcome_shared::domain::CodeSecret;
use firstcome_shared::event_log::jetstream::{Flush, JetStreamLog, OpenError, Settings, monitored};
use tokio::time::timeout;

use super::{address, away};
use crate::check::PATIENCE;
use crate::check::report::{Place, Report};
use crate::cli::ClusterArgs;
use crate::cluster::log_settings;

/// The servers' usual port for monitoring.
const MONITOR_PORT: u16 = 8222;

/// Looks at the servers, at the log on them, and whether its campaigns were made with this secret.
pub async fn check(urls: &str, args: &ClusterArgs, secret: Option<&CodeSecret>, report: &mut Report) {
    let settings = log_settings(urls, args.log_replicas, args.log_partitions);
    let mut place = Place::new("log", address(urls));
    // Several questions, one after the other.
    let looked = match timeout(PATIENCE * 3, servers(&mut place, &settings, secret)).await {
        Ok(looked) => looked.map_err(|error| error.to_string()),
        Err(_) => Err("no answer".to_owned()),
    };
    if let Err(error) = looked {
        away(&mut place, &error);
    }
    report.add(place);
    for monitor in monitors(urls, &args.nats_monitor_url) {
        let mut place = Place::new("log", address(&monitor));
        monitoring(&mut place, &monitor).await;
        report.add(place);
    }
}

async fn servers(
    place: &mut Place,
    settings: &Settings,
    secret: Option<&CodeSecret>,
) -> Result<(), async_nats::Error> {
    let options = ConnectOptions::new().connection_timeout(PATIENCE).request_timeout(Some(PATIENCE));
    let servers: Vec<&str> = settings.url.split(',').map(str::trim).collect();
    let client = options.connect(servers).await?;
    let info = client.server_info();
    let (name, alone) = (format!("NATS {}", info.version), info.cluster.is_none());
    if !info.jetstream {
        place.wrong("answers", name, "turn JetStream on");
        return Ok(());
    }
    place.ok("answers", name);
    if alone && settings.replicas > 1 {
        let found = format!("1 server, but {} says {}", config::LOG_REPLICAS, settings.replicas);
        place.wrong("replicas", found, "make it one of a cluster of servers");
    }
    let mut streams = jetstream::new(client);
    streams.set_timeout(PATIENCE);
    // Not opened where there is none: that would make it.
    match streams.get_stream(&settings.name).await {
        Ok(stream) => the_log(place, &stream, settings, secret).await,
        Err(error) if is_missing(&error) => place.ok("stream", "is made at the first start"),
        Err(error) => place.unknown("stream", error.to_string(), "look at the servers' own log"),
    }
    Ok(())
}

fn is_missing(error: &jetstream::context::GetStreamError) -> bool {
    use jetstream::ErrorCode;
    use jetstream::context::GetStreamErrorKind;
    matches!(error.kind(), GetStreamErrorKind::JetStream(error) if error.error_code() == ErrorCode::STREAM_NOT_FOUND)
}

async fn the_log(place: &mut Place, stream: &Stream, settings: &Settings, secret: Option<&CodeSecret>) {
    copies(place, stream.cached_info(), settings.replicas);
    let log = match JetStreamLog::open(settings).await {
        Ok(log) => log,
        Err(OpenError::Unfit(why)) => {
            place.wrong("stream", why, format!("`nats stream edit {}`: see its help", settings.name));
            return;
        }
        Err(error) => {
            place.unknown("stream", error.to_string(), "look at the servers' own log");
            return;
        }
    };
    place.ok("stream", "keeps what it is given");
    let Some(secret) = secret else { return };
    match firstcome_command::service::made_with_another_secret(&log, secret.key_id()).await {
        Ok(None) => place.ok("code secret", "made the codes of every campaign"),
        Ok(Some(campaign)) => place.wrong(
            "code secret",
            format!("did not make the codes of {campaign}"),
            "give the one that made them: no instance starts with another",
        ),
        Err(error) => place.unknown("code secret", error.to_string(), "look again when the log answers"),
    }
}

fn copies(place: &mut Place, info: &Info, wanted: usize) {
    let copies = info.config.num_replicas;
    if copies < wanted {
        place.wrong(
            "replicas",
            format!("{copies}, but {} says {wanted}", config::LOG_REPLICAS),
            format!("`nats stream edit {} --replicas {wanted}`", info.config.name),
        );
    } else if copies == 1 {
        place.warn("replicas", "1", "what one disk loses is lost: three servers keep three copies");
    } else {
        place.ok("replicas", copies.to_string());
    }
    let peers = info.cluster.iter().flat_map(|cluster| &cluster.replicas);
    let behind: Vec<&str> =
        peers.filter(|peer| peer.offline || !peer.current).map(|peer| peer.name.as_str()).collect();
    if !behind.is_empty() {
        place.wrong("copies", format!("behind or away: {}", behind.join(", ")), "mend these servers");
    }
}

async fn monitoring(place: &mut Place, monitor: &str) {
    let asked = SystemClock.now();
    let told = match monitored(monitor).await {
        Ok(told) => told,
        Err(error) => {
            let remedy = format!(
                "start the server with -m {MONITOR_PORT}, and name its monitoring in {}",
                config::NATS_MONITOR_URL
            );
            place.unknown("sync_interval", error.to_string(), remedy);
            return;
        }
    };
    let found = match told.flush {
        Flush::Always => "always".to_owned(),
        Flush::Every(interval) => format!("every {} s", interval.as_secs()),
    };
    place.demand("sync_interval", &found, "always", "else a power cut takes back what people were told");
    // It says when a message was stored, by which lag is told in seconds; no decision rests on it.
    place.clock(told.now.0, asked, SystemClock.now(), 0, false);
}

/// The addresses that were named, else the usual port of each server.
fn monitors(urls: &str, named: &[String]) -> Vec<String> {
    let named: Vec<String> = named.iter().filter(|url| !url.is_empty()).cloned().collect();
    if !named.is_empty() {
        return named;
    }
    let usual = |server: &str| {
        let host = server.rsplit_once(':').map_or(server, |(host, _)| host);
        format!("http://{host}:{MONITOR_PORT}")
    };
    address(urls).split(',').map(usual).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_server_is_monitored_at_its_usual_port_unless_it_is_named() {
        let urls = "nats://u:p@a:4222, nats://b:4223/";
        assert_eq!(monitors(urls, &[]), ["http://a:8222", "http://b:8222"]);
        assert_eq!(monitors(urls, &["http://c:1".to_owned()]), ["http://c:1"]);
    }
}
