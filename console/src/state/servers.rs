//! Every server that was given, as it was last seen, and all of them as one.

use std::collections::BTreeMap;

use firstcome_shared::clock::Millis;
use firstcome_shared::position::Position;
use firstcome_shared::wire::{CampaignPipeline, Dependency, Pipeline, ProjectionView};

use super::links::{Link, Picture};
use crate::message::{Broken, Health, Metrics, Requests, Side};

/// One server as it was last seen.
#[derive(Clone, Debug, Default)]
pub(crate) struct Server {
    /// Its address, as shown.
    pub(crate) address: String,
    /// Whether it can do its work.
    pub(crate) health: Option<Health>,
    /// Its version.
    pub(crate) version: Option<String>,
    /// Promises that it found broken.
    pub(crate) broken: Vec<Broken>,
    /// How many of those fail who ask for a coupon.
    pub(crate) failing: Failing,
    /// How many of all other requests fail.
    pub(crate) others_failing: Failing,
    /// The pipeline as it sees it.
    pub(crate) pipeline: Option<Pipeline>,
    /// The read model as it sees it.
    pub(crate) lag: Option<ProjectionView>,
    /// How asking for each of these went.
    pub(crate) health_link: Link,
    pub(crate) pipeline_link: Link,
    pub(crate) lag_link: Link,
}

/// How many of a server's requests fail.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Failing {
    /// Since it started, at the last look.
    counted: Option<Requests>,
    /// Between the last two looks.
    pub(crate) requests: u64,
    pub(crate) failed: u64,
    /// For how many looks on end there were too many.
    pub(crate) looks: u32,
}

impl Failing {
    /// So few are nobody's concern.
    const LEAST: u64 = 5;

    /// A further look. Too many is what Prometheus' rule calls too many: more than one in a hundred.
    fn look(&mut self, now: Requests) {
        let before = self.counted.replace(now).unwrap_or(now);
        // A counter that fell is one of a server that was started anew.
        self.requests = now.all.checked_sub(before.all).unwrap_or(now.all);
        self.failed = now.failed.checked_sub(before.failed).unwrap_or(now.failed);
        let too_many = self.failed >= Self::LEAST && self.failed.saturating_mul(100) > self.requests;
        self.looks = if too_many { self.looks.saturating_add(1) } else { 0 };
    }
}

impl Server {
    /// Takes in what its metrics say.
    pub(crate) fn measured(&mut self, metrics: Metrics) {
        self.failing.look(metrics.asks);
        self.others_failing.look(metrics.others);
        (self.version, self.broken) = (metrics.version, metrics.broken);
    }

    /// It has this half; none: nobody could ask yet.
    pub(crate) fn has(&self, side: Side) -> Option<bool> {
        match side {
            Side::Command => self.pipeline_link.is_there(),
            Side::Query => self.lag_link.is_there(),
        }
    }

    /// Which halves it has, in a word.
    pub(crate) fn halves(&self) -> &'static str {
        match (self.has(Side::Command), self.has(Side::Query)) {
            (Some(true), Some(true)) => "both",
            (Some(true), _) => "command",
            (_, Some(true)) => "query",
            _ => "?",
        }
    }

    /// How old what is known of it is.
    pub(crate) fn picture(&self, now: Millis) -> Picture {
        self.health_link.picture(now)
    }

    /// Requests that wait in it.
    pub(crate) fn queued(&self) -> Option<u64> {
        self.pipeline.as_ref().map(|pipeline| pipeline.campaigns.iter().map(|lane| lane.queued).sum())
    }
}

/// All servers.
#[derive(Clone, Debug, Default)]
pub(crate) struct Servers(Vec<Server>);

impl Servers {
    /// Servers at these addresses, of which nothing is known.
    pub(crate) fn new(addresses: &[String]) -> Self {
        let bare = |url: &String| url.trim_start_matches("http://").trim_end_matches('/').to_owned();
        let server = |url| Server { address: bare(url), ..Server::default() };
        Self(addresses.iter().map(server).collect())
    }

