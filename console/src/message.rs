//! What may happen to the console, and what it may ask for: the whole traffic between the pure part and the rest.

mod feed;
mod order;

use std::collections::BTreeMap;

use crossterm::event::{KeyEvent, MouseEvent};
use firstcome_shared::wire::{
    Asker, AuditEntry, Campaign, Code, Coupon, DeadLetter, HistoryCampaign, Page, Pipeline, Problem,
    ProjectionView,
};

pub(crate) use feed::{Audit, Feed, Side};
pub(crate) use order::{Change, Order, Verb};

/// Something happened.
#[derive(Clone, Debug)]
pub(crate) enum Message {
    /// A key was pressed.
    Key(KeyEvent),
    /// The mouse did something.
    Mouse(MouseEvent),
    /// The terminal has so many columns and rows.
    Resized(u16, u16),
    /// The terminal got the keyboard, or lost it.
    Focus(bool),
    /// A server was asked, and this came of it.
    Fetched(Feed, Result<Data, Failure>),
    /// An order was sent, and this came of it; the campaign as it is then, where the answer has it.
    Answered(Order, Result<Option<Box<Campaign>>, Failure>),
    /// Whoever started the console has something to say, or no longer.
    Banner(Option<String>),
    /// Time went by.
    Tick,
}

/// Something to be done outside.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Effect {
    /// End.
    Quit,
    /// From now on also fetch what belongs to this campaign; none: only what belongs to all.
    Follow(Option<String>),
    /// From now on also fetch this part of the audit log; none: none of it.
    Audit(Option<Audit>),
    /// Fetch this once.
    Fetch(Feed),
    /// Send this order.
    Send(Order),
    /// Tell whoever does not look.
    Notify(String),
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
    Askers(Vec<Asker>),
    DeadLetters(Vec<DeadLetter>),
    Audit(Page<AuditEntry>),
    Health(Health),
    Metrics(Metrics),
    Alerts(Vec<Firing>),
}

/// Whether a server can do its work.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Health {
    /// It can.
    Ready,
    /// It cannot, and why.
    NotReady(String),
}

/// What a server's metrics say and nothing else does.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Metrics {
    /// Its version.
    pub(crate) version: Option<String>,
    /// Promises that it found broken.
    pub(crate) broken: Vec<Broken>,
    /// Requests for a coupon that it has answered.
    pub(crate) asks: Requests,
    /// All other requests.
    pub(crate) others: Requests,
}

/// Requests since a server started.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Requests {
    /// All of them.
    pub(crate) all: u64,
    /// Those that failed.
    pub(crate) failed: u64,
}

/// A promise is broken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Broken {
    /// Which.
    pub(crate) promise: Promise,
    /// In this campaign.
    pub(crate) campaign: String,
    /// As this store has it.
    pub(crate) store: String,
    /// By so many coupons.
    pub(crate) coupons: u64,
}

/// What is watched for ever.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Promise {
    /// The store has what the log has.
    Same,
    /// No more is issued than there is.
    Stock,
    /// Numbers follow each other.
    Sequence,
}

/// An alert that fires in Prometheus.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Firing {
    /// The rule's name.
    pub(crate) name: String,
    /// Its label `severity`.
    pub(crate) severity: String,
    /// Its other labels: what tells it from others of the same rule, whatever its numbers say.
    pub(crate) labels: BTreeMap<String, String>,
    /// What people notice.
    pub(crate) summary: Option<String>,
    /// Where it says what to do.
    pub(crate) runbook: Option<String>,
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

impl Failure {
    /// The server knows nothing of the path: it is not of the half that was asked for.
    pub(crate) fn is_other_half(&self) -> bool {
        matches!(self, Self::Refused(problem) if problem.code == Code::NotFound)
    }
}
