//! Histories that a generator makes up: whatever happens, in whatever order, P1, P2 and P3 hold, and what the log
//! would hold folds to the very book that decided it.

use std::collections::HashMap;

use proptest::prelude::*;

use super::*;
use crate::chain::Chain;
use crate::domain::command::{Command, Patch, WindowPatch};
use crate::domain::{CodeSecret, Flags};
use crate::event::{Entry, Event, IssuedCoupon, Message, VERSION};
use crate::wire::StateReason;

#[derive(Clone, Debug)]
enum Step {
    /// People ask: who, with which key.
    Asks(Vec<(u8, Option<u8>)>),
    /// An operator acts.
    Acts(Command),
}

#[derive(Clone, Debug)]
struct History {
    definition: Definition,
    /// Each step with the time since the one before; clocks also go back.
    steps: Vec<(i64, Step)>,
}

fn definitions() -> impl Strategy<Value = Definition> {
    let window = (0_i64..80, 20_i64..200, 1_u64..12);
    (prop::collection::vec(window, 1..=3), 1_u32..=3, any::<bool>(), any::<bool>()).prop_map(
        |(shape, limit, per_window, expires)| {
            let mut end = 0;
            let windows: Vec<_> = shape
                .into_iter()
                .map(|(gap, length, stock)| {
                    let opens = end + gap;
                    end = opens + length;
                    (opens, end, stock)
                })
                .collect();
            let mut made = definition(&windows);
            made.per_user_limit = limit;
            made.limit_per = if per_window { LimitPer::Window } else { LimitPer::Campaign };
            made.coupon.valid_for_seconds = expires.then_some(60);
            made
        },
    )
}

fn commands() -> impl Strategy<Value = Command> {
    let window =
        (1_u32..=4, prop::option::of(0_i64..600), prop::option::of(0_i64..600), prop::option::of(0_u64..25));
    let window = window.prop_map(|(id, opens, closes, stock)| WindowPatch {
        id,
        opens_at: opens.map(Millis),
        closes_at: closes.map(Millis),
        stock,
    });
    let stock = (1_u32..=3, 1_u64..25).prop_map(|(id, stock)| WindowPatch {
        id,
        stock: Some(stock),
        ..WindowPatch::default()
    });
    let name = prop::option::of("[a-z]{1,5}");
    prop_oneof![
        4 => Just(Command::Pause),
        8 => Just(Command::Resume),
        1 => Just(Command::Cancel),
        6 => stock.prop_map(|window| Command::Update(Patch { windows: vec![window], ..Patch::default() })),
        4 => (name, prop::collection::vec(window, 0..=2))
            .prop_map(|(name, windows)| Command::Update(Patch { name, windows, ..Patch::default() })),
        2 => (0_u64..25).prop_map(|stock| Command::Update(Patch { stock: Some(stock), ..Patch::default() })),
    ]
}

fn histories() -> impl Strategy<Value = History> {
    definitions().prop_flat_map(|definition| {
        // A campaign with a limit above one takes no ask without a key.
        let key = if definition.needs_key() {
            (0_u8..5).prop_map(Some).boxed()
        } else {
            prop::option::of(0_u8..5).boxed()
        };
        let asks = prop::collection::vec((0_u8..12, key), 1..8).prop_map(Step::Asks);
        let step = prop_oneof![4 => asks, 1 => commands().prop_map(Step::Acts)];
        let pause = prop_oneof![8 => 0_i64..40, 1 => -60_i64..0];
        prop::collection::vec((pause, step), 1..40)
            .prop_map(move |steps| History { definition: definition.clone(), steps })
    })
}

/// What happened so far, kept as plainly as can be: every coupon in a list, every rule spelt out over it.
struct Model {
    coupons: Vec<(Ask, Held)>,
    now: Millis,
}

impl Model {
    fn issued(&self, window: u32) -> u64 {
        self.coupons.iter().filter(|(_, held)| held.window == window).count() as u64
    }

