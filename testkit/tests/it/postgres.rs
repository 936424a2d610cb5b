//! PostgreSQL.

use firstcome_testkit::Postgres;

use crate::{hangs, listens, timed, until};

/// Its processes: each session and each worker is one, in a group of its own.
async fn processes(postgres: &Postgres) -> Vec<String> {
    let pids = postgres.sql("SELECT pid FROM pg_stat_activity WHERE pid <> pg_backend_pid()").await;
    pids.lines().map(str::to_owned).collect()
}

/// What the kernel says of a process: `S` it sleeps, `T` it is stopped, `Z` it is dead and not yet waited for.
fn state(pid: &str) -> Option<char> {
    let line = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    line.rsplit_once(") ")?.1.chars().next()
}

#[tokio::test]
async fn a_killed_postgres_comes_back_with_what_it_committed_and_empty_if_told() {
    let postgres = timed("postgres", Postgres::start()).await;
    postgres.sql("CREATE TABLE t (a int); INSERT INTO t VALUES (7)").await;

    let processes = processes(&postgres).await;
    assert!(processes.len() >= 3, "{processes:?}");
    postgres.kill().await;
    assert!(processes.iter().all(|pid| matches!(state(pid), None | Some('Z'))), "{processes:?}");
    assert!(!listens(&postgres.addr()));
    postgres.restart().await;
    assert_eq!(postgres.sql("SELECT a FROM t").await, "7");

    postgres.restart_empty().await;
    assert_eq!(postgres.sql("SELECT to_regclass('t') IS NULL").await, "t");
}

#[tokio::test]
async fn a_paused_postgres_answers_when_it_goes_on() {
    let postgres = Postgres::start().await;
    let processes = processes(&postgres).await;
    postgres.pause();
    // A session that was just ending may be gone.
    until("all are stopped", async || {
        let states: Vec<_> = processes.iter().filter_map(|pid| state(pid)).collect();
        states.len() >= 3 && states.iter().all(|state| *state == 'T')
    })
    .await;
    assert!(hangs(postgres.sql("SELECT 1")).await);
    postgres.resume();
    assert_eq!(postgres.sql("SELECT 1").await, "1");
}

#[tokio::test]
async fn postgres_runs_with_the_settings_of_a_stack_and_those_of_the_test() {
    let postgres = Postgres::start_with(&["-c", "max_connections=17"]).await;
    assert_eq!(postgres.sql("SHOW synchronous_commit").await, "on");
    assert_eq!(postgres.sql("SHOW max_wal_size").await, "4GB");
    assert_eq!(postgres.sql("SHOW max_connections").await, "17");
}
