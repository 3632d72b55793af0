//! Many questions at a time: what did one cost, how many came a second, how long did each take?

use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use tonic::transport::Channel;
use turnpike_proto::identity::v1::introspection_client::IntrospectionClient;
use turnpike_proto::identity::v1::token_endpoint_client::TokenEndpointClient;
use turnpike_proto::identity::v1::{ForwardRequest, IntrospectRequest};

use crate::program::Served;

/// Requests under way at a time, over so many connections.
const AT_ONCE: u64 = 32;
const CONNECTIONS: u64 = 4;
/// How long each pace is held.
const SPAN: Duration = Duration::from_secs(5);
/// How fine tokio's clock is.
const TICK: Duration = Duration::from_millis(1);

/// What is asked.
#[derive(Debug)]
pub(crate) enum Question {
    Token(ForwardRequest),
    Introspect(IntrospectRequest),
    /// With the refresh token that the last answer gave.
    Refresh(Mutex<ForwardRequest>),
}

impl Question {
    pub(crate) fn introspect(token: String) -> Self {
        Self::Introspect(IntrospectRequest { token, ..IntrospectRequest::default() })
    }

    async fn ask(&self, channel: &Channel) -> anyhow::Result<()> {
        match self {
            Self::Token(request) => {
                forward(channel, request.clone()).await?;
            }
            Self::Introspect(request) => {
                let mut gateway = IntrospectionClient::new(channel.clone());
                let answer = gateway.introspect(request.clone()).await?;
                anyhow::ensure!(answer.get_ref().active, "{answer:?}");
            }
            Self::Refresh(request) => {
                let now = request.lock().unwrap_or_else(PoisonError::into_inner).clone();
                let answer: serde_json::Value =
                    serde_json::from_slice(&forward(channel, now).await?)?;
                let next = answer.get("refresh_token").and_then(serde_json::Value::as_str);
                let form =
                    format!("grant_type=refresh_token&refresh_token={}", next.context("a token")?);
                request.lock().unwrap_or_else(PoisonError::into_inner).body = form.into_bytes();
            }
        }
        Ok(())
    }
}

async fn forward(channel: &Channel, request: ForwardRequest) -> anyhow::Result<Vec<u8>> {
    let answer = TokenEndpointClient::new(channel.clone()).forward(request).await?.into_inner();
    let body = String::from_utf8_lossy(&answer.body);
    anyhow::ensure!(answer.status == 200, "{} {body}", answer.status);
    Ok(answer.body)
}

/// What came out.
#[derive(Debug)]
pub(crate) struct Measured {
    /// Processor time of the key manager for one answer, in microseconds.
    pub(crate) each_us: f64,
    /// The same of other processes that work for it.
    pub(crate) behind_us: f64,
    /// Answers a second.
    pub(crate) pace: f64,
    /// In microseconds, sorted.
    latencies: Vec<u64>,
}

impl Measured {
    pub(crate) fn latency_us(&self, percent: usize) -> u64 {
        let place = self.latencies.len() * percent / 100;
        self.latencies.get(place).copied().unwrap_or_default()
    }
}

/// Asks one key manager.
#[derive(Debug)]
pub(crate) struct Load<'s> {
    served: &'s Served,
    gateways: Vec<Channel>,
    /// The first process of those that work for the key manager, like a database; 0: none.
    behind: u32,
}

impl<'s> Load<'s> {
    pub(crate) fn new(served: &'s Served, behind: u32) -> anyhow::Result<Self> {
        let gateways = (0..CONNECTIONS).map(|_| served.channel("gateway"));
        Ok(Self { served, gateways: gateways.collect::<Result<_, _>>()?, behind })
    }

    /// As fast as answers come, after a warm second: connections, caches, the clock of the processor.
    /// Then at half of what one core can do; the latencies are of the second.
    pub(crate) async fn full_and_half(
        &self,
        questions: &Arc<[Question]>,
    ) -> anyhow::Result<(Measured, Measured)> {
        let next = Arc::new(AtomicU64::new(0));
        self.put(questions, &next, Duration::from_secs(1), None).await?;
        let full = self.put(questions, &next, SPAN, None).await?;
        let half = self.put(questions, &next, SPAN, Some(1e6 / full.each_us / 2.0)).await?;
        Ok((full, half))
    }

