//! The ledger on PostgreSQL (13 or later), shared by all instances.
//!
//! # Who writes
//!
//! A batch is one transaction at READ COMMITTED. Its first statement changes the checkpoint's row on condition of token
//! and sequence, and thereby locks it: a second writer waits for the first, looks at the row again, finds it changed and
//! is [`Stale`](ApplyError::Stale). Nothing rests on the lease but who may try. It ends on its holder's clock, as the port
//! has it: clocks that are apart make a take-over early or late, never wrong.
//!
//! # What a crash takes
//!
//! Batches are committed without waiting for the disk (`synchronous_commit = off`). A crash of the server may take the
//! last moments back, but only as a whole and from the end: a lost batch is lost with its checkpoint (ARCHITECTURE J1), and
//! its messages, which are safe in the log, are read again, on a quiet log too: the reader holds its place against the
//! checkpoint. Claims and operators' wishes, which no log repeats, are waited for; and so is everything that was written
//! before them. Whoever removes messages from the log because the ledger has them must have waited for such a commit.
//!
//! A commit that got no answer is in doubt. The caller hears [`Unavailable`](ApplyError::Unavailable) and begins again at
//! the stored checkpoint, which is there with the batch or not at all; if the commit comes through only after that look,
//! the next batch is `Stale`, and the caller looks again.

mod connections;
mod read;
mod write;

#[cfg(test)]
mod tests;

use std::sync::LazyLock;

use async_trait::async_trait;
use firstcome_shared::clock::Millis;
use firstcome_shared::domain::CampaignId;
use firstcome_shared::event_log::{Budget, Subject};
use firstcome_shared::fingerprint::Range;
use firstcome_shared::migrations::migrator;
use firstcome_shared::position::Position;
use firstcome_shared::projection::{
    Allowance, ApplyError, Checkpoint, Claim, Delivery, Parked, Projection, Remedy, Replayed,
    StoreUnavailable,
};
use firstcome_shared::wire::{AuditEntry, Fingerprint, Page};
use sqlx::migrate::Migrator;
use sqlx::postgres::{PgConnection, PgPool};
use sqlx::{Connection, Postgres, Transaction};
use tokio::sync::OnceCell;
use tokio::time::Instant;

use self::connections::{Lent, STATEMENT, failed, unavailable, within};
use super::batch::{self, Batch};
use super::pace::Pace;
use super::{AuditCursor, Ledger, sql};

static MIGRATIONS: LazyLock<Migrator> =
    LazyLock::new(|| migrator(&[include_str!("../../../migrations/postgres/ledger/0001_ledger.sql")]));

/// More partitions than these share connections.
const MOST_WRITERS: u32 = 8;
const READERS: u32 = 4;

/// A ledger in a PostgreSQL database, which should hold nothing else.
#[derive(Debug)]
pub struct PostgresLedger {
    /// For the projection: it must not wait for those who read a million rows.
    writer: PgPool,
    readers: PgPool,
    migrated: OnceCell<()>,
    partitions: u32,
    pace: Pace,
}

impl PostgresLedger {
    /// The ledger of a log with so many partitions, in the database at `url`. Nothing is asked yet: issuing must be able to
    /// start without the ledger. The first who needs the tables brings them up to date.
    ///
    /// An error means that `url` is none.
    pub fn lazy(url: &str, partitions: u32) -> Result<Self, StoreUnavailable> {
        // One more than there are writing readers of the log: an operator may come between.
        let writers = partitions.clamp(1, MOST_WRITERS) + 1;
        let (writer, readers) = connections::pools(url, writers, READERS)?;
        Ok(Self { writer, readers, migrated: OnceCell::new(), partitions, pace: Pace::default() })
    }

    /// As [`lazy`](Self::lazy), with the tables brought up to date. Several instances may do so at once.
    pub async fn open(url: &str, partitions: u32) -> Result<Self, StoreUnavailable> {
        let ledger = Self::lazy(url, partitions)?;
        ledger.migrate().await?;
        Ok(ledger)
    }

    /// Closes all connections, when nobody uses them any more.
    pub async fn close(&self) {
        self.readers.close().await;
        self.writer.close().await;
    }

    async fn migrate(&self) -> Result<(), StoreUnavailable> {
        self.migrated.get_or_try_init(|| connections::migrate(&self.writer)).await.copied()
    }

    /// A batch came to its end, one way or the other.
    fn wrote(&self, deliveries: &[Delivery], began: Instant, outcome: &Result<(), ApplyError>) {
        match outcome {
            Ok(()) => self.pace.wrote(sql::coupons(deliveries), began),
            Err(ApplyError::Unavailable(_)) if began.elapsed() >= STATEMENT && deliveries.len() > 1 => {
                self.pace.gave_up();
            }
            Err(_) => {}
        }
    }
}

