//! The contract on one server and on a cluster, and what only servers that fail, restart or are set wrong can show.

mod cluster;
mod deposed;
mod doubt;
mod fitness;
mod pure;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use firstcome_testkit::{Nats, shared};
use futures::StreamExt;
use tokio::time::{Instant, sleep};

use super::*;
use crate::event_log::contract::event_log_contract;

const ALL: Budget = Budget { messages: 10_000, bytes: 1 << 30 };

fn settings(url: String) -> Settings {
    Settings { name: shared::unique("log"), ..Settings::new(url) }
}

async fn opened(settings: &Settings) -> Arc<dyn EventLog> {
    Arc::new(JetStreamLog::open(settings).await.unwrap())
}

fn decisions(name: &str) -> Subject {
    Subject::decisions(&CampaignId::parse(name).unwrap())
}

fn text(number: usize) -> Bytes {
    Bytes::from(format!("message {number}"))
}

/// Appends so many numbered messages, one behind the other.
async fn filled(log: &dyn EventLog, subject: &Subject, numbers: std::ops::Range<usize>) -> u64 {
    let mut end = log.end(subject).await.unwrap().map_or(0, |stored| stored.position.sequence);
    for number in numbers {
        end = log.append(subject, end, text(number)).await.unwrap();
    }
    end
}

/// Asks until there is an answer: servers that come back need a moment.
async fn answered<T, F>(ask: impl Fn() -> F) -> T
where
    F: Future<Output = Result<T, LogUnavailable>>,
{
    let began = Instant::now();
    loop {
        match ask().await {
            Ok(answer) => return answer,
            Err(error) => assert!(began.elapsed() < Duration::from_secs(30), "{error}"),
        }
        sleep(Duration::from_millis(20)).await;
    }
}

/// Reads to the end, as a reader does.
async fn all(log: &dyn EventLog, partition: u32) -> Vec<Stored> {
    let mut messages: Vec<Stored> = Vec::new();
    loop {
        let after = messages.last().map_or(0, |last| last.position.sequence);
        let more = answered(|| log.read_partition(partition, after, ALL)).await;
        if more.is_empty() {
            return messages;
        }
        messages.extend(more);
    }
}

mod one_server {
    use super::*;

    async fn open() -> (Arc<dyn EventLog>, ()) {
        (opened(&settings(shared::nats().await.url())).await, ())
    }

    event_log_contract!(open);
}

/// Partitions share the stream: what is the stream's must not be taken for a partition's.
mod seven_partitions {
    use super::*;

    async fn open() -> (Arc<dyn EventLog>, ()) {
        (opened(&Settings { partitions: 7, ..settings(shared::nats().await.url()) }).await, ())
    }

    event_log_contract!(open);

    #[tokio::test]
    async fn each_partition_counts_and_ends_for_itself() {
        let (log, ()) = open().await;
        let (one, other) = (decisions("summer"), decisions("winter"));
        let [ours, theirs] = [&one, &other].map(|subject| subject.partition(7));
        assert_ne!(ours, theirs, "choose names that fall into two partitions");
        let first = filled(&*log, &one, 0..1).await;
        filled(&*log, &other, 0..2).await;
        let end = filled(&*log, &one, 1..4).await;
        filled(&*log, &other, 2..5).await;
        let behind = log.backlog(ours, first).await.unwrap();
        assert_eq!((behind.end, behind.messages), (end, 3));
        assert_eq!(log.backlog(ours, end).await.unwrap(), Backlog { end, messages: 0, oldest: None });
        assert_eq!(log.backlog(theirs, 0).await.unwrap().messages, 5);
        assert_eq!(all(&*log, ours).await.len(), 4);
        let empty = (0..7).find(|partition| ![ours, theirs].contains(partition)).unwrap();
        assert_eq!(log.backlog(empty, 0).await.unwrap(), Backlog::default());
    }
}

#[tokio::test]
async fn wakes_who_waits_for_a_message_of_another_process() {
    let settings = settings(shared::nats().await.url());
    let (reader, writer) = (opened(&settings).await, opened(&settings).await);
    let mut end = filled(&*writer, &decisions("summer"), 0..1).await;
    assert_eq!(all(&*reader, 0).await.len(), 1);
    for number in 1..20 {
        let waiting = tokio::spawn({
            let (reader, after) = (Arc::clone(&reader), end);
            async move { reader.changed(0, after).await }
        });
        end = filled(&*writer, &decisions("summer"), number..number + 1).await;
        // Sooner than the next request for a message would find it.
        tokio::time::timeout(Duration::from_secs(9), waiting)
            .await
            .expect("wakes within the deadline")
            .unwrap();
        let seen = reader.read_partition(0, end - 1, ALL).await.unwrap();
        assert_eq!(seen.iter().map(|stored| &stored.payload).collect::<Vec<_>>(), [&text(number)]);
    }
}

