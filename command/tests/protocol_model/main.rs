//! The protocol between gate and log (ARCHITECTURE.md), explored state by state: two instances, two or three people, one
//! campaign, and every order in which their steps and the faults can fall. With all rules the promises hold in every
//! reachable state; with any one rule taken out the checker finds the hole that it closes, so the model is known to be
//! able to see it. Every step is atomic where the product's is (a script, an append, a read of the end), and time is
//! nothing but order. Not modelled: windows and operators' decisions, the sold-out cache (A3), eviction of single keys
//! (the sizes of G2), projections. Paths to the holes are printed: `cargo test --test protocol_model -- --nocapture`.

mod appender;
mod fair;
mod gate;
mod log;
mod model;
mod properties;
mod rebuild;
mod rules;
mod scenario;
mod state;
mod witnesses;

use properties as p;
use rules::Rule;
use scenario::{GATE_LOSS, NO_FAULTS, scenario};
use state::Faults;
use witnesses as w;

#[test]
fn two_instances_share_a_campaign() {
    let reached = &[w::SOLD_OUT, w::ALREADY_ISSUED, w::TRIMMED, w::REFUSED_APPEND, w::BY_THE_OTHER];
    scenario(2, &[2, 2, 2], NO_FAULTS).keeps_every_promise(200_000, reached);
}

#[test]
fn appends_and_replies_are_lost_and_delayed() {
    let faults = Faults { lost_acks: 1, delays: 1, lost_replies: 1, ..NO_FAULTS };
    let reached = &[w::SOLD_OUT, w::DOUBT_RESOLVED, w::SWEPT, w::BY_THE_OTHER, w::REFUSED_APPEND];
    scenario(2, &[2, 1, 1], faults).keeps_every_promise(600_000, reached);
}

#[test]
fn the_gate_forgets_while_three_people_ask() {
    let reached = &[w::ISSUED_AFTER_REBUILD, w::FORGOTTEN, w::OLD_EPOCH, w::TWO_REBUILDERS, w::SOLD_OUT];
    scenario(2, &[1, 1, 1], GATE_LOSS).keeps_every_promise(140_000, reached);
}

#[test]
fn the_gate_forgets_twice() {
    let faults = Faults { gate_losses: 2, ..NO_FAULTS };
    let reached = &[w::ISSUED_AFTER_REBUILD, w::FORGOTTEN, w::OLD_EPOCH, w::SWAP_REFUSED];
    scenario(1, &[1, 1], faults).keeps_every_promise(145_000, reached);
}

#[test]
fn the_gate_forgets_while_appends_and_fences_are_in_doubt() {
    let faults = Faults { lost_acks: 1, delays: 1, ..GATE_LOSS };
    let reached =
        &[w::DOUBT_RESOLVED, w::ISSUED_AFTER_REBUILD, w::FORGOTTEN, w::OLD_EPOCH, w::TWO_REBUILDERS];
    scenario(1, &[2, 1], faults).keeps_every_promise(450_000, reached);
}

#[test]
fn an_instance_dies_and_its_appends_and_fences_come_late() {
    let faults = Faults { crashes: 1, delays: 1, ..GATE_LOSS };
    let reached = &[w::LATE_FENCE, w::SWEPT, w::FORGOTTEN, w::OLD_EPOCH, w::ISSUED_AFTER_REBUILD];
    scenario(1, &[1, 1], faults).keeps_every_promise(300_000, reached);
}

#[test]
fn two_rebuild_out_of_impatience_and_by_order() {
    let faults = Faults { hasty: 1, rebuilds: 1, ..GATE_LOSS };
    let reached = &[
        w::TWO_REBUILDERS,
        w::SWAP_REFUSED,
        w::OLD_EPOCH,
        w::ISSUED_AFTER_REBUILD,
        w::LOADED_AFTER_THE_QUESTION,
    ];
    scenario(1, &[1, 1], faults).keeps_every_promise(600_000, reached);
}

/// One person is enough for two causes of a rebuild at once; two people and one cause are in the test without G5.
#[test]
fn a_swap_comes_late_or_twice() {
    let faults = Faults { slow_swaps: 1, rebuilds: 1, ..GATE_LOSS };
    let reached = &[w::TWO_REBUILDERS, w::SWAP_REFUSED, w::ISSUED_AFTER_REBUILD];
    scenario(1, &[1], faults).keeps_every_promise(250_000, reached);
}

/// A batch goes to whatever end was seen last, also before the one that was decided before it.
#[test]
fn without_l2_the_log_is_out_of_order() {
    scenario(2, &[1, 1], NO_FAULTS).needs(Rule::L2, &[p::P3]);
}

/// The same number, decided again by a rebuilt gate for somebody else, passes for one's own.
#[test]
fn without_l3_somebody_is_told_another_ones_coupon() {
    scenario(2, &[1, 1], GATE_LOSS).needs(Rule::L3, &[p::P4]);
}

/// A reply of the lost gate arrives when its instance has adopted the next epoch.
#[test]
fn without_g1_a_lost_decision_is_told() {
    scenario(2, &[1, 1], GATE_LOSS).needs(Rule::G1, &[p::P4]);
}

/// An old memory comes back under a recurring `run_id`, in the epoch of the log's end.
#[test]
fn without_g2_an_old_memory_decides_again() {
    scenario(2, &[1, 1], GATE_LOSS).needs(Rule::G2, &[p::P4]);
}

/// One loss, and two healthy instances fence each other on and on.
#[test]
fn without_g3_fences_never_end() {
    scenario(1, &[1, 1], GATE_LOSS).needs(Rule::G3, &[p::FENCES, w::FENCE_UPON_FENCE]);
}

/// What is appended between the fold and the fence is missing from the rebuilt gate.
#[test]
fn without_g4_a_person_gets_two_coupons() {
    scenario(2, &[2, 1], GATE_LOSS).needs(Rule::G4, &[p::P2]);
}

/// A swap that runs again takes the gate back to its fence, in an epoch that has decided since.
#[test]
fn without_g5_an_epoch_is_loaded_twice() {
    let faults = Faults { slow_swaps: 1, ..GATE_LOSS };
    scenario(2, &[1, 1], faults).needs(Rule::G5, &[p::P4]);
}

/// What a reader of the outbox took and could not append is nowhere.
#[test]
fn without_g7_an_entry_is_lost() {
    let faults = Faults { lost_replies: 1, crashes: 1, ..NO_FAULTS };
    scenario(2, &[1, 1], faults).needs(Rule::G7, &[p::P9, p::NOBODY_WAITS]);
}

/// Sold out, said a gate; but what it had sold was never logged, and is for sale again.
#[test]
fn without_a1_somebody_is_refused_for_nothing() {
    scenario(1, &[1, 1], GATE_LOSS).needs(Rule::A1, &[p::P1]);
}

/// Whose answer rests on another's entries is never told that they are logged.
#[test]
fn without_a2_somebody_waits_for_ever() {
    scenario(1, &[1, 1], NO_FAULTS).needs(Rule::A2, &[p::NOBODY_WAITS]);
}
