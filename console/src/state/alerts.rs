//! What is wrong, by the console's own rules over what it sees, and by Prometheus when there is one. Every alert says
//! what people notice and what to do.

mod rules;

use std::cmp::Ordering;
use std::collections::BTreeMap;

use firstcome_shared::clock::Millis;

use super::table::{Key, Row, Table, key, largest};
use crate::message::Firing;
pub(crate) use rules::rules;

/// An alert that ended and begins again within this time, in milliseconds, is the same one: nobody is told twice.
const SAME: i64 = 60_000;

/// How much an alert matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Severity {
    /// Somebody has to act now.
    Page,
    /// Somebody should look.
    Warn,
}

impl Severity {
    /// A symbol of one cell.
    pub(crate) fn symbol(self) -> &'static str {
        match self {
            Self::Page => "▲",
            Self::Warn => "△",
        }
    }

    /// A word.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Page => "PAGE",
            Self::Warn => "WARN",
        }
    }
}

/// Something is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Alert {
    /// Tells it from all others, and stays while it lasts.
    pub(crate) key: String,
    /// How much it matters.
    pub(crate) severity: Severity,
    /// What people notice.
    pub(crate) title: String,
    /// What to do.
    pub(crate) advice: String,
    /// Since when it has been seen.
    pub(crate) since: Millis,
}

impl Alert {
    fn new(
        severity: Severity,
        key: impl Into<String>,
        title: impl Into<String>,
        advice: impl Into<String>,
    ) -> Self {
        Self { key: key.into(), severity, title: title.into(), advice: advice.into(), since: Millis(0) }
    }

    /// What Prometheus says, as an alert.
    fn of(firing: &Firing) -> Self {
        let severity = match firing.severity.to_lowercase().as_str() {
            "page" | "critical" => Severity::Page,
            _ => Severity::Warn,
        };
        let title = firing.summary.clone().unwrap_or_else(|| firing.name.clone());
        let advice = match &firing.runbook {
            Some(link) => format!("{}: {link}", firing.name),
            None => format!("Prometheus: {}", firing.name),
        };
        // The title has the numbers of the moment.
        let key = format!("prometheus {} {} {:?}", firing.name, firing.severity, firing.labels);
        Self::new(severity, key, title, advice)
    }
}

impl Row for Alert {
    const KEYS: &'static [Key] = &[key("severity"), largest("since"), key("text")];

    fn same(&self, other: &Self) -> bool {
        self.key == other.key
    }

    fn matches(&self, wanted: &str) -> bool {
        self.title.to_lowercase().contains(wanted)
            || self.advice.to_lowercase().contains(wanted)
            || self.severity.word().to_lowercase().contains(wanted)
    }

    fn compare(&self, other: &Self, key: usize) -> Ordering {
        match key {
            1 => self.since.cmp(&other.since),
            2 => self.title.cmp(&other.title),
            _ => self.severity.cmp(&other.severity),
        }
    }
}

/// All alerts that fire.
#[derive(Clone, Debug, Default)]
pub(crate) struct Alerts {
    /// Those that fire, the gravest first.
    pub(crate) table: Table<Alert>,
    /// What fires in Prometheus.
    pub(crate) prometheus: Vec<Firing>,
    /// Every alert of the last while: since when, and when it last fired.
    known: BTreeMap<String, (Millis, Millis)>,
    first: Option<Alert>,
}

impl Alerts {
    /// Takes in what the rules say now; gives those alerts that begin.
    pub(crate) fn take(&mut self, mut firing: Vec<Alert>, now: Millis) -> Vec<Alert> {
        firing.extend(self.prometheus.iter().map(Alert::of));
        let mut begun = Vec::new();
        for alert in &mut firing {
            let (since, last) = self.known.entry(alert.key.clone()).or_insert_with(|| {
                begun.push(alert.clone());
                (now, now)
            });
            (alert.since, *last) = (*since, now);
        }
        self.known.retain(|_, (_, last)| now.since(*last) < SAME);
        // The gravest first, and of these the one that began last: the news.
        firing.sort_by(|a, b| (a.severity, b.since, &a.key).cmp(&(b.severity, a.since, &b.key)));
        firing.dedup_by(|a, b| a.key == b.key);
        if self.table.all() != firing {
            self.first = firing.first().cloned();
            self.table.replace(firing);
        }
        begun
    }

