//! One run of the binary to its end.

use std::ffi::OsString;
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use super::PATIENCE;

/// Another binary to test than the one that was built with the tests, such as a release build.
const BINARY: &str = "FIRSTCOME_TEST_BINARY";

/// The binary, without any of the settings of whoever runs the tests.
pub fn firstcome() -> Command {
    clean(Command::new(binary()))
}

/// The same, and a write beyond a limit of its files is refused, as on a full disk, instead of killing it.
pub fn firstcome_that_may_be_limited() -> Command {
    let mut command = Command::new("sh");
    command.args(["-c", "trap '' XFSZ; exec \"$0\" \"$@\""]).arg(binary());
    clean(command)
}

fn binary() -> OsString {
    std::env::var_os(BINARY).unwrap_or_else(|| env!("CARGO_BIN_EXE_firstcome").into())
}

fn clean(mut command: Command) -> Command {
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("FIRSTCOME_") {
            command.env_remove(name);
        }
    }
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// How a run of the binary ended.
#[derive(Clone, Debug)]
pub struct Ended {
    /// Its exit code; `None` when a signal ended it.
    pub code: Option<i32>,
    /// What it printed.
    pub stdout: String,
    /// What it logged, and its last words.
    pub stderr: String,
}

impl Ended {
    /// What it printed, as JSON.
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// It could not be done, and it says so in one sentence; that sentence.
    pub fn one_clear_error(&self) -> &str {
        assert_eq!(self.code, Some(2), "{self:?}");
        let said: Vec<_> = self.stderr.lines().filter_map(|line| line.strip_prefix("firstcome: ")).collect();
        let [error] = said[..] else { panic!("not one error: {self:?}") };
        assert!(self.stderr.trim_end().ends_with(error), "something stands behind it: {self:?}");
        assert!(!self.stderr.contains("panicked"), "{self:?}");
        assert!(!self.stderr.contains("RUST_BACKTRACE"), "{self:?}");
        assert_eq!(self.stdout, "", "{self:?}");
        error
    }
}

/// Runs the binary to its end.
pub async fn run<'a>(args: impl IntoIterator<Item = &'a str>) -> Ended {
    run_with(args, &[]).await
}

/// The same, with settings in the environment.
pub async fn run_with<'a>(args: impl IntoIterator<Item = &'a str>, env: &[(&str, &str)]) -> Ended {
    let mut command = firstcome();
    command.args(args).envs(env.iter().copied());
    tokio::task::spawn_blocking(move || finish(command)).await.unwrap()
}

fn finish(mut command: Command) -> Ended {
    let child = command.spawn().expect("the binary starts");
    let pid = rustix::process::Pid::from_child(&child);
    let (done, ended) = mpsc::channel();
    std::thread::spawn(move || {
        let _ = done.send(child.wait_with_output());
    });
    let until = Instant::now() + PATIENCE;
    let Ok(output) = ended.recv_timeout(until.saturating_duration_since(Instant::now())) else {
        // Not reaped yet, so the number still is this child's.
        let _ = rustix::process::kill_process(pid, rustix::process::Signal::KILL);
        let output = ended.recv_timeout(Duration::from_secs(5));
        panic!("{command:?} did not end within {PATIENCE:?}: {output:?}");
    };
    let output = output.unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    Ended { code: output.status.code(), stdout: text(output.stdout), stderr: text(output.stderr) }
}
