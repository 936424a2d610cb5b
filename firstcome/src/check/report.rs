//! What was found, for people and for programs.

use std::fmt;
use std::process::ExitCode;

use firstcome_shared::clock::Millis;
use firstcome_shared::wire::{CampaignState, Time};
use serde::Serialize;

/// How a thing stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// As it must be.
    Ok,
    /// Works, but somebody should know.
    Warn,
    /// A promise rests on it, and it is not so.
    Wrong,
    /// Nobody could tell.
    Unknown,
}

/// One thing that was looked at.
#[derive(Clone, Debug, Serialize)]
pub struct Check {
    /// `gate`, `log`, `ledger`, …
    pub part: &'static str,
    /// Which one of them.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub at: String,
    /// What was looked at: a setting by its own name.
    pub what: &'static str,
    /// How it stands.
    pub verdict: Verdict,
    /// What was found.
    pub found: String,
    /// What to do.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub remedy: Option<String>,
}

/// A campaign that gives coupons, or will.
#[derive(Clone, Debug, Serialize)]
pub struct Opening {
    /// The campaign.
    pub id: String,
    /// Where it stands now.
    pub state: CampaignState,
    /// When its open or next window opens.
    pub opens_at: Time,
    /// When that closes.
    pub closes_at: Time,
    /// Coupons in that window.
    pub stock: u64,
    /// Coupons left in it.
    pub remaining: u64,
    /// Seconds until it opens; 0 when it is open.
    pub opens_in_seconds: i64,
}

/// All that was found.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Report {
    /// Nothing is wrong, and nothing is unknown.
    pub fit: bool,
    /// What was looked at.
    pub checks: Vec<Check>,
    /// What opens when, the next first.
    pub opens: Vec<Opening>,
}

impl Report {
    /// Adds what was found at one place.
    pub fn add(&mut self, place: Place) {
        self.checks.extend(place.checks);
        self.fit = self.count(Verdict::Wrong) + self.count(Verdict::Unknown) == 0;
    }

    /// 0: fit; 1: something is wrong; 2: something could not be looked at.
    pub fn code(&self) -> ExitCode {
        if self.count(Verdict::Wrong) > 0 {
            ExitCode::from(crate::BROKEN)
        } else if self.count(Verdict::Unknown) > 0 {
            ExitCode::from(crate::FAILED)
        } else {
            ExitCode::SUCCESS
        }
    }

    fn count(&self, verdict: Verdict) -> usize {
        self.checks.iter().filter(|check| check.verdict == verdict).count()
    }
}

/// One place that is looked at, and what was found there so far.
#[derive(Debug)]
pub struct Place {
    part: &'static str,
    at: String,
    checks: Vec<Check>,
}

impl Place {
    /// Nothing found yet.
    pub fn new(part: &'static str, at: impl Into<String>) -> Self {
        Self { part, at: at.into(), checks: Vec::new() }
    }

    /// As it must be.
    pub fn ok(&mut self, what: &'static str, found: impl Into<String>) {
        self.note(what, Verdict::Ok, found.into(), None);
    }

    /// Works, but somebody should know.
    pub fn warn(&mut self, what: &'static str, found: impl Into<String>, remedy: impl Into<String>) {
        self.note(what, Verdict::Warn, found.into(), Some(remedy.into()));
    }

    /// Not as it must be.
    pub fn wrong(&mut self, what: &'static str, found: impl Into<String>, remedy: impl Into<String>) {
        self.note(what, Verdict::Wrong, found.into(), Some(remedy.into()));
    }

    /// Could not be looked at.
    pub fn unknown(&mut self, what: &'static str, found: impl Into<String>, remedy: impl Into<String>) {
        self.note(what, Verdict::Unknown, found.into(), Some(remedy.into()));
    }

    /// A setting that must have a value; why is said when it has not.
    #[cfg(any(test, feature = "cluster"))]
    pub fn demand(&mut self, what: &'static str, found: &str, demanded: &str, why: &str) {
        if found == demanded {
            self.ok(what, found);
        } else {
            self.wrong(what, found, format!("set it to {demanded}: {why}"));
        }
    }

    /// Another machine's clock, asked at `asked` and answered at `answered` by our own; `strict` where decisions are
    /// refused when clocks are too far apart (ARCHITECTURE G8). `precision` is how coarsely it tells the time.
    pub fn clock(&mut self, theirs: Millis, asked: Millis, answered: Millis, precision: i64, strict: bool) {
        // It was some time between, so a slow answer accuses nobody.
        let behind = asked.0 - theirs.0 - precision;
        let ahead = theirs.0 - answered.0;
        let apart = behind.max(ahead).max(0);
        let found = match apart {
            0 => "together with this machine's".to_owned(),
            apart if ahead > 0 => format!("{apart} ms ahead of this machine's"),
            apart => format!("{apart} ms behind this machine's"),
        };
        if apart > firstcome_command::gate::MAX_SKEW_MS && strict {
            self.wrong("clock", found, format!("{BY_NTP}: nothing is decided when they are 5 s apart"));
        } else if apart > WORTH_SAYING_MS {
            self.warn("clock", found, BY_NTP);
        } else {
            self.ok("clock", found);
        }
    }

