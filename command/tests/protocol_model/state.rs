//! The nouns of ARCHITECTURE.md as small values: the log, what an instance believes, who waits for what. They exist
//! apart from the steps so that one page shows everything that the checker compares, and nothing that it need not.

use crate::gate::Gate;

pub type Epoch = u8;
pub type Position = u8;
pub type Decision = u8;
pub type Seq = u8;
pub type Incarnation = u8;
/// Index into [`State::instances`].
pub type Id = usize;
/// Index into [`State::people`].
pub type Person = usize;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Coupon {
    pub seq: Seq,
    pub person: Person,
}

/// One outbox entry: one decision with all its coupons.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Entry {
    pub number: Decision,
    pub coupons: Vec<Coupon>,
}

/// Random in the product; here an instance and which of its lives, unique enough to tell "mine".
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Nonce {
    pub by: Id,
    pub life: u8,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Body {
    /// `gate_fenced`, and `campaign_created` at position 1: the start of one memory of the gate.
    Fence {
        incarnation: Incarnation,
    },
    Decisions(Vec<Entry>),
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Message {
    pub epoch: Epoch,
    pub first: Decision,
    pub last: Decision,
    /// The position of the end that this append expects (L1).
    pub prev: Position,
    pub nonce: Nonce,
    pub body: Body,
}

/// What an instance knows of the campaign's end: learnt together, from one message (L2). Its epoch is the
/// instance's epoch, for an instance takes it from nowhere else (G3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct End {
    pub position: Position,
    pub epoch: Epoch,
    pub last: Decision,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Answer {
    Issued(Seq),
    AlreadyIssued(Seq),
    SoldOut,
}

/// One gate call and its reply: its callers wait until `decision` is logged (A1). It bears the epoch of the reply (G1).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Batch {
    pub epoch: Epoch,
    pub decision: Decision,
    pub answers: Vec<(Person, Answer)>,
    pub entry: Option<Entry>,
}

/// The one append (or fence) that an instance has under way.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Sent {
    pub message: Message,
    /// No acknowledgement will come: the end has to tell (L4).
    pub in_doubt: bool,
}

/// Where an instance stands with a gate that refused it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Recovery {
    Ready,
    /// Refused: to read the log's end before anything else (G3).
    Refused,
    /// Refused with the epoch of the log's end: the gate forgot (G3).
    Forgot,
    /// Asked once more when the patience was over, and refused: the fence is next, whatever happens before it is sent.
    Certain,
    /// The incarnation is read, the fence is under way (G4). `seen`: the end at that moment.
    Fencing {
        seen: Position,
    },
    /// The fence is logged: fold up to it and load (G4, G5).
    Loading {
        fence: Fence,
        staged: bool,
    },
}

/// A logged fence as its rebuilder knows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Fence {
    /// Which messages the fold covers.
    pub fold: Position,
    pub epoch: Epoch,
    pub incarnation: Incarnation,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Instance {
    /// Counts crashes, so that a new life does not take an old life's fence for its own.
    pub life: u8,
    pub end: End,
    /// The gate's reply that has not arrived yet: a batcher has one call in flight.
    pub reply: Option<Batch>,
    /// In memory: whose answers wait, with their own entries if they have any.
    pub batches: Vec<Batch>,
    pub sent: Option<Sent>,
    pub recovery: Recovery,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Asker {
    pub asks_left: u8,
    /// Every sequence number that this person was ever told, as bits: two of them break P2.
    pub told: u8,
    pub told_sold_out: bool,
}

/// How many of each fault may still happen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Faults {
    pub gate_losses: u8,
    /// An append is stored, its acknowledgement is lost.
    pub lost_acks: u8,
    /// An append has no answer and may be stored later, or never.
    pub delays: u8,
    pub crashes: u8,
    /// The gate decided, its reply is lost.
    pub lost_replies: u8,
    /// A swap has no answer: it may run later, or never, or twice.
    pub slow_swaps: u8,
    /// Somebody does not give a young fence the time to be loaded (G3).
    pub hasty: u8,
    /// An operator's `/rebuild` of a gate that forgot nothing.
    pub rebuilds: u8,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct State {
    /// Position n is index n - 1; nothing but [`State::store`] ever adds to it.
    pub log: Vec<Message>,
    pub gate: Gate,
    pub instances: [Instance; 2],
    pub people: Vec<Asker>,
    /// Appends under way that nobody waits for any more.
    pub late_appends: Vec<Message>,
    pub late_swap: Option<Fence>,
    pub faults: Faults,
}

impl Message {
    pub fn is_fence(&self) -> bool {
        matches!(self.body, Body::Fence { .. })
    }

    pub fn entries(&self) -> &[Entry] {
        match &self.body {
            Body::Fence { .. } => &[],
            Body::Decisions(entries) => entries,
        }
    }
}

impl Instance {
    pub fn nonce(&self, id: Id) -> Nonce {
        Nonce { by: id, life: self.life }
    }

    pub fn is_waited_for(&self) -> bool {
        self.reply.is_some() || !self.batches.is_empty()
    }
}

impl State {
    /// The callers are answered; until here nobody was told anything (A1, P5).
    pub fn tell(&mut self, answers: Vec<(Person, Answer)>) {
        for (person, answer) in answers {
            let asker = &mut self.people[person];
            match answer {
                Answer::Issued(seq) | Answer::AlreadyIssued(seq) => asker.told |= 1 << seq,
                Answer::SoldOut => asker.told_sold_out = true,
            }
        }
    }
}