    /// Asks one question after the other for `span`, and from the first again after the last; `pace` a
    /// second, or as fast as answers come.
    async fn put(
        &self,
        questions: &Arc<[Question]>,
        next: &Arc<AtomicU64>,
        span: Duration,
        pace: Option<f64>,
    ) -> anyhow::Result<Measured> {
        let process = self.served.process();
        let before = (used_us(process)?, family_us(self.behind)?);
        let (first, begun) = (next.load(Ordering::Relaxed), Instant::now());
        let mut askers = Vec::new();
        for channel in self.gateways.iter().cycle().take(usize::try_from(AT_ONCE)?) {
            let (channel, questions) = (channel.clone(), Arc::clone(questions));
            let next = Arc::clone(next);
            askers.push(tokio::spawn(async move {
                let mut latencies = Vec::new();
                while begun.elapsed() < span {
                    let place = next.fetch_add(1, Ordering::Relaxed);
                    // Each question has its time, whether the last was answered late or not: who comes late
                    // has waited already.
                    let due = |pace| Duration::from_secs_f64((place - first) as f64 / pace);
                    let due = pace.map(|pace| begun + due(pace));
                    if let Some(due) = due {
                        until(due).await;
                    }
                    let asked = due.unwrap_or_else(Instant::now);
                    let which = usize::try_from(place)? % questions.len();
                    questions.get(which).context("a question")?.ask(&channel).await?;
                    latencies.push(u64::try_from(asked.elapsed().as_micros())?);
                }
                anyhow::Ok(latencies)
            }));
        }
        let mut latencies = Vec::new();
        for asker in askers {
            latencies.extend(asker.await??);
        }
        latencies.sort_unstable();
        let count = latencies.len() as f64;
        let each = |now: u64, before: u64| now.saturating_sub(before) as f64 / count;
        Ok(Measured {
            each_us: each(used_us(process)?, before.0),
            behind_us: each(family_us(self.behind)?, before.1),
            pace: count / begun.elapsed().as_secs_f64(),
            latencies,
        })
    }
}

/// Waits. The clock of tokio has whole milliseconds and would start questions in bunches, so the last of
/// them is spent awake; the load has a core of its own.
async fn until(due: Instant) {
    if let Some(early) = due.checked_sub(2 * TICK) {
        tokio::time::sleep_until(early.into()).await;
    }
    while Instant::now() < due {
        tokio::task::yield_now().await;
    }
}

/// User and system time of a process.
fn used_us(process: u32) -> anyhow::Result<u64> {
    let (_, own, _) = times(&process.to_string()).context("the process is gone")?;
    Ok(own)
}

/// The same of a process, of the children that it has waited for, and of those that it has.
fn family_us(parent: u32) -> anyhow::Result<u64> {
    if parent == 0 {
        return Ok(0);
    }
    let (_, own, gone) = times(&parent.to_string()).context("the process is gone")?;
    let mut sum = own + gone;
    for entry in fs::read_dir("/proc")? {
        // One that ends meanwhile is counted by its parent the next time.
        let Some((of, own, _)) = entry?.file_name().to_str().and_then(times) else { continue };
        if of == u64::from(parent) {
            sum += own;
        }
    }
    Ok(sum)
}

/// The parent of a process, its time, and that of the children it waited for; the kernel counts in
/// hundredths of a second.
fn times(process: &str) -> Option<(u64, u64, u64)> {
    let stat = fs::read_to_string(Path::new("/proc").join(process).join("stat")).ok()?;
    let (_, fields) = stat.rsplit_once(')')?;
    let fields: Vec<u64> =
        fields.split_whitespace().map(|field| field.parse().unwrap_or_default()).collect();
    let [_, parent, _, _, _, _, _, _, _, _, _, user, system, user_gone, system_gone, ..] = *fields
    else {
        return None;
    };
    Some((parent, (user + system) * 10_000, (user_gone + system_gone) * 10_000))
}
