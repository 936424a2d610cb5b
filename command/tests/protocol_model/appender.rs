//! An instance's appender: one append in flight, and every answer resting on what the log's end says. The guards of
//! L2, L3, L4 and A2 stand here.

use crate::rules::{Rule, Rules};
use crate::state::{Body, End, Entry, Id, Message, Recovery, Sent, State};

impl State {
    /// The gate's reply arrives; what it rests on may be logged already, or of an older epoch by now. Without G1 the
    /// batch takes the instance's epoch, not its reply's; without A1 a refusal does not wait.
    pub fn receive(&mut self, rules: Rules, id: Id) {
        let instance = &mut self.instances[id];
        let Some(mut batch) = instance.reply.take() else {
            return;
        };
        let end = instance.end;
        if !rules.keep(Rule::G1) {
            batch.epoch = end.epoch;
        }
        if rules.keep(Rule::A1) || batch.entry.is_some() {
            instance.batches.push(batch);
        } else {
            self.tell(batch.answers);
        }
        self.learn(rules, id, end);
    }

    /// A2: whoever has an answer waiting appends, with entries of his own or without.
    pub fn may_append(&self, rules: Rules, id: Id) -> bool {
        let instance = &self.instances[id];
        let waits = instance.batches.iter().any(|batch| rules.keep(Rule::A2) || batch.entry.is_some());
        match instance.recovery {
            Recovery::Ready => waits && instance.sent.is_none(),
            // A gate that refuses has no outbox to read; what is at the head in memory can still go.
            Recovery::Refused | Recovery::Forgot => {
                waits && instance.sent.is_none() && !self.own_head(rules, id).is_empty()
            }
            Recovery::Certain | Recovery::Fencing { .. } | Recovery::Loading { .. } => false,
        }
    }

    /// Once a second, and with nobody waiting: a dead instance's entries are appended by whoever is alive.
    pub fn may_sweep(&self, rules: Rules, id: Id) -> bool {
        let instance = &self.instances[id];
        instance.recovery == Recovery::Ready
            && instance.sent.is_none()
            && !self.may_append(rules, id)
            && self.gate.memory.as_ref().is_some_and(|memory| !memory.outbox.is_empty())
    }

    /// Send the outbox from its head: from memory where the head is one's own, else from the gate. Nothing there to
    /// append: look at the end again (A2), for another instance did it.
    pub fn append(&mut self, rules: Rules, id: Id) {
        let mut entries = self.own_head(rules, id);
        if entries.is_empty() {
            let end = self.instances[id].end;
            let Ok(outbox) = self.gate.read_outbox(rules, end.epoch, end.last) else {
                self.refused_by_gate(rules, id);
                return;
            };
            entries = head(rules, end, outbox.iter());
        }
        if entries.is_empty() {
            self.learn(rules, id, self.end());
        } else {
            self.send(id, entries);
        }
    }

    fn own_head(&self, rules: Rules, id: Id) -> Vec<Entry> {
        let instance = &self.instances[id];
        head(rules, instance.end, instance.batches.iter().filter_map(|batch| batch.entry.as_ref()))
    }

    fn send(&mut self, id: Id, entries: Vec<Entry>) {
        let instance = &mut self.instances[id];
        let numbers = entries.first().zip(entries.last());
        let (first, last) = numbers.map(|(f, l)| (f.number, l.number)).expect("a message has an entry");
        let message = Message {
            epoch: instance.end.epoch,
            first,
            last,
            prev: instance.end.position,
            nonce: instance.nonce(id),
            body: Body::Decisions(entries),
        };
        instance.sent = Some(Sent { message, in_doubt: false });
    }

    /// The append reaches the log and its answer reaches the instance.
    pub fn deliver(&mut self, rules: Rules, id: Id) {
        let Some(sent) = self.instances[id].sent.clone() else {
            return;
        };
        let accepted = self.store(sent.message.clone());
        if !accepted && !rules.keep(Rule::L2) && !sent.message.is_fence() {
            // The hole: a refusal names the end's position (L5), and the batch goes there as it is.
            let end = self.end().position;
            let instance = &mut self.instances[id];
            instance.end.position = end;
            instance.sent = None;
            return;
        }
        self.settle(rules, id);
    }

    /// The append is stored, but nobody hears of it.
    pub fn deliver_unheard(&mut self, id: Id) {
        if let Some(sent) = &mut self.instances[id].sent {
            sent.in_doubt = true;
            let message = sent.message.clone();
            self.store(message);
        }
    }

    /// No answer in time; the first copy is still under way, and may be stored later or never.
    pub fn delay(&mut self, id: Id) {
        if let Some(sent) = &mut self.instances[id].sent {
            sent.in_doubt = true;
            let message = sent.message.clone();
            self.keep_late(message);
        }
    }

    pub fn keep_late(&mut self, message: Message) {
        if message.prev == self.end().position {
            self.late_appends.push(message);
        }
    }

    /// Acknowledged, refused or in doubt (L4): the end tells which. Unmoved: the same bytes again.
    pub fn settle(&mut self, rules: Rules, id: Id) {
        let Some(mut sent) = self.instances[id].sent.take() else {
            return;
        };
        let end = self.end();
        if sent.message.is_fence() {
            self.settle_fence(rules, id, &sent.message);
        } else if end.position == sent.message.prev {
            sent.in_doubt = false;
            self.instances[id].sent = Some(sent);
        } else {
            self.learn(rules, id, end);
        }
    }

    /// L3: logged is what the end covers *in its epoch*. An older epoch's batches are thrown away, and their callers
    /// are told to ask again.
    pub fn learn(&mut self, rules: Rules, id: Id, end: End) {
        self.instances[id].end = end;
        for batch in std::mem::take(&mut self.instances[id].batches) {
            let comparable = !rules.keep(Rule::L3) || batch.epoch == end.epoch;
            if comparable && batch.decision <= end.last {
                self.tell(batch.answers);
            } else if batch.epoch == end.epoch {
                self.instances[id].batches.push(batch);
            }
        }
    }
}

/// The unbroken run of entries to append next. L2: it begins right after the end's `last`, in the end's epoch (which
/// is the epoch of all that an instance holds).
fn head<'a>(rules: Rules, end: End, entries: impl Iterator<Item = &'a Entry>) -> Vec<Entry> {
    let mut run: Vec<Entry> = Vec::new();
    for entry in entries.filter(|entry| entry.number > end.last) {
        let next = run.last().map_or(end.last, |entry| entry.number) + 1;
        if entry.number == next || (!rules.keep(Rule::L2) && run.is_empty()) {
            run.push(entry.clone());
        }
    }
    run
}
