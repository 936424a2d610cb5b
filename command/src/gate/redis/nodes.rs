//! Finds the server that owns a campaign: a single one, or a master of a Redis Cluster, which says so itself when
//! somebody else is asked. The driver's own cluster client is not used: it follows such a redirection only if it may
//! also repeat calls whose connection died.

use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use firstcome_shared::domain::CampaignId;
use redis::io::tcp::TcpSettings;
use redis::{
    Cmd, ConnectionAddr, ConnectionInfo, ErrorKind, IntoConnectionInfo, Pipeline, ProtocolVersion,
    RedisError, ServerErrorKind, Value,
};

use tokio::runtime::Handle;

use super::link::{Fault, Link};

/// A call is sent on so many times at most: each time it was certainly not carried out.
const HOPS: usize = 5;

/// Host and port.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Address {
    host: String,
    port: u16,
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.host, self.port)
    }
}

impl Address {
    /// `host:port`, as the nodes of a cluster name each other; without a host it is the one of `asked`.
    pub(super) fn named(text: &str, asked: &Self) -> Option<Self> {
        let (host, port) = text.rsplit_once(':')?;
        let host = if host.is_empty() { &asked.host } else { host };
        Some(Self { host: host.to_owned(), port: port.parse().ok()? })
    }
}

/// The servers that are known, and who owns what.
pub(super) struct Nodes {
    info: ConnectionInfo,
    home: Handle,
    seeds: Vec<Address>,
    turn: AtomicUsize,
    links: RwLock<HashMap<Address, Arc<Link>>>,
    owners: RwLock<HashMap<CampaignId, Address>>,
}

impl Nodes {
    /// The servers of `url`: one, or some of a cluster, separated by commas. Connections live on the caller's runtime.
    pub(super) fn new(url: &str) -> Result<Self, RedisError> {
        let mut infos = Vec::new();
        for part in url.split(',').map(str::trim) {
            let part = if part.contains("://") { part.to_owned() } else { format!("redis://{part}") };
            infos.push(part.into_connection_info()?);
        }
        let address = |info: &ConnectionInfo| match info.addr() {
            ConnectionAddr::Tcp(host, port) => Ok(Address { host: host.clone(), port: *port }),
            _ => Err(RedisError::from((ErrorKind::InvalidClientConfig, "only redis:// is supported"))),
        };
        let seeds = infos.iter().map(address).collect::<Result<_, _>>()?;
        // A split always has a part. Only this version of the protocol has the driver notice that a connection is gone.
        let info = infos.swap_remove(0).set_tcp_settings(TcpSettings::default().set_nodelay(true));
        let settings = info.redis_settings().clone().set_protocol(ProtocolVersion::RESP3);
        let info = info.set_redis_settings(settings);
        let (links, owners) = (RwLock::default(), RwLock::default());
        let home = Handle::current();
        Ok(Self { info, home, seeds, turn: AtomicUsize::new(0), links, owners })
    }

    /// Those that the URL names.
    pub(super) fn seeds(&self) -> &[Address] {
        &self.seeds
    }

    /// Sends a command to the campaign's owner.
    pub(super) async fn send(&self, campaign: &CampaignId, command: &Cmd) -> Result<Value, Fault> {
        let (mut address, mut tried) = (self.owner(campaign), Vec::new());
        for _ in 0..HOPS {
            let fault = match self.link(&address)?.send(command).await {
                Ok(value) => return Ok(value),
                Err(fault) => fault,
            };
            match redirection(&fault, &address) {
                Some(Redirection::Moved(owner)) => {
                    self.note(campaign, Some(owner.clone()));
                    address = owner;
                }
                Some(Redirection::Ask(node)) => {
                    let mut asking = redis::pipe();
                    asking.cmd("ASKING").add_command(command.clone());
                    return self.link(&node)?.send_all(&asking).await;
                }
                None => {
                    self.doubt(campaign, &fault);
                    tried.push(address);
                    // Never sent: any other node may know the owner.
                    match self.untried(&tried).filter(|_| matches!(fault, Fault::NotSent(_))) {
                        Some(other) => address = other,
                        None => return Err(fault),
                    }
                }
            }
        }
        Err(Fault::NotSent("the nodes of the cluster send each other round".to_owned()))
    }