    /// All of them.
    pub(crate) fn all(&self) -> &[Server] {
        &self.0
    }

    /// One of them.
    pub(crate) fn get_mut(&mut self, at: usize) -> Option<&mut Server> {
        self.0.get_mut(at)
    }

    /// Their addresses in one line.
    pub(crate) fn addresses(&self) -> String {
        self.0.iter().map(|server| server.address.as_str()).collect::<Vec<_>>().join(", ")
    }

    /// How old the picture of all pipelines is: as old as that of the server which knows best.
    pub(crate) fn pipeline_picture(&self, now: Millis) -> Picture {
        Picture::best(self.0.iter().map(|server| &server.pipeline_link), now)
    }

    /// The same of the read model.
    pub(crate) fn lag_picture(&self, now: Millis) -> Picture {
        Picture::best(self.0.iter().map(|server| &server.lag_link), now)
    }

    /// All pipelines as one. What servers share is told by whoever has seen most of it; queues are each server's own
    /// and are summed up. A server that does not answer counts only while no other does.
    pub(crate) fn pipeline(&self, now: Millis) -> Option<Pipeline> {
        let known = || self.0.iter().filter_map(|server| Some((server, server.pipeline.as_ref()?)));
        let live = || known().filter(|(server, _)| server.pipeline_link.picture(now).is_live());
        let seen: Vec<_> = if live().next().is_some() { live().collect() } else { known().collect() };
        let several = seen.len() > 1;
        let mut whole: Option<Pipeline> = None;
        for &(server, pipeline) in &seen {
            match &mut whole {
                None => {
                    let mut first = pipeline.clone();
                    first.campaigns.sort_by(|a, b| a.campaign_id.cmp(&b.campaign_id));
                    if several {
                        name_details(&mut first.dependencies, &server.address);
                        name_forgot(&mut first.campaigns, &server.address);
                    }
                    whole = Some(first);
                }
                Some(whole) => join(whole, pipeline, &server.address),
            }
        }
        whole.map(|mut whole| {
            if several {
                let open = |lane: &CampaignPipeline| lane.decision.saturating_sub(lane.logged);
                whole.outbox_depth = whole.campaigns.iter().map(open).sum();
                let oldest = oldest(&seen);
                for lane in &mut whole.campaigns {
                    lane.oldest_ms = oldest.get(lane.campaign_id.as_str()).map_or(0, |(_, age)| *age);
                }
                whole.outbox_oldest_ms = whole.campaigns.iter().map(|lane| lane.oldest_ms).max().unwrap_or(0);
            }
            whole
        })
    }

    /// Whether a server that answers reaches what it depends on by that name.
    pub(crate) fn somebody_reaches(&self, dependency: &str, now: Millis) -> bool {
        let live = self.0.iter().filter(|server| server.pipeline_link.picture(now).is_live());
        let known = live.filter_map(|server| server.pipeline.as_ref());
        known.flat_map(|pipeline| &pipeline.dependencies).any(|known| known.name == dependency && known.up)
    }

    /// Whether a server that answers serves the campaign and can go on with what the log holds of it.
    pub(crate) fn somebody_goes_on(&self, campaign: &str, now: Millis) -> bool {
        let live = self.0.iter().filter(|server| server.pipeline_link.picture(now).is_live());
        let lanes =
            live.filter_map(|server| server.pipeline.as_ref()).flat_map(|pipeline| &pipeline.campaigns);
        lanes.into_iter().any(|lane| lane.campaign_id == campaign && lane.forgot.is_none())
    }

    /// The read model as the server sees it that has seen most of it.
    pub(crate) fn read_model(&self, now: Millis) -> Option<ProjectionView> {
        let known = || self.0.iter().filter_map(|server| Some((server, server.lag.as_ref()?)));
        let live = known().filter(|(server, _)| server.lag_link.picture(now).is_live());
        let furthest = |views: Vec<&ProjectionView>| {
            views.into_iter().max_by_key(|view| reached(&view.positions)).cloned()
        };
        furthest(live.map(|(_, lag)| lag).collect())
            .or_else(|| furthest(known().map(|(_, lag)| lag).collect()))
    }
}

