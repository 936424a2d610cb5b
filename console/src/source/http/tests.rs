//! Real requests to a server of a few lines, which answers by path and writes down what it was asked.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex};

use firstcome_shared::position::Position;
use firstcome_shared::wire::{Campaign, CampaignState, Code, Page, Problem};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpSocket};

use super::{Http, url};
use crate::ConsoleError;
use crate::fixture;
use crate::message::{Audit, Change, Data, Failure, Feed, Firing, Health, Order, Side};
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
    Http::new(&addresses, Some("k3y"), None).unwrap()
}

/// An address where nobody listens, for as long as the socket is held.
fn nobody() -> (String, TcpSocket) {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    (format!("http://{}", socket.local_addr().unwrap()), socket)
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
        assert_eq!(http.send(&order).await.unwrap().unwrap().id, "summer");
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
    match http.fetch(&Feed::Pipeline(0)).await {
        Err(Failure::Refused(refused)) => assert_eq!(*refused, problem),
        other => panic!("{other:?}"),
    }
    let bad_gateway = http.fetch(&Feed::Lag(0)).await.unwrap_err().to_string();
    assert!(bad_gateway.starts_with("answered 502"), "{bad_gateway}");
    let garbled = http.fetch(&Feed::Campaign("x".into())).await.unwrap_err().to_string();
    assert!(garbled.starts_with("not understood: missing field"), "{garbled}");
}

#[tokio::test]
async fn asks_the_next_server_when_one_is_away_or_has_no_such_path() {
    let (away, _socket) = nobody();
    let (command, _) =
        serve(Answers::from([("GET /v1/campaigns/a", (200, json(&fixture::campaign("a"))))])).await;
    let history = fixture::history();
    let (query, asked) =
        serve(Answers::from([("GET /v1/history/campaigns/summer", (200, json(&history)))])).await;
    let http = http(&[&away, &command, &query]);
    assert!(http.fetch(&Feed::Campaign("a".into())).await.is_ok());
    for _ in 0..2 {
        assert!(http.fetch(&Feed::History("summer".into())).await.is_ok());
    }
    // The side that answered is asked first from then on.
    assert_eq!(asked.lock().unwrap().len(), 2);
    // What a server tells of itself is asked of that one alone.
    assert!(matches!(http.fetch(&Feed::Lag(0)).await, Err(Failure::Unreachable(_))));
    let other_half = http.fetch(&Feed::Lag(1)).await.unwrap_err();
    assert!(other_half.is_other_half(), "{other_half:?}");
}

