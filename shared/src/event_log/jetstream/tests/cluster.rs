//! Three servers, three copies: the contract, and what happens when servers die.

use std::sync::atomic::{AtomicUsize, Ordering};

use firstcome_testkit::NatsCluster;
use futures::StreamExt;
use tokio::sync::OnceCell;

use super::doubt::settle;
use super::*;
use crate::clock::random_hex;

static CLUSTER: OnceCell<NatsCluster> = OnceCell::const_new();

fn copied(cluster: &NatsCluster) -> Settings {
    Settings { replicas: 3, ..settings(cluster.url()) }
}

async fn open() -> (Arc<dyn EventLog>, ()) {
    let cluster = CLUSTER.get_or_init(NatsCluster::start).await;
    (opened(&copied(cluster)).await, ())
}

event_log_contract!(open);

/// Which node leads the stream, as one of them tells.
async fn leader(cluster: &NatsCluster, stream: &str) -> usize {
    let began = Instant::now();
    loop {
        for node in cluster.nodes() {
            let Ok(client) = async_nats::connect(node.url()).await else { continue };
            let context = async_nats::jetstream::new(client);
            let Ok(stream) = context.get_stream(stream).await else { continue };
            let led = stream.cached_info().cluster.as_ref().and_then(|cluster| cluster.leader.clone());
            let place = led.and_then(|name| {
                cluster
                    .nodes()
                    .iter()
                    .position(|node| cluster.named(&name).is_some_and(|named| std::ptr::eq(named, node)))
            });
            if let Some(place) = place {
                return place;
            }
        }
        assert!(began.elapsed() < Duration::from_secs(30), "no leader");
        sleep(Duration::from_millis(50)).await;
    }
}

/// One message: its number in the log, who wrote it, and something that no other message has.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Numbered {
    number: u64,
    bytes: Bytes,
}

impl Numbered {
    fn new(number: u64, writer: usize) -> Self {
        let bytes = Bytes::from(format!("{number} {writer} {}", random_hex::<8>()));
        Self { number, bytes }
    }

    fn read(stored: &Stored) -> Self {
        let bytes = stored.payload.clone();
        let number = std::str::from_utf8(&bytes).unwrap().split(' ').next().unwrap().parse().unwrap();
        Self { number, bytes }
    }
}

