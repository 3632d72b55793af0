//! What becomes of a finding: how bad is it, and is somebody turned away?
//!
//! An alert that turns somebody away is raised when that is done, or could not be done in time: it says
//! which. Everything else is raised at once.

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use chassis::clock::Clock;
use chassis::shutdown::Shutdown;
use detect::Alarm as Kind;
use detect::span::SECOND_US;
use futures_util::stream::StreamExt as _;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;

use super::answers::Answers;
use super::history::{Alert, Wanted};
use super::raise::Alarm;
use super::rules::{Block, Whom};
use super::turned_away::TurnedAway;

/// Alerts that wait for their block.
const QUEUE: usize = 256;
/// So many are asked for at a time.
const AT_ONCE: usize = 16;
/// How long an alert waits for its block.
const WAIT: Duration = Duration::from_secs(5);
/// Between two tries.
const PAUSE: Duration = Duration::from_millis(250);

/// In the evidence: who is turned away,
pub(super) const BLOCKED: &str = "blocked";
/// and until when, as RFC 3339.
pub(super) const UNTIL: &str = "blocked_until";

/// What was found, and at a call to which API.
#[derive(Clone, Debug)]
pub struct Found {
    /// What is raised.
    pub alert: Alert,
    /// Of which kind.
    pub kind: Kind,
    /// Name of the API that was called; empty: of none.
    pub api: String,
}

/// Whom to turn away.
#[derive(Clone, Debug)]
pub struct Asked {
    /// The rule that says so.
    pub rule: String,
    /// The alert.
    pub alert: String,
    /// Who.
    pub subject: String,
    /// What the alert says.
    pub message: String,
}

/// Somebody is turned away, or it is proposed.
#[derive(Clone, Debug)]
pub struct Blocked {
    /// The `DenyPolicy`.
    pub policy: String,
    /// Until then, in seconds since the Unix epoch.
    pub until: i64,
    /// The `DenyPolicy` as YAML, where it is only proposed; empty: they are.
    pub proposal: String,
}

/// Why somebody is not turned away.
#[derive(Clone, Debug, thiserror::Error)]
pub enum BlockError {
    /// It may work in a moment.
    #[error("the control plane is away")]
    Away,
    /// It will not, for this reason of the control plane.
    #[error("{0}")]
    Refused(String),
}

/// Who can turn somebody away.
#[tonic::async_trait]
pub trait Blocks: std::fmt::Debug + Send + Sync {
    /// Turns somebody away.
    async fn block(&self, asked: &Asked) -> Result<Blocked, BlockError>;
}

/// Gives findings what follows from them.
#[derive(Debug)]
pub struct Responses {
    alarm: Arc<Alarm>,
    answers: ArcSwap<Answers>,
    queue: mpsc::Sender<Pending>,
    /// Whether addresses are networks, of which only the beginning is kept.
    truncated: bool,
    turned_away: Arc<TurnedAway>,
}

/// The work behind it.
#[derive(Debug)]
pub struct Blocking {
    queue: mpsc::Receiver<Pending>,
    alarm: Arc<Alarm>,
    blocks: Option<Arc<dyn Blocks>>,
    turned_away: Arc<TurnedAway>,
    clock: Clock,
    shutdown: Shutdown,
}

#[derive(Debug)]
struct Pending {
    alert: Alert,
    block: Block,
    subject: String,
}

impl Responses {
    /// With rules that say nothing yet, and the work. `blocks`: none: there is no control plane.
    pub fn new(
        alarm: Arc<Alarm>,
        truncated: bool,
        blocks: Option<Arc<dyn Blocks>>,
        clock: Clock,
        shutdown: Shutdown,
    ) -> (Self, Blocking) {
        let (queue, receiver) = mpsc::channel(QUEUE);
        let turned_away = Arc::new(TurnedAway::default());
        for past in alarm.list(&Wanted::default(), usize::MAX) {
            turned_away.learn(&past, clock.unix_us().div_euclid(SECOND_US));
        }
        let blocking = Blocking {
            queue: receiver,
            alarm: Arc::clone(&alarm),
            blocks,
            turned_away: Arc::clone(&turned_away),
            clock,
            shutdown,
        };
        (Self { alarm, answers: ArcSwap::default(), queue, truncated, turned_away }, blocking)
    }

    /// From now on this follows.
    pub fn put(&self, answers: Answers) {
        self.answers.store(Arc::new(answers));
    }

    /// What follows from a kind of alert, where neither API nor application has a rule of its own.
    pub fn usual(&self, kind: Kind) -> super::rules::Answer {
        self.answers.load().of(kind, "", "")
    }

    /// Raises what was found, now or when its block is there. Blocks for the disk.
    pub fn raise(&self, found: Vec<Found>) {
        let answers = self.answers.load();
        let mut now = Vec::new();
        for Found { mut alert, kind, api } in found {
            if !is_too_much(&alert) && self.is_turned_away(&alert) {
                continue;
            }
            let answer = answers.of(kind, &api, &alert.application);
            alert.severity = answer.severity.unwrap_or(alert.severity);
            now.extend(match answer.block {
                Some(block) if is_too_much(&alert) && !self.alarm.holds(&alert.id) => {
                    self.ask(alert, block)
                }
                _ => Some(alert),
            });
        }
        self.alarm.raise(now);
    }

