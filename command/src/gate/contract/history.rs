//! Histories drawn at random from a seed run through the gate and through the domain's own rules, and must agree at
//! every step: the pure function is the model of every gate.

use firstcome_shared::clock::Millis;
use firstcome_shared::domain::{Book, Command, Definition, Patch, WindowPatch};
use firstcome_shared::event::Entry;
use firstcome_shared::wire::LimitPer;

use super::{ALL, HOUR, LOG, NOON, Rig, ask, book, definition, id, load, outbox, wish};
use crate::gate::{Call, Logged};
use crate::testing::Dice;

const SEEDS: u64 = 12;
const STEPS: u64 = 150;

/// Draws histories.
struct Story(Dice);

impl Story {
    fn definition(&mut self) -> Definition {
        Definition {
            per_user_limit: 1 + self.0.small(3),
            limit_per: if self.0.below(2) == 0 { LimitPer::Campaign } else { LimitPer::Window },
            ..definition(3 + self.0.below(20))
        }
    }

    fn command(&mut self) -> Command {
        let window = 1 + self.0.small(4);
        match self.0.below(12) {
            0..=2 => Command::Pause,
            3..=6 => Command::Resume,
            7 if self.0.below(8) == 0 => Command::Cancel,
            8 => {
                let opens_at = Some(NOON.plus(i64::try_from(self.0.below(6)).unwrap() * HOUR));
                let patch = WindowPatch { id: window, opens_at, ..WindowPatch::default() };
                Command::Update(Patch {
                    windows: vec![patch],
                    name: Some("New".to_owned()),
                    ..Patch::default()
                })
            }
            _ => {
                let patch =
                    WindowPatch { id: window, stock: Some(self.0.below(30)), ..WindowPatch::default() };
                Command::Update(Patch { windows: vec![patch], ..Patch::default() })
            }
        }
    }
}

pub(in crate::gate) async fn histories_agree_with_the_book_step_by_step(rig: &dyn Rig) {
    let mut epoch = 0;
    let mut now = NOON;
    for seed in 1..=SEEDS {
        let mut story = Story(Dice(seed));
        let mut model = book(story.definition());
        epoch += 1;
        load(rig.gate(), epoch, model.clone()).await.unwrap();
        now = Millis(now.0.min(NOON.0));
        let (mut waiting, mut logged): (Vec<Entry>, Logged) = (Vec::new(), Logged::default());
        for step in 0..STEPS {
            let told = format!("seed {seed}, step {step}");
            // Some steps over the whole story, so that windows open and close; sometimes a little back.
            now = now.plus(i64::try_from(story.0.below(5 * 60_000)).unwrap());
            let server = if story.0.below(5) == 0 { now.plus(-2_000) } else { now };
            rig.set_time(server).await;
            if story.0.below(3) == 0 && !waiting.is_empty() {
                let kept = usize::try_from(story.0.below(u64::try_from(waiting.len()).unwrap())).unwrap();
                waiting.drain(..waiting.len() - kept);
                logged =
                    Logged { decision: model.decision - u64::try_from(kept).unwrap(), sequence: 10 + step };
            }
            let call = Call { log: LOG, epoch, logged, now: server };
            let entries = if story.0.below(6) == 0 {
                let command = story.command();
                let expected = model.command(&command, "olga", server);
                let reply = rig.gate().command(&id(), call, &command, "olga").await.unwrap();
                assert_eq!(reply.entries, expected.clone().unwrap_or_default(), "{told}: {command:?}");
                assert_eq!(reply.body, expected.map(|_| ()), "{told}: {command:?}");
                reply.entries
            } else {
                let asks: Vec<_> = (0..=story.0.below(8))
                    .map(|_| {
                        let (user, key) =
                            (format!("u-{}", story.0.below(25)), format!("k-{}", story.0.below(6)));
                        if story.0.below(4) == 0 { ask(&user) } else { wish(&user, &key) }
                    })
                    .collect();
                let expected = model.decide(&asks, server);
                let reply = rig.gate().decide(&id(), call, &asks).await.unwrap();
                assert_eq!(reply.body, expected.verdicts, "{told}: {asks:?}");
                assert_eq!(reply.entries, expected.entries, "{told}");
                assert_eq!((reply.decision, reply.logged), (model.decision, logged.decision), "{told}");
                reply.entries
            };
            waiting.extend(entries);
            assert_eq!(outbox(rig.gate(), call).await, waiting, "{told}");
            agrees(rig, call, &model, &told).await;
        }
    }
}

async fn agrees(rig: &dyn Rig, call: Call<'_>, model: &Book, told: &str) {
    let view = rig.gate().view(&id(), call).await.unwrap().body;
    assert_eq!(
        (&view.definition, view.flags, &view.issued),
        (&model.definition, model.flags, &model.issued),
        "{told}"
    );
    assert_eq!((view.version, view.now), (model.version, model.gate_time(call.now)), "{told}");
    let mut rows = rig.gate().rows(&id(), call, 1, u64::MAX).await.unwrap().body;
    rows.sort_by_key(|row| row.held.seq);
    let mut expected: Vec<_> =
        model.holders.iter().flat_map(|(user, held)| held.iter().map(move |h| (user, h))).collect();
    expected.sort_by_key(|(_, held)| held.seq);
    let rows: Vec<_> = rows.iter().map(|row| (&row.user, &row.held)).collect();
    assert_eq!(rows, expected, "{told}");
}

/// A rebuild: what was decided so far, folded from the entries and loaded as the next epoch, decides like the gate
/// that was never lost.
pub(in crate::gate) async fn a_book_folded_from_the_outbox_goes_on_like_the_gate(rig: &dyn Rig) {
    let gate = rig.gate();
    let mut dice = Dice(99);
    let (mut model, mut folded) = (book(definition(40)), book(definition(40)));
    load(gate, 1, model.clone()).await.unwrap();
    for epoch in 1..=20 {
        let call = Call { log: LOG, epoch, logged: Logged::default(), now: NOON };
        for _ in 0..5 {
            let asks: Vec<_> = (0..3).map(|_| ask(&format!("u-{}", dice.below(60)))).collect();
            let reply = gate.decide(&id(), call, &asks).await.unwrap();
            assert_eq!(reply.body, model.decide(&asks, NOON).verdicts);
        }
        for entry in gate.outbox(&id(), call, folded.decision, ALL).await.unwrap().body {
            folded.apply(&entry).unwrap();
        }
        assert_eq!(folded, model);
        load(gate, epoch + 1, folded.clone()).await.unwrap();
    }
}
