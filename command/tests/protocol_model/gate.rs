//! The gate and its scripts: each function is one atomic step of the server. It decides fast, it may lose its memory
//! at any moment, and it refuses whoever believes in another memory than the one it has (G1, G2).

use crate::rules::{Rule, Rules};
use crate::state::{Answer, Batch, Coupon, Decision, Entry, Epoch, Fence, Incarnation, Person, Seq};

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Gate {
    /// The server's own (`run_id` + `master_replid`), not part of what it remembers.
    pub incarnation: Incarnation,
    pub memory: Option<Memory>,
    /// The staging keys: the fold up to this fence, which is its nonce too.
    pub staging: Option<Fence>,
    /// As it was before the last swap: that may come back with an old file, or from a replica that lagged.
    pub before_swap: Option<(Option<Memory>, Option<Fence>)>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Memory {
    pub epoch: Epoch,
    pub incarnation: Incarnation,
    pub decision: Decision,
    pub issued: Seq,
    pub holders: Vec<Option<Holder>>,
    pub outbox: Vec<Entry>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Holder {
    pub seq: Seq,
    pub decision: Decision,
}

/// What a gate remembers after a loss.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Left {
    Nothing,
    /// An earlier copy (a replica that lagged, an old AOF): without its last so many decisions.
    Without(Decision),
    /// Still older: what it was before the last swap, staging keys and all.
    BeforeSwap,
}

/// The gate's guard did not let the call in; nothing was changed.
#[derive(Clone, Copy, Debug)]
pub struct Refused;

impl Gate {
    pub fn accepts(&self, epoch: Epoch) -> bool {
        self.memory.as_ref().is_some_and(|m| m.epoch == epoch && m.incarnation == self.incarnation)
    }

    /// G2: `meta` exists, its epoch is the caller's, its incarnation is the server's own. Every guarded call trims
    /// on its way in, up to what the caller knows to be logged in this epoch (G7).
    fn guarded(&mut self, epoch: Epoch, logged: Decision) -> Result<&mut Memory, Refused> {
        if !self.accepts(epoch) {
            return Err(Refused);
        }
        let memory = self.memory.as_mut().ok_or(Refused)?;
        memory.outbox.retain(|entry| entry.number > logged);
        Ok(memory)
    }

    /// Decide a batch and write its outbox entry, in one step.
    pub fn decide(
        &mut self,
        epoch: Epoch,
        logged: Decision,
        people: &[Person],
        stock: Seq,
    ) -> Result<Batch, Refused> {
        let memory = self.guarded(epoch, logged)?;
        let mut answers = Vec::new();
        let mut coupons = Vec::new();
        for &person in people {
            let answer = if let Some(holder) = memory.holders[person] {
                Answer::AlreadyIssued(holder.seq)
            } else if memory.issued >= stock {
                Answer::SoldOut
            } else {
                memory.issued += 1;
                memory.holders[person] = Some(Holder { seq: memory.issued, decision: memory.decision + 1 });
                coupons.push(Coupon { seq: memory.issued, person });
                Answer::Issued(memory.issued)
            };
            answers.push((person, answer));
        }
        let entry = (!coupons.is_empty()).then(|| {
            memory.decision += 1;
            Entry { number: memory.decision, coupons }
        });
        memory.outbox.extend(entry.clone());
        Ok(Batch { epoch, decision: memory.decision, answers, entry })
    }

    /// G7: read, not taken. Without it, what is handed out for appending is trimmed at once.
    pub fn read_outbox(
        &mut self,
        rules: Rules,
        epoch: Epoch,
        logged: Decision,
    ) -> Result<Vec<Entry>, Refused> {
        let memory = self.guarded(epoch, logged)?;
        let outbox = memory.outbox.clone();
        if !rules.keep(Rule::G7) {
            memory.outbox.clear();
        }
        Ok(outbox)
    }

    /// Restart, failover, failback, flush: the server is another one. Without G2 only `run_id` is compared, which
    /// recurs after a failover and failback.
    pub fn lose(&mut self, rules: Rules, left: Left) {
        if rules.keep(Rule::G2) || left == Left::Nothing {
            self.incarnation += 1;
        }
        match left {
            Left::Nothing => (self.memory, self.staging) = (None, None),
            Left::Without(decisions) => {
                if let Some(memory) = &mut self.memory {
                    memory.forget(decisions);
                }
            }
            Left::BeforeSwap => (self.memory, self.staging) = self.before_swap.clone().unwrap_or_default(),
        }
    }

    /// G5, the swap: for the incarnation of the fence, with the staging keys of that very fence (which it uses up), and
    /// never over a memory of this or a higher epoch. Without it a swap that comes late or twice is let in.
    pub fn swap(&mut self, rules: Rules, fence: Fence, fold: Memory) -> Result<(), Refused> {
        let newer = self.memory.as_ref().is_some_and(|memory| memory.epoch >= fence.epoch);
        let foreign = self.staging != Some(fence) || self.incarnation != fence.incarnation;
        if rules.keep(Rule::G5) && (newer || foreign) {
            return Err(Refused);
        }
        let own = Memory { incarnation: self.incarnation, ..fold };
        self.before_swap = Some((self.memory.replace(own), self.staging.take()));
        Ok(())
    }
}

impl Memory {
    fn forget(&mut self, decisions: Decision) {
        let kept = self.decision.saturating_sub(decisions);
        self.decision = kept;
        for holder in &mut self.holders {
            if holder.is_some_and(|h| h.decision > kept) {
                *holder = None;
                self.issued -= 1;
            }
        }
        self.outbox.retain(|entry| entry.number <= kept);
    }
}
