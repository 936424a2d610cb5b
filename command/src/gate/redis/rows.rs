//! The rows of the holders, in order of their numbers: the line says who has which, and what each of them holds is read
//! from the holders themselves.

use firstcome_shared::domain::{CampaignId, UserId};

use super::record::{self, digest};
use super::reply::strange;
use super::script::{HELD, LINE};
use super::{Core, Guarded};
use crate::gate::{Call, GateError, GateRow, Reply};

/// No campaign reaches so far, and every number up to here is exact in a script.
const HIGHEST: u64 = 1 << 40;
/// Read at once: the gate decides nothing meanwhile, for some milliseconds.
const PAGE: u64 = 2_000;

impl Core {
    /// The coupons `from..=to`, in pages.
    pub(super) async fn rows(
        &self,
        campaign: &CampaignId,
        call: Call<'_>,
        from: u64,
        to: u64,
    ) -> Result<Reply<Vec<GateRow>>, GateError> {
        let (mut from, to) = (from.clamp(1, HIGHEST), to.min(HIGHEST));
        let mut rows = Vec::new();
        loop {
            // An empty range is asked for as well: the guard may refuse it.
            let upto = to.min(from + PAGE - 1);
            let (found, reply) = self.page(campaign, call, from, upto).await?;
            rows.extend(reply.body);
            from += found;
            if from <= upto || upto == to || found == 0 {
                return Ok(Reply { body: rows, ..reply_of(reply.decision, reply.logged) });
            }
        }
    }

    /// One page, and how many stand in line there. Places in line never change within an epoch, so the two reads see the
    /// same, if both are let in.
    async fn page(
        &self,
        campaign: &CampaignId,
        call: Call<'_>,
        from: u64,
        to: u64,
    ) -> Result<(u64, Reply<Vec<GateRow>>), GateError> {
        let names = self.guarded(&self.bulk, campaign, call, &LINE, |command| {
            command.arg(from).arg(to);
        });
        let Guarded { decision, logged, mut fields } = names.await?;
        let mut reply = reply_of(decision, logged);
        let (mut names, mut users) = (fields.list()?, Vec::new());
        while names.more() {
            users.push(UserId::parse(&names.text()?).map_err(|error| strange(&error))?);
        }
        if users.is_empty() {
            return Ok((0, reply));
        }
        let values = self.guarded(&self.bulk, campaign, call, &HELD, |command| {
            for user in &users {
                command.arg(&digest(user)[..]);
            }
        });
        let Guarded { decision, logged, mut fields } = values.await?;
        (reply.decision, reply.logged) = (decision, logged);
        let (mut values, mut found) = (fields.list()?, 0);
        for (seq, user) in (from..).zip(users) {
            found += 1;
            let value = values.bytes()?;
            let held = record::read(&value).ok_or_else(|| strange(&value))?;
            // A holder who lacks this coupon has no row: whoever compares the rows finds that.
            let held = held.into_iter().find(|held| held.seq == seq);
            reply.body.extend(held.map(|held| GateRow { user, held }));
        }
        Ok((found, reply))
    }
}

fn reply_of(decision: u64, logged: u64) -> Reply<Vec<GateRow>> {
    Reply { decision, logged, entries: Vec::new(), body: Vec::new() }
}
