//! The gate on Redis, for several instances of the write side: one script decides a batch. It serves one server as well
//! as a Redis Cluster, where all keys of a campaign have one hash tag, so one node has them all.
//!
//! | key | what |
//! |---|---|
//! | `fc:{<campaign>}:meta` | a hash: definition, flags, counts, decision, epoch, incarnation … ([`meta`]) |
//! | `fc:{<campaign>}:holders` | a hash: digest of the user → what this person holds ([`record`]) |
//! | `fc:{<campaign>}:line` | a list: who has coupon 1, 2, 3, … |
//! | `fc:{<campaign>}:outbox` | a stream: entry 1-0 is decision 1 ([`entry`]) |
//! | `…:holders:<nonce>`, `…:line:<nonce>` | the same while they are loaded; they expire |

mod decide;
mod entry;
mod glance;
mod link;
mod load;
mod meta;
mod nodes;
mod operate;
mod record;
mod reply;
mod rows;
mod script;
mod settings;

#[cfg(test)]
mod tests;

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use firstcome_shared::clock::{Clock, Millis};
use firstcome_shared::domain::{Ask, CampaignId, Command, Refused, Terms, Verdict};
use firstcome_shared::event::Entry;
use redis::Cmd;

use self::glance::Joined;
use self::nodes::Nodes;
use self::reply::{Fields, strange};
use self::script::{DECIDE, GLANCE, Keys, OUTBOX, Script};
pub use self::settings::{NO_EVICTION, NodeSettings};
use super::{Call, Gate, GateError, GateRow, Glance, Load, MAX_SKEW_MS, Reply, View};

/// A gate on one Redis server or a Redis Cluster. It holds nothing itself: any number of instances may use the same.
#[derive(Debug)]
pub struct RedisGate {
    core: Arc<Core>,
    glances: Joined<Result<Option<Glance>, GateError>>,
}

/// Connections, and the clock of a test. What decides does not stand behind what is large: each has its own.
struct Core {
    quick: Nodes,
    bulk: Nodes,
    clock: Option<Arc<dyn Clock>>,
}

/// Why there is no gate.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotConnected {
    /// The URL means no server.
    #[error("not the address of a Redis server: {0}")]
    Address(String),
    /// It does not answer.
    #[error(transparent)]
    Unavailable(#[from] GateError),
    /// It would evict what the gate must not forget.
    #[error(
        "Redis at {address} may forget coupons: set its maxmemory-policy to {NO_EVICTION}; it is {policy}"
    )]
    Evicts {
        /// Which server.
        address: String,
        /// What it is set to.
        policy: String,
    },
}

/// A guarded reply: what every one begins with, and the rest.
struct Guarded {
    decision: u64,
    logged: u64,
    fields: Fields,
}

/// What a server says without a guard.
struct Own {
    incarnation: String,
    there: Option<There>,
}

/// What it holds of a campaign, true or not.
struct There {
    log: String,
    epoch: u64,
    incarnation: String,
    logged: u64,
    version: u64,
    now: Millis,
    nonce: String,
}

impl RedisGate {
    /// The gate at `url`: `redis://host:port`, or some nodes of a Redis Cluster separated by commas. With a `clock`,
    /// which is for tests, that is the server's.
    pub async fn connect(url: &str, clock: Option<Arc<dyn Clock>>) -> Result<Self, NotConnected> {
        let nodes = || Nodes::new(url).map_err(|error| NotConnected::Address(error.to_string()));
        let core = Arc::new(Core { quick: nodes()?, bulk: nodes()?, clock });
        let gate = Self { core, glances: Joined::default() };
        for NodeSettings { address, eviction: policy, .. } in gate.settings().await? {
            if policy != NO_EVICTION {
                return Err(NotConnected::Evicts { address, policy });
            }
        }
        Ok(gate)
    }

    /// How each server is set: the one, or every node of the cluster, replicas included, that the cluster does not
    /// count as failed.
    pub async fn settings(&self) -> Result<Vec<NodeSettings>, GateError> {
        self.core.settings().await
    }
}

impl Core {
    /// Runs a script behind the guard (ARCHITECTURE G2).
    async fn guarded(
        &self,
        nodes: &Nodes,
        campaign: &CampaignId,
        call: Call<'_>,
        script: &Script,
        arguments: impl Fn(&mut Cmd) + Sync,
    ) -> Result<Guarded, GateError> {
        let guarded = self.attempt(nodes, campaign, call, script, arguments).await?;
        guarded.ok_or_else(|| strange(&"changed"))
    }

    /// As [`Self::guarded`]; `None` when the script says that what the call rests on has changed.
    async fn attempt(
        &self,
        nodes: &Nodes,
        campaign: &CampaignId,
        call: Call<'_>,
        script: &Script,
        arguments: impl Fn(&mut Cmd) + Sync,
    ) -> Result<Option<Guarded>, GateError> {
        let (time, keys) = (self.time(), Keys::of(campaign).all());
        let reply = script.run(nodes, campaign, &keys, |command| {
            let Call { log, epoch, logged, now } = call;
            command
                .arg(epoch)
                .arg(logged.decision)
                .arg(logged.sequence)
                .arg(now.0)
                .arg(&time)
                .arg(MAX_SKEW_MS)
                .arg(log);
            arguments(command);
        });
        let mut fields = Fields::of(reply.await?)?;
        match fields.text()?.as_str() {
            "ok" => Ok(Some(Guarded { decision: fields.number()?, logged: fields.number()?, fields })),
            "changed" => Ok(None),
            "forgot" => Err(GateError::Forgot),
            "apart" => Err(GateError::ClocksApart { apart_ms: fields.number()? }),
            other => Err(strange(&other)),
        }
    }

