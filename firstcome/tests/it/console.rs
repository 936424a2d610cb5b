//! The console: one snapshot without a terminal; and in a real terminal every screen, every size, a server that goes and
//! comes back, and every way out.

pub mod tmux;

use rustix::process::{Pid, Signal, kill_process};
use tmux::Tmux;

use crate::rig::{Folder, Launch, Server, alter, ask_all, assert_level, eventually, people, run};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn once_prints_a_snapshot_for_people_and_for_scripts() {
    let folder = Folder::new();
    let server = Server::start(&folder).await;
    server.api.create("shown", 50).await;
    let told = ask_all(&server.api, "shown", &people("p", 30)).await;
    assert_level(&server.api, "shown").await;
    // Its rows are there a moment before it says so.
    eventually("nothing is behind", async || {
        (server.api.get("/v1/history/lag").await.with(200)["lag_events"] == 0).then_some(())
    })
    .await;

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

/// A server on which a campaign was sold half and another stands still in both projections, because of a message that
/// nobody can read.
async fn server(folder: &Folder) -> Server {
    // The same address after a restart, as it is for whoever runs one.
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let addr = format!("127.0.0.1:{port}");
    let server = Launch::on(folder).args(&["--addr", &addr]).start().await;
    for campaign in ["shown", "garbled"] {
        server.api.create(campaign, 50).await;
        ask_all(&server.api, campaign, &people("p", 25)).await;
        assert_level(&server.api, campaign).await;
    }
    server.kill().await;
    let garble =
        "INSERT INTO message (campaign, lane, stored_at, payload) VALUES ('garbled', 0, 0, x'00ff7b')";
    assert_eq!(alter(&folder.file("log.db"), garble).await, 1);
    let server = server.started_again().await;
    for path in ["/v1/dead-letters", "/v1/history/dead-letters"] {
        eventually("it is parked", async || {
            let letters = server.api.get(path).await.with(200)["items"].as_array().unwrap().len();
            (letters == 1).then_some(())
        })
        .await;
    }
    server
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_screen_in_a_real_terminal_at_both_sizes() {
    let folder = Folder::new();
    let server = server(&folder).await;
    for (columns, rows) in [(80, 24), (120, 40)] {
        let tmux = Tmux::start(columns, rows).await;
        tmux.starts(&format!("console --server {}", server.url));
        let screen = tmux.shows("● live").await;
        assert_eq!(screen.lines().count(), usize::from(rows), "{screen}");
        // What is wrong stands on every screen, with what to do.
        tmux.shows("▲ PAGE garbled: its gate does not tell").await;
        for (tab, seen) in [
            ("[Campaigns]", "● open"),
            ("[Pipeline]", "╭─ read model"),
            ("[Dead letters 2]", "read model"),
            ("[Audit]", "campaign created"),
            ("[Alerts", "△ WARN  1 campaign is parked in the ledger"),
            ("[Help]", "pause or resume"),
        ] {
            tmux.shows(tab).await;
            tmux.shows(seen).await;
            tmux.shows("▲ PAGE garbled").await;
            tmux.presses("Tab");
        }
        tmux.types("/shown");
        tmux.presses("Enter");
        tmux.shows("1 of 2 · /shown").await;
        tmux.presses("Enter");
        tmux.shows("Latest coupons").await;
        tmux.shows("25 of 50 left").await;
        let screen = tmux.shows("-····").await;
        let code = server.api.get("/v1/history/campaigns/shown/coupons?limit=1").await.with(200);
        let code = code["items"][0]["code"].as_str().unwrap();
        assert!(!screen.contains(code), "codes are money\n{screen}");
        tmux.types(":dead");
        tmux.shows(":dead▏-letters").await;
        tmux.presses("Enter");
        tmux.presses("Enter");
        tmux.shows("parked at").await;
        tmux.types(":audit");
        tmux.presses("Enter");
        tmux.shows("campaign created").await;
        tmux.presses("Enter");
        tmux.shows("Details").await;
        // The mouse: a click on the second tab.
        tmux.sends(b"\x1b[<0;15;2M");
        tmux.shows("[Pipeline]").await;
        tmux.types(":theme mono");
        tmux.presses("Enter");
        tmux.types("?");
        tmux.shows("Act (with --operator; each asks first)").await;
        tmux.presses("End");
        tmux.shows("discard it; asks first").await;
        tmux.types("q");
        tmux.shows("left with 0.").await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dead_letter_is_read_replayed_and_discarded_from_the_console() {
    let folder = Folder::new();
    let server = server(&folder).await;
    let tmux = Tmux::start(120, 40).await;
    tmux.starts(&format!("console --operator --server {}", server.url));
    tmux.shows("Dead letters 2").await;
    tmux.types(":dead-letters");
    tmux.presses("Enter");
    tmux.types("/ledger");
    tmux.presses("Enter");
    tmux.shows("1 of 2 · /ledger").await;
    tmux.presses("Enter");
    let letter = tmux.shows("Message").await;
    assert!(letter.contains("garbled") && letter.contains("reason"), "{letter}");
    let at = letter.lines().find_map(|line| line.trim().strip_prefix("position ")).unwrap().trim().to_owned();

    // Not without a yes.
    tmux.types("r");
    tmux.shows(&format!("POST /v1/dead-letters/{at}/replay")).await;
    tmux.types("n");
    tmux.shows("nothing was sent").await;
    tmux.types("ry");
    tmux.shows(&format!("the ledger replays garbled from {at} on")).await;
    // Not without its position.
    tmux.types("d");
    tmux.shows(&format!("DELETE /v1/dead-letters/{at}")).await;
    tmux.types(&at);
    tmux.presses("Enter");
    tmux.shows(&format!("the ledger skips {at} and reads garbled on")).await;
    tmux.shows("Dead letters 1").await;
    tmux.shows("It is no longer parked").await;
    // Nobody acts unseen.
    tmux.types(":audit garbled");
    tmux.presses("Enter");
    tmux.shows("Audit of garbled").await;
    tmux.shows("discard").await;
    let audit = tmux.shows("replay").await;
    assert!(audit.contains("local") && !audit.contains("shown"), "{audit}");

    // A campaign is paused and resumed by a command that names it.
    for (command, state) in [("pause", "paused"), ("resume", "open")] {
        tmux.types(&format!(":{command} shown"));
        tmux.presses("Enter");
        tmux.shows(&format!("POST /v1/campaigns/shown/{command}")).await;
        tmux.types("y");
        // Until then it would say that there is nothing to resume.
        tmux.shows(&format!("shown is {command}d")).await;
        eventually("it is done", async || {
            (server.api.campaign("shown").await["state"] == state).then_some(())
        })
        .await;
    }
    tmux.types("q");
    tmux.shows("left with 0.").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn follows_every_size_and_comes_back_with_the_server() {
    let folder = Folder::new();
    let server = server(&folder).await;
    let tmux = Tmux::start(80, 24).await;
    tmux.starts(&format!("console --server {}", server.url));
    tmux.shows("● live").await;
    for (columns, rows, seen) in [
        (120, 40, "NAME"),
        (40, 8, "terminal too small"),
        (64, 18, "CAMPAIGN"),
        (200, 60, "TREND"),
        (80, 24, "[Campaigns]"),
    ] {
        tmux.resizes(columns, rows);
        let screen = tmux.shows(seen).await;
        assert_eq!(screen.lines().count(), usize::from(rows), "{columns}×{rows}\n{screen}");
    }
    tmux.shows("● live").await;

    // Nobody looks: the terminal lost the keyboard. The server hangs: its picture gets old.
    tmux.sends(b"\x1b[O");
    server.signal(Signal::STOP);
    tmux.shows("s old").await;
    eventually("it tells whoever does not look, in every way", async || {
        let raw = tmux.raw();
        ["]9;firstcome: ", "]777;notify;firstcome;", "\u{7}"]
            .iter()
            .all(|part| raw.contains(part))
            .then_some(())
    })
    .await;
    // The keys do not wait for it.
    tmux.types("?");
    tmux.shows("[Help]").await;
    tmux.presses("Escape");
    tmux.shows("[Campaigns]").await;
    server.signal(Signal::CONT);
    tmux.shows("● live").await;

    // It dies.
    server.kill().await;
    tmux.shows("s old, reconnecting: connection refused").await;
    let away = tmux.shows("does not answer: connection refused").await;
    assert!(away.contains("shown"), "the last picture stays\n{away}");
    let server = server.started_again().await;
    tmux.shows("● live").await;
    tmux.hides("does not answer").await;
    // What the restarted one does is seen.
    ask_all(&server.api, "shown", &people("q", 5)).await;
    tmux.types(":shown");
    tmux.presses("Enter");
    tmux.shows("20 of 50 left").await;
    tmux.types("q");
    tmux.shows("left with 0.").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_terminal_is_as_it_was_whatever_the_way_out() {
    let folder = Folder::new();
    let server = Server::start(&folder).await;
    server.api.create("shown", 50).await;
    let tmux = Tmux::start(80, 24).await;
    let before = tmux.terminal().await;
    let start = async || {
        tmux.starts(&format!("console --server {}", server.url));
        tmux.shows("● live").await;
    };
    let terminate = || kill_process(Pid::from_raw(tmux.pid()).unwrap(), Signal::TERM).unwrap();

    start().await;
    tmux.types("q");
    tmux.is_restored(&before, 0).await;

    start().await;
    tmux.presses("C-c");
    tmux.is_restored(&before, 0).await;

    start().await;
    terminate();
    tmux.is_restored(&before, 0).await;

    // In the middle of a question.
    start().await;
    tmux.types(":the");
    tmux.shows(":the▏me").await;
    terminate();
    tmux.is_restored(&before, 0).await;

    // Only a build with debug assertions has the command.
    start().await;
    tmux.types(":panic");
    tmux.presses("Enter");
    let screen = tmux.is_restored(&before, 101).await;
    assert!(screen.contains("asked for with :panic"), "the panic can be read\n{screen}");
    assert!(!screen.contains("[Campaigns]"), "nothing of the picture is left\n{screen}");

    // With the service in the same process: leaving asks first, and stops it.
    let own = Folder::new();
    tmux.starts(&format!("serve --addr 127.0.0.1:0 --data-dir {}", own.path().display()));
    tmux.shows("● live").await;
    tmux.types("q");
    tmux.shows("Stop the service?").await;
    tmux.types("y");
    tmux.is_restored(&before, 0).await;
}
