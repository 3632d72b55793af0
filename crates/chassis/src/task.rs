//! Which work of this process is still running?
//!
//! Every future that outlives its caller is spawned here under a name, so that a drain can wait
//! for all of them and a panic in one of them is logged with the name.

use std::future::Future;
use std::io;

use tokio::task::{AbortHandle, JoinHandle};
use tokio_util::task::TaskTracker;

/// The tasks of one process; cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Tasks(TaskTracker);

impl Tasks {
    /// Runs `work` on the current runtime; it counts as running until it ends.
    pub fn spawn<F>(&self, name: &'static str, work: F) -> JoinHandle<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        self.0.spawn(watched(name, work))
    }

    /// As [`Tasks::spawn`], on the current thread's `LocalSet`: for work that must not change
    /// threads.
    pub fn spawn_local<F>(&self, name: &'static str, work: F) -> JoinHandle<F::Output>
    where
        F: Future + 'static,
        F::Output: 'static,
    {
        self.0.spawn_local(watched(name, work))
    }

    /// Runs work that would hold up a runtime thread, like file access, on a thread for it.
    pub fn blocking<T, F>(&self, work: F) -> JoinHandle<T>
    where
        T: Send + 'static,
        F: FnOnce() -> T + Send + 'static,
    {
        self.0.spawn_blocking(work)
    }

    /// Starts a thread of the operating system; the drain waits until `work` returns.
    pub fn thread<F>(&self, name: &str, work: F) -> io::Result<std::thread::JoinHandle<()>>
    where
        F: FnOnce() + Send + 'static,
    {
        let token = self.0.token();
        std::thread::Builder::new().name(name.to_owned()).spawn(move || {
            let _running = token;
            work();
        })
    }

    /// Runs `work` on a thread of its own and waits for it, so that what it allocates does not lie
    /// between what the caller has allocated and is about to free.
    ///
    /// # Panics
    ///
    /// Where `work` does.
    pub fn apart<T: Send>(work: impl FnOnce() -> T + Send) -> T {
        std::thread::scope(|scope| match scope.spawn(work).join() {
            Ok(made) => made,
            Err(panic) => std::panic::resume_unwind(panic),
        })
    }

    /// Work that is dropped with the returned guard, not awaited by the drain beyond that.
    pub fn spawn_guarded<F>(&self, name: &'static str, work: F) -> Guard
    where
        F: Future<Output = ()> + Send + 'static,
    {
        Guard(self.spawn(name, work).abort_handle())
    }

    /// How many tasks are running.
    pub fn running(&self) -> usize {
        self.0.len()
    }

    /// Waits until every task has ended.
    pub async fn finished(&self) {
        self.0.close();
        self.0.wait().await;
    }
}

/// Ends its task when it is dropped.
#[derive(Debug)]
pub struct Guard(AbortHandle);

impl Drop for Guard {
    fn drop(&mut self) {
        self.0.abort();
    }
}

async fn watched<F: Future>(name: &'static str, work: F) -> F::Output {
    let _alarm = Alarm(name);
    work.await
}

/// Says which task panicked: the panic message alone does not.
struct Alarm(&'static str);

impl Drop for Alarm {
    fn drop(&mut self) {
        if std::thread::panicking() {
            tracing::error!(task = self.0, "task panicked");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_drain_waits_for_tasks_and_for_threads() {
        let tasks = Tasks::default();
        let (end_task, task) = tokio::sync::oneshot::channel::<()>();
        let (end_thread, thread) = std::sync::mpsc::channel::<()>();
        tasks.spawn("waiter", async move {
            let _ = task.await;
        });
        let started = tasks.thread("waiter", move || {
            let _ = thread.recv();
        });
        assert!(started.is_ok());
        let mut drain = Box::pin(tasks.finished());
        let mut still_waits = || futures_util::FutureExt::now_or_never(drain.as_mut()).is_none();
        assert!(still_waits());
        drop(end_task);
        assert!(still_waits());
        drop(end_thread);
        drain.await;
        assert_eq!(tasks.running(), 0);
    }
}
