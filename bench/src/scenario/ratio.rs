//! Rates beside a yardstick. Absolute rates say more about the machine than about the system; so every run measures
//! `/healthz`, durable issues and sold-out refusals of the same process one after the other, and the median of the paired
//! ratios is what counts. Latency is measured with an open loop at half of what was reached.

use std::fmt;
use std::time::{Duration, Instant};

use serde::Serialize;

use super::Bench;
use crate::audit::wait_until_level;
use crate::error::BenchError;
use crate::load::{Hammer, Latency, Shot, Volley};
use crate::rush::Rush;
use crate::text::{Table, latency, rate, ratio, thousands};

/// More than can be asked for in any run.
const PLENTY: u64 = 1_000_000_000;
/// Requests before counting begins.
const WARM_UP: Duration = Duration::from_millis(500);
/// How long the projections may take to be level before the next span is measured.
const LEVEL_WITHIN: Duration = Duration::from_mins(2);

/// Rates and ratios at several numbers of connections.
#[derive(Clone, Debug, Serialize)]
pub struct RatioReport {
    /// Nothing came back but what was expected, and the gate counted what was answered.
    pub ok: bool,
    /// Seconds of each measured span.
    pub seconds: u64,
    /// One for each number of connections.
    pub sets: Vec<RatioSet>,
    /// What was not as expected.
    pub faults: Vec<String>,
}

/// The paired runs at one number of connections.
#[derive(Clone, Debug, Serialize)]
pub struct RatioSet {
    /// Connections at once.
    pub connections: usize,
    /// The runs.
    pub runs: Vec<RatioRun>,
    /// Medians over the runs; the ratios are medians of the paired ratios.
    pub median: RatioRun,
    /// Requests a second of the open loop: half the median rate of issues.
    pub open_rate: f64,
    /// Issues that the open loop reached a second, beside the median of `/healthz`.
    pub open_issues: PhaseRate,
    /// Latency of issues in the open loop, from the intended time of sending.
    pub latency: Latency,
}

/// One paired run: three spans, one after the other.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct RatioRun {
    /// `GET /healthz` a second.
    pub healthz_per_second: f64,
    /// Durable issues.
    pub issues: PhaseRate,
    /// Sold-out refusals.
    pub refusals: PhaseRate,
    /// Seconds after the last issue until ledger and read model had everything.
    pub level_after_seconds: f64,
}

/// A rate and its ratio.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct PhaseRate {
    /// A second.
    pub per_second: f64,
    /// By `/healthz` of the same run.
    pub ratio: f64,
}

impl PhaseRate {
    fn beside(per_second: f64, yardstick: f64) -> Self {
        Self { per_second, ratio: if yardstick > 0.0 { per_second / yardstick } else { 0.0 } }
    }
}

impl Bench {
    /// All sets, one after the other.
    pub(super) async fn ratio(&self) -> Result<RatioReport, BenchError> {
        let seconds = self.args.seconds.unwrap_or(5);
        let sold_out = self.sold_out_campaign().await?;
        let mut report = RatioReport { ok: false, seconds, sets: Vec::new(), faults: Vec::new() };
        let counts: Vec<usize> = match self.args.connections.as_slice() {
            [] => vec![128, 512],
            given => given.iter().map(|connections| usize::from(*connections)).collect(),
        };
        for connections in counts {
            let hammer = Hammer {
                target: self.target.clone(),
                connections,
                warm_up: WARM_UP,
                span: Duration::from_secs(seconds),
                rate: None,
            };
            let set = self.set(&hammer, &sold_out, &mut report.faults).await?;
            report.sets.push(set);
        }
        report.ok = report.ok();
        Ok(report)
    }

    async fn sold_out_campaign(&self) -> Result<String, BenchError> {
        let id = self.campaign(1).await?;
        let told = Rush::new(&self.target, id.as_str(), 1).connections(1).run(None).await?.tally();
        if told.issued + told.already_issued != 1 {
            return Err(BenchError::Usage(format!("the only coupon of {id} could not be had: {told:?}")));
        }
        Ok(id)
    }

    async fn set(
        &self,
        hammer: &Hammer,
        sold_out: &str,
        faults: &mut Vec<String>,
    ) -> Result<RatioSet, BenchError> {
        let connections = hammer.connections;
        let mut runs = Vec::new();
        for number in 1..=self.args.runs {
            let healthz = hammer.run(Shot::Health).await?;
            let healthz_per_second = healthz.rate(200);
            let (issues, level_after_seconds) = self.issues(hammer, faults).await?;
            let refusals = hammer.run(Shot::Ask(vec![sold_out.to_owned()])).await?;
            for (what, volley, status) in [("healthz", &healthz, 200), ("sold out", &refusals, 409)] {
                unexpected(what, connections, volley, status, faults);
            }
            let run = RatioRun {
                healthz_per_second,
                issues: PhaseRate::beside(issues.rate(201), healthz_per_second),
                refusals: PhaseRate::beside(refusals.rate(409), healthz_per_second),
                level_after_seconds,
            };
            tracing::info!(
                connections,
                run = number,
                healthz = %rate(healthz_per_second),
                issues = %rate(run.issues.per_second),
                refusals = %rate(run.refusals.per_second),
                "measured"
            );
            runs.push(run);
        }
        let median = median_run(&runs);
        let open_rate = median.issues.per_second / 2.0;
        let open = Hammer { rate: Some(open_rate), ..hammer.clone() };
        let (volley, _) = self.issues(&open, faults).await?;
        Ok(RatioSet {
            connections,
            median,
            runs,
            open_rate,
            open_issues: PhaseRate::beside(volley.rate(201), median.healthz_per_second),
            latency: Latency::of(&volley.latency),
        })
    }

