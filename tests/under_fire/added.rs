//! Is a route that is added right from its first answer on?
//!
//! Incident: Envoy Gateway in gateway-api-bench, which answered 15,000 calls with 503 while routes were
//! added, because a route was visible before its backend.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use harness::{Backend, Client, Stack, eventually};
use turnpike_proto::admin::v1::ApplyRequest;
use turnpike_proto::admin::v1::apply_client::ApplyClient;

const ROUTES: usize = 500;
/// That are added by one transaction.
const AT_ONCE: usize = 5;
const CALLERS: usize = 4;

/// What the callers have seen so far.
#[derive(Debug)]
struct Seen {
    /// How many routes are on their way or there.
    asked: AtomicUsize,
    /// Which have answered.
    visible: Vec<AtomicBool>,
    wrong: Mutex<Vec<String>>,
    over: AtomicBool,
}

impl Seen {
    /// A route that was not seen yet may be unknown; every other answer is 200.
    fn judge(&self, route: usize, said: &str, was_visible: bool) {
        if said == "200" {
            self.visible[route].store(true, Ordering::SeqCst);
        } else if was_visible || !said.starts_with("404") {
            let mut wrong = self.wrong.lock().unwrap_or_else(PoisonError::into_inner);
            wrong.push(format!("route {route} answered {said}, visible before: {was_visible}"));
        }
    }

    fn all_visible(&self) -> bool {
        self.visible.iter().all(|visible| visible.load(Ordering::SeqCst))
    }
}

/// Looks at all routes that may be there, the newest ones first and most often.
async fn look(mut client: Client, seen: Arc<Seen>, turn: usize) {
    let (mut next, mut sweep) = (0, turn);
    while !seen.over.load(Ordering::SeqCst) {
        let asked = seen.asked.load(Ordering::SeqCst);
        next += 1;
        sweep += 1;
        let back = if next % 2 == 0 { (next / 2) % (2 * AT_ONCE) } else { (sweep / 2) % ROUTES };
        let Some(route) = asked.checked_sub(1 + back) else {
            tokio::task::yield_now().await;
            continue;
        };
        let was_visible = seen.visible[route].load(Ordering::SeqCst);
        let target = format!("/route-{route}/1.0.0/open");
        let said = match client.try_call("GET", &target, &[], Bytes::new()).await {
            Ok(answer) if answer.status == 200 => "200".to_owned(),
            Ok(answer) => answer.verdict(),
            Err(error) => format!("{error:#}"),
        };
        seen.judge(route, &said, was_visible);
    }
}

#[test]
fn five_hundred_routes_are_added_under_traffic_and_none_fails_once_it_is_visible() {
    let _turn = crate::alone();
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    runtime.block_on(async {
        let (stack, backend) = (Stack::start_uncounted(&[]).await, Backend::start("b").await);
        let seen = Arc::new(Seen {
            asked: AtomicUsize::new(0),
            visible: (0..ROUTES).map(|_| AtomicBool::new(false)).collect(),
            wrong: Mutex::default(),
            over: AtomicBool::new(false),
        });
        let looking: Vec<_> = (0..CALLERS)
            .map(|turn| tokio::spawn(look(stack.client(), seen.clone(), turn * 17)))
            .collect();
        let mut client = ApplyClient::new(stack.channel("admin", "control-plane"));
        for first in (0..ROUTES).step_by(AT_ONCE) {
            let name = |route: usize| format!("route-{route}");
            let api = |route: usize| harness::resources::api(&name(route), &backend.url(), &[]);
            let text: String = (first..first + AT_ONCE).map(api).collect();
            let (resources, problems) = plan::read_document(&text, "");
            assert!(problems.is_empty(), "{problems:?}");
            seen.asked.store(first + AT_ONCE, Ordering::SeqCst);
            let request = ApplyRequest { resources, ..ApplyRequest::default() };
            let answer = client.apply(request).await.expect("an answer").into_inner();
            assert!(answer.problems.is_empty(), "{:?}", answer.problems);
        }
        eventually("all routes are visible", Duration::from_secs(30), async || {
            seen.all_visible().then_some(())
        })
        .await;
        seen.over.store(true, Ordering::SeqCst);
        for look in looking {
            look.await.expect("a caller that ended");
        }
        let wrong = seen.wrong.lock().unwrap_or_else(PoisonError::into_inner);
        assert!(
            wrong.is_empty(),
            "{} wrong answers: {:?}",
            wrong.len(),
            &wrong[..wrong.len().min(5)]
        );
        println!("{} calls while {ROUTES} routes were added", backend.calls());
    });
}
