//! One task a feed asks, hands the answer over and waits: no feed waits for another, and the screen for none.

use std::sync::Arc;
use std::time::Duration;

use firstcome_shared::clock::jittered;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::sleep;

use super::Api;
use crate::message::{Feed, Message, Order};

/// Between two answers of what moves fast.
const FAST: Duration = Duration::from_millis(500);
/// Between two answers of what is larger or moves less.
const SLOW: Duration = Duration::from_secs(1);
/// The first and the longest wait after a failure, in milliseconds.
const BACK_OFF: (u64, u64) = (500, 5_000);

/// The background tasks. Dropping it ends them.
pub(crate) struct Poller {
    follow: watch::Sender<Option<String>>,
    orders: mpsc::UnboundedSender<Order>,
    _tasks: JoinSet<()>,
}

impl Poller {
    /// Starts asking; what comes is handed to `messages`.
    pub(crate) fn start(api: Arc<dyn Api>, messages: mpsc::Sender<Message>) -> Self {
        let mut tasks = JoinSet::new();
        let (follow, followed) = watch::channel(None);
        for (feed, every) in [(Feed::Campaigns, SLOW), (Feed::Pipeline, FAST), (Feed::Lag, FAST)] {
            tasks.spawn(ask(Arc::clone(&api), feed, every, messages.clone()));
        }
        let of_campaign: [fn(String) -> Feed; 3] = [Feed::Campaign, Feed::History, Feed::Coupons];
        for (feed, every) in of_campaign.into_iter().zip([FAST, SLOW, SLOW]) {
            tasks.spawn(ask_followed(Arc::clone(&api), feed, every, messages.clone(), followed.clone()));
        }
        let (orders, received) = mpsc::unbounded_channel();
        tasks.spawn(carry(api, received, messages));
        Self { follow, orders, _tasks: tasks }
    }

    /// From now on also fetches what belongs to this campaign, at once; or to none.
    pub(crate) fn follow(&self, campaign: Option<String>) {
        self.follow.send_if_modified(|followed| {
            let other = *followed != campaign;
            *followed = campaign;
            other
        });
    }

    /// Sends an order; its outcome comes as a message.
    pub(crate) fn send(&self, order: Order) {
        // The receiver lives as long as the tasks, which live as long as this.
        let _ = self.orders.send(order);
    }
}

/// Asks for ever; ends when nobody listens.
async fn ask(api: Arc<dyn Api>, feed: Feed, every: Duration, messages: mpsc::Sender<Message>) {
    let mut back_off = BACK_OFF.0;
    loop {
        let result = api.fetch(&feed).await;
        let wait = if let Err(failure) = &result {
            tracing::debug!(feed = feed.name(), %failure, "not fetched");
            let wait = jittered(back_off);
            back_off = (back_off * 2).min(BACK_OFF.1);
            wait
        } else {
            back_off = BACK_OFF.0;
            every
        };
        if messages.send(Message::Fetched(feed.clone(), result)).await.is_err() {
            return;
        }
        sleep(wait).await;
    }
}

/// Asks for one feed of whichever campaign is followed; starts anew, without waiting, when that changes.
async fn ask_followed(
    api: Arc<dyn Api>,
    feed: fn(String) -> Feed,
    every: Duration,
    messages: mpsc::Sender<Message>,
    mut followed: watch::Receiver<Option<String>>,
) {
    loop {
        let campaign = followed.borrow_and_update().clone();
        let asking = async {
            match campaign {
                Some(id) => ask(Arc::clone(&api), feed(id), every, messages.clone()).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = asking => return,
            changed = followed.changed() => if changed.is_err() { return },
        }
    }
}

/// Sends orders one after the other, in the order in which they were given.
async fn carry(
    api: Arc<dyn Api>,
    mut orders: mpsc::UnboundedReceiver<Order>,
    messages: mpsc::Sender<Message>,
) {
    while let Some(order) = orders.recv().await {
        let result = api.send(&order).await;
        if messages.send(Message::Answered(order, result)).await.is_err() {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use firstcome_shared::wire::Campaign;
    use futures::FutureExt as _;
    use futures::future::BoxFuture;
    use tokio::time::timeout;

    use super::*;
    use crate::fixture;
    use crate::message::{Change, Data, Failure};

    /// Fails for the first asks of each kind, then answers.
    struct Flaky {
        failures: AtomicUsize,
    }

    impl Api for Flaky {
        fn fetch<'a>(&'a self, feed: &'a Feed) -> BoxFuture<'a, Result<Data, Failure>> {
            async move {
                match feed {
                    Feed::Campaigns if self.failures.load(Ordering::SeqCst) > 0 => {
                        self.failures.fetch_sub(1, Ordering::SeqCst);
                        Err(Failure::Unreachable("connection refused".into()))
                    }
                    Feed::Campaigns => Ok(Data::Campaigns(vec![fixture::campaign("summer")])),
                    Feed::Campaign(id) => Ok(Data::Campaign(Box::new(fixture::campaign(id)))),
                    // The others hang: nobody may wait for them.
                    _ => std::future::pending().await,
                }
            }
            .boxed()
        }

        fn send<'a>(&'a self, order: &'a Order) -> BoxFuture<'a, Result<Box<Campaign>, Failure>> {
            async move { Ok(Box::new(fixture::campaign(&order.campaign))) }.boxed()
        }
    }

    async fn wait_for(messages: &mut mpsc::Receiver<Message>, wanted: impl Fn(&Message) -> bool) {
        let found = async {
            while let Some(message) = messages.recv().await {
                if wanted(&message) {
                    return;
                }
            }
            panic!("the poller ended");
        };
        timeout(Duration::from_secs(10), found).await.expect("the message comes");
    }

    #[tokio::test]
    async fn reconnects_by_itself_while_other_feeds_hang() {
        let (sender, mut messages) = mpsc::channel(8);
        let _poller = Poller::start(Arc::new(Flaky { failures: AtomicUsize::new(1) }), sender);
        wait_for(&mut messages, |message| matches!(message, Message::Fetched(Feed::Campaigns, Err(_)))).await;
        wait_for(&mut messages, |message| matches!(message, Message::Fetched(Feed::Campaigns, Ok(_)))).await;
    }

    #[tokio::test]
    async fn follows_another_campaign_at_once_and_carries_orders() {
        let (sender, mut messages) = mpsc::channel(8);
        let poller = Poller::start(Arc::new(Flaky { failures: AtomicUsize::new(0) }), sender);
        for id in ["summer", "winter"] {
            poller.follow(Some(id.into()));
            let wanted = Feed::Campaign(id.into());
            wait_for(
                &mut messages,
                |message| matches!(message, Message::Fetched(feed, Ok(_)) if *feed == wanted),
            )
            .await;
        }
        poller.send(Order { campaign: "winter".into(), change: Change::Pause });
        wait_for(
            &mut messages,
            |message| matches!(message, Message::Answered(order, Ok(_)) if order.campaign == "winter"),
        )
        .await;
    }
}