    fn note(&mut self, what: &'static str, verdict: Verdict, found: String, remedy: Option<String>) {
        let (part, at) = (self.part, self.at.clone());
        self.checks.push(Check { part, at, what, verdict, found, remedy });
    }
}

/// Clocks that are closer than this are together.
const WORTH_SAYING_MS: i64 = 1_000;
const BY_NTP: &str = "set the clocks of all machines by NTP";

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let width = |of: fn(&Check) -> usize| self.checks.iter().map(of).max().unwrap_or(0);
        let (part, at, what) =
            (width(|check| check.part.len()), width(|check| check.at.len()), width(|check| check.what.len()));
        for check in &self.checks {
            let verdict = match check.verdict {
                Verdict::Ok => "ok",
                Verdict::Warn => "warn",
                Verdict::Wrong => "WRONG",
                Verdict::Unknown => "unknown",
            };
            let Check { part: named, at: place, what: looked_at, found, remedy, .. } = check;
            writeln!(f, "  {verdict:<7}  {named:<part$}  {place:<at$}  {looked_at:<what$}  {found}")?;
            if let Some(remedy) = remedy {
                writeln!(f, "           → {remedy}")?;
            }
        }
        if !self.opens.is_empty() {
            writeln!(f)?;
        }
        for Opening { id, state, opens_at, closes_at, stock, remaining, opens_in_seconds } in &self.opens {
            let when = if *opens_in_seconds > 0 {
                format!("opens {opens_at}, in {}", span(*opens_in_seconds))
            } else {
                format!("open until {closes_at}")
            };
            let state = format!("{state:?}").to_lowercase();
            writeln!(f, "  {id}  {state}  {remaining} of {stock} left  {when}")?;
        }
        writeln!(f)?;
        match (self.count(Verdict::Wrong), self.count(Verdict::Unknown)) {
            (0, 0) => write!(f, "  fit"),
            (0, unknown) => write!(f, "  not known to be fit: {unknown} could not be checked"),
            (wrong, 0) => write!(f, "  not fit: {wrong} wrong"),
            (wrong, unknown) => write!(f, "  not fit: {wrong} wrong, {unknown} could not be checked"),
        }
    }
}

fn span(seconds: i64) -> String {
    let (days, hours, minutes) = (seconds / 86_400, seconds / 3_600 % 24, seconds / 60 % 60);
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{seconds} s"),
        (0, 0, minutes) => format!("{minutes} min"),
        (0, hours, minutes) => format!("{hours} h {minutes:02} min"),
        (days, hours, _) => format!("{days} d {hours:02} h"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdict(theirs: i64, asked: i64, answered: i64, precision: i64, strict: bool) -> Verdict {
        let mut place = Place::new("gate", "here");
        place.clock(Millis(theirs), Millis(asked), Millis(answered), precision, strict);
        place.checks[0].verdict
    }

    #[test]
    fn clocks_are_compared_with_what_is_certain() {
        let now = 1_000_000;
        for (theirs, asked, answered, precision, strict, expected) in [
            (now, now, now, 0, true, Verdict::Ok),
            // Answered late: it may be right.
            (now, now, now + 4_000, 0, true, Verdict::Ok),
            (now - 900, now, now, 0, true, Verdict::Ok),
            (now - 2_000, now, now, 0, true, Verdict::Warn),
            (now + 2_000, now, now, 0, true, Verdict::Warn),
            (now - 5_001, now, now, 0, true, Verdict::Wrong),
            (now + 5_001, now, now, 0, true, Verdict::Wrong),
            // Whole seconds, rounded down.
            (now - 5_900, now, now, 1_000, true, Verdict::Warn),
            (now - 60_000, now, now, 0, false, Verdict::Warn),
        ] {
            assert_eq!(verdict(theirs, asked, answered, precision, strict), expected, "{theirs} {answered}");
        }
    }

    #[test]
    fn one_wrong_makes_it_unfit_and_a_warning_does_not() {
        let mut report = Report::default();
        let mut place = Place::new("gate", "");
        place.ok("a", "a");
        place.warn("b", "b", "b");
        report.add(place);
        assert!(report.fit && report.to_string().ends_with("  fit"));
        let mut place = Place::new("log", "");
        place.demand("sync", "2m", "always", "because");
        report.add(place);
        assert!(!report.fit);
        let text = report.to_string();
        assert!(text.contains("WRONG") && text.contains("set it to always: because"), "{text}");
        assert!(text.ends_with("not fit: 1 wrong"), "{text}");
    }
}
