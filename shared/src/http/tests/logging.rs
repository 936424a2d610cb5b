//! What the log says of requests: of those that failed one line each, of all others nothing, of people never anything.

use std::io::Write;
use std::sync::{Mutex, PoisonError};

use super::*;

/// A log in memory.
#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl Write for Lines {
    fn write(&mut self, line: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(line);
        Ok(line.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

async fn log_of(router: &Router, path: &str, level: tracing::Level) -> Vec<String> {
    let lines = Lines::default();
    let writer = lines.clone();
    let log = tracing_subscriber::fmt().with_ansi(false).with_max_level(level);
    let guard = tracing::subscriber::set_default(log.with_writer(move || writer.clone()).finish());
    get(router, path, &[("x-request-id", "request-1")]).await;
    drop(guard);
    let text = lines.0.lock().unwrap().clone();
    String::from_utf8(text).unwrap().lines().map(str::to_owned).collect()
}

#[tokio::test]
async fn a_failure_is_one_line_with_its_request_and_its_cause() {
    let router = open();
    for (path, says) in [
        (
            "/v1/fails",
            [" WARN ", "route=\"/v1/fails\"", "The log cannot be reached.", "the secret of the failure"],
        ),
        (
            "/v1/panics",
            ["ERROR ", "route=\"/v1/panics\"", "status=500", "the handler panicked: the secret of the panic"],
        ),
        ("/readyz", [" WARN ", "method=\"GET\"", "status=503", "log: away"]),
    ] {
        let lines = log_of(&router, path, tracing::Level::INFO).await;
        assert_eq!(lines.len(), 1, "{lines:?}");
        assert!(lines[0].contains("id=\"request-1\""), "{lines:?}");
        assert!(says.iter().all(|part| lines[0].contains(part)), "{lines:?}");
    }
}

#[tokio::test]
async fn what_did_not_fail_is_not_logged() {
    let router = open();
    for path in ["/healthz", "/v1/things/4711", "/v1/things/seven", "/v1/nothing/u-1", "/v1/things?limit=x"] {
        assert_eq!(log_of(&router, path, tracing::Level::INFO).await, [] as [String; 0], "{path}");
    }
}

#[tokio::test]
async fn a_storm_of_failures_is_cut_short() {
    let router = open();
    let mut lines = Vec::new();
    for _ in 0..100 {
        lines.extend(log_of(&router, "/v1/fails", tracing::Level::INFO).await);
    }
    assert!((20..100).contains(&lines.len()), "{}", lines.len());
    assert!(lines.iter().all(|line| line.contains("route=\"/v1/fails\"")), "{lines:?}");
}
