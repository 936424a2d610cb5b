//! The gate in memory, for the single process. It runs the domain's own rules on a [`Book`]; one mutex a campaign
//! makes a call atomic. It forgets everything when the process ends, so every start is a rebuild from the log.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use async_trait::async_trait;
use firstcome_shared::clock::{Clock, Millis, random_hex};
use firstcome_shared::domain::{Ask, Book, CampaignId, Command, Refused, UserId, Verdict};
use firstcome_shared::event::{Entry, Event};
use foldhash::fast::RandomState;

use super::{Call, Gate, GateError, GateRow, Glance, Load, Logged, MAX_SKEW_MS, Reply, View};

/// A gate that lives as long as this object, or until [`MemoryGate::forget`].
#[derive(Debug)]
pub struct MemoryGate {
    clock: Arc<dyn Clock>,
    incarnation: RwLock<Arc<str>>,
    campaigns: RwLock<HashMap<CampaignId, Arc<Mutex<Memory>>, RandomState>>,
}

#[derive(Debug)]
struct Memory {
    log: Arc<str>,
    epoch: u64,
    incarnation: Arc<str>,
    book: Book,
    /// Who holds coupon 1, 2, 3, …: finds rows without a walk over a million holders under the lock.
    line: Vec<UserId>,
    outbox: VecDeque<Entry>,
    logged: Logged,
}