    /// The gravest, whatever the list is filtered and sorted by.
    pub(crate) fn first(&self) -> Option<&Alert> {
        self.first.as_ref()
    }

    /// How many fire.
    pub(crate) fn count(&self) -> usize {
        self.table.all().len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_alert_begins_once_also_when_it_flaps() {
        let mut alerts = Alerts::default();
        let fire = || vec![Alert::new(Severity::Page, "k", "title", "advice")];
        assert_eq!(alerts.take(fire(), Millis(0)).len(), 1);
        assert_eq!(alerts.take(fire(), Millis(1_000)).len(), 0);
        assert_eq!(alerts.take(Vec::new(), Millis(2_000)).len(), 0);
        assert_eq!((alerts.count(), alerts.first()), (0, None));
        assert_eq!(alerts.take(fire(), Millis(30_000)).len(), 0);
        assert_eq!(alerts.first().map(|alert| alert.since), Some(Millis(0)));
        alerts.take(Vec::new(), Millis(31_000));
        assert_eq!(alerts.take(Vec::new(), Millis(91_000)).len(), 0);
        assert_eq!(alerts.take(fire(), Millis(92_000)).len(), 1);
    }

    #[test]
    fn an_alert_of_prometheus_stays_the_same_while_its_number_moves() {
        let firing = |campaign: &str, percent: i64| Firing {
            name: "Errors".into(),
            severity: "page".into(),
            labels: BTreeMap::from([("campaign".into(), campaign.into())]),
            summary: Some(format!("{percent} % see an error")),
            runbook: None,
        };
        let mut alerts = Alerts::default();
        let mut take = |firing: Vec<Firing>, now| {
            alerts.prometheus = firing;
            let begun = alerts.take(Vec::new(), Millis(now)).len();
            let seen = alerts.table.all().iter().map(|alert| (alert.title.clone(), alert.since.0));
            (begun, seen.collect::<Vec<_>>())
        };
        let seen = |percent: i64, since| (format!("{percent} % see an error"), since);
        assert_eq!(take(vec![firing("summer", 2)], 0), (1, vec![seen(2, 0)]));
        assert_eq!(take(vec![firing("summer", 3)], 5_000), (0, vec![seen(3, 0)]));
        // Two of one rule that say the same.
        let both = vec![firing("summer", 3), firing("winter", 3)];
        assert_eq!(take(both, 6_000), (1, vec![seen(3, 6_000), seen(3, 0)]));
    }

    #[test]
    fn the_news_stand_above_what_has_been_known_but_below_what_is_graver() {
        let mut alerts = Alerts::default();
        let fire = |severity, key: &str| Alert::new(severity, key, key, "advice");
        let mut firing = vec![fire(Severity::Page, "old")];
        alerts.take(firing.clone(), Millis(0));
        firing.push(fire(Severity::Page, "new"));
        alerts.take(firing.clone(), Millis(1_000));
        firing.push(fire(Severity::Warn, "newest"));
        alerts.take(firing, Millis(2_000));
        let keys: Vec<_> = alerts.table.lines(0, 9).map(|alert| alert.key.as_str()).collect();
        assert_eq!((alerts.first().unwrap().key.as_str(), keys), ("new", vec!["new", "old", "newest"]));
    }

    #[test]
    fn what_prometheus_says_comes_with_its_severity_and_its_runbook() {
        let firing = |name: &str, severity: &str| Firing {
            name: name.into(),
            severity: severity.into(),
            labels: BTreeMap::new(),
            summary: Some(format!("{name} it is")),
            runbook: Some("http://runbook#x".into()),
        };
        let prometheus =
            vec![firing("Slow", "warning"), firing("Oversold", "page"), firing("Gap", "critical")];
        let mut alerts = Alerts { prometheus, ..Alerts::default() };
        let begun = alerts.take(Vec::new(), Millis(5));
        assert_eq!(begun.len(), 3);
        let seen: Vec<_> =
            alerts.table.all().iter().map(|alert| (alert.severity, alert.title.as_str())).collect();
        let (page, warn) = (Severity::Page, Severity::Warn);
        assert_eq!(seen, [(page, "Gap it is"), (page, "Oversold it is"), (warn, "Slow it is")]);
        assert_eq!(alerts.first().unwrap().advice, "Gap: http://runbook#x");
    }
}
