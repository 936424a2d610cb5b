//! Numbers: latency histograms and rates, in one manner everywhere.

use std::time::Duration;

use hdrhistogram::Histogram;
use serde::Serialize;

/// How long answers took, in milliseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Latency {
    /// Answers measured.
    pub count: u64,
    /// Half of them were faster.
    pub p50_ms: f64,
    /// One in a hundred was slower.
    pub p99_ms: f64,
    /// One in a thousand was slower.
    pub p999_ms: f64,
    /// The slowest.
    pub max_ms: f64,
}

impl Latency {
    /// Sums up a histogram of microseconds.
    pub(crate) fn of(histogram: &Histogram<u64>) -> Self {
        let at = |quantile| float(histogram.value_at_quantile(quantile)) / 1_000.0;
        if histogram.is_empty() {
            return Self::default();
        }
        Self {
            count: histogram.len(),
            p50_ms: at(0.5),
            p99_ms: at(0.99),
            p999_ms: at(0.999),
            max_ms: float(histogram.max()) / 1_000.0,
        }
    }
}

/// A histogram of microseconds from 1 µs to 10 minutes, three digits exact; what is longer counts as 10 minutes.
pub(crate) fn fresh_histogram() -> Histogram<u64> {
    Histogram::new_with_bounds(1, 600_000_000, 3).expect("the bounds are in order")
}

/// A duration in whole microseconds.
pub(crate) fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

/// A count as a number to calculate with; exact up to 2^53.
#[expect(clippy::cast_precision_loss, reason = "rates of more than 2^53 things are not measured here")]
pub(crate) fn float(count: u64) -> f64 {
    count as f64
}

/// Things a second; 0 when no time passed.
pub(crate) fn per_second(count: u64, span: Duration) -> f64 {
    if span.is_zero() { 0.0 } else { float(count) / span.as_secs_f64() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_up_latencies_in_milliseconds() {
        let mut histogram = fresh_histogram();
        assert_eq!(Latency::of(&histogram), Latency::default());
        for micros in 1..=1_000 {
            histogram.saturating_record(micros * 1_000);
        }
        let latency = Latency::of(&histogram);
        assert!((latency.p50_ms - 500.0).abs() < 1.0, "{latency:?}");
        assert!((latency.p99_ms - 990.0).abs() < 1.0, "{latency:?}");
        assert_eq!(latency.count, 1_000);
    }

    #[test]
    fn no_time_gives_no_rate() {
        assert!(per_second(5, Duration::ZERO).abs() < f64::EPSILON);
        assert!((per_second(5, Duration::from_millis(500)) - 10.0).abs() < f64::EPSILON);
    }
}