fn reached(positions: &[Position]) -> u64 {
    positions.iter().map(|position| position.sequence).sum()
}

/// For how long each campaign's oldest decision has not been logged. Who reaches gate and log logs what others had decided,
/// and they may not learn of it: they count where nobody reaches both.
fn oldest<'a>(seen: &[(&Server, &'a Pipeline)]) -> BTreeMap<&'a str, (bool, u64)> {
    let mut oldest = BTreeMap::new();
    for &(_, pipeline) in seen {
        let needed = |it: &&Dependency| matches!(it.name.as_str(), "gate" | "log");
        let reaches = pipeline.dependencies.iter().filter(needed).all(|it| it.up);
        for lane in &pipeline.campaigns {
            let known = oldest.entry(lane.campaign_id.as_str()).or_default();
            *known = (reaches, lane.oldest_ms).max(*known);
        }
    }
    oldest
}

fn name_details(dependencies: &mut [Dependency], address: &str) {
    for dependency in dependencies.iter_mut().filter(|dependency| !dependency.up) {
        let detail = dependency.detail.take().unwrap_or_default();
        dependency.detail = Some(format!("{address}: {detail}"));
    }
}

fn name_forgot(lanes: &mut [CampaignPipeline], address: &str) {
    for lane in lanes {
        lane.forgot = lane.forgot.take().map(|why| format!("{address}: {why}"));
    }
}

/// Adds what another instance sees.
fn join(whole: &mut Pipeline, other: &Pipeline, address: &str) {
    for position in &other.log.positions {
        match whole.log.positions.iter_mut().find(|known| known.partition == position.partition) {
            Some(known) => known.sequence = known.sequence.max(position.sequence),
            None => whole.log.positions.push(*position),
        }
    }
    if reached(&other.ledger.positions) > reached(&whole.ledger.positions) {
        whole.ledger = other.ledger.clone();
    }
    let mut others = other.dependencies.clone();
    name_details(&mut others, address);
    for dependency in others {
        match whole.dependencies.iter_mut().find(|known| known.name == dependency.name) {
            Some(known) if known.up => *known = dependency,
            // Each that does not reach it is named: callers are to be sent elsewhere.
            Some(known) => {
                let details = [known.detail.take(), dependency.detail.filter(|_| !dependency.up)];
                known.detail = Some(details.into_iter().flatten().collect::<Vec<_>>().join("; "));
            }
            None => whole.dependencies.push(dependency),
        }
    }
    let mut lanes = other.campaigns.clone();
    name_forgot(&mut lanes, address);
    for lane in lanes {
        match whole.campaigns.binary_search_by(|known| known.campaign_id.cmp(&lane.campaign_id)) {
            Ok(at) => join_lane(&mut whole.campaigns[at], lane),
            Err(at) => whole.campaigns.insert(at, lane),
        }
    }
}

