//! A stream of "this campaign has moved", so that a screen asks again only when there is something new. It tells how
//! far, never what: whoever wants to know asks the query, with the position as `at_least`.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::response::Response;
use axum::response::sse::Event;
use firstcome_shared::auth::Reader;
use firstcome_shared::http;
use firstcome_shared::position::Position;
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
        let checkpoint = query.model.checkpoint(partition).await.map_err(unavailable)?;
        told.push(checkpoint.map_or(0, |checkpoint| checkpoint.sequence));
    }
    let shutdown = query.shutdown.clone();
    Ok(http::sse(&shutdown, Watch::new(query, told).events()))
}

struct Watch {
    query: Arc<Query>,
    /// Up to which sequence campaigns were told of, by partition.
    told: Vec<u64>,
    waiting: VecDeque<Live>,
    next_round: Instant,
}

impl Watch {
    fn new(query: Arc<Query>, told: Vec<u64>) -> Self {
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
            let Ok(moved) = self.query.model.moved(partition, *told, MOST).await else { continue };
            for (campaign, sequence) in moved {
                *told = sequence.max(*told);
                let position = Position::new(partition, sequence);
                self.waiting.push_back(Live { campaign_id: campaign.to_string(), position });
            }
        }
    }
}
