//! Series that end with what they are about. The recorder keeps a series for as long as the process lives, whoever
//! holds its handle; a campaign is over one day, and its series with it. So those of a campaign stand in a [`Scope`],
//! which shows them while the campaign is active and takes them along when it is dropped.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use metrics::{Counter, Gauge, Histogram, HistogramFn};

use super::names::{Kind, METRICS, Metric};
use crate::domain::CampaignId;

/// Every scope of this process.
static SCOPES: Mutex<Vec<Weak<Scope>>> = Mutex::new(Vec::new());

/// Series by their metric's place in [`METRICS`].
type Shelf = BTreeMap<usize, Vec<Series>>;

/// Some series that are shown and hidden together.
#[derive(Debug)]
pub struct Scope {
    /// What stands on each of them.
    labels: String,
    shown: AtomicBool,
    shelf: Mutex<Shelf>,
}

#[derive(Debug)]
struct Series {
    labels: String,
    value: Value,
}

#[derive(Clone, Debug)]
enum Value {
    /// Counted here.
    Count(Arc<AtomicU64>),
    /// A number that was read elsewhere, as the bits of a float.
    Reading(Arc<AtomicU64>),
    Samples(Arc<Samples>),
}

/// While it is held, nobody sees the scope's series: those that are set meanwhile are seen together.
#[derive(Debug)]
pub struct Held<'a>(#[expect(dead_code, reason = "held, not looked at")] MutexGuard<'a, Shelf>);

impl Scope {
    /// Series of a campaign, hidden at first.
    pub fn campaign(campaign: &CampaignId) -> Arc<Self> {
        // A slug needs no escaping.
        Self::register(format!("campaign=\"{campaign}\""), false)
    }

    /// Series of a projection, hidden at first.
    pub fn projection(name: &'static str) -> Arc<Self> {
        Self::register(format!("projection=\"{name}\""), false)
    }

    /// Series of the process itself.
    pub(super) fn process() -> Arc<Self> {
        Self::register(String::new(), true)
    }

    fn register(labels: String, shown: bool) -> Arc<Self> {
        let scope = Arc::new(Self { labels, shown: AtomicBool::new(shown), shelf: Mutex::default() });
        let mut scopes = SCOPES.lock().unwrap_or_else(PoisonError::into_inner);
        scopes.retain(|scope| scope.strong_count() > 0);
        scopes.push(Arc::downgrade(&scope));
        scope
    }

    /// Whether its series are shown from now on. Hidden ones go on counting.
    pub fn show(&self, shown: bool) {
        self.shown.store(shown, Ordering::Relaxed);
    }

