//! The scenarios from their arguments to their reports.

use clap::Parser;
use firstcome_bench::{BenchArgs, BenchError, Report, run};

use crate::fake::{Fake, Faults};

#[derive(Parser)]
struct Cli {
    #[command(flatten)]
    bench: BenchArgs,
}

async fn bench(fake: &Fake, arguments: &str) -> Result<Report, BenchError> {
    let line = format!("bench --server {} {arguments}", fake.url);
    run(Cli::parse_from(line.split_whitespace()).bench).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rush_duplicate_and_soldout_hold_on_a_sound_server() {
    let fake = Fake::start(Faults::default()).await;
    for (arguments, asked, issued, already) in [
        ("--scenario rush --stock 100 --people 500 --connections 16", 500, 100, 0),
        ("--scenario rush --stock 100 --rate 500 --seconds 1 --connections 16", 500, 100, 0),
        ("--scenario duplicate --stock 100 --people 200 --connections 16", 600, 100, 200),
        ("--scenario soldout --stock 20 --people 300 --connections 16", 340, 20, 20),
    ] {
        let report = bench(&fake, arguments).await.unwrap();
        assert!(report.ok(), "{report}");
        let (Report::Rush(run) | Report::Duplicate(run) | Report::Soldout(run)) = &report else {
            panic!("{report}")
        };
        let audit = &run.audit;
        assert_eq!((audit.asked, audit.issued, audit.already_issued), (asked, issued, already), "{report}");
        assert!(run.healthz_per_second > 0.0 && run.answers_ratio > 0.0, "every rate beside its ratio");
        let text = report.to_string();
        assert!(text.contains("beside /healthz"), "{text}");
        let json = serde_json::to_value(&report).unwrap();
        assert_eq!(json["audit"]["ok"], true);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_broken_promise_is_not_ok() {
    let fake = Fake::start(Faults { oversell: 1, ..Faults::default() }).await;
    for scenario in ["rush", "duplicate", "soldout"] {
        let arguments = format!("--scenario {scenario} --stock 50 --people 200 --connections 8");
        let report = bench(&fake, &arguments).await.unwrap();
        assert!(!report.ok(), "{report}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ratio_puts_every_rate_beside_healthz() {
    let fake = Fake::start(Faults::default()).await;
    let report = bench(&fake, "--scenario ratio --connections 4 --seconds 1 --runs 1").await.unwrap();
    assert!(report.ok(), "{report}");
    let Report::Ratio(ratio) = &report else { panic!("{report}") };
    let set = &ratio.sets[0];
    assert_eq!((set.connections, set.runs.len()), (4, 1));
    let run = set.median;
    assert!(run.healthz_per_second > 0.0 && run.issues.per_second > 0.0 && run.refusals.per_second > 0.0);
    assert!((run.issues.ratio - run.issues.per_second / run.healthz_per_second).abs() < 1e-9);
    let reached = set.open_issues.per_second / set.open_rate;
    assert!((0.9..1.1).contains(&reached), "the open loop kept its rate: {reached}\n{report}");
    assert!(set.latency.count > 0 && report.to_string().contains("median"), "{report}");
}

/// In a cluster each side has an address: load goes to the one that issues, questions to whoever can answer.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_side_of_a_cluster_is_asked_what_it_knows() {
    let fake = Fake::split(Faults::default()).await;
    let report = bench(&fake, "--scenario rush --stock 100 --people 500 --connections 16").await.unwrap();
    assert!(report.ok(), "{report}");
    let report =
        bench(&fake, "--scenario ratio --connections 4 --campaigns 3 --seconds 1 --runs 1").await.unwrap();
    assert!(report.ok(), "{report}");
    let read_side = fake.url.split(',').next().unwrap().to_owned();
    let alone = run(Cli::parse_from(["bench", "--server", &read_side]).bench).await.unwrap_err();
    assert!(matches!(alone, BenchError::Usage(_)), "{alone}");
}

#[tokio::test]
async fn arguments_that_make_no_sense_are_refused() {
    let fake = Fake::start(Faults::default()).await;
    let error = bench(&fake, "--rate 0").await.unwrap_err();
    assert!(matches!(error, BenchError::Usage(_)), "{error}");
    for bad in ["--connections 0", "--stock 0", "--people 0", "--runs 0", "--scenario storm"] {
        assert!(Cli::try_parse_from(format!("bench {bad}").split_whitespace()).is_err(), "{bad}");
    }
}