    /// Which memory the campaign's owner is, and what it holds of it.
    async fn own(&self, nodes: &Nodes, campaign: &CampaignId) -> Result<Own, GateError> {
        let (time, keys) = (self.time(), [Keys::of(campaign).meta()]);
        let reply = GLANCE.run(nodes, campaign, &keys, |command| {
            command.arg(&time);
        });
        let mut fields = Fields::of(reply.await?)?;
        let incarnation = fields.text()?;
        if !fields.more() {
            return Ok(Own { incarnation, there: None });
        }
        let there = There {
            epoch: fields.number()?,
            incarnation: fields.text()?,
            version: fields.number()?,
            now: Millis(fields.number()?),
            nonce: fields.text()?,
            log: fields.text()?,
            logged: fields.number()?,
        };
        Ok(Own { incarnation, there: Some(there) })
    }

    async fn glance(&self, campaign: &CampaignId) -> Result<Option<Glance>, GateError> {
        let Own { incarnation, there } = self.own(&self.quick, campaign).await?;
        let glance = |There { log, epoch, logged, version, now, .. }| Glance {
            incarnation: incarnation.into(),
            log: log.into(),
            epoch,
            logged,
            version,
            now,
        };
        Ok(there.map(glance))
    }

    /// A test's time, or nothing.
    fn time(&self) -> String {
        self.clock.as_ref().map(|clock| clock.now().0.to_string()).unwrap_or_default()
    }
}

impl fmt::Debug for Core {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.quick.seeds()).finish()
    }
}

#[async_trait]
impl Gate for RedisGate {
    fn kind(&self) -> &'static str {
        "redis"
    }

    fn is_remote(&self) -> bool {
        true
    }

    async fn incarnation(&self, campaign: &CampaignId) -> Result<String, GateError> {
        Ok(self.core.own(&self.core.quick, campaign).await?.incarnation)
    }

    async fn decide(
        &self,
        campaign: &CampaignId,
        call: Call<'_>,
        asks: &[Ask],
    ) -> Result<Reply<Vec<Verdict>>, GateError> {
        let core = &self.core;
        let decided = core.guarded(&core.quick, campaign, call, &DECIDE, |command| {
            decide::arguments(command, asks);
        });
        let Guarded { decision, logged, fields } = decided.await?;
        decide::reply(asks, decision, logged, fields)
    }

    async fn command(
        &self,
        campaign: &CampaignId,
        call: Call<'_>,
        command: &Command,
        actor: &str,
    ) -> Result<Reply<Result<(), Refused>>, GateError> {
        self.core.operate(campaign, call, command, actor).await
    }

    async fn outbox(
        &self,
        campaign: &CampaignId,
        call: Call<'_>,
        after: u64,
        max_bytes: usize,
    ) -> Result<Reply<Vec<Entry>>, GateError> {
        let core = &self.core;
        let read = core.guarded(&core.quick, campaign, call, &OUTBOX, |command| {
            command.arg(after).arg(max_bytes);
        });
        let Guarded { decision, logged, mut fields } = read.await?;
        let terms: Terms = serde_json::from_slice(&fields.bytes()?).map_err(|error| strange(&error))?;
        let mut texts = fields.list()?;
        let (mut entries, mut bytes) = (Vec::new(), 0);
        while texts.more() && (entries.is_empty() || bytes <= max_bytes) {
            let (number, text) = (texts.number()?, texts.bytes()?);
            let entry = entry::read(number, &text, &terms).ok_or_else(|| strange(&text))?;
            bytes += entry.weight();
            if entries.is_empty() || bytes <= max_bytes {
                entries.push(entry);
            }
        }
        Ok(Reply { decision, logged, entries: Vec::new(), body: entries })
    }

    async fn view(&self, campaign: &CampaignId, call: Call<'_>) -> Result<Reply<View>, GateError> {
        let (Reply { decision, logged, entries, .. }, book, now) = self.core.look(campaign, call).await?;
        let body = View {
            definition: book.definition,
            flags: book.flags,
            issued: book.issued,
            now,
            version: book.version,
        };
        Ok(Reply { decision, logged, entries, body })
    }

    async fn glance(&self, campaign: &CampaignId) -> Result<Option<Glance>, GateError> {
        let (core, of) = (Arc::clone(&self.core), campaign.clone());
        let read = move || {
            let (core, of) = (Arc::clone(&core), of.clone());
            async move { core.glance(&of).await }
        };
        let died = || Err(GateError::Unavailable("the read died".to_owned()));
        self.glances.read(campaign, read).await.unwrap_or_else(died)
    }

    async fn writable(&self, campaign: &CampaignId) -> Result<(), GateError> {
        // A write that needs a list which is not there: refused when any other is, and without effect.
        let mut command = redis::cmd("RPUSHX");
        command.arg(Keys::of(campaign).nothing()).arg("");
        self.core.quick.send(campaign, &command).await?;
        Ok(())
    }

    async fn rows(
        &self,
        campaign: &CampaignId,
        call: Call<'_>,
        from: u64,
        to: u64,
    ) -> Result<Reply<Vec<GateRow>>, GateError> {
        self.core.rows(campaign, call, from, to).await
    }

    async fn load(&self, campaign: &CampaignId, load: Load) -> Result<(), GateError> {
        self.core.put(campaign, load).await
    }
}
