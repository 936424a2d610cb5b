//! Redis: every node of it. What makes a gate forget in silence is wrong (ARCHITECTURE G11).

use firstcome_command::gate::redis::{NO_EVICTION, NodeSettings, RedisGate};
use firstcome_shared::clock::{Clock as _, SystemClock};
use tokio::time::timeout;

use super::{address, away};
use crate::check::PATIENCE;
use crate::check::report::{Place, Report};

/// Looks at every server.
pub async fn check(urls: &str, report: &mut Report) {
    let asked = SystemClock.now();
    let told = match timeout(PATIENCE, RedisGate::settings_at(urls)).await {
        Ok(told) => told.map_err(|error| error.to_string()),
        Err(_) => Err("no answer".to_owned()),
    };
    match told {
        Ok(nodes) => {
            for node in nodes {
                let mut place = Place::new("gate", node.address.clone());
                settings(&mut place, &node);
                place.clock(node.now, asked, SystemClock.now(), 0, true);
                report.add(place);
            }
        }
        Err(error) => {
            let mut place = Place::new("gate", address(urls));
            away(&mut place, &error);
            report.add(place);
        }
    }
}

fn settings(place: &mut Place, node: &NodeSettings) {
    place.demand(
        "maxmemory-policy",
        &node.eviction,
        NO_EVICTION,
        "an evicted holder would be given a second coupon",
    );
    place.demand(
        "appendonly",
        if node.append_only { "yes" } else { "no" },
        "yes",
        "else a restart forgets everything, and every campaign is rebuilt",
    );
    place.demand(
        "repl-backlog-ttl",
        &node.backlog_ttl.to_string(),
        "0",
        "else a healthy master changes its replication id, and every campaign is rebuilt",
    );
}
