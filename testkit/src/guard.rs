//! One server process under guard: a small shell script is its parent, holds it, breaks it on request, and ends it when
//! this process drops it or dies in whatever way. (A signal on the parent's death would not do: it comes when the
//! *thread* that started the server ends, and every test has a thread of its own.)

use std::{
    io::{BufRead, BufReader, Write},
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
    sync::{Mutex, PoisonError},
};

const SCRIPT: &str = include_str!("guard.sh");

/// The guard of one server.
pub(crate) struct Guard {
    pipe: Mutex<Pipe>,
    home: PathBuf,
}

struct Pipe {
    guard: Child,
    /// Whose end is the server's. Taken when the guard is dropped.
    orders: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
}

impl Guard {
    /// A guard for the server that `scripts/server KIND <folder> PORT ARGS` runs; its folder is made in `parent`.
    pub(crate) fn new(parent: &Path, kind: &str, port: u16, args: &[String]) -> Self {
        let mut guard = Command::new("sh")
            .args(["-c", SCRIPT, "guard.sh"])
            .arg(parent)
            .arg(script())
            .args([kind, &port.to_string()])
            .args(args)
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("sh is on PATH");
        let orders = guard.stdin.take();
        let answers = BufReader::new(guard.stdout.take().expect("its output is a pipe"));
        let mut pipe = Pipe { guard, orders, answers };
        let home = pipe.answer();
        assert!(!home.is_empty(), "no folder can be made in {}", parent.display());
        Self { pipe: Mutex::new(pipe), home: home.into() }
    }

    /// What the server keeps.
    pub(crate) fn data(&self) -> PathBuf {
        self.home.join("data")
    }

    /// The end of what the server said.
    pub(crate) fn log_tail(&self) -> String {
        let log = std::fs::read(self.home.join("log")).unwrap_or_default();
        let text = String::from_utf8_lossy(&log);
        let lines: Vec<&str> = text.lines().collect();
        lines[lines.len().saturating_sub(20)..].join("\n")
    }

    /// Starts the server; one that runs is killed first.
    pub(crate) fn start(&self) {
        self.order("start");
    }

    /// Kills the server (-9) and all that it started; they are gone on return.
    pub(crate) fn kill(&self) {
        self.order("kill");
    }

    /// Kills the server and empties its folder.
    pub(crate) fn empty(&self) {
        self.order("empty");
    }

    /// Stops all its processes where they are.
    pub(crate) fn pause(&self) {
        self.order("pause");
    }

    /// Lets all its processes go on.
    pub(crate) fn resume(&self) {
        self.order("resume");
    }

    /// Whether the server's process is there.
    pub(crate) fn running(&self) -> bool {
        self.order("running") == "yes"
    }

    fn order(&self, order: &str) -> String {
        let mut pipe = self.pipe.lock().unwrap_or_else(PoisonError::into_inner);
        let orders = pipe.orders.as_mut().expect("it is taken only by drop");
        writeln!(orders, "{order}").expect("the guard is there as long as its pipe");
        pipe.answer()
    }
}

impl Pipe {
    fn answer(&mut self) -> String {
        let mut line = String::new();
        self.answers.read_line(&mut line).expect("the guard answers in text");
        line.trim_end().to_owned()
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        let pipe = self.pipe.get_mut().unwrap_or_else(PoisonError::into_inner);
        pipe.orders = None;
        // So that the next test finds the machine as this one did.
        let _ = pipe.guard.wait();
    }
}

/// What a program that belongs to a server prints.
pub(crate) fn tool(program: &str, args: &[String]) -> String {
    let mut words = vec!["tool", program];
    words.extend(args.iter().map(String::as_str));
    ask(&words)
}

/// What `scripts/server` prints with these words.
pub(crate) fn ask(words: &[&str]) -> String {
    let output = Command::new(script()).args(words).output().expect("scripts/server can be run");
    let printed = String::from_utf8_lossy(&output.stdout).trim_end().to_owned();
    assert!(
        output.status.success(),
        "{}: {}\n{printed}\n{}",
        words.join(" "),
        output.status,
        String::from_utf8_lossy(&output.stderr)
    );
    printed
}

/// The script that starts servers, for tests and for people.
fn script() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../scripts/server")
}
