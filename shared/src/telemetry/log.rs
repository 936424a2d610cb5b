//! The log for people: to stderr, or to a file while the console has the terminal.

use std::fmt;
use std::fs::File;
use std::io::IsTerminal;
use std::panic;
use std::path::PathBuf;
use std::str::FromStr;
use std::sync::Mutex;

use tracing::{Dispatch, dispatcher};
use tracing_subscriber::filter::Targets;
use tracing_subscriber::fmt::writer::BoxMakeWriter;
use tracing_subscriber::layer::SubscriberExt;

use crate::config;

/// What drivers say of themselves: a connection that is lost and found again shows in what could not be done meanwhile,
/// which is logged where it is handled. A filter that names them wins.
const QUIET: &str = "async_nats=off,sqlx=warn";

/// Where the log goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LogTo {
    /// Standard error; results go to standard output.
    Stderr,
    /// The end of this file.
    File(PathBuf),
}

/// How a line of the log looks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// For machines: one object a line, its fields by their names.
    Json,
}

impl fmt::Display for LogFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Text => "text",
            Self::Json => "json",
        })
    }
}

/// The text is not a format.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected text or json")]
pub struct NotAFormat;

impl FromStr for LogFormat {
    type Err = NotAFormat;

    fn from_str(text: &str) -> Result<Self, NotAFormat> {
        match text {
            "text" => Ok(Self::Text),
            "json" => Ok(Self::Json),
            _ => Err(NotAFormat),
        }
    }
}

/// The log cannot be set up.
#[derive(Debug, thiserror::Error)]
pub enum LoggingError {
    /// The filter is not one.
    #[error("{name}: {cause}", name = config::LOG)]
    Filter {
        /// What is wrong with it.
        cause: tracing_subscriber::filter::ParseError,
    },
    /// The file cannot be opened.
    #[error("cannot log to {}: {cause}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the system said.
        cause: std::io::Error,
    },
    /// This process has a log.
    #[error("this process has a log already")]
    Twice,
}

/// Sets the process's log up, once: `filter` as in `info,firstcome_command=debug`. Panics are logged too, since a
/// panic that is written to a terminal which the console is drawing on is lost.
///
/// # Errors
/// See [`LoggingError`]; nothing is changed then.
pub fn install_tracing(to: &LogTo, format: LogFormat, filter: &str) -> Result<(), LoggingError> {
    dispatcher::set_global_default(log(to, format, filter)?).map_err(|_| LoggingError::Twice)?;
    panic::set_hook(Box::new(|panic| {
        let place = panic.location().map(ToString::to_string);
        tracing::error!(place, "panicked: {}", panic.payload_as_str().unwrap_or("no message"));
    }));
    Ok(())
}

fn log(to: &LogTo, format: LogFormat, filter: &str) -> Result<Dispatch, LoggingError> {
    let filter: Targets =
        format!("{QUIET},{filter}").parse().map_err(|cause| LoggingError::Filter { cause })?;
    let (writer, colours) = match to {
        LogTo::Stderr => {
            let colours = std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none();
            (BoxMakeWriter::new(std::io::stderr), colours)
        }
        LogTo::File(path) => {
            let file = File::options().create(true).append(true).open(path);
            let file = file.map_err(|cause| LoggingError::File { path: path.clone(), cause })?;
            (BoxMakeWriter::new(Mutex::new(file)), false)
        }
    };
    let filtered = tracing_subscriber::registry().with(filter);
    let lines = tracing_subscriber::fmt::layer().with_writer(writer).with_ansi(colours);
    Ok(match format {
        LogFormat::Text => filtered.with(lines).into(),
        // Flat: a field is found under its own name.
        LogFormat::Json => filtered.with(lines.json().flatten_event(true)).into(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_appended_to_and_the_filter_obeyed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("firstcome.log");
        for format in ["text", "json"].map(|format| format.parse::<LogFormat>().unwrap()) {
            let log = log(&LogTo::File(path.clone()), format, "warn,quiet=off").unwrap();
            dispatcher::with_default(&log, || {
                tracing::info!("not this");
                tracing::error!(target: "quiet", "nor this");
                tracing::warn!(depth = 7, "but this");
            });
        }
        let text = std::fs::read_to_string(path).unwrap();
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines.len(), 2, "{text}");
        assert!(lines[0].ends_with("but this depth=7") && !lines[0].contains('\x1b'), "{text}");
        let line: serde_json::Value = serde_json::from_str(lines[1]).unwrap();
        assert_eq!(
            (&line["depth"], &line["message"], &line["level"]),
            (&7.into(), &"but this".into(), &"WARN".into())
        );
    }

    #[test]
    fn says_what_is_wrong() {
        let error = log(&LogTo::Stderr, LogFormat::Text, "info,firstcome=loud").unwrap_err().to_string();
        assert!(error.starts_with("FIRSTCOME_LOG: "), "{error}");
        let error = log(&LogTo::File("/nowhere/firstcome.log".into()), LogFormat::Text, "info")
            .unwrap_err()
            .to_string();
        assert!(error.starts_with("cannot log to /nowhere/firstcome.log: "), "{error}");
    }
}
