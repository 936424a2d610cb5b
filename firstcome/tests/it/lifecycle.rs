//! The process: an orderly end, a hasty end, and what tells a probe, a scraper and a newcomer how it is.

use rustix::process::Signal;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::rig::{
    Folder, Server, Told, ask_all, assert_exact, assert_level, coupons, crowd, eventually, people, run_with,
};

/// An ask that the server has accepted and whose body is still to come: it was told to go on.
struct Accepted {
    stream: TcpStream,
    body: String,
}

impl Accepted {
    async fn by(server: &Server, campaign: &str, user: &str) -> Self {
        let address = server.url.strip_prefix("http://").unwrap();
        let mut stream = TcpStream::connect(address).await.unwrap();
        let body = json!({ "user_id": user }).to_string();
        let head = format!(
            "POST /v1/campaigns/{campaign}/coupons HTTP/1.1\r\nhost: {address}\r\ncontent-type: application/json\r\n\
             content-length: {}\r\nexpect: 100-continue\r\n\r\n",
            body.len()
        );
        stream.write_all(head.as_bytes()).await.unwrap();
        let mut said = [0; 25];
        stream.read_exact(&mut said).await.unwrap();
        assert_eq!(&said, b"HTTP/1.1 100 Continue\r\n\r\n");
        Self { stream, body }
    }

    /// Sends the rest; the whole answer, up to the end of the connection.
    async fn finish(mut self) -> String {
        self.stream.write_all(self.body.as_bytes()).await.unwrap();
        let mut answer = String::new();
        self.stream.read_to_string(&mut answer).await.unwrap();
        answer
    }
}

