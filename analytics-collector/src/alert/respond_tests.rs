//! Are those turned away whom a rule means, and does the alert say so?

use std::collections::{BTreeMap, VecDeque};
use std::sync::Mutex;

use chassis::readiness::Readiness;
use detect::Setting;

use super::*;
use crate::alert::rules::{Answer, Applied};
use crate::alert::{History, Severity, Wanted};
use crate::guard::lock;
use crate::metrics::Metrics;

/// A control plane that answers with these, and then turns away whoever it is asked for.
#[derive(Debug)]
struct Plane {
    answers: Mutex<VecDeque<BlockError>>,
    /// What it proposes instead; empty: nothing.
    proposal: &'static str,
    asked: Mutex<Vec<String>>,
}

#[tonic::async_trait]
impl Blocks for Plane {
    async fn block(&self, asked: &Asked) -> Result<Blocked, BlockError> {
        lock(&self.asked).push(format!("{} {}", asked.rule, asked.subject));
        let refused = lock(&self.answers).pop_front();
        refused.map_or_else(
            || {
                let (policy, proposal) = (format!("alert-{}", asked.alert), self.proposal);
                Ok(Blocked { policy, until: 60, proposal: proposal.to_owned() })
            },
            Err,
        )
    }
}

fn found(kind: Kind, direction: Option<&str>) -> Found {
    let named = [("user", "ann"), ("address", "198.51.100.0")].into_iter();
    let evidence = named.chain(direction.map(|direction| ("direction", direction)));
    let alert = Alert {
        id: "a1".to_owned(),
        kind: kind.name().to_owned(),
        severity: Severity::Moderate,
        raised_at_us: 0,
        minute: 0,
        message: "It was found.".to_owned(),
        api: String::new(),
        api_version: String::new(),
        application: String::new(),
        cause: String::new(),
        evidence: evidence.map(|(name, value)| (name.to_owned(), value.to_owned())).collect(),
    };
    Found { alert, kind, api: "orders".to_owned() }
}

fn rule(whom: Option<Whom>) -> Applied {
    let block = whom.map(|whom| Block { rule: "r".to_owned(), whom });
    Applied {
        name: "r".to_owned(),
        kind: Kind::KeySharing,
        apis: vec!["orders".to_owned()],
        applications: Vec::new(),
        setting: Setting::default(),
        answer: Answer { severity: Some(Severity::Severe), block },
    }
}

/// What the control plane answers first, and whether there is one.
type World = Option<&'static [BlockError]>;

/// Finds something under a rule: what was asked of the control plane, and the alert.
async fn raised(world: World, whom: Option<Whom>, found: Found) -> (Vec<String>, Alert) {
    let (asked, alerts) = all_raised(world, "", whom, vec![found]).await;
    let [alert] = alerts.as_slice() else { panic!("{alerts:?}") };
    (asked, alert.as_ref().clone())
}

/// Finds one thing after the other, each when the one before is answered: the alerts, newest first.
async fn all_raised(
    world: World,
    proposal: &'static str,
    whom: Option<Whom>,
    found: Vec<Found>,
) -> (Vec<String>, Vec<Arc<Alert>>) {
    let folder = tempfile::tempdir().unwrap();
    let history = History::open(&folder.path().join("alerts.jsonl"), 10).unwrap();
    let (clock, shutdown) = (Clock::system(), Shutdown::new(Readiness::default()));
    let alarm = Alarm::new(history, Metrics::default());
    let alarm = Arc::new(alarm);
    let plane = Arc::new(Plane {
        answers: Mutex::new(world.unwrap_or_default().iter().cloned().collect()),
        proposal,
        asked: Mutex::default(),
    });
    let blocks = world.map(|_| Arc::clone(&plane) as Arc<dyn Blocks>);
    for found in found {
        let (alarm, blocks) = (Arc::clone(&alarm), blocks.clone());
        let (clock, shutdown) = (clock.clone(), shutdown.clone());
        let (responses, blocking) = Responses::new(alarm, true, blocks, clock, shutdown);
        responses.put(Answers::new(&[rule(whom)]));
        let raising = tokio::task::spawn_blocking(move || responses.raise(vec![found]));
        raising.await.unwrap();
        blocking.run().await;
    }
    let alerts = alarm.list(&Wanted { since_us: i64::MIN, ..Wanted::default() }, 10);
    let asked = lock(&plane.asked).clone();
    (asked, alerts)
}

