//! Appends whose acknowledgement never comes (ARCHITECTURE L4).

use firstcome_testkit::{Nats, Proxy, shared};

use super::*;

fn unavailable(outcome: &Result<u64, AppendError>) -> bool {
    matches!(outcome, Err(AppendError::Unavailable(_)))
}

#[tokio::test]
async fn stored_without_an_answer_the_same_bytes_are_refused() {
    let server = Nats::start().await;
    let log = opened(&settings(server.url())).await;
    let subject = decisions("summer");
    let end = filled(&*log, &subject, 0..1).await;
    // The publish waits in the stopped server's socket, and is stored when nobody expects it any more.
    server.pause();
    let outcome = log.append(&subject, end, text(1)).await;
    assert!(unavailable(&outcome), "{outcome:?}");
    server.resume();
    let again = answered(|| async {
        match log.append(&subject, end, text(1)).await {
            Err(AppendError::Unavailable(error)) => Err(error),
            other => Ok(other),
        }
    });
    let Err(AppendError::Refused { end }) = again.await else { panic!("stored twice") };
    let stored = log.end(&subject).await.unwrap().unwrap();
    assert_eq!((stored.position.sequence, stored.payload), (end, text(1)));
    assert_eq!(all(&*log, 0).await.len(), 2);
}

#[tokio::test]
async fn cut_off_between_publish_and_acknowledgement_the_same_bytes_are_refused() {
    let server = shared::nats().await;
    let proxy = Proxy::to(&server.addr()).await;
    let log = opened(&settings(format!("nats://{}", proxy.addr()))).await;
    let subject = decisions("summer");
    let end = filled(&*log, &subject, 0..1).await;
    proxy.stall_answers();
    let outcome = log.append(&subject, end, text(1)).await;
    assert!(unavailable(&outcome), "{outcome:?}");
    proxy.cut().await;
    proxy.heal().await;
    let end = settle(&*log, &subject, end, &text(1)).await;
    let refused = log.append(&subject, 1, text(1)).await;
    assert!(matches!(refused, Err(AppendError::Refused { end: now }) if now == end), "{refused:?}");
    assert_eq!(all(&*log, 0).await.len(), 2);
}

#[tokio::test]
async fn a_first_copy_that_comes_late_is_not_stored_behind_another_message() {
    let server = shared::nats().await;
    let proxy = Proxy::to(&server.addr()).await;
    let slow = settings(format!("nats://{}", proxy.addr()));
    let fast = Settings { url: server.url(), ..slow.clone() };
    let (slow, fast) = (opened(&slow).await, opened(&fast).await);
    let subject = decisions("summer");
    let end = filled(&*slow, &subject, 0..1).await;
    proxy.stall();
    let outcome = slow.append(&subject, end, text(1)).await;
    assert!(unavailable(&outcome), "{outcome:?}");
    let others = fast.append(&subject, end, text(2)).await.unwrap();
    proxy.heal().await;
    let again = answered(|| async {
        match slow.append(&subject, end, text(1)).await {
            Err(AppendError::Unavailable(error)) => Err(error),
            other => Ok(other),
        }
    });
    let again = again.await;
    assert!(matches!(again, Err(AppendError::Refused { end }) if end == others), "{again:?}");
    let stored: Vec<Bytes> = all(&*fast, 0).await.into_iter().map(|stored| stored.payload).collect();
    assert_eq!(stored, [text(0), text(2)]);
}

#[tokio::test]
async fn cut_off_at_any_moment_each_message_is_stored_once() {
    const MESSAGES: usize = 60;
    let server = shared::nats().await;
    let proxy = Proxy::to(&server.addr()).await;
    let log = opened(&settings(format!("nats://{}", proxy.addr()))).await;
    let subject = decisions("summer");
    let (mut end, mut doubts) = (0, 0);
    for number in 0..MESSAGES {
        let payload = Bytes::from(vec![b'a' + u8::try_from(number % 26).unwrap(); 200_000 + number]);
        let cut = tokio::time::sleep(Duration::from_micros(u64::try_from(number).unwrap() * 50));
        let mut append = std::pin::pin!(log.append(&subject, end, payload.clone()));
        // Cut while the append is on its way, a little later each time.
        let mut outcome = tokio::select! {
            outcome = &mut append => Some(outcome),
            () = cut => None,
        };
        if outcome.is_none() {
            proxy.cut().await;
            outcome = Some(append.await);
            proxy.heal().await;
        }
        end = match outcome.unwrap() {
            Ok(sequence) => sequence,
            Err(refused @ AppendError::Refused { .. }) => panic!("by whom? {refused}"),
            Err(_) => {
                doubts += 1;
                settle(&*log, &subject, end, &payload).await
            }
        };
    }
    assert!(doubts > 5, "{doubts} doubts: the cuts come too late to show anything");
    let lengths: Vec<usize> = all(&*log, 0).await.iter().map(|stored| stored.payload.len()).collect();
    assert_eq!(lengths, (200_000..200_000 + MESSAGES).collect::<Vec<_>>());
}

/// What the appender does in doubt: the same bytes behind the same message, until it knows.
pub(super) async fn settle(log: &dyn EventLog, subject: &Subject, expected: u64, payload: &Bytes) -> u64 {
    answered(|| async {
        match log.append(subject, expected, payload.clone()).await {
            Ok(sequence) => Ok(sequence),
            Err(AppendError::Refused { end }) => {
                let stored = log.end(subject).await?.expect("it was refused for a message");
                assert_eq!((stored.position.sequence, stored.payload.len()), (end, payload.len()));
                Ok(end)
            }
            Err(error) => Err(LogUnavailable::new(error.to_string())),
        }
    })
    .await
}
