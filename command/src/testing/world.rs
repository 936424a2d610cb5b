//! One log and one gate, and as many instances of the write side over them as a test wants; and the audit that every
//! story ends with: what stands in the log is exact, gapless, nobody's twice, and the same as the gate holds.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use firstcome_shared::chain::Chain;
use firstcome_shared::clock::{Clock, ManualClock, Millis};
use firstcome_shared::domain::{Ask, CampaignId, CodeSecret, Command, Held, Verdict};
use firstcome_shared::event::{Event, IssuedCoupon, Message};
use firstcome_shared::event_log::sqlite::SqliteLog;
use firstcome_shared::event_log::{Budget, EventLog, Subject};
use firstcome_shared::lifecycle::Lifecycle;
use firstcome_shared::wire::{self, Time};

use super::{FaultyLog, Steps, WatchedGate, until};
use crate::gate::memory::MemoryGate;
use crate::gate::{Call, Gate, Logged};
use crate::lane::{Answer, Lane, NoAnswer};
use crate::ledger::sqlite::SqliteLedger;
use crate::service::{Adapters, QUEUE, Service};

const SECRET: &str = "0123456789abcdef0123456789abcdef";
/// When every story begins.
const BEGIN: Millis = Millis(1_800_000_000_000);

/// What all instances share.
#[derive(Debug)]
pub(crate) struct World {
    folder: tempfile::TempDir,
    pub(crate) clock: ManualClock,
    pub(crate) log: Arc<SqliteLog>,
    pub(crate) gate: Arc<MemoryGate>,
    pub(crate) steps: Arc<Steps>,
    instances: AtomicU64,
}

/// One instance of the write side, behind decorators of its own.
#[derive(Debug)]
pub(crate) struct Instance {
    pub(crate) service: Service,
    pub(crate) log: Arc<FaultyLog>,
    pub(crate) gate: Arc<WatchedGate>,
    pub(crate) lifecycle: Lifecycle,
}

pub(crate) fn id(name: &str) -> CampaignId {
    CampaignId::parse(name).unwrap()
}

/// A one-off that has been open for a second and stays so for an hour.
pub(crate) fn one_off(name: &str, stock: u64) -> wire::CreateCampaign {
    wire::CreateCampaign {
        id: name.to_owned(),
        name: None,
        opens_at: Some(Time(BEGIN.plus(-1_000))),
        closes_at: Some(Time(BEGIN.plus(3_600_000))),
        stock: Some(stock),
        windows: None,
        daily: None,
        per_user_limit: None,
        limit_per: wire::LimitPer::default(),
        coupon: wire::CouponTerms::default(),
        waiting_room: None,
    }
}

impl World {
    pub(crate) async fn new() -> Self {
        let clock = ManualClock::at(BEGIN);
        let gate = Arc::new(MemoryGate::new(Arc::new(clock.clone())));
        Self::over(gate, clock).await
    }

    /// The log is made anew; the gate is not.
    pub(crate) async fn with_a_log_made_anew(&self) -> Self {
        Self::over(Arc::clone(&self.gate), self.clock.clone()).await
    }

