//! One task a feed asks, hands the answer over and waits: no feed waits for another, and the screen for none.

use std::sync::Arc;
use std::time::Duration;

use firstcome_shared::clock::jittered;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::sleep;

use super::Api;
use crate::message::{Audit, Feed, Message, Order, Side};

/// Between two answers of what moves fast.
const FAST: Duration = Duration::from_millis(500);
/// Between two answers of what is larger or moves less.
const SLOW: Duration = Duration::from_secs(1);
/// Between two answers of what is looked at less often.
const RARE: Duration = Duration::from_secs(2);
/// Between two answers of what costs a server more, or changes hardly ever.
const SELDOM: Duration = Duration::from_secs(5);
/// Before a server is asked again for what its half does not have: another may stand there by then.
const ELSEWHERE: Duration = Duration::from_secs(10);
/// The first and the longest wait after a failure, in milliseconds.
const BACK_OFF: (u64, u64) = (500, 5_000);

/// The background tasks. Dropping it ends them.
pub(crate) struct Poller {
    follow: watch::Sender<Option<String>>,
    audit: watch::Sender<Option<Audit>>,
    orders: mpsc::UnboundedSender<Order>,
    wanted: mpsc::UnboundedSender<Feed>,
    _tasks: JoinSet<()>,
}

impl Poller {
    /// Starts asking, also for what only an operator may see; what comes is handed to `messages`.
    pub(crate) fn start(api: Arc<dyn Api>, operator: bool, messages: mpsc::Sender<Message>) -> Self {
        let mut tasks = JoinSet::new();
        let letters = [Side::Command, Side::Query].map(|side| (Feed::DeadLetters(side), RARE));
        let alerts = api.has_prometheus().then_some((Feed::Alerts, SELDOM));
        let of_each = (0..api.servers()).flat_map(|at| {
            [
                (Feed::Pipeline(at), FAST),
                (Feed::Lag(at), FAST),
                (Feed::Health(at), SLOW),
                (Feed::Metrics(at), SELDOM),
            ]
        });
        let feeds = [(Feed::Campaigns, SLOW)].into_iter().chain(letters).chain(alerts).chain(of_each);
        for (feed, every) in feeds {
            tasks.spawn(ask(Arc::clone(&api), feed, every, messages.clone()));
        }
        let (follow, followed) = watch::channel(None);
        let of_campaign: [fn(String) -> Feed; 4] =
            [Feed::Campaign, Feed::History, Feed::Coupons, Feed::Askers];
        let wanted = if operator { 4 } else { 3 };
        for (feed, every) in of_campaign.into_iter().zip([FAST, SLOW, SLOW, RARE]).take(wanted) {
            tasks.spawn(ask_followed(Arc::clone(&api), feed, every, messages.clone(), followed.clone()));
        }
        let (audit, part) = watch::channel(None);
        tasks.spawn(ask_followed(Arc::clone(&api), Feed::Audit, RARE, messages.clone(), part));
        let (orders, received) = mpsc::unbounded_channel();
        tasks.spawn(carry(Arc::clone(&api), received, messages.clone()));
        let (wanted, once) = mpsc::unbounded_channel();
        tasks.spawn(fetch_once(api, once, messages));
        Self { follow, audit, orders, wanted, _tasks: tasks }
    }

    /// From now on also fetches what belongs to this campaign, at once; or to none.
    pub(crate) fn follow(&self, campaign: Option<String>) {
        change(&self.follow, campaign);
    }

    /// From now on also fetches this part of the audit log, at once; or none of it.
    pub(crate) fn follow_audit(&self, part: Option<Audit>) {
        change(&self.audit, part);
    }

    /// Fetches this once.
    pub(crate) fn fetch(&self, feed: Feed) {
        // As with orders.
        let _ = self.wanted.send(feed);
    }

    /// Sends an order; its outcome comes as a message.
    pub(crate) fn send(&self, order: Order) {
        // The receiver lives as long as the tasks, which live as long as this.
        let _ = self.orders.send(order);
    }
}

fn change<T: PartialEq>(followed: &watch::Sender<T>, wanted: T) {
    followed.send_if_modified(|followed| {
        let other = *followed != wanted;
        *followed = wanted;
        other
    });
}