    /// A counter of that name with further labels.
    ///
    /// # Panics
    /// When the name is not one of [`METRICS`].
    pub fn counter(&self, name: &str, labels: &[(&str, &'static str)]) -> Counter {
        match self.series(name, labels, || Value::Count(Arc::default())) {
            Value::Count(count) => Counter::from_arc(count),
            _ => Counter::noop(),
        }
    }

    /// A number that is read elsewhere and set here: a gauge, or a counter that somebody else keeps.
    ///
    /// # Panics
    /// When the name is not one of [`METRICS`].
    pub fn reading(&self, name: &str, labels: &[(&str, &'static str)]) -> Gauge {
        match self.series(name, labels, || Value::Reading(Arc::default())) {
            Value::Reading(value) => Gauge::from_arc(value),
            _ => Gauge::noop(),
        }
    }

    /// A histogram of that name, with its buckets.
    ///
    /// # Panics
    /// When the name is not that of a histogram of [`METRICS`].
    pub fn histogram(&self, name: &str) -> Histogram {
        let Kind::Histogram(bounds) = METRICS[place(name)].kind else { panic!("{name} is no histogram") };
        match self.series(name, &[], || Value::Samples(Arc::new(Samples::new(bounds)))) {
            Value::Samples(samples) => Histogram::from_arc(samples),
            _ => Histogram::noop(),
        }
    }

    /// Hides the series while several of them are set.
    pub fn hold(&self) -> Held<'_> {
        Held(self.shelf())
    }

    fn series(&self, name: &str, labels: &[(&str, &'static str)], new: impl FnOnce() -> Value) -> Value {
        let mut text = self.labels.clone();
        for (label, value) in labels {
            let comma = if text.is_empty() { "" } else { "," };
            let _ = write!(text, "{comma}{label}=\"{value}\"");
        }
        let mut kept = self.shelf();
        let series = kept.entry(place(name)).or_default();
        if let Some(known) = series.iter().find(|known| known.labels == text) {
            return known.value.clone();
        }
        let value = new();
        series.push(Series { labels: text, value: value.clone() });
        value
    }

    fn shelf(&self) -> MutexGuard<'_, Shelf> {
        self.shelf.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The series of all scopes that are shown, as Prometheus reads them: each metric once, with all its series.
pub(super) fn render(text: &mut String) {
    let scopes: Vec<Arc<Scope>> = {
        let scopes = SCOPES.lock().unwrap_or_else(PoisonError::into_inner);
        scopes.iter().filter_map(Weak::upgrade).filter(|scope| scope.shown.load(Ordering::Relaxed)).collect()
    };
    let shelves: Vec<MutexGuard<'_, Shelf>> = scopes.iter().map(|scope| scope.shelf()).collect();
    for (place, metric) in METRICS.iter().enumerate() {
        let mut series = shelves.iter().filter_map(|shelf| shelf.get(&place)).flatten().peekable();
        if series.peek().is_none() {
            continue;
        }
        let Metric { name, kind, help, .. } = metric;
        let _ = write!(text, "# HELP {name} {help}\n# TYPE {name} {}\n", kind.as_str());
        for Series { labels, value } in series {
            match value {
                Value::Count(count) => line(text, name, labels, count.load(Ordering::Relaxed)),
                Value::Reading(bits) => {
                    line(text, name, labels, f64::from_bits(bits.load(Ordering::Relaxed)));
                }
                Value::Samples(samples) => samples.render(text, name, labels),
            }
        }
        text.push('\n');
    }
}

fn line(text: &mut String, name: &str, labels: &str, value: impl std::fmt::Display) {
    let _ = if labels.is_empty() {
        writeln!(text, "{name} {value}")
    } else {
        writeln!(text, "{name}{{{labels}}} {value}")
    };
}

fn place(name: &str) -> usize {
    METRICS.iter().position(|metric| metric.name == name).expect("a metric of names.rs")
}

/// A histogram: how many samples fell into each bucket.
#[derive(Debug)]
struct Samples {
    bounds: &'static [f64],
    /// One more than bounds: the last is for what is beyond them all.
    buckets: Vec<AtomicU64>,
    /// In billionths: a float cannot be added to in one step.
    sum: AtomicU64,
}

const BILLION: f64 = 1e9;

impl Samples {
    fn new(bounds: &'static [f64]) -> Self {
        let buckets = (0..=bounds.len()).map(|_| AtomicU64::new(0)).collect();
        Self { bounds, buckets, sum: AtomicU64::new(0) }
    }

    fn render(&self, text: &mut String, name: &str, labels: &str) {
        let mut count = 0;
        let comma = if labels.is_empty() { "" } else { "," };
        for (place, bucket) in self.buckets.iter().enumerate() {
            count += bucket.load(Ordering::Relaxed);
            let _ = match self.bounds.get(place) {
                Some(bound) => writeln!(text, "{name}_bucket{{{labels}{comma}le=\"{bound}\"}} {count}"),
                None => writeln!(text, "{name}_bucket{{{labels}{comma}le=\"+Inf\"}} {count}"),
            };
        }
        #[expect(clippy::cast_precision_loss, reason = "a sum is a float in Prometheus anyway")]
        let sum = self.sum.load(Ordering::Relaxed) as f64 / BILLION;
        let braces = if labels.is_empty() { ("", "") } else { ("{", "}") };
        let _ = writeln!(text, "{name}_sum{}{labels}{} {sum}", braces.0, braces.1);
        let _ = writeln!(text, "{name}_count{}{labels}{} {count}", braces.0, braces.1);
    }
}

impl HistogramFn for Samples {
    fn record(&self, value: f64) {
        let place = self.bounds.partition_point(|bound| *bound < value);
        if let Some(bucket) = self.buckets.get(place) {
            bucket.fetch_add(1, Ordering::Relaxed);
        }
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "saturates, which is right"
        )]
        let billionths = (value * BILLION) as u64;
        self.sum.fetch_add(billionths, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::super::{DRIFT, ISSUE_ANSWER_SECONDS, ISSUE_REQUESTS_TOTAL, ISSUED, STOCK};
    use super::*;

    fn rendered() -> String {
        let mut text = String::new();
        render(&mut text);
        text
    }

    fn scope(name: &str) -> Arc<Scope> {
        Scope::campaign(&CampaignId::parse(name).unwrap())
    }

    #[test]
    fn series_are_shown_while_they_are_to_be_and_end_with_their_scope() {
        let scope = scope("shown");
        let issued = scope.counter(ISSUE_REQUESTS_TOTAL, &[("outcome", "issued")]);
        issued.increment(1);
        assert!(!rendered().contains("shown"), "hidden at first");
        scope.show(true);
        issued.increment(1);
        let line = "firstcome_issue_requests_total{campaign=\"shown\",outcome=\"issued\"} 2\n";
        assert!(rendered().contains(line), "{}", rendered());
        scope.show(false);
        assert!(!rendered().contains("shown"));
        scope.show(true);
        drop(scope);
        issued.increment(1);
        assert!(!rendered().contains("shown"), "gone, though somebody holds a handle");
    }

    #[test]
    fn a_metric_stands_once_with_the_series_of_all_scopes() {
        let (one, two) = (scope("together-1"), scope("together-2"));
        for scope in [&one, &two] {
            scope.show(true);
            scope.reading(STOCK, &[]).set(7.5);
            scope.reading(DRIFT, &[("store", "ledger")]).set(0.0);
        }
        let text = rendered();
        assert_eq!(text.matches("# TYPE firstcome_stock gauge\n").count(), 1, "{text}");
        let block =
            text.split("# TYPE firstcome_stock gauge\n").nth(1).unwrap().split("\n\n").next().unwrap();
        for name in ["together-1", "together-2"] {
            assert!(block.contains(&format!("firstcome_stock{{campaign=\"{name}\"}} 7.5")), "{text}");
            let drift = format!("firstcome_drift{{campaign=\"{name}\",store=\"ledger\"}} 0\n");
            assert!(text.contains(&drift), "{text}");
        }
    }

    #[test]
    fn a_histogram_counts_into_buckets_that_add_up() {
        let scope = scope("histogram");
        scope.show(true);
        let waited = scope.histogram(ISSUE_ANSWER_SECONDS);
        for seconds in [0.0005, 0.0006, 3.0, 60.0] {
            waited.record(seconds);
        }
        let text = rendered();
        for (le, count) in [("0.0005", 1), ("0.001", 2), ("2.5", 2), ("5", 3), ("+Inf", 4)] {
            let line = format!(
                "firstcome_issue_answer_seconds_bucket{{campaign=\"histogram\",le=\"{le}\"}} {count}\n"
            );
            assert!(text.contains(&line), "{line}{text}");
        }
        assert!(
            text.contains("firstcome_issue_answer_seconds_sum{campaign=\"histogram\"} 63.0011\n"),
            "{text}"
        );
        assert!(text.contains("firstcome_issue_answer_seconds_count{campaign=\"histogram\"} 4\n"), "{text}");
    }

    #[test]
    fn what_is_set_together_is_seen_together() {
        let scope = scope("held");
        scope.show(true);
        let (stock, issued) = (scope.reading(STOCK, &[]), scope.reading(ISSUED, &[]));
        let set = |held: Held<'_>, numbers: (f64, f64)| {
            stock.set(numbers.0);
            issued.set(numbers.1);
            drop(held);
        };
        set(scope.hold(), (10.0, 10.0));
        std::thread::scope(|threads| {
            let held = scope.hold();
            stock.set(5.0);
            let seen = threads.spawn(rendered);
            std::thread::yield_now();
            set(held, (5.0, 0.0));
            let text = seen.join().unwrap();
            let line = |name: &str, value: u32| format!("{name}{{campaign=\"held\"}} {value}\n");
            assert!(text.contains(&line(STOCK, 5)) && text.contains(&line(ISSUED, 0)), "{text}");
        });
    }

    #[test]
    fn the_same_series_is_the_same_number() {
        let scope = scope("same");
        scope.show(true);
        for _ in 0..2 {
            scope.counter(ISSUE_REQUESTS_TOTAL, &[("outcome", "busy")]).increment(1);
        }
        let line = "firstcome_issue_requests_total{campaign=\"same\",outcome=\"busy\"} 2\n";
        assert_eq!(rendered().matches(line).count(), 1);
    }
}