/// It answers, and lists campaigns, but cannot reach the gate: whoever can is asked, for pictures and for orders.
#[tokio::test]
async fn an_instance_that_is_cut_off_from_the_gate_is_left_for_one_that_is_not() {
    let problem = (503, json(&Problem::new(Code::Unavailable, "It is safe to ask again.")));
    let blind = Campaign { state: CampaignState::Unavailable, ..fixture::campaign("summer") };
    let page = |campaign: Campaign| (200, json(&Page { items: vec![campaign], next: None }));
    let (cut_off, asked) = serve(Answers::from([
        ("GET /v1/campaigns?limit=200", page(blind)),
        ("GET /v1/campaigns/summer", problem.clone()),
        ("POST /v1/campaigns/summer/pause", problem.clone()),
    ]))
    .await;
    let (query, _) = serve(Answers::new()).await;
    let (healthy, _) = serve(Answers::from([
        ("GET /v1/campaigns?limit=200", page(fixture::campaign("summer"))),
        ("GET /v1/campaigns/summer", (200, json(&fixture::campaign("summer")))),
        ("POST /v1/campaigns/summer/pause", (200, json(&fixture::campaign("summer")))),
    ]))
    .await;
    let pause = Order { campaign: "summer".into(), change: Change::Pause };
    let all = [&*cut_off, &query, &healthy];

    assert!(http(&all).send(&pause).await.unwrap().is_some());
    assert!(http(&all).fetch(&Feed::Campaign("summer".into())).await.is_ok());
    assert_eq!(asked.lock().unwrap().drain(..).count(), 2);
    let http_of_all = http(&all);
    for _ in 0..2 {
        match http_of_all.fetch(&Feed::Campaigns).await {
            Ok(Data::Campaigns(seen)) => assert_eq!(seen[0].state, CampaignState::Open),
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(asked.lock().unwrap().len(), 1, "the one that knows more is asked first from then on");

    // Where nobody knows more, that is what is seen, and the refusal says why.
    let alone = http(&[&cut_off, &query]);
    match alone.fetch(&Feed::Campaigns).await {
        Ok(Data::Campaigns(seen)) => assert_eq!(seen[0].state, CampaignState::Unavailable),
        other => panic!("{other:?}"),
    }
    let refused = alone.send(&pause).await.unwrap_err();
    assert!(matches!(&refused, Failure::Refused(why) if why.code == Code::Unavailable), "{refused:?}");
}

#[tokio::test]
async fn a_server_that_hangs_is_left_for_another_within_seconds() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let hangs = format!("http://{}", listener.local_addr().unwrap());
    let (works, _) =
        serve(Answers::from([("GET /v1/campaigns/a", (200, json(&fixture::campaign("a"))))])).await;
    let http = http(&[&hangs, &works]);
    let asked = std::time::Instant::now();
    assert!(http.fetch(&Feed::Campaign("a".into())).await.is_ok());
    assert!(asked.elapsed() < std::time::Duration::from_millis(4_900), "{:?}", asked.elapsed());
}

#[tokio::test]
async fn dead_letters_and_acts_come_from_the_half_that_has_them_and_are_mended_there() {
    let letters = |side| (200, json(&Page { items: fixture::dead_letters(side), next: None }));
    let page = Page { items: vec![fixture::audit_entry(3)], next: Some("0-3".to_owned()) };
    let (command, asked) = serve(Answers::from([
        ("GET /v1/dead-letters", letters(Side::Command)),
        ("GET /v1/audit-log?limit=100&campaign=summer&after=0-9", (200, json(&page))),
        ("POST /v1/dead-letters/0-42/replay", (202, String::new())),
    ]))
    .await;
    let (query, mended) = serve(Answers::from([
        ("GET /v1/history/dead-letters", letters(Side::Query)),
        ("DELETE /v1/history/dead-letters/0-42", (202, String::new())),
    ]))
    .await;
    let http = http(&[&command, &query]);
    for (side, count) in [(Side::Command, 2), (Side::Query, 1)] {
        match http.fetch(&Feed::DeadLetters(side)).await {
            Ok(Data::DeadLetters(letters)) => assert_eq!(letters.len(), count),
            other => panic!("{other:?}"),
        }
    }
    let part = Audit { campaign: Some("summer".into()), after: Some("0-9".into()) };
    match http.fetch(&Feed::Audit(part)).await {
        Ok(Data::Audit(got)) => assert_eq!(got, page),
        other => panic!("{other:?}"),
    }
    let at = Position::new(0, 42);
    for (change, asked) in [
        (Change::Replay { side: Side::Command, at }, &asked),
        (Change::Discard { side: Side::Query, at }, &mended),
    ] {
        let order = Order { campaign: "late-night".into(), change };
        assert_eq!(http.send(&order).await.unwrap(), None);
        let request = asked.lock().unwrap().pop().unwrap();
        assert!(request.starts_with(&order.request()), "{request}");
        assert!(request.contains("authorization: Bearer k3y"), "{request}");
    }
}

#[tokio::test]
async fn who_asked_most_is_counted_over_all_instances() {
    const PATH: &str = "GET /v1/campaigns/summer/askers";
    let page = |askers: &[(&str, u64, u64)]| {
        let asker = |&(user, asks, at_least): &(&str, u64, u64)| serde_json::json!({"user_id": user, "asks": asks, "at_least": at_least});
        let items: Vec<_> = askers.iter().map(asker).collect();
        (200, json(&serde_json::json!({"items": items, "next": null})))
    };
    let (one, _) = serve(Answers::from([(PATH, page(&[("b", 9, 9), ("a", 5, 4)]))])).await;
    let (two, _) = serve(Answers::from([(PATH, page(&[("a", 8, 8), ("c", 1, 1)]))])).await;
    let (query, _) = serve(Answers::new()).await;
    let (away, _socket) = nobody();
    let feed = Feed::Askers("summer".into());
    match http(&[&one, &query, &two, &away]).fetch(&feed).await {
        Ok(Data::Askers(askers)) => {
            let seen: Vec<_> =
                askers.iter().map(|asker| (asker.user_id.as_str(), asker.asks, asker.at_least)).collect();
            assert_eq!(seen, [("a", 13, 12), ("b", 9, 9), ("c", 1, 1)]);
        }
        other => panic!("{other:?}"),
    }
    let failure = http(&[&query, &away]).fetch(&feed).await.unwrap_err();
    assert!(matches!(failure, Failure::Unreachable(_)), "{failure:?}");
}

/// A rate is each instance's own: all of them are told, and one that did not hear of it is named.
#[tokio::test]
async fn a_rate_is_sent_to_every_instance_of_the_command_side() {
    let taken = || Answers::from([("PATCH /v1/pipeline", (200, json(&fixture::pipeline(fixture::NOW))))]);
    let ((one, first), (two, second), (query, _)) =
        (serve(taken()).await, serve(taken()).await, serve(Answers::new()).await);
    let order = Order::ledger_rate(Some(500));
    assert_eq!(http(&[&one, &query, &two]).send(&order).await.unwrap(), None);
    for asked in [&first, &second] {
        let asked: Vec<String> = asked.lock().unwrap().drain(..).collect();
        assert!(asked.len() == 1 && asked[0].ends_with("{\"ledger_rate\":500}"), "{asked:?}");
    }
    let (away, _socket) = nobody();
    let failure = http(&[&away, &two]).send(&order).await.unwrap_err();
    let name = away.strip_prefix("http://").unwrap();
    assert!(
        matches!(&failure, Failure::Unreachable(why) if *why == format!("{name}: connection refused")),
        "{failure:?}"
    );
    assert_eq!(second.lock().unwrap().len(), 1, "the other one was told all the same");
    assert!(http(&[&query]).send(&order).await.unwrap_err().is_other_half());
}

#[tokio::test]
async fn tells_whether_a_server_is_ready_and_which_version_it_is() {
    let problem = Problem::new(Code::Unavailable, "Not ready: the log is away.");
    let build = "firstcome_build_info{service=\"firstcome\",version=\"0.1.0\"} 1\n".to_owned();
    let (not_ready, _) =
        serve(Answers::from([("GET /readyz", (503, json(&problem))), ("GET /metrics", (200, build))])).await;
    let (ready, _) = serve(Answers::from([("GET /readyz", (200, "{}".into()))])).await;
    let http = http(&[&not_ready, &ready]);
    match http.fetch(&Feed::Health(0)).await {
        Ok(Data::Health(Health::NotReady(why))) => assert_eq!(why, "Not ready: the log is away."),
        other => panic!("{other:?}"),
    }
    assert!(matches!(http.fetch(&Feed::Health(1)).await, Ok(Data::Health(Health::Ready))));
    match http.fetch(&Feed::Metrics(0)).await {
        Ok(Data::Metrics(metrics)) => assert_eq!(metrics, fixture::metrics()),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn prometheus_tells_what_fires_and_never_sees_the_key() {
    let alerts = serde_json::json!({"status": "success", "data": {"alerts": [
        {"state": "firing", "activeAt": "2026-11-20T10:00:00Z", "value": "1e+00",
         "labels": {"alertname": "Drift", "severity": "page", "campaign": "summer"},
         "annotations": {"summary": "Two stores differ", "runbook_url": "http://r/#drift"}},
        {"state": "pending", "labels": {"alertname": "Slow"}, "annotations": {}},
        {"state": "firing", "labels": {"alertname": "Bare"}},
    ]}});
    let (prometheus, asked) = serve(Answers::from([("GET /api/v1/alerts", (200, alerts.to_string()))])).await;
    let http = Http::new(&["127.0.0.1:1".to_owned()], Some("k3y"), Some(&prometheus)).unwrap();
    let Ok(Data::Alerts(firing)) = http.fetch(&Feed::Alerts).await else { panic!("alerts expected") };
    let drift = Firing {
        name: "Drift".into(),
        severity: "page".into(),
        labels: BTreeMap::from([("campaign".into(), "summer".into())]),
        summary: Some("Two stores differ".into()),
        runbook: Some("http://r/#drift".into()),
    };
    assert_eq!(firing.len(), 2);
    assert_eq!((&firing[0], firing[1].name.as_str()), (&drift, "Bare"));
    assert!(!asked.lock().unwrap()[0].to_lowercase().contains("authorization"));
}

#[tokio::test]
async fn a_server_that_is_away_is_named_by_its_reason() {
    let (away, _socket) = nobody();
    let failure = http(&[&away]).fetch(&Feed::Pipeline(0)).await.unwrap_err();
    assert!(
        matches!(&failure, Failure::Unreachable(reason) if reason == "connection refused"),
        "{failure:?}"
    );
}

#[test]
fn takes_plain_addresses_and_refuses_what_it_cannot_speak() {
    assert_eq!(url("--server", "localhost:8080").unwrap().as_str(), "http://localhost:8080/");
    assert_eq!(url("--server", " http://a/base/ ").unwrap().as_str(), "http://a/base/");
    for bad in ["https://a", "ftp://a", "http://"] {
        assert!(matches!(url("--server", bad), Err(ConsoleError::Server { .. })), "{bad}");
    }
    assert!(matches!(Http::new(&["a:1".into()], Some("no\nway"), None), Err(ConsoleError::ApiKey)));
}
