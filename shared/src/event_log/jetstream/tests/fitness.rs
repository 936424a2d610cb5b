//! What a log is opened on: the stream is made once, and one that would break a promise is refused.

use async_nats::jetstream::stream::{Config, DiscardPolicy};
use firstcome_testkit::{Nats, shared};

use super::*;
use crate::event_log::MESSAGE_BYTES;

async fn context(url: &str) -> async_nats::jetstream::Context {
    async_nats::jetstream::new(async_nats::connect(url).await.unwrap())
}

#[tokio::test]
async fn of_many_who_open_at_once_one_makes_it() {
    let settings = settings(shared::nats().await.url());
    let logs = futures::future::join_all((0..8).map(|_| opened(&settings))).await;
    assert_eq!(logs[0].identity().len(), 16);
    assert!(logs.iter().all(|log| log.identity() == logs[0].identity()));
}

#[tokio::test]
async fn a_stream_that_would_break_a_promise_is_refused_by_name() {
    type Change = fn(&mut Config);
    let faults: [(&str, Change); 7] = [
        ("allow_direct", |config| config.allow_direct = true),
        ("max_age", |config| config.max_age = Duration::from_hours(1)),
        ("discard", |config| config.discard = DiscardPolicy::Old),
        ("max_msgs", |config| config.max_messages = 1_000_000),
        ("allow_rollup_hdrs", |config| config.allow_rollup = true),
        ("subjects", |config| config.subjects.truncate(1)),
        ("metadata", |config| config.metadata.clear()),
    ];
    let url = shared::nats().await.url();
    let context = context(&url).await;
    for (named, change) in faults {
        let settings = settings(url.clone());
        drop(opened(&settings).await);
        let mut config = context.get_stream(&settings.name).await.unwrap().cached_info().config.clone();
        change(&mut config);
        context.update_stream(config).await.unwrap();
        match JetStreamLog::open(&settings).await {
            Err(OpenError::Unfit(reason)) => assert!(reason.contains(named), "{named}: {reason}"),
            other => panic!("{named}: opened all the same: {other:?}"),
        }
    }
}

#[tokio::test]
async fn another_number_of_partitions_or_more_copies_are_refused() {
    let made = settings(shared::nats().await.url());
    drop(opened(&made).await);
    for (asked, named) in [
        (Settings { partitions: 2, ..made.clone() }, "its number of partitions is 1 for ever"),
        (Settings { replicas: 3, ..made.clone() }, "it keeps 1 copies"),
    ] {
        let refusal = JetStreamLog::open(&asked).await.unwrap_err().to_string();
        assert!(refusal.contains(named), "{refusal}");
    }
}

#[tokio::test]
async fn copies_that_the_servers_cannot_keep_are_refused() {
    let settings = Settings { replicas: 3, ..settings(shared::nats().await.url()) };
    let refusal = JetStreamLog::open(&settings).await.unwrap_err();
    assert!(matches!(&refusal, OpenError::Unfit(reason) if reason.contains("replicas")), "{refusal:?}");
}

#[tokio::test]
async fn nobody_there_is_said_at_once_and_without_the_password() {
    let began = Instant::now();
    let settings = settings("nats://operator:hunter2@127.0.0.1:1".to_owned());
    let refusal = JetStreamLog::open(&settings).await.unwrap_err().to_string();
    assert!(refusal.contains("127.0.0.1:1") && !refusal.contains("hunter2"), "{refusal}");
    assert!(began.elapsed() < Duration::from_secs(9));
}

#[tokio::test]
async fn a_stream_made_anew_is_another_log_also_to_who_has_it_open() {
    let settings = settings(shared::nats().await.url());
    let before = opened(&settings).await;
    filled(&*before, &decisions("summer"), 0..2).await;
    context(&settings.url).await.delete_stream(&settings.name).await.unwrap();
    let after = opened(&settings).await;
    assert_ne!(after.identity(), before.identity());
    let refusal = before.backlog(0, 2).await.unwrap_err();
    assert!(refusal.forgot);
    let reason = refusal.reason;
    assert!(reason.contains(after.identity()) && reason.contains(before.identity()), "{reason}");
    assert!(before.end(&decisions("summer")).await.is_err(), "not: there is no such campaign");
    assert!(before.read_partition(0, 2, ALL).await.is_err());
}

