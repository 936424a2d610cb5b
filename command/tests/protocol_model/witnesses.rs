//! What must be reachable for the properties to mean anything: a model in which no append is ever refused would keep
//! every promise too.

use stateright::Property;

use crate::fair::at_rest;
use crate::model::Protocol;
use crate::state::{Answer, Coupon, Entry, Instance, Message, Recovery, State};

pub const SOLD_OUT: &str = "somebody is told sold out";
pub const ALREADY_ISSUED: &str = "a repeated request waits for its answer";
pub const TRIMMED: &str = "the outbox is trimmed";
pub const REFUSED_APPEND: &str = "an append is under way that will be refused";
pub const BY_THE_OTHER: &str = "an entry of one instance is appended by the other";
pub const SWEPT: &str = "a coupon whose caller heard nothing is logged";
pub const DOUBT_RESOLVED: &str = "a doubt is resolved, and its caller told issued";
pub const ISSUED_AFTER_REBUILD: &str = "a coupon of a rebuilt gate is told issued";
pub const FORGOTTEN: &str = "a decision is forgotten, told to nobody";
pub const OLD_EPOCH: &str = "an append of an older epoch is under way";
pub const TWO_REBUILDERS: &str = "two rebuild at once";
pub const LOADED_AFTER_THE_QUESTION: &str = "a gate is loaded between the last question and the fence";
pub const SWAP_REFUSED: &str = "a swap is under way that will be refused";
pub const FENCE_UPON_FENCE: &str = "two instances fence each other again and again";
pub const LATE_FENCE: &str = "a dead instance's fence is stored";

/// What a rule makes impossible, to be looked for without it.
pub const NEVER: &[&str] = &[FENCE_UPON_FENCE];

pub fn named(names: &[&str]) -> Vec<Property<Protocol>> {
    let all = [
        Property::sometimes(SOLD_OUT, |_, state: &State| {
            state.people.iter().any(|asker| asker.told_sold_out)
        }),
        Property::sometimes(ALREADY_ISSUED, already_issued),
        Property::sometimes(TRIMMED, |_, state: &State| {
            state.gate.memory.as_ref().is_some_and(|m| m.epoch == 1 && m.decision > 0 && m.outbox.is_empty())
        }),
        Property::sometimes(REFUSED_APPEND, |_, state: &State| {
            appends(state).any(|m| m.prev != state.end().position)
        }),
        Property::sometimes(BY_THE_OTHER, by_the_other),
        Property::sometimes(SWEPT, |_, state: &State| {
            at_rest(state) && state.coupons().any(|c| heard_nothing(state, *c))
        }),
        Property::sometimes(DOUBT_RESOLVED, doubt_resolved),
        Property::sometimes(ISSUED_AFTER_REBUILD, issued_after_rebuild),
        Property::sometimes(FORGOTTEN, forgotten),
        Property::sometimes(OLD_EPOCH, |_, state: &State| {
            appends(state).any(|m| m.epoch < state.end().epoch)
        }),
        Property::sometimes(TWO_REBUILDERS, |_, state: &State| state.instances.iter().all(rebuilds)),
        Property::sometimes(LOADED_AFTER_THE_QUESTION, |_, state: &State| {
            let fences = |i: &Instance| i.recovery == Recovery::Certain && state.gate.accepts(i.end.epoch);
            state.instances.iter().any(fences)
        }),
        Property::sometimes(SWAP_REFUSED, swap_refused),
        Property::sometimes(FENCE_UPON_FENCE, |_, state: &State| state.fences() > 3),
        Property::sometimes(LATE_FENCE, |_, state: &State| {
            let last = state.last_message();
            state.log.len() > 1 && last.is_fence() && last.nonce.life < state.instances[last.nonce.by].life
        }),
    ];
    all.into_iter().filter(|property| names.contains(&property.name)).collect()
}

fn already_issued(_: &Protocol, state: &State) -> bool {
    let mut answers = state.instances.iter().flat_map(|i| &i.batches).flat_map(|batch| &batch.answers);
    answers.any(|(_, answer)| matches!(answer, Answer::AlreadyIssued(_)))
}

fn appends(state: &State) -> impl Iterator<Item = &Message> {
    let sent = state.instances.iter().filter_map(|instance| instance.sent.as_ref());
    sent.filter(|sent| !sent.in_doubt && !sent.message.is_fence()).map(|sent| &sent.message)
}

fn by_the_other(_: &Protocol, state: &State) -> bool {
    let logged_by_other =
        |id: usize, entry: &Entry| state.log.iter().any(|m| m.nonce.by != id && m.entries().contains(entry));
    let mut instances = state.instances.iter().enumerate();
    instances.any(|(id, i)| i.batches.iter().filter_map(|b| b.entry.as_ref()).any(|e| logged_by_other(id, e)))
}

fn heard_nothing(state: &State, coupon: Coupon) -> bool {
    let asker = &state.people[coupon.person];
    asker.asks_left == 0 && asker.told == 0 && !asker.told_sold_out
}

fn doubt_resolved(model: &Protocol, state: &State) -> bool {
    let (before, now) = (&model.faults, &state.faults);
    let doubts = before.lost_acks + before.delays > now.lost_acks + now.delays;
    doubts && at_rest(state) && state.fences() == 0 && state.people.iter().any(|asker| asker.told != 0)
}

fn issued_after_rebuild(_: &Protocol, state: &State) -> bool {
    let rebuilt = state.log.iter().filter(|message| message.epoch > 1);
    let mut coupons = rebuilt.flat_map(Message::entries).flat_map(|entry| &entry.coupons);
    coupons.any(|coupon| state.people[coupon.person].told & 1 << coupon.seq != 0)
}

fn forgotten(model: &Protocol, state: &State) -> bool {
    let logged = |person: usize| state.coupons().any(|coupon| coupon.person == person);
    let asked = |person: usize| state.people[person].asks_left < model.asks[person];
    state.fences() > 0 && at_rest(state) && (0..state.people.len()).any(|p| asked(p) && !logged(p))
}

fn rebuilds(instance: &Instance) -> bool {
    matches!(instance.recovery, Recovery::Fencing { .. } | Recovery::Loading { .. })
}

fn swap_refused(_: &Protocol, state: &State) -> bool {
    state.instances.iter().any(|instance| match instance.recovery {
        Recovery::Loading { fence, staged: true } => {
            let loaded = state.gate.memory.as_ref().is_some_and(|memory| memory.epoch >= fence.epoch);
            loaded || state.gate.incarnation != fence.incarnation || state.gate.staging != Some(fence)
        }
        _ => false,
    })
}
