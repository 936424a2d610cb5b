//! An operator's wish, as it will be sent.

use firstcome_shared::position::Position;
use firstcome_shared::wire::{PatchCampaign, PatchWindow, WaitingRoom};

use super::Side;

/// An operator's wish, as it will be sent. It carries absolute values only, so sending it twice changes nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Order {
    /// The campaign it concerns.
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
        }
    }

    /// How it is sent.
    pub(crate) fn verb(&self) -> Verb {
        match self.change {
            Change::Pause | Change::Resume | Change::Cancel | Change::Replay { .. } => Verb::Post,
            Change::Stock { .. } | Change::Admission(_) => Verb::Patch,
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
        }
    }

    /// The body, when there is one.
    pub(crate) fn body(&self) -> Option<PatchCampaign> {
        match self.change {
            Change::Stock { window: None, total } => {
                Some(PatchCampaign { stock: Some(total), ..PatchCampaign::default() })
            }
            Change::Stock { window: Some(id), total } => {
                let window = PatchWindow { id, opens_at: None, closes_at: None, stock: Some(total) };
                Some(PatchCampaign { windows: Some(vec![window]), ..PatchCampaign::default() })
            }
            Change::Admission(room) => {
                Some(PatchCampaign { waiting_room: Some(room), ..PatchCampaign::default() })
            }
            _ => None,
        }
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
    }
}
