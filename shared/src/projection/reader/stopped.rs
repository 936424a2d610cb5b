//! Why a reader stopped, and in whose way that stands.

use crate::event_log::LogUnavailable;
use crate::projection::progress::Obstacle;
use crate::projection::{ApplyError, StoreUnavailable};

/// Why a round of reading ended.
#[derive(Debug, thiserror::Error)]
pub enum ReaderStopped {
    /// Log or store is away, or somebody else took over: try again.
    #[error(transparent)]
    Retry(#[from] ApplyError),
    /// The log is away: try again.
    #[error(transparent)]
    Log(LogUnavailable),
    /// The log is not the one that was read before (ARCHITECTURE L7): only an operator can help.
    #[error("{0}")]
    Forgot(String),
}

impl ReaderStopped {
    pub(super) fn obstacle(&self) -> Obstacle {
        match self {
            Self::Retry(ApplyError::Unavailable(_) | ApplyError::Refused(_)) => Obstacle::Store,
            Self::Retry(ApplyError::Stale) | Self::Log(_) => Obstacle::Other,
            Self::Retry(ApplyError::Broken(_)) | Self::Forgot(_) => Obstacle::Forgot,
        }
    }
}

impl From<LogUnavailable> for ReaderStopped {
    fn from(LogUnavailable { reason, forgot }: LogUnavailable) -> Self {
        if forgot {
            Self::Forgot(format!("the log forgot: {reason}"))
        } else {
            Self::Log(LogUnavailable::new(reason))
        }
    }
}

impl From<StoreUnavailable> for ReaderStopped {
    fn from(error: StoreUnavailable) -> Self {
        Self::Retry(error.into())
    }
}
