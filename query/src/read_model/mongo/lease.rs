//! The checkpoint's document: who may write a partition, and how far it was read. A lease only saves two readers from
//! doing the same work; what keeps a late one from doing harm is the token, which every write of this document names.

use firstcome_shared::clock::Millis;
use firstcome_shared::projection::{ApplyError, Claim};
use mongodb::bson::{Document, doc};

use super::documents::{CHECKPOINT, CheckpointDocument};
use super::server::{Failed, Server};
use super::signed;

/// A partition's checkpoint, without what is parked.
pub(super) async fn stored(server: &Server, partition: u32) -> Result<Option<CheckpointDocument>, Failed> {
    let checkpoints = server.collection::<CheckpointDocument>(CHECKPOINT);
    server
        .call(checkpoints.find_one(doc! { "_id": i64::from(partition) }).projection(doc! { "parked": 0 }))
        .await
}

pub(super) async fn claim(
    server: &Server,
    partition: u32,
    holder: &str,
    now: Millis,
    ttl_ms: i64,
) -> Result<Option<u64>, Failed> {
    server.prepare().await?;
    let until = now.plus(ttl_ms);
    let Some(stored) = stored(server, partition).await? else {
        return first(server, partition, holder, until).await;
    };
    let ours = stored.holder == holder;
    if !ours && stored.until > now {
        return Ok(None);
    }
    let token = if ours { stored.token } else { stored.token + 1 };
    let seen = doc! { "token": signed(stored.token), "holder": &stored.holder };
    let change = doc! { "$set": { "token": signed(token), "holder": holder, "until": until.0 } };
    Ok(changed(server, partition, seen, change).await?.then_some(token))
}

/// The first claim of a partition. The database may be another one than that which was prepared: an operator who
/// deletes a read model does it under running instances.
async fn first(server: &Server, partition: u32, holder: &str, until: Millis) -> Result<Option<u64>, Failed> {
    server.make_indexes().await?;
    let checkpoint = CheckpointDocument {
        partition,
        token: 1,
        holder: holder.to_owned(),
        until,
        log: None,
        sequence: 0,
        parked: [].into(),
    };
    let checkpoints = server.collection::<CheckpointDocument>(CHECKPOINT);
    match server.call(checkpoints.insert_one(checkpoint)).await {
        Ok(_) => Ok(Some(1)),
        Err(Failed::Duplicates(_)) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Ends the holder's lease.
pub(super) async fn release(server: &Server, partition: u32, holder: &str) -> Result<(), Failed> {
    let change = doc! { "$set": { "until": 0_i64 } };
    changed(server, partition, doc! { "holder": holder }, change).await.map(drop)
}

/// Refuses a claim that is no longer the stored one, or of another log; else gives the sequence of the checkpoint.
pub(super) async fn held(server: &Server, claim: &Claim) -> Result<u64, ApplyError> {
    let ours = stored(server, claim.partition).await?.filter(|stored| stored.is_held_by(claim));
    ours.map(|stored| stored.sequence).ok_or(ApplyError::Stale)
}

/// Moves the checkpoint, if claim and checkpoint are the stored ones, and changes `also` in the same step.
pub(super) async fn advance(
    server: &Server,
    claim: &Claim,
    from: u64,
    to: u64,
    also: Document,
) -> Result<(), ApplyError> {
    let mut set = doc! { "sequence": signed(to), "log": &claim.log };
    set.extend(also);
    let seen = doc! { "token": signed(claim.token), "sequence": signed(from) };
    stale_unless(changed(server, claim.partition, seen, doc! { "$set": set }).await?)
}

/// Changes a checkpoint's document where it is as `seen`; false when it is not.
pub(super) async fn changed(
    server: &Server,
    partition: u32,
    mut seen: Document,
    change: Document,
) -> Result<bool, Failed> {
    seen.insert("_id", i64::from(partition));
    let checkpoints = server.collection::<CheckpointDocument>(CHECKPOINT);
    let updated = server.call(checkpoints.update_one(seen, change)).await?;
    Ok(updated.matched_count == 1)
}

pub(super) fn stale_unless(changed: bool) -> Result<(), ApplyError> {
    if changed { Ok(()) } else { Err(ApplyError::Stale) }
}
