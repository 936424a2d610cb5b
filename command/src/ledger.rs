//! The ledger port: coupons as payment needs them, the stock's history, and who did what. It is a projection of the
//! log: whatever it holds can be read anew from there, and it holds nothing that the log does not.
//!
//! # What every adapter promises beyond [`Projection`]
//!
//! * A batch is one transaction, and the checkpoint and the reader's token are part of it (ARCHITECTURE J1): after a crash
//!   the batch is there with its checkpoint, or neither is.
//! * Within it the adapter follows both lanes' chains; a message that does not continue its campaign is
//!   [`Broken`](firstcome_shared::chain::Broken) (ARCHITECTURE L7).
//! * `UNIQUE (campaign, seq)`, `UNIQUE (campaign, user, n)`, `UNIQUE (code)`: whatever breaks one of them is
//!   [`Refused`](firstcome_shared::projection::ApplyError::Refused), as is every value that the store cannot hold.
//! * Stock and audit entries are only ever added.
//! * Every event with an actor is in the audit, and every fence, whose actor is [`SYSTEM_ACTOR`]; with what it changed, as
//!   it was before.

mod batch;
mod pace;
#[cfg(feature = "cluster")]
pub mod postgres;
mod sql;
pub mod sqlite;

#[cfg(test)]
mod contract;
#[cfg(test)]
mod follow;

use std::fmt;
use std::str::FromStr;

use async_trait::async_trait;
use firstcome_shared::clock::Millis;
use firstcome_shared::domain::CampaignId;
use firstcome_shared::fingerprint::Range;
use firstcome_shared::position::Position;
use firstcome_shared::projection::{Projection, StoreUnavailable};
use firstcome_shared::wire::{AuditEntry, Fingerprint, Page};

/// Who acted when nobody asked for it.
pub const SYSTEM_ACTOR: &str = "firstcome";

/// The ledger. See the module's promises.
#[async_trait]
pub trait Ledger: Projection + fmt::Debug {
    /// Names the adapter: `sqlite`, `postgres`.
    fn kind(&self) -> &'static str;

    /// Sets how many coupons a second this instance writes at most, from now on; 0: no limit.
    ///
    /// The reader keeps to it ([`Projection::allowance`]): it waits between batches, never within one, so what was read
    /// in one piece is written at once and waited for afterwards.
    fn set_rate(&self, coupons_per_second: u64);

    /// What [`set_rate`](Self::set_rate) has set; 0 at first.
    fn rate(&self) -> u64;

    /// Who did what, newest first, of one campaign or of all: at most `limit` entries that are older than `after`.
    ///
    /// The page's `next` is the text of an [`AuditCursor`].
    async fn audit(
        &self,
        campaign: Option<&CampaignId>,
        after: Option<AuditCursor>,
        limit: u32,
    ) -> Result<Page<AuditEntry>, StoreUnavailable>;

    /// Sums up a campaign's coupons from their rows, never from a counter. Rows and `position`, which is the
    /// checkpoint of the campaign's partition, are of one moment. An unknown campaign has no rows.
    async fn fingerprint(
        &self,
        campaign: &CampaignId,
        range: &Range,
    ) -> Result<Fingerprint, StoreUnavailable>;
}

/// A place in the audit: pages go on behind it, also when entries were added meanwhile.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct AuditCursor {
    /// When the entry was decided.
    pub at: Millis,
    /// The message it stands in.
    pub position: Position,
    /// Which entry of the message, from 0.
    pub place: u32,
}

impl fmt::Display for AuditCursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.at.0, self.position, self.place)
    }
}

/// The text is not a cursor of the audit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a cursor of this list")]
pub struct NotACursor;

impl FromStr for AuditCursor {
    type Err = NotACursor;

    fn from_str(text: &str) -> Result<Self, NotACursor> {
        let mut parts = text.splitn(3, '.');
        let mut part = || parts.next().ok_or(NotACursor);
        Ok(Self {
            at: Millis(part()?.parse().map_err(|_| NotACursor)?),
            position: part()?.parse().map_err(|_| NotACursor)?,
            place: part()?.parse().map_err(|_| NotACursor)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_reads_what_it_writes_and_nothing_else() {
        let cursor = AuditCursor { at: Millis(-5), position: Position::new(1, 42), place: 3 };
        assert_eq!(cursor.to_string(), "-5.1-42.3");
        assert_eq!("-5.1-42.3".parse(), Ok(cursor));
        for bad in ["", "1", "1.0-2", "1.2.3", "x.0-2.3", "1.0-2.-3", "1.0-2.3.4"] {
            assert_eq!(bad.parse::<AuditCursor>(), Err(NotACursor), "{bad}");
        }
    }
}
