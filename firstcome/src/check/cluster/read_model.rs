//! MongoDB: what a majority has must outlive one server.

use firstcome_shared::clock::{Clock as _, Millis, SystemClock};
use mongodb::bson::{Document, doc};
use mongodb::options::ClientOptions;
use mongodb::{Client, Database};

use super::away;
use crate::check::PATIENCE;
use crate::check::report::{Place, Report};

/// Looks at the server, or at the replica set's primary.
pub async fn check(url: &str, report: &mut Report) {
    let options = ClientOptions::parse(url).await;
    let hosts = |options: &ClientOptions| options.hosts.iter().map(ToString::to_string).collect::<Vec<_>>();
    let at = options.as_ref().map(|options| hosts(options).join(","));
    let mut place = Place::new("read model", at.unwrap_or_default());
    let looked = match options {
        Ok(options) => server(&mut place, options).await,
        Err(error) => Err(error),
    };
    if let Err(error) = looked {
        // The kind alone: the error itself prints the server's reply as bytes.
        away(&mut place, &error.kind);
    }
    report.add(place);
}

async fn server(place: &mut Place, mut options: ClientOptions) -> mongodb::error::Result<()> {
    options.server_selection_timeout = Some(PATIENCE);
    options.connect_timeout = Some(PATIENCE);
    let client = Client::with_options(options)?;
    let admin: Database = client.database("admin");
    let build: Document = admin.run_command(doc! { "buildInfo": 1 }).await?;
    let version = build.get_str("version").unwrap_or("of unknown version");
    let stand_in = build.get_document("ferretdb").ok().and_then(|ferretdb| ferretdb.get_str("version").ok());
    match stand_in {
        Some(stand_in) => place.warn(
            "answers",
            format!("FerretDB {stand_in} in place of MongoDB {version}"),
            "fit for tests: for production use MongoDB",
        ),
        None => place.ok("answers", format!("MongoDB {version}")),
    }
    let asked = SystemClock.now();
    let hello: Document = admin.run_command(doc! { "hello": 1 }).await?;
    if let Ok(theirs) = hello.get_datetime("localTime") {
        place.clock(Millis(theirs.timestamp_millis()), asked, SystemClock.now(), 0, false);
    }
    match (hello.get_str("setName"), stand_in) {
        (Ok(name), _) => place.ok("replica set", name),
        (Err(_), Some(_)) => {}
        (Err(_), None) => place.warn(
            "replica set",
            "none",
            "one disk holds the read model: if it is lost, history is read anew from the log",
        ),
    }
    client.shutdown().await;
    Ok(())
}
