//! Who changes the fleet, and remembers what was acknowledged.
//!
//! Each change is one transaction: the API `orders` says the number of the change in its answers, the
//! tier of its subscription has a quota with the same number, and a tier of its own stays for ever. Every
//! tenth brings a further API or takes one away. A change that is not acknowledged is made again, at the
//! other control plane, until it is.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use tokio::sync::Mutex;
use tokio::task::JoinHandle;
use tonic::transport::Channel;
use tonic::{Code, Status};
use turnpike_proto::admin::v1::apis_client::ApisClient;
use turnpike_proto::admin::v1::apply_client::ApplyClient;
use turnpike_proto::admin::v1::tiers_client::TiersClient;
use turnpike_proto::admin::v1::{ApplyRequest, DeleteRequest, ListRequest};

use crate::fleet::{Fleet, PLANES};

/// The quota of the tier before the first change.
pub(crate) const QUOTA: u64 = 1_000_000_000;
/// How long an attempt may take; the control plane gives up on etcd earlier.
const ATTEMPT: Duration = Duration::from_secs(8);
/// A change that takes longer is one that is never acknowledged.
const PATIENCE: Duration = Duration::from_secs(90);
/// So many changes go to one control plane in a row.
const IN_A_ROW: u64 = 20;
/// How many of the further APIs there are at most.
const SIDES: u64 = 40;

/// What has to be there.
#[derive(Clone, Debug, Default)]
pub(crate) struct Acknowledged {
    /// The number of the last change, and its revision.
    pub(crate) last: u64,
    pub(crate) revision: u64,
    /// The changes whose own tier has to be there.
    pub(crate) kept: BTreeSet<u64>,
    /// The further APIs.
    pub(crate) sides: BTreeSet<u64>,
    /// Attempts that were not acknowledged.
    pub(crate) repeated: u64,
    /// The longest time that a change took.
    pub(crate) longest: Duration,
}

/// A writer at work. Whoever holds `done` keeps it from beginning the next change.
pub(crate) struct Writer {
    pub(crate) done: Arc<Mutex<Acknowledged>>,
    stop: Arc<AtomicBool>,
    task: JoinHandle<()>,
}

struct Pen {
    channels: Vec<Channel>,
    backend: String,
    plane: usize,
}

/// What is asked of a control plane.
enum Asked {
    Apply(ApplyRequest),
    Delete(DeleteRequest),
}

impl Asked {
    /// The revision of the change.
    async fn of(&self, channel: Channel) -> Result<u64, Status> {
        match self {
            Self::Apply(request) => {
                let answer = ApplyClient::new(channel).apply(request.clone()).await?.into_inner();
                assert!(answer.problems.is_empty(), "{:?}", answer.problems);
                Ok(answer.revision)
            }
            Self::Delete(request) => match ApisClient::new(channel).delete(request.clone()).await {
                Ok(answer) => Ok(answer.into_inner().revision),
                // An attempt whose answer was lost has done it.
                Err(status) if status.code() == Code::NotFound => Ok(0),
                Err(status) => Err(status),
            },
        }
    }
}

impl Writer {
    /// Writes what `first` says, and then changes it at this pace until it is ended.
    pub(crate) async fn start(fleet: &Fleet, first: String, pace: Duration) -> Self {
        let channels = (0..PLANES).map(|plane| fleet.channel(plane)).collect();
        let mut pen = Pen { channels, backend: fleet.backend.url(), plane: 0 };
        let mut begun = Acknowledged::default();
        begun.revision = pen.until_acknowledged(0, &first, &mut begun).await;
        let done = Arc::new(Mutex::new(begun));
        let stop = Arc::new(AtomicBool::new(false));
        let task = tokio::spawn(write(pen, done.clone(), stop.clone(), pace));
        Self { done, stop, task }
    }

    /// Waits for so many further changes.
    pub(crate) async fn goes_on(&self, changes: u64) {
        let since = self.done.lock().await.last;
        harness::eventually("changes are acknowledged", PATIENCE, async || {
            (self.done.lock().await.last >= since + changes).then_some(())
        })
        .await;
    }

    /// Ends after the change that is under way.
    pub(crate) async fn end(self) -> Acknowledged {
        self.stop.store(true, Ordering::Relaxed);
        self.task.await.expect("a writer that ended");
        self.done.lock().await.clone()
    }
}