    /// Whether it is about somebody who calls less because alerts have them turned away.
    fn is_turned_away(&self, alert: &Alert) -> bool {
        let at_s = alert.raised_at_us.div_euclid(SECOND_US);
        [Whom::Application, Whom::Client].into_iter().any(|whom| {
            let subject = subject(alert, whom, self.truncated);
            subject.is_some_and(|it| self.turned_away.holds(&shown(whom, &it), at_s))
        })
    }

    /// The alert, if it does not wait for a block.
    fn ask(&self, alert: Alert, block: Block) -> Option<Alert> {
        let Some(subject) = subject(&alert, block.whom, self.truncated) else {
            let reason = format!("the alert names no {}", block.whom.name());
            return Some(not_blocked(alert, &reason));
        };
        let unsent = self.queue.try_send(Pending { alert, block, subject }).err()?;
        let (mpsc::error::TrySendError::Full(pending) | mpsc::error::TrySendError::Closed(pending)) =
            unsent;
        Some(not_blocked(pending.alert, "too many alerts wait for a block"))
    }
}

impl Blocking {
    /// Asks for blocks until the process stops.
    pub async fn run(self) {
        let Self { queue, alarm, blocks, turned_away, clock, shutdown } = self;
        let mut queue = ReceiverStream::new(queue);
        let taken = queue.by_ref().take_until(shutdown.wait());
        let alerts = taken.map(|pending| {
            let (alarm, blocks) = (Arc::clone(&alarm), blocks.clone());
            let (clock, shutdown) = (clock.clone(), shutdown.clone());
            let turned_away = Arc::clone(&turned_away);
            async move {
                let alert = done(pending, blocks.as_deref(), &clock, &shutdown).await;
                turned_away.learn(&alert, clock.unix_us().div_euclid(SECOND_US));
                // Which writes to the disk; a panic is logged elsewhere.
                let _ = tokio::task::spawn_blocking(move || alarm.raise(vec![alert])).await;
            }
        });
        alerts.buffer_unordered(AT_ONCE).collect::<()>().await;
        // From here on alerts are raised without waiting; those that wait are too.
        let mut queue = queue.into_inner();
        queue.close();
        let mut left = Vec::new();
        while let Ok(Pending { alert, .. }) = queue.try_recv() {
            left.push(not_blocked(alert, "the collector stops"));
        }
        let _ = tokio::task::spawn_blocking(move || alarm.raise(left)).await;
    }
}

/// The alert, with what became of its block.
async fn done(
    pending: Pending,
    blocks: Option<&dyn Blocks>,
    clock: &Clock,
    shutdown: &Shutdown,
) -> Alert {
    let Pending { alert, block, subject } = pending;
    let Some(blocks) = blocks else { return not_blocked(alert, "there is no control plane") };
    let asked = Asked {
        rule: block.rule,
        alert: alert.id.clone(),
        subject,
        message: alert.message.clone(),
    };
    let trying = async {
        loop {
            match blocks.block(&asked).await {
                Err(BlockError::Away) => clock.sleep(PAUSE).await,
                told => return told,
            }
        }
    };
    let told = tokio::select! {
        told = clock.timeout(WAIT, trying) => told.unwrap_or(Err(BlockError::Away)),
        () = shutdown.wait() => Err(BlockError::Away),
    };
    match told {
        Ok(blocked) => with_block(alert, block.whom, &asked.subject, &blocked),
        Err(error) => not_blocked(alert, &error.to_string()),
    }
}

fn with_block(mut alert: Alert, whom: Whom, subject: &str, blocked: &Blocked) -> Alert {
    let until = prost_types::Timestamp { seconds: blocked.until, nanos: 0 }.to_string();
    if !blocked.proposal.is_empty() {
        let whom = shown(whom, subject);
        alert.message = format!("{} Proposed: to block {whom} until {until}.", alert.message);
        let words = [("proposed", whom), ("policy", blocked.proposal.clone())];
        alert.evidence.extend(words.map(|(name, value)| (name.to_owned(), value)));
        return alert;
    }
    let lift = format!("turnpike delete DenyPolicy {}", blocked.policy);
    alert.message = format!("{} Blocked until {until}; to lift it: {lift}", alert.message);
    let words = [(BLOCKED, shown(whom, subject)), (UNTIL, until), ("lift", lift)];
    alert.evidence.extend(words.map(|(name, value)| (name.to_owned(), value)));
    alert
}

fn shown(whom: Whom, subject: &str) -> String {
    format!("{} {subject}", whom.name())
}

fn not_blocked(mut alert: Alert, reason: &str) -> Alert {
    tracing::warn!(id = alert.id, reason, "nobody is blocked for an alert that should block");
    alert.evidence.insert("not_blocked".to_owned(), reason.to_owned());
    alert
}

/// Whether it is about more than usual: nobody is turned away for calling less.
fn is_too_much(alert: &Alert) -> bool {
    alert.evidence.get("direction").is_none_or(|direction| direction == "more")
}

/// Who is named.
fn subject(alert: &Alert, whom: Whom, truncated: bool) -> Option<String> {
    let named = match whom {
        Whom::Application => Some(&alert.application),
        _ => alert.evidence.get(whom.name()),
    };
    let named = named.filter(|name| !name.is_empty())?;
    Some(match whom {
        Whom::Address if truncated && named.contains(':') => format!("{named}/48"),
        Whom::Address if truncated => format!("{named}/24"),
        _ => named.clone(),
    })
}

#[cfg(test)]
#[path = "respond_tests.rs"]
mod tests;
