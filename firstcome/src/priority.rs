//! Issuing goes first: the projections run on a runtime of their own, whose threads the operating system serves last.
//! On Linux the scheduling policy belongs to a thread and is inherited, so SQLite's worker threads that are started
//! from here have it as well.

use std::io;

#[cfg(target_os = "linux")]
use thread_priority::{
    NormalThreadSchedulePolicy, ThreadPriority, ThreadSchedulePolicy, set_thread_priority_and_policy,
    thread_native_id,
};
use tokio::runtime::{Builder, Handle, Runtime};

/// A runtime of one thread at lower priority; elsewhere than on Linux, at the usual one. What still runs on it when it
/// is dropped is abandoned, not waited for.
pub struct LowPriority(Option<Runtime>);

impl LowPriority {
    /// Starts its thread.
    pub fn new() -> io::Result<Self> {
        let runtime = Builder::new_multi_thread()
            .worker_threads(1)
            .thread_name("projections")
            .on_thread_start(|| {
                // Without it projections are level sooner and issuing is slower: nothing breaks.
                #[cfg(target_os = "linux")]
                let _ = serve_last();
            })
            .enable_all()
            .build()?;
        Ok(Self(Some(runtime)))
    }

    /// Where to spawn.
    pub fn handle(&self) -> Handle {
        // There is a runtime until it is dropped.
        self.0.as_ref().map_or_else(Handle::current, |runtime| runtime.handle().clone())
    }
}

/// `SCHED_IDLE` (sched(7)): whoever else wakes up takes the processor at once, where a merely nice thread may keep it
/// for the rest of its slice; and what nobody else wants, and a little more, is enough to follow a log.
#[cfg(target_os = "linux")]
fn serve_last() -> Result<(), thread_priority::Error> {
    let idle = ThreadSchedulePolicy::Normal(NormalThreadSchedulePolicy::Idle);
    set_thread_priority_and_policy(thread_native_id(), ThreadPriority::Min, idle)
}

impl Drop for LowPriority {
    fn drop(&mut self) {
        // A runtime must not be dropped, only shut down, from within another.
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}