/// Appends as an appender does (ARCHITECTURE L2 to L5), against all others; returns what it was told is stored.
async fn write(
    log: Arc<dyn EventLog>,
    writer: usize,
    total: u64,
    count: Arc<AtomicUsize>,
) -> Vec<(u64, Numbered)> {
    let subject = decisions("contended");
    let (mut end, mut last, mut mine) = (0, 0, Vec::new());
    let mut attempt: Option<Numbered> = None;
    while last < total {
        let message = attempt.take().unwrap_or_else(|| Numbered::new(last + 1, writer));
        match log.append(&subject, end, message.bytes.clone()).await {
            Ok(sequence) => {
                (end, last) = (sequence, message.number);
                mine.push((sequence, message));
                count.fetch_add(1, Ordering::SeqCst);
                continue;
            }
            Err(AppendError::InProcess) => {
                attempt = Some(message);
                sleep(Duration::from_millis(2)).await;
                continue;
            }
            Err(AppendError::Refused { .. } | AppendError::Unavailable(_)) => attempt = Some(message.clone()),
        }
        // Only the very next message can be this one; what stands there settles the doubt.
        let one = Budget { messages: 1, ..ALL };
        if let Some(next) = answered(|| log.read(&subject, end, one)).await.first() {
            let found = Numbered::read(next);
            if found == message {
                mine.push((next.position.sequence, message));
                count.fetch_add(1, Ordering::SeqCst);
            }
            let newest = answered(|| log.end(&subject)).await.expect("it has messages");
            (end, last) = (newest.position.sequence, Numbered::read(&newest).number);
            attempt = None;
        }
    }
    mine
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_writers_and_a_leader_killed_in_the_middle() {
    const TOTAL: u64 = 900;
    let cluster = NatsCluster::start().await;
    let settings = copied(&cluster);
    let count = Arc::new(AtomicUsize::new(0));
    let mut writers = Vec::new();
    for writer in 0..2 {
        let log = opened(&settings).await;
        writers.push(tokio::spawn(write(log, writer, TOTAL, Arc::clone(&count))));
    }
    // Twice, so that the one that was killed has to catch up and be one of a quorum again.
    let mut killed: Option<usize> = None;
    for at in [200, 500] {
        let began = Instant::now();
        while count.load(Ordering::SeqCst) < at {
            assert!(began.elapsed() < Duration::from_mins(1), "stuck at {}", count.load(Ordering::SeqCst));
            sleep(Duration::from_millis(1)).await;
        }
        if let Some(node) = killed {
            cluster.node(node).restart().await;
        }
        let leads = leader(&cluster, &settings.name).await;
        cluster.node(leads).kill().await;
        killed = Some(leads);
    }
    let mut told = Vec::new();
    for writer in writers {
        let mine = writer.await.unwrap();
        assert!(!mine.is_empty(), "one writer never won");
        told.extend(mine);
    }
    told.sort_by_key(|(sequence, _)| *sequence);
    let log = opened(&settings).await;
    let stored: Vec<(u64, Numbered)> =
        all(&*log, 0).await.iter().map(|stored| (stored.position.sequence, Numbered::read(stored))).collect();
    let numbers: Vec<u64> = stored.iter().map(|(_, message)| message.number).collect();
    assert_eq!(numbers, (1..=TOTAL).collect::<Vec<_>>(), "in order, none twice, none lost");
    assert_eq!(stored, told, "exactly what the writers were told, where they were told");
}

/// A follower may be old: what was acknowledged must be read all the same, by whoever is connected to it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reader_connected_to_a_follower_sees_what_was_acknowledged() {
    let cluster = CLUSTER.get_or_init(NatsCluster::start).await;
    let settings = copied(cluster);
    let writer = opened(&settings).await;
    let leads = leader(cluster, &settings.name).await;
    let url = cluster.node((leads + 1) % 3).url();
    let reader = opened(&Settings { url, ..settings }).await;
    let subject = decisions("summer");
    let mut end = 0;
    for number in 0..100 {
        let after = end;
        end = settle(&*writer, &subject, end, &text(number)).await;
        // An answer may come too late on a busy machine; one that comes is right.
        assert_eq!(answered(|| reader.end(&subject)).await.unwrap().payload, text(number));
        let seen = answered(|| reader.read_partition(0, after, ALL)).await;
        assert_eq!(seen.iter().map(|stored| &stored.payload).collect::<Vec<_>>(), [&text(number)]);
        assert_eq!(answered(|| reader.backlog(0, end)).await, Backlog { end, messages: 0, oldest: None });
    }
}

/// The consumer's server dies and comes back without its memory; nobody's connection is lost.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn reading_goes_on_when_the_consumer_has_forgotten_where_it_was() {
    let cluster = NatsCluster::start().await;
    let settings = copied(&cluster);
    let writer = opened(&settings).await;
    let subject = decisions("summer");
    filled(&*writer, &subject, 0..10).await;
    let few = Budget { messages: 4, ..ALL };
    // Until there is a consumer on another server than the one that the reader is connected to.
    let (reader, mut read, place) = loop {
        let reader = opened(&Settings { url: cluster.node(0).url(), ..settings.clone() }).await;
        let read = reader.read_partition(0, 0, few).await.unwrap();
        let place = consumer(&cluster, &settings.name).await;
        if !std::ptr::eq(cluster.named(&place).unwrap(), cluster.node(0)) {
            break (reader, read, place);
        }
    };
    let node = cluster.named(&place).unwrap();
    node.kill().await;
    node.restart().await;
    cluster.until_led().await;
    answered(|| async {
        match writer.append(&subject, 10, text(10)).await {
            Ok(_) | Err(AppendError::Refused { .. }) => Ok(()),
            Err(error) => Err(LogUnavailable::new(error.to_string())),
        }
    })
    .await;
    while read.len() < 11 {
        let after = read.last().unwrap().position.sequence;
        read.extend(answered(|| reader.read_partition(0, after, few)).await);
    }
    let read: Vec<Bytes> = read.into_iter().map(|stored| stored.payload).collect();
    assert_eq!(read, (0..11).map(text).collect::<Vec<_>>());
}