impl MemoryGate {
    /// An empty gate.
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self { clock, incarnation: RwLock::new(incarnation()), campaigns: RwLock::default() }
    }

    /// Loses everything, as a server does that restarts empty: tests of the rebuild live on it.
    pub fn forget(&self) {
        *self.incarnation.write().unwrap_or_else(PoisonError::into_inner) = incarnation();
        self.campaigns.write().unwrap_or_else(PoisonError::into_inner).clear();
    }

    /// Becomes another memory, which still holds what this one did, as a server that restarts from its file.
    #[cfg(test)]
    pub(crate) fn become_another(&self) {
        *self.incarnation.write().unwrap_or_else(PoisonError::into_inner) = incarnation();
    }

    fn own(&self) -> Arc<str> {
        Arc::clone(&self.incarnation.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn slot(&self, campaign: &CampaignId) -> Option<Arc<Mutex<Memory>>> {
        self.campaigns.read().unwrap_or_else(PoisonError::into_inner).get(campaign.as_str()).cloned()
    }

    /// Runs `step` on the campaign's memory as one atomic step, if the guard lets it (ARCHITECTURE G2).
    fn guarded<T>(
        &self,
        campaign: &CampaignId,
        call: Call<'_>,
        step: impl FnOnce(&mut Memory, Millis) -> (Vec<Entry>, T),
    ) -> Result<Reply<T>, GateError> {
        let slot = self.slot(campaign).ok_or(GateError::Forgot)?;
        // A poisoned mutex means that a step panicked half-way: such a memory is worth nothing (ARCHITECTURE G9).
        let mut memory = slot.lock().map_err(|_| GateError::Forgot)?;
        let mine = *memory.log == *call.log && memory.epoch == call.epoch;
        if !mine || *memory.incarnation != *self.own() {
            return Err(GateError::Forgot);
        }
        // Gate time, not the clock: a log that ran ahead would stamp coupons with a time that is not (ARCHITECTURE G8).
        let now = memory.book.gate_time(self.clock.now());
        let apart_ms = now.since(call.now).max(call.now.since(now));
        if apart_ms > MAX_SKEW_MS {
            return Err(GateError::ClocksApart { apart_ms });
        }
        memory.logged = memory.logged.max(call.logged);
        while memory.outbox.front().is_some_and(|entry| entry.decision <= memory.logged.decision) {
            memory.outbox.pop_front();
        }
        let (entries, body) = step(&mut memory, now);
        for entry in &entries {
            if let Event::CouponsIssued { coupons, .. } = &entry.event {
                memory.line.extend(coupons.iter().map(|coupon| coupon.user_id.clone()));
            }
        }
        memory.outbox.extend(entries.iter().cloned());
        Ok(Reply { decision: memory.book.decision, logged: memory.logged.decision, entries, body })
    }
}

/// The holders in the order of their coupons.
fn line(book: &Book) -> Vec<UserId> {
    let held = book.holders.iter().flat_map(|(user, held)| held.iter().map(move |held| (held.seq, user)));
    let mut line: Vec<_> = held.collect();
    line.sort_unstable_by_key(|(seq, _)| *seq);
    line.into_iter().map(|(_, user)| user.clone()).collect()
}

fn incarnation() -> Arc<str> {
    random_hex::<8>().into()
}

#[async_trait]
impl Gate for MemoryGate {
    fn kind(&self) -> &'static str {
        "memory"
    }

    fn is_remote(&self) -> bool {
        false
    }

    async fn incarnation(&self, _: &CampaignId) -> Result<String, GateError> {
        Ok(self.own().to_string())
    }

    async fn decide(
        &self,
        campaign: &CampaignId,
        call: Call<'_>,
        asks: &[Ask],
    ) -> Result<Reply<Vec<Verdict>>, GateError> {
        self.guarded(campaign, call, |memory, now| {
            let decided = memory.book.decide(asks, now);
            (decided.entries, decided.verdicts)
        })
    }

    async fn command(
        &self,
        campaign: &CampaignId,
        call: Call<'_>,
        command: &Command,
        actor: &str,
    ) -> Result<Reply<Result<(), Refused>>, GateError> {
        self.guarded(campaign, call, |memory, now| match memory.book.command(command, actor, now) {
            Ok(entries) => (entries, Ok(())),
            Err(refused) => (Vec::new(), Err(refused)),
        })
    }

    async fn outbox(
        &self,
        campaign: &CampaignId,
        call: Call<'_>,
        after: u64,
        max_bytes: usize,
    ) -> Result<Reply<Vec<Entry>>, GateError> {
        self.guarded(campaign, call, |memory, _| {
            let mut bytes = 0;
            let wanted =
                memory.outbox.iter().skip_while(|entry| entry.decision <= after).take_while(|entry| {
                    let first = bytes == 0;
                    bytes += entry.weight();
                    first || bytes <= max_bytes
                });
            (Vec::new(), wanted.cloned().collect())
        })
    }

    async fn view(&self, campaign: &CampaignId, call: Call<'_>) -> Result<Reply<View>, GateError> {
        self.guarded(campaign, call, |memory, now| {
            let book = &memory.book;
            let view = View {
                definition: book.definition.clone(),
                flags: book.flags,
                issued: book.issued.clone(),
                now: book.gate_time(now),
                version: book.version,
            };
            (Vec::new(), view)
        })
    }

    async fn glance(&self, campaign: &CampaignId) -> Result<Option<Glance>, GateError> {
        let Some(slot) = self.slot(campaign) else { return Ok(None) };
        let memory = slot.lock().map_err(|_| GateError::Forgot)?;
        Ok(Some(Glance {
            incarnation: self.own(),
            log: Arc::clone(&memory.log),
            epoch: memory.epoch,
            logged: memory.logged.decision,
            version: memory.book.version,
            now: memory.book.gate_time(self.clock.now()),
        }))
    }

    async fn writable(&self, _: &CampaignId) -> Result<(), GateError> {
        Ok(())
    }

    async fn rows(
        &self,
        campaign: &CampaignId,
        call: Call<'_>,
        from: u64,
        to: u64,
    ) -> Result<Reply<Vec<GateRow>>, GateError> {
        self.guarded(campaign, call, |memory, _| {
            let first = usize::try_from(from.saturating_sub(1)).unwrap_or(usize::MAX);
            let wanted = usize::try_from((to.saturating_add(1)).saturating_sub(from)).unwrap_or(usize::MAX);
            let rows = (from..).zip(memory.line.iter().skip(first).take(wanted)).filter_map(|(seq, user)| {
                let held = memory.book.holders.get(user)?.iter().find(|held| held.seq == seq)?;
                Some(GateRow { user: user.clone(), held: held.clone() })
            });
            (Vec::new(), rows.collect())
        })
    }

    async fn load(&self, campaign: &CampaignId, load: Load) -> Result<(), GateError> {
        let own = self.own();
        if *own != *load.incarnation {
            return Err(GateError::Forgot);
        }
        let mut campaigns = self.campaigns.write().unwrap_or_else(PoisonError::into_inner);
        let newer = campaigns.get(campaign.as_str()).is_some_and(|slot| {
            let memory = slot.lock().unwrap_or_else(PoisonError::into_inner);
            *memory.log == *load.log && memory.epoch >= load.epoch
        });
        if newer {
            return Err(GateError::Forgot);
        }
        let memory = Memory {
            log: load.log.into(),
            epoch: load.epoch,
            incarnation: own,
            line: line(&load.book),
            book: load.book,
            outbox: VecDeque::new(),
            logged: load.logged,
        };
        campaigns.insert(campaign.clone(), Arc::new(Mutex::new(memory)));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::panic::{AssertUnwindSafe, catch_unwind};

    use firstcome_shared::clock::ManualClock;
    use firstcome_shared::domain::{Definition, Terms, Window};
    use firstcome_shared::wire::LimitPer;

    use super::*;
    use crate::gate::contract::{NOON, Rig, gate_contract};

    struct Memories {
        clock: ManualClock,
        gate: MemoryGate,
    }

    #[async_trait]
    impl Rig for Memories {
        fn gate(&self) -> &dyn Gate {
            &self.gate
        }

        async fn set_time(&self, now: Millis) {
            self.clock.set(now);
        }

        async fn forget(&self) {
            self.gate.forget();
        }

        async fn become_another(&self) {
            self.gate.become_another();
        }
    }

    fn memories() -> Memories {
        let clock = ManualClock::at(NOON);
        let gate = MemoryGate::new(Arc::new(clock.clone()));
        Memories { clock, gate }
    }

    async fn open() -> Memories {
        std::future::ready(memories()).await
    }

    gate_contract!(open);

    /// ARCHITECTURE G9: what a step left half done is worth nothing.
    #[tokio::test]
    async fn a_panic_inside_it_means_that_it_forgot() {
        let Memories { gate, .. } = memories();
        let id = CampaignId::parse("summer").unwrap();
        let window = Window { id: 1, opens_at: NOON, closes_at: NOON.plus(1_000), stock: 5 };
        let definition = Definition {
            id: id.clone(),
            name: "Summer".to_owned(),
            windows: vec![window],
            per_user_limit: 1,
            limit_per: LimitPer::Campaign,
            coupon: Terms::default(),
            waiting_room: None,
            key_id: "key".to_owned(),
        };
        let load = |epoch| Load {
            log: "log".to_owned(),
            epoch,
            incarnation: gate.own().to_string(),
            nonce: "n".to_owned(),
            book: Book::new(definition.clone()),
            logged: Logged::default(),
        };
        gate.load(&id, load(1)).await.unwrap();
        let call = Call { log: "log", epoch: 1, logged: Logged::default(), now: NOON };
        let half_done = catch_unwind(AssertUnwindSafe(|| {
            gate.guarded(&id, call, |memory, _| -> (Vec<Entry>, ()) {
                memory.book.decision = 77;
                panic!("on purpose")
            })
        }));
        assert!(half_done.is_err());
        assert_eq!(gate.view(&id, call).await, Err(GateError::Forgot));
        assert_eq!(gate.glance(&id).await, Err(GateError::Forgot));
        assert_eq!(gate.load(&id, load(1)).await, Err(GateError::Forgot), "this epoch is over");
        gate.load(&id, load(2)).await.unwrap();
        let reply = gate.view(&id, Call { epoch: 2, ..call }).await.unwrap();
        assert_eq!(reply.decision, 0);
    }
}
