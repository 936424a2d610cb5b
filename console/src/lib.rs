//! The operator's console: what a running firstcome does, live, in a terminal. It talks HTTP only and knows only the
//! wire types. State, drawing and polling are apart: `update` is a pure function from state and message
//! to state and effects, `view` only draws, `source` only fetches; `app` ties the three to a terminal.

mod app;
mod args;
mod commands;
mod keys;
#[doc(hidden)]
pub mod measure;
mod message;
mod notify;
mod once;
mod source;
mod state;
mod terminal;
mod text;
mod trend;
mod update;
mod view;

#[cfg(test)]
mod fixture;

pub use app::{run, run_until};
pub use args::{ConsoleArgs, THEME_VARIABLE, ThemeName};
pub use terminal::give_back as give_terminal_back;

/// Why the console ended, or could not begin.
#[derive(Debug, thiserror::Error)]
pub enum ConsoleError {
    /// An address given with `--server` or `--prometheus` cannot be used.
    #[error("{flag} {address}: {reason}")]
    Server {
        /// With which flag it was given.
        flag: &'static str,
        /// What was given.
        address: String,
        /// Why it cannot be used.
        reason: String,
    },
    /// The API key has characters that no HTTP header can carry.
    #[error("the API key has characters that no HTTP header can carry")]
    ApiKey,
    /// The HTTP client could not be made.
    #[error("cannot make an HTTP client: {0}")]
    Client(#[from] reqwest::Error),
    /// Neither standard output nor standard input is a terminal that could be used.
    #[error("the console needs a terminal; use --once for a snapshot without one")]
    NoTerminal,
    /// The terminal, or standard output, failed.
    #[error("terminal: {0}")]
    Terminal(#[from] std::io::Error),
    /// `--once` found no server that could tell about campaigns.
    #[error("no snapshot: {0}")]
    NoSnapshot(String),
}
