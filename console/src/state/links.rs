//! How old the picture is: when each feed last brought something, and why it does not any more.

use firstcome_shared::clock::Millis;

use crate::message::{Failure, Feed, Side};
use crate::text;

/// An answer older than this is not live, even when no failure was reported: the server hangs.
const LIVE: i64 = 4_000;

/// How one feed is doing.
#[derive(Clone, Debug, Default)]
pub(crate) struct Link {
    /// When it last brought something.
    pub(crate) fetched_at: Option<Millis>,
    /// Why the latest attempt brought nothing.
    pub(crate) failure: Option<Failure>,
}

impl Link {
    /// It brought something, or failed.
    pub(crate) fn record(&mut self, failure: Option<&Failure>, now: Millis) {
        if failure.is_none() {
            self.fetched_at = Some(now);
        }
        self.failure = failure.cloned();
    }

    /// How old what it brought is.
    pub(crate) fn picture(&self, now: Millis) -> Picture {
        let age = self.fetched_at.map(|at| now.since(at));
        match (age, &self.failure) {
            (_, Some(failure)) if failure.is_other_half() => Picture::Elsewhere,
            (None, None) => Picture::Awaited,
            (Some(age), None) if age < LIVE => Picture::Live,
            (age, failure) => Picture::Old { age, failure: failure.clone() },
        }
    }

    /// Whoever was asked has that half; none: nobody knows yet.
    pub(crate) fn is_there(&self) -> Option<bool> {
        match &self.failure {
            Some(failure) if failure.is_other_half() => Some(false),
            Some(Failure::Refused(_)) => Some(true),
            _ => self.fetched_at.map(|_| true),
        }
    }
}

/// How old a part of the picture is.
#[derive(Clone, Debug)]
pub(crate) enum Picture {
    /// Up to date.
    Live,
    /// Nothing came yet, and nothing failed.
    Awaited,
    /// The latest is so many milliseconds old, or there never was one; and why, when that is known.
    Old { age: Option<i64>, failure: Option<Failure> },
    /// No server that was given has this half.
    Elsewhere,
}

impl Picture {
    /// The best of several: a live one, else one to come, else the youngest.
    pub(crate) fn best<'a>(links: impl Iterator<Item = &'a Link>, now: Millis) -> Self {
        let rank = |picture: &Self| match picture {
            Self::Live => (0, 0),
            Self::Old { age: Some(age), .. } => (1, *age),
            Self::Awaited => (2, 0),
            Self::Old { age: None, .. } => (3, 0),
            Self::Elsewhere => (4, 0),
        };
        links.map(|link| link.picture(now)).min_by_key(rank).unwrap_or(Self::Awaited)
    }

    /// It shows what is the case now.
    pub(crate) fn is_live(&self) -> bool {
        matches!(self, Self::Live)
    }

    /// In fewer words, where the sentence goes on: `12 s old: connection refused`.
    pub(crate) fn short(&self) -> String {
        match self {
            Self::Old { age: Some(age), failure: Some(Failure::Unreachable(reason)) } => {
                format!("{} old: {reason}", text::span(*age))
            }
            Self::Old { age: None, failure: Some(Failure::Unreachable(reason)) } => reason.clone(),
            other => other.text(),
        }
    }

    /// In words: `live`, `12 s old, reconnecting: connection refused`.
    pub(crate) fn text(&self) -> String {
        match self {
            Self::Live => "live".to_owned(),
            Self::Awaited => "connecting".to_owned(),
            Self::Elsewhere => "not at these addresses".to_owned(),
            Self::Old { age, failure } => {
                let age = age.map(|age| format!("{} old", text::span(age)));
                let why = match failure {
                    Some(Failure::Unreachable(reason)) => Some(format!("reconnecting: {reason}")),
                    // The sentence goes on behind it, or has a full stop of its own.
                    Some(failure) => Some(text::plain(&failure.to_string()).trim_end_matches('.').to_owned()),
                    None => Some("no answer".to_owned()),
                };
                age.into_iter().chain(why).collect::<Vec<_>>().join(", ")
            }
        }
    }
}

/// How every feed is doing that may come from any server.
#[derive(Clone, Debug, Default)]
pub(crate) struct Links {
    campaigns: Link,
    campaign: Link,
    history: Link,
    coupons: Link,
    askers: Link,
    letters: [Link; 2],
    audit: Link,
    alerts: Link,
}

impl Links {
    /// A feed brought something, or failed.
    pub(crate) fn record(&mut self, feed: &Feed, failure: Option<&Failure>, now: Millis) {
        if let Some(link) = self.link_mut(feed) {
            link.record(failure, now);
        }
    }

