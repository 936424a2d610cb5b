//! The parts of a cluster that are named, each asked itself: what a driver does not need to know may be set wrong for
//! months, and is noticed in the minute that it matters.

mod gate;
mod ledger;
mod log;
mod read_model;

use super::given;
use super::report::{Place, Report};
use crate::cli::{CheckArgs, ClusterArgs};

/// Looks at every part that is named, and at what its services are given.
pub async fn check(args: &CheckArgs, report: &mut Report) {
    let ClusterArgs { redis_url, nats_url, postgres_url, mongo_url, .. } = &args.cluster;
    let mut place = Place::new("services", "");
    given::keys(&mut place, &args.api_keys, true);
    // The read side makes no codes.
    let decides = redis_url.is_some() || postgres_url.is_some();
    let secret = decides.then(|| given::secret(&mut place, args.code_secret.as_deref())).flatten();
    report.add(place);

    if let Some(url) = redis_url {
        gate::check(url, report).await;
    }
    if let Some(url) = nats_url {
        log::check(url, &args.cluster, secret.as_ref(), report).await;
    }
    if let Some(url) = postgres_url {
        ledger::check(url, report).await;
    }
    if let Some(url) = mongo_url {
        read_model::check(url, report).await;
    }
}

/// A server that does not answer, or whose address is not one: nothing else can be told of it.
fn away(place: &mut Place, error: &dyn std::fmt::Display) {
    place.unknown("answers", error.to_string(), "start it, or mend its address");
}

/// Hosts and ports, without what may be secret.
fn address(urls: &str) -> String {
    let one = |url: &str| {
        let rest = url.trim().split_once("://").map_or(url.trim(), |(_, rest)| rest);
        let address = rest.rsplit_once('@').map_or(rest, |(_, address)| address);
        address.split('/').next().unwrap_or_default().to_owned()
    };
    urls.split(',').map(one).collect::<Vec<_>>().join(",")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_address_shows_a_password() {
        assert_eq!(address("nats://u:p@a:4222, nats://b:4223/"), "a:4222,b:4223");
        assert_eq!(address("redis://:p@10.0.0.1:7000/0"), "10.0.0.1:7000");
        assert_eq!(address("c:1"), "c:1");
    }
}
