//! What may happen to the console, and what it may ask for: the whole traffic between the pure part and the rest.

use crossterm::event::{KeyEvent, MouseEvent};
use firstcome_shared::wire::{
    Campaign, Coupon, HistoryCampaign, PatchCampaign, PatchWindow, Pipeline, Problem, ProjectionView,
};

/// Something happened.
#[derive(Clone, Debug)]
pub(crate) enum Message {
    /// A key was pressed.
    Key(KeyEvent),
    /// The mouse did something.
    Mouse(MouseEvent),
    /// The terminal has so many columns and rows.
    Resized(u16, u16),
    /// A server was asked, and this came of it.
    Fetched(Feed, Result<Data, Failure>),
    /// An order was sent, and this came of it.
    Answered(Order, Result<Box<Campaign>, Failure>),
    /// Whoever started the console has something to say, or no longer.
    Banner(Option<String>),
}

/// Something to be done outside.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Effect {
    /// End.
    Quit,
    /// From now on also fetch what belongs to this campaign; none: only what belongs to all.
    Follow(Option<String>),
    /// Send this order.
    Send(Order),
}

/// The two halves of a server, which may stand behind different addresses and be away one without the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    /// Gate, log, ledger.
    Command,
    /// Read model.
    Query,
}

/// One thing that is fetched again and again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Feed {
    /// All campaigns, live.
    Campaigns,
    /// The pipeline.
    Pipeline,
    /// How far the read model is.
    Lag,
    /// One campaign, live, with its windows.
    Campaign(String),
    /// One campaign's statistics.
    History(String),
    /// One campaign's latest coupons.
    Coupons(String),
}

impl Feed {
    /// Which half answers it.
    pub(crate) fn side(&self) -> Side {
        match self {
            Self::Campaigns | Self::Pipeline | Self::Campaign(_) => Side::Command,
            Self::Lag | Self::History(_) | Self::Coupons(_) => Side::Query,
        }
    }

    /// The campaign it belongs to, if to one.
    pub(crate) fn campaign(&self) -> Option<&str> {
        match self {
            Self::Campaigns | Self::Pipeline | Self::Lag => None,
            Self::Campaign(id) | Self::History(id) | Self::Coupons(id) => Some(id),
        }
    }

    /// What it is called in messages and in JSON.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Campaigns => "campaigns",
            Self::Pipeline => "pipeline",
            Self::Lag => "read_model",
            Self::Campaign(_) => "campaign",
            Self::History(_) => "history",
            Self::Coupons(_) => "coupons",
        }
    }
}

/// What a feed brought.
#[derive(Clone, Debug)]
pub(crate) enum Data {
    Campaigns(Vec<Campaign>),
    Pipeline(Box<Pipeline>),
    Lag(ProjectionView),
    Campaign(Box<Campaign>),
    History(Box<HistoryCampaign>),
    Coupons(Vec<Coupon>),
}

/// Why nothing was brought.
#[derive(Clone, Debug, thiserror::Error)]
pub(crate) enum Failure {
    /// No answer: worth asking again.
    #[error("{0}")]
    Unreachable(String),
    /// The server said no, and why.
    #[error("{}: {}", .0.title, .0.detail)]
    Refused(Box<Problem>),
    /// An answer that is not what the API promises.
    #[error("{0}")]
    Unexpected(String),
}

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
}

impl Order {
    /// The last part of the path, after the campaign; none: the campaign itself is patched.
    pub(crate) fn verb(&self) -> Option<&'static str> {
        match self.change {
            Change::Pause => Some("pause"),
            Change::Resume => Some("resume"),
            Change::Cancel => Some("cancel"),
            Change::Stock { .. } => None,
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
            Change::Pause | Change::Resume | Change::Cancel => None,
        }
    }

    /// The request in one line, as it will be sent.
    pub(crate) fn request(&self) -> String {
        let path = format!("/v1/campaigns/{}", self.campaign);
        match (self.verb(), self.body()) {
            (Some(verb), _) => format!("POST {path}/{verb}"),
            (None, body) => format!("PATCH {path} {}", serde_json::to_string(&body).unwrap_or_default()),
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
    }
}
