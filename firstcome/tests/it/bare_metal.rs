//! `scripts/stack`: the bare-metal way to the full stack, with the binary of these tests.

use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use reqwest::Method;

use crate::rig::{Api, Folder, eventually, run_with, send};

/// The stack in a folder of its own, on ports of its own; taken down with the test.
struct Stack {
    folder: Folder,
    ports: u16,
}

/// Above those of the testkit's servers, and below those that the kernel gives to outgoing connections: one of these
/// would else sit on the port of a server that is down for a moment.
const FIRST: u16 = 31_000;
/// Ports of one stack.
const EACH: u16 = 32;
const STACKS: u16 = (32_768 - FIRST) / EACH;

impl Stack {
    fn new() -> Self {
        // Tests of other processes draw theirs as well, and begin elsewhere.
        let begin = u16::try_from(std::process::id() % u32::from(STACKS)).unwrap();
        let mut draws = (0..STACKS).map(|turn| FIRST + (begin + turn) % STACKS * EACH);
        let free = |port| TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok();
        let ports = draws.find(|first| (*first..first + EACH).all(free)).expect("ports are free");
        Self { folder: Folder::new(), ports }
    }

    fn run(&self, act: &str) -> Output {
        let script: PathBuf = Path::new(env!("CARGO_MANIFEST_DIR")).join("../scripts/stack");
        let binary = std::env::var("FIRSTCOME_TEST_BINARY");
        let mut command = Command::new(script);
        command.arg(act).arg(self.folder.path());
        command.env("FIRSTCOME_STACK_PORTS", self.ports.to_string());
        command.env("FIRSTCOME_STACK_BINARY", binary.as_deref().unwrap_or(env!("CARGO_BIN_EXE_firstcome")));
        command.env_remove("FIRSTCOME_API_KEYS").output().unwrap()
    }

    fn well(&self, act: &str) -> String {
        let ended = self.run(act);
        let (stdout, stderr) =
            (String::from_utf8_lossy(&ended.stdout), String::from_utf8_lossy(&ended.stderr));
        assert!(ended.status.success(), "{act}: {stdout}{stderr}");
        stdout.into_owned()
    }

    /// The services in the order of their ports: command, query, command.
    fn api(&self, place: u16) -> Api {
        Api::new(&format!("http://127.0.0.1:{}", self.ports + 10 + place), None)
    }

    fn settings(&self) -> Vec<(String, String)> {
        let env = std::fs::read_to_string(self.folder.file("env")).unwrap();
        let pair = |line: &str| line.split_once('=').map(|(name, value)| (name.to_owned(), value.to_owned()));
        env.lines().filter_map(pair).collect()
    }
}

impl Drop for Stack {
    fn drop(&mut self) {
        let ended = self.run("down");
        if std::thread::panicking() {
            eprintln!("{}", String::from_utf8_lossy(&ended.stderr));
        }
        // The stand-in for MongoDB keeps its data in a root folder of its own.
        if let Ok(inside) = std::fs::read_to_string(self.folder.file("data/documentdb")) {
            let _ = std::fs::remove_dir_all(inside.trim());
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_comes_up_is_fit_goes_down_and_keeps_what_it_was_given() {
    let stack = Stack::new();
    stack.well("up");
    let (one, other, history) = (stack.api(0), stack.api(2), stack.api(1));
    one.create("summer", 10).await;
    let told = other.ask("summer", "somebody").await.issued();
    eventually("history has it", async || {
        let found = history.get(&format!("/v1/history/coupons/{}", told.code)).await;
        (found.status == 200).then_some(())
    })
    .await;

    let status = stack.well("status");
    for name in ["redis", "nats", "postgres", "mongo", "command-1", "command-2", "query-1"] {
        let line =
            status.lines().find(|line| line.starts_with(name)).unwrap_or_else(|| panic!("{name}: {status}"));
        assert!(line.ends_with(" well"), "{status}");
    }
    assert_eq!(stack.well("up").lines().count(), 3, "nothing new is started");
    assert_eq!(stack.well("status"), status, "the same processes");

    let settings = stack.settings();
    let env: Vec<_> = settings.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    let check = run_with(["check", "--json"], &env).await;
    let report = check.json();
    let checks = report["checks"].as_array().unwrap().iter().filter(|check| check["verdict"] != "ok");
    let wrong: Vec<_> =
        checks.filter(|check| check["verdict"] != "warn").map(|check| &check["what"]).collect();
    assert_eq!(wrong, ["API keys"], "without keys only this machine is served: {report}");

    stack.well("down");
    assert!(send(one.request(Method::GET, "/healthz")).await.is_err());
    let ended = stack.run("status");
    assert!(!ended.status.success() && ended.stdout.starts_with(b"nothing runs"), "{ended:?}");
    stack.well("up");
    assert_eq!(one.ask("summer", "somebody").await.already(), told, "what was said stays said");
}
