//! What stands in the log: messages of past-tense events, version 1. Old messages must stay readable for ever, so
//! golden files hold this format; a new field needs a default, and an unknown kind is poison, not dropped.

use std::collections::BTreeMap;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::clock::Millis;
use crate::domain::{CampaignId, CodeSecret, Definition, RequestKey, UserId};

/// The only version of [`Message`] so far.
pub const VERSION: u32 = 1;

/// One coupon in a [`Event::CouponsIssued`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct IssuedCoupon {
    /// Its place in line.
    pub seq: u64,
    /// Who got it.
    pub user_id: UserId,
    /// Which of this person's coupons of the campaign it is, from 1.
    pub n: u32,
    /// The request that got it, where keys are kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<RequestKey>,
    /// Its code. Empty in an outbox: the gate has no secret, the appender fills it in ([`Entry::seal`]).
    #[serde(default)]
    pub code: String,
}

/// Who does something, and in which request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Actor<'a> {
    /// The name of a key, or who acts by himself.
    pub name: &'a str,
    /// The request's id, where it has one.
    pub request: Option<&'a str>,
}

impl<'a> From<&'a str> for Actor<'a> {
    fn from(name: &'a str) -> Self {
        Self { name, request: None }
    }
}

/// Something that was decided.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Event {
    /// First message of every campaign.
    CampaignCreated {
        /// The campaign.
        definition: Definition,
        /// The gate it is to be loaded into.
        incarnation: String,
        /// Who did it.
        actor: String,
    },
    /// The gate lost its memory: a new epoch begins here.
    GateFenced {
        /// The gate that the new epoch is to be loaded into.
        incarnation: String,
    },
    /// An operator holds the campaign.
    CampaignPaused {
        /// Who did it.
        actor: String,
    },
    /// It goes on.
    CampaignResumed {
        /// Who did it.
        actor: String,
    },
    /// It is over for good.
    CampaignCancelled {
        /// Who did it.
        actor: String,
    },
    /// It is now this.
    CampaignUpdated {
        /// The whole campaign.
        definition: Definition,
        /// Who did it.
        actor: String,
    },
    /// A window's total stock is now this.
    StockChanged {
        /// The window's id.
        window: u32,
        /// Its total stock.
        stock: u64,
        /// Who did it.
        actor: String,
    },
    /// Coupons of one batch, all decided at the entry's time.
    CouponsIssued {
        /// The window's id.
        window: u32,
        /// When these coupons end.
        expires_at: Option<Millis>,
        /// In sequence.
        coupons: Vec<IssuedCoupon>,
    },
    /// So much of a window's stock is gone.
    StockThresholdReached {
        /// The window's id.
        window: u32,
        /// 50, 80 or 100.
        percent: u8,
    },
    /// An operator did something that is not decided in the gate; on the campaign's second subject.
    OperatorActed {
        /// Who did it.
        actor: String,
        /// What: `replay`, `discard`, `rebuild`.
        action: String,
        /// On what: a projection, a position.
        target: String,
    },
}

impl Event {
    /// The event's name in the log, in audit entries and in histories.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::CampaignCreated { .. } => "campaign_created",
            Self::GateFenced { .. } => "gate_fenced",
            Self::CampaignPaused { .. } => "campaign_paused",
            Self::CampaignResumed { .. } => "campaign_resumed",
            Self::CampaignCancelled { .. } => "campaign_cancelled",
            Self::CampaignUpdated { .. } => "campaign_updated",
            Self::StockChanged { .. } => "stock_changed",
            Self::CouponsIssued { .. } => "coupons_issued",
            Self::StockThresholdReached { .. } => "stock_threshold_reached",
            Self::OperatorActed { .. } => "operator_acted",
        }
    }

    /// The operator behind it, when there is one.
    pub fn actor(&self) -> Option<&str> {
        match self {
            Self::CampaignCreated { actor, .. }
            | Self::CampaignPaused { actor }
            | Self::CampaignResumed { actor }
            | Self::CampaignCancelled { actor }
            | Self::CampaignUpdated { actor, .. }
            | Self::StockChanged { actor, .. }
            | Self::OperatorActed { actor, .. } => Some(actor),
            Self::GateFenced { .. } | Self::CouponsIssued { .. } | Self::StockThresholdReached { .. } => None,
        }
    }
}

/// One decision.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// Its number, 1, 2, 3, … within the campaign's epoch lineage; 0 for what the gate did not decide.
    pub decision: u64,
    /// When it was decided, on the gate's clock.
    pub at: Millis,
    /// What was decided: one field, named by its kind.
    pub event: Event,
}

impl Entry {
    /// Fills in the codes of issued coupons.
    pub fn seal(&mut self, campaign: &CampaignId, secret: &CodeSecret) {
        if let Event::CouponsIssued { coupons, .. } = &mut self.event {
            for coupon in coupons {
                coupon.code = secret.code(campaign, coupon.seq);
            }
        }
    }

