//! Several instances at once: batches and operators' commands come between each other, and each is decided on what it
//! stands behind.

use std::sync::Arc;

use firstcome_shared::domain::{Command, Patch, Verdict, WindowPatch};

use super::{NOON, book, call, connect, definition, id, load, open, outbox, people, rows};
use crate::gate::Gate;

const BATCHES: u64 = 150;
const COMMANDS: u64 = 40;

/// Every entry that anybody was told of stands in the outbox, once; and folded one after the other they give what the
/// gate holds.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn batches_and_commands_come_between_each_other() {
    let server = open().await;
    let begun = book(definition(1_000));
    load(&server.gate, 1, begun.clone()).await.unwrap();
    let mut tasks = Vec::new();
    for instance in 0..3_u64 {
        let gate = Arc::new(connect(&server.redis.url(), &server.clock).await);
        let asking = Arc::clone(&gate);
        tasks.push(tokio::spawn(async move {
            let mut told = Vec::new();
            for batch in 0..BATCHES {
                let reply = asking.decide(&id(), call(1), &people(batch * 5..batch * 5 + 9)).await.unwrap();
                let new =
                    reply.body.iter().filter(|verdict| matches!(verdict, Verdict::Issued { .. })).count();
                assert_eq!(new > 0, !reply.entries.is_empty());
                told.extend(reply.entries);
            }
            told
        }));
        tasks.push(tokio::spawn(async move {
            let mut told = Vec::new();
            for turn in 0..COMMANDS {
                let stock = Some(1_000 + turn * 3 + instance);
                let window = WindowPatch { id: 1, stock, ..WindowPatch::default() };
                let command = match turn % 3 {
                    0 => Command::Pause,
                    1 => Command::Resume,
                    _ => Command::Update(Patch { windows: vec![window], ..Patch::default() }),
                };
                let reply = gate.command(&id(), call(1), &command, "olga").await.unwrap();
                // Another may have added more by then: that is a refusal, and changes nothing.
                assert!(reply.body.is_ok() || (turn % 3 == 2 && reply.entries.is_empty()), "{reply:?}");
                told.extend(reply.entries);
            }
            told
        }));
    }
    let mut told = Vec::new();
    for task in tasks {
        told.extend(task.await.unwrap());
    }
    told.sort_by_key(|entry| entry.decision);
    let kept = outbox(&server.gate, 1).await;
    assert_eq!(told, kept, "each entry was told to exactly one caller");

    let mut folded = begun;
    for entry in &kept {
        folded.apply(entry).unwrap();
    }
    let view = server.gate.view(&id(), call(1)).await.unwrap();
    assert_eq!((view.decision, view.body.version), (folded.decision, folded.version));
    assert_eq!((view.body.definition, view.body.flags), (folded.definition.clone(), folded.flags));
    assert_eq!((view.body.issued, view.body.now), (folded.issued.clone(), NOON));
    let held = rows(&server.gate, 1).await;
    assert_eq!(held.len(), folded.holders.len());
    for (seq, user) in held {
        assert_eq!(folded.holders[&user].latest().seq, seq);
    }
}