    /// Another campaign is looked at: what was known of the last one's feeds does not count.
    pub(crate) fn refocus(&mut self) {
        self.campaign = Link::default();
        self.history = Link::default();
        self.coupons = Link::default();
        self.askers = Link::default();
    }

    /// Another part of the audit log is looked at.
    pub(crate) fn forget_audit(&mut self) {
        self.audit = Link::default();
    }

    /// Why the campaign on show could not be fetched.
    pub(crate) fn campaign_failure(&self) -> Option<&Failure> {
        self.campaign.failure.as_ref()
    }

    /// How old what one feed brought is. What each server tells of itself stands with the servers.
    pub(crate) fn of(&self, feed: &Feed, now: Millis) -> Picture {
        self.link(feed).map_or(Picture::Awaited, |link| link.picture(now))
    }

    fn link(&self, feed: &Feed) -> Option<&Link> {
        Some(match feed {
            Feed::Campaigns => &self.campaigns,
            Feed::Campaign(_) => &self.campaign,
            Feed::History(_) => &self.history,
            Feed::Coupons(_) => &self.coupons,
            Feed::Askers(_) => &self.askers,
            Feed::DeadLetters(Side::Command) => &self.letters[0],
            Feed::DeadLetters(Side::Query) => &self.letters[1],
            Feed::Audit(_) => &self.audit,
            Feed::Alerts => &self.alerts,
            Feed::Pipeline(_) | Feed::Lag(_) | Feed::Health(_) | Feed::Metrics(_) => return None,
        })
    }

    fn link_mut(&mut self, feed: &Feed) -> Option<&mut Link> {
        Some(match feed {
            Feed::Campaigns => &mut self.campaigns,
            Feed::Campaign(_) => &mut self.campaign,
            Feed::History(_) => &mut self.history,
            Feed::Coupons(_) => &mut self.coupons,
            Feed::Askers(_) => &mut self.askers,
            Feed::DeadLetters(Side::Command) => &mut self.letters[0],
            Feed::DeadLetters(Side::Query) => &mut self.letters[1],
            Feed::Audit(_) => &mut self.audit,
            Feed::Alerts => &mut self.alerts,
            Feed::Pipeline(_) | Feed::Lag(_) | Feed::Health(_) | Feed::Metrics(_) => return None,
        })
    }
}

#[cfg(test)]
mod tests {
    use firstcome_shared::wire::{Code, Problem};

    use super::*;

    #[test]
    fn a_problem_leaves_the_full_stop_to_the_sentence_around_it() {
        let problem = Problem::new(Code::Unauthenticated, "Send it as `Authorization: Bearer <key>`.");
        let mut links = Links::default();
        links.record(&Feed::Campaigns, Some(&Failure::Refused(Box::new(problem))), Millis(0));
        let text = links.of(&Feed::Campaigns, Millis(0)).text();
        assert!(text.ends_with("Bearer <key>`"), "{text}");
    }

    #[test]
    fn says_how_old_the_picture_is_and_why() {
        let mut links = Links::default();
        let text = |links: &Links, now| links.of(&Feed::Campaigns, Millis(now)).text();
        assert_eq!(text(&links, 0), "connecting");
        links.record(&Feed::Campaigns, None, Millis(1_000));
        assert_eq!(text(&links, 1_500), "live");
        assert_eq!(text(&links, 6_000), "5 s old, no answer");
        let refused = Failure::Unreachable("connection refused".into());
        links.record(&Feed::Campaigns, Some(&refused), Millis(13_000));
        assert_eq!(text(&links, 13_000), "12 s old, reconnecting: connection refused");
        assert_eq!(links.of(&Feed::Alerts, Millis(13_000)).text(), "connecting");
        links.record(&Feed::Campaigns, None, Millis(14_000));
        assert_eq!(text(&links, 14_000), "live");
    }
    #[test]
    fn of_several_servers_the_one_that_knows_best_tells() {
        let mut links = [Link::default(), Link::default(), Link::default()];
        let best = |links: &[Link]| Picture::best(links.iter(), Millis(10_000)).text();
        assert_eq!(best(&links), "connecting");
        let elsewhere = Failure::Refused(Box::new(Problem::new(Code::NotFound, "nothing there")));
        for link in &mut links {
            link.record(Some(&elsewhere), Millis(0));
        }
        assert_eq!(best(&links), "not at these addresses");
        assert_eq!(links[0].is_there(), Some(false));
        links[1].record(None, Millis(1_000));
        assert_eq!(best(&links), "9 s old, no answer");
        links[2].record(None, Millis(9_000));
        assert_eq!((best(&links), links[2].is_there()), ("live".to_owned(), Some(true)));
    }
}
