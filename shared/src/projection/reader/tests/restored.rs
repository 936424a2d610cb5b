//! The stream under a running reader is put back to an old copy, or made anew: nothing may be issued any more, for one
//! clear reason (ARCHITECTURE L7).

use async_nats::jetstream::{self, stream::Config};
use firstcome_testkit::shared;

use super::*;
use crate::event_log::jetstream::{JetStreamLog, Settings};

async fn opened(settings: &Settings) -> Arc<JetStreamLog> {
    Arc::new(JetStreamLog::open(settings).await.unwrap())
}

/// Reads two messages, of its own process or of another; then the stream is made anew, empty, with a `changed` configuration.
/// What the reader says then.
async fn told(others: bool, changed: fn(&mut Config)) -> String {
    let settings = Settings { name: shared::unique("log"), ..Settings::new(shared::nats().await.url()) };
    let (log, store) = (opened(&settings).await, Arc::new(Store::default()));
    let writer = if others { opened(&settings).await } else { Arc::clone(&log) };
    let reader = Running::start(&log, &store);
    for _ in 0..2 {
        let end = tell(&*writer, log.identity(), "summer").await;
        reader.reads_up_to(end).await;
    }
    let context = jetstream::new(async_nats::connect(&settings.url).await.unwrap());
    let mut config = context.get_stream(&settings.name).await.unwrap().cached_info().config.clone();
    changed(&mut config);
    context.delete_stream(&settings.name).await.unwrap();
    context.create_stream(config).await.unwrap();
    until("it is noticed", async || reader.progress.forgot().is_some()).await;
    reader.progress.forgot().unwrap()
}

#[tokio::test]
async fn an_old_copy_lacks_what_it_acknowledged_here() {
    let said = told(false, |_| {}).await;
    assert_eq!(said, "the log forgot: it ends at 0, and has acknowledged 2");
}

#[tokio::test]
async fn an_old_copy_lacks_what_the_store_has_read() {
    let said = told(true, |_| {}).await;
    assert_eq!(said, "the log forgot: ledger has read up to 2, but the log ends at 0");
}

#[tokio::test]
async fn another_stream_of_that_name_is_another_log() {
    let another = |config: &mut Config| {
        config.metadata.insert("firstcome.log".to_owned(), "0123456789abcdef".to_owned());
    };
    let said = told(false, another).await;
    assert!(said.starts_with("the log forgot: the stream was replaced while it was in use"), "{said}");
    assert!(said.ends_with("that one is 0123456789abcdef"), "{said}");
}
