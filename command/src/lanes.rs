//! The lanes of an instance, opened when a campaign is first asked for.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, PoisonError, RwLock};

use firstcome_shared::chain::Chain;
use firstcome_shared::config::CODE_SECRET;
use firstcome_shared::domain::CampaignId;
use firstcome_shared::event::{Event, Message};
use firstcome_shared::event_log::{LogUnavailable, Stored, Subject};
use foldhash::fast::RandomState;

use crate::lane::{Lane, NoAnswer, Parts, foreign};

/// All open lanes. Dropping them lets their workers end.
#[derive(Debug)]
pub struct Lanes {
    parts: Arc<Parts>,
    open: RwLock<HashMap<CampaignId, Arc<Lane>, RandomState>>,
    /// Campaigns whose codes are made with another secret: they are never served here.
    foreign: RwLock<HashSet<CampaignId>>,
    /// Campaigns that could not be opened, for what the log holds of them cannot be gone on with.
    unreadable: RwLock<HashSet<CampaignId>>,
}

impl Lanes {
    /// No lane yet.
    pub fn new(parts: Arc<Parts>) -> Self {
        Self { parts, open: RwLock::default(), foreign: RwLock::default(), unreadable: RwLock::default() }
    }

    /// What the lanes share.
    pub fn parts(&self) -> &Parts {
        &self.parts
    }

    /// The same, to be kept.
    pub(crate) fn shared(&self) -> Arc<Parts> {
        Arc::clone(&self.parts)
    }

    /// The lane of a campaign; opened behind the campaign's end in the log when it is new here. Another process may have
    /// created it since this one started, so whether its codes are made with this secret is seen here.
    pub async fn get(&self, campaign: &CampaignId) -> Result<Arc<Lane>, NoAnswer> {
        if let Some(lane) = self.known(campaign) {
            return Ok(lane);
        }
        if self.foreign.read().unwrap_or_else(PoisonError::into_inner).contains(campaign) {
            return Err(NoAnswer::Unavailable(another_secret(campaign)));
        }
        let (log, subject) = (&self.parts.log, Subject::decisions(campaign));
        let (_, first) = self.decoded(campaign, log.first(&subject).await)?;
        match made_with(&first) {
            Some(key_id) if key_id == self.parts.secret.key_id() => {}
            Some(_) => {
                let mut foreign = self.foreign.write().unwrap_or_else(PoisonError::into_inner);
                if foreign.insert(campaign.clone()) {
                    tracing::error!("{}", another_secret(campaign));
                }
                return Err(NoAnswer::Unavailable(another_secret(campaign)));
            }
            None => {
                let problem = format!("{campaign} does not begin with its creation");
                return Err(NoAnswer::Unavailable(problem));
            }
        }
        let (sequence, end) = self.decoded(campaign, log.end(&subject).await)?;
        self.unreadable.write().unwrap_or_else(PoisonError::into_inner).remove(campaign);
        Ok(self.open(campaign, Chain::at(sequence, &end)))
    }

    /// A message of the campaign that was read from the log, and its sequence.
    fn decoded(
        &self,
        campaign: &CampaignId,
        read: Result<Option<Stored>, LogUnavailable>,
    ) -> Result<(u64, Message), NoAnswer> {
        let stored =
            read.map_err(|error| NoAnswer::Unavailable(error.to_string()))?.ok_or(NoAnswer::NotFound)?;
        decoded(self.parts.log.identity(), &stored).map_err(|problem| {
            self.unreadable.write().unwrap_or_else(PoisonError::into_inner).insert(campaign.clone());
            NoAnswer::Unavailable(format!("the log forgot: {problem}"))
        })
    }

    /// Whether this instance cannot go on with what the log holds of a campaign, though the log answers.
    pub fn forgot(&self, campaign: &CampaignId) -> bool {
        match self.known(campaign) {
            Some(lane) => lane.status().forgot().is_some(),
            None => self.unreadable.read().unwrap_or_else(PoisonError::into_inner).contains(campaign),
        }
    }

    /// The lane of a campaign, if it is open.
    pub fn known(&self, campaign: &CampaignId) -> Option<Arc<Lane>> {
        self.open.read().unwrap_or_else(PoisonError::into_inner).get(campaign.as_str()).map(Arc::clone)
    }

    /// The lane of a campaign of this secret whose end is known.
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

/// Which secret a campaign's codes are made with, as its first message says.
pub(crate) fn made_with(first: &Message) -> Option<&str> {
    match &first.entries.first()?.event {
        Event::CampaignCreated { definition, .. } => Some(&definition.key_id),
        _ => None,
    }
}

fn another_secret(campaign: &CampaignId) -> String {
    format!(
        "the codes of campaign {campaign} are made with another secret than this instance's, which does not serve it: \
         start it again with the {CODE_SECRET} of the others"
    )
}

fn decoded(log: &str, stored: &Stored) -> Result<(u64, Message), String> {
    let message = Message::decode(&stored.payload).map_err(|error| error.to_string())?;
    let sequence = stored.position.sequence;
    if message.log != log {
        return Err(foreign(sequence, &message, log));
    }
    Ok((sequence, message))
}