    async fn over(gate: Arc<MemoryGate>, clock: ManualClock) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let log = SqliteLog::open(&folder.path().join("log.db"), Arc::new(clock.clone())).await.unwrap();
        let (steps, instances) = (Arc::default(), AtomicU64::new(0));
        Self { folder, clock, log: Arc::new(log), gate, steps, instances }
    }

    /// The file that the log is in.
    pub(crate) fn log_file(&self) -> PathBuf {
        self.folder.path().join("log.db")
    }

    pub(crate) async fn instance(&self) -> Instance {
        self.instance_with_queue(QUEUE).await
    }

    pub(crate) async fn instance_with_queue(&self, queue: usize) -> Instance {
        self.instance_of(queue, self.clock.clone(), SECRET).await
    }

    /// An instance whose own clock is so much ahead, and stands still.
    pub(crate) async fn instance_ahead(&self, milliseconds: i64) -> Instance {
        self.instance_of(QUEUE, ManualClock::at(self.clock.now().plus(milliseconds)), SECRET).await
    }

    pub(crate) async fn instance_with_secret(&self, secret: &str) -> Instance {
        self.instance_of(QUEUE, self.clock.clone(), secret).await
    }

    async fn instance_of(&self, queue: usize, clock: ManualClock, secret: &str) -> Instance {
        let number = self.instances.fetch_add(1, Ordering::SeqCst);
        let ledger = self.folder.path().join(format!("ledger-{number}.db"));
        let ledger = SqliteLedger::open_writer(&ledger).await.unwrap().with_readers(1).await.unwrap();
        let log = FaultyLog::new(Arc::<SqliteLog>::clone(&self.log), Arc::clone(&self.steps));
        let gate = WatchedGate::new(Arc::<MemoryGate>::clone(&self.gate), Arc::clone(&self.steps));
        let (log, gate, lifecycle) = (Arc::new(log), Arc::new(gate), Lifecycle::default());
        let adapters = Adapters {
            gate: Arc::<WatchedGate>::clone(&gate),
            log: Arc::<FaultyLog>::clone(&log),
            ledger: Arc::new(ledger),
            clock: Arc::new(clock),
            secret: CodeSecret::new(secret).unwrap(),
        };
        Instance { service: Service::new(adapters, lifecycle.clone(), queue), log, gate, lifecycle }
    }

    /// An instance and a one-off campaign `summer` that it created.
    pub(crate) async fn with_summer(stock: u64) -> (Self, Instance) {
        let world = Self::new().await;
        let instance = world.instance().await;
        instance.service.create(&one_off("summer", stock), "olga").await.unwrap();
        (world, instance)
    }

    /// Two instances, both of which serve `summer` already.
    pub(crate) async fn with_two(stock: u64) -> (Self, Instance, Instance) {
        let (world, one) = Self::with_summer(stock).await;
        let two = world.instance().await;
        two.lane("summer").await;
        (world, one, two)
    }

    /// Every message of the campaign's first subject, each of which continues the one before.
    pub(crate) async fn messages(&self, name: &str) -> Vec<Message> {
        let (mut chain, mut messages) = (Chain::default(), Vec::new());
        loop {
            let budget = Budget { messages: 1_000, bytes: 1 << 30 };
            let batch = self.log.read(&Subject::decisions(&id(name)), chain.sequence, budget).await.unwrap();
            if batch.is_empty() {
                return messages;
            }
            for stored in batch {
                let message = Message::decode(&stored.payload).unwrap();
                chain = chain.follow(stored.position.sequence, &message).unwrap();
                messages.push(message);
            }
        }
    }

    /// Every coupon in the log.
    pub(crate) async fn coupons(&self, name: &str) -> Vec<IssuedCoupon> {
        let messages = self.messages(name).await;
        messages.iter().flat_map(Message::coupons).map(|(coupon, ..)| coupon.clone()).collect()
    }

    /// How many memories of the gate the campaign has had.
    pub(crate) async fn epoch(&self, name: &str) -> u64 {
        self.messages(name).await.last().map_or(0, |message| message.epoch)
    }

    /// Exactly the coupons 1 to `issued` stand in the log, at most `limit` a person, and the gate holds the same.
    pub(crate) async fn audit(&self, name: &str, issued: u64, limit: usize) -> Vec<IssuedCoupon> {
        let coupons = self.coupons(name).await;
        let numbers: Vec<u64> = coupons.iter().map(|coupon| coupon.seq).collect();
        assert_eq!(numbers, (1..=issued).collect::<Vec<_>>(), "gapless, in order, never one more or fewer");
        let mut held: HashMap<&str, usize> = HashMap::new();
        let secret = CodeSecret::new(SECRET).unwrap();
        for coupon in &coupons {
            let held = held.entry(coupon.user_id.as_str()).or_default();
            *held += 1;
            assert!(*held <= limit, "{} holds more than {limit}", coupon.user_id);
            assert_eq!(coupon.code, secret.code(&id(name), coupon.seq));
        }
        let last = self.messages(name).await.last().unwrap().clone();
        let logged = Logged { decision: last.last, sequence: u64::MAX };
        let call = Call { log: self.log.identity(), epoch: last.epoch, logged, now: self.clock.now() };
        let rows =
            self.gate.rows(&id(name), call, 1, u64::MAX).await.expect("the gate holds the log's epoch");
        assert_eq!(rows.decision, last.last, "nothing is decided that is not logged");
        let mut rows: Vec<_> = rows.body.into_iter().map(|row| (row.held.seq, row.user)).collect();
        rows.sort();
        let logged: Vec<_> = coupons.iter().map(|coupon| (coupon.seq, coupon.user_id.clone())).collect();
        assert_eq!(rows, logged, "gate and log agree");
        coupons
    }

    /// What somebody was told stands in the log, the same person, place and code (P4).
    pub(crate) async fn told(&self, name: &str, told: &[(Ask, Held)]) {
        let coupons = self.coupons(name).await;
        for (ask, held) in told {
            let place = usize::try_from(held.seq - 1).unwrap();
            let coupon =
                coupons.get(place).unwrap_or_else(|| panic!("{ask:?} was told {held:?}: not logged"));
            assert_eq!((coupon.seq, &coupon.user_id), (held.seq, &ask.user), "what was said stays said");
            assert_eq!(coupon.key, held.key);
        }
    }

    /// How many kinds of entries the log holds.
    pub(crate) async fn count(&self, name: &str, counted: impl Fn(&Event) -> bool) -> usize {
        let messages = self.messages(name).await;
        messages.iter().flat_map(|message| &message.entries).filter(|entry| counted(&entry.event)).count()
    }

    /// The gate's last decision, from the gate itself.
    pub(crate) async fn decision(&self, name: &str, epoch: u64) -> u64 {
        let logged = Logged::default();
        let call = Call { log: self.log.identity(), epoch, logged, now: self.clock.now() };
        self.gate.view(&id(name), call).await.unwrap().decision
    }
}

