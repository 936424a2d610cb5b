//! What all servers have in common: an address, a folder, and the ways in which a test may break them.

use std::{
    fmt,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant},
};

use crate::{guard::Guard, port, probe::Probe};

/// So long may a server take until it answers, recovery included.
const PATIENCE: Duration = Duration::from_secs(30);

/// A server that a test may break. It ends with this value, and with the test's process in any case.
pub struct Server {
    url: String,
    addr: String,
    folder: PathBuf,
    /// In the order in which they start; the last is the one that clients talk to. None: it is not ours.
    processes: Arc<[Process]>,
}

impl Server {
    /// Of `processes`, in this order, of which the first keeps the data and the last speaks to clients. Its URL is the
    /// address of that one between `before` and `after`.
    pub(crate) fn new(before: &str, after: &str, processes: Vec<Process>) -> Self {
        let addr = format!("127.0.0.1:{}", processes.last().expect("at least one").port);
        let url = format!("{before}{addr}{after}");
        Self { url, addr, folder: processes[0].guard.data(), processes: processes.into() }
    }

    /// Somebody's server: it may be used, not broken.
    pub(crate) fn foreign(url: String) -> Self {
        let addr = url.rsplit(['/', '@']).next().unwrap_or_default().to_owned();
        Self { url, addr, folder: PathBuf::new(), processes: Arc::new([]) }
    }

    /// Where clients connect to.
    pub fn url(&self) -> String {
        self.url.clone()
    }

    /// `127.0.0.1:port`.
    pub fn addr(&self) -> String {
        self.addr.clone()
    }

    /// What it keeps. A test may change files in it while the server is killed.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Kills it (-9), with all that it started. All are gone on return.
    pub async fn kill(&self) {
        self.each(|processes| processes.iter().rev().for_each(|process| process.guard.kill())).await;
    }

    /// Stops it where it is (SIGSTOP): connections stay, nothing is answered.
    pub fn pause(&self) {
        self.ours().iter().rev().for_each(|process| process.guard.pause());
    }

    /// Lets it go on after [`Self::pause`].
    pub fn resume(&self) {
        self.ours().iter().for_each(|process| process.guard.resume());
    }

    /// Starts it again on the same folder and port; one that runs is killed first. It answers on return.
    pub async fn restart(&self) {
        self.each(|processes| {
            processes.iter().rev().for_each(|process| process.guard.kill());
            processes.iter().for_each(Process::start);
        })
        .await;
    }

    /// As [`Self::restart`], but everything that it kept is gone.
    pub async fn restart_empty(&self) {
        self.each(|processes| {
            processes.iter().rev().for_each(|process| process.guard.empty());
            processes.iter().for_each(Process::start);
        })
        .await;
    }

    /// The port of 127.0.0.1 that clients connect to.
    pub fn port(&self) -> u16 {
        self.ours().last().map_or(0, |process| process.port)
    }

    /// The end of what it wrote to its log.
    pub fn log(&self) -> String {
        self.ours().iter().map(|process| process.guard.log_tail()).collect::<Vec<_>>().join("\n")
    }

    fn ours(&self) -> &Arc<[Process]> {
        assert!(!self.processes.is_empty(), "{} is given from outside: it is not ours to break", self.url);
        &self.processes
    }

    async fn each(&self, act: impl FnOnce(&[Process]) + Send + 'static) {
        let processes = Arc::clone(self.ours());
        blocking(move || act(&processes)).await;
    }
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.url)
    }
}

/// One process of a server.
pub(crate) struct Process {
    guard: Guard,
    kind: &'static str,
    pub(crate) port: u16,
    probe: Probe,
}

/// What is to be started.
pub(crate) struct Plan {
    /// As `scripts/server` names it.
    pub(crate) kind: &'static str,
    /// Where its folder is made.
    pub(crate) parent: PathBuf,
    /// What stands after the port.
    pub(crate) args: Vec<String>,
    /// How to tell that it is ready.
    pub(crate) probe: Probe,
}

impl Plan {
    /// In the folder for temporary files.
    pub(crate) fn new(kind: &'static str, probe: Probe, args: &[&str]) -> Self {
        let args = args.iter().map(ToString::to_string).collect();
        Self { kind, parent: std::env::temp_dir(), args, probe }
    }

    /// Started and answering, on a free port.
    pub(crate) fn start(self) -> Process {
        loop {
            let port = port::free();
            let guard = Guard::new(&self.parent, self.kind, port, &self.args);
            let process = Process { guard, kind: self.kind, port, probe: self.probe };
            match process.try_start() {
                Ok(()) => return process,
                // Somebody was faster than us: another port.
                Err(why) if why.contains("ddress already in use") => {}
                Err(why) => panic!("{why}"),
            }
        }
    }
}

impl Process {
    fn start(&self) {
        self.try_start().unwrap_or_else(|why| panic!("{why}"));
    }

    fn try_start(&self) -> Result<(), String> {
        self.guard.start();
        let deadline = Instant::now() + PATIENCE;
        loop {
            let answers = self.probe.answers(self.port);
            let fault = match (self.guard.running(), answers) {
                (true, true) => return Ok(()),
                (false, _) => "has ended",
                (true, false) if Instant::now() > deadline => "does not answer",
                (true, false) => {
                    std::thread::sleep(Duration::from_millis(5));
                    continue;
                }
            };
            return Err(format!("{} on port {} {fault}:\n{}", self.kind, self.port, self.guard.log_tail()));
        }
    }
}

/// Runs what blocks beside the test's own tasks. Its panic is the caller's.
pub(crate) async fn blocking<T: Send + 'static>(act: impl FnOnce() -> T + Send + 'static) -> T {
    match tokio::task::spawn_blocking(act).await {
        Ok(value) => value,
        Err(fault) => std::panic::resume_unwind(fault.into_panic()),
    }
}
