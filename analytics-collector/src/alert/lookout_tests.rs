//! Do stored calls become alerts that name why?

use std::time::UNIX_EPOCH;

use chassis::readiness::Readiness;
use detect::span::SECOND_US;

use super::*;
use crate::alert::{Alarm, History, Wanted};
use crate::fixture::{NOW_US, batch, call};

struct World {
    folder: tempfile::TempDir,
    metrics: Metrics,
}

/// One life of a lookout.
struct Life {
    lookout: Lookout,
    sources: Arc<Sources>,
    watching: Watching,
    alarm: Arc<Alarm>,
}

impl World {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap(), metrics: Metrics::default() }
    }

    fn begin(&self) -> Life {
        let at = UNIX_EPOCH + Duration::from_micros(NOW_US.try_into().unwrap());
        let (clock, shutdown) = (Clock::fixed(at), Shutdown::new(Readiness::default()));
        let history = History::open(&self.folder.path().join("alerts.jsonl"), 100).unwrap();
        let metrics = self.metrics.clone();
        let alarm = Arc::new(Alarm::new(history, metrics.clone()));
        let kept = Kept::new(self.folder.path().join("alerts.state"));
        let watch = kept.resume(Rules::default());
        let (responses, _) =
            Responses::new(Arc::clone(&alarm), false, None, clock.clone(), shutdown.clone());
        let (responses, sources) = (Arc::new(responses), Arc::<Sources>::default());
        let seen = Arc::clone(&sources);
        let (lookout, watching) =
            Lookout::new(watch, kept, responses, seen, metrics, clock, shutdown);
        Life { lookout, sources, watching, alarm }
    }
}

impl Life {
    /// Looks at everything that was handed in, and ends. The alerts, newest first.
    async fn end(self) -> Vec<Arc<Alert>> {
        drop(self.lookout);
        self.watching.run().await;
        self.alarm.list(&Wanted::default(), 100)
    }
}

fn calls(count: i64, from_us: i64, change: impl Fn(&mut Row)) -> Vec<Row> {
    let rows = (0..count).map(|n| {
        let mut row = call(from_us + n * SECOND_US, "orders", "shop");
        (row.method, row.operation) = ("GET".to_owned(), "/items".to_owned());
        (row.consumer_key, row.client_ip) = ("key1".to_owned(), vec![192, 0, 2, 1]);
        change(&mut row);
        row
    });
    rows.collect()
}

/// So many usual calls, a restart, and then others: the alerts of the second life as `type about`.
async fn check(others: Vec<Row>, expected: &[&str]) -> Vec<Arc<Alert>> {
    let world = World::new();
    let first = world.begin();
    first.lookout.see(&batch("e", 1, calls(600, NOW_US - 3000 * SECOND_US, |_| {})));
    assert!(first.end().await.is_empty());
    let second = world.begin();
    second.lookout.see(&batch("e", 2, others));
    let alerts = second.end().await;
    let said: Vec<String> =
        alerts.iter().map(|alert| format!("{} {}", alert.kind, alert.cause)).collect();
    assert_eq!(said, expected);
    assert_eq!(world.metrics.unwatched.get(), 0);
    alerts
}

#[tokio::test]
async fn a_slow_api_is_told_with_its_evidence_after_a_restart_too() {
    let from_us = NOW_US - 600 * SECOND_US;
    let slow = calls(5, from_us, |row| (row.total_us, row.backend_us) = (900_000, 800_000));
    let alerts = check(slow, &["AbnormalResponseTime api/orders:1.0.0"]).await;
    let evidence = &alerts[0].evidence;
    assert_eq!(
        (evidence["operation"].as_str(), evidence["took_us"].as_str()),
        ("GET /items", "900000")
    );
    assert!(evidence.contains_key("limit_us"));
    assert_eq!((alerts[0].severity, alerts[0].api.as_str()), (Severity::Moderate, "orders"));
}

