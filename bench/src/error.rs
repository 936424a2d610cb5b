//! What can keep the bench from measuring or judging at all. A broken promise is not an error: it is a report whose
//! `ok()` is false.

use std::time::Duration;

use firstcome_shared::wire::Code;

/// Why a run, an audit or a verification could not be carried through.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BenchError {
    /// A server's address cannot be used.
    #[error("{server:?} is not a server's address: {why}")]
    BadServer {
        /// What was given.
        server: String,
        /// What is wrong with it.
        why: &'static str,
    },
    /// The API key cannot be sent in a header. The key is not shown.
    #[error("the API key has characters that a header cannot carry")]
    BadKey,
    /// The arguments contradict each other.
    #[error("{0}")]
    Usage(String),
    /// No server answered, or the answer broke off.
    #[error("no answer from {server}")]
    Unreachable {
        /// The server that was asked last.
        server: String,
        /// What went wrong.
        #[source]
        source: reqwest::Error,
    },
    /// The HTTP client could not be set up.
    #[error("the HTTP client cannot be set up")]
    Client(#[source] reqwest::Error),
    /// No load connection could be opened.
    #[error("no connection to {0} can be opened")]
    NoConnection(String),
    /// The server refused what the bench needs.
    #[error("{what}: {detail}")]
    Refused {
        /// What was asked for.
        what: String,
        /// The problem's code; absent when the answer was no problem document.
        code: Option<Code>,
        /// What the server said.
        detail: String,
    },
    /// The answer is not what the API promises.
    #[error("{what}: the answer cannot be read")]
    Garbled {
        /// What was asked for.
        what: String,
        /// Where reading stopped.
        #[source]
        source: serde_json::Error,
    },
    /// A projection did not reach the log's end in time.
    #[error("ledger or read model did not reach the log's end within {0:?}: {1}")]
    NotLevel(Duration, String),
}

impl BenchError {
    /// The server's problem code, when it refused with one.
    pub fn code(&self) -> Option<Code> {
        match self {
            Self::Refused { code, .. } => *code,
            _ => None,
        }
    }
}