/// Waits until nobody new is accepted.
async fn refuses_connections(server: &Server) {
    let address = server.url.strip_prefix("http://").unwrap();
    eventually("no connection is accepted", async || {
        TcpStream::connect(address).await.is_err().then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_that_was_accepted_before_sigterm_is_answered_and_kept() {
    let folder = Folder::new();
    let server = Server::start(&folder).await;
    server.api.create("ends", 10).await;
    let mut accepted = Vec::new();
    for user in people("p", 5) {
        accepted.push((user.clone(), Accepted::by(&server, "ends", &user).await));
    }
    server.signal(Signal::TERM);
    refuses_connections(&server).await;
    let mut answers = Vec::new();
    for (user, asked) in accepted {
        let answer = asked.finish().await;
        assert!(answer.starts_with("HTTP/1.1 201 Created\r\n"), "{user}: {answer}");
        let body: Value = serde_json::from_str(answer.split_once("\r\n\r\n").unwrap().1).unwrap();
        answers.push(crate::rig::Coupon::read(&body["coupon"]));
    }
    let ended = server.ended().await;
    assert_eq!(ended.code, Some(0), "{ended:?}");
    let server = server.started_again().await;
    assert_exact(&server, "ends", 5, &answers).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sigterm_in_the_middle_of_a_rush_ends_with_exit_code_0_and_nothing_said_is_lost() {
    for signal in [Signal::TERM, Signal::INT] {
        let folder = Folder::new();
        let server = Server::start(&folder).await;
        server.api.create("ends", 5_000).await;
        let people = people("p", 4_000);
        let rush = {
            let (api, people) = (server.api.clone(), people.clone());
            tokio::spawn(async move { crowd(&api, "ends", &people, 64).await })
        };
        eventually("the rush is under way", async || {
            (server.api.campaign("ends").await["issued"].as_u64() > Some(300)).then_some(())
        })
        .await;
        server.signal(signal);
        let ended = server.ended().await;
        assert_eq!(ended.code, Some(0), "{ended:?}");
        let told = rush.await.unwrap();
        assert!(told.contains(&Told::Nothing), "it ended after the rush: nothing was shown");
        let server = server.started_again().await;
        for (person, told) in people.iter().zip(&told) {
            if let Told::Issued(coupon, _) = told {
                assert_eq!(server.api.ask("ends", person).await.already(), *coupon);
            }
        }
        let all = ask_all(&server.api, "ends", &people).await;
        assert_exact(&server, "ends", 4_000, &coupons(told.iter().chain(&all))).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_signal_ends_it_at_once() {
    let folder = Folder::new();
    let server = Server::start(&folder).await;
    server.api.create("ends", 10).await;
    let told = server.api.ask("ends", "quick").await.issued();
    // It would wait for this one.
    let slow = Accepted::by(&server, "ends", "slow").await;
    server.signal(Signal::TERM);
    refuses_connections(&server).await;
    let hasty = std::time::Instant::now();
    server.signal(Signal::TERM);
    let ended = server.ended().await;
    assert!(ended.code.is_some_and(|code| code != 0), "{ended:?}");
    assert!(hasty.elapsed() < std::time::Duration::from_secs(10), "{:?}", hasty.elapsed());
    drop(slow);
    let server = server.started_again().await;
    assert_exact(&server, "ends", 1, &[told]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_never_finishes_its_request_cannot_hold_up_the_end() {
    let folder = Folder::new();
    let server = Server::start(&folder).await;
    server.api.create("ends", 10).await;
    let never = Accepted::by(&server, "ends", "never").await;
    let idle = TcpStream::connect(server.url.strip_prefix("http://").unwrap()).await.unwrap();
    let live = server.api.request(reqwest::Method::GET, "/v1/history/live").send().await.unwrap();
    server.signal(Signal::TERM);
    let ended = server.ended().await;
    assert_eq!(ended.code, Some(0), "{ended:?}");
    drop((never, idle, live));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[expect(clippy::too_many_lines, reason = "a table")]
async fn probes_metrics_and_documents_are_there() {
    let folder = Folder::new();
    let server = Server::start(&folder).await;
    let api = &server.api;
    api.create("seen", 20).await;
    let told = ask_all(api, "seen", &people("secret-person", 25)).await;
    assert_level(api, "seen").await;
    api.get("/healthz").await.with(200);
    api.get("/readyz").await.with(200);

    // Measured every second.
    let gauges = [
        "firstcome_stock{campaign=\"seen\"}",
        "firstcome_issued{campaign=\"seen\"}",
        "firstcome_outbox_depth{campaign=\"seen\"}",
        "firstcome_log_position{partition=\"0\"}",
        "firstcome_lag_events{projection=\"ledger\"",
        "firstcome_dependency_up{dependency=\"gate\"",
        "firstcome_consumer_position{projection=\"read_model\"",
        "firstcome_lag_events{projection=\"read_model\"",
        "firstcome_lag_seconds{projection=\"read_model\"",
        "firstcome_parked_campaigns{projection=\"read_model\"",
    ];
    let metrics = eventually("the read model is measured", async || {
        let metrics = api.get("/metrics").await;
        gauges.iter().all(|gauge| metrics.text.contains(gauge)).then_some(metrics)
    })
    .await;
    assert_eq!(metrics.status, 200);
    let media_type = metrics.headers["content-type"].to_str().unwrap();
    assert!(media_type.starts_with("text/plain; version=0.0.4"), "{media_type}");
    let text = &metrics.text;
    for line in [
        "# HELP firstcome_issue_requests_total ",
        "# TYPE firstcome_issue_requests_total counter",
        "# TYPE firstcome_issue_answer_seconds histogram",
        "firstcome_issue_answer_seconds_bucket{",
        "firstcome_issue_decide_seconds_bucket{",
        "firstcome_issue_append_seconds_bucket{",
        "firstcome_http_request_duration_seconds_bucket{",
        "le=\"+Inf\"",
        "firstcome_issue_requests_total{campaign=\"seen\",outcome=\"issued\"} 20",
        "firstcome_issue_requests_total{campaign=\"seen\",outcome=\"sold_out\"} 5",
        "firstcome_build_info{",
    ] {
        assert!(text.contains(line), "{line} is not in\n{text}");
    }
    let described = |line: &&str| {
        let name = line.split(['{', ' ']).next().unwrap();
        let of = |name: &str| text.contains(&format!("# HELP {name} "));
        of(name) || ["_bucket", "_sum", "_count"].iter().any(|end| name.strip_suffix(end).is_some_and(of))
    };
    let bare: Vec<_> = text
        .lines()
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
        .filter(|line| !described(line))
        .collect();
    assert!(bare.is_empty(), "without HELP: {bare:?}");
    assert!(!text.contains("quantile="), "summaries cannot be added up");
    assert!(!text.contains("secret-person"), "nobody is named in a metric");
    assert!(coupons(&told).iter().all(|coupon| !text.contains(&coupon.code)));

    let document = api.get("/openapi.json").await.with(200);
    assert!(document["openapi"].as_str().is_some_and(|version| version.starts_with("3.")), "{document}");
    let paths = document["paths"].as_object().unwrap();
    for (path, methods) in [
        ("/v1/campaigns", &["get", "post"][..]),
        ("/v1/campaigns/{id}", &["get", "patch"]),
        ("/v1/campaigns/{id}/pause", &["post"]),
        ("/v1/campaigns/{id}/resume", &["post"]),
        ("/v1/campaigns/{id}/cancel", &["post"]),
        ("/v1/campaigns/{id}/rebuild", &["post"]),
        ("/v1/campaigns/{id}/askers", &["get"]),
        ("/v1/campaigns/{id}/coupons", &["post"]),
        ("/v1/campaigns/{id}/fingerprint", &["get"]),
        ("/v1/pipeline", &["get", "patch"]),
        ("/v1/dead-letters", &["get"]),
        ("/v1/dead-letters/{id}/message", &["get"]),
        ("/v1/dead-letters/{id}/replay", &["post"]),
        ("/v1/dead-letters/{id}", &["delete"]),
        ("/v1/audit-log", &["get"]),
        ("/v1/history/campaigns", &["get"]),
        ("/v1/history/campaigns/{id}", &["get"]),
        ("/v1/history/campaigns/{id}/timeline", &["get"]),
        ("/v1/history/campaigns/{id}/coupons", &["get"]),
        ("/v1/history/campaigns/{id}/coupons.csv", &["get"]),
        ("/v1/history/campaigns/{id}/fingerprint", &["get"]),
        ("/v1/history/users/{id}/coupons", &["get"]),
        ("/v1/history/coupons/{code}", &["get"]),
        ("/v1/history/lag", &["get"]),
        ("/v1/history/dead-letters", &["get"]),
        ("/v1/history/dead-letters/{id}/message", &["get"]),
        ("/v1/history/dead-letters/{id}/replay", &["post"]),
        ("/v1/history/dead-letters/{id}", &["delete"]),
        ("/v1/history/live", &["get"]),
        ("/healthz", &["get"]),
        ("/readyz", &["get"]),
        ("/metrics", &["get"]),
    ] {
        for method in methods {
            assert!(paths.get(path).is_some_and(|path| path.get(method).is_some()), "{method} {path}");
        }
    }
    let docs = api.get("/docs/").await;
    assert!(docs.status == 200 && docs.text.contains("<html"), "{docs:?}");
    let short = api.get("/docs").await;
    assert!(short.status < 400, "{short:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_taken_port_is_one_clear_error() {
    let folder = Folder::new();
    let server = Server::start(&folder).await;
    let other = Folder::new();
    let address = server.url.strip_prefix("http://").unwrap();
    let args = ["serve", "--headless", "--addr", address, "--data-dir", other.path().to_str().unwrap()];
    let ended = run_with(args, &[]).await;
    let error = ended.one_clear_error();
    assert!(error.contains(address), "{error}");
}
