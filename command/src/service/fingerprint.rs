//! The rows of gate and log, summed up, so that anybody can check that they agree with the ledger and the read model
//! (P9, ARCHITECTURE J4).

use firstcome_shared::domain::CampaignId;
use firstcome_shared::event::Message;
use firstcome_shared::event_log::{Budget, Subject, position};
use firstcome_shared::fingerprint::{Range, Row, Sum};
use firstcome_shared::wire::{CouponStatus, Fingerprint, Store};

use super::Service;
use crate::gate::ROWS;
use crate::lane::NoAnswer;

const READ: Budget = Budget { messages: 256, bytes: 4 << 20 };

impl Service {
    /// What `store` holds of a campaign. The gate's rows know no position: bound them by `to` instead of `upto`.
    pub async fn fingerprint(
        &self,
        campaign: &CampaignId,
        store: Store,
        range: &Range,
    ) -> Result<Fingerprint, NoAnswer> {
        // One at a time: summing up a million coupons takes seconds of a core that issuing needs. But a ledger that
        // does not answer keeps nobody from gate and log.
        let turns = if store == Store::Ledger { &self.ledger_fingerprints } else { &self.fingerprints };
        let _turn = turns.acquire().await;
        match store {
            Store::Gate => self.gate_fingerprint(campaign, range).await,
            Store::Log => self.log_fingerprint(campaign, range).await,
            // The read side answers for its own.
            Store::Ledger | Store::ReadModel => {
                // An unknown campaign has no lane.
                self.lane(campaign).await?;
                self.ledger
                    .fingerprint(campaign, range)
                    .await
                    .map_err(|error| NoAnswer::Unavailable(error.to_string()))
            }
        }
    }

    async fn gate_fingerprint(&self, campaign: &CampaignId, range: &Range) -> Result<Fingerprint, NoAnswer> {
        let lane = self.lane(campaign).await?;
        let view = self.look(campaign).await?;
        let terms = &view.definition.coupon;
        let mut sum = Sum::default();
        let highest = range.to.min(view.issued.iter().sum());
        let mut from = range.from.max(1);
        while from <= highest {
            let to = highest.min(from.saturating_add(ROWS - 1));
            let rows = lane.read(|gate, campaign, call| gate.rows(campaign, call, from, to)).await?;
            from = to + 1;
            for row in rows {
                sum.add(
                    range,
                    Row {
                        seq: row.held.seq,
                        user_id: row.user.to_string(),
                        code: lane.code(&row.held),
                        issued_at: row.held.issued_at,
                        expires_at: terms.expiry(row.held.issued_at),
                        status: None,
                    },
                );
            }
            // A million codes take a second: others go on meanwhile.
            tokio::task::yield_now().await;
        }
        let end = lane.status().end().sequence;
        let at = position(self.log(), &Subject::decisions(campaign), end);
        Ok(sum.fingerprint(Store::Gate, campaign.as_str(), at, range))
    }

    async fn log_fingerprint(&self, campaign: &CampaignId, range: &Range) -> Result<Fingerprint, NoAnswer> {
        self.lane(campaign).await?;
        let mut sum = Sum::default();
        let mut after = 0;
        let upto = range.upto.map_or(u64::MAX, |upto| upto.sequence);
        'log: loop {
            let batch = self.log().read_campaign(campaign, after, READ).await;
            let batch = batch.map_err(|error| NoAnswer::Unavailable(error.to_string()))?;
            if batch.is_empty() {
                break;
            }
            for stored in &batch {
                if stored.position.sequence > upto {
                    break 'log;
                }
                after = stored.position.sequence;
                // What nobody can read holds no coupons that anybody was promised.
                let Ok(message) = Message::decode(&stored.payload) else { continue };
                for (coupon, issued_at, _, expires_at) in message.coupons() {
                    if (range.from..=range.to).contains(&coupon.seq) {
                        sum.add(
                            range,
                            Row {
                                seq: coupon.seq,
                                user_id: coupon.user_id.to_string(),
                                code: coupon.code.clone(),
                                issued_at,
                                expires_at,
                                status: Some(CouponStatus::Issued),
                            },
                        );
                    }
                }
            }
            tokio::task::yield_now().await;
        }
        let at = position(self.log(), &Subject::decisions(campaign), after);
        Ok(sum.fingerprint(Store::Log, campaign.as_str(), at, range))
    }
}