impl Instance {
    pub(crate) async fn lane(&self, name: &str) -> Arc<Lane> {
        self.service.lane(&id(name)).await.unwrap()
    }

    pub(crate) async fn ask(&self, name: &str, ask: Ask) -> Answer {
        self.lane(name).await.ask(ask).await
    }

    /// Asks in a task of its own.
    pub(crate) async fn asking(&self, name: &str, ask: Ask) -> tokio::task::JoinHandle<Answer> {
        let lane = self.lane(name).await;
        tokio::spawn(async move { lane.ask(ask).await })
    }

    /// Has them all decided in one batch, in this order: they queue up while a command that changes nothing is held.
    pub(crate) async fn batch(&self, name: &str, asks: Vec<Ask>) -> Vec<tokio::task::JoinHandle<Answer>> {
        let lane = self.lane(name).await;
        self.gate.commands.shut();
        let held = Arc::clone(&lane);
        tokio::spawn(async move { held.command(Command::Resume, "olga").await });
        self.gate.commands.somebody_waits().await;
        let mut asking = Vec::new();
        for ask in asks {
            asking.push(self.asking(name, ask).await);
            until("the next one stands in the queue", || async { lane.queued() == asking.len() }).await;
        }
        self.gate.commands.open();
        asking
    }

    /// Asks again and again until there is a clear answer.
    pub(crate) async fn insist(&self, name: &str, ask: Ask) -> Verdict {
        insist(&[self.lane(name).await], ask).await
    }

    /// Returns when the instance has adopted this epoch.
    pub(crate) async fn adopted(&self, name: &str, epoch: u64) {
        let lane = self.lane(name).await;
        let lane = &lane;
        until("the epoch is adopted", || async move { lane.status().end().epoch >= epoch }).await;
    }
}

/// Asks one after the other until there is a clear answer.
pub(crate) async fn insist(lanes: &[Arc<Lane>], ask: Ask) -> Verdict {
    let begun = std::time::Instant::now();
    let mut turn = lanes.iter().cycle();
    loop {
        match turn.next().unwrap().ask(ask.clone()).await {
            Ok(logged) => return logged.body,
            Err(NoAnswer::NotFound) => panic!("the campaign is there"),
            Err(no_answer) => {
                assert!(begun.elapsed() < super::DEADLINE, "never a clear answer: {no_answer}");
                tokio::time::sleep(std::time::Duration::from_millis(3)).await;
            }
        }
    }
}
