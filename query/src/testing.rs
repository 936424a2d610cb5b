//! Histories for tests: what the gate would have decided and the log would hold, made by the domain's own rules.

use std::collections::BTreeMap;

use firstcome_shared::clock::Millis;
use firstcome_shared::domain::{Ask, Book, CampaignId, Command, Definition, Patch, Terms, UserId, Window};
use firstcome_shared::event::{Entry, Event, Message, VERSION};
use firstcome_shared::event_log::{EventLog, Lane, Subject};
use firstcome_shared::position::Position;
use firstcome_shared::projection::Delivery;
use firstcome_shared::wire::LimitPer;

/// Identity of the log that histories pretend to be.
pub(crate) const LOG: &str = "log-of-tests";
/// When every campaign opens.
pub(crate) const OPENS: Millis = Millis(1_000_000);
/// When every campaign closes.
pub(crate) const CLOSES: Millis = Millis(2_000_000);

pub(crate) fn id(name: &str) -> CampaignId {
    CampaignId::parse(name).unwrap()
}

/// A code that is different for each coupon and has a code's form.
pub(crate) fn code(campaign: &str, seq: u64) -> String {
    let name = campaign.bytes().fold(0_u64, |sum, byte| (sum * 31 + u64::from(byte)) % 10_000);
    format!("{name:04}-{:04}-{:04}-{:04}", seq / 100_000_000, seq / 10_000 % 10_000, seq % 10_000)
}

struct Line {
    book: Book,
    epoch: u64,
}

/// A log in memory, as far as a projection sees it.
pub(crate) struct History {
    pub(crate) identity: String,
    pub(crate) deliveries: Vec<Delivery>,
    lines: BTreeMap<String, Line>,
    ends: BTreeMap<Subject, u64>,
    pub(crate) now: Millis,
}

impl History {
    pub(crate) fn new() -> Self {
        Self {
            identity: LOG.to_owned(),
            deliveries: Vec::new(),
            lines: BTreeMap::new(),
            ends: BTreeMap::new(),
            now: OPENS,
        }
    }

    /// A history that can be written to `log`.
    pub(crate) fn of(log: &dyn EventLog) -> Self {
        Self { identity: log.identity().to_owned(), ..Self::new() }
    }

    pub(crate) fn definition(name: &str, stock: u64) -> Definition {
        Definition {
            id: id(name),
            name: format!("Campaign {name}"),
            windows: vec![Window { id: 1, opens_at: OPENS, closes_at: CLOSES, stock }],
            per_user_limit: 1,
            limit_per: LimitPer::Campaign,
            coupon: Terms { valid_for_seconds: Some(60), ..Terms::default() },
            waiting_room: None,
            key_id: "key".to_owned(),
        }
    }

    pub(crate) fn create(&mut self, name: &str, stock: u64) -> &mut Self {
        let definition = Self::definition(name, stock);
        let event = Event::CampaignCreated {
            definition: definition.clone(),
            incarnation: "gate".to_owned(),
            actor: "ops".to_owned(),
        };
        let book = Book::new(definition);
        self.lines.insert(name.to_owned(), Line { book, epoch: 1 });
        let entry = Entry { decision: 0, at: self.now, event };
        self.push(&Subject::decisions(&id(name)), 1, 0, 0, vec![entry]);
        self
    }

    /// These people ask; who gets a coupon is up to the rules.
    pub(crate) fn ask(&mut self, name: &str, people: &[&str]) -> &mut Self {
        let asks: Vec<Ask> =
            people.iter().map(|person| Ask { user: UserId::parse(person).unwrap(), key: None }).collect();
        let now = self.now;
        let mut entries = self.book(name).decide(&asks, now).entries;
        for entry in &mut entries {
            if let Event::CouponsIssued { coupons, .. } = &mut entry.event {
                for coupon in coupons {
                    coupon.code = code(name, coupon.seq);
                }
            }
        }
        self.decided(name, entries)
    }

