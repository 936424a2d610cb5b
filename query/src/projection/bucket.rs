//! The timeline: what happened to a campaign in each second, by event time. A second in which nothing happened has
//! no bucket.

use std::collections::BTreeMap;

use firstcome_shared::clock::Millis;
use firstcome_shared::event::{Event, Message};
use firstcome_shared::wire::{Time, TimelineBucket};

/// One second of one campaign.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Bucket {
    /// Its counts.
    pub counts: TimelineBucket,
    /// The last message that it has counted.
    pub sequence: u64,
}

impl Bucket {
    /// The second that begins at `at`, with nothing counted.
    pub fn new(at: Millis) -> Self {
        Self { counts: TimelineBucket { at: Time(at), ..TimelineBucket::default() }, sequence: 0 }
    }

    /// Adds what the message at `sequence` counts for, once.
    pub(super) fn fold(&mut self, sequence: u64, counts: &TimelineBucket) {
        if sequence <= self.sequence {
            return;
        }
        self.counts.issued += counts.issued;
        self.counts.redeemed += counts.redeemed;
        self.counts.restored += counts.restored;
        self.counts.revoked += counts.revoked;
        self.counts.expired += counts.expired;
        self.sequence = sequence;
    }
}

/// The first millisecond of the second that `at` lies in.
pub fn second(at: Millis) -> Millis {
    Millis(at.0 - at.0.rem_euclid(1_000))
}

/// What a message adds to which seconds.
pub(super) fn counted(message: &Message) -> BTreeMap<Millis, TimelineBucket> {
    let mut seconds = BTreeMap::<Millis, TimelineBucket>::new();
    for entry in &message.entries {
        if let Event::CouponsIssued { coupons, .. } = &entry.event {
            let counts = seconds.entry(second(entry.at)).or_default();
            counts.issued += u64::try_from(coupons.len()).unwrap_or(u64::MAX);
        }
    }
    seconds
}