    /// What must be answered, in plain words.
    fn expected(&self, definition: &Definition, flags: Flags, ask: &Ask) -> Verdict {
        let windows = &definition.windows;
        let open = windows.iter().find(|window| window.opens_at <= self.now && self.now < window.closes_at);
        let next = windows.iter().find(|window| self.now < window.opens_at);
        let mine = || self.coupons.iter().filter(|(holder, _)| holder.user == ask.user);
        let same_key = || mine().find(|(holder, _)| ask.key.is_some() && holder.key == ask.key);
        let in_open = |held: &Held| open.is_some_and(|window| held.window == window.id);
        let per_window = definition.limit_per == LimitPer::Window;
        let same = match (definition.per_user_limit, per_window) {
            (1, false) => mine().next_back(),
            (1, true) => same_key().or_else(|| match open {
                Some(_) => mine().rfind(|(_, held)| in_open(held)),
                None => mine().next_back(),
            }),
            _ => same_key(),
        };
        if let Some((_, held)) = same {
            return Verdict::AlreadyIssued(held.clone());
        }
        if flags.cancelled {
            return Verdict::Closed(StateReason::Cancelled);
        }
        let Some(window) = open else {
            return next.map_or(Verdict::Closed(StateReason::Ended), |window| Verdict::NotOpen {
                opens_at: window.opens_at,
            });
        };
        if flags.paused {
            return Verdict::Paused;
        }
        let counted: Vec<Held> =
            mine().map(|(_, held)| held.clone()).filter(|held| !per_window || in_open(held)).collect();
        if counted.len() >= definition.per_user_limit as usize {
            return Verdict::LimitReached(counted);
        }
        let left = window.stock - self.issued(window.id);
        if left == 0 {
            return Verdict::SoldOut { stock: window.stock };
        }
        let held = Held {
            seq: self.coupons.len() as u64 + 1,
            issued_at: self.now,
            window: window.id,
            key: ask.key.clone().filter(|_| definition.keeps_keys()),
        };
        Verdict::Issued { held, remaining: left - 1 }
    }
}

/// What the log would hold: each batch as one message that continues the campaign, folded from its bytes.
struct Log {
    chain: Chain,
    folded: Book,
    secret: CodeSecret,
    coupons: Vec<IssuedCoupon>,
}

impl Log {
    fn append(&mut self, mut entries: Vec<Entry>) {
        let (Some(first), Some(last)) = (entries.first(), entries.last()) else { return };
        let (first, last) = (first.decision, last.decision);
        let campaign = self.folded.definition.id.clone();
        for entry in &mut entries {
            entry.seal(&campaign, &self.secret);
            let bytes = serde_json::to_vec(entry).unwrap().len();
            assert!(entry.weight() >= bytes, "{} for {bytes} bytes: {entry:?}", entry.weight());
        }
        let (log, nonce) = ("log".to_owned(), "nonce".to_owned());
        let (epoch, prev) = (self.chain.epoch, self.chain.sequence);
        let requests = std::collections::BTreeMap::new();
        let message =
            Message { version: VERSION, campaign, log, epoch, first, last, prev, nonce, entries, requests };
        let read = Message::decode(&message.encode()).unwrap();
        assert_eq!(read, message);
        self.chain = self.chain.follow(prev + 3, &read).unwrap();
        for entry in &read.entries {
            self.folded.apply(entry).unwrap();
        }
        self.coupons.extend(read.coupons().map(|(coupon, ..)| coupon.clone()));
    }
}

/// Runs a history and holds every promise at every step.
fn run(history: &History) {
    let mut book = book(history.definition.clone());
    let mut model = Model { coupons: Vec::new(), now: Millis(0) };
    let mut log = Log {
        chain: Chain { sequence: 7, epoch: 1, last: 0, loose: false },
        folded: book.clone(),
        secret: CodeSecret::new("0123456789abcdef0123456789abcdef").unwrap(),
        coupons: Vec::new(),
    };
    let mut clock = 0;
    for (pause, step) in &history.steps {
        clock += pause;
        // Gate time: never before the last time that a decision was made at.
        model.now = Millis(clock).max(book.last_time);
        let entries = match step {
            Step::Asks(asks) => {
                let asks: Vec<Ask> = asks
                    .iter()
                    .map(|(user, key)| {
                        ask(&format!("user-{user}"), key.map(|key| format!("key-{key}")).as_deref())
                    })
                    .collect();
                let (definition, flags) = (book.definition.clone(), book.flags);
                let decided = book.decide(&asks, Millis(clock));
                assert_eq!(decided.verdicts.len(), asks.len());
                for (ask, verdict) in asks.iter().zip(&decided.verdicts) {
                    assert_eq!(
                        *verdict,
                        model.expected(&definition, flags, ask),
                        "{ask:?} at {:?}",
                        model.now
                    );
                    if let Verdict::Issued { held, .. } = verdict {
                        model.coupons.push((ask.clone(), held.clone()));
                    }
                }
                repeats(&book, clock, &asks, &decided);
                decided.entries
            }
            Step::Acts(command) => book.command(command, "ops", Millis(clock)).unwrap_or_default(),
        };
        log.append(entries);
        assert_eq!(log.folded, book, "a rebuild is the book that decided");
        promises(&book, &model, &log);
    }
}