    /// About how many bytes it takes in a message; never fewer.
    pub fn weight(&self) -> usize {
        const PER_ENTRY: usize = 200;
        const PER_COUPON: usize = 96;
        // Escaping makes one byte two at most, since no name and no key may hold control characters; a definition is
        // bounded by its windows.
        PER_ENTRY
            + match &self.event {
                Event::CouponsIssued { coupons, .. } => coupons
                    .iter()
                    .map(|coupon| {
                        let key = coupon.key.as_ref().map_or(0, |key| 10 + 2 * key.as_str().len());
                        PER_COUPON + 2 * coupon.user_id.as_str().len() + key
                    })
                    .sum(),
                Event::CampaignCreated { definition, .. } | Event::CampaignUpdated { definition, .. } => {
                    1_000 + 120 * definition.windows.len() + 2 * definition.name.len()
                }
                // With a request's id beside it.
                _ => 500,
            }
    }
}

/// One message of the log: some decisions that belong together, and what proves that they continue what stood
/// before (ARCHITECTURE L2).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Message {
    /// [`VERSION`].
    pub version: u32,
    /// Whose.
    pub campaign: CampaignId,
    /// Which log.
    pub log: String,
    /// Which memory of the gate decided it; 0 on the second subject.
    pub epoch: u64,
    /// First decision in it. A fence, and a creation, repeat what the log ended with.
    pub first: u64,
    /// Last decision in it.
    pub last: u64,
    /// Sequence of the message that it was appended behind, on its subject; 0 for the first.
    pub prev: u64,
    /// Random: tells one's own message from an equal one.
    pub nonce: String,
    /// The decisions.
    pub entries: Vec<Entry>,
    /// Ids of the requests in which operators had decisions of it made, by decision; 0 for what the gate did not
    /// decide. The instance that was asked knows them, and no gate keeps them: what another instance appends has none.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub requests: BTreeMap<u64, String>,
}

/// A [`Message`] of the present version on its way into the log, from borrowed parts: entries stay where they are
/// until they are known to be logged.
#[derive(Debug, Serialize)]
#[expect(missing_docs, reason = "the fields are those of Message")]
pub struct Draft<'a> {
    pub campaign: &'a CampaignId,
    pub log: &'a str,
    pub epoch: u64,
    pub first: u64,
    pub last: u64,
    pub prev: u64,
    pub nonce: &'a str,
    pub entries: Vec<&'a Entry>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub requests: BTreeMap<u64, &'a str>,
}

impl Draft<'_> {
    /// The bytes for the log.
    pub fn encode(&self) -> Bytes {
        #[derive(Serialize)]
        struct Versioned<'a> {
            version: u32,
            #[serde(flatten)]
            draft: &'a Draft<'a>,
        }
        // Strings and numbers always have a JSON form.
        Bytes::from(serde_json::to_vec(&Versioned { version: VERSION, draft: self }).unwrap_or_default())
    }
}

/// The bytes are not a message that this release can read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("undecodable message: {0}")]
pub struct Undecodable(pub String);

impl Message {
    /// The bytes for the log.
    pub fn encode(&self) -> Bytes {
        let Self { version: _, campaign, log, epoch, first, last, prev, nonce, entries, requests } = self;
        let entries = entries.iter().collect();
        let requests = requests.iter().map(|(decision, id)| (*decision, id.as_str())).collect();
        let (epoch, first, last, prev) = (*epoch, *first, *last, *prev);
        Draft { campaign, log, epoch, first, last, prev, nonce, entries, requests }.encode()
    }

    /// The id of the request in which a decision was made, where it is known.
    pub fn request(&self, decision: u64) -> Option<&str> {
        self.requests.get(&decision).map(String::as_str)
    }

    /// Reads the bytes of the log.
    pub fn decode(bytes: &[u8]) -> Result<Self, Undecodable> {
        #[derive(Deserialize)]
        struct Versioned {
            version: u32,
        }
        match serde_json::from_slice::<Self>(bytes) {
            Ok(message) if message.version == VERSION => Ok(message),
            outcome => Err(match (serde_json::from_slice::<Versioned>(bytes), outcome) {
                (Ok(Versioned { version }), _) if version != VERSION => {
                    Undecodable(format!("version {version} is not known to this release"))
                }
                (_, Err(error)) => Undecodable(error.to_string()),
                (_, Ok(_)) => Undecodable("unknown version".to_owned()),
            }),
        }
    }

    /// The coupons in it, each with its entry's time, window and end.
    pub fn coupons(&self) -> impl Iterator<Item = (&IssuedCoupon, Millis, u32, Option<Millis>)> {
        self.entries.iter().flat_map(|entry| {
            let (coupons, window, expires_at) = match &entry.event {
                Event::CouponsIssued { window, expires_at, coupons } => {
                    (coupons.as_slice(), *window, *expires_at)
                }
                _ => (&[][..], 0, None),
            };
            coupons.iter().map(move |coupon| (coupon, entry.at, window, expires_at))
        })
    }
}
