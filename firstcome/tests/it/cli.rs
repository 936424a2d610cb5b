//! The command line: the demo with its proof, and errors that say what to do.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use crate::rig::{Folder, Launch, Server, alter, rows, run, run_with};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_demo_ends_with_a_proof_that_nobody_was_treated_wrongly() {
    let temporary = tempfile::tempdir().unwrap();
    let env = [("TMPDIR", temporary.path().to_str().unwrap())];
    let demo = run_with(["demo", "--fast", "--stock", "1000", "--people", "3000", "--json"], &env).await;
    assert_eq!(demo.code, Some(0), "{demo:?}");
    let report = demo.json();
    assert_eq!(report["ok"], true, "{report}");
    assert_eq!(
        (&report["stock"], &report["people"], &report["issued"]),
        (&1000.into(), &3000.into(), &1000.into())
    );
    for zero in ["oversold", "duplicates", "missing", "out_of_order", "differences", "unanswered"] {
        assert_eq!(report[zero], 0, "{zero}: {report}");
    }
    let answered = ["issued", "already_issued", "sold_out"].iter().map(|of| report[of].as_u64().unwrap());
    assert_eq!(answered.sum::<u64>(), report["asked"].as_u64().unwrap(), "{report}");
    let left: Vec<_> = std::fs::read_dir(temporary.path()).unwrap().collect();
    assert!(left.is_empty(), "its folder is gone with it: {left:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_demo_for_people_names_what_it_counted() {
    let demo = run(["demo", "--fast", "--stock", "50", "--people", "100"]).await;
    assert_eq!(demo.code, Some(0), "{demo:?}");
    for line in
        ["asked", "issued", "already issued", "sold out", "oversold", "duplicates", "missing", "p50", "p99"]
    {
        assert!(demo.stdout.contains(line), "{line} is not in\n{}", demo.stdout);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_demo_whose_ledger_is_tampered_with_exits_non_zero_and_names_the_coupon() {
    let temporary = tempfile::tempdir().unwrap();
    let env = [("TMPDIR", temporary.path().to_str().unwrap())];
    let demo = run_with(["demo", "--fast", "--stock", "2000", "--people", "12000", "--json"], &env);
    let thief = async {
        let until = Instant::now() + Duration::from_secs(30);
        while Instant::now() < until {
            let folder = std::fs::read_dir(temporary.path()).unwrap().next();
            let ledger: PathBuf =
                folder.map(|folder| folder.unwrap().path().join("ledger.db")).unwrap_or_default();
            if ledger.exists() && rows(&ledger, "SELECT count(*) FROM coupon WHERE seq = 7").await == Some(1)
            {
                return alter(&ledger, "UPDATE coupon SET user_id = 'thief' WHERE seq = 7").await;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        panic!("the demo's ledger never held coupon 7");
    };
    let (demo, touched) = tokio::join!(demo, thief);
    assert_eq!(touched, 1);
    assert_eq!(demo.code, Some(1), "{demo:?}");
    let report = demo.json();
    assert_eq!(report["ok"], false, "{report}");
    assert!(report["differences"].as_u64() > Some(0), "{report}");
    let named = report["named_differences"].as_array().unwrap();
    assert!(
        named.iter().any(|difference| difference["store"] == "ledger" && difference["seq"] == 7),
        "{report}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tools_that_find_no_server_say_so_in_one_sentence() {
    // A port that was free a moment ago, and that nobody listens on.
    let nobody = {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        format!("http://{}", listener.local_addr().unwrap())
    };
    let verified = run(["verify", "--server", &nobody]).await;
    let error = verified.one_clear_error();
    assert!(error.contains(nobody.strip_prefix("http://").unwrap()), "{error}");
    let snapshot = run(["console", "--once", "--server", &nobody]).await;
    let error = snapshot.one_clear_error();
    assert!(error.contains("no snapshot") && error.contains("connection refused"), "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn settings_that_make_no_sense_are_refused_before_anything_is_made() {
    let folder = Folder::new();
    for args in [
        &["--queue", "0"][..],
        &["--queue", "-1"],
        &["--queue", "99999999999999999999"],
        &["--queue", "18446744073709551615"],
        &["--addr", "nowhere"],
        &["--addr", "127.0.0.1:99999"],
        &["--code-secret", "short"],
        &["--colour", "red"],
        &["--log", "info,=,=nonsense=="],
    ] {
        let ended = Launch::on(&folder).args(args).refused().await;
        assert_eq!(ended.code, Some(2), "{args:?}: {ended:?}");
        assert!(!ended.stderr.contains("panicked") && !ended.stderr.is_empty(), "{args:?}: {ended:?}");
    }
    for args in [
        &["demo", "--people", "0"][..],
        &["demo", "--stock", "0"],
        &["nonsense"],
        &["verify", "--server", "ftp://x"],
    ] {
        let ended = run(args.iter().copied()).await;
        assert_eq!(ended.code, Some(2), "{args:?}: {ended:?}");
        assert!(!ended.stderr.contains("panicked"), "{args:?}: {ended:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_environment_sets_what_the_flags_set() {
    let folder = Folder::new();
    let server = Launch::on(&folder).env("FIRSTCOME_LOG", "debug").env("FIRSTCOME_QUEUE", "7").start().await;
    server.api.create("set", 5).await;
    let pipeline = server.api.get("/v1/pipeline").await.with(200);
    assert_eq!(pipeline["campaigns"][0]["queue_capacity"], 7, "{pipeline}");
    let verified = run_with(["verify"], &[("FIRSTCOME_SERVER", server.url.as_str())]).await;
    assert_eq!(verified.code, Some(0), "{verified:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn verify_of_a_campaign_that_is_not_there_is_an_error_and_not_a_proof() {
    let folder = Folder::new();
    let server = Server::start(&folder).await;
    let ended = run(["verify", "--campaign", "nowhere", "--server", &server.url]).await;
    assert_eq!(ended.code, Some(2), "{ended:?}");
    assert!(ended.stderr.contains("nowhere"), "{ended:?}");
    let help = run(["--help"]).await;
    assert_eq!(help.code, Some(0));
    for part in ["serve", "console", "demo", "bench", "verify", "key"] {
        assert!(help.stdout.contains(part), "{}", help.stdout);
    }
}
