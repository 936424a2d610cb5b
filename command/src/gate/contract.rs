//! What every gate must do, whatever it is made of. An adapter runs all of it with [`gate_contract`]; a case that the
//! macro does not list is dead code, which the build refuses.

mod guard;
mod history;
mod outbox;
mod rules;

use async_trait::async_trait;
use firstcome_shared::clock::Millis;
use firstcome_shared::domain::{
    Ask, Book, CampaignId, Definition, RequestKey, Terms, UserId, Verdict, Window,
};
use firstcome_shared::event::Entry;
use firstcome_shared::wire::LimitPer;

use super::{Call, Gate, GateError, Load, Logged, Reply};

pub(super) use guard::*;
pub(super) use history::*;
pub(super) use outbox::*;
pub(super) use rules::*;

/// Generates one test a case; `$open` is an async function that gives a [`Rig`] around an empty gate.
macro_rules! gate_contract {
    ($open:path) => {
        gate_contract!($open:
            refuses_what_was_never_loaded,
            loads_an_epoch_once_and_whole,
            refuses_a_load_for_another_incarnation_or_an_older_epoch,
            a_wrong_epoch_is_refused_and_changes_nothing,
            what_it_forgot_is_refused_until_it_is_loaded_anew,
            what_another_memory_left_gives_way_to_a_later_epoch_only,
            what_is_held_of_another_log_is_refused_and_gives_way_to_any_epoch,
            clocks_apart_are_refused_and_nothing_is_decided,
            gate_time_never_goes_back,
            a_glance_tells_whether_anybody_new_can_have_got_a_coupon,
            every_decision_is_numbered_and_in_the_outbox,
            asking_whether_it_takes_writes_changes_nothing,
            trims_only_what_a_call_says_is_logged_and_never_less,
            the_outbox_is_read_from_a_place_within_a_budget,
            the_same_person_twice_in_a_batch_gets_one_coupon,
            keys_tell_a_retry_from_a_wish,
            operators_commands_are_idempotent_and_a_refused_one_changes_nothing,
            rows_come_from_the_holders,
            campaigns_are_kept_apart,
            calls_at_the_same_time_are_decided_one_after_the_other,
            histories_agree_with_the_book_step_by_step,
            a_book_folded_from_the_outbox_goes_on_like_the_gate,
        );
    };
    ($open:path: $($case:ident),+ $(,)?) => {
        $(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $case() {
                let rig = $open().await;
                $crate::gate::contract::$case(&rig).await;
            }
        )+
    };
}
pub(super) use gate_contract;

/// A gate, and what a test does to it from outside.
#[async_trait]
pub(super) trait Rig: Send + Sync {
    fn gate(&self) -> &dyn Gate;

    /// Sets the server's clock; before the first call of this it shows [`NOON`].
    async fn set_time(&self, now: Millis);

    /// Loses everything, as a server does that restarts empty.
    async fn forget(&self);

    /// Becomes another memory, as a server does that restarts, and still shows what the one before held.
    async fn become_another(&self);
}

pub(super) const NOON: Millis = Millis(1_800_000_000_000);
const HOUR: i64 = 3_600_000;
/// The identity of the log that all but one of these tests read.
const LOG: &str = "log";
/// More than any outbox of these tests.
const ALL: usize = 1 << 20;

fn id() -> CampaignId {
    CampaignId::parse("summer").unwrap()
}

fn ask(user: &str) -> Ask {
    Ask { user: UserId::parse(user).unwrap(), key: None }
}

fn wish(user: &str, key: &str) -> Ask {
    Ask { key: Some(RequestKey::parse(key).unwrap()), ..ask(user) }
}

/// Three windows of an hour each: open at noon, in two hours, in four; each with `stock`.
fn definition(stock: u64) -> Definition {
    let window = |number: u32| {
        let opens_at = NOON.plus(2 * HOUR * i64::from(number - 1));
        Window { id: number, opens_at, closes_at: opens_at.plus(HOUR), stock }
    };
    Definition {
        id: id(),
        name: "Summer".to_owned(),
        windows: (1..=3).map(window).collect(),
        per_user_limit: 1,
        limit_per: LimitPer::Campaign,
        coupon: Terms { valid_for_seconds: Some(86_400), ..Terms::default() },
        waiting_room: None,
        key_id: "key".to_owned(),
    }
}

fn book(definition: Definition) -> Book {
    Book::new(definition)
}

/// A call under `epoch` that knows nothing to be logged, at noon.
fn call(epoch: u64) -> Call<'static> {
    Call { log: LOG, epoch, logged: Logged::default(), now: NOON }
}

fn knowing(call: Call<'_>, decision: u64, sequence: u64) -> Call<'_> {
    Call { logged: Logged { decision, sequence }, ..call }
}

/// Loads `book` as `epoch` into the memory that the gate has now.
async fn load(gate: &dyn Gate, epoch: u64, book: Book) -> Result<(), GateError> {
    load_from(LOG, gate, epoch, book).await
}

async fn load_from(log: &str, gate: &dyn Gate, epoch: u64, book: Book) -> Result<(), GateError> {
    let incarnation = gate.incarnation(&id()).await.unwrap();
    let (log, nonce) = (log.to_owned(), format!("nonce {epoch}"));
    let logged = Logged { decision: book.decision, sequence: epoch };
    gate.load(&id(), Load { log, epoch, incarnation, nonce, book, logged }).await
}

/// A gate that holds `summer` under epoch 1, as just created.
async fn loaded(rig: &dyn Rig, definition: Definition) -> &dyn Gate {
    load(rig.gate(), 1, book(definition)).await.unwrap();
    rig.gate()
}

async fn decide(gate: &dyn Gate, call: Call<'_>, asks: &[Ask]) -> Reply<Vec<Verdict>> {
    gate.decide(&id(), call, asks).await.unwrap()
}

async fn outbox(gate: &dyn Gate, call: Call<'_>) -> Vec<Entry> {
    gate.outbox(&id(), call, 0, ALL).await.unwrap().body
}

/// Everything that the gate holds of `summer`, for comparing.
async fn everything(
    gate: &dyn Gate,
    call: Call<'_>,
) -> (super::View, Vec<(u64, UserId)>, Vec<Entry>, u64, u64) {
    let view = gate.view(&id(), call).await.unwrap();
    let rows = gate.rows(&id(), call, 1, u64::MAX).await.unwrap();
    let mut rows: Vec<_> = rows.body.into_iter().map(|row| (row.held.seq, row.user)).collect();
    rows.sort();
    (view.body, rows, outbox(gate, call).await, view.decision, view.logged)
}

fn seq(verdict: &Verdict) -> u64 {
    match verdict {
        Verdict::Issued { held, .. } | Verdict::AlreadyIssued(held) => held.seq,
        other => panic!("no coupon: {other:?}"),
    }
}
