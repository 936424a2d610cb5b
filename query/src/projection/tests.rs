//! The projection against histories that the domain's own rules have made.

use firstcome_shared::clock::Millis;
use firstcome_shared::domain::Command;
use firstcome_shared::event::Event;
use firstcome_shared::wire::{CampaignState, StateReason, Time};
use proptest::prelude::*;

use super::*;
use crate::testing::{CLOSES, History, OPENS, id};

/// A store as an adapter without transactions sees it: documents, each written on its own.
#[derive(Clone, Debug, Default, PartialEq)]
struct Store {
    views: Views,
    coupons: BTreeMap<(CampaignId, u64), CouponView>,
}

impl Store {
    fn read(&self, touched: &Touched) -> Views {
        let mut views = Views::default();
        for id in &touched.campaigns {
            views.campaigns.extend(self.views.campaigns.get(id).map(|view| (id.clone(), view.clone())));
        }
        for key in &touched.buckets {
            views.buckets.extend(self.views.buckets.get(key).map(|bucket| (key.clone(), *bucket)));
        }
        views
    }

    /// Writes at most `documents` of the views, as if the process had died then.
    fn write(&mut self, views: Views, mut documents: usize) {
        let mut alive = || {
            let left = documents;
            documents = left.saturating_sub(1);
            left > 0
        };
        for coupon in views.coupons {
            if alive() {
                self.coupons.entry((coupon.campaign.clone(), coupon.seq)).or_insert(coupon);
            }
        }
        for (key, view) in views.campaigns {
            if alive() {
                self.views.campaigns.insert(key, view);
            }
        }
        for (key, bucket) in views.buckets {
            if alive() {
                self.views.buckets.insert(key, bucket);
            }
        }
    }

    fn apply(&mut self, deliveries: &[Delivery], documents: usize) {
        let mut views = self.read(&Touched::by(deliveries));
        views.fold(deliveries).unwrap();
        self.write(views, documents);
    }

    fn of(deliveries: &[Delivery]) -> Self {
        let mut store = Self::default();
        store.apply(deliveries, usize::MAX);
        store
    }
}

#[derive(Clone, Debug)]
enum Step {
    Ask(usize, Vec<u8>),
    Pause(usize),
    Resume(usize),
    Restock(usize, u64),
    Fence(usize),
    Acted(usize),
    Wait(i64),
}

fn step() -> impl Strategy<Value = Step> {
    let one = 0..2_usize;
    prop_oneof![
        6 => (one.clone(), prop::collection::vec(0..40_u8, 1..6)).prop_map(|(c, people)| Step::Ask(c, people)),
        1 => one.clone().prop_map(Step::Pause),
        1 => one.clone().prop_map(Step::Resume),
        1 => (one.clone(), 5..30_u64).prop_map(|(c, stock)| Step::Restock(c, stock)),
        1 => one.clone().prop_map(Step::Fence),
        1 => one.prop_map(Step::Acted),
        3 => (0..1_500_i64).prop_map(Step::Wait),
    ]
}

fn history(steps: &[Step]) -> History {
    const NAMES: [&str; 2] = ["summer", "winter"];
    let mut history = History::new();
    history.create(NAMES[0], 5).create(NAMES[1], 20);
    for step in steps {
        match step {
            Step::Ask(c, people) => {
                let people: Vec<String> = people.iter().map(|person| format!("u-{person}")).collect();
                let people: Vec<&str> = people.iter().map(String::as_str).collect();
                history.ask(NAMES[*c], &people)
            }
            Step::Pause(c) => history.command(NAMES[*c], &Command::Pause),
            Step::Resume(c) => history.command(NAMES[*c], &Command::Resume),
            Step::Restock(c, stock) => history.stock(NAMES[*c], *stock),
            Step::Fence(c) => history.fence(NAMES[*c]),
            Step::Acted(c) => history.acted(NAMES[*c]),
            Step::Wait(milliseconds) => history.after(*milliseconds),
        };
    }
    history
}

