//! Background tasks and how they end: all of them when the process is told to stop, and the process when one of them
//! dies (ARCHITECTURE, Lifecycle).

use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// How long tasks may take to end.
const LAST_WAIT: Duration = Duration::from_secs(10);

/// Owns the background tasks of a process. Clones are the same owner.
#[derive(Clone, Debug)]
pub struct Lifecycle {
    stop: CancellationToken,
    tasks: TaskTracker,
    died: Arc<watch::Sender<Option<String>>>,
    home: Option<Handle>,
}

impl Default for Lifecycle {
    /// The runtime that it is made on is its home.
    fn default() -> Self {
        let home = Handle::try_current().ok();
        Self { stop: CancellationToken::default(), tasks: TaskTracker::default(), died: Arc::default(), home }
    }
}

impl Lifecycle {
    /// Told when the process is to stop; hand it to whatever must end by itself.
    pub fn stop(&self) -> CancellationToken {
        self.stop.clone()
    }

    /// Runs `task` in the background. It may end at any time, but not panic: that ends the process.
    ///
    /// It runs at home, whoever spawns it: a lane that something of low priority was the first to need must not stay
    /// there for life.
    pub fn spawn(&self, name: &'static str, task: impl Future<Output = ()> + Send + 'static) {
        let task = self.watched(name, task);
        match &self.home {
            Some(home) => self.tasks.spawn_on(task, home),
            None => self.tasks.spawn(task),
        };
    }

    /// Runs `task` like [`Self::spawn`], but on that runtime.
    pub fn spawn_on(
        &self,
        runtime: &Handle,
        name: &'static str,
        task: impl Future<Output = ()> + Send + 'static,
    ) {
        self.tasks.spawn_on(self.watched(name, task), runtime);
    }

    fn watched(
        &self,
        name: &'static str,
        task: impl Future<Output = ()> + Send + 'static,
    ) -> impl Future<Output = ()> + Send + 'static {
        let died = Arc::clone(&self.died);
        async move {
            if AssertUnwindSafe(task).catch_unwind().await.is_err() {
                died.send_replace(Some(name.to_owned()));
            }
        }
    }

    /// Returns the name of the first task that died.
    pub async fn death(&self) -> String {
        let mut died = self.died.subscribe();
        let name = died.wait_for(Option::is_some).await.ok().and_then(|name| name.clone());
        match name {
            Some(name) => name,
            // The sender lives as long as `self`.
            None => std::future::pending().await,
        }
    }

    /// Tells every task to stop and waits until all have ended, but not for ever: what is decided and cannot be logged
    /// stays in the outbox.
    pub async fn shut_down(&self) {
        self.stop.cancel();
        self.tasks.close();
        if timeout(LAST_WAIT, self.tasks.wait()).await.is_err() {
            tracing::warn!(tasks = self.tasks.len(), "some tasks did not end in time and are abandoned");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_dying_task_is_named_and_the_others_are_stopped() {
        let lifecycle = Lifecycle::default();
        let stop = lifecycle.stop();
        lifecycle.spawn("waits", async move { stop.cancelled().await });
        lifecycle.spawn("dies", async { panic!("on purpose") });
        assert_eq!(lifecycle.death().await, "dies");
        lifecycle.shut_down().await;
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 1)]
    async fn a_task_runs_at_home_whoever_spawns_it() {
        let lifecycle = Lifecycle::default();
        let elsewhere = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .thread_name("elsewhere")
            .build()
            .unwrap();
        let named = |lifecycle: Lifecycle, there: Option<Handle>| async move {
            let (sender, name) = tokio::sync::oneshot::channel();
            let task = async move { sender.send(std::thread::current().name().map(str::to_owned)).unwrap() };
            match there {
                Some(there) => lifecycle.spawn_on(&there, "named", task),
                None => lifecycle.spawn("named", task),
            }
            name.await.unwrap().unwrap()
        };
        let there = elsewhere.handle().clone();
        let home = elsewhere.spawn(named(lifecycle.clone(), None)).await.unwrap();
        assert_ne!(home, "elsewhere");
        assert_eq!(named(lifecycle, Some(there)).await, "elsewhere");
        elsewhere.shutdown_background();
    }
}
