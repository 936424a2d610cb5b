//! How the servers are set. A gate may run only on servers that never evict (ARCHITECTURE G11); the rest is for
//! `firstcome check`.

use firstcome_shared::clock::Millis;
use redis::Value;

use super::link::Fault;
use super::nodes::{Address, Nodes};
use super::reply::{Fields, strange};
use super::{Core, NotConnected, RedisGate};
use crate::gate::GateError;

/// What a memory full of coupons must be set to.
pub const NO_EVICTION: &str = "noeviction";

/// How one server is set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeSettings {
    /// Host and port.
    pub address: String,
    /// `maxmemory-policy`: [`NO_EVICTION`], or coupons get lost.
    pub eviction: String,
    /// `appendonly`.
    pub append_only: bool,
    /// `repl-backlog-ttl`, in seconds; more than 0 lets a healthy master change its replication id, and with it forget.
    pub backlog_ttl: u64,
    /// What it thinks that time it is.
    pub now: Millis,
}

impl RedisGate {
    /// How each server at `url` is set, also where no gate may run.
    pub async fn settings_at(url: &str) -> Result<Vec<NodeSettings>, NotConnected> {
        let nodes = || Nodes::new(url).map_err(|error| NotConnected::Address(error.to_string()));
        let core = Core { quick: nodes()?, bulk: nodes()?, clock: None };
        Ok(core.settings().await?)
    }
}

impl Core {
    /// How each server is set: the one, or every node of the cluster, replicas included, that the cluster does not
    /// count as failed.
    pub(super) async fn settings(&self) -> Result<Vec<NodeSettings>, GateError> {
        let mut all = Vec::new();
        for address in self.addresses().await? {
            all.push(self.settings_of(&address).await?);
        }
        Ok(all)
    }

    async fn settings_of(&self, address: &Address) -> Result<NodeSettings, GateError> {
        let (mut eviction, mut append_only, mut backlog_ttl) = (String::new(), String::new(), 0);
        let mut ask = redis::cmd("CONFIG");
        ask.arg("GET").arg("maxmemory-policy").arg("appendonly").arg("repl-backlog-ttl");
        let mut settings = Fields::of(self.bulk.send_to(address, &ask).await?)?;
        while settings.more() {
            match settings.text()?.as_str() {
                "maxmemory-policy" => eviction = settings.text()?,
                "appendonly" => append_only = settings.text()?,
                "repl-backlog-ttl" => backlog_ttl = settings.number()?,
                _ => drop(settings.bytes()?),
            }
        }
        let mut time = Fields::of(self.bulk.send_to(address, &redis::cmd("TIME")).await?)?;
        let (seconds, micros): (i64, i64) = (time.number()?, time.number()?);
        Ok(NodeSettings {
            address: address.to_string(),
            eviction,
            append_only: append_only == "yes",
            backlog_ttl,
            now: Millis(seconds.saturating_mul(1_000).saturating_add(micros / 1_000)),
        })
    }

    async fn addresses(&self) -> Result<Vec<Address>, GateError> {
        let mut ask = redis::cmd("CLUSTER");
        ask.arg("NODES");
        let mut failure = GateError::Unavailable("no server is named".to_owned());
        for seed in self.bulk.seeds() {
            match self.bulk.send_to(seed, &ask).await {
                Ok(Value::VerbatimString { text: nodes, .. }) => return Ok(members(&nodes, seed)),
                Ok(other) => return Err(strange(&other)),
                // "This instance has cluster support disabled": it is the only one.
                Err(Fault::Refused(_)) => return Ok(vec![seed.clone()]),
                Err(fault) => failure = fault.into(),
            }
        }
        Err(failure)
    }
}

/// The nodes that are there, from what `CLUSTER NODES` says: a line each, of id, `host:port@bus,name`, flags, …
fn members(nodes: &str, asked: &Address) -> Vec<Address> {
    let member = |line: &str| {
        let mut words = line.split(' ');
        let (address, flags) = (words.nth(1)?, words.next()?);
        let gone = flags.split(',').any(|flag| matches!(flag, "fail" | "fail?" | "noaddr" | "handshake"));
        let address = address.split('@').next()?;
        if gone { None } else { Address::named(address, asked) }
    };
    nodes.lines().filter_map(member).collect()
}
