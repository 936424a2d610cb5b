//! What a batch of messages says to the ledger, as a pure function: every adapter writes these very rows. Coupons
//! are not copied here; adapters take them from the messages themselves.

use std::collections::{BTreeMap, BTreeSet};

use firstcome_shared::chain::Chain;
use firstcome_shared::clock::Millis;
use firstcome_shared::domain::{CampaignId, Definition, Flags};
use firstcome_shared::event::{Entry, Event, Message};
use firstcome_shared::event_log::Lane;
use firstcome_shared::projection::{ApplyError, Delivery};
use serde_json::{Map, Value, json};

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
                let before = batch.change(sequence, place, message, entry)?;
                batch.note(sequence, place, message, entry, before);
            }
        }
        Ok(batch)
    }

    /// What the entry changes about its campaign; returns what was so before and is not any more.
    fn change(
        &mut self,
        position: u64,
        place: usize,
        message: &'a Message,
        entry: &'a Entry,
    ) -> Result<Option<Value>, ApplyError> {
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
                return Ok(None);
            }
            Event::StockChanged { window, stock: total, actor } => {
                self.stock.push(stock(*window, *total, actor));
            }
            _ => {}
        }
        // Absent only where an operator discarded the message that created it.
        let Some(row) = self.campaigns.get_mut(campaign) else { return Ok(None) };
        let before = before(row, &entry.event);
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
            _ => return Ok(None),
        }
        row.position = position;
        Ok(before)
    }

    /// Notes who acted, if anybody did.
    fn note(
        &mut self,
        position: u64,
        place: usize,
        message: &'a Message,
        entry: &'a Entry,
        before: Option<Value>,
    ) {
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
            details: details(&entry.event, message.epoch, message.request(entry.decision), before),
        });
    }
}

/// What the event says, but for its kind and actor, which the audit has columns for; what was so before; and in which
/// request it was asked for.
fn details(event: &Event, epoch: u64, request: Option<&str>, before: Option<Value>) -> Value {
    let mut said = match serde_json::to_value(event) {
        Ok(Value::Object(named)) => named.into_iter().next().map_or(Value::Null, |(_, said)| said),
        _ => Value::Null,
    };
    if let Value::Object(fields) = &mut said {
        fields.remove("actor");
        match event {
            Event::GateFenced { .. } => _ = fields.insert("epoch".to_owned(), epoch.into()),
            Event::CampaignPaused { .. } => _ = fields.insert("paused".to_owned(), true.into()),
            Event::CampaignResumed { .. } => _ = fields.insert("paused".to_owned(), false.into()),
            Event::CampaignCancelled { .. } => _ = fields.insert("cancelled".to_owned(), true.into()),
            _ => {}
        }
        fields.extend(before.map(|before| ("before".to_owned(), before)));
        if let Some(id) = request {
            fields.insert("request_id".to_owned(), id.into());
        }
    }
    said
}

/// What the event is about to change, as it is. Events carry absolute values, the new ones; the old ones are known to
/// who folds them, so the log need not repeat them.
fn before(row: &CampaignRow, event: &Event) -> Option<Value> {
    match event {
        Event::StockChanged { window, .. } => {
            let old = row.definition.windows.iter().find(|each| each.id == *window)?;
            Some(json!({ "stock": old.stock }))
        }
        Event::CampaignPaused { .. } | Event::CampaignResumed { .. } => {
            Some(json!({ "paused": row.flags.paused }))
        }
        Event::CampaignCancelled { .. } => Some(json!({ "cancelled": row.flags.cancelled })),
        Event::CampaignUpdated { definition, .. } => Some(changed_fields(&row.definition, definition)),
        _ => None,
    }
}

/// The fields of a definition that are others in the next one; of its windows those that are.
fn changed_fields(old: &Definition, new: &Definition) -> Value {
    let fields = |definition| match serde_json::to_value(definition) {
        Ok(Value::Object(fields)) => fields,
        _ => Map::new(),
    };
    let after = fields(new);
    let mut before = fields(old);
    before.retain(|name, value| after.get(name) != Some(value));
    if let (Some(Value::Array(windows)), Some(Value::Array(after))) =
        (before.get_mut("windows"), after.get("windows"))
    {
        windows.retain(|window| !after.contains(window));
    }
    Value::Object(before)
}
