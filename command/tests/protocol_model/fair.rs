//! "Nobody waits for ever" as something that an explicit-state checker can decide in one state. The checker's own
//! `eventually` overlooks cycles and joins of paths, so it would pass a livelock. Instead: from *every* reachable state,
//! the protocol's own steps (no fault, no luck, nobody new) lead to a state where nobody waits. A run that is fair to
//! every step cannot avoid for ever what is reachable from everywhere. That fairness is what timers with jitter give;
//! the one circle that feeds on it, fences without end, has a property of its own.

use crate::model::{Action, Protocol};
use crate::properties;
use crate::state::{Id, Instance, Person, Recovery, State};

/// Far above what any state needs: the longest way is a rebuild with an append in doubt.
const STEPS: usize = 64;
/// Refused, refused again because another rebuilds, ...: far above what any state needs, too.
const TRIES: usize = 8;

impl Protocol {
    /// The fair run: an instance at a time does what it can. True if it comes to rest with everybody answered.
    pub fn comes_to_rest(&self, state: &mut State) -> bool {
        (0..STEPS).any(|_| at_rest(state) || !self.one_step(state)) && at_rest(state)
    }

    fn one_step(&self, state: &mut State) -> bool {
        let mut steps = Vec::new();
        self.steps(state, 0, &mut steps);
        self.steps(state, 1, &mut steps);
        steps.into_iter().any(|step| {
            let mut next = state.clone();
            self.apply(&mut next, step);
            let moved = next != *state;
            if moved {
                *state = next;
            }
            moved
        })
    }

    /// The other half of P1 and P4: whoever asks again learns the truth, at either instance, and in the end not one
    /// coupon too few is issued.
    pub fn everybody_learns_the_truth(&self, state: &State) -> bool {
        let mut state = state.clone();
        let answered = (0..state.people.len()).all(|person| self.asks_until_answered(&mut state, person));
        let eligible = state.people.len().min(usize::from(self.stock));
        answered && state.coupons().count() == eligible && properties::promises_hold(self, &state)
    }

    fn asks_until_answered(&self, state: &mut State, person: Person) -> bool {
        let before = state.people[person];
        (0..TRIES).any(|attempt| {
            let at: Id = (person + attempt) % 2;
            let asker = &mut state.people[person];
            (asker.asks_left, asker.told, asker.told_sold_out) = (1, 0, false);
            self.apply(state, Action::Ask { person, with: None, at });
            let rested = self.comes_to_rest(state);
            let asker = &mut state.people[person];
            let answered = asker.told != 0 || asker.told_sold_out;
            asker.told |= before.told;
            asker.told_sold_out |= before.told_sold_out;
            rested && answered
        })
    }
}

pub fn at_rest(state: &State) -> bool {
    let rests = |i: &Instance| !i.is_waited_for() && i.sent.is_none() && i.recovery == Recovery::Ready;
    state.instances.iter().all(rests)
}
