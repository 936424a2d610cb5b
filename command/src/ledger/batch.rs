//! What a batch of messages says to the ledger, as a pure function: every adapter writes these very rows. Coupons
//! are not copied here; adapters take them from the messages themselves.

use std::collections::{BTreeMap, BTreeSet};

use firstcome_shared::chain::Chain;
use firstcome_shared::clock::Millis;
use firstcome_shared::domain::{CampaignId, Definition, Flags};
use firstcome_shared::event::{Entry, Event, Message};
use firstcome_shared::event_log::Lane;
use firstcome_shared::projection::{ApplyError, Delivery};
use serde_json::Value;

use super::SYSTEM_ACTOR;

/// The end of each lane as far as it was followed.
pub(super) type Chains = BTreeMap<(CampaignId, Lane), Chain>;
/// Campaigns as last changed.
pub(super) type Campaigns = BTreeMap<CampaignId, CampaignRow>;

/// A campaign as last changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct CampaignRow {
    pub definition: Definition,
    pub flags: Flags,
    /// Sequence of the message that changed it last.
    pub position: u64,
}

/// A window's total stock from here on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct StockRow<'a> {
    pub campaign: &'a CampaignId,
    pub window: u32,
    pub position: u64,
    pub place: usize,
    pub stock: u64,
    pub actor: &'a str,
    pub at: Millis,
}

/// Something that somebody did.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct AuditRow<'a> {
    pub position: u64,
    pub place: usize,
    pub campaign: &'a CampaignId,
    pub at: Millis,
    pub actor: &'a str,
    pub action: &'static str,
    pub details: Value,
}

/// The rows of a batch, but for its coupons.
#[derive(Debug)]
pub(super) struct Batch<'a> {
    pub chains: Chains,
    pub campaigns: Campaigns,
    pub stock: Vec<StockRow<'a>>,
    pub audit: Vec<AuditRow<'a>>,
}

/// The campaigns that have messages in `deliveries`: their chains must be known to fold them.
pub(super) fn named(deliveries: &[Delivery]) -> BTreeSet<&CampaignId> {
    deliveries.iter().map(|delivery| &delivery.subject.campaign).collect()
}

/// The campaigns that an operator changes in `deliveries`: their rows must be known to fold them.
pub(super) fn changed(deliveries: &[Delivery]) -> BTreeSet<&CampaignId> {
    let acted =
        |delivery: &&Delivery| delivery.message.entries.iter().any(|entry| entry.event.actor().is_some());
    deliveries.iter().filter(acted).map(|delivery| &delivery.subject.campaign).collect()
}

impl<'a> Batch<'a> {
    /// Folds `deliveries`, in order, onto the chains and campaigns that the store holds.
    pub(super) fn fold(
        deliveries: &'a [Delivery],
        chains: Chains,
        campaigns: Campaigns,
    ) -> Result<Self, ApplyError> {
        let mut batch = Self { chains, campaigns, stock: Vec::new(), audit: Vec::new() };
        for delivery in deliveries {
            let (subject, message) = (&delivery.subject, &delivery.message);
            if (subject.lane == Lane::Uses) != (message.epoch == 0) {
                let epoch = message.epoch;
                return Err(ApplyError::Refused(format!("epoch {epoch} on the wrong subject, {subject}")));
            }
            let sequence = delivery.position.sequence;
            let chain = batch.chains.entry((subject.campaign.clone(), subject.lane)).or_default();
            *chain = chain.follow(sequence, message)?;
            for (place, entry) in message.entries.iter().enumerate() {
                batch.change(sequence, place, message, entry)?;
                batch.note(sequence, place, message, entry);
            }
        }
        Ok(batch)
    }

    /// What the entry changes about its campaign.
    fn change(
        &mut self,
        position: u64,
        place: usize,
        message: &'a Message,
        entry: &'a Entry,
    ) -> Result<(), ApplyError> {
        let campaign = &message.campaign;
        let at = entry.at;
        let stock = |window, stock, actor: &'a String| StockRow {
            campaign,
            window,
            position,
            place,
            stock,
            actor,
            at,
        };
        match &entry.event {
            Event::CampaignCreated { definition, actor, .. } => {
                self.stock.extend(definition.windows.iter().map(|each| stock(each.id, each.stock, actor)));
                let (definition, flags) = (definition.clone(), Flags::default());
                self.campaigns.insert(campaign.clone(), CampaignRow { definition, flags, position });
                return Ok(());
            }
            Event::StockChanged { window, stock: total, actor } => {
                self.stock.push(stock(*window, *total, actor));
            }
            _ => {}
        }
        // Absent only where an operator discarded the message that created it.
        let Some(row) = self.campaigns.get_mut(campaign) else { return Ok(()) };
        match &entry.event {
            Event::CampaignPaused { .. } => row.flags.paused = true,
            Event::CampaignResumed { .. } => row.flags.paused = false,
            Event::CampaignCancelled { .. } => row.flags.cancelled = true,
            Event::CampaignUpdated { definition, .. } => row.definition = definition.clone(),
            Event::StockChanged { window, stock, .. } => {
                let Some(changed) = row.definition.windows.iter_mut().find(|each| each.id == *window) else {
                    return Err(ApplyError::Refused(format!("{campaign} has no window {window}")));
                };
                changed.stock = *stock;
            }
            _ => return Ok(()),
        }
        row.position = position;
        Ok(())
    }

    /// Notes who acted, if anybody did.
    fn note(&mut self, position: u64, place: usize, message: &'a Message, entry: &'a Entry) {
        let actor = match &entry.event {
            Event::GateFenced { .. } => SYSTEM_ACTOR,
            event => match event.actor() {
                Some(actor) => actor,
                None => return,
            },
        };
        self.audit.push(AuditRow {
            position,
            place,
            campaign: &message.campaign,
            at: entry.at,
            actor,
            action: entry.event.kind(),
            details: details(&entry.event, message.epoch, message.request(entry.decision)),
        });
    }
}

/// What the event says, but for its kind and actor, which the audit has columns for; and in which request it was asked
/// for.
fn details(event: &Event, epoch: u64, request: Option<&str>) -> Value {
    let mut said = match serde_json::to_value(event) {
        Ok(Value::Object(named)) => named.into_iter().next().map_or(Value::Null, |(_, said)| said),
        _ => Value::Null,
    };
    if let Value::Object(fields) = &mut said {
        fields.remove("actor");
        if matches!(event, Event::GateFenced { .. }) {
            fields.insert("epoch".to_owned(), epoch.into());
        }
        if let Some(id) = request {
            fields.insert("request_id".to_owned(), id.into());
        }
    }
    said
}