#[tokio::test]
async fn a_new_address_and_failures_are_told() {
    let from_us = NOW_US - 600 * SECOND_US;
    let other = calls(1, from_us, |row| row.client_ip = vec![198, 51, 100, 1]);
    check(other, &["UnusualIPAccess application/shop"]).await;
    let failed = calls(5, from_us, |row| row.status = 503);
    let expected = ["ApiHealthMonitor api/orders:1.0.0", "AbnormalErrorRate api/orders:1.0.0"];
    check(failed, &expected).await;
}

#[tokio::test]
async fn usual_calls_are_not_told() {
    check(calls(100, NOW_US - 600 * SECOND_US, |_| {}), &[]).await;
}

#[tokio::test]
async fn what_does_not_fit_is_counted_and_nobody_waits() {
    let world = World::new();
    let life = world.begin();
    let one = batch("e", 1, calls(3, NOW_US, |_| {}));
    for _ in 0..QUEUE + 5 {
        life.lookout.see(&one);
    }
    assert_eq!(world.metrics.unwatched.get(), 15);
    life.end().await;
}

#[tokio::test]
async fn a_damaged_state_is_left_out() {
    let world = World::new();
    std::fs::write(world.folder.path().join("alerts.state"), "{").unwrap();
    let life = world.begin();
    life.lookout.see(&batch("e", 1, calls(3, NOW_US, |_| {})));
    assert!(life.end().await.is_empty());
    assert!(std::fs::metadata(world.folder.path().join("alerts.state")).unwrap().len() > 100);
}

/// Two gateways, each with the calls of one application, minute by minute.
struct Fleet {
    life: Life,
    minute: i64,
}

impl Fleet {
    /// A minute after the others: the calls that come in it of `sources`, each as its name, its application
    /// and the minute that they are of.
    fn live(&mut self, calls_of: &[(&str, &str, i64)]) {
        self.minute += 1;
        let now_us = self.minute * MINUTE_US;
        let Watching { eye, sources, .. } = &self.life.watching;
        for (source, application, minute) in calls_of {
            let of = |row: &mut Row| {
                row.consumer_key = (*application).to_owned();
                (*application).clone_into(&mut row.application);
            };
            let rows = calls(5, (minute - 1) * MINUTE_US, of);
            sources.wait(source, now_us);
            sources.looked(source, eye.batch(&rows, now_us), now_us);
        }
        eye.minute(self.life.watching.told_us(0, now_us), now_us, false);
    }

    fn told(&self) -> Vec<String> {
        let alerts = self.life.alarm.list(&Wanted::default(), 100);
        alerts.iter().map(|alert| alert.message.clone()).collect()
    }
}

#[tokio::test]
async fn a_gateway_that_is_cut_off_makes_nobody_silent_and_no_rush() {
    const NOTHING: [String; 0] = [];
    let world = World::new();
    let life = world.begin();
    let first = NOW_US / MINUTE_US;
    let sources = Arc::clone(&life.sources);
    let _a = sources.connect("a", NOW_US);
    let b = sources.connect("b", NOW_US);
    let mut fleet = Fleet { life, minute: first };
    let both = |minute| [("a", "other", minute), ("b", "shop", minute)];
    let cut = first + 2 * 24 * 60;
    while fleet.minute < cut {
        fleet.live(&both(fleet.minute + 1));
    }
    drop(b);
    while fleet.minute < cut + 30 {
        fleet.live(&[("a", "other", fleet.minute + 1)]);
    }
    assert_eq!(fleet.told(), NOTHING);
    // It is back, and tells six minutes of what it kept in each.
    let _b = sources.connect("b", fleet.minute * MINUTE_US);
    for part in 0..5 {
        let kept = (1..=6).map(|minute| ("b", "shop", cut + part * 6 + minute));
        let live = ("a", "other", fleet.minute + 1);
        fleet.live(&kept.chain([live]).collect::<Vec<_>>());
    }
    for minute in 1..=30 {
        fleet.live(&both(cut + 35 + minute));
    }
    assert_eq!(fleet.told(), NOTHING);
    // And now there is nothing to tell.
    for minute in 1..=30 {
        fleet.live(&[("a", "other", cut + 65 + minute)]);
    }
    let told = fleet.told();
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(told[0].starts_with("shop has made no call to orders:1.0.0"), "{told:?}");
}
