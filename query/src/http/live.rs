//! A stream of "this campaign has moved", so that a screen asks again only when there is something new. It tells how
//! far, never what: whoever wants to know asks the query, with the position as `at_least`.

use std::collections::{BTreeMap, VecDeque};
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::response::Response;
use axum::response::sse::Event;
use firstcome_shared::auth::Reader;
use firstcome_shared::domain::CampaignId;
use firstcome_shared::http;
use firstcome_shared::position::Position;
use firstcome_shared::projection::StoreUnavailable;
use firstcome_shared::wire::{Live, Problem};
use futures::{Stream, stream};
use tokio::time::{Instant, sleep_until, timeout};

use super::unavailable;
use crate::Query;

/// A campaign is told of at most once in this time.
const COALESCE: Duration = Duration::from_millis(200);
/// Look at least this often: another process may be the one that reads.
const LOOK_AGAIN: Duration = Duration::from_secs(1);
/// Most campaigns at once; the rest follows in the next round.
const MOST: u32 = 1_000;

/// Streams which campaigns move
///
/// Server-sent events, each a JSON object: the campaign has been read up to that position. What moves faster than five
/// times a second is told of five times a second. It begins with what moves after the request.
#[utoipa::path(get, path = "/v1/history/live", tag = "history",
    responses((status = 200, body = Live, content_type = "text/event-stream"), (status = 503, response = Problem)))]
pub(super) async fn live(State(query): State<Arc<Query>>, Reader(_): Reader) -> http::Result<Response> {
    let mut told = Vec::new();
    for partition in 0..query.log.partitions() {
        told.push(Told {
            upto: reached(&query, partition).await.map_err(unavailable)?,
            beyond: BTreeMap::new(),
            parked: query.progress.parked(partition),
        });
    }
    let shutdown = query.shutdown.clone();
    Ok(http::sse(&shutdown, Watch::new(query, told).events()))
}

struct Watch {
    query: Arc<Query>,
    /// By partition.
    told: Vec<Told>,
    waiting: VecDeque<Live>,
    next_round: Instant,
}

/// What was told of a partition.
struct Told {
    /// Campaigns that have moved up to here were told of.
    upto: u64,
    /// Those that were told of beyond it. A store may hold the campaigns of a batch that is on its way, in any order: only
    /// what the checkpoint has passed is complete.
    beyond: BTreeMap<CampaignId, u64>,
    /// Campaigns that wait at a message, and move behind the others when they are replayed.
    parked: BTreeMap<CampaignId, u64>,
}

impl Watch {
    fn new(query: Arc<Query>, told: Vec<Told>) -> Self {
        Self { query, told, waiting: VecDeque::new(), next_round: Instant::now() }
    }

    fn events(self) -> impl Stream<Item = Result<Event, Infallible>> {
        stream::unfold(self, |mut watch| async move {
            loop {
                if let Some(live) = watch.waiting.pop_front() {
                    // Two short texts always have a JSON form.
                    let event = Event::default().json_data(&live).unwrap_or_default();
                    return Some((Ok(event), watch));
                }
                sleep_until(watch.next_round).await;
                let mut moved = watch.query.progress.subscribe();
                moved.mark_unchanged();
                watch.look().await;
                if watch.waiting.is_empty() {
                    // The sender lives as long as the service, so waiting cannot fail.
                    let _ = timeout(LOOK_AGAIN, moved.changed()).await;
                }
            }
        })
    }

    /// Collects what has moved since the last look. While the store is away there is nothing to tell.
    async fn look(&mut self) {
        self.next_round = Instant::now() + COALESCE;
        for (partition, told) in (0..).zip(&mut self.told) {
            let mut tell = |campaign: &CampaignId, position| {
                self.waiting.push_back(Live { campaign_id: campaign.to_string(), position });
            };
            // Read before what has moved, so that up to there nothing is left out.
            let Ok(reached) = reached(&self.query, partition).await else { continue };
            let Ok(moved) = self.query.model.moved(partition, told.upto, MOST).await else { continue };
            let full = moved.len() >= usize::try_from(MOST).unwrap_or(usize::MAX);
            let end = moved.last().filter(|_| full).map_or(u64::MAX, |(_, sequence)| *sequence);
            for (campaign, sequence) in moved {
                if told.beyond.get(&campaign) != Some(&sequence) {
                    tell(&campaign, Position::new(partition, sequence));
                    told.beyond.insert(campaign, sequence);
                }
            }
            told.upto = told.upto.max(reached.min(end));
            told.beyond.retain(|_, sequence| *sequence > told.upto);

            let parked = self.query.progress.parked(partition);
            let replayed = told.parked.iter().filter(|(campaign, at)| parked.get(*campaign) != Some(at));
            for (campaign, _) in replayed {
                let Ok(view) = self.query.model.campaign(campaign).await else { return };
                if let Some(view) = view.filter(|view| view.position.sequence <= told.upto) {
                    tell(campaign, view.position);
                }
            }
            told.parked = parked;
        }
    }
}

/// How far the read model has come.
async fn reached(query: &Query, partition: u32) -> Result<u64, StoreUnavailable> {
    let checkpoint = query.model.checkpoint(partition).await?;
    Ok(checkpoint.map_or(0, |checkpoint| checkpoint.sequence))
}
