//! Tells the log's messages one after another, each continuing its campaign, so that a test says only what it is
//! about.

use std::collections::HashMap;

use firstcome_shared::chain::Chain;
use firstcome_shared::clock::Millis;
use firstcome_shared::domain::{CampaignId, Definition, Terms, UserId, Window};
use firstcome_shared::event::{Entry, Event, IssuedCoupon, Message, VERSION};
use firstcome_shared::event_log::Subject;
use firstcome_shared::position::Position;
use firstcome_shared::projection::Delivery;
use firstcome_shared::wire::LimitPer;

/// The log's identity.
pub(in crate::ledger) const LOG: &str = "log-1";
/// Who acts.
pub(in crate::ledger) const ACTOR: &str = "ops";

/// The messages so far: positions count on, whatever the campaign.
#[derive(Clone)]
pub(in crate::ledger) struct Story {
    /// Identity of the log that it stands in.
    pub(in crate::ledger) log: String,
    sequence: u64,
    ends: HashMap<Subject, Chain>,
    told: Vec<Message>,
}

impl Default for Story {
    fn default() -> Self {
        Self { log: LOG.to_owned(), sequence: 0, ends: HashMap::new(), told: Vec::new() }
    }
}

impl Story {
    /// The next message of a campaign's decisions, with one event.
    pub(in crate::ledger) fn tell(&mut self, campaign: &str, event: Event) -> Delivery {
        self.tell_all(campaign, vec![event])
    }

    /// The next message of a campaign's decisions.
    pub(in crate::ledger) fn tell_all(&mut self, campaign: &str, events: Vec<Event>) -> Delivery {
        let subject = Subject::decisions(&id(campaign));
        let end = self.ends.get(&subject).copied().unwrap_or_default();
        let count = u64::try_from(events.len()).unwrap();
        let (epoch, first, last) = match &events[0] {
            Event::CampaignCreated { .. } => (1, 0, 0),
            Event::GateFenced { .. } => (end.epoch + 1, end.last, end.last),
            _ => (end.epoch, end.last + 1, end.last + count),
        };
        self.deliver(subject, end.sequence, (epoch, first, last), events)
    }

    /// The next message of a campaign's second subject.
    pub(in crate::ledger) fn act(&mut self, campaign: &str, action: &str) -> Delivery {
        let subject = Subject::uses(&id(campaign));
        let end = self.ends.get(&subject).copied().unwrap_or_default();
        let (actor, action) = (ACTOR.to_owned(), action.to_owned());
        let event = Event::OperatorActed { actor, action, target: "ledger".to_owned() };
        self.deliver(subject, end.sequence, (0, 0, 0), vec![event])
    }

    /// The bytes of the message at that position, as they should be, as text.
    pub(in crate::ledger) fn past(&self, sequence: usize) -> String {
        String::from_utf8(self.told[sequence - 1].encode().to_vec()).unwrap()
    }

    fn deliver(
        &mut self,
        subject: Subject,
        prev: u64,
        numbers: (u64, u64, u64),
        events: Vec<Event>,
    ) -> Delivery {
        self.sequence += 1;
        let (epoch, first, last) = numbers;
        let at = Millis(i64::try_from(self.sequence).unwrap() * 1_000);
        let message = Message {
            version: VERSION,
            campaign: subject.campaign.clone(),
            log: self.log.clone(),
            epoch,
            first,
            last,
            prev,
            nonce: format!("nonce-{}", self.sequence),
            entries: (first..).zip(events).map(|(decision, event)| Entry { decision, at, event }).collect(),
            requests: std::collections::BTreeMap::new(),
        };
        self.ends.insert(subject.clone(), Chain::at(self.sequence, &message));
        self.told.push(message.clone());
        Delivery { subject, position: Position::new(0, self.sequence), message }
    }
}

pub(in crate::ledger) fn id(campaign: &str) -> CampaignId {
    CampaignId::parse(campaign).unwrap()
}

pub(in crate::ledger) fn created(campaign: &str, stock: u64) -> Event {
    Event::CampaignCreated {
        definition: Definition {
            id: id(campaign),
            name: campaign.to_owned(),
            windows: vec![Window { id: 1, opens_at: Millis(0), closes_at: Millis(1 << 40), stock }],
            per_user_limit: 1,
            limit_per: LimitPer::Campaign,
            coupon: Terms::default(),
            waiting_room: None,
            key_id: "key".to_owned(),
        },
        incarnation: "one".to_owned(),
        actor: ACTOR.to_owned(),
    }
}

pub(in crate::ledger) fn paused() -> Event {
    Event::CampaignPaused { actor: ACTOR.to_owned() }
}

/// Coupons for `users`, from `seq` on, each person's first.
pub(in crate::ledger) fn issued(campaign: &str, seq: u64, users: &[&str]) -> Event {
    let coupons = (seq..).zip(users).map(|(seq, user)| issue(campaign, seq, user)).collect();
    Event::CouponsIssued { window: 1, expires_at: None, coupons }
}

pub(in crate::ledger) fn issue(campaign: &str, seq: u64, user: &str) -> IssuedCoupon {
    let code = format!("{campaign}-{seq}");
    IssuedCoupon { seq, user_id: UserId::parse(user).unwrap(), n: 1, key: None, code }
}
