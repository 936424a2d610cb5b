//! Loading a campaign that was folded from the log (ARCHITECTURE G5): into keys of this fence's own, in pieces, while
//! the gate goes on; then one script puts it in place. That script is sent once. In doubt `meta` tells whether it was
//! carried out.

use firstcome_shared::domain::{CampaignId, Held, UserId};
use redis::{Cmd, Pipeline, Value};

use super::link::Fault;
use super::record::{Digest, digest};
use super::reply::strange;
use super::script::{Keys, SWAP};
use super::{Core, Own, There, meta, record};
use crate::gate::{GateError, Load};

/// Holders in one piece: the server does nothing else meanwhile, a millisecond or so.
const PIECE: usize = 2_000;
/// What nobody swapped in goes away by itself.
const STAGED_SECONDS: u64 = 600;

impl Core {
    pub(super) async fn put(&self, campaign: &CampaignId, load: Load) -> Result<(), GateError> {
        // Before a million rows are sent for nothing; and the connection for them learns who owns the campaign.
        if self.own(&self.bulk, campaign).await?.refuses(&load) {
            return Err(GateError::Forgot);
        }
        let staged = Keys::of(campaign).staged(&load.nonce);
        let loaded = self.stage_and_swap(campaign, &load, &staged).await;
        if loaded.is_err() {
            let mut unlink = redis::pipe();
            unlink.cmd("UNLINK").arg(&staged[..]);
            // Nothing hangs on it: what is left goes away by itself.
            let _ = self.bulk.send_all(campaign, &unlink).await;
        }
        loaded
    }

    async fn stage_and_swap(
        &self,
        campaign: &CampaignId,
        load: &Load,
        staged: &[String; 2],
    ) -> Result<(), GateError> {
        let coupons = self.stage(campaign, load, staged).await?;
        let fields = meta::whole(load, coupons)?;
        let mut names = Keys::of(campaign).all();
        names.extend(staged.clone());
        let swap = SWAP.run(&self.bulk, campaign, &names, |arguments: &mut Cmd| {
            arguments.arg(load.epoch).arg(&load.incarnation).arg(&load.log);
            arguments.arg(load.book.holders.len()).arg(coupons);
            for (name, value) in &fields {
                arguments.arg(name).arg(value);
            }
        });
        match swap.await {
            Ok(Value::BulkString(outcome)) if outcome == b"ok" => Ok(()),
            Ok(Value::BulkString(outcome)) if outcome == b"forgot" => Err(GateError::Forgot),
            Ok(outcome) => Err(strange(&outcome)),
            // If it is not there it may yet arrive. Then it is of an epoch that is over, because the caller fences anew.
            Err(Fault::Lost(why)) => {
                let loaded = self.own(&self.bulk, campaign).await?.holds(load);
                if loaded { Ok(()) } else { Err(GateError::Unavailable(why)) }
            }
            Err(fault) => Err(fault.into()),
        }
    }

    /// Sends holders and line; how many coupons there are.
    async fn stage(
        &self,
        campaign: &CampaignId,
        load: &Load,
        [holders, line]: &[String; 2],
    ) -> Result<usize, GateError> {
        let too_large =
            || GateError::Unavailable("a number of this campaign is too large for Redis".to_owned());
        let mut places: Vec<(u64, &UserId)> = Vec::new();
        let mut people = load.book.holders.iter();
        loop {
            let mut piece: Vec<(Digest, Vec<u8>)> = Vec::with_capacity(PIECE);
            for (user, held) in people.by_ref().take(PIECE) {
                places.extend(held.iter().map(|held: &Held| (held.seq, user)));
                let value = record::write(&load.book.definition, held.iter()).ok_or_else(too_large)?;
                piece.push((digest(user), value));
            }
            if piece.is_empty() {
                break;
            }
            self.send_piece(campaign, holders, "HSET", |command| {
                for (digest, value) in &piece {
                    command.arg(&digest[..]).arg(value);
                }
            })
            .await?;
        }
        places.sort_unstable_by_key(|(seq, _)| *seq);
        if places.iter().zip(1..).any(|((seq, _), place)| *seq != place) {
            return Err(GateError::Unavailable("the campaign's sequence has a gap".to_owned()));
        }
        for piece in places.chunks(PIECE) {
            self.send_piece(campaign, line, "RPUSH", |command| {
                for (_, user) in piece {
                    command.arg(user.as_str());
                }
            })
            .await?;
        }
        Ok(places.len())
    }

    async fn send_piece(
        &self,
        campaign: &CampaignId,
        key: &str,
        verb: &str,
        rows: impl Fn(&mut Pipeline),
    ) -> Result<(), GateError> {
        let mut commands = redis::pipe();
        commands.cmd(verb).arg(key);
        rows(&mut commands);
        commands.cmd("EXPIRE").arg(key).arg(STAGED_SECONDS);
        self.bulk.send_all(campaign, &commands).await?;
        Ok(())
    }
}

impl Own {
    fn refuses(&self, load: &Load) -> bool {
        let newer = |there: &There| there.log == load.log && there.epoch >= load.epoch;
        self.incarnation != load.incarnation || self.there.as_ref().is_some_and(newer)
    }

    fn holds(&self, load: &Load) -> bool {
        let mine = |there: &There| {
            there.incarnation == self.incarnation && there.epoch == load.epoch && there.nonce == load.nonce
        };
        self.there.as_ref().is_some_and(mine)
    }
}
