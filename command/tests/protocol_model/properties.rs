//! What must hold in every state, and what must be reachable so that the former is not empty talk. Every property
//! looks at one state: what was told and what is logged never go away, so a broken promise stays visible.

use stateright::Property;

use crate::fair;
use crate::model::Protocol;
use crate::state::{Faults, Message, State};

pub const P1: &str = "P1 never more than the stock, and sold out only when that is so";
pub const P2: &str = "P2 one coupon a person, and the same when asked again";
pub const P3: &str = "P3 sequence numbers and decisions gapless, unique and in order";
pub const P4: &str = "P4 whoever was told issued is in the log";
pub const P9: &str = "P9 gate = log + outbox";
pub const FENCES: &str = "G3 no fence without a cause";
pub const NOBODY_WAITS: &str = "nobody waits for ever";
pub const TRUTH: &str = "P1, P4 whoever asks again learns the truth";

pub fn all() -> Vec<Property<Protocol>> {
    vec![
        Property::always(P1, exact),
        Property::always(P2, once_per_person),
        Property::always(P3, in_order),
        Property::always(P4, said_stays_said),
        Property::always(P9, gate_is_log_and_outbox),
        Property::always(FENCES, fences_have_causes),
        Property::always(NOBODY_WAITS, nobody_waits_for_ever),
        Property::always(TRUTH, whoever_asks_again_learns_the_truth),
    ]
}

pub fn promises_hold(model: &Protocol, state: &State) -> bool {
    [exact, once_per_person, in_order, said_stays_said].iter().all(|promise| promise(model, state))
}

fn exact(model: &Protocol, state: &State) -> bool {
    let issued = state.coupons().count();
    let stock = usize::from(model.stock);
    issued <= stock && (issued == stock || !state.people.iter().any(|asker| asker.told_sold_out))
}

fn once_per_person(_: &Protocol, state: &State) -> bool {
    state.people.iter().enumerate().all(|(person, asker)| {
        let logged = state.coupons().filter(|coupon| coupon.person == person).count();
        logged <= 1 && asker.told.count_ones() <= 1 && !(asker.told != 0 && asker.told_sold_out)
    })
}

/// Also what a reader checks of every message (L7): prev, epoch and first continue the campaign. Nothing later
/// changes it: the model's log has no way to.
fn in_order(_: &Protocol, state: &State) -> bool {
    let continues = |(before, message): (&Message, &Message)| {
        let numbers = message.entries().iter().map(|entry| entry.number);
        message.first == before.last + 1
            && numbers.eq(message.first..=message.last)
            && if message.is_fence() { message.epoch > before.epoch } else { message.epoch == before.epoch }
    };
    let positions = state.log.iter().enumerate().all(|(before, message)| usize::from(message.prev) == before);
    positions
        && state.log.iter().zip(&state.log[1..]).all(continues)
        && state.coupons().zip(1..).all(|(coupon, seq)| coupon.seq == seq)
}

/// Whoever was refused for ever holds none either.
fn said_stays_said(_: &Protocol, state: &State) -> bool {
    state.people.iter().enumerate().all(|(person, asker)| {
        let logged =
            state.coupons().filter(|coupon| coupon.person == person).fold(0, |bits, c| bits | 1 << c.seq);
        asker.told & !logged == 0 && !(asker.told_sold_out && logged != 0)
    })
}

/// While the gate's memory is the one that the log's end speaks of, no entry is missing from both and nothing was
/// trimmed that is not logged (G1, G7).
fn gate_is_log_and_outbox(_: &Protocol, state: &State) -> bool {
    let end = state.end();
    let Some(memory) = state.gate.memory.as_ref().filter(|_| state.gate.accepts(end.epoch)) else {
        return true;
    };
    let waiting = memory.outbox.iter().filter(|entry| entry.number > end.last);
    let coupons: Vec<_> = state.coupons().chain(waiting.flat_map(|entry| &entry.coupons)).collect();
    let held = |person: usize| memory.holders[person].map(|holder| holder.seq);
    coupons.len() == memory.holders.iter().flatten().count()
        && coupons.len() == usize::from(memory.issued)
        && coupons.iter().all(|coupon| held(coupon.person) == Some(coupon.seq))
}

/// Two healthy instances that fence each other write more fences than anything gave cause for. A cause: a loss of the
/// gate, a rebuilder that died, a swap in doubt; an operator's order and impatience count twice, for the one who comes
/// and the one who is disturbed may write over each other's staging keys.
fn fences_have_causes(model: &Protocol, state: &State) -> bool {
    let causes = |f: &Faults| f.gate_losses + f.crashes + f.slow_swaps + 2 * (f.rebuilds + f.hasty);
    state.fences() <= causes(&model.faults) - causes(&state.faults)
}

fn nobody_waits_for_ever(model: &Protocol, state: &State) -> bool {
    fair::at_rest(state) || model.comes_to_rest(&mut state.clone())
}

/// Asked at rest only, for every state comes to rest.
fn whoever_asks_again_learns_the_truth(model: &Protocol, state: &State) -> bool {
    !fair::at_rest(state) || model.everybody_learns_the_truth(state)
}
