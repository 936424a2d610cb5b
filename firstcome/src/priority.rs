//! Issuing goes first: the projections run on a runtime of their own, whose threads the operating system serves last.
//! On Linux niceness belongs to a thread and is inherited, so SQLite's worker threads that are started from here have
//! it as well.

use std::io;

use tokio::runtime::{Builder, Handle, Runtime};

/// How much later they are served: at 19, the most there is, a thread gets what nobody else wants and a little more.
#[cfg(target_os = "linux")]
const NICENESS: i32 = 19;

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
                let _ = rustix::process::nice(NICENESS);
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

impl Drop for LowPriority {
    fn drop(&mut self) {
        // A runtime must not be dropped, only shut down, from within another.
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}