/// The server that the stream's newest consumer is on.
async fn consumer(cluster: &NatsCluster, stream: &str) -> String {
    let context = async_nats::jetstream::new(async_nats::connect(cluster.node(0).url()).await.unwrap());
    let stream = context.get_stream(stream).await.unwrap();
    let consumers: Vec<_> = stream.consumers().map(Result::unwrap).collect().await;
    let newest = consumers.into_iter().max_by_key(|consumer| consumer.created).unwrap();
    newest.cluster.and_then(|cluster| cluster.leader).expect("it was just used")
}

/// Without a quorum "there is no such campaign" would be a guess.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_quorum_nothing_is_appended_and_nothing_is_said_to_be_missing() {
    let cluster = NatsCluster::start().await;
    let settings = copied(&cluster);
    let leads = leader_of_new(&cluster, &settings).await;
    let log = opened(&Settings { url: cluster.node(leads).url(), ..settings }).await;
    let unknown = decisions("unknown");
    assert_eq!(log.end(&unknown).await.unwrap(), None, "with a quorum it is an answer");
    for node in (0..3).filter(|node| *node != leads) {
        cluster.node(node).kill().await;
    }
    assert!(matches!(log.append(&decisions("summer"), 0, text(1)).await, Err(AppendError::Unavailable(_))));
    let began = Instant::now();
    while log.end(&unknown).await.is_ok() {
        assert!(
            began.elapsed() < Duration::from_secs(10),
            "it goes on saying that there is no such campaign"
        );
        sleep(Duration::from_millis(100)).await;
    }
    for node in (0..3).filter(|node| *node != leads) {
        cluster.node(node).restart().await;
    }
    assert_eq!(answered(|| log.end(&unknown)).await, None);
}

/// A leader that has lost its quorum may miss the newest: "there is no more" would end a replay half-way, and an end below
/// a checkpoint would be taken for a log that forgot.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_quorum_nobody_is_told_that_there_is_no_more() {
    let cluster = NatsCluster::start().await;
    let settings = copied(&cluster);
    let leads = leader_of_new(&cluster, &settings).await;
    let log = opened(&Settings { url: cluster.node(leads).url(), ..settings }).await;
    let subject = decisions("summer");
    let end = filled(&*log, &subject, 0..3).await;
    let ask = async || {
        [
            log.read(&subject, end, ALL).await.map(|read| read.len()),
            log.read_campaign(&subject.campaign, end, ALL).await.map(|read| read.len()),
            log.read_partition(0, end, ALL).await.map(|read| read.len()),
            log.backlog(0, end).await.map(|backlog| usize::try_from(backlog.messages).unwrap()),
            log.backlog(0, end + 1).await.map(|backlog| usize::try_from(backlog.messages).unwrap()),
        ]
    };
    let with_quorum = ask().await;
    assert!(with_quorum.iter().all(|answer| matches!(answer, Ok(0))), "{with_quorum:?}");
    for node in (0..3).filter(|node| *node != leads) {
        cluster.node(node).kill().await;
    }
    // It does not give up its office at once; until then it knows that it may have lost it.
    let doubts = |answer: &Result<usize, LogUnavailable>| {
        answer.as_ref().is_err_and(|error| error.reason.contains("too few of the servers"))
    };
    let began = Instant::now();
    loop {
        let answers = ask().await;
        if answers.iter().all(doubts) {
            break;
        }
        assert!(began.elapsed() < Duration::from_secs(10), "{answers:?}");
        sleep(Duration::from_millis(50)).await;
    }
}

async fn leader_of_new(cluster: &NatsCluster, settings: &Settings) -> usize {
    drop(opened(settings).await);
    leader(cluster, &settings.name).await
}