/// As after a restore from an old copy.
#[tokio::test]
async fn a_log_that_ends_before_what_it_acknowledged_is_not_believed() {
    let settings = settings(shared::nats().await.url());
    let log = opened(&settings).await;
    filled(&*log, &decisions("summer"), 0..2).await;
    let context = context(&settings.url).await;
    let config = context.get_stream(&settings.name).await.unwrap().cached_info().config.clone();
    context.delete_stream(&settings.name).await.unwrap();
    context.create_stream(config).await.unwrap();
    assert!(log.read_partition(0, 2, ALL).await.unwrap_err().forgot);
    let refusal = log.backlog(0, 0).await.unwrap_err();
    assert_eq!((refusal.forgot, &*refusal.reason), (true, "it ends at 0, and has acknowledged 2"));
}

#[tokio::test]
async fn a_full_log_refuses_and_drops_nothing() {
    let log = opened(&Settings { max_bytes: Some(20_000), ..settings(shared::nats().await.url()) }).await;
    let subject = decisions("summer");
    let (mut end, mut stored) = (0, 0);
    let refusal = loop {
        match log.append(&subject, end, Bytes::from(vec![b'x'; 1_000])).await {
            Ok(sequence) => (end, stored) = (sequence, stored + 1),
            Err(refusal) => break refusal,
        }
    };
    assert!(
        matches!(&refusal, AppendError::Unavailable(error) if error.reason.contains("maximum bytes")),
        "{refusal:?}"
    );
    assert!(stored > 10);
    assert_eq!(all(&*log, 0).await.len(), stored);
}

/// A server with these settings instead of ours.
async fn with_settings(text: &str) -> (Nats, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("nats.conf");
    std::fs::write(&file, text).unwrap();
    (Nats::start_with(&["--config", file.to_str().unwrap()]).await, folder)
}

async fn monitoring(server: &Nats) -> String {
    let varz: serde_json::Value = serde_json::from_str(&server.monitor("/varz").await.unwrap()).unwrap();
    format!("http://127.0.0.1:{}", varz["http_port"])
}

#[tokio::test]
async fn the_largest_message_fits_and_a_server_that_takes_only_smaller_ones_is_refused() {
    let log = opened(&settings(shared::nats().await.url())).await;
    let largest = Bytes::from(vec![b'x'; MESSAGE_BYTES]);
    let end = log.append(&decisions("summer"), 0, largest.clone()).await.unwrap();
    assert_eq!(log.read(&decisions("summer"), 0, ALL).await.unwrap()[0].payload, largest);
    let too_large = Bytes::from(vec![b'x'; 2 << 20]);
    assert!(matches!(
        log.append(&decisions("summer"), end, too_large).await,
        Err(AppendError::Unavailable(_))
    ));
    let (server, _kept) = with_settings("jetstream {}\nmax_payload: 512KB\n").await;
    let refusal = JetStreamLog::open(&settings(server.url())).await.unwrap_err();
    assert!(matches!(&refusal, OpenError::Unfit(reason) if reason.contains("max_payload")), "{refusal:?}");
}

#[tokio::test]
async fn tells_whether_a_server_flushes_always() {
    // The server that all tests share may be somebody's.
    let ours = Nats::start().await;
    assert_eq!(monitored(&monitoring(&ours).await).await.unwrap().flush, Flush::Always);
    let (server, _kept) = with_settings("jetstream {}\n").await;
    assert_eq!(
        monitored(&monitoring(&server).await).await.unwrap().flush,
        Flush::Every(Duration::from_mins(2))
    );
    assert!(monitored(&server.addr()).await.is_err(), "not the monitoring port");
    assert!(monitored("127.0.0.1:1").await.unwrap_err().reason.contains("127.0.0.1:1"));
}
