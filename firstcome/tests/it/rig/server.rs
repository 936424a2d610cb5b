//! The binary as a server: started on a folder, killed, stopped, started again. Dropped, it is killed; when the test
//! failed, what it logged is shown; and whatever the test is about, a panic in its log fails it.

use std::ffi::OsString;
use std::io::{BufRead as _, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::Child;
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Resource, Rlimit, Signal, kill_process, prlimit};

use super::api::Api;
use super::command::{Ended, firstcome, firstcome_that_may_be_limited};
use super::{PATIENCE, eventually};

/// A data folder, gone with the test.
pub struct Folder(tempfile::TempDir);

impl Folder {
    pub fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    pub fn path(&self) -> &Path {
        self.0.path()
    }

    pub fn file(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// Removes a database with what belongs to it.
    pub fn remove_database(&self, name: &str) {
        std::fs::remove_file(self.file(name)).unwrap();
        for companion in ["-wal", "-shm"] {
            let _ = std::fs::remove_file(self.file(&format!("{name}{companion}")));
        }
    }

    /// Every file with its bytes, by name; the lock has none.
    pub fn contents(&self) -> Vec<(String, Vec<u8>)> {
        let mut files: Vec<_> = std::fs::read_dir(self.path())
            .unwrap()
            .map(|file| file.unwrap().path())
            .map(|path| {
                (path.file_name().unwrap().to_string_lossy().into_owned(), std::fs::read(path).unwrap())
            })
            .collect();
        files.sort();
        files
    }
}

/// How a server is to be started.
#[derive(Clone)]
pub struct Launch {
    part: Vec<OsString>,
    args: Vec<String>,
    env: Vec<(String, String)>,
    key: Option<String>,
    limited: bool,
}

impl Launch {
    /// Everything in one process, on that folder.
    pub fn on(folder: &Folder) -> Self {
        let part = ["serve", "--headless", "--data-dir"].map(OsString::from);
        let part = part.into_iter().chain([folder.path().into()]).collect();
        Self { part, args: Vec::new(), env: Vec::new(), key: None, limited: false }
    }

    /// One part of a cluster: `command` or `query`.
    #[cfg(feature = "cluster")]
    pub fn part(name: &str) -> Self {
        Self { part: vec![name.into()], args: Vec::new(), env: Vec::new(), key: None, limited: false }
    }

    pub fn args(mut self, args: &[&str]) -> Self {
        self.args.extend(args.iter().map(|arg| (*arg).to_owned()));
        self
    }

    pub fn env(mut self, name: &str, value: &str) -> Self {
        self.env.push((name.to_owned(), value.to_owned()));
        self
    }

    /// The key that [`Server::api`] sends.
    pub fn key(mut self, key: &str) -> Self {
        self.key = Some(key.to_owned());
        self
    }

    /// Its files may be limited in size while it runs: [`Server::limit_files`].
    pub fn limited(mut self) -> Self {
        self.limited = true;
        self
    }

    /// Starts it, and does not wait until it listens.
    pub fn spawn(&self) -> Running {
        let mut command = if self.limited { firstcome_that_may_be_limited() } else { firstcome() };
        command.args(&self.part);
        if !self.args.iter().any(|arg| arg == "--addr") {
            command.args(["--addr", "127.0.0.1:0"]);
        }
        command.args(&self.args).envs(self.env.iter().map(|(name, value)| (name, value)));
        Running::follow(command.spawn().expect("the binary starts"))
    }

    /// Starts it and waits until it says where it listens.
    pub async fn start(self) -> Server {
        let running = self.spawn();
        let line = eventually("the server says where it listens", async || {
            assert!(!running.is_over(), "the server ended");
            running.stdout().lines().next().filter(|_| running.stdout().contains('\n')).map(str::to_owned)
        });
        let line = line.await;
        let url = line.strip_prefix("firstcome listens on ").and_then(|rest| rest.split(' ').next());
        let url = url.unwrap_or_else(|| panic!("it does not say where: {line:?}")).to_owned();
        let api = Api::new(&url, self.key.as_deref());
        Server { url, api, running, launch: self }
    }

    /// Starts it where it must refuse to start.
    pub async fn refused(self) -> Ended {
        let running = self.spawn();
        running.ended().await
    }
}

/// A server that listens.
pub struct Server {
    pub url: String,
    pub api: Api,
    running: Running,
    launch: Launch,
}

impl Server {
    /// A server on that folder, with the usual settings.
    pub async fn start(folder: &Folder) -> Self {
        Launch::on(folder).start().await
    }

    /// kill -9.
    pub async fn kill(&self) {
        self.signal(Signal::KILL);
        let ended = self.running.ended().await;
        assert_eq!(ended.code, None, "it ended before it was killed: {ended:?}");
    }

    /// Sends a signal.
    pub fn signal(&self, signal: Signal) {
        self.running.signal(signal);
    }

