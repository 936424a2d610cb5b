//! The database behind a deadline: a server that was stopped answers nothing and refuses nothing, so every call has an
//! end of its own. And the errors told apart: a key that is taken, data that is refused, a server that is away.

use std::fmt;
use std::time::Duration;

use firstcome_shared::projection::{ApplyError, StoreUnavailable};
use futures::TryStreamExt;
use mongodb::bson::{Document, doc};
use mongodb::error::{Error, ErrorKind, InsertManyError, WriteFailure};
use mongodb::options::{ClientOptions, ReadConcern, ReadPreference, SelectionCriteria, WriteConcern};
use mongodb::{Client, Collection, Cursor, Database};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use tokio::sync::OnceCell;
use tokio::time::timeout;

use super::{away, documents};

/// How long a call may take. Longer than any takes on a server that works, shorter than a lease or a request.
const DEADLINE: Duration = Duration::from_secs(5);
/// How long a server is looked for.
const SEARCH: Duration = Duration::from_secs(2);

const DUPLICATE_KEY: i32 = 11_000;
/// What servers say of a single document that they will never take: bad value, wrong type, no BSON, against the
/// collection's rules, too large, or too large a key.
const REFUSALS: [i32; 7] = [2, 14, 22, 121, 10_334, 17_280, 17_419];

/// Why a call did not do what it should.
#[derive(Debug, thiserror::Error)]
pub(super) enum Failed {
    /// Documents with these places in the call were not inserted: a key of theirs is taken. The others were.
    #[error("a key is taken")]
    Duplicates(Vec<usize>),
    #[error("{0}")]
    Refused(String),
    #[error(transparent)]
    Away(#[from] StoreUnavailable),
}

impl From<Failed> for ApplyError {
    fn from(failed: Failed) -> Self {
        match failed {
            // Somebody else has inserted the document meanwhile.
            Failed::Duplicates(_) => Self::Stale,
            Failed::Refused(reason) => Self::Refused(reason),
            Failed::Away(error) => error.into(),
        }
    }
}

impl From<Failed> for StoreUnavailable {
    fn from(failed: Failed) -> Self {
        match failed {
            Failed::Away(error) => error,
            other => away(&other),
        }
    }
}

/// A database and some connections to it.
pub(super) struct Server {
    database: Database,
    prepared: OnceCell<()>,
    #[cfg(test)]
    pub(super) hook: super::tests::Hook,
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Not the client: its options hold the password.
        f.debug_struct("Server").field("database", &self.database.name()).finish_non_exhaustive()
    }
}

impl Server {
    pub(super) async fn new(url: &str, connections: u32) -> Result<Self, StoreUnavailable> {
        let mut options = ClientOptions::parse(url).await.map_err(|error| away(&error.kind))?;
        let Some(name) = options.default_database.clone() else {
            return Err(away(&"the URL names no database: mongodb://host:port/database"));
        };
        options.app_name = Some("firstcome".to_owned());
        options.connect_timeout = Some(SEARCH);
        options.server_selection_timeout = Some(SEARCH);
        options.max_pool_size = Some(connections.max(1));
        options.read_concern = Some(ReadConcern::majority());
        options.write_concern = Some(WriteConcern::majority());
        // Whatever the URL prefers: one secondary may have reached a position that the next one asked has not.
        options.selection_criteria = Some(SelectionCriteria::ReadPreference(ReadPreference::Primary));
        // Whoever calls begins again from the checkpoint; a copy of the driver's own could only come late.
        options.retry_writes = Some(false);
        let client = Client::with_options(options).map_err(|error| away(&error.kind))?;
        Ok(Self {
            database: client.database(&name),
            prepared: OnceCell::new(),
            #[cfg(test)]
            hook: super::tests::Hook::default(),
        })
    }

    pub(super) fn collection<T: Send + Sync>(&self, name: &str) -> Collection<T> {
        self.database.collection(name)
    }

    /// Runs one call within the deadline. After it, what was asked may still happen.
    pub(super) async fn call<T>(
        &self,
        action: impl IntoFuture<Output = Result<T, Error>>,
    ) -> Result<T, Failed> {
        #[cfg(test)]
        self.hook.pass().await?;
        match timeout(DEADLINE, action.into_future()).await {
            Ok(answer) => answer.map_err(failed),
            Err(_) => Err(away(&format_args!("no answer within {} s", DEADLINE.as_secs())).into()),
        }
    }

