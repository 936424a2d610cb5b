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
    fn record(&mut self, failure: Option<&Failure>, now: Millis) {
        if failure.is_none() {
            self.fetched_at = Some(now);
        }
        self.failure = failure.cloned();
    }

    fn picture(&self, now: Millis) -> Picture {
        let age = self.fetched_at.map(|at| now.since(at));
        match (age, &self.failure) {
            (None, None) => Picture::Awaited,
            (Some(age), None) if age < LIVE => Picture::Live,
            (age, failure) => Picture::Old { age, failure: failure.clone() },
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
}

impl Picture {
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

/// How every feed is doing.
#[derive(Clone, Debug, Default)]
pub(crate) struct Links {
    campaigns: Link,
    pipeline: Link,
    lag: Link,
    campaign: Link,
    history: Link,
    coupons: Link,
}

impl Links {
    /// A feed brought something, or failed.
    pub(crate) fn record(&mut self, feed: &Feed, failure: Option<&Failure>, now: Millis) {
        self.link_mut(feed).record(failure, now);
    }

    /// Another campaign is looked at: what was known of the last one's feeds does not count.
    pub(crate) fn refocus(&mut self) {
        self.campaign = Link::default();
        self.history = Link::default();
        self.coupons = Link::default();
    }

    /// Why the campaign on show could not be fetched.
    pub(crate) fn campaign_failure(&self) -> Option<&Failure> {
        self.campaign.failure.as_ref()
    }

    /// How old a side's part of the picture is: its campaigns, or how far the read model is.
    pub(crate) fn picture(&self, side: Side, now: Millis) -> Picture {
        match side {
            Side::Command => self.campaigns.picture(now),
            Side::Query => self.lag.picture(now),
        }
    }

    /// How old what one feed brought is.
    pub(crate) fn of(&self, feed: &Feed, now: Millis) -> Picture {
        let link = match feed {
            Feed::Campaigns => &self.campaigns,
            Feed::Pipeline => &self.pipeline,
            Feed::Lag => &self.lag,
            Feed::Campaign(_) => &self.campaign,
            Feed::History(_) => &self.history,
            Feed::Coupons(_) => &self.coupons,
        };
        link.picture(now)
    }

    fn link_mut(&mut self, feed: &Feed) -> &mut Link {
        match feed {
            Feed::Campaigns => &mut self.campaigns,
            Feed::Pipeline => &mut self.pipeline,
            Feed::Lag => &mut self.lag,
            Feed::Campaign(_) => &mut self.campaign,
            Feed::History(_) => &mut self.history,
            Feed::Coupons(_) => &mut self.coupons,
        }
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
        let text = links.picture(Side::Command, Millis(0)).text();
        assert!(text.ends_with("Bearer <key>`"), "{text}");
    }

    #[test]
    fn says_how_old_the_picture_is_and_why() {
        let mut links = Links::default();
        let text = |links: &Links, now| links.picture(Side::Command, Millis(now)).text();
        assert_eq!(text(&links, 0), "connecting");
        links.record(&Feed::Campaigns, None, Millis(1_000));
        assert_eq!(text(&links, 1_500), "live");
        assert_eq!(text(&links, 6_000), "5 s old, no answer");
        let refused = Failure::Unreachable("connection refused".into());
        links.record(&Feed::Campaigns, Some(&refused), Millis(13_000));
        assert_eq!(text(&links, 13_000), "12 s old, reconnecting: connection refused");
        assert_eq!(links.picture(Side::Query, Millis(13_000)).text(), "connecting");
        links.record(&Feed::Campaigns, None, Millis(14_000));
        assert_eq!(text(&links, 14_000), "live");
    }
}