/// A transaction of the projection. That its commit does not wait for the disk is safe: see the module's head.
async fn begin(conn: &mut PgConnection) -> Result<Transaction<'_, Postgres>, ApplyError> {
    conn.begin_with("BEGIN; SET LOCAL synchronous_commit = off").await.map_err(failed)
}

/// Writes what `deliveries` say, if each continues its campaign.
async fn write(conn: &mut PgConnection, partition: u32, deliveries: &[Delivery]) -> Result<(), ApplyError> {
    if deliveries.is_empty() {
        return Ok(());
    }
    let chains = read::chains(conn, &batch::named(deliveries)).await.map_err(failed)?;
    let changed = batch::changed(deliveries);
    let campaigns = if changed.is_empty() {
        batch::Campaigns::new()
    } else {
        read::campaigns(conn, &changed).await.map_err(failed)?
    };
    let batch = Batch::fold(deliveries, chains, campaigns)?;
    write::coupons(conn, deliveries).await.map_err(failed)?;
    write::batch(conn, partition, &batch).await.map_err(failed)
}

async fn apply(
    conn: &mut PgConnection,
    claim: &Claim,
    from: u64,
    deliveries: &[Delivery],
    to: u64,
) -> Result<(), ApplyError> {
    let mut tx = begin(conn).await?;
    one(write::advance(&mut tx, claim, from, to).await.map_err(failed)?)?;
    if read::any_parked(&mut tx, &batch::named(deliveries)).await.map_err(failed)? {
        return Err(ApplyError::Stale);
    }
    write(&mut tx, claim.partition, deliveries).await?;
    tx.commit().await.map_err(failed)
}

async fn park(
    conn: &mut PgConnection,
    claim: &Claim,
    from: u64,
    parked: &Parked,
    to: u64,
) -> Result<(), ApplyError> {
    let mut tx = begin(conn).await?;
    one(write::advance(&mut tx, claim, from, to).await.map_err(failed)?)?;
    one(write::park(&mut tx, parked).await.map_err(failed)?)?;
    tx.commit().await.map_err(failed)
}

async fn replayed(conn: &mut PgConnection, claim: &Claim, step: &Replayed<'_>) -> Result<(), ApplyError> {
    let mut tx = begin(conn).await?;
    one(write::hold(&mut tx, claim, Some(step.at)).await.map_err(failed)?)?;
    // What stands before the parked message is applied already: a step from there is somebody's old picture.
    let first = step.deliveries.first().map(|delivery| delivery.position.sequence);
    let begin = step.skipped.map(|(_, chain)| chain.sequence).or(first);
    one(write::unpark(&mut tx, step, begin).await.map_err(failed)?)?;
    if let Some((lane, chain)) = step.skipped {
        write::chains(&mut tx, [(step.campaign, lane, chain)].into_iter()).await.map_err(failed)?;
    }
    write(&mut tx, claim.partition, step.deliveries).await?;
    tx.commit().await.map_err(failed)
}

async fn repark(conn: &mut PgConnection, claim: &Claim, parked: &Parked) -> Result<(), ApplyError> {
    let mut tx = begin(conn).await?;
    one(write::hold(&mut tx, claim, None).await.map_err(failed)?)?;
    one(write::repark(&mut tx, parked).await.map_err(failed)?)?;
    tx.commit().await.map_err(failed)
}

/// A renewal writes nothing while more than half of the lease is left, and nor does who finds somebody else's: a write
/// would wait for the batch that is on its way.
async fn claim(
    conn: &mut PgConnection,
    partition: u32,
    holder: &str,
    now: Millis,
    ttl_ms: i64,
) -> sql::Result<Option<u64>> {
    if let Some(lease) = read::lease(conn, partition).await? {
        let ours = lease.holder == holder;
        if ours && lease.expires_at > now.plus(ttl_ms / 2) {
            return Ok(Some(lease.token));
        }
        if !ours && lease.expires_at > now {
            return Ok(None);
        }
    }
    write::claim(conn, partition, holder, now, now.plus(ttl_ms)).await
}

/// Stale unless the statement changed the one row that it was meant for.
fn one(changed: u64) -> Result<(), ApplyError> {
    if changed == 1 { Ok(()) } else { Err(ApplyError::Stale) }
}