    /// From now on none of its files may grow beyond so many bytes; `None`: as far as they like.
    pub fn limit_files(&self, bytes: Option<u64>) {
        assert!(self.launch.limited, "it would be killed");
        self.running.limit_files(bytes);
    }

    /// SIGTERM, and how it ended.
    pub async fn stop(self) -> Ended {
        self.signal(Signal::TERM);
        self.ended().await
    }

    /// SIGTERM, which it must obey with exit code 0.
    pub async fn stopped(self) {
        let ended = self.stop().await;
        assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    }

    /// How it ends, which it must do by itself.
    pub async fn ended(&self) -> Ended {
        self.running.ended().await
    }

    /// kill -9 and another one on the same folder, with the same settings, on another port.
    pub async fn killed_and_started_again(self) -> Self {
        self.kill().await;
        self.started_again().await
    }

    /// Another one on the same folder, with the same settings, after this one has ended.
    pub async fn started_again(self) -> Self {
        let launch = self.launch.clone();
        drop(self);
        launch.start().await
    }

    /// Another one with the same settings, at that address.
    #[cfg(feature = "cluster")]
    pub async fn started_again_at(self, addr: &str) -> Self {
        let mut launch = self.launch.clone();
        drop(self);
        if !launch.args.iter().any(|arg| arg == "--addr") {
            launch = launch.args(&["--addr", addr]);
        }
        launch.start().await
    }

    /// What it has logged so far.
    pub fn stderr(&self) -> String {
        self.running.stderr()
    }

    /// How much processor time it has used so far.
    pub fn cpu(&self) -> Duration {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.running.pid)).unwrap();
        // Fields 14 and 15 of proc(5), in hundredths of a second, behind the name, which may hold anything.
        let fields = stat.rsplit_once(')').unwrap().1.split_ascii_whitespace();
        fields.skip(11).take(2).map(|ticks| Duration::from_millis(10 * ticks.parse::<u64>().unwrap())).sum()
    }

    /// The key that [`Server::api`] sends.
    pub fn key(&self) -> Option<&str> {
        self.launch.key.as_deref()
    }
}

/// A child whose output is kept.
pub struct Running {
    pid: Pid,
    child: Mutex<Child>,
    stdout: Arc<Mutex<String>>,
    stderr: Arc<Mutex<String>>,
    readers: Mutex<Vec<JoinHandle<()>>>,
}

impl Running {
    fn follow(mut child: Child) -> Self {
        let (stdout, stderr) = (Arc::default(), Arc::default());
        let readers = vec![
            keep(child.stdout.take().unwrap(), Arc::clone(&stdout)),
            keep(child.stderr.take().unwrap(), Arc::clone(&stderr)),
        ];
        Self {
            pid: Pid::from_child(&child),
            child: Mutex::new(child),
            stdout,
            stderr,
            readers: Mutex::new(readers),
        }
    }

    fn stdout(&self) -> String {
        self.stdout.lock().unwrap().clone()
    }

    /// What it has logged so far.
    pub fn stderr(&self) -> String {
        self.stderr.lock().unwrap().clone()
    }

    /// Sends a signal.
    pub fn signal(&self, signal: Signal) {
        // Not reaped before it is dropped or found ended, so the number is this child's.
        kill_process(self.pid, signal).unwrap();
    }

    fn limit_files(&self, bytes: Option<u64>) {
        let limit = Rlimit { current: bytes, maximum: None };
        prlimit(Some(self.pid), Resource::Fsize, limit).unwrap();
    }

    fn is_over(&self) -> bool {
        self.child.lock().unwrap().try_wait().unwrap().is_some()
    }

    /// How it ends, which it must do by itself.
    pub async fn ended(&self) -> Ended {
        let until = Instant::now() + PATIENCE;
        loop {
            let status = self.child.lock().unwrap().try_wait().unwrap();
            if let Some(status) = status {
                for reader in self.readers.lock().unwrap().drain(..) {
                    reader.join().unwrap();
                }
                return Ended { code: status.code(), stdout: self.stdout(), stderr: self.stderr() };
            }
            assert!(Instant::now() < until, "it did not end within {PATIENCE:?}");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let Ok(mut child) = self.child.lock() else { return };
        let _ = child.kill();
        let _ = child.wait();
        let stderr = self.stderr.lock().map(|said| said.clone()).unwrap_or_default();
        if std::thread::panicking() {
            eprintln!("--- what firstcome logged ---\n{stderr}---");
        } else {
            assert!(!stderr.contains("panicked"), "it panicked: {stderr}");
        }
    }
}

fn keep(from: impl Read + Send + 'static, kept: Arc<Mutex<String>>) -> JoinHandle<()> {
    std::thread::spawn(move || {
        let mut from = BufReader::new(from);
        let mut line = Vec::new();
        while from.read_until(b'\n', &mut line).is_ok_and(|read| read > 0) {
            kept.lock().unwrap().push_str(&String::from_utf8_lossy(&line));
            line.clear();
        }
    })
}