/// What is asked of the control plane, and what the alert says of it, as `name=value`.
async fn check(world: World, whom: Option<Whom>, found: Found, asked: &[&str], said: &str) {
    let (told, alert) = raised(world, whom, found).await;
    assert_eq!(told, asked);
    let of_block = |name: &&String| name.contains("block") || *name == "lift";
    let words: BTreeMap<_, _> = alert.evidence.iter().filter(|(name, _)| of_block(name)).collect();
    let words: Vec<String> = words.iter().map(|(name, value)| format!("{name}={value}")).collect();
    assert_eq!(words.join("; "), said);
}

const REFUSED: &[BlockError] = &[BlockError::Refused(String::new())];
const AWAY: &[BlockError] = &[BlockError::Away];
const SHARED: Kind = Kind::KeySharing;

#[tokio::test]
async fn who_is_turned_away_and_how_to_lift_it_stands_in_the_alert() {
    let (asked, alert) = raised(Some(&[]), Some(Whom::User), found(SHARED, None)).await;
    assert_eq!(asked, ["r ann"]);
    assert_eq!(
        alert.message,
        "It was found. Blocked until 1970-01-01T00:01:00Z; to lift it: turnpike delete DenyPolicy \
         alert-a1"
    );
    assert_eq!(
        (alert.severity, alert.evidence["blocked"].as_str()),
        (Severity::Severe, "user ann")
    );
}

#[tokio::test]
async fn of_a_truncated_address_the_network_is_turned_away() {
    let said = "blocked=address 198.51.100.0/24; blocked_until=1970-01-01T00:01:00Z; \
                lift=turnpike delete DenyPolicy alert-a1";
    let found = found(SHARED, None);
    check(Some(&[]), Some(Whom::Address), found, &["r 198.51.100.0/24"], said).await;
}

#[tokio::test]
async fn an_alert_says_why_nobody_is_turned_away() {
    check(Some(REFUSED), Some(Whom::User), found(SHARED, None), &["r ann"], "not_blocked=").await;
    let said = "not_blocked=there is no control plane";
    check(None, Some(Whom::User), found(SHARED, None), &[], said).await;
    let said = "not_blocked=the alert names no application";
    check(Some(&[]), Some(Whom::Application), found(SHARED, None), &[], said).await;
}

#[tokio::test]
async fn a_control_plane_that_is_away_for_a_moment_is_asked_again() {
    let (asked, alert) = raised(Some(AWAY), Some(Whom::User), found(SHARED, None)).await;
    assert_eq!(asked, ["r ann", "r ann"]);
    assert_eq!(alert.evidence["blocked"], "user ann");
}

#[tokio::test]
async fn nobody_is_turned_away_for_calling_less_or_where_no_rule_says_so() {
    check(Some(&[]), Some(Whom::User), found(SHARED, Some("fewer")), &[], "").await;
    check(Some(&[]), None, found(SHARED, Some("more")), &[], "").await;
    check(Some(&[]), Some(Whom::User), found(Kind::BotDetection, None), &[], "").await;
}

#[tokio::test]
async fn what_is_proposed_stands_in_the_alert_and_nobody_is_turned_away() {
    let found = vec![found(SHARED, None)];
    let (asked, alerts) = all_raised(Some(&[]), "kind: DenyPolicy", Some(Whom::User), found).await;
    let (message, evidence) = (&alerts[0].message, &alerts[0].evidence);
    assert_eq!(asked, ["r ann"]);
    assert_eq!(message, "It was found. Proposed: to block user ann until 1970-01-01T00:01:00Z.");
    assert_eq!(
        (evidence["proposed"].as_str(), evidence["policy"].as_str()),
        ("user ann", "kind: DenyPolicy")
    );
    assert!(!evidence.contains_key("blocked") && !evidence.contains_key("lift"), "{evidence:?}");
}

/// Somebody is found, which has them blocked until second 60, and then that they call less, `after` seconds.
async fn check_silence(found_first: Kind, after: i64, told: usize) {
    let mut silent = found(Kind::AbnormalRequestsPerMin, Some("silent"));
    silent.alert.id = "a2".to_owned();
    silent.alert.raised_at_us = after * 1_000_000;
    let mut first = found(found_first, None);
    for found in [&mut first, &mut silent] {
        found.alert.application = "shop".to_owned();
    }
    let whom = Some(Whom::Application);
    let (_, alerts) = all_raised(Some(&[]), "", whom, vec![first, silent]).await;
    assert_eq!(alerts.len(), told, "{alerts:?}");
}

#[tokio::test]
async fn who_is_turned_away_is_not_told_to_be_silent() {
    check_silence(SHARED, 59, 1).await;
    check_silence(SHARED, 60, 2).await;
    // Nobody was turned away for that.
    check_silence(Kind::BotDetection, 59, 2).await;
}
