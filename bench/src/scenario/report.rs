//! The report of a scenario, for programs and for people.

use std::fmt;

use serde::Serialize;

use super::RatioReport;
use crate::audit::AuditReport;
use crate::text::rate;

/// What a scenario brought to light.
#[derive(Clone, Debug, Serialize)]
#[serde(tag = "scenario", rename_all = "snake_case")]
pub enum Report {
    /// More askers than stock.
    Rush(RunReport),
    /// Everybody several times.
    Duplicate(RunReport),
    /// Sold out before people ask.
    Soldout(RunReport),
    /// Rates beside `/healthz`.
    Ratio(RatioReport),
}

impl Report {
    /// Whether every promise that the scenario can show holds.
    pub fn ok(&self) -> bool {
        match self {
            Self::Rush(run) | Self::Duplicate(run) | Self::Soldout(run) => run.audit.ok(),
            Self::Ratio(ratio) => ratio.ok(),
        }
    }
}

/// A rush with its audit. Every rate has its ratio to `/healthz` beside it.
#[derive(Clone, Debug, Serialize)]
pub struct RunReport {
    /// Connections at once.
    pub connections: usize,
    /// Requests a second when the loop was open.
    pub rate: Option<f64>,
    /// `GET /healthz` a second, closed loop over as many connections, shortly before.
    pub healthz_per_second: f64,
    /// Issues a second by that.
    pub issues_ratio: f64,
    /// Clear answers a second by that.
    pub answers_ratio: f64,
    /// The audit.
    pub audit: AuditReport,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Rush(run) => run.show(f, "rush"),
            Self::Duplicate(run) => run.show(f, "duplicate"),
            Self::Soldout(run) => run.show(f, "sold out"),
            Self::Ratio(ratio) => ratio.fmt(f),
        }
    }
}

impl RunReport {
    fn show(&self, f: &mut fmt::Formatter<'_>, title: &str) -> fmt::Result {
        let how = self.rate.map_or_else(
            || "closed loop".to_owned(),
            |per_second| format!("open loop, {} a second", rate(per_second)),
        );
        writeln!(f, "{title} · {} · {} connections, {how}\n", self.audit.campaign_id, self.connections)?;
        writeln!(f, "{}", self.audit)?;
        writeln!(
            f,
            "  beside /healthz ({} a second): issues {:.2}, answers {:.2}",
            rate(self.healthz_per_second),
            self.issues_ratio,
            self.answers_ratio
        )
    }
}
