//! The read model on MongoDB, for many instances. There is no transaction over several documents here, so each one is
//! guarded by itself (ARCHITECTURE J2): a document that counts is written where it still stands at the position that
//! was read, a coupon is inserted or is there already, and the checkpoint comes last. A batch that ends half-way, for
//! whatever reason, is read again from the stored checkpoint; documents that have it already skip it. Nothing is ever
//! deleted or taken back, so a writer that has lost its lease can at worst write early what the next one writes too.
//!
//! The lease, and what is parked, stand in the checkpoint's own document: parking moves the checkpoint, and unparking
//! ends the waiting, in one step each (ARCHITECTURE J3).

mod coupons;
mod documents;
mod lease;
mod parked;
mod queries;
mod server;
#[cfg(test)]
mod tests;
mod write;

use std::fmt;

use async_trait::async_trait;
use firstcome_shared::clock::Millis;
use firstcome_shared::position::Position;
use firstcome_shared::projection::{
    ApplyError, Checkpoint, Claim, Delivery, Parked, Projection, Remedy, Replayed, StoreUnavailable,
};

use server::Server;

/// Connections of the half that writes: inserts go side by side, and claims must not wait for them.
const WRITERS: u32 = 8;

/// The read model in a MongoDB database.
pub struct MongoReadModel {
    /// For all that the projection does: it must not wait for those who read a million coupons.
    writer: Server,
    readers: Server,
}

/// A read model of which only the writing half is connected.
#[derive(Debug)]
pub struct MongoWriter {
    url: String,
    writer: Server,
}

impl MongoReadModel {
    /// The writing half of the read model at `url`, which names the database. Nothing is asked of the server yet, so
    /// it may be away; it is prepared when a partition is first claimed. Connections are driven by the runtime this is
    /// called on.
    pub async fn open_writer(url: &str) -> Result<MongoWriter, StoreUnavailable> {
        Ok(MongoWriter { url: url.to_owned(), writer: Server::new(url, WRITERS).await? })
    }
}

impl MongoWriter {
    /// Adds so many connections that only read, driven by the runtime this is called on.
    pub async fn with_readers(self, connections: u32) -> Result<MongoReadModel, StoreUnavailable> {
        let readers = Server::new(&self.url, connections).await?;
        Ok(MongoReadModel { writer: self.writer, readers })
    }
}

impl fmt::Debug for MongoReadModel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.writer.fmt(f)
    }
}

#[async_trait]
impl Projection for MongoReadModel {
    fn name(&self) -> &'static str {
        "read_model"
    }

    async fn claim(
        &self,
        partition: u32,
        holder: &str,
        now: Millis,
        ttl_ms: i64,
    ) -> Result<Option<u64>, StoreUnavailable> {
        Ok(lease::claim(&self.writer, partition, holder, now, ttl_ms).await?)
    }

    async fn release(&self, partition: u32, holder: &str) -> Result<(), StoreUnavailable> {
        Ok(lease::release(&self.writer, partition, holder).await?)
    }

    async fn checkpoint(&self, partition: u32) -> Result<Option<Checkpoint>, StoreUnavailable> {
        let stored = lease::stored(&self.writer, partition).await?;
        Ok(stored.and_then(|stored| Some(Checkpoint { log: stored.log?, sequence: stored.sequence })))
    }

    async fn apply(
        &self,
        claim: &Claim,
        from: u64,
        deliveries: &[Delivery],
        to: u64,
    ) -> Result<(), ApplyError> {
        write::apply(&self.writer, claim, from, deliveries, to).await
    }

    async fn park(&self, claim: &Claim, from: u64, parked: &Parked, to: u64) -> Result<(), ApplyError> {
        parked::park(&self.writer, claim, from, parked, to).await
    }

    async fn parked(&self, partition: u32) -> Result<Vec<Parked>, StoreUnavailable> {
        parked::all(&self.writer, partition).await
    }

    async fn request(&self, position: Position, remedy: Remedy) -> Result<bool, StoreUnavailable> {
        parked::request(&self.writer, position, remedy).await
    }

    async fn replayed(&self, claim: &Claim, step: &Replayed<'_>) -> Result<(), ApplyError> {
        parked::replayed(&self.writer, claim, step).await
    }

    async fn repark(&self, claim: &Claim, parked: &Parked) -> Result<(), ApplyError> {
        parked::repark(&self.writer, claim, parked).await
    }
}

fn away(problem: &dyn fmt::Display) -> StoreUnavailable {
    StoreUnavailable { store: "read_model", problem: problem.to_string() }
}

/// Numbers as the database keeps them; what does not fit is beyond everything.
fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