fn join_lane(known: &mut CampaignPipeline, other: CampaignPipeline) {
    // Numbers of another epoch are no numbers of this one.
    if other.epoch > known.epoch {
        (known.epoch, known.decision, known.logged) = (other.epoch, other.decision, other.logged);
    } else if other.epoch == known.epoch {
        known.decision = known.decision.max(other.decision);
        known.logged = known.logged.max(other.logged);
    }
    known.queued = known.queued.saturating_add(other.queued);
    known.queue_capacity = known.queue_capacity.saturating_add(other.queue_capacity);
    known.rebuilds = known.rebuilds.saturating_add(other.rebuilds);
    known.log_away |= other.log_away;
    // Each that cannot go on is named: callers are to be sent elsewhere.
    let forgot = known.forgot.take().into_iter().chain(other.forgot).collect::<Vec<_>>();
    known.forgot = (!forgot.is_empty()).then(|| forgot.join("; "));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::{self, NOW};
    use crate::message::Failure;

    fn servers(pipelines: Vec<Pipeline>) -> Servers {
        let addresses: Vec<String> = (0..pipelines.len()).map(|n| format!("http://s{n}:1/")).collect();
        let mut servers = Servers::new(&addresses);
        for (server, pipeline) in servers.0.iter_mut().zip(pipelines) {
            server.pipeline = Some(pipeline);
            server.pipeline_link.record(None, NOW);
        }
        servers
    }

    #[test]
    fn two_instances_are_summed_where_each_has_its_own_and_joined_where_they_share() {
        let (mut one, mut two) = (fixture::pipeline(NOW), fixture::pipeline(NOW));
        let at = |p: &Pipeline| p.campaigns.iter().position(|lane| lane.campaign_id == "summer").unwrap();
        let summer = at(&one);
        one.campaigns[summer].queued = 10;
        two.campaigns[summer].queued = 5;
        two.campaigns[summer].decision += 4;
        two.campaigns[summer].logged = two.campaigns[summer].decision - 1;
        two.campaigns.push(CampaignPipeline { campaign_id: "alone".into(), ..two.campaigns[summer].clone() });
        two.campaigns[summer].forgot = Some("no JSON".into());
        two.dependencies[1].up = false;
        two.dependencies[1].detail = Some("no answer".into());
        two.ledger = fixture::projection("ledger", 100_000, 0);
        let whole = servers(vec![one, two.clone()]).pipeline(NOW).unwrap();
        let lane = &whole.campaigns[at(&whole)];
        assert_eq!((lane.queued, lane.queue_capacity), (15, 2 * 8_192));
        assert_eq!((lane.decision, lane.logged), (5_404, 5_403));
        assert_eq!(lane.forgot.as_deref(), Some("s1:1: no JSON"));
        assert_eq!((whole.outbox_depth, whole.campaigns[0].campaign_id.as_str()), (2, "alone"));
        assert_eq!((whole.dependencies[1].up, whole.dependencies[0].up), (false, true));
        assert_eq!(whole.dependencies[1].detail.as_deref(), Some("s1:1: no answer"));
        assert_eq!(whole.ledger, two.ledger);
    }

    #[test]
    fn what_an_instance_that_is_cut_off_has_not_logged_another_may_have() {
        let aged = |down: usize, age| {
            let mut pipeline = fixture::pipeline(NOW);
            pipeline.dependencies[down].up = false;
            pipeline.outbox_oldest_ms = age;
            pipeline.campaigns.iter_mut().for_each(|lane| lane.oldest_ms = age);
            pipeline
        };
        let oldest = |pipelines: Vec<Pipeline>| {
            let whole = servers(pipelines).pipeline(NOW).unwrap();
            (whole.campaigns[0].oldest_ms, whole.outbox_oldest_ms)
        };
        let (no_gate, no_log, no_ledger) = (aged(0, 0), aged(1, 60_000), aged(2, 7));
        assert_eq!(oldest(vec![no_log.clone(), no_ledger.clone()]), (7, 7));
        assert_eq!(oldest(vec![no_ledger, no_log.clone()]), (7, 7));
        assert_eq!(oldest(vec![no_log, no_gate]), (60_000, 60_000), "nobody can log it");
    }

    #[test]
    fn an_instance_that_does_not_answer_counts_only_while_no_other_does() {
        let (one, mut two) = (fixture::pipeline(NOW), fixture::pipeline(NOW));
        two.campaigns.clear();
        let mut servers = servers(vec![one.clone(), two]);
        let later = NOW.plus(10_000);
        servers.0[1].pipeline_link.record(None, later);
        assert!(servers.pipeline(later).unwrap().campaigns.is_empty());
        let away = Failure::Unreachable("connection refused".into());
        servers.0[1].pipeline_link.record(Some(&away), later);
        assert_eq!(servers.pipeline(later).unwrap().campaigns.len(), one.campaigns.len());
    }
}
