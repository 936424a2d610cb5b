//! The model that the checker explores: who may do what in a state, and which faults may strike. Each action is one
//! atomic step of the gate, of the log, or of one instance.

use stateright::{Model, Property};

use crate::gate::{Gate, Left, Memory};
use crate::rules::Rules;
use crate::state::{Asker, Body, End, Faults, Id, Instance, Message, Nonce, Person, Recovery, Seq, State};
use crate::{properties, witnesses};

#[derive(Clone, Debug)]
pub struct Protocol {
    pub rules: Rules,
    pub stock: Seq,
    /// How often each person asks.
    pub asks: Vec<u8>,
    pub faults: Faults,
    /// The `sometimes` properties that these people and faults make reachable.
    pub witnesses: &'static [&'static str],
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// One gate call with one or two callers; it trims on its way (G7).
    Ask {
        person: Person,
        with: Option<Person>,
        at: Id,
    },
    Receive(Id),
    Append(Id),
    Sweep(Id),
    Deliver(Id),
    LookInDoubt(Id),
    ReadEnd(Id),
    Rebuild(Id),
    Fence(Id),
    Stage(Id),
    Swap(Id),
    // From here on the environment's: faults, and what was under way when they struck.
    StoredLate(usize),
    SwapLate,
    LoseAck(Id),
    Delay(Id),
    LoseReply(Id),
    LoseGate(Left),
    Crash(Id),
    SwapUnheard(Id),
    SwapTwice(Id),
    RebuildHastily(Id),
    RebuildByOperator(Id),
}

impl Protocol {
    /// Everything that the protocol itself lets an instance do next: no fault, no new caller.
    pub fn steps(&self, state: &State, id: Id, actions: &mut Vec<Action>) {
        let instance = &state.instances[id];
        if instance.reply.is_some() {
            actions.push(Action::Receive(id));
        }
        if let Some(sent) = &instance.sent {
            actions.push(if sent.in_doubt { Action::LookInDoubt(id) } else { Action::Deliver(id) });
        }
        match instance.recovery {
            Recovery::Refused => actions.push(Action::ReadEnd(id)),
            Recovery::Forgot if instance.sent.is_none() && !state.fence_is_young(self.rules, id) => {
                actions.push(Action::Rebuild(id));
            }
            Recovery::Certain => actions.push(Action::Fence(id)),
            Recovery::Loading { staged: false, .. } => actions.push(Action::Stage(id)),
            Recovery::Loading { staged: true, .. } => actions.push(Action::Swap(id)),
            Recovery::Ready | Recovery::Forgot | Recovery::Fencing { .. } => {}
        }
        if state.may_append(self.rules, id) {
            actions.push(Action::Append(id));
        }
        if state.may_sweep(self.rules, id) {
            actions.push(Action::Sweep(id));
        }
    }

    /// A fault or none, the step is the same: this is all that the actions mean.
    pub fn apply(&self, state: &mut State, action: Action) {
        let rules = self.rules;
        match action {
            Action::Ask { person, with, at } => self.ask(state, person, with, at),
            Action::Receive(id) => state.receive(rules, id),
            Action::Append(id) | Action::Sweep(id) => state.append(rules, id),
            Action::Deliver(id) => state.deliver(rules, id),
            Action::LookInDoubt(id) => state.settle(rules, id),
            Action::ReadEnd(id) => state.read_end(rules, id),
            Action::Rebuild(id) => state.rebuild(rules, id),
            Action::Fence(id) => state.begin_fence(id),
            Action::Stage(id) => state.stage(id),
            Action::Swap(id) => state.swap(rules, id),
            Action::StoredLate(index) => {
                let message = state.late_appends.remove(index);
                state.store(message);
            }
            Action::SwapLate => {
                if let Some(fence) = state.late_swap.take() {
                    state.swap_in(rules, fence);
                }
            }
            Action::LoseAck(id) => {
                state.faults.lost_acks -= 1;
                state.deliver_unheard(id);
            }
            Action::Delay(id) => {
                state.faults.delays -= 1;
                state.delay(id);
            }
            Action::LoseReply(id) => {
                state.faults.lost_replies -= 1;
                state.instances[id].reply = None;
            }
            Action::LoseGate(left) => {
                state.faults.gate_losses -= 1;
                state.gate.lose(rules, left);
            }
            Action::Crash(id) => {
                state.faults.crashes -= 1;
                state.crash(id);
            }
            Action::SwapUnheard(id) => {
                state.faults.slow_swaps -= 1;
                state.swap_unheard(id);
            }
            Action::SwapTwice(id) => {
                state.faults.slow_swaps -= 1;
                state.swap_twice(rules, id);
            }
            Action::RebuildHastily(id) => {
                state.faults.hasty -= 1;
                state.rebuild(rules, id);
            }
            Action::RebuildByOperator(id) => {
                state.faults.rebuilds -= 1;
                state.begin_fence(id);
            }
        }
    }

    /// A caller whom the gate refuses is told to ask again, which costs him nothing: he may.
    fn ask(&self, state: &mut State, person: Person, with: Option<Person>, at: Id) {
        let callers: Vec<Person> = std::iter::once(person).chain(with).collect();
        let end = state.instances[at].end;
        match state.gate.decide(end.epoch, end.last, &callers, self.stock) {
            Ok(batch) => {
                state.instances[at].reply = Some(batch);
                for caller in callers {
                    state.people[caller].asks_left -= 1;
                }
            }
            Err(_) => state.refused_by_gate(self.rules, at),
        }
    }