    /// All that a query finds: for queries with a limit.
    pub(super) async fn all<T: DeserializeOwned + Send + Sync>(
        &self,
        query: impl IntoFuture<Output = Result<Cursor<T>, Error>>,
    ) -> Result<Vec<T>, Failed> {
        let found: Vec<T> = self.call(async { query.await?.try_collect().await }).await?;
        #[cfg(test)]
        self.hook.found(found.len())?;
        Ok(found)
    }

    /// Runs an `update` command of many statements; false when one of them found no document to write.
    pub(super) async fn update(&self, collection: &str, statements: Vec<Document>) -> Result<bool, Failed> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Reply {
            n: u64,
            #[serde(default)]
            write_errors: Vec<WriteError>,
            write_concern_error: Option<Document>,
        }
        #[derive(Deserialize)]
        struct WriteError {
            code: i32,
            #[serde(default)]
            errmsg: String,
        }
        let wanted = statements.len();
        let command = doc! {
            "update": collection,
            "updates": statements,
            "ordered": false,
            "writeConcern": { "w": "majority" },
        };
        let reply = self.call(self.database.run_command(command)).await?;
        let reply: Reply = mongodb::bson::deserialize_from_document(reply).map_err(|error| away(&error))?;
        if let Some(error) = reply.write_concern_error {
            return Err(away(&error).into());
        }
        match reply.write_errors.first() {
            Some(error) => Err(refusal(error.code, &error.errmsg)),
            None => Ok(usize::try_from(reply.n) == Ok(wanted)),
        }
    }

    /// Makes the indexes, once a connection pool. Making one that exists does nothing.
    pub(super) async fn prepare(&self) -> Result<(), Failed> {
        self.prepared.get_or_try_init(|| self.make_indexes()).await.copied()
    }

    /// Makes the indexes; several may do so at once.
    pub(super) async fn make_indexes(&self) -> Result<(), Failed> {
        for (collection, indexes) in documents::indexes() {
            let command = doc! {
                "createIndexes": collection,
                "indexes": indexes,
                "writeConcern": { "w": "majority" },
            };
            self.call(self.database.run_command(command)).await?;
        }
        Ok(())
    }
}

fn failed(error: Error) -> Failed {
    match *error.kind {
        ErrorKind::InsertMany(InsertManyError {
            write_errors: Some(errors),
            write_concern_error: None,
            ..
        }) if !errors.is_empty() => match errors.iter().find(|each| each.code != DUPLICATE_KEY) {
            Some(other) => refusal(other.code, &other.message),
            None => Failed::Duplicates(errors.iter().map(|each| each.index).collect()),
        },
        ErrorKind::Write(WriteFailure::WriteError(error)) if error.code == DUPLICATE_KEY => {
            Failed::Duplicates(vec![0])
        }
        ErrorKind::Write(WriteFailure::WriteError(error)) => refusal(error.code, &error.message),
        // The kind alone: the error itself prints the server's reply as bytes.
        ref other => away(other).into(),
    }
}

/// What a server said of one document.
fn refusal(code: i32, message: &str) -> Failed {
    let text = format!("error {code}: {message}");
    if REFUSALS.contains(&code) { Failed::Refused(text) } else { away(&text).into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_url_decides_nothing_that_promises_rest_on() {
        let url = "mongodb://127.0.0.1:1/fc?readPreference=secondaryPreferred&readConcernLevel=local&w=1&journal=false";
        let server = Server::new(url, 1).await.unwrap();
        let primary = SelectionCriteria::ReadPreference(ReadPreference::Primary);
        assert_eq!(server.database.selection_criteria(), Some(&primary));
        assert_eq!(server.database.read_concern(), Some(&ReadConcern::majority()));
        assert_eq!(server.database.write_concern(), Some(&WriteConcern::majority()));
        let coupons = server.collection::<Document>("coupons");
        assert_eq!(coupons.selection_criteria(), Some(&primary));
    }
}
