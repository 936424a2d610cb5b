//! The state of the pipeline on the wire: gate → outbox → log → ledger and read model.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::Time;
use crate::position::Position;

/// `GET /v1/pipeline`: how one command instance sees the pipeline.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Pipeline {
    /// A name for this instance, new at every start.
    pub instance: String,
    /// Decisions in all outboxes that are not logged.
    pub outbox_depth: u64,
    /// Age of the oldest of them, in milliseconds.
    pub outbox_oldest_ms: u64,
    /// The log.
    pub log: LogView,
    /// The ledger's projection.
    pub ledger: ProjectionView,
    /// Most coupons a second that this instance writes to the ledger; null: no limit.
    #[serde(default)]
    pub ledger_rate: Option<u64>,
    /// Every campaign this instance serves.
    pub campaigns: Vec<CampaignPipeline>,
    /// What this instance depends on.
    pub dependencies: Vec<Dependency>,
}

/// `PATCH /v1/pipeline`: settings of one command instance, until it stops.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PatchPipeline {
    /// Most coupons a second that it writes to the ledger, at least 1; null: no limit.
    #[serde(deserialize_with = "Option::deserialize")]
    #[schema(required)]
    pub ledger_rate: Option<u64>,
}

/// The log's identity and ends.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct LogView {
    /// Random, for the life of the log.
    pub identity: String,
    /// The last position of every partition; none while the log is away.
    #[schema(value_type = Vec<String>)]
    pub positions: Vec<Position>,
}

/// One campaign in the pipeline.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct CampaignPipeline {
    /// The campaign.
    pub campaign_id: String,
    /// The epoch this instance knows from the log.
    pub epoch: u64,
    /// The highest decision of the gate that this instance has seen.
    pub decision: u64,
    /// The highest decision that it knows to be logged.
    pub logged: u64,
    /// Requests in the batcher's queue.
    pub queued: u64,
    /// How many fit.
    pub queue_capacity: u64,
    /// Age in milliseconds of the oldest decision that is not logged; 0 when there is none.
    pub oldest_ms: u64,
    /// Rebuilds of the gate that this instance made since it started.
    pub rebuilds: u64,
    /// The log cannot be reached, or an append of this campaign stays in process: nothing is decided (P5).
    pub log_away: bool,
    /// Why this instance cannot go on with the campaign although the log answers, when it cannot: its last message cannot
    /// be read here, or some are missing. If several campaigns say so, the log may have been restored from an older copy.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub forgot: Option<String>,
}

/// Somebody who asked for a coupon of a campaign again and again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Asker {
    /// Who.
    pub user_id: String,
    /// How often they asked, as counted.
    pub asks: u64,
    /// How often at least. The two differ for whoever came when many had asked already.
    pub at_least: u64,
}

/// One projection and how far it is behind. In seconds: the age of the oldest message it has not applied.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ProjectionView {
    /// `ledger` or `read_model`.
    pub name: String,
    /// Its checkpoint, one a partition.
    #[schema(value_type = Vec<String>)]
    pub positions: Vec<Position>,
    /// Messages of the log after the checkpoint.
    pub lag_events: u64,
    /// Age of the oldest of them, in seconds.
    pub lag_seconds: f64,
    /// Campaigns that are parked in it.
    pub parked: u64,
    /// Why it does not advance, when it does not.
    pub stalled: Option<String>,
}

/// Something an instance depends on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Dependency {
    /// `gate`, `log`, `ledger`, `read_model`.
    pub name: String,
    /// The adapter: `memory`, `sqlite`, `redis`, …
    pub kind: String,
    /// It answers.
    pub up: bool,
    /// What it said when it did not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
}

/// A campaign that is parked in a projection, because of one message that cannot be applied.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct DeadLetter {
    /// Its id in URLs: the message's position.
    pub id: String,
    /// `ledger` or `read_model`.
    pub projection: String,
    /// The campaign that is parked.
    pub campaign_id: String,
    /// The message that cannot be applied.
    #[schema(value_type = String)]
    pub position: Position,
    /// Why.
    pub reason: String,
    /// When it was parked.
    pub parked_at: Time,
    /// How often it was tried.
    pub attempts: u32,
    /// An operator asked for a replay that has not ended yet.
    pub replaying: bool,
    /// The message's bytes as text, cut after 4096 characters; coupon codes are masked. `…/{id}/message` gives an
    /// operator all of them as they are.
    pub message: String,
}

/// An operator's action, from the ledger.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AuditEntry {
    /// Where it stands in the log.
    #[schema(value_type = String)]
    pub position: Position,
    /// When it was decided.
    pub at: Time,
    /// Who acted: the name of the key.
    pub actor: String,
    /// The event's kind, such as `campaign_paused`.
    pub action: String,
    /// The campaign.
    pub campaign_id: String,
    /// What the event says; in `before` those of its values that were others until then.
    #[schema(value_type = Object)]
    pub details: serde_json::Value,
}
