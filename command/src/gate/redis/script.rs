//! The scripts and the keys that they work on. Servers know a script by its digest; one that does not (after a restart, a
//! flush, a failover) says so, has then done nothing, and is sent the text.

use std::fmt;
use std::sync::LazyLock;

use firstcome_shared::domain::CampaignId;
use redis::{Cmd, ErrorKind, ServerErrorKind, Value};

use super::link::Fault;
use super::nodes::Nodes;
use crate::gate::GateError;

/// A script, its text made of the parts that several share.
pub(super) struct Script {
    text: &'static str,
    digest: String,
}

macro_rules! scripts {
    ($($name:ident = $($file:literal)+;)+) => {
        $(pub(super) static $name: LazyLock<Script> =
            LazyLock::new(|| Script::new(concat!($(include_str!($file), "\n"),+)));)+
    };
}

scripts! {
    DECIDE = "../own.lua" "../guard.lua" "../decide.lua";
    LOOK = "../own.lua" "../guard.lua" "../look.lua";
    OPERATE = "../own.lua" "../guard.lua" "../operate.lua";
    OUTBOX = "../own.lua" "../guard.lua" "../outbox.lua";
    LINE = "../own.lua" "../guard.lua" "../line.lua";
    HELD = "../own.lua" "../guard.lua" "../held.lua";
    GLANCE = "../own.lua" "../glance.lua";
    SWAP = "../own.lua" "../swap.lua";
}

impl fmt::Debug for Script {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.digest)
    }
}

impl Script {
    fn new(text: &'static str) -> Self {
        Self { text, digest: redis::Script::new(text).get_hash().to_owned() }
    }

    /// Runs it where the campaign is, on `keys`; `arguments` adds the rest. Sent again only to a server that did not
    /// know it.
    pub(super) async fn run(
        &self,
        nodes: &Nodes,
        campaign: &CampaignId,
        keys: &[String],
        arguments: impl Fn(&mut Cmd) + Sync,
    ) -> Result<Value, Fault> {
        let command = |name, script| {
            let mut command = redis::cmd(name);
            command.arg(script).arg(keys.len()).arg(keys);
            arguments(&mut command);
            command
        };
        match nodes.send(campaign, &command("EVALSHA", self.digest.as_str())).await {
            Err(Fault::Refused(error)) if error.kind() == ErrorKind::Server(ServerErrorKind::NoScript) => {
                nodes.send(campaign, &command("EVAL", self.text)).await
            }
            outcome => outcome,
        }
    }
}

/// The names of a campaign's keys. All have the same hash tag, so that one server of a cluster has them all.
pub(super) struct Keys {
    tag: String,
}

impl Keys {
    pub(super) fn of(campaign: &CampaignId) -> Self {
        Self { tag: format!("fc:{{{campaign}}}") }
    }

    pub(super) fn meta(&self) -> String {
        format!("{}:meta", self.tag)
    }

    /// Where nothing ever is.
    pub(super) fn nothing(&self) -> String {
        format!("{}:nothing", self.tag)
    }

    /// In the order that every guarded script expects.
    pub(super) fn all(&self) -> Vec<String> {
        ["meta", "holders", "line", "outbox"].map(|name| format!("{}:{name}", self.tag)).into()
    }

    /// Holders and line while they are loaded: names that nobody but the owner of this fence uses (ARCHITECTURE G5).
    pub(super) fn staged(&self, nonce: &str) -> [String; 2] {
        ["holders", "line"].map(|name| format!("{}:{name}:{nonce}", self.tag))
    }
}

impl From<Fault> for GateError {
    fn from(fault: Fault) -> Self {
        Self::Unavailable(fault.to_string())
    }
}
