//! What every event log must do, whatever it is made of. An adapter runs all of it with [`event_log_contract`]; a
//! case that the macro does not list is dead code, which the build refuses.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::time::timeout;

use super::{AppendError, Budget, EventLog, Lane, Stored, Subject};
use crate::domain::CampaignId;

/// Generates one test a case; `$open` is an async function that gives an empty log and whatever must outlive it.
macro_rules! event_log_contract {
    ($open:path) => {
        event_log_contract!($open:
            appends_only_behind_the_expected_message,
            shows_what_it_acknowledged_to_everybody,
            of_many_writers_exactly_one_wins_each_place,
            reads_in_order_within_a_budget,
            keeps_subjects_and_lanes_apart,
            counts_what_stands_after_a_checkpoint,
            wakes_who_waits_for_a_message,
            lists_campaigns_in_order,
        );
    };
    ($open:path: $($case:ident),+ $(,)?) => {
        $(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $case() {
                let (log, _kept) = $open().await;
                $crate::event_log::contract::$case(log).await;
            }
        )+
    };
}
pub(super) use event_log_contract;

type Log = Arc<dyn EventLog>;

const ALL: Budget = Budget { messages: 1_000, bytes: 1 << 30 };

fn campaign(name: &str) -> CampaignId {
    CampaignId::parse(name).unwrap()
}

fn decisions(name: &str) -> Subject {
    Subject::decisions(&campaign(name))
}

fn text(number: usize) -> Bytes {
    Bytes::from(format!("message {number}"))
}

fn payloads(messages: &[Stored]) -> Vec<Bytes> {
    messages.iter().map(|message| message.payload.clone()).collect()
}

pub(super) async fn appends_only_behind_the_expected_message(log: Log) {
    let subject = decisions("summer");
    assert_eq!(log.end(&subject).await.unwrap(), None);
    let first = log.append(&subject, 0, text(1)).await.unwrap();
    assert!(first > 0, "0 means: before the first message");
    for wrong in [0, first + 1] {
        match log.append(&subject, wrong, text(2)).await {
            Err(AppendError::Refused { end }) => assert_eq!(end, first),
            other => panic!("expected a refusal that names the end, got {other:?}"),
        }
    }
    let second = log.append(&subject, first, text(2)).await.unwrap();
    assert!(second > first);
    // The same bytes again, as after a lost acknowledgement: stored once.
    assert!(
        matches!(log.append(&subject, first, text(2)).await, Err(AppendError::Refused { end }) if end == second)
    );
    let (begin, end) =
        (log.first(&subject).await.unwrap().unwrap(), log.end(&subject).await.unwrap().unwrap());
    assert_eq!((begin.position.sequence, begin.payload), (first, text(1)));
    assert_eq!((end.position.sequence, end.payload), (second, text(2)));
}

/// An acknowledgement before the commit would be one that a crash takes back.
pub(super) async fn shows_what_it_acknowledged_to_everybody(log: Log) {
    let subject = decisions("summer");
    let mut expected = 0;
    for number in 0..200 {
        let after = expected;
        expected = log.append(&subject, expected, text(number)).await.unwrap();
        let seen = log.read(&subject, after, ALL).await.unwrap();
        assert_eq!(payloads(&seen), [text(number)]);
    }
}

pub(super) async fn of_many_writers_exactly_one_wins_each_place(log: Log) {
    const WRITERS: usize = 4;
    const EACH: usize = 25;
    let writers = (0..WRITERS).map(|writer| {
        let log = Arc::clone(&log);
        tokio::spawn(async move {
            let subject = decisions("contended");
            let mut expected = 0;
            for number in 0..EACH {
                loop {
                    match log.append(&subject, expected, text(writer * EACH + number)).await {
                        Ok(sequence) => {
                            expected = sequence;
                            break;
                        }
                        Err(AppendError::Refused { end }) => expected = end,
                        Err(AppendError::InProcess) => tokio::task::yield_now().await,
                        Err(error) => panic!("{error}"),
                    }
                }
            }
        })
    });
    for writer in writers.collect::<Vec<_>>() {
        writer.await.unwrap();
    }
    let stored = log.read(&decisions("contended"), 0, ALL).await.unwrap();
    let mut seen = payloads(&stored);
    assert!(stored.windows(2).all(|pair| pair[0].position < pair[1].position));
    seen.sort();
    seen.dedup();
    assert_eq!((stored.len(), seen.len()), (WRITERS * EACH, WRITERS * EACH));
}