    /// Issues from fresh campaigns; afterwards the gate must have counted at least what was answered and at most what was
    /// sent, and the projections get the time to become level, so that the next span is not measured against their work.
    async fn issues(&self, hammer: &Hammer, faults: &mut Vec<String>) -> Result<(Volley, f64), BenchError> {
        let mut ids = Vec::new();
        for _ in 0..self.args.campaigns {
            ids.push(self.campaign(PLENTY).await?);
        }
        let volley = hammer.run(Shot::Ask(ids.clone())).await?;
        let ended = Instant::now();
        unexpected("issues", hammer.connections, &volley, 201, faults);
        let (mut issued, mut conserved) = (0, true);
        for id in &ids {
            let view = self.api.campaign(id).await?;
            issued += view.issued;
            conserved &= view.issued + view.remaining == view.stock;
        }
        if !(volley.count(201)..=volley.sent).contains(&issued) || !conserved {
            faults.push(format!(
                "{}: {} answered 201 of {} sent; the gate says issued {issued}{}",
                ids.join(", "),
                volley.count(201),
                volley.sent,
                if conserved { "" } else { ", and issued + remaining is not the stock" }
            ));
        }
        let level = wait_until_level(&self.api, ended, LEVEL_WITHIN).await?;
        Ok((volley, level.ledger.max(level.read_model).as_secs_f64()))
    }
}

fn unexpected(what: &str, connections: usize, volley: &Volley, status: u16, faults: &mut Vec<String>) {
    let others = volley.others(status);
    if others > 0 {
        let Volley { statuses, cut, .. } = volley;
        faults.push(format!(
            "{what} at {connections} connections: {} answers other than {status}: {statuses:?}, {cut} cut off",
            thousands(others)
        ));
    }
}

fn median_run(runs: &[RatioRun]) -> RatioRun {
    let of = |value: fn(&RatioRun) -> f64| median(runs.iter().map(value).collect());
    RatioRun {
        healthz_per_second: of(|run| run.healthz_per_second),
        issues: PhaseRate { per_second: of(|run| run.issues.per_second), ratio: of(|run| run.issues.ratio) },
        refusals: PhaseRate {
            per_second: of(|run| run.refusals.per_second),
            ratio: of(|run| run.refusals.ratio),
        },
        level_after_seconds: of(|run| run.level_after_seconds),
    }
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    match values.len() {
        0 => 0.0,
        odd if odd % 2 == 1 => values[odd / 2],
        even => f64::midpoint(values[even / 2 - 1], values[even / 2]),
    }
}

impl RatioReport {
    /// Whether nothing unexpected came back. How fast is fast enough is not for the bench to say.
    pub fn ok(&self) -> bool {
        self.faults.is_empty()
    }
}

impl fmt::Display for RatioReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "ratio to GET /healthz of the same process · spans of {} s, closed loop\n",
            self.seconds
        )?;
        for set in &self.sets {
            let mut table = Table::new(1);
            let name = format!("{} connections", set.connections);
            table.row([
                name.as_str(),
                "healthz/s",
                "issues/s",
                "ratio",
                "sold out/s",
                "ratio",
                "level after",
            ]);
            for (number, run) in set.runs.iter().enumerate() {
                table.row(cells(format!("run {}", number + 1), run));
            }
            table.row(cells("median".to_owned(), &set.median));
            write!(f, "{table}")?;
            writeln!(
                f,
                "  open loop at {} a second: {} issues a second, ratio {}, latency p50 / p99 / p99.9: {}\n",
                rate(set.open_rate),
                rate(set.open_issues.per_second),
                ratio(set.open_issues.per_second, set.median.healthz_per_second),
                latency(&set.latency)
            )?;
        }
        for fault in &self.faults {
            writeln!(f, "  not as expected: {fault}")?;
        }
        Ok(())
    }
}

fn cells(name: String, run: &RatioRun) -> [String; 7] {
    [
        name,
        rate(run.healthz_per_second),
        rate(run.issues.per_second),
        format!("{:.2}", run.issues.ratio),
        rate(run.refusals.per_second),
        format!("{:.2}", run.refusals.ratio),
        format!("{:.1} s", run.level_after_seconds),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn medians_are_of_the_paired_ratios() {
        assert!((median(vec![3.0, 1.0, 2.0]) - 2.0).abs() < f64::EPSILON);
        assert!((median(vec![4.0, 1.0, 2.0, 3.0]) - 2.5).abs() < f64::EPSILON);
        assert!(median(vec![]).abs() < f64::EPSILON);
        let run = |healthz, issues| RatioRun {
            healthz_per_second: healthz,
            issues: PhaseRate::beside(issues, healthz),
            ..RatioRun::default()
        };
        // The machine was slow in the middle run: its ratio is as good as the others.
        let median = median_run(&[run(100.0, 50.0), run(10.0, 6.0), run(120.0, 48.0)]);
        assert!((median.issues.ratio - 0.5).abs() < 1e-9, "{median:?}");
        assert!((median.healthz_per_second - 100.0).abs() < 1e-9, "{median:?}");
    }
}
