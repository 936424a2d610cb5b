//! The connection to one server. A call is sent once: one whose connection dies, or that is not answered in time, is
//! lost, and nobody here sends it again, because a decision that is made twice is two (ARCHITECTURE G5). The next call
//! finds a new connection; and one that is known to be gone is not used at all.

use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::{
    AsyncConnectionConfig, Client, Cmd, ConnectionInfo, ErrorKind, Pipeline, PushInfo, PushKind, RedisError,
    Value,
};
use tokio::runtime::Handle;
use tokio::sync::Mutex;
use tokio_util::context::TokioContext;

const CONNECT: Duration = Duration::from_secs(1);
const ANSWER: Duration = Duration::from_secs(2);
/// Calls that may wait for their turn on the wire.
const QUEUE: usize = 1_024;

/// Why a call has no result.
#[derive(Debug)]
pub(super) enum Fault {
    /// It was never sent.
    NotSent(String),
    /// It was sent, and perhaps carried out.
    Lost(String),
    /// The server refused it: it was not carried out.
    Refused(RedisError),
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotSent(why) | Self::Lost(why) => f.write_str(why),
            Self::Refused(error) => error.fmt(f),
        }
    }
}

/// One server, connected to when first asked.
pub(super) struct Link {
    client: Client,
    /// Drives the connections, whoever asks first: one that stood on the projections' runtime would be served last.
    home: Handle,
    open: RwLock<Option<Open>>,
    /// Why the last attempt failed. Whoever connects holds it.
    connecting: Mutex<String>,
    attempts: AtomicU64,
}

/// A connection and its number.
#[derive(Clone)]
struct Open {
    number: u64,
    connection: MultiplexedConnection,
    /// The server has closed it.
    gone: Arc<AtomicBool>,
}

impl Link {
    pub(super) fn new(info: ConnectionInfo, home: Handle) -> Result<Self, RedisError> {
        let (open, connecting) = (RwLock::new(None), Mutex::default());
        Ok(Self { client: Client::open(info)?, home, open, connecting, attempts: AtomicU64::new(0) })
    }

    /// Sends a command, once.
    pub(super) async fn send(&self, command: &Cmd) -> Result<Value, Fault> {
        let Open { number, mut connection, .. } = self.connected().await?;
        let sent = command.query_async(&mut connection).await;
        self.check(number, sent)
    }

    /// Sends some commands, once, and returns the last one's result. They are carried out in order, but not in one step.
    pub(super) async fn send_all(&self, commands: &Pipeline) -> Result<Value, Fault> {
        let Open { number, mut connection, .. } = self.connected().await?;
        let sent = commands.query_async::<Vec<Value>>(&mut connection).await;
        self.check(number, sent.map(|mut values| values.pop().unwrap_or(Value::Nil)))
    }

    fn check(&self, number: u64, sent: Result<Value, RedisError>) -> Result<Value, Fault> {
        sent.map_err(|error| match error.kind() {
            ErrorKind::Server(_) | ErrorKind::Extension => Fault::Refused(error),
            _ => {
                self.close(number);
                Fault::Lost(error.to_string())
            }
        })
    }

    async fn connected(&self) -> Result<Open, Fault> {
        if let Some(open) = self.open() {
            return Ok(open);
        }
        let attempt = self.attempts.load(Ordering::Acquire);
        let mut failure = self.connecting.lock().await;
        if let Some(open) = self.open() {
            return Ok(open);
        }
        // All who waited for an attempt share its failure, or a hundred lanes would try one after the other.
        let number = self.attempts.load(Ordering::Acquire);
        if number != attempt {
            return Err(Fault::NotSent(failure.clone()));
        }
        let gone = Arc::new(AtomicBool::new(false));
        let noticed = Arc::clone(&gone);
        let notice = move |PushInfo { kind, .. }| -> Result<(), redis::aio::SendError> {
            noticed.fetch_or(kind == PushKind::Disconnection, Ordering::AcqRel);
            Ok(())
        };
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(CONNECT))
            .set_response_timeout(Some(ANSWER))
            .set_pipeline_buffer_size(QUEUE)
            .set_push_sender(notice);
        let connecting = self.client.get_multiplexed_async_connection_with_config(&config);
        let connected = TokioContext::new(connecting, self.home.clone()).await;
        self.attempts.store(number + 1, Ordering::Release);
        match connected {
            Ok(connection) => {
                let open = Open { number, connection, gone };
                *self.open.write().unwrap_or_else(PoisonError::into_inner) = Some(open.clone());
                Ok(open)
            }
            Err(error) => {
                *failure = error.to_string();
                Err(Fault::NotSent(error.to_string()))
            }
        }
    }

    fn open(&self) -> Option<Open> {
        let open = self.open.read().unwrap_or_else(PoisonError::into_inner);
        open.as_ref().filter(|open| !open.gone.load(Ordering::Acquire)).cloned()
    }

    /// Closes connection `number`, if it is still the one that is open: those who wait for it have their own handle.
    fn close(&self, number: u64) {
        let mut open = self.open.write().unwrap_or_else(PoisonError::into_inner);
        if open.as_ref().is_some_and(|open| open.number == number) {
            *open = None;
        }
    }
}