proptest! {
    #[test]
    fn any_split_into_batches_gives_the_same_views(
        steps in prop::collection::vec(step(), 0..40),
        cuts in prop::collection::vec(1..6_usize, 1..40),
    ) {
        let history = history(&steps);
        let mut store = Store::default();
        let mut rest = history.deliveries.as_slice();
        for cut in cuts.into_iter().chain(std::iter::repeat(7)) {
            if rest.is_empty() {
                break;
            }
            let (batch, after) = rest.split_at(cut.min(rest.len()));
            store.apply(batch, usize::MAX);
            rest = after;
        }
        prop_assert_eq!(store, Store::of(&history.deliveries));
    }

    #[test]
    fn a_batch_that_comes_again_changes_nothing_even_after_a_half_written_one(
        steps in prop::collection::vec(step(), 1..40),
        from in 0..40_usize,
        written in prop::collection::vec(0..30_usize, 0..4),
    ) {
        let history = history(&steps);
        let from = from.min(history.deliveries.len());
        let mut store = Store::of(&history.deliveries[..from]);
        for documents in written {
            store.apply(&history.deliveries[from..], documents);
        }
        store.apply(&history.deliveries[from..], usize::MAX);
        let whole = Store::of(&history.deliveries);
        prop_assert_eq!(&store, &whole);
        store.apply(&history.deliveries, usize::MAX);
        prop_assert_eq!(store, whole);
    }

    #[test]
    fn the_counts_are_those_of_the_coupons(steps in prop::collection::vec(step(), 0..40)) {
        let history = history(&steps);
        let store = Store::of(&history.deliveries);
        for (id, view) in &store.views.campaigns {
            let coupons: Vec<&CouponView> = store.coupons.values().filter(|each| each.campaign == *id).collect();
            let count = u64::try_from(coupons.len()).unwrap();
            prop_assert_eq!(view.totals.issued, count);
            prop_assert_eq!(view.highest, count);
            prop_assert_eq!(view.issued(), vec![count]);
            prop_assert_eq!(view.first_issued_at, coupons.iter().map(|each| each.issued_at).min());
            prop_assert_eq!(view.last_issued_at, coupons.iter().map(|each| each.issued_at).max());
            let mut seconds = BTreeMap::<Millis, u64>::new();
            for coupon in coupons {
                *seconds.entry(second(coupon.issued_at)).or_default() += 1;
            }
            prop_assert_eq!(view.peak_per_second, seconds.values().copied().max().unwrap_or(0));
            let buckets = store.views.buckets.iter().filter(|((campaign, _), _)| campaign == id);
            let buckets: BTreeMap<Millis, u64> =
                buckets.map(|((_, at), bucket)| (*at, bucket.counts.issued)).collect();
            prop_assert_eq!(buckets, seconds);
        }
    }
}

fn view(history: &History, name: &str) -> CampaignView {
    Store::of(&history.deliveries).views.campaigns[&id(name)].clone()
}

#[test]
fn a_campaign_tells_how_fast_it_sold_out_until_stock_is_added() {
    let mut history = History::new();
    history.create("summer", 3).after(2_000).ask("summer", &["a"]);
    let open = view(&history, "summer").on_wire(history.now).unwrap();
    assert_eq!((open.state, open.seconds_to_sell_out), (CampaignState::Open, None));
    history.after(500).ask("summer", &["b", "c", "d"]);
    let sold = view(&history, "summer").on_wire(history.now).unwrap();
    assert_eq!((sold.state, sold.reason), (CampaignState::Closed, Some(StateReason::SoldOut)));
    assert_eq!((sold.totals.issued, sold.stock, sold.peak_per_second), (3, 3, 3));
    assert_eq!(sold.seconds_to_sell_out, Some(2.5));
    assert_eq!(sold.first_issued_at, Some(Time(OPENS.plus(2_000))));
    assert_eq!(sold.last_issued_at, Some(Time(OPENS.plus(2_500))));
    history.stock("summer", 4);
    let restocked = view(&history, "summer").on_wire(history.now).unwrap();
    assert_eq!((restocked.state, restocked.stock), (CampaignState::Open, 4));
    assert_eq!(restocked.seconds_to_sell_out, None);
    let over = view(&history, "summer").on_wire(CLOSES).unwrap();
    assert_eq!((over.state, over.reason), (CampaignState::Closed, Some(StateReason::Ended)));
}

