//! Where a campaign's messages stand in the stream: `firstcome.<partition>.<campaign>`, and `….use`.

use std::sync::Arc;

use crate::domain::CampaignId;
use crate::event_log::{Lane, LogUnavailable, Subject};

/// The subjects of one log.
#[derive(Clone, Debug)]
pub(super) struct Subjects {
    prefix: Arc<str>,
    pub(super) partitions: u32,
}

impl Subjects {
    pub(super) fn new(prefix: &str, partitions: u32) -> Self {
        Self { prefix: prefix.into(), partitions }
    }

    /// The subject's name.
    pub(super) fn name(&self, subject: &Subject) -> String {
        format!("{}.{}.{subject}", self.prefix, subject.partition(self.partitions))
    }

    /// Both subjects of a campaign.
    pub(super) fn campaign(&self, campaign: &CampaignId) -> Vec<String> {
        vec![self.name(&Subject::decisions(campaign)), self.name(&Subject::uses(campaign))]
    }

    /// What matches every subject of a partition.
    pub(super) fn partition(&self, partition: u32) -> String {
        format!("{}.{partition}.>", self.prefix)
    }

    /// What matches every subject.
    pub(super) fn all(&self) -> String {
        format!("{}.>", self.prefix)
    }

    /// The partition and the subject that a name stands for.
    pub(super) fn parse(&self, name: &str) -> Result<(u32, Subject), LogUnavailable> {
        let parsed = || {
            let (partition, subject) =
                name.strip_prefix(&*self.prefix)?.strip_prefix('.')?.split_once('.')?;
            let (campaign, lane) = match subject.split_once('.') {
                None => (subject, Lane::Decisions),
                Some((campaign, "use")) => (campaign, Lane::Uses),
                Some(_) => return None,
            };
            let campaign = CampaignId::parse(campaign).ok()?;
            Some((partition.parse().ok()?, Subject { campaign, lane }))
        };
        parsed().ok_or_else(|| {
            LogUnavailable::new(format!(
                "a message stands on subject {name}, which is no campaign's: purge that subject"
            ))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_names_that_it_gives_and_no_others() {
        let subjects = Subjects::new("firstcome", 4);
        for campaign in ["summer", "use", "0"] {
            let campaign = CampaignId::parse(campaign).unwrap();
            for subject in [Subject::decisions(&campaign), Subject::uses(&campaign)] {
                let parsed = subjects.parse(&subjects.name(&subject)).unwrap();
                assert_eq!(parsed, (subject.partition(4), subject));
            }
        }
        for foreign in [
            "firstcome",
            "firstcome.0",
            "firstcome.x.summer",
            "firstcome.0.Summer",
            "firstcome.0.a.b",
            "other.0.a",
        ] {
            assert!(subjects.parse(foreign).is_err(), "{foreign}");
        }
    }
}
