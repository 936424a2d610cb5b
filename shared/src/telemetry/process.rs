//! What the operating system and the runtime know of this process: processor time, memory, file descriptors, and how
//! busy the threads are that serve requests. Read by hand from `/proc`: a few lines, and elsewhere than on Linux
//! nothing is shown.

use std::sync::Arc;
use std::time::Duration;

use metrics::Gauge;
use tokio::runtime::Handle;

use super::names::{
    PROCESS_CPU_SECONDS_TOTAL, PROCESS_MAX_FDS, PROCESS_OPEN_FDS, PROCESS_RESIDENT_MEMORY_BYTES,
    PROCESS_START_TIME_SECONDS, PROCESS_THREADS, RUNTIME_BUSY_SECONDS_TOTAL, RUNTIME_QUEUE_DEPTH,
    RUNTIME_TASKS, RUNTIME_WORKERS,
};
use super::scope::Scope;
use crate::clock::{Clock as _, SystemClock};

/// What the kernel counts processor time in, for user space, on every architecture.
const TICKS_A_SECOND: f64 = 100.0;

/// The process's own numbers.
pub(super) struct Readings {
    scope: Arc<Scope>,
    /// The runtime that serves requests.
    runtime: Handle,
}

/// One look at `/proc/self`.
#[derive(Debug, PartialEq)]
struct Process {
    cpu_seconds: f64,
    resident_bytes: f64,
    threads: f64,
}

impl Readings {
    /// Of this process and of the runtime that this is called on.
    pub(super) fn new() -> Self {
        let scope = Scope::process();
        scope.reading(PROCESS_START_TIME_SECONDS, &[]).set(seconds(SystemClock.now().0));
        Self { scope, runtime: Handle::current() }
    }

    /// Reads all but the file descriptors and their limit.
    pub(super) fn take(&self) {
        let set = |name: &str, value: f64| self.gauge(name).set(value);
        let runtime = self.runtime.metrics();
        let busy: Duration =
            (0..runtime.num_workers()).map(|worker| runtime.worker_total_busy_duration(worker)).sum();
        set(RUNTIME_WORKERS, float(runtime.num_workers()));
        set(RUNTIME_BUSY_SECONDS_TOTAL, busy.as_secs_f64());
        set(RUNTIME_QUEUE_DEPTH, float(runtime.global_queue_depth()));
        set(RUNTIME_TASKS, float(runtime.num_alive_tasks()));
        if let Some(process) = process(&read("/proc/self/stat"), &read("/proc/self/status")) {
            set(PROCESS_CPU_SECONDS_TOTAL, process.cpu_seconds);
            set(PROCESS_RESIDENT_MEMORY_BYTES, process.resident_bytes);
            set(PROCESS_THREADS, process.threads);
        }
    }

    /// Counts the file descriptors: a connection has one, so this takes longer the more there are. How many there may be
    /// can be changed while the process runs.
    pub(super) fn take_fds(&self) {
        if let Ok(open) = std::fs::read_dir("/proc/self/fd") {
            // The one that reads the folder is not ours.
            self.gauge(PROCESS_OPEN_FDS).set(float(open.count().saturating_sub(1)));
        }
        if let Some(most) = max_fds(&read("/proc/self/limits")) {
            self.gauge(PROCESS_MAX_FDS).set(most);
        }
    }

    fn gauge(&self, name: &str) -> Gauge {
        self.scope.reading(name, &[])
    }
}

fn read(file: &str) -> String {
    std::fs::read_to_string(file).unwrap_or_default()
}

/// From proc(5): fields 14 and 15 of `stat`, counted behind the name, which may hold anything; lines of `status`.
fn process(stat: &str, status: &str) -> Option<Process> {
    let mut fields = stat.rsplit_once(')')?.1.split_ascii_whitespace().skip(11);
    let mut ticks = || fields.next()?.parse::<f64>().ok();
    let line = |name: &str| {
        let value = status.lines().find_map(|line| line.strip_prefix(name))?;
        value.split_ascii_whitespace().next()?.parse::<f64>().ok()
    };
    Some(Process {
        cpu_seconds: (ticks()? + ticks()?) / TICKS_A_SECOND,
        resident_bytes: line("VmRSS:")? * 1024.0,
        threads: line("Threads:")?,
    })
}

/// The soft limit; none when there is none.
fn max_fds(limits: &str) -> Option<f64> {
    let line = limits.lines().find_map(|line| line.strip_prefix("Max open files"))?;
    line.split_ascii_whitespace().next()?.parse().ok()
}

#[expect(clippy::cast_precision_loss, reason = "a gauge is a float; counts stay far below 2^53")]
fn float(count: usize) -> f64 {
    count as f64
}

#[expect(clippy::cast_precision_loss, reason = "exact up to 2^53 ms")]
fn seconds(milliseconds: i64) -> f64 {
    milliseconds as f64 / 1_000.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn proc_is_understood() {
        let stat = "42 (a ) b) S 1 42 42 0 -1 4194560 1 2 3 4 250 50 0 0 20 0 7 0 100 1000 50 1 2 3";
        let status = "Name:\ta ) b\nVmPeak:\t  999 kB\nVmRSS:\t  2048 kB\nThreads:\t7\n";
        let process = process(stat, status).unwrap();
        assert_eq!(process, Process { cpu_seconds: 3.0, resident_bytes: 2_097_152.0, threads: 7.0 });
        assert_eq!(super::process("", status), None);
        assert_eq!(super::process(stat, ""), None);
        let limits = "Limit                     Soft Limit           Hard Limit           Units\n\
                      Max open files            1024                 4096                 files\n";
        assert_eq!(max_fds(limits), Some(1024.0));
        assert_eq!(
            max_fds("Max open files            unlimited            unlimited            files"),
            None
        );
    }

    #[cfg(target_os = "linux")]
    #[tokio::test]
    async fn this_very_process_is_read() {
        let readings = Readings::new();
        readings.take();
        readings.take_fds();
        let mut text = String::new();
        super::super::scope::render(&mut text);
        for name in [
            PROCESS_START_TIME_SECONDS,
            PROCESS_RESIDENT_MEMORY_BYTES,
            PROCESS_OPEN_FDS,
            PROCESS_MAX_FDS,
            PROCESS_THREADS,
            RUNTIME_WORKERS,
        ] {
            let value = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
            let value: f64 = value.unwrap_or_else(|| panic!("no {name}: {text}")).parse().unwrap();
            assert!(value > 0.0, "{name}: {value}");
        }
        assert!(text.contains("# TYPE process_cpu_seconds_total counter\n"), "{text}");
    }

    #[cfg(target_os = "linux")]
    #[tokio::test]
    async fn a_limit_that_is_changed_at_run_time_is_seen() {
        let readings = Readings::new();
        let shown = |limit: f64| {
            readings.take_fds();
            let mut text = String::new();
            super::super::scope::render(&mut text);
            text.contains(&format!("\n{PROCESS_MAX_FDS} {limit}\n"))
        };
        // One less hinders nobody who runs beside this.
        let limit = max_fds(&read("/proc/self/limits")).unwrap();
        assert!(shown(limit) && !shown(limit - 1.0));
        let args = [format!("--pid={}", std::process::id()), format!("--nofile={}:", limit - 1.0)];
        let prlimit = std::process::Command::new("prlimit").args(args).status();
        assert!(prlimit.expect("prlimit is installed, of util-linux").success());
        assert!(shown(limit - 1.0));
    }
}
