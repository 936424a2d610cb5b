//! Where the picture comes from: what may be asked of the servers, behind a trait, and who asks it again and again.

mod http;
mod poll;

use firstcome_shared::wire::Campaign;
use futures::future::BoxFuture;

pub(crate) use http::Http;
pub(crate) use poll::Poller;

use crate::message::{Data, Failure, Feed, Order};

/// All that the console asks of the servers. An implementation gives up by itself after some seconds.
pub(crate) trait Api: Send + Sync {
    /// Fetches a feed once.
    fn fetch<'a>(&'a self, feed: &'a Feed) -> BoxFuture<'a, Result<Data, Failure>>;

    /// Sends an order and brings the campaign as it is afterwards, where the answer has it.
    fn send<'a>(&'a self, order: &'a Order) -> BoxFuture<'a, Result<Option<Box<Campaign>>, Failure>>;

    /// How many servers there are.
    fn servers(&self) -> usize;

    /// There is a Prometheus to ask.
    fn has_prometheus(&self) -> bool;
}