/// P2: whoever got a coupon and asks again gets the same one, and nothing else changes.
fn repeats(book: &Book, clock: i64, asks: &[Ask], decided: &Decided) {
    let mut again = book.clone();
    let repeated = again.decide(asks, Millis(clock));
    for ((ask, before), after) in asks.iter().zip(&decided.verdicts).zip(&repeated.verdicts) {
        if let Verdict::Issued { held, .. } | Verdict::AlreadyIssued(held) = before {
            assert_eq!(*after, Verdict::AlreadyIssued(held.clone()), "{ask:?}");
        } else {
            assert_eq!(after, before, "{ask:?}");
        }
    }
    assert_eq!(again, *book);
}

fn promises(book: &Book, model: &Model, log: &Log) {
    // P1: each window's count is its coupons', never above its stock.
    for (window, issued) in book.definition.windows.iter().zip(&book.issued) {
        assert_eq!(*issued, model.issued(window.id));
        assert!(*issued <= window.stock, "{issued} of {}", window.stock);
    }
    // P2: nobody has more than the limit, campaign or window.
    let mut counts: HashMap<_, u32> = HashMap::new();
    for (ask, held) in &model.coupons {
        let scope = (book.definition.limit_per == LimitPer::Window).then_some(held.window);
        let count = counts.entry((&ask.user, scope)).or_default();
        *count += 1;
        assert!(*count <= book.definition.per_user_limit);
    }
    // P3: 1, 2, 3, … in the order of the log, in the order of time; a person's coupons are numbered as well.
    let mut numbers: HashMap<_, u32> = HashMap::new();
    assert_eq!(log.coupons.len(), model.coupons.len());
    for (seq, (coupon, (ask, held))) in (1..).zip(log.coupons.iter().zip(&model.coupons)) {
        assert_eq!((coupon.seq, held.seq, &coupon.user_id, &coupon.key), (seq, seq, &ask.user, &held.key));
        let number = numbers.entry(&coupon.user_id).or_default();
        *number += 1;
        assert_eq!(coupon.n, *number);
    }
    assert!(model.coupons.windows(2).all(|pair| pair[0].1.issued_at <= pair[1].1.issued_at));
    let mut codes: Vec<&str> = log.coupons.iter().map(|coupon| coupon.code.as_str()).collect();
    codes.sort_unstable();
    codes.dedup();
    assert_eq!(codes.len(), log.coupons.len());
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_history_keeps_the_promises(history in histories()) {
        run(&history);
    }

    /// P1 in one line: everybody asks as often as they like, in whatever batches, in an open window.
    #[test]
    fn issued_is_the_smaller_of_stock_and_what_eligible_askers_may_have(
        stock in 1_u64..40,
        limit in 1_u32..=3,
        batches in prop::collection::vec(prop::collection::vec((0_u8..20, 0_u8..4), 1..20), 1..10),
    ) {
        let mut of = definition(&[(0, 100, stock)]);
        of.per_user_limit = limit;
        let mut book = book(of);
        let mut wishes: HashMap<u8, Vec<u8>> = HashMap::new();
        for batch in batches {
            for (user, key) in &batch {
                let keys = wishes.entry(*user).or_default();
                if !keys.contains(key) {
                    keys.push(*key);
                }
            }
            let asks: Vec<Ask> = batch
                .iter()
                .map(|(user, key)| ask(&user.to_string(), Some(&key.to_string())))
                .collect();
            book.decide(&asks, Millis(50));
            let may_have: u64 = wishes.values().map(|keys| (keys.len() as u64).min(u64::from(limit))).sum();
            prop_assert_eq!(book.total_issued(), may_have.min(stock));
        }
    }

    /// What does not follow from the book is not folded into it.
    #[test]
    fn a_fold_refuses_what_does_not_follow(asks in 1_usize..5, wrong in 0_usize..4) {
        let mut live = book(definition(&[(0, 100, 9)]));
        let before = live.clone();
        let asks: Vec<Ask> = (0..asks).map(|user| ask(&user.to_string(), None)).collect();
        let mut entry = live.decide(&asks, Millis(5)).entries.remove(0);
        match (wrong, &mut entry.event) {
            (0, _) => entry.decision += 1,
            (1, Event::CouponsIssued { window, .. }) => *window = 7,
            (2, Event::CouponsIssued { coupons, .. }) => coupons[0].seq += 1,
            (_, event) => {
                let (actor, action, target) = ("ops".to_owned(), "replay".to_owned(), "ledger".to_owned());
                *event = Event::OperatorActed { actor, action, target };
            }
        }
        prop_assert!(before.clone().apply(&entry).is_err());
    }
}
