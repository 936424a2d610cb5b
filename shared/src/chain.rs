//! How one message continues its campaign: whoever folds or projects the log follows this chain, and a message that
//! does not continue it means that the log is not the one it was (ARCHITECTURE L2, L7).

use serde::{Deserialize, Serialize};

use crate::event::{Event, Message};

/// The end of a campaign as far as it was followed: position, epoch and last decision, always learnt together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Chain {
    /// Sequence of the last message; 0 before the first.
    pub sequence: u64,
    /// Its epoch.
    pub epoch: u64,
    /// Its last decision.
    pub last: u64,
    /// An operator discarded the last message and nobody could read it: epoch and last are not known.
    #[serde(default)]
    pub loose: bool,
}

/// A message does not continue its campaign: the log forgot, or was restored from an old copy.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("message {sequence} of {campaign} does not continue the campaign: {problem}")]
pub struct Broken {
    /// Whose message.
    pub campaign: String,
    /// Where it stands.
    pub sequence: u64,
    /// What does not fit.
    pub problem: String,
}

impl Chain {
    /// The chain as `message` at `sequence` alone tells it.
    pub fn at(sequence: u64, message: &Message) -> Self {
        Self { sequence, epoch: message.epoch, last: message.last, loose: false }
    }

    /// The chain behind a message that nobody could read.
    pub fn unread(sequence: u64) -> Self {
        Self { sequence, loose: true, ..Self::default() }
    }

