//! Who asks how often for how much, and what may go wrong meanwhile: the bounds within which a test explores
//! everything. Small ones find holes: each that is known shows with two people, one or two coupons and one loss.

use std::fmt::Write;
use std::time::Instant;

use stateright::{Checker, Expectation, HasDiscoveries, Model};

use crate::model::Protocol;
use crate::rules::{Rule, Rules};
use crate::state::{Faults, Seq};
use crate::witnesses;

pub const NO_FAULTS: Faults = Faults {
    gate_losses: 0,
    lost_acks: 0,
    delays: 0,
    crashes: 0,
    lost_replies: 0,
    slow_swaps: 0,
    hasty: 0,
    rebuilds: 0,
};
pub const GATE_LOSS: Faults = Faults { gate_losses: 1, ..NO_FAULTS };

pub struct Scenario {
    stock: Seq,
    asks: &'static [u8],
    faults: Faults,
}

/// A stock, how often each person asks, and how many of each fault may happen.
pub fn scenario(stock: Seq, asks: &'static [u8], faults: Faults) -> Scenario {
    Scenario { stock, asks, faults }
}

impl Scenario {
    /// Everything is explored, nothing breaks, and what must be reachable is. `at_least` so many states: fewer say
    /// that some action has become impossible, and that the rest holds for want of trouble.
    pub fn keeps_every_promise(&self, at_least: usize, witnesses: &'static [&'static str]) {
        let checker = self.explore(Rules::ALL, witnesses, HasDiscoveries::AnyFailures);
        for property in checker.model().properties() {
            let (name, found) = (property.name, path(&checker, property.name));
            match property.expectation {
                Expectation::Sometimes => assert!(found.is_some(), "never reached: {name}"),
                _ => assert!(found.is_none(), "broken: {name}{}", found.unwrap_or_default()),
            }
        }
        assert!(checker.is_done(), "the search was cut short");
        let states = checker.unique_state_count();
        assert!(states >= at_least, "only {states} states, not {at_least}");
    }

    /// With the rule all is well; without it, and with nothing else changed, the named properties break (or, where a
    /// witness is named, what should be impossible is reached).
    pub fn needs(&self, rule: Rule, broken: &[&'static str]) {
        self.keeps_every_promise(100, &[]);
        let until = HasDiscoveries::AllOf(broken.iter().copied().collect());
        let checker = self.explore(Rules::without(rule), witnesses::NEVER, until);
        for name in broken {
            let found = path(&checker, name);
            println!("without {rule:?}: {name}{}", found.as_deref().unwrap_or(" HOLDS"));
            assert!(found.is_some(), "without {rule:?} this still holds: {name}");
        }
    }

    fn explore(
        &self,
        rules: Rules,
        witnesses: &'static [&'static str],
        until: HasDiscoveries,
    ) -> impl Checker<Protocol> + use<> {
        let start = Instant::now();
        let (stock, asks, faults) = (self.stock, self.asks.to_vec(), self.faults);
        let model = Protocol { rules, stock, asks, faults, witnesses };
        let checker = model.checker().finish_when(until).spawn_bfs().join();
        let (states, depth, took) = (checker.unique_state_count(), checker.max_depth(), start.elapsed());
        println!("{states} states, depth {depth}, {took:.1?}, {rules:?}");
        checker
    }
}

fn path(checker: &impl Checker<Protocol>, name: &'static str) -> Option<String> {
    let actions = checker.discovery(name)?.into_actions();
    let mut text = String::new();
    for (number, action) in (1..).zip(actions) {
        write!(text, "\n  {number:2} {action:?}").expect("a String takes all");
    }
    Some(text)
}
