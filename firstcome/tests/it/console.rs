//! The console without a terminal: one snapshot, for people and for scripts.

use crate::rig::{Folder, Server, ask_all, assert_level, people, run};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn once_prints_a_snapshot_for_people_and_for_scripts() {
    let folder = Folder::new();
    let server = Server::start(&folder).await;
    server.api.create("shown", 50).await;
    let told = ask_all(&server.api, "shown", &people("p", 30)).await;
    assert_level(&server.api, "shown").await;

    let text = run(["console", "--once", "--server", &server.url]).await;
    assert_eq!(text.code, Some(0), "{text:?}");
    for part in ["shown", "30", "50", "open"] {
        assert!(text.stdout.contains(part), "{part} is not in\n{}", text.stdout);
    }
    assert!(!text.stdout.contains('\u{1b}'), "no escape sequences without a terminal: {:?}", text.stdout);

    let json = run(["console", "--once", "--json", "--server", &server.url]).await;
    assert_eq!(json.code, Some(0), "{json:?}");
    let snapshot = json.json();
    let campaign = &snapshot["campaigns"][0];
    assert_eq!(
        (&campaign["id"], &campaign["issued"], &campaign["remaining"]),
        (&"shown".into(), &30.into(), &20.into())
    );
    assert_eq!(snapshot["read_model"]["lag_events"], 0, "{snapshot}");
    assert!(snapshot["pipeline"]["log"]["identity"].is_string(), "{snapshot}");
    assert_eq!(snapshot["errors"], serde_json::json!([]), "{snapshot}");

    let one = run(["console", "--once", "--json", "--campaign", "shown", "--server", &server.url]).await;
    assert_eq!(one.code, Some(0), "{one:?}");
    assert_eq!(one.json()["campaign"]["id"], "shown");
    for coupon in told.iter().filter_map(crate::rig::Told::coupon) {
        assert!(!one.stdout.contains(&coupon.code), "codes are money");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_terminal_it_says_what_to_do() {
    let folder = Folder::new();
    let server = Server::start(&folder).await;
    let ended = run(["console", "--server", &server.url]).await;
    let error = ended.one_clear_error();
    assert!(error.contains("--once"), "{error}");
}