/// Asks for ever; ends when nobody listens.
async fn ask(api: Arc<dyn Api>, feed: Feed, every: Duration, messages: mpsc::Sender<Message>) {
    let mut back_off = BACK_OFF.0;
    loop {
        let result = api.fetch(&feed).await;
        let wait = match &result {
            Ok(_) => {
                back_off = BACK_OFF.0;
                every
            }
            Err(failure) if failure.is_other_half() => ELSEWHERE,
            Err(failure) => {
                tracing::debug!(feed = feed.name(), %failure, "not fetched");
                let wait = jittered(back_off);
                back_off = (back_off * 2).min(BACK_OFF.1);
                wait
            }
        };
        if messages.send(Message::Fetched(feed.clone(), result)).await.is_err() {
            return;
        }
        sleep(wait).await;
    }
}

/// Asks for one feed of whatever is followed; starts anew, without waiting, when that changes.
async fn ask_followed<T: Clone>(
    api: Arc<dyn Api>,
    feed: fn(T) -> Feed,
    every: Duration,
    messages: mpsc::Sender<Message>,
    mut followed: watch::Receiver<Option<T>>,
) {
    loop {
        let wanted = followed.borrow_and_update().clone();
        let asking = async {
            match wanted {
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

/// Fetches what is wanted once, one after the other.
async fn fetch_once(
    api: Arc<dyn Api>,
    mut wanted: mpsc::UnboundedReceiver<Feed>,
    messages: mpsc::Sender<Message>,
) {
    while let Some(feed) = wanted.recv().await {
        let result = api.fetch(&feed).await;
        if messages.send(Message::Fetched(feed, result)).await.is_err() {
            return;
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

    use firstcome_shared::wire::{Campaign, Page};
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
                    Feed::Pipeline(1) => Ok(Data::Pipeline(Box::new(fixture::pipeline(fixture::NOW)))),
                    Feed::Audit(_) => Ok(Data::Audit(Page { items: Vec::new(), next: None })),
                    // The others hang: nobody may wait for them.
                    _ => std::future::pending().await,
                }
            }
            .boxed()
        }

        fn send<'a>(&'a self, order: &'a Order) -> BoxFuture<'a, Result<Option<Box<Campaign>>, Failure>> {
            async move { Ok(Some(Box::new(fixture::campaign(&order.campaign)))) }.boxed()
        }

        fn servers(&self) -> usize {
            2
        }

        fn has_prometheus(&self) -> bool {
            false
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
        let _poller = Poller::start(Arc::new(Flaky { failures: AtomicUsize::new(1) }), false, sender);
        wait_for(&mut messages, |message| matches!(message, Message::Fetched(Feed::Campaigns, Err(_)))).await;
        wait_for(&mut messages, |message| matches!(message, Message::Fetched(Feed::Campaigns, Ok(_)))).await;
    }

    #[tokio::test]
    async fn follows_another_campaign_at_once_and_carries_orders() {
        let (sender, mut messages) = mpsc::channel(8);
        let poller = Poller::start(Arc::new(Flaky { failures: AtomicUsize::new(0) }), false, sender);
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
    #[tokio::test]
    async fn a_server_that_hangs_holds_up_no_other_and_the_audit_log_comes_when_it_is_wanted() {
        let (sender, mut messages) = mpsc::channel(8);
        let poller = Poller::start(Arc::new(Flaky { failures: AtomicUsize::new(0) }), false, sender);
        // The first server never answers.
        for _ in 0..2 {
            let wanted = |message: &Message| matches!(message, Message::Fetched(Feed::Pipeline(1), Ok(_)));
            wait_for(&mut messages, wanted).await;
        }
        let newest = Audit::default();
        poller.follow_audit(Some(newest.clone()));
        let older = Audit { after: Some("0-7".into()), ..newest.clone() };
        poller.fetch(Feed::Audit(older.clone()));
        for part in [newest, older] {
            let wanted = Feed::Audit(part);
            wait_for(
                &mut messages,
                |message| matches!(message, Message::Fetched(feed, Ok(_)) if *feed == wanted),
            )
            .await;
        }
    }
}
