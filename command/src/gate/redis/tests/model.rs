//! The script against the pure function: histories drawn by proptest, each shrunk to its core when the two disagree.

use std::sync::atomic::{AtomicU64, Ordering};

use firstcome_shared::domain::{Ask, Command, Definition, Patch, Window, WindowPatch};
use firstcome_shared::wire::LimitPer;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use super::{LOG, NOON, Rig, Server, book, id, load, open};
use crate::gate::{Call, Gate, Logged};
use crate::testing::{person, wish};

const HOUR: i64 = 3_600_000;

#[derive(Clone, Debug)]
enum Step {
    /// People and their keys, if any.
    Ask(Vec<(u8, Option<u8>)>),
    Operate(Command),
    /// So much later, or a little earlier, on the server's clock.
    Pass(i64),
    /// All but so many entries are logged.
    Log(usize),
    /// What the gate holds is folded and loaded as the next epoch.
    Rebuild,
}

fn campaign() -> impl Strategy<Value = Definition> {
    let windows = prop::collection::vec((0_i64..3, 1_i64..4, 1_u64..12), 1..=4);
    (windows, 1_u32..=3, any::<bool>(), any::<bool>()).prop_map(|(spans, limit, per_window, expires)| {
        let mut opens_at = NOON.plus(-HOUR);
        let mut windows = Vec::new();
        for (id, (gap, hours, stock)) in (1..).zip(spans) {
            opens_at = opens_at.plus(gap * HOUR);
            let closes_at = opens_at.plus(hours * HOUR);
            windows.push(Window { id, opens_at, closes_at, stock });
            opens_at = closes_at;
        }
        let mut definition = super::definition(1);
        definition.windows = windows;
        definition.per_user_limit = limit;
        definition.limit_per = if per_window { LimitPer::Window } else { LimitPer::Campaign };
        definition.coupon.expires_at = expires.then(|| NOON.plus(100 * HOUR));
        definition
    })
}

fn step() -> impl Strategy<Value = Step> {
    // Keys that are parts of each other, and of the numbers beside them.
    let ask = (0_u8..9, prop::option::of(0_u8..5));
    let window = (1_u32..=5, prop::option::of(1_u64..15), prop::option::of((-3_i64..12, 1_i64..4))).prop_map(
        |(id, stock, times)| WindowPatch {
            id,
            stock,
            opens_at: times.map(|(opens, _)| NOON.plus(opens * HOUR)),
            closes_at: times.map(|(opens, hours)| NOON.plus((opens + hours) * HOUR)),
        },
    );
    let patch = (prop::option::of("[a-z]{1,5}"), prop::collection::vec(window, 0..3))
        .prop_map(|(name, windows)| Command::Update(Patch { name, windows, ..Patch::default() }));
    let command = prop_oneof![
        3 => Just(Command::Pause),
        5 => Just(Command::Resume),
        1 => Just(Command::Cancel),
        8 => patch,
    ];
    prop_oneof![
        10 => prop::collection::vec(ask, 0..12).prop_map(Step::Ask),
        2 => command.prop_map(Step::Operate),
        3 => prop_oneof![-4_000_i64..0, 0_i64..HOUR, Just(HOUR), Just(HOUR - 1), Just(1)].prop_map(Step::Pass),
        2 => (0_usize..4).prop_map(Step::Log),
        1 => Just(Step::Rebuild),
    ]
}

fn asks(drawn: &[(u8, Option<u8>)]) -> Vec<Ask> {
    const KEYS: [&str; 5] = ["1", "11", "111", " ", "0"];
    let ask = |(user, key): &(u8, Option<u8>)| match key {
        Some(key) => wish(user, KEYS[usize::from(*key)]),
        None => person(user),
    };
    drawn.iter().map(ask).collect()
}

/// Plays one history; each begins in an epoch of its own.
async fn play(
    server: &Server,
    first_epoch: u64,
    definition: Definition,
    steps: &[Step],
) -> Result<(), TestCaseError> {
    let (gate, mut epoch) = (&server.gate, first_epoch);
    let mut model = book(definition);
    server.set_time(NOON).await;
    load(gate, epoch, model.clone()).await.unwrap();
    let (mut now, mut waiting, mut logged) = (NOON, Vec::new(), Logged::default());
    for step in steps {
        let call = Call { log: LOG, epoch, logged, now };
        match step {
            Step::Ask(drawn) => {
                let asks = asks(drawn);
                let expected = model.decide(&asks, now);
                let reply = gate.decide(&id(), call, &asks).await.unwrap();
                prop_assert_eq!(reply.body, expected.verdicts);
                prop_assert_eq!(&reply.entries, &expected.entries);
                prop_assert_eq!((reply.decision, reply.logged), (model.decision, logged.decision));
                waiting.extend(reply.entries);
            }
            Step::Operate(command) => {
                let expected = model.command(command, "olga", now);
                let reply = gate.command(&id(), call, command, "olga").await.unwrap();
                prop_assert_eq!(&reply.entries, &expected.clone().unwrap_or_default());
                prop_assert_eq!(reply.body, expected.map(|_| ()));
                prop_assert_eq!((reply.decision, reply.logged), (model.decision, logged.decision));
                waiting.extend(reply.entries);
            }
            Step::Pass(milliseconds) => {
                // Never so far back that the clocks would be too far apart.
                now = now.plus(*milliseconds).max(model.last_time.plus(-4_000));
                server.set_time(now).await;
            }
            Step::Log(kept) => {
                let gone = waiting.len().saturating_sub(*kept);
                waiting.drain(..gone);
                let decision = model.decision - u64::try_from(waiting.len()).unwrap();
                logged = Logged { decision, sequence: logged.sequence + 1 };
            }
            Step::Rebuild => {
                epoch += 1;
                logged = Logged { decision: model.decision, sequence: logged.sequence + 1 };
                waiting.clear();
                load(gate, epoch, model.clone()).await.unwrap();
            }
        }
        let call = Call { log: LOG, epoch, logged, now };
        let held = gate.outbox(&id(), call, 0, 1 << 30).await.unwrap();
        prop_assert_eq!(&held.body, &waiting);
        let view = gate.view(&id(), call).await.unwrap().body;
        prop_assert_eq!(
            (&view.definition, view.flags, &view.issued),
            (&model.definition, model.flags, &model.issued)
        );
        prop_assert_eq!((view.version, view.now), (model.version, model.gate_time(now)));
        let rows = gate.rows(&id(), call, 1, u64::MAX).await.unwrap().body;
        let rows: Vec<_> = rows.into_iter().map(|row| (row.held.seq, row.user, row.held)).collect();
        let held = model.holders.iter().flat_map(|(user, all)| all.iter().map(move |held| (user, held)));
        let mut expected: Vec<_> = held.map(|(user, held)| (held.seq, user.clone(), held.clone())).collect();
        expected.sort_by_key(|(seq, ..)| *seq);
        prop_assert_eq!(rows, expected);
    }
    Ok(())
}

#[test]
fn generated_histories_agree_with_the_pure_function_step_by_step() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let server = runtime.block_on(open());
    let epoch = AtomicU64::new(1);
    let mut runner = TestRunner::new(Config { cases: 96, failure_persistence: None, ..Config::default() });
    let histories = (campaign(), prop::collection::vec(step(), 1..40));
    let outcome = runner.run(&histories, |(definition, steps)| {
        let first_epoch = epoch.fetch_add(1_000, Ordering::Relaxed);
        runtime.block_on(play(&server, first_epoch, definition, &steps))
    });
    if let Err(failure) = outcome {
        panic!("{failure}");
    }
}
