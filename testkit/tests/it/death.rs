//! No server outlives the test that started it, whatever ends that test.

use std::{
    io::{BufRead, BufReader, Write},
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use firstcome_testkit::{Mongo, Nats, Postgres, Redis, shared};
use tokio::sync::oneshot;

use crate::{listens, until};

const CHILD: &str = "FIRSTCOME_TESTKIT_CHILD";

/// What a test has started: each address, and each folder if there is one.
async fn all_kinds() -> (Vec<String>, Vec<PathBuf>, impl Sized) {
    let servers = (Redis::start().await, Nats::start().await, Postgres::start().await, Mongo::start().await);
    let (redis, nats, postgres, mongo) = &servers;
    // One that stands still must go, too.
    redis.pause();
    let addresses =
        vec![redis.addr(), nats.addr(), postgres.addr(), mongo.addr(), shared::nats().await.addr()];
    let folders = [redis.folder(), nats.folder(), postgres.folder(), mongo.folder()];
    (addresses, folders.map(Path::to_path_buf).to_vec(), servers)
}

async fn gone(addresses: &[String], folders: &[PathBuf]) {
    until("all are gone", async || {
        !addresses.iter().any(|addr| listens(addr)) && !folders.iter().any(|folder| folder.exists())
    })
    .await;
}

/// Not a test of its own: the process that is killed by the one below.
#[tokio::test]
#[ignore = "killed by another test"]
async fn child() {
    if std::env::var_os(CHILD).is_none() {
        return;
    }
    let (addresses, folders, _servers) = all_kinds().await;
    let mut out = std::io::stdout();
    for addr in addresses {
        writeln!(out, "address {addr}").unwrap();
    }
    for folder in folders {
        writeln!(out, "folder {}", folder.display()).unwrap();
    }
    writeln!(out, "complete").unwrap();
    std::future::pending::<()>().await;
}

#[tokio::test]
async fn nothing_is_left_of_a_test_process_that_is_killed() {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "death::child", "--ignored", "--nocapture"])
        .env(CHILD, "1")
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let (mut addresses, mut folders, mut complete) = (vec![], vec![], false);
    for line in BufReader::new(child.stdout.take().unwrap()).lines() {
        let line = line.unwrap();
        if let Some(addr) = line.strip_prefix("address ") {
            addresses.push(addr.to_owned());
        } else if let Some(folder) = line.strip_prefix("folder ") {
            folders.push(PathBuf::from(folder));
        } else if line == "complete" {
            complete = true;
            break;
        }
    }
    assert!(complete, "the child ended by itself");
    assert!(addresses.iter().all(|addr| listens(addr)), "{addresses:?}");
    assert!(folders.iter().all(|folder| folder.exists()), "{folders:?}");

    child.kill().unwrap();
    child.wait().unwrap();
    gone(&addresses, &folders).await;
}

#[tokio::test]
async fn nothing_is_left_of_a_test_that_panics() {
    let (tell, told) = oneshot::channel();
    let test = tokio::spawn(async {
        let redis = Redis::start().await;
        tell.send((redis.addr(), redis.folder().to_path_buf())).unwrap();
        panic!("as tests do");
    });
    let (addr, folder) = told.await.unwrap();
    assert!(test.await.unwrap_err().is_panic());
    gone(&[addr], &[folder]).await;
}
