//! The three scenarios that end with an audit.

use std::time::Duration;

use super::{Bench, RunReport};
use crate::answers::Answers;
use crate::audit::{Terms, audit};
use crate::error::BenchError;
use crate::load::{Hammer, Shot};
use crate::rush::Rush;

/// Each person asks so many times in `duplicate`.
const COPIES: u32 = 3;

impl Bench {
    /// More askers than stock, everybody once.
    pub(super) async fn rush(&self) -> Result<RunReport, BenchError> {
        let stock = self.args.stock.unwrap_or(1_000);
        let campaign = self.campaign(stock).await?;
        let yardstick = self.yardstick().await?;
        let answers = self.crowd(&campaign, self.people(stock)).run(None).await?;
        self.report(yardstick, stock, &answers).await
    }

    /// Everybody several times, at about the same moment and over different connections.
    pub(super) async fn duplicate(&self) -> Result<RunReport, BenchError> {
        let stock = self.args.stock.unwrap_or(1_000);
        let campaign = self.campaign(stock).await?;
        let yardstick = self.yardstick().await?;
        let answers = self.crowd(&campaign, self.people(stock)).copies(COPIES).run(None).await?;
        self.report(yardstick, stock, &answers).await
    }

    /// All coupons go first; then strangers ask, who must all hear "sold out"; then the holders again, who must get their
    /// own coupon.
    pub(super) async fn soldout(&self) -> Result<RunReport, BenchError> {
        let stock = self.args.stock.unwrap_or(100);
        let holders = u32::try_from(stock)
            .map_err(|_| BenchError::Usage("so large a stock cannot be sold out here".to_owned()))?;
        let campaign = self.campaign(stock).await?;
        let first = self.crowd(&campaign, holders).pace(crate::rush::Pace::AtOnce).run(None).await?;
        let yardstick = self.yardstick().await?;
        let strangers = self.crowd(&campaign, self.people(stock)).crowd("stranger").run(None).await?;
        let span = strangers.ended.saturating_duration_since(strangers.began);
        let refused = strangers.tally().sold_out;
        let again = self.crowd(&campaign, holders).pace(crate::rush::Pace::AtOnce).run(None).await?;
        // Latency and rate of the report are the strangers': that is what this scenario is about.
        let latency = strangers.latency.clone();
        let answers = first.and(strangers).and(again);
        let mut report = self.report(yardstick, stock, &answers).await?;
        report.audit.latency = crate::load::Latency::of(&latency);
        report.audit.answers_per_second = crate::load::per_second(refused, span);
        report.answers_ratio = report.audit.answers_per_second / yardstick.max(f64::MIN_POSITIVE);
        Ok(report)
    }

    fn crowd(&self, campaign: &str, people: u32) -> Rush {
        Rush::new(&self.target, campaign, people).connections(self.connections()).pace(self.pace())
    }

    /// `GET /healthz` of the same process a second long, closed loop over as many connections.
    async fn yardstick(&self) -> Result<f64, BenchError> {
        let hammer = Hammer {
            target: self.target.clone(),
            connections: self.connections(),
            warm_up: Duration::from_millis(300),
            span: Duration::from_secs(1),
            rate: None,
        };
        Ok(hammer.run(Shot::Health).await?.rate(200))
    }

    async fn report(
        &self,
        healthz_per_second: f64,
        stock: u64,
        answers: &Answers,
    ) -> Result<RunReport, BenchError> {
        let audit = audit(&self.api, answers, Terms::one_each(stock)).await?;
        let beside = |rate: f64| if healthz_per_second > 0.0 { rate / healthz_per_second } else { 0.0 };
        Ok(RunReport {
            connections: self.connections(),
            rate: self.args.rate,
            healthz_per_second,
            issues_ratio: beside(audit.issues_per_second),
            answers_ratio: beside(audit.answers_per_second),
            audit,
        })
    }
}