async fn write(
    mut pen: Pen,
    done: Arc<Mutex<Acknowledged>>,
    stop: Arc<AtomicBool>,
    pace: Duration,
) {
    let mut beat = tokio::time::interval(pace);
    beat.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Skip);
    let mut number = 0;
    while !stop.load(Ordering::Relaxed) {
        beat.tick().await;
        number += 1;
        if number % IN_A_ROW == 0 {
            pen.plane += 1;
        }
        let mut done = done.lock().await;
        let text = pen.change(number);
        done.revision = pen.until_acknowledged(number, &text, &mut done).await;
        done.last = number;
        done.kept.insert(number);
        if number.is_multiple_of(10) {
            done.sides.insert(number);
        }
        if number % 10 == 5
            && done.sides.len() as u64 > SIDES / 2
            && let Some(oldest) = done.sides.pop_first()
        {
            pen.until_gone(oldest, &mut done).await;
        }
    }
}

impl Pen {
    fn change(&self, number: u64) -> String {
        let mut text = orders(&self.backend, number) + &tier("Much", QUOTA + number);
        text += &tier(&format!("kept-{number}"), number);
        if number.is_multiple_of(10) {
            text += &side(&self.backend, number);
        }
        text
    }

    async fn until_acknowledged(
        &mut self,
        number: u64,
        text: &str,
        done: &mut Acknowledged,
    ) -> u64 {
        let (resources, problems) = plan::read_document(text, "");
        assert!(problems.is_empty(), "{problems:?}");
        let request = ApplyRequest { resources, ..ApplyRequest::default() };
        self.repeat(&format!("change {number}"), done, &Asked::Apply(request)).await
    }

    async fn until_gone(&mut self, number: u64, done: &mut Acknowledged) {
        let request = DeleteRequest {
            name: format!("side-{number}"),
            version: "1.0.0".to_owned(),
            ..DeleteRequest::default()
        };
        let what = format!("the end of side-{number}");
        let revision = self.repeat(&what, done, &Asked::Delete(request)).await;
        done.revision = done.revision.max(revision);
    }

    async fn repeat(&mut self, what: &str, done: &mut Acknowledged, asked: &Asked) -> u64 {
        let begun = Instant::now();
        loop {
            let channel = self.channels[self.plane % self.channels.len()].clone();
            let answer = tokio::time::timeout(ATTEMPT, asked.of(channel)).await;
            let refused = match answer {
                Ok(Ok(revision)) => {
                    done.longest = done.longest.max(begun.elapsed());
                    return revision;
                }
                Ok(Err(status)) => status.to_string(),
                Err(_) => "no answer".to_owned(),
            };
            assert!(begun.elapsed() < PATIENCE, "{what} is not acknowledged: {refused}");
            done.repeated += 1;
            self.plane += 1;
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}

/// What a control plane lists: the numbers of the tiers `kept-N` whose quota is N too, and of the APIs
/// `side-N`.
pub(crate) async fn listed(fleet: &Fleet, plane: usize) -> (BTreeSet<u64>, BTreeSet<u64>) {
    let (mut kept, mut sides) = (BTreeSet::new(), BTreeSet::new());
    let mut page = ListRequest { page_size: 1000, ..ListRequest::default() };
    let mut tiers = TiersClient::new(fleet.channel(plane));
    loop {
        let answer = tiers.list(page.clone()).await.expect("tiers").into_inner();
        for tier in answer.items {
            let name = tier.metadata.unwrap_or_default().name;
            let quota = tier.spec.and_then(|spec| spec.quota).unwrap_or_default();
            let number = name.strip_prefix("kept-").and_then(|number| number.parse::<u64>().ok());
            kept.extend(number.filter(|number| quota.requests == *number));
        }
        page.page_token = answer.next_page_token;
        if page.page_token.is_empty() {
            break;
        }
    }
    let mut apis = ApisClient::new(fleet.channel(plane));
    let answer = apis.list(ListRequest { page_size: 1000, ..ListRequest::default() }).await;
    for api in answer.expect("APIs").into_inner().items {
        let name = api.metadata.unwrap_or_default().name;
        sides.extend(name.strip_prefix("side-").and_then(|number| number.parse::<u64>().ok()));
    }
    (kept, sides)
}

/// What is there before the first change.
pub(crate) fn beginning(fleet: &Fleet) -> String {
    let mut text = format!("---\n{}\n", fleet.issuer.resource("outside"));
    text += &orders(&fleet.backend.url(), 0);
    text += &tier("Much", QUOTA);
    text += &harness::resources::application("shop", &["outside/shop"]);
    text += &harness::resources::subscription("shop", "orders", "Much");
    text
}

fn orders(backend: &str, number: u64) -> String {
    let mut text = harness::resources::api("orders", backend, &["Much"]);
    let value = format!("{{ name: X-Change, value: \"{number}\" }}");
    let _ = writeln!(
        text,
        "  keyManagers: [outside]\n  policies:\n    response:\n      - setHeader: {value}"
    );
    text
}

fn side(backend: &str, number: u64) -> String {
    harness::resources::api(&format!("side-{number}"), backend, &["Unlimited"])
}

fn tier(name: &str, requests: u64) -> String {
    harness::resources::tier(name, requests)
}