pub(super) async fn reads_in_order_within_a_budget(log: Log) {
    let subject = decisions("summer");
    let mut expected = 0;
    for number in 0..10 {
        expected = log.append(&subject, expected, text(number)).await.unwrap();
    }
    let three = log.read(&subject, 0, Budget { messages: 3, ..ALL }).await.unwrap();
    assert_eq!(payloads(&three), [text(0), text(1), text(2)]);
    let rest = log.read(&subject, three[2].position.sequence, ALL).await.unwrap();
    assert_eq!(payloads(&rest), (3..10).map(text).collect::<Vec<_>>());
    let least = log.read(&subject, 0, Budget { bytes: 1, ..ALL }).await.unwrap();
    assert_eq!(payloads(&least), [text(0)], "one message always fits");
    assert_eq!(log.read(&subject, expected, ALL).await.unwrap(), []);
}

pub(super) async fn keeps_subjects_and_lanes_apart(log: Log) {
    let (summer, winter) = (decisions("summer"), decisions("winter"));
    let uses = Subject::uses(&campaign("summer"));
    log.append(&summer, 0, text(1)).await.unwrap();
    log.append(&winter, 0, text(2)).await.expect("another campaign has an end of its own");
    log.append(&uses, 0, text(3)).await.expect("another lane has an end of its own");
    assert_eq!(payloads(&log.read(&summer, 0, ALL).await.unwrap()), [text(1)]);
    let both = log.read_campaign(&summer.campaign, 0, ALL).await.unwrap();
    assert_eq!(payloads(&both), [text(1), text(3)]);
    assert_eq!(
        both.iter().map(|stored| stored.subject.lane).collect::<Vec<_>>(),
        [Lane::Decisions, Lane::Uses]
    );
    let partition = summer.partition(log.partitions());
    assert_eq!(uses.partition(log.partitions()), partition, "a campaign lives in one partition");
    let mut whole = log.read_partition(partition, 0, ALL).await.unwrap();
    whole.retain(|stored| stored.subject.campaign == summer.campaign);
    assert_eq!(payloads(&whole), [text(1), text(3)]);
}

pub(super) async fn counts_what_stands_after_a_checkpoint(log: Log) {
    let subject = decisions("summer");
    let partition = subject.partition(log.partitions());
    assert_eq!(log.backlog(partition, 0).await.unwrap(), super::Backlog::default());
    let first = log.append(&subject, 0, text(1)).await.unwrap();
    let second = log.append(&subject, first, text(2)).await.unwrap();
    let behind = log.backlog(partition, first).await.unwrap();
    let stored_at = log.end(&subject).await.unwrap().unwrap().stored_at;
    assert_eq!((behind.end, behind.messages, behind.oldest), (second, 1, Some(stored_at)));
    let level = log.backlog(partition, second).await.unwrap();
    assert_eq!((level.end, level.messages, level.oldest), (second, 0, None));
    for least in [0, second, second + 1, u64::MAX] {
        assert_eq!(log.last_sequence(partition, least).await.unwrap(), second, "at least {least}");
    }
}

pub(super) async fn wakes_who_waits_for_a_message(log: Log) {
    let subject = decisions("summer");
    let partition = subject.partition(log.partitions());
    let waiting = tokio::spawn({
        let log = Arc::clone(&log);
        async move { log.changed(partition, 0).await }
    });
    log.append(&subject, 0, text(1)).await.unwrap();
    timeout(Duration::from_secs(9), waiting).await.expect("wakes within the deadline").unwrap();
}

pub(super) async fn lists_campaigns_in_order(log: Log) {
    for name in ["winter", "autumn", "summer"] {
        log.append(&decisions(name), 0, text(1)).await.unwrap();
    }
    let names = |campaigns: Vec<CampaignId>| campaigns.iter().map(ToString::to_string).collect::<Vec<_>>();
    assert_eq!(names(log.campaigns(None, 2).await.unwrap()), ["autumn", "summer"]);
    assert_eq!(names(log.campaigns(Some("summer"), 2).await.unwrap()), ["winter"]);
    assert_eq!(names(log.campaigns(Some("winter"), 2).await.unwrap()), Vec::<String>::new());
}
