//! Recovery of a gate that refuses: find out why from the log's end, fence, fold, load. Safety rests on two
//! compare-and-sets (the fence's append, the swap), patience only on G3, so both are here to be taken apart.

use crate::gate::{Holder, Memory};
use crate::log::position;
use crate::rules::{Rule, Rules};
use crate::state::{Body, Fence, Id, Incarnation, Message, Position, Recovery, Sent, State};

impl State {
    /// G3: refused, an instance first reads the end. Without it, it takes the refusal for a loss.
    pub fn refused_by_gate(&mut self, rules: Rules, id: Id) {
        self.instances[id].recovery = if rules.keep(Rule::G3) { Recovery::Refused } else { Recovery::Forgot };
    }

    /// G3: another epoch than its own: adopt it and ask again. The same: the gate forgot.
    pub fn read_end(&mut self, rules: Rules, id: Id) {
        let end = self.end();
        let newer = end.epoch > self.instances[id].end.epoch;
        self.learn(rules, id, end);
        self.instances[id].recovery = if newer { Recovery::Ready } else { Recovery::Forgot };
    }

    /// G3: a fence younger than a few seconds is given time to be loaded. A model has no seconds: time is up when
    /// whoever wrote that fence is no longer about to load it.
    pub fn fence_is_young(&self, rules: Rules, id: Id) -> bool {
        let last = self.last_message();
        let other = 1 - id;
        let loader = &self.instances[other];
        rules.keep(Rule::G3)
            && last.is_fence()
            && last.nonce == loader.nonce(other)
            && matches!(loader.recovery, Recovery::Fencing { .. } | Recovery::Loading { .. })
    }

    /// The patience is over. Ask the gate once more: it may have been loaded meanwhile. The fence is a step of its own, so
    /// it may be loaded between the two as well.
    pub fn rebuild(&mut self, rules: Rules, id: Id) {
        let instance = &mut self.instances[id];
        let healthy = rules.keep(Rule::G3) && self.gate.accepts(instance.end.epoch);
        instance.recovery = if healthy { Recovery::Ready } else { Recovery::Certain };
    }

    /// Read the gate's incarnation and send the fence (G4: before any fold).
    pub fn begin_fence(&mut self, id: Id) {
        self.send_fence(id, self.gate.incarnation, position(self.log.len()));
    }

    fn send_fence(&mut self, id: Id, incarnation: Incarnation, seen: Position) {
        let instance = &mut self.instances[id];
        let message = Message {
            epoch: instance.end.epoch + 1,
            first: instance.end.last + 1,
            last: instance.end.last,
            prev: instance.end.position,
            nonce: instance.nonce(id),
            body: Body::Fence { incarnation },
        };
        instance.recovery = Recovery::Fencing { seen };
        instance.sent = Some(Sent { message, in_doubt: false });
    }

    /// L4, G4: the end is my nonce: mine. Its epoch is as high as mine: adopt that one. Else the end merely moved, or
    /// did not: the fence is sent again, at once.
    pub fn settle_fence(&mut self, rules: Rules, id: Id, fence: &Message) {
        let end = self.end();
        let last = self.last_message();
        let mine = last.is_fence() && last.nonce == fence.nonce && last.epoch == fence.epoch;
        let Body::Fence { incarnation } = fence.body else {
            return;
        };
        let Recovery::Fencing { seen } = self.instances[id].recovery else {
            return;
        };
        self.learn(rules, id, end);
        if mine {
            // G4: fence first, fold after. Without it the fold is of the time before, and what came between is missing.
            let fold = if rules.keep(Rule::G4) { end.position } else { seen };
            let fence = Fence { fold, epoch: end.epoch, incarnation };
            self.instances[id].recovery = Recovery::Loading { fence, staged: false };
        } else if end.epoch >= fence.epoch && rules.keep(Rule::G3) {
            self.instances[id].recovery = Recovery::Ready;
        } else {
            self.send_fence(id, incarnation, seen);
        }
    }

    /// G5: load into the staging keys, which two rebuilders share.
    pub fn stage(&mut self, id: Id) {
        if let Recovery::Loading { fence, staged } = &mut self.instances[id].recovery {
            *staged = true;
            self.gate.staging = Some(*fence);
        }
    }

    /// G5: at most once a fence. Refused: as after any refusal, the end and then the gate tell what to do.
    pub fn swap(&mut self, rules: Rules, id: Id) {
        if let Recovery::Loading { fence, .. } = self.instances[id].recovery {
            let swapped = self.swap_in(rules, fence);
            self.instances[id].recovery = if swapped { Recovery::Ready } else { Recovery::Refused };
        }
    }

    /// G5: in doubt about the swap, look at `meta`; not there, fence anew. The swap may still run.
    pub fn swap_unheard(&mut self, id: Id) {
        if let Recovery::Loading { fence, .. } = self.instances[id].recovery {
            self.late_swap = Some(fence);
            self.instances[id].recovery = Recovery::Refused;
        }
    }

    /// A driver that retries by itself: the swap runs, and a copy of it may run again.
    pub fn swap_twice(&mut self, rules: Rules, id: Id) {
        self.swap_unheard(id);
        if let Some(fence) = self.late_swap {
            self.swap_in(rules, fence);
        }
    }

    pub fn swap_in(&mut self, rules: Rules, fence: Fence) -> bool {
        let fold = self.fold(fence);
        self.gate.swap(rules, fence, fold).is_ok()
    }

    /// Nothing can come before a fence any more, so it does not matter when, after the fence, this is read.
    fn fold(&self, fence: Fence) -> Memory {
        let mut holders = vec![None; self.people.len()];
        let mut issued = 0;
        let mut decision = 0;
        for message in &self.log[..usize::from(fence.fold)] {
            for entry in message.entries() {
                for coupon in &entry.coupons {
                    holders[coupon.person] = Some(Holder { seq: coupon.seq, decision: entry.number });
                    issued = coupon.seq;
                }
            }
            decision = message.last;
        }
        let (epoch, incarnation) = (fence.epoch, fence.incarnation);
        Memory { epoch, incarnation, decision, issued, holders, outbox: Vec::new() }
    }

    /// Whoever crashed forgets everything but the log, and is another one when it comes back.
    pub fn crash(&mut self, id: Id) {
        let end = self.end();
        let instance = &mut self.instances[id];
        instance.life += 1;
        instance.end = end;
        instance.reply = None;
        instance.batches.clear();
        instance.recovery = Recovery::Ready;
        if let Some(sent) = instance.sent.take().filter(|sent| !sent.in_doubt) {
            self.keep_late(sent.message);
        }
    }

    /// Fences that the log holds beyond the creation.
    pub fn fences(&self) -> u8 {
        position(self.log.iter().filter(|message| message.is_fence()).count()) - 1
    }
}
