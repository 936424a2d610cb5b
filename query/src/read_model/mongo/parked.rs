//! Parked campaigns, in the checkpoint's own document: parking moves the checkpoint in the same step, and a replay's
//! last step ends the waiting under the same token (ARCHITECTURE J3). What a replay applies is written before that, so
//! a step that is cut off is done again from where it began.

use firstcome_shared::domain::CampaignId;
use firstcome_shared::position::Position;
use firstcome_shared::projection::{ApplyError, Claim, Parked, Remedy, Replayed, StoreUnavailable};
use mongodb::bson::{Bson, Document, doc};

use super::documents::{CHECKPOINT, CheckpointDocument, ParkedDocument, name};
use super::lease::{advance, changed, stale_unless};
use super::server::{Failed, Server};
use super::{signed, write};
use crate::projection::Touched;

/// So many bytes may reasons and payloads of all parked campaigns have together; from then on payloads are left out,
/// so that the document stays far below the database's limit, whatever is parked.
const ROOM: usize = 1 << 20;

async fn stored(server: &Server, partition: u32) -> Result<Option<CheckpointDocument>, Failed> {
    let checkpoints = server.collection::<CheckpointDocument>(CHECKPOINT);
    server.call(checkpoints.find_one(doc! { "_id": i64::from(partition) })).await
}

pub(super) async fn all(server: &Server, partition: u32) -> Result<Vec<Parked>, StoreUnavailable> {
    let parked = stored(server, partition).await?.map(|stored| stored.parked).unwrap_or_default();
    let mut all: Vec<Parked> =
        parked.into_iter().map(|(campaign, letter)| letter.parked(campaign, partition)).collect();
    all.sort_by_key(|parked| parked.position);
    Ok(all)
}

pub(super) async fn park(
    server: &Server,
    claim: &Claim,
    from: u64,
    parked: &Parked,
    to: u64,
) -> Result<(), ApplyError> {
    let stored = ours(server, claim).await?;
    stale_unless(stored.sequence == from && !stored.parked.contains_key(&parked.campaign))?;
    let letter = letter(&stored, parked)?;
    advance(server, claim, from, to, doc! { field(&parked.campaign): letter }).await
}

pub(super) async fn request(
    server: &Server,
    position: Position,
    remedy: Remedy,
) -> Result<bool, StoreUnavailable> {
    let parked = all(server, position.partition).await?;
    let Some(parked) = parked.into_iter().find(|parked| parked.position == position) else {
        return Ok(false);
    };
    let field = field(&parked.campaign);
    let seen = doc! { format!("{field}.sequence"): signed(position.sequence) };
    let change = doc! { "$set": { format!("{field}.remedy"): name(remedy) } };
    Ok(changed(server, position.partition, seen, change).await?)
}

pub(super) async fn replayed(server: &Server, claim: &Claim, step: &Replayed<'_>) -> Result<(), ApplyError> {
    let mut stored = ours(server, claim).await?;
    stale_unless(stored.sequence == step.at)?;
    let waiting = stored.parked.remove(step.campaign).ok_or(ApplyError::Stale)?;
    if let Some((lane, chain)) = step.skipped {
        let campaigns = [step.campaign.clone()].into();
        let stored = write::read(server, &Touched { campaigns, ..Touched::default() }).await?;
        let position = Position::new(claim.partition, chain.sequence);
        // A step that was cut off behind this write has skipped the message already.
        if stored.campaigns.get(step.campaign).is_none_or(|view| view.position < position) {
            let mut views = stored.clone();
            views.skip(step.campaign, lane, chain, position);
            write::write(server, &stored, views).await?;
        }
    }
    write::fold(server, step.deliveries).await?;
    let field = field(step.campaign);
    let seen = doc! {
        "token": signed(claim.token),
        "sequence": signed(step.at),
        format!("{field}.sequence"): signed(waiting.sequence),
    };
    let change = if let Some(rest) = step.rest {
        // What is left is replayed, whatever was asked for meanwhile: that was about the message just passed.
        let (sequence, remedy) = (format!("{field}.sequence"), format!("{field}.remedy"));
        doc! { "$set": { sequence: signed(rest.sequence), remedy: name(Remedy::Replay) } }
    } else {
        doc! { "$unset": { field: "" } }
    };
    stale_unless(changed(server, claim.partition, seen, change).await?)
}

pub(super) async fn repark(server: &Server, claim: &Claim, parked: &Parked) -> Result<(), ApplyError> {
    let mut stored = ours(server, claim).await?;
    let waiting = stored.parked.remove(&parked.campaign).ok_or(ApplyError::Stale)?;
    let field = field(&parked.campaign);
    let asked = waiting.remedy.as_deref().map_or(doc! { "$exists": false }.into(), Bson::from);
    let seen = doc! {
        "token": signed(claim.token),
        format!("{field}.sequence"): signed(waiting.sequence),
        // It is written over: a wish that has come since would be lost.
        format!("{field}.remedy"): asked,
    };
    let waiting = waiting.parked(parked.campaign.clone(), claim.partition);
    let remedy = waiting.remedy.filter(|remedy| *remedy != Remedy::Replay);
    let letter = letter(&stored, &Parked { remedy, ..parked.clone() })?;
    stale_unless(changed(server, claim.partition, seen, doc! { "$set": { field: letter } }).await?)
}

/// The checkpoint with what is parked; stale when this claim is no longer the stored one.
async fn ours(server: &Server, claim: &Claim) -> Result<CheckpointDocument, ApplyError> {
    let stored = stored(server, claim.partition).await?;
    stored.filter(|stored| stored.is_held_by(claim)).ok_or(ApplyError::Stale)
}

fn letter(stored: &CheckpointDocument, parked: &Parked) -> Result<Bson, ApplyError> {
    let room = stored.parked.values().map(ParkedDocument::size).sum::<usize>() + parked.payload.len() <= ROOM;
    let letter: Document = mongodb::bson::serialize_to_document(&ParkedDocument::new(parked, room))
        .map_err(|error| ApplyError::Refused(error.to_string()))?;
    Ok(letter.into())
}

fn field(campaign: &CampaignId) -> String {
    format!("parked.{campaign}")
}