    pub(crate) fn command(&mut self, name: &str, command: &Command) -> &mut Self {
        let now = self.now;
        let entries = self.book(name).command(command, "ops", now).unwrap_or_default();
        self.decided(name, entries)
    }

    pub(crate) fn stock(&mut self, name: &str, stock: u64) -> &mut Self {
        self.command(name, &Command::Update(Patch { stock: Some(stock), ..Patch::default() }))
    }

    pub(crate) fn fence(&mut self, name: &str) -> &mut Self {
        let line = self.lines.get_mut(name).unwrap();
        line.epoch += 1;
        let (epoch, last) = (line.epoch, line.book.decision);
        let event = Event::GateFenced { incarnation: "another gate".to_owned() };
        let entry = Entry { decision: last, at: self.now, event };
        self.push(&Subject::decisions(&id(name)), epoch, last, last, vec![entry]);
        self
    }

    pub(crate) fn acted(&mut self, name: &str) -> &mut Self {
        let event = Event::OperatorActed {
            actor: "ops".to_owned(),
            action: "replay".to_owned(),
            target: "ledger 0-1".to_owned(),
        };
        let entry = Entry { decision: 0, at: self.now, event };
        self.push(&Subject::uses(&id(name)), 0, 0, 0, vec![entry]);
        self
    }

    /// A message whose coupons are of a window that does not exist: it continues its campaign, and its data is wrong.
    pub(crate) fn poison(&mut self, name: &str, person: &str) -> &mut Self {
        self.ask(name, &[person]);
        let message = &mut self.deliveries.last_mut().unwrap().message;
        match &mut message.entries[0].event {
            Event::CouponsIssued { window, .. } => *window = 99,
            other => panic!("{other:?} issues nothing"),
        }
        self
    }

    pub(crate) fn after(&mut self, milliseconds: i64) -> &mut Self {
        self.now = self.now.plus(milliseconds);
        self
    }

    /// What was said since `sequence`.
    pub(crate) fn since(&self, sequence: u64) -> &[Delivery] {
        &self.deliveries[usize::try_from(sequence).unwrap()..]
    }

    pub(crate) fn end(&self) -> u64 {
        u64::try_from(self.deliveries.len()).unwrap()
    }

    /// Appends what was said since `after` to a real log, whose sequences must be the same.
    pub(crate) async fn append_to(&self, log: &dyn EventLog, after: u64) {
        for delivery in self.since(after) {
            let message = &delivery.message;
            let sequence =
                log.append(&delivery.subject, message.prev, message.encode()).await.expect("appended");
            assert_eq!(sequence, delivery.position.sequence);
        }
    }

    fn book(&mut self, name: &str) -> &mut Book {
        &mut self.lines.get_mut(name).unwrap().book
    }

    fn decided(&mut self, name: &str, entries: Vec<Entry>) -> &mut Self {
        if let (Some(first), Some(last)) = (entries.first(), entries.last()) {
            let (first, last) = (first.decision, last.decision);
            let epoch = self.lines[name].epoch;
            self.push(&Subject::decisions(&id(name)), epoch, first, last, entries);
        }
        self
    }

    fn push(&mut self, subject: &Subject, epoch: u64, first: u64, last: u64, entries: Vec<Entry>) {
        let sequence = self.end() + 1;
        let prev = self.ends.insert(subject.clone(), sequence).unwrap_or(0);
        let message = Message {
            version: VERSION,
            campaign: subject.campaign.clone(),
            log: self.identity.clone(),
            epoch,
            first,
            last,
            prev,
            nonce: format!("nonce-{sequence}"),
            entries,
            requests: BTreeMap::new(),
        };
        assert!(subject.lane == Lane::Decisions || epoch == 0);
        let position = Position::new(0, sequence);
        self.deliveries.push(Delivery { subject: subject.clone(), position, message });
    }
}
