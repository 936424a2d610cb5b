//! Sums up the coupons of a store without regard to their order, so that stores of any kind can be compared by one
//! number, and then row by row where the number differs (P9).

use sha2::{Digest, Sha256};

use crate::clock::Millis;
use crate::position::Position;
use crate::wire::{CouponRow, CouponStatus, Fingerprint, Store, Time};

/// Fewer rows than this may be asked for one by one.
pub const MAX_ROWS: u64 = 1_000;

/// Which rows of a campaign are summed up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Range {
    /// First sequence number.
    pub from: u64,
    /// Last sequence number.
    pub to: u64,
    /// Leave out what stands in the log after this position.
    pub upto: Option<Position>,
    /// Return the rows as well.
    pub rows: bool,
}

impl Default for Range {
    fn default() -> Self {
        Self { from: 1, to: u64::MAX, upto: None, rows: false }
    }
}

/// One coupon as a store holds it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// Its place in line.
    pub seq: u64,
    /// Who holds it.
    pub user_id: String,
    /// Its code.
    pub code: String,
    /// When it was decided.
    pub issued_at: Millis,
    /// When it ends.
    pub expires_at: Option<Millis>,
    /// Where it is in its life; the gate does not know.
    pub status: Option<CouponStatus>,
}

/// A running sum over rows.
#[derive(Clone, Debug, Default)]
pub struct Sum {
    count: u64,
    highest: u64,
    checksum: u64,
    statuses: u64,
    without_status: bool,
    rows: Vec<CouponRow>,
}

impl Sum {
    /// Adds a row; keeps it when `range` asks for rows.
    pub fn add(&mut self, range: &Range, row: Row) {
        self.count += 1;
        self.highest = self.highest.max(row.seq);
        let facts: [&[u8]; 5] = [
            &row.seq.to_be_bytes(),
            row.user_id.as_bytes(),
            row.code.as_bytes(),
            &row.issued_at.0.to_be_bytes(),
            &row.expires_at.map_or(i64::MIN, |at| at.0).to_be_bytes(),
        ];
        self.checksum = self.checksum.wrapping_add(hash(&facts));
        match row.status {
            Some(status) => {
                self.statuses = self
                    .statuses
                    .wrapping_add(hash(&[&row.seq.to_be_bytes(), format!("{status:?}").as_bytes()]));
            }
            None => self.without_status = true,
        }
        if range.rows && self.count < MAX_ROWS {
            self.rows.push(CouponRow {
                seq: row.seq,
                user_id: row.user_id,
                code: row.code,
                issued_at: Time(row.issued_at),
                expires_at: row.expires_at.map(Time),
                status: row.status,
            });
        }
    }

    /// The fingerprint; `position` is the store's own progress. Rows only when there are fewer than [`MAX_ROWS`].
    pub fn fingerprint(
        mut self,
        store: Store,
        campaign_id: &str,
        position: Position,
        range: &Range,
    ) -> Fingerprint {
        self.rows.sort_by_key(|row| row.seq);
        Fingerprint {
            store,
            campaign_id: campaign_id.to_owned(),
            position,
            count: self.count,
            highest: self.highest,
            checksum: format!("{:016x}", self.checksum),
            status_checksum: (store != Store::Gate && !self.without_status)
                .then(|| format!("{:016x}", self.statuses)),
            rows: (range.rows && self.count < MAX_ROWS).then_some(self.rows),
        }
    }
}

/// 64 bits of SHA-256 over the length-prefixed parts.
fn hash(parts: &[&[u8]]) -> u64 {
    let mut hasher = Sha256::new();
    for part in parts {
        hasher.update(u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
        hasher.update(part);
    }
    let digest = hasher.finalize();
    digest.iter().take(8).fold(0, |bits, byte| (bits << 8) | u64::from(*byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(seq: u64, user: &str) -> Row {
        Row {
            seq,
            user_id: user.to_owned(),
            code: format!("C-{seq}"),
            issued_at: Millis(5),
            expires_at: None,
            status: Some(CouponStatus::Issued),
        }
    }

    fn sum(rows: &[Row]) -> Fingerprint {
        let range = Range { rows: true, ..Range::default() };
        let mut sum = Sum::default();
        for row in rows {
            sum.add(&range, row.clone());
        }
        sum.fingerprint(Store::Ledger, "summer", Position::new(0, 9), &range)
    }

    #[test]
    fn order_does_not_matter_and_every_fact_does() {
        let there = sum(&[row(1, "a"), row(2, "b")]);
        assert_eq!(there, sum(&[row(2, "b"), row(1, "a")]));
        assert_eq!((there.count, there.highest), (2, 2));
        let changes: [fn(&mut Row); 4] = [
            |row| row.user_id = "c".to_owned(),
            |row| row.code = "D-2".to_owned(),
            |row| row.issued_at = Millis(6),
            |row| row.expires_at = Some(Millis(7)),
        ];
        for change in changes {
            let mut other = row(2, "b");
            change(&mut other);
            assert_ne!(there.checksum, sum(&[row(1, "a"), other]).checksum);
        }
        let redeemed = Row { status: Some(CouponStatus::Redeemed), ..row(2, "b") };
        let used = sum(&[row(1, "a"), redeemed]);
        assert_eq!(there.checksum, used.checksum);
        assert_ne!(there.status_checksum, used.status_checksum);
    }
}
