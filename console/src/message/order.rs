//! An operator's wish, as it will be sent.

use firstcome_shared::position::Position;
use firstcome_shared::wire::{PatchCampaign, PatchPipeline, PatchWindow, WaitingRoom};
use serde::Serialize;

use super::Side;

/// An operator's wish, as it will be sent. It carries absolute values only, so sending it twice changes nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Order {
    /// The campaign it concerns; where it concerns none, whom it does.
    pub(crate) campaign: String,
    /// What shall become of it.
    pub(crate) change: Change,
}

/// What shall become of a campaign.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Change {
    Pause,
    Resume,
    Cancel,
    /// The new total stock: of this window, or, without one, of the campaign's only window.
    Stock {
        window: Option<u32>,
        total: u64,
    },
    /// The waiting room's numbers from now on.
    Admission(WaitingRoom),
    /// Read the campaign on, from the message that parked it.
    Replay {
        side: Side,
        at: Position,
    },
    /// Skip the message that parked the campaign.
    Discard {
        side: Side,
        at: Position,
    },
    /// The most coupons a second that each instance writes to the ledger from now on; none: no limit.
    LedgerRate(Option<u64>),
}

/// What is sent along.
#[derive(Clone, Debug, Serialize)]
#[serde(untagged)]
pub(crate) enum Body {
    Campaign(PatchCampaign),
    Pipeline(PatchPipeline),
}

/// How a request is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verb {
    Post,
    Patch,
    Delete,
}

impl Verb {
    fn word(self) -> &'static str {
        match self {
            Self::Post => "POST",
            Self::Patch => "PATCH",
            Self::Delete => "DELETE",
        }
    }
}

impl Order {
    /// The order that sets the ledger's rate, of every instance.
    pub(crate) fn ledger_rate(rate: Option<u64>) -> Self {
        Self { campaign: "every instance".to_owned(), change: Change::LedgerRate(rate) }
    }

    /// Every server of its half carries it out, each for itself; else any one does for all.
    pub(crate) fn is_for_each(&self) -> bool {
        matches!(self.change, Change::LedgerRate(_))
    }

    /// Which half carries it out.
    pub(crate) fn side(&self) -> Side {
        match self.change {
            Change::Replay { side, .. } | Change::Discard { side, .. } => side,
            _ => Side::Command,
        }
    }

    /// What it is called: `pause`, `add stock`.
    pub(crate) fn what(&self) -> &'static str {
        match self.change {
            Change::Pause => "pause",
            Change::Resume => "resume",
            Change::Cancel => "cancel",
            Change::Stock { .. } => "add stock",
            Change::Admission(_) => "admission",
            Change::Replay { .. } => "replay",
            Change::Discard { .. } => "discard",
            Change::LedgerRate(_) => "set the ledger rate of",
        }
    }

    /// How it is sent.
    pub(crate) fn verb(&self) -> Verb {
        match self.change {
            Change::Pause | Change::Resume | Change::Cancel | Change::Replay { .. } => Verb::Post,
            Change::Stock { .. } | Change::Admission(_) | Change::LedgerRate(_) => Verb::Patch,
            Change::Discard { .. } => Verb::Delete,
        }
    }

    /// Where it is sent, below `/v1`.
    pub(crate) fn path(&self) -> Vec<String> {
        let campaign = |last: Option<&str>| {
            ["campaigns", &self.campaign].into_iter().chain(last).map(str::to_owned).collect()
        };
        let letter = |side: Side, at: Position, last: Option<&str>| {
            let history = (side == Side::Query).then_some("history");
            let parts = history.into_iter().chain(["dead-letters"]).map(str::to_owned);
            parts.chain([at.to_string()]).chain(last.map(str::to_owned)).collect()
        };
        match self.change {
            Change::Pause => campaign(Some("pause")),
            Change::Resume => campaign(Some("resume")),
            Change::Cancel => campaign(Some("cancel")),
            Change::Stock { .. } | Change::Admission(_) => campaign(None),
            Change::Replay { side, at } => letter(side, at, Some("replay")),
            Change::Discard { side, at } => letter(side, at, None),
            Change::LedgerRate(_) => vec!["pipeline".to_owned()],
        }
    }

    /// The body, when there is one.
    pub(crate) fn body(&self) -> Option<Body> {
        let campaign = match self.change {
            Change::Stock { window: None, total } => {
                PatchCampaign { stock: Some(total), ..PatchCampaign::default() }
            }
            Change::Stock { window: Some(id), total } => {
                let window = PatchWindow { id, opens_at: None, closes_at: None, stock: Some(total) };
                PatchCampaign { windows: Some(vec![window]), ..PatchCampaign::default() }
            }
            Change::Admission(room) => PatchCampaign { waiting_room: Some(room), ..PatchCampaign::default() },
            Change::LedgerRate(ledger_rate) => return Some(Body::Pipeline(PatchPipeline { ledger_rate })),
            _ => return None,
        };
        Some(Body::Campaign(campaign))
    }

    /// The request in one line, as it will be sent.
    pub(crate) fn request(&self) -> String {
        let line = format!("{} /v1/{}", self.verb().word(), self.path().join("/"));
        match self.body() {
            Some(body) => format!("{line} {}", serde_json::to_string(&body).unwrap_or_default()),
            None => line,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn says_exactly_what_will_be_sent() {
        let order = |change| Order { campaign: "summer".into(), change }.request();
        assert_eq!(order(Change::Pause), "POST /v1/campaigns/summer/pause");
        assert_eq!(
            order(Change::Stock { window: None, total: 500 }),
            r#"PATCH /v1/campaigns/summer {"stock":500}"#
        );
        assert_eq!(
            order(Change::Stock { window: Some(3), total: 500 }),
            r#"PATCH /v1/campaigns/summer {"windows":[{"id":3,"stock":500}]}"#
        );
        let room = WaitingRoom { admit_per_second: 50, max_active: 900, admission_ttl_seconds: 60 };
        assert_eq!(
            order(Change::Admission(room)),
            r#"PATCH /v1/campaigns/summer {"waiting_room":{"admit_per_second":50,"max_active":900,"admission_ttl_seconds":60}}"#
        );
        let at = Position::new(0, 42);
        assert_eq!(order(Change::Replay { side: Side::Command, at }), "POST /v1/dead-letters/0-42/replay");
        assert_eq!(order(Change::Discard { side: Side::Query, at }), "DELETE /v1/history/dead-letters/0-42");
        assert_eq!(Order::ledger_rate(Some(500)).request(), r#"PATCH /v1/pipeline {"ledger_rate":500}"#);
        assert_eq!(Order::ledger_rate(None).request(), r#"PATCH /v1/pipeline {"ledger_rate":null}"#);
    }
}