    /// The chain with `message` at `sequence` added, if it continues it.
    pub fn follow(self, sequence: u64, message: &Message) -> Result<Self, Broken> {
        let broken =
            |problem: String| Err(Broken { campaign: message.campaign.to_string(), sequence, problem });
        if message.prev != self.sequence {
            return broken(format!("it was appended behind {}, not behind {}", message.prev, self.sequence));
        }
        if self.loose {
            return Ok(Self::at(sequence, message));
        }
        let opening = message.entries.first().map(|entry| &entry.event);
        let continues = match opening {
            Some(Event::CampaignCreated { .. }) => {
                self.sequence == 0 && message.epoch == 1 && message.last == 0
            }
            Some(Event::GateFenced { .. }) => message.epoch > self.epoch && message.last == self.last,
            // The second subject has no decisions of the gate: only the order of its messages is held.
            Some(_) if message.epoch == 0 => self.epoch == 0,
            Some(_) => {
                self.sequence != 0
                    && message.epoch == self.epoch
                    && message.first == self.last + 1
                    && message.last >= message.first
            }
            None => false,
        };
        if continues {
            Ok(Self::at(sequence, message))
        } else {
            broken(format!(
                "epoch {} decisions {}..{} after epoch {} decision {}",
                message.epoch, message.first, message.last, self.epoch, self.last
            ))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Millis;
    use crate::domain::{CampaignId, Definition, Terms, Window};
    use crate::event::{Entry, VERSION};
    use crate::wire::LimitPer;

    fn message(prev: u64, epoch: u64, numbers: (u64, u64), event: Event) -> Message {
        Message {
            version: VERSION,
            campaign: CampaignId::parse("summer").unwrap(),
            log: "log".to_owned(),
            epoch,
            first: numbers.0,
            last: numbers.1,
            prev,
            nonce: "nonce".to_owned(),
            entries: vec![Entry { decision: numbers.0, at: Millis(0), event }],
            requests: std::collections::BTreeMap::new(),
        }
    }

    fn created() -> Event {
        let window = Window { id: 1, opens_at: Millis(0), closes_at: Millis(1), stock: 1 };
        let definition = Definition {
            id: CampaignId::parse("summer").unwrap(),
            name: "Summer".to_owned(),
            windows: vec![window],
            per_user_limit: 1,
            limit_per: LimitPer::Campaign,
            coupon: Terms::default(),
            waiting_room: None,
            key_id: "key".to_owned(),
        };
        Event::CampaignCreated { definition, incarnation: "one".to_owned(), actor: "ops".to_owned() }
    }

    fn fence() -> Event {
        Event::GateFenced { incarnation: "two".to_owned() }
    }

    fn pause() -> Event {
        Event::CampaignPaused { actor: "ops".to_owned() }
    }

    fn acted() -> Event {
        Event::OperatorActed {
            actor: "ops".to_owned(),
            action: "replay".to_owned(),
            target: "0-1".to_owned(),
        }
    }

    const NONE: Chain = Chain { sequence: 0, epoch: 0, last: 0, loose: false };
    const END: Chain = Chain { sequence: 8, epoch: 2, last: 5, loose: false };

    #[test]
    fn a_campaign_goes_on_from_creation_over_decisions_and_fences() {
        let mut chain = Chain::default();
        let story = [
            (3, message(0, 1, (0, 0), created()), (1, 0)),
            (4, message(3, 1, (1, 4), pause()), (1, 4)),
            (9, message(4, 2, (4, 4), fence()), (2, 4)),
            (10, message(9, 4, (4, 4), fence()), (4, 4)),
            (12, message(10, 4, (5, 5), pause()), (4, 5)),
        ];
        for (sequence, message, (epoch, last)) in story {
            chain = chain.follow(sequence, &message).unwrap();
            assert_eq!(chain, Chain { sequence, epoch, last, loose: false });
        }
        let uses = NONE.follow(1, &message(0, 0, (0, 0), acted())).unwrap();
        assert_eq!(uses.follow(2, &message(1, 0, (0, 0), acted())).unwrap().sequence, 2);
    }

    #[test]
    fn each_way_not_to_continue_is_found() {
        let mut empty = message(8, 2, (6, 6), pause());
        empty.entries.clear();
        let table = [
            ("appended behind an older message", END, message(7, 2, (6, 6), pause())),
            ("appended behind a message that is not there", END, message(9, 2, (6, 6), pause())),
            ("of an older epoch", END, message(8, 1, (6, 6), pause())),
            ("of a newer epoch without a fence", END, message(8, 3, (6, 6), pause())),
            ("decides twice", END, message(8, 2, (5, 6), pause())),
            ("leaves out a decision", END, message(8, 2, (7, 7), pause())),
            ("ends before it begins", END, message(8, 2, (6, 5), pause())),
            ("a fence of the same epoch", END, message(8, 2, (5, 5), fence())),
            ("a fence of an older epoch", END, message(8, 1, (5, 5), fence())),
            ("a fence that forgets decisions", END, message(8, 3, (4, 4), fence())),
            ("a fence that invents decisions", END, message(8, 3, (6, 6), fence())),
            ("a second creation", END, message(8, 1, (0, 0), created())),
            ("a creation behind a pruned one", NONE, message(8, 1, (0, 0), created())),
            ("a creation of a later epoch", NONE, message(0, 2, (0, 0), created())),
            ("a creation with decisions", NONE, message(0, 1, (1, 1), created())),
            ("decisions before the creation", NONE, message(0, 1, (1, 1), pause())),
            ("a message without epoch among decisions", END, message(8, 0, (6, 6), acted())),
            ("nothing in it", END, empty),
        ];
        for (what, chain, message) in table {
            let broken = chain.follow(20, &message).expect_err(what);
            assert_eq!((broken.campaign.as_str(), broken.sequence), ("summer", 20), "{what}");
        }
    }

    #[test]
    fn behind_a_message_that_nobody_could_read_only_the_place_is_known() {
        let loose = Chain::unread(8);
        assert!(loose.follow(9, &message(7, 2, (6, 6), pause())).is_err());
        let next = loose.follow(9, &message(8, 2, (7, 9), pause())).unwrap();
        assert_eq!(next, Chain { sequence: 9, epoch: 2, last: 9, loose: false });
        assert!(next.follow(10, &message(9, 2, (9, 9), pause())).is_err(), "known again");
        let kept: Chain = serde_json::from_str(r#"{"sequence":8,"epoch":2,"last":5}"#).unwrap();
        assert_eq!(kept, END);
    }
}