#[tokio::test]
async fn a_reader_that_gave_up_half_way_misses_nothing() {
    let log = opened(&settings(shared::nats().await.url())).await;
    let subject = decisions("summer");
    // Large, so that an answer comes in many pieces.
    let large = |number: usize| Bytes::from(format!("{number:040000}"));
    let mut end = 0;
    for number in 0..300 {
        end = log.append(&subject, end, large(number)).await.unwrap();
    }
    let (mut after, mut read, mut tries) = (0, Vec::new(), 0_u64);
    let few = Budget { messages: 100, ..ALL };
    loop {
        tries += 1;
        // Shorter than an answer takes, and longer: calls are dropped at every point on their way.
        let patience = Duration::from_micros(tries * 137 % 12_000);
        let Ok(more) = tokio::time::timeout(patience, log.read(&subject, after, few)).await else { continue };
        let more = more.unwrap();
        let Some(last) = more.last() else { break };
        after = last.position.sequence;
        read.extend(more.into_iter().map(|stored| stored.payload));
    }
    assert_eq!(read.len(), 300);
    assert!((0..300).map(large).eq(read), "in order, none twice, none left out");
}

#[tokio::test]
async fn lists_more_campaigns_than_anybody_has() {
    const MANY: usize = 3_000;
    let log = opened(&settings(shared::nats().await.url())).await;
    let name = |number: usize| format!("c{number:05}");
    let appends = (0..MANY).map(|number| {
        let log = Arc::clone(&log);
        async move { log.append(&decisions(&name(number)), 0, text(number)).await.unwrap() }
    });
    futures::stream::iter(appends).buffer_unordered(32).collect::<Vec<_>>().await;
    let (mut after, mut names) = (None, Vec::new());
    loop {
        let page = log.campaigns(after.as_deref(), 1_000).await.unwrap();
        let Some(last) = page.last() else { break };
        after = Some(last.to_string());
        names.extend(page.into_iter().map(|campaign| campaign.to_string()));
    }
    assert_eq!(names, (0..MANY).map(name).collect::<Vec<_>>());
}

#[tokio::test]
async fn reading_and_identity_go_on_over_a_restart() {
    let server = Nats::start().await;
    let settings = settings(server.url());
    let log = opened(&settings).await;
    let subject = decisions("summer");
    let sixth = filled(&*log, &subject, 0..6).await;
    let four = log.read_partition(0, 0, Budget { messages: 4, ..ALL }).await.unwrap();
    assert_eq!(four.len(), 4);
    server.restart().await;
    let end = answered(|| log.end(&subject)).await.unwrap();
    assert_eq!(end.position.sequence, sixth, "what was acknowledged is there");
    filled(&*log, &subject, 6..9).await;
    let mut numbers: Vec<Bytes> = four.into_iter().map(|stored| stored.payload).collect();
    let mut after = 4;
    while numbers.len() < 9 {
        let more = answered(|| log.read_partition(0, after, ALL)).await;
        after = more.last().expect("nothing is missing").position.sequence;
        numbers.extend(more.into_iter().map(|stored| stored.payload));
    }
    assert_eq!(numbers, (0..9).map(text).collect::<Vec<_>>());
    assert_eq!(opened(&settings).await.identity(), log.identity());
}

#[tokio::test]
async fn without_a_connection_every_call_says_so_at_once() {
    let server = Nats::start().await;
    let log = opened(&settings(server.url())).await;
    let subject = decisions("summer");
    let end = filled(&*log, &subject, 0..1).await;
    server.kill().await;
    let began = Instant::now();
    assert!(log.end(&subject).await.is_err());
    assert!(log.read_partition(0, 0, ALL).await.is_err());
    assert!(matches!(log.append(&subject, end, text(1)).await, Err(AppendError::Unavailable(_))));
    assert!(log.backlog(0, 0).await.is_err());
    assert!(began.elapsed() < 3 * DEADLINE, "took {:?}", began.elapsed());
    server.restart().await;
    let again = answered(|| async {
        match log.append(&subject, end, text(1)).await {
            Err(AppendError::Unavailable(error)) => Err(error),
            other => Ok(other),
        }
    });
    assert!(again.await.is_ok());
}
