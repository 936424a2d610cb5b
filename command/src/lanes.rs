//! The lanes of an instance, opened when a campaign is first asked for.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

use firstcome_shared::chain::Chain;
use firstcome_shared::domain::CampaignId;
use firstcome_shared::event::Message;
use firstcome_shared::event_log::Subject;

use crate::lane::{Lane, NoAnswer, Parts};

/// All open lanes. Dropping them lets their workers end.
#[derive(Debug)]
pub struct Lanes {
    parts: Arc<Parts>,
    open: RwLock<HashMap<CampaignId, Arc<Lane>>>,
}

impl Lanes {
    /// No lane yet.
    pub fn new(parts: Arc<Parts>) -> Self {
        Self { parts, open: RwLock::default() }
    }

    /// What the lanes share.
    pub fn parts(&self) -> &Parts {
        &self.parts
    }

    /// The lane of a campaign; opened behind the campaign's end in the log when it is new here.
    pub async fn get(&self, campaign: &CampaignId) -> Result<Arc<Lane>, NoAnswer> {
        if let Some(lane) = self.known(campaign) {
            return Ok(lane);
        }
        let end = self.parts.log.end(&Subject::decisions(campaign)).await;
        let end = end.map_err(|error| NoAnswer::Unavailable(error.to_string()))?.ok_or(NoAnswer::NotFound)?;
        let message =
            Message::decode(&end.payload).map_err(|error| NoAnswer::Unavailable(error.to_string()))?;
        Ok(self.open(campaign, Chain::at(end.position.sequence, &message)))
    }

    /// The lane of a campaign, if it is open.
    pub fn known(&self, campaign: &CampaignId) -> Option<Arc<Lane>> {
        self.open.read().unwrap_or_else(PoisonError::into_inner).get(campaign.as_str()).map(Arc::clone)
    }

    /// The lane of a campaign whose end is known.
    pub fn open(&self, campaign: &CampaignId, end: Chain) -> Arc<Lane> {
        let mut open = self.open.write().unwrap_or_else(PoisonError::into_inner);
        let lane = open
            .entry(campaign.clone())
            .or_insert_with(|| Arc::new(Lane::open(campaign.clone(), end, Arc::clone(&self.parts))));
        Arc::clone(lane)
    }

    /// Every open lane with its campaign, by name.
    pub fn all(&self) -> Vec<(CampaignId, Arc<Lane>)> {
        let open = self.open.read().unwrap_or_else(PoisonError::into_inner);
        let mut lanes: Vec<_> =
            open.iter().map(|(campaign, lane)| (campaign.clone(), Arc::clone(lane))).collect();
        lanes.sort_by(|one, other| one.0.cmp(&other.0));
        lanes
    }

    /// Closes every lane: workers end as soon as everybody has been answered.
    pub fn close(&self) {
        self.open.write().unwrap_or_else(PoisonError::into_inner).clear();
    }
}