#[test]
fn the_time_to_sell_out_begins_when_people_could_first_ask() {
    let sold_out_in = |created: i64, asked: i64| {
        let mut history = History::new();
        history.after(created).create("summer", 1).after(asked - created).ask("summer", &["a"]);
        view(&history, "summer")
    };
    let on_wire = |view: &CampaignView| view.on_wire(CLOSES).unwrap().seconds_to_sell_out;
    assert_eq!(on_wire(&sold_out_in(-5_000, 2_000)), Some(2.0), "created before the opening");
    let late = sold_out_in(60_000, 61_500);
    assert_eq!(on_wire(&late), Some(1.5), "created when it was open");
    // A document from before the creation was kept: readable, and counted from the opening.
    let mut json = serde_json::to_value(&late).unwrap();
    assert!(json.as_object_mut().unwrap().remove("created_at").is_some());
    let old: CampaignView = serde_json::from_value(json).unwrap();
    assert_eq!(on_wire(&old), Some(61.5));
}

#[test]
fn a_message_that_does_not_continue_its_campaign_breaks() {
    let mut history = History::new();
    history.create("summer", 3).ask("summer", &["a"]).ask("summer", &["b"]);
    let without_the_second = [history.deliveries[0].clone(), history.deliveries[2].clone()];
    let broken = Views::default().fold(&without_the_second).unwrap_err();
    assert!(matches!(&broken, Unfit::Broken(broken) if broken.sequence == 3), "{broken}");
}

#[test]
fn data_that_makes_no_sense_is_refused() {
    type Spoil = fn(&mut Event);
    let spoils: [(&str, Spoil); 4] = [
        ("window 99 is not known", |event| {
            if let Event::CouponsIssued { window, .. } = event {
                *window = 99;
            }
        }),
        ("coupon 1 comes after coupon 1", |event| {
            if let Event::CouponsIssued { coupons, .. } = event {
                coupons[0].seq = 1;
            }
        }),
        ("coupon 2 has no usable code", |event| {
            if let Event::CouponsIssued { coupons, .. } = event {
                coupons[0].code.clear();
            }
        }),
        ("operator_acted does not belong on this subject", |event| {
            *event =
                Event::OperatorActed { actor: String::new(), action: String::new(), target: String::new() };
        }),
    ];
    for (reason, spoil) in spoils {
        let mut history = History::new();
        history.create("summer", 3).ask("summer", &["a"]).ask("summer", &["b"]);
        spoil(&mut history.deliveries[2].message.entries[0].event);
        let unfit = Views::default().fold(&history.deliveries).unwrap_err();
        assert_eq!(unfit, Unfit::Refused(reason.to_owned()));
    }
}

#[test]
fn behind_a_discarded_message_the_campaign_goes_on() {
    let mut history = History::new();
    history.create("summer", 9).ask("summer", &["a"]).poison("summer", "b").ask("summer", &["c"]);
    let mut views = Views::default();
    views.fold(&history.deliveries[..2]).unwrap();
    let skipped = &history.deliveries[2];
    let chain = Chain::at(skipped.position.sequence, &skipped.message);
    views.skip(&id("summer"), Lane::Decisions, chain, skipped.position);
    views.fold(&history.deliveries[3..]).unwrap();
    let seqs: Vec<u64> = views.coupons.iter().map(|coupon| coupon.seq).collect();
    assert_eq!(seqs, [1, 3]);
    assert_eq!(views.campaigns[&id("summer")].totals.issued, 2);
}
