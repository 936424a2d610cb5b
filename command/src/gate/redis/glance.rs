//! One read for all that wait (ARCHITECTURE A3). A whole country of strangers may ask at once whether the gate has
//! changed: whoever arrives while a read is under way waits for the next, because that one began after they came.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use firstcome_shared::domain::CampaignId;
use tokio::sync::oneshot;

type Waiting<T> = Arc<Mutex<HashMap<CampaignId, Vec<oneshot::Sender<T>>>>>;

/// Those who wait for a read, campaign by campaign. A campaign that is in the map is being read.
pub(super) struct Joined<T>(Waiting<T>);

impl<T> Default for Joined<T> {
    fn default() -> Self {
        Self(Arc::default())
    }
}

impl<T> fmt::Debug for Joined<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Joined")
    }
}

impl<T: Clone + Send + 'static> Joined<T> {
    /// The result of a `read` that begins after this call; `None` when it died.
    pub(super) async fn read<F>(
        &self,
        campaign: &CampaignId,
        read: impl Fn() -> F + Send + 'static,
    ) -> Option<T>
    where
        F: Future<Output = T> + Send + 'static,
    {
        let (sender, answer) = oneshot::channel();
        let begins = {
            let mut waiting = lock(&self.0);
            let begins = !waiting.contains_key(campaign.as_str());
            waiting.entry(campaign.clone()).or_default().push(sender);
            begins
        };
        if begins {
            let mut turn = Turn { waiting: Arc::clone(&self.0), campaign: campaign.clone(), over: false };
            // A task of its own: whoever began it may hang up, the others wait for it.
            tokio::spawn(async move {
                loop {
                    // Whoever is about to ask comes in first: under load many share a read.
                    tokio::task::yield_now().await;
                    let Some(those) = turn.next() else { break };
                    let result = read().await;
                    for one in those {
                        // Who hung up does not need it any more.
                        let _ = one.send(result.clone());
                    }
                }
            });
        }
        answer.await.ok()
    }
}

/// The right to read a campaign. Given back also by a task that dies: those who waited for it then know.
struct Turn<T> {
    waiting: Waiting<T>,
    campaign: CampaignId,
    over: bool,
}

impl<T> Turn<T> {
    /// Those who have arrived; `None` when there are none, and the turn is over.
    fn next(&mut self) -> Option<Vec<oneshot::Sender<T>>> {
        let mut waiting = lock(&self.waiting);
        let those = std::mem::take(waiting.get_mut(self.campaign.as_str())?);
        if those.is_empty() {
            waiting.remove(self.campaign.as_str());
            self.over = true;
            return None;
        }
        Some(those)
    }
}

impl<T> Drop for Turn<T> {
    fn drop(&mut self) {
        if !self.over {
            lock(&self.waiting).remove(self.campaign.as_str());
        }
    }
}

fn lock<T>(waiting: &Waiting<T>) -> std::sync::MutexGuard<'_, HashMap<CampaignId, Vec<oneshot::Sender<T>>>> {
    waiting.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use futures::FutureExt;
    use futures::future::join_all;
    use tokio::sync::Semaphore;

    use super::*;
    use crate::testing::until;

    fn id(name: &str) -> CampaignId {
        CampaignId::parse(name).unwrap()
    }

    /// A thousand come while one read is under way: they wait for one more, together, and not for that.
    #[tokio::test]
    async fn all_who_wait_share_one_read_that_began_after_they_came() {
        let (joined, begun, may_end) =
            (Joined::default(), Arc::new(AtomicUsize::new(0)), Arc::new(Semaphore::new(0)));
        let read = || {
            let (begun, may_end) = (Arc::clone(&begun), Arc::clone(&may_end));
            move || {
                let number = begun.fetch_add(1, Ordering::SeqCst) + 1;
                let may_end = Arc::clone(&may_end);
                async move {
                    may_end.acquire().await.unwrap().forget();
                    number
                }
            }
        };
        let summer = id("summer");
        let mut first = Box::pin(joined.read(&summer, read()));
        assert_eq!((&mut first).now_or_never(), None);
        until("the first read has begun", || async { begun.load(Ordering::SeqCst) == 1 }).await;
        let mut others: Vec<_> = (0..1_000).map(|_| Box::pin(joined.read(&summer, read()))).collect();
        for other in &mut others {
            assert_eq!(other.now_or_never(), None);
        }
        may_end.add_permits(1);
        assert_eq!(first.await, Some(1));
        may_end.add_permits(1);
        assert_eq!(join_all(others).await, vec![Some(2); 1_000]);
        may_end.add_permits(2);
        assert_eq!(joined.read(&id("winter"), read()).await, Some(3));
        assert_eq!(joined.read(&summer, read()).await, Some(4), "nothing is remembered");
        until("nobody reads any more", || async { lock(&joined.0).is_empty() }).await;
    }

    /// A read that dies is known to be dead, and the next one begins anew.
    #[tokio::test]
    async fn a_read_that_dies_leaves_nobody_waiting() {
        let joined = Joined::default();
        let dies = || async { panic!("on purpose") };
        assert_eq!(joined.read(&id("summer"), dies).await, None::<u8>);
        assert_eq!(joined.read(&id("summer"), || async { 7 }).await, Some(7));
    }

    /// Whoever hangs up leaves the others their read.
    #[tokio::test]
    async fn who_hangs_up_takes_nothing_away() {
        let joined = Joined::default();
        let gone = joined.read(&id("summer"), || async { 1 }).now_or_never();
        assert_eq!(gone, None);
        assert_eq!(
            joined.read(&id("summer"), || async { 2 }).await,
            Some(1),
            "the one who began knew how to read"
        );
    }
}
