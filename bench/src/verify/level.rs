//! Waits until ledger and read model have come to where the log ends now. While people ask the log grows on, so it is a
//! fixed end that they must reach: only so does one that stands still show.

use std::time::{Duration, Instant};

use firstcome_shared::clock::jittered;
use firstcome_shared::position::Position;

use crate::api::Api;
use crate::audit::has_reached;
use crate::error::BenchError;

/// However slowly a projection advances, it is not waited for any longer.
const LONGEST: Duration = Duration::from_mins(1);

/// The log's ends as they are now, once both projections have reached them, or those that have not do not advance for
/// as long as `patience`.
pub(super) async fn settled(api: &Api, patience: Duration) -> Result<Vec<Position>, BenchError> {
    let mut ends = Vec::new();
    let mut before = Vec::new();
    let began = Instant::now();
    let mut since = began;
    loop {
        let pipeline = api.pipeline().await?;
        if ends.is_empty() {
            ends = pipeline.log.positions;
        }
        let mut behind = vec![pipeline.ledger, api.read_model().await?];
        behind.retain(|view| !has_reached(view, &ends));
        if behind.is_empty() && !ends.is_empty() {
            return Ok(ends);
        }
        let places: Vec<_> = behind.into_iter().map(|view| view.positions).collect();
        if places != before {
            (before, since) = (places, Instant::now());
        }
        if since.elapsed() >= patience || began.elapsed() >= LONGEST {
            return Ok(ends);
        }
        tokio::time::sleep(jittered(50)).await;
    }
}
