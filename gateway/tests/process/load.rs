//! Clients of every kind that call until they are told to stop.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use chassis::{Clock, Tasks};
use tokio::task::JoinHandle;

use crate::caller::{Caller, Way};
use crate::ground::Backend;

/// Between two calls of a client.
const PACE: Duration = Duration::from_millis(20);
const WAYS: [(Way, usize); 4] = [(Way::Kept, 4), (Way::New, 4), (Way::Streams, 4), (Way::Slow, 2)];

pub(crate) struct Load {
    stop: Arc<AtomicBool>,
    clients: Vec<JoinHandle<(u64, Vec<String>)>>,
}

impl Load {
    /// `at` says where a new connection goes.
    pub(crate) fn start(at: impl Fn() -> SocketAddr + Clone + Send + Sync + 'static) -> Self {
        let (tasks, stop) = (Tasks::default(), Arc::new(AtomicBool::new(false)));
        let mut clients = Vec::new();
        for (way, count) in WAYS {
            for _ in 0..count {
                let (stop, at) = (Arc::clone(&stop), at.clone());
                clients.push(tasks.spawn("client", async move {
                    let (mut good, mut bad) = (0, Vec::new());
                    let mut caller = Caller::new(way);
                    while !stop.load(Ordering::Relaxed) {
                        match caller.call(&at).await {
                            Ok(()) => good += 1,
                            Err(error) => bad.push(format!("{way:?} {error}")),
                        }
                        Clock::system().sleep(PACE).await;
                    }
                    (good, bad)
                }));
            }
        }
        Self { stop, clients }
    }

    /// Ends the calls. All were good, and the backend saw each of them once.
    pub(crate) async fn end(self, backend: &Backend) {
        self.stop.store(true, Ordering::Relaxed);
        let (mut good, mut bad) = (0, Vec::new());
        for client in self.clients {
            let (more_good, more_bad) = client.await.unwrap();
            good += more_good;
            bad.extend(more_bad);
        }
        let failed = bad.len();
        assert!(failed == 0, "{failed} of {good} calls failed: {:#?}", &bad[..failed.min(5)]);
        assert!(good > 100, "{good} calls");
        assert_eq!(backend.calls.load(Ordering::Relaxed), good);
    }
}