    /// Sends some commands to the campaign's owner, which must be known by an answer: they are not sent on.
    pub(super) async fn send_all(&self, campaign: &CampaignId, commands: &Pipeline) -> Result<Value, Fault> {
        let sent = self.link(&self.owner(campaign))?.send_all(commands).await;
        sent.inspect_err(|fault| self.doubt(campaign, fault))
    }

    /// Sends a command to one node.
    pub(super) async fn send_to(&self, address: &Address, command: &Cmd) -> Result<Value, Fault> {
        self.link(address)?.send(command).await
    }

    fn owner(&self, campaign: &CampaignId) -> Address {
        let known =
            self.owners.read().unwrap_or_else(PoisonError::into_inner).get(campaign.as_str()).cloned();
        known.unwrap_or_else(|| {
            let turn = self.turn.fetch_add(1, Ordering::Relaxed);
            self.seeds[turn % self.seeds.len()].clone()
        })
    }

    fn untried(&self, tried: &[Address]) -> Option<Address> {
        self.seeds.iter().find(|seed| !tried.contains(seed)).cloned()
    }

    /// An owner that does not answer, or does not want to, may no longer be one.
    fn doubt(&self, campaign: &CampaignId, fault: &Fault) {
        let certain = matches!(fault, Fault::Refused(error) if !matches!(
            error.kind(),
            ErrorKind::Server(ServerErrorKind::ClusterDown | ServerErrorKind::ReadOnly | ServerErrorKind::Moved)
        ));
        if !certain {
            self.note(campaign, None);
        }
    }

    fn note(&self, campaign: &CampaignId, owner: Option<Address>) {
        let mut owners = self.owners.write().unwrap_or_else(PoisonError::into_inner);
        match owner {
            Some(owner) => owners.insert(campaign.clone(), owner),
            None => owners.remove(campaign.as_str()),
        };
    }

    fn link(&self, address: &Address) -> Result<Arc<Link>, Fault> {
        if let Some(link) = self.links.read().unwrap_or_else(PoisonError::into_inner).get(address) {
            return Ok(Arc::clone(link));
        }
        let info = self.info.clone().set_addr(ConnectionAddr::Tcp(address.host.clone(), address.port));
        let link =
            Arc::new(Link::new(info, self.home.clone()).map_err(|error| Fault::NotSent(error.to_string()))?);
        let mut links = self.links.write().unwrap_or_else(PoisonError::into_inner);
        Ok(Arc::clone(links.entry(address.clone()).or_insert(link)))
    }
}

enum Redirection {
    /// This one owns it now.
    Moved(Address),
    /// It is being moved: this one may have it already.
    Ask(Address),
}

fn redirection(fault: &Fault, asked: &Address) -> Option<Redirection> {
    let Fault::Refused(error) = fault else { return None };
    let (address, _slot) = error.redirect_node()?;
    let address = Address::named(address, asked)?;
    match error.kind() {
        ErrorKind::Server(ServerErrorKind::Moved) => Some(Redirection::Moved(address)),
        ErrorKind::Server(ServerErrorKind::Ask) => Some(Redirection::Ask(address)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_url_names_one_server_or_several() {
        let seeds = |url| {
            Nodes::new(url).map(|nodes| nodes.seeds().iter().map(ToString::to_string).collect::<Vec<_>>())
        };
        assert_eq!(seeds("redis://one:7/3").unwrap(), ["one:7"]);
        assert_eq!(
            seeds("redis://:secret@one:1, redis://two:2,three:3").unwrap(),
            ["one:1", "two:2", "three:3"]
        );
        for bad in ["", "redis://", "one:1,,two:2", "redis://one:port", "unix:///tmp/socket", "nats://one:1"]
        {
            assert!(seeds(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn nodes_name_each_other_with_or_without_a_host() {
        let asked = Address { host: "one".to_owned(), port: 1 };
        let named = |text| Address::named(text, &asked).map(|address| address.to_string());
        assert_eq!(named("10.0.0.7:6381").as_deref(), Some("10.0.0.7:6381"));
        assert_eq!(named(":6381").as_deref(), Some("one:6381"), "the host that was asked");
        assert_eq!(named("nonsense"), None);
    }
}