    fn asks(&self, state: &State, at: Id, actions: &mut Vec<Action>) {
        let instance = &state.instances[at];
        if instance.reply.is_some() || instance.recovery != Recovery::Ready {
            return;
        }
        let people = 0..state.people.len();
        for person in people.clone().filter(|&person| self.may_ask(state, person, None)) {
            actions.push(Action::Ask { person, with: None, at });
            for other in people.clone().skip(person + 1).filter(|&o| self.may_ask(state, o, Some(person))) {
                actions.push(Action::Ask { person, with: Some(other), at });
            }
        }
    }

    /// People who have not asked yet are alike: the first of them asks first. (This only removes mirror images.)
    fn may_ask(&self, state: &State, person: Person, before: Option<Person>) -> bool {
        let has_asked = |p: Person| state.people[p].asks_left < self.asks[p] || before == Some(p);
        let in_turn = (0..person).all(|p| self.asks[p] != self.asks[person] || has_asked(p));
        state.people[person].asks_left > 0 && (in_turn || has_asked(person))
    }

    fn environment(&self, state: &State, actions: &mut Vec<Action>) {
        let faults = &state.faults;
        actions.extend((0..state.late_appends.len()).map(Action::StoredLate));
        if state.late_swap.is_some() {
            actions.push(Action::SwapLate);
        }
        if faults.gate_losses > 0 {
            actions.push(Action::LoseGate(Left::Nothing));
            actions.push(Action::LoseGate(Left::Without(0)));
            if state.gate.before_swap.is_some() {
                actions.push(Action::LoseGate(Left::BeforeSwap));
            }
            let base = |memory: &Memory| state.log.iter().find(|m| m.epoch == memory.epoch).map(|m| m.last);
            if state.gate.memory.as_ref().is_some_and(|m| base(m).is_some_and(|base| m.decision > base)) {
                actions.push(Action::LoseGate(Left::Without(1)));
            }
        }
        for (id, instance) in state.instances.iter().enumerate() {
            if let Some(sent) = instance.sent.as_ref().filter(|sent| !sent.in_doubt) {
                if faults.lost_acks > 0 && sent.message.prev == state.end().position {
                    actions.push(Action::LoseAck(id));
                }
                if faults.delays > 0 {
                    actions.push(Action::Delay(id));
                }
            }
            if faults.lost_replies > 0 && instance.reply.is_some() {
                actions.push(Action::LoseReply(id));
            }
            if faults.crashes > 0 {
                actions.push(Action::Crash(id));
            }
            if faults.slow_swaps > 0 && matches!(instance.recovery, Recovery::Loading { staged: true, .. }) {
                actions.push(Action::SwapUnheard(id));
                actions.push(Action::SwapTwice(id));
            }
            let free = instance.sent.is_none();
            if faults.hasty > 0
                && free
                && instance.recovery == Recovery::Forgot
                && state.fence_is_young(self.rules, id)
            {
                actions.push(Action::RebuildHastily(id));
            }
            if faults.rebuilds > 0 && free && instance.recovery == Recovery::Ready {
                actions.push(Action::RebuildByOperator(id));
            }
        }
    }
}

impl Model for Protocol {
    type State = State;
    type Action = Action;

    /// The campaign is created and loaded, both instances have seen it.
    fn init_states(&self) -> Vec<State> {
        let created = Message {
            epoch: 1,
            first: 1,
            last: 0,
            prev: 0,
            nonce: Nonce { by: 0, life: 0 },
            body: Body::Fence { incarnation: 0 },
        };
        let instance = Instance {
            life: 1,
            end: End { position: 1, epoch: 1, last: 0 },
            reply: None,
            batches: Vec::new(),
            sent: None,
            recovery: Recovery::Ready,
        };
        let memory = Memory {
            epoch: 1,
            incarnation: 0,
            decision: 0,
            issued: 0,
            holders: vec![None; self.asks.len()],
            outbox: Vec::new(),
        };
        let asker = |&asks_left| Asker { asks_left, told: 0, told_sold_out: false };
        vec![State {
            log: vec![created],
            gate: Gate { incarnation: 0, memory: Some(memory), staging: None, before_swap: None },
            instances: [instance.clone(), instance],
            people: self.asks.iter().map(asker).collect(),
            late_appends: Vec::new(),
            late_swap: None,
            faults: self.faults,
        }]
    }

    fn actions(&self, state: &State, actions: &mut Vec<Action>) {
        // Two idle instances that know the same are alike: only the first acts, then they differ.
        let [one, other] = &state.instances;
        let alike =
            one == other && one.sent.is_none() && state.late_appends.is_empty() && state.late_swap.is_none();
        let acting = if alike && one.recovery == Recovery::Ready { 1 } else { 2 };
        for id in 0..acting {
            self.steps(state, id, actions);
            self.asks(state, id, actions);
        }
        self.environment(state, actions);
    }

    fn next_state(&self, last: &State, action: Action) -> Option<State> {
        let mut next = last.clone();
        self.apply(&mut next, action);
        (next != *last).then_some(next)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        let mut all = properties::all();
        all.extend(witnesses::named(self.witnesses));
        all
    }
}
