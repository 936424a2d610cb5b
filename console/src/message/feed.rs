//! What is fetched again and again, and from which half of which server.

/// The two halves of a server, which may stand behind different addresses and be away one without the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Side {
    /// Gate, log, ledger.
    Command,
    /// Read model.
    Query,
}

impl Side {
    /// The store that this half keeps, in words.
    pub(crate) fn store(self) -> &'static str {
        match self {
            Self::Command => "ledger",
            Self::Query => "read model",
        }
    }
}

/// One thing that is fetched again and again. A number is that of one server, in the order in which they were given;
/// what has none may come from any server of its half.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Feed {
    /// All campaigns, live.
    Campaigns,
    /// One campaign, live, with its windows.
    Campaign(String),
    /// One campaign's statistics.
    History(String),
    /// One campaign's latest coupons.
    Coupons(String),
    /// Who asked most often for one campaign's coupons. It names people: for an operator.
    Askers(String),
    /// Messages that a store could not apply.
    DeadLetters(Side),
    /// What operators did, newest first: from the newest, or one further page.
    Audit(Audit),
    /// The pipeline as one server sees it.
    Pipeline(usize),
    /// How far the read model is, as one server sees it.
    Lag(usize),
    /// Whether one server is ready.
    Health(usize),
    /// What one server's metrics say and nothing else does: its version, and drift.
    Metrics(usize),
    /// The alerts that fire in Prometheus.
    Alerts,
}

/// Which part of the audit log.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Audit {
    /// Only of this campaign.
    pub(crate) campaign: Option<String>,
    /// The page behind this cursor; the newest when absent.
    pub(crate) after: Option<String>,
}

impl Feed {
    /// The campaign on show that it belongs to, if to one.
    pub(crate) fn campaign(&self) -> Option<&str> {
        match self {
            Self::Campaign(id) | Self::History(id) | Self::Coupons(id) | Self::Askers(id) => Some(id),
            _ => None,
        }
    }

    /// What it is called in messages and in JSON.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Campaigns => "campaigns",
            Self::Pipeline(_) => "pipeline",
            Self::Lag(_) => "read_model",
            Self::Campaign(_) => "campaign",
            Self::History(_) => "history",
            Self::Coupons(_) => "coupons",
            Self::Askers(_) => "askers",
            Self::DeadLetters(_) => "dead_letters",
            Self::Audit(_) => "audit_log",
            Self::Health(_) => "health",
            Self::Metrics(_) => "metrics",
            Self::Alerts => "alerts",
        }
    }
}
