//! Real requests to a server of a few lines, which answers by path and writes down what it was asked.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use firstcome_shared::wire::{Code, Problem};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use super::{Http, url};
use crate::ConsoleError;
use crate::fixture;
use crate::message::{Change, Data, Failure, Feed, Order};
use crate::source::Api as _;

/// Request line → status and body.
type Answers = HashMap<&'static str, (u16, String)>;

/// A server on a free port, and the requests it got, head and body.
async fn serve(answers: Answers) -> (String, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let asked = Arc::new(Mutex::new(Vec::new()));
    let log = Arc::clone(&asked);
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut request = Vec::new();
            while !is_whole(&request) {
                let mut chunk = [0; 4096];
                match stream.read(&mut chunk).await {
                    Ok(read) if read > 0 => request.extend_from_slice(&chunk[..read]),
                    _ => break,
                }
            }
            let request = String::from_utf8(request).unwrap();
            let line = request.lines().next().unwrap_or_default().trim_end_matches(" HTTP/1.1");
            let (status, body) = answers.get(line).cloned().unwrap_or_else(|| (404, "nothing here".into()));
            log.lock().unwrap().push(request.clone());
            let head =
                format!("HTTP/1.1 {status} x\r\ncontent-length: {}\r\nconnection: close\r\n\r\n", body.len());
            let _ = stream.write_all(format!("{head}{body}").as_bytes()).await;
        }
    });
    (address, asked)
}

fn is_whole(request: &[u8]) -> bool {
    let text = String::from_utf8_lossy(request).to_lowercase();
    let Some((head, body)) = text.split_once("\r\n\r\n") else { return false };
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
    length.is_none_or(|length| body.len() >= length.parse().unwrap())
}

fn json(value: &impl serde::Serialize) -> String {
    serde_json::to_string(value).unwrap()
}

fn http(addresses: &[&str]) -> Http {
    let addresses: Vec<String> = addresses.iter().map(|&address| address.to_owned()).collect();
    Http::new(&addresses, Some("k3y")).unwrap()
}

/// An address where nobody listens.
async fn nobody() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    format!("http://{}", listener.local_addr().unwrap())
}

#[tokio::test]
async fn follows_pages_to_the_last_and_sends_the_key() {
    let page = |id: &str, next: Option<&str>| {
        (200, json(&serde_json::json!({"items": [fixture::campaign(id)], "next": next})))
    };
    let (address, asked) = serve(Answers::from([
        ("GET /v1/campaigns?limit=200", page("a", Some("a b"))),
        ("GET /v1/campaigns?limit=200&after=a+b", page("b", None)),
    ]))
    .await;
    let Data::Campaigns(campaigns) = http(&[&address]).fetch(&Feed::Campaigns).await.unwrap() else {
        panic!("campaigns expected");
    };
    assert_eq!(campaigns.iter().map(|campaign| campaign.id.as_str()).collect::<Vec<_>>(), ["a", "b"]);
    let asked = asked.lock().unwrap();
    assert!(asked.iter().all(|request| request.contains("authorization: Bearer k3y")), "{asked:?}");
}

#[tokio::test]
async fn sends_orders_as_announced() {
    let (address, asked) = serve(Answers::from([
        ("POST /v1/campaigns/summer/pause", (200, json(&fixture::campaign("summer")))),
        ("PATCH /v1/campaigns/summer", (200, json(&fixture::campaign("summer")))),
    ]))
    .await;
    let http = http(&[&address]);
    for change in [Change::Pause, Change::Stock { window: Some(2), total: 7 }] {
        let order = Order { campaign: "summer".into(), change };
        assert_eq!(http.send(&order).await.unwrap().id, "summer");
        let request = asked.lock().unwrap().pop().unwrap();
        let body = request.rsplit("\r\n\r\n").next().unwrap();
        let line = request.lines().next().unwrap().trim_end_matches(" HTTP/1.1");
        assert_eq!(format!("{line} {body}").trim_end(), order.request());
    }
}

#[tokio::test]
async fn problem_documents_arrive_whole_and_other_answers_are_named() {
    let problem = Problem::new(Code::Forbidden, "this needs the role operator");
    let (address, _) = serve(Answers::from([
        ("GET /v1/pipeline", (403, json(&problem))),
        ("GET /v1/history/lag", (502, "<html>".into())),
        ("GET /v1/campaigns/x", (200, "{}".into())),
    ]))
    .await;
    let http = http(&[&address]);
    match http.fetch(&Feed::Pipeline).await {
        Err(Failure::Refused(refused)) => assert_eq!(*refused, problem),
        other => panic!("{other:?}"),
    }
    let bad_gateway = http.fetch(&Feed::Lag).await.unwrap_err().to_string();
    assert!(bad_gateway.starts_with("answered 502"), "{bad_gateway}");
    let garbled = http.fetch(&Feed::Campaign("x".into())).await.unwrap_err().to_string();
    assert!(garbled.starts_with("not understood: missing field"), "{garbled}");
}

#[tokio::test]
async fn asks_the_next_server_when_one_is_away_or_has_no_such_path() {
    let away = nobody().await;
    let (command, _) =
        serve(Answers::from([("GET /v1/campaigns/a", (200, json(&fixture::campaign("a"))))])).await;
    let lag = fixture::projection("read_model", 1, 0);
    let (query, asked) = serve(Answers::from([("GET /v1/history/lag", (200, json(&lag)))])).await;
    let http = http(&[&away, &command, &query]);
    assert!(http.fetch(&Feed::Campaign("a".into())).await.is_ok());
    assert!(http.fetch(&Feed::Lag).await.is_ok());
    assert!(http.fetch(&Feed::Lag).await.is_ok());
    assert_eq!(asked.lock().unwrap().len(), 2);
}

#[tokio::test]
async fn a_server_that_is_away_is_named_by_its_reason() {
    let failure = http(&[&nobody().await]).fetch(&Feed::Pipeline).await.unwrap_err();
    assert!(
        matches!(&failure, Failure::Unreachable(reason) if reason == "connection refused"),
        "{failure:?}"
    );
}

#[test]
fn takes_plain_addresses_and_refuses_what_it_cannot_speak() {
    assert_eq!(url("localhost:8080").unwrap().as_str(), "http://localhost:8080/");
    assert_eq!(url(" http://a/base/ ").unwrap().as_str(), "http://a/base/");
    for bad in ["https://a", "ftp://a", "http://"] {
        assert!(matches!(url(bad), Err(ConsoleError::Server { .. })), "{bad}");
    }
    assert!(matches!(Http::new(&["a:1".into()], Some("no\nway")), Err(ConsoleError::ApiKey)));
}