#[async_trait]
impl Projection for PostgresLedger {
    fn name(&self) -> &'static str {
        "ledger"
    }

    async fn claim(
        &self,
        partition: u32,
        holder: &str,
        now: Millis,
        ttl_ms: i64,
    ) -> Result<Option<u64>, StoreUnavailable> {
        self.migrate().await?;
        let work = async {
            let mut lent = Lent::from(&self.writer).await?;
            let outcome = claim(&mut lent, partition, holder, now, ttl_ms).await;
            lent.back(outcome.map_err(failed))
        };
        within(work).await.map_err(unavailable)
    }

    async fn release(&self, partition: u32, holder: &str) -> Result<(), StoreUnavailable> {
        let work = async {
            let mut lent = Lent::from(&self.writer).await?;
            let outcome = write::release(&mut lent, partition, holder).await;
            lent.back(outcome.map_err(failed))
        };
        within(work).await.map_err(unavailable)
    }

    fn allowance(&self, most: Budget) -> Allowance {
        self.pace.allowance(most)
    }

    async fn checkpoint(&self, partition: u32) -> Result<Option<Checkpoint>, StoreUnavailable> {
        self.migrate().await?;
        let work = async {
            let mut lent = Lent::from(&self.writer).await?;
            let outcome = read::checkpoint(&mut lent, partition).await;
            lent.back(outcome.map_err(failed))
        };
        within(work).await.map_err(unavailable)
    }

    async fn apply(
        &self,
        claim: &Claim,
        from: u64,
        deliveries: &[Delivery],
        to: u64,
    ) -> Result<(), ApplyError> {
        self.migrate().await?;
        let began = Instant::now();
        let work = async {
            let mut lent = Lent::from(&self.writer).await?;
            let outcome = apply(&mut lent, claim, from, deliveries, to).await;
            lent.back(outcome)
        };
        let outcome = within(work).await;
        self.wrote(deliveries, began, &outcome);
        outcome
    }

    async fn park(&self, claim: &Claim, from: u64, parked: &Parked, to: u64) -> Result<(), ApplyError> {
        self.migrate().await?;
        let work = async {
            let mut lent = Lent::from(&self.writer).await?;
            let outcome = park(&mut lent, claim, from, parked, to).await;
            lent.back(outcome)
        };
        within(work).await
    }

    async fn parked(&self, partition: u32) -> Result<Vec<Parked>, StoreUnavailable> {
        self.migrate().await?;
        let work = async {
            let mut lent = Lent::from(&self.writer).await?;
            let outcome = read::parked(&mut lent, partition).await;
            lent.back(outcome.map_err(failed))
        };
        within(work).await.map_err(unavailable)
    }

    async fn request(&self, position: Position, remedy: Remedy) -> Result<bool, StoreUnavailable> {
        self.migrate().await?;
        let work = async {
            let mut lent = Lent::from(&self.writer).await?;
            let outcome = write::request(&mut lent, position, remedy).await;
            lent.back(outcome.map_err(failed))
        };
        within(work).await.map(|changed| changed > 0).map_err(unavailable)
    }

    async fn replayed(&self, claim: &Claim, step: &Replayed<'_>) -> Result<(), ApplyError> {
        self.migrate().await?;
        let began = Instant::now();
        let work = async {
            let mut lent = Lent::from(&self.writer).await?;
            let outcome = replayed(&mut lent, claim, step).await;
            lent.back(outcome)
        };
        let outcome = within(work).await;
        self.wrote(step.deliveries, began, &outcome);
        outcome
    }

    async fn repark(&self, claim: &Claim, parked: &Parked) -> Result<(), ApplyError> {
        self.migrate().await?;
        let work = async {
            let mut lent = Lent::from(&self.writer).await?;
            let outcome = repark(&mut lent, claim, parked).await;
            lent.back(outcome)
        };
        within(work).await
    }
}

#[async_trait]
impl Ledger for PostgresLedger {
    fn kind(&self) -> &'static str {
        "postgres"
    }

    fn set_rate(&self, coupons_per_second: u64) {
        self.pace.set_rate(coupons_per_second);
    }

    fn rate(&self) -> u64 {
        self.pace.rate()
    }

    async fn audit(
        &self,
        campaign: Option<&CampaignId>,
        after: Option<AuditCursor>,
        limit: u32,
    ) -> Result<Page<AuditEntry>, StoreUnavailable> {
        self.migrate().await?;
        let work = async {
            let mut lent = Lent::from(&self.readers).await?;
            let outcome = read::audit(&mut lent, campaign, after, limit).await;
            lent.back(outcome.map_err(failed))
        };
        within(work).await.map_err(unavailable)
    }

    async fn fingerprint(
        &self,
        campaign: &CampaignId,
        range: &Range,
    ) -> Result<Fingerprint, StoreUnavailable> {
        self.migrate().await?;
        let partition = Subject::decisions(campaign).partition(self.partitions);
        let mut lent = Lent::from(&self.readers).await?;
        let outcome = read::fingerprint(&mut lent, partition, campaign, range).await;
        lent.back(outcome).map_err(unavailable)
    }
}
