//! A leader that was deposed, and does not know it yet, may answer before the new one does. No real servers do that when
//! a test wants it, so these are not: one connection on which every answer is written here.

use std::collections::VecDeque;
use std::net::Ipv4Addr;

use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpListener;

use super::*;

const GREETING: &str = r#"INFO {"server_id":"S","server_name":"s","version":"2.12.1","proto":1,"go":"go","host":"127.0.0.1","port":4222,"headers":true,"max_payload":1048576,"client_id":1,"jetstream":true}"#;
/// Where the subject really ends.
const END: u64 = 7;

/// Servers with a stream of three copies whose leader is in touch with all; asked for the last message of a subject they
/// show these, one after the other; 0: there is none.
async fn servers(lasts: &[u64]) -> Settings {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let url = format!("nats://{}", listener.local_addr().unwrap());
    let mut stream = Scripted { config: None, lasts: lasts.iter().copied().collect() };
    tokio::spawn(async move {
        let (connection, _) = listener.accept().await.unwrap();
        let (read, mut write) = connection.into_split();
        write.write_all(format!("{GREETING}\r\n").as_bytes()).await.unwrap();
        let (mut read, mut line) = (BufReader::new(read), String::new());
        while read.read_line(&mut line).await.is_ok_and(|bytes| bytes > 0) {
            let sent: Vec<&str> = line.split_whitespace().collect();
            let reply = match sent[..] {
                ["PING"] => "PONG\r\n".to_owned(),
                ["PUB" | "HPUB", subject, inbox, .., bytes] => {
                    let mut payload = vec![0; bytes.parse::<usize>().unwrap() + 2];
                    read.read_exact(&mut payload).await.unwrap();
                    let answer = stream.answer(subject, &payload).to_string();
                    // The client has one subscription for the answers to all requests, its first.
                    format!("MSG {inbox} 0 {}\r\n{answer}\r\n", answer.len())
                }
                _ => String::new(),
            };
            if write.write_all(reply.as_bytes()).await.is_err() {
                return;
            }
            line.clear();
        }
    });
    Settings { partitions: 7, replicas: 3, ..settings(url) }
}

struct Scripted {
    config: Option<Value>,
    lasts: VecDeque<u64>,
}

impl Scripted {
    fn answer(&mut self, subject: &str, payload: &[u8]) -> Value {
        let failed = |code: u64| json!({ "error": { "code": 400, "err_code": code, "description": "no" } });
        let Some(request) = subject.strip_prefix("$JS.API.") else {
            return json!({ "stream": "log", "seq": END });
        };
        let asked = request.rsplit_once('.').map_or(request, |(asked, _)| asked);
        if asked == "STREAM.CREATE" {
            self.config = serde_json::from_slice(payload).ok();
        }
        match (&self.config, asked) {
            (None, _) => failed(10_059),
            (Some(config), "STREAM.CREATE" | "STREAM.INFO") => {
                let peers = ["b", "c"].map(|name| json!({ "name": name, "current": true, "active": 1 }));
                json!({
                    "config": config, "created": "2026-11-20T10:00:00Z",
                    "state": { "messages": END, "bytes": 1, "first_seq": 1, "last_seq": END, "consumer_count": 0 },
                    "cluster": { "name": "cluster", "leader": "a", "replicas": peers },
                })
            }
            (_, "STREAM.MSG.GET") => {
                let subject = serde_json::from_slice::<Value>(payload).unwrap()["last_by_subj"].clone();
                match self.lasts.pop_front().expect("it is not asked so often") {
                    0 => failed(10_037),
                    seq => {
                        json!({ "message": { "subject": subject, "seq": seq, "time": "2026-11-20T10:00:00Z" } })
                    }
                }
            }
            _ => failed(10_074),
        }
    }
}

#[tokio::test]
async fn an_end_that_an_old_leader_shows_is_not_taken_for_a_log_that_forgot() {
    // Of what this process was told is stored, and of a checkpoint that is held against the end.
    for told in [true, false] {
        let log = opened(&servers(&[3, END]).await).await;
        let subject = decisions("summer");
        if told {
            assert_eq!(log.append(&subject, 3, text(4)).await.unwrap(), END);
        }
        let backlog = log.backlog(subject.partition(7), u64::MAX).await.unwrap();
        assert_eq!(backlog.end, END, "told {told}");
    }
}

#[tokio::test]
async fn what_all_leaders_miss_is_forgotten() {
    let log = opened(&servers(&[3, 3]).await).await;
    let subject = decisions("summer");
    assert_eq!(log.append(&subject, 3, text(4)).await.unwrap(), END);
    let error = log.backlog(subject.partition(7), 3).await.unwrap_err();
    assert!(error.forgot, "{error}");
}

/// Who reads from far behind is shown more than it has, and yet less than was stored.
#[tokio::test]
async fn an_old_leader_that_shows_some_of_what_was_stored_has_not_forgotten_the_rest() {
    let log = opened(&servers(&[3, END]).await).await;
    let subject = decisions("summer");
    assert_eq!(log.append(&subject, 3, text(4)).await.unwrap(), END);
    let read = log.read_partition(subject.partition(7), 2, ALL).await;
    // There is more, so it is asked for; and these servers give nobody a consumer.
    assert!(read.as_ref().is_err_and(|error| !error.forgot && error.reason.contains("10074")), "{read:?}");
}

/// A replay or a fold would end half-way.
#[tokio::test]
async fn that_an_old_leader_has_no_more_is_not_the_end() {
    let log = opened(&servers(&[3, END]).await).await;
    let read = log.read(&decisions("summer"), 3, ALL).await;
    // There is more, so it is asked for; and these servers give nobody a consumer.
    assert!(read.as_ref().is_err_and(|error| error.reason.contains("10074")), "{read:?}");
}

/// The leader says so together with its standing.
#[tokio::test]
async fn that_a_partition_is_empty_is_asked_once() {
    let log = opened(&servers(&[0]).await).await;
    assert_eq!(log.backlog(0, u64::MAX).await.unwrap(), Backlog::default());
}

/// Else whoever only compares would pay for three answers, two of them with a whole message.
#[tokio::test]
async fn only_an_end_that_is_too_small_is_asked_for_again() {
    for (least, shown, last) in [(3, &[3][..], 3), (4, &[3, END], END)] {
        let log = opened(&servers(shown).await).await;
        assert_eq!(log.last_sequence(0, least).await.unwrap(), last, "at least {least}");
    }
}
