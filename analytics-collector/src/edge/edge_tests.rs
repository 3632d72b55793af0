//! Does a stream of batches get the answers it deserves, and do alerts come of it?

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use chassis::clock::{Clock, ManualClock};
use chassis::readiness::Readiness;
use chassis::shutdown::Shutdown;
use futures_util::stream::{self, StreamExt as _};
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::{Notify, Semaphore, broadcast};
use tonic::Status;
use turnpike_proto::usage::v1::alerts_server::Alerts as _;
use turnpike_proto::usage::v1::analytics_server::Analytics as _;
use turnpike_proto::usage::v1::{
    AlertRules, AlertSetting, CollectRequest, Event, GeographyRequest, ListAlertsRequest,
    ReplayAlertsRequest, UsageRequest, WatchAlertsRequest, alert_type,
};

use super::from_event::{Config, Desk};
use super::{AlertsService, AnalyticsService, CollectorService, ReportsService};
use crate::alert::state::Kept;
use crate::alert::{Alarm, Alert, History, Lookout, Responses, Sources, Wanted};
use crate::enrich::{Addresses, Agents, Geo, Keep, geo, geo_tests};
use crate::fixture::{MINUTE_US, NOW_US, Place, reader};
use crate::live::Tail;
use crate::metrics::{Metrics, Reason};
use crate::question::Window;
use crate::report::Bounds;
use crate::report::minutes::minutes;
use crate::store::{Committer, Probe};

const BOUNDS: Bounds = Bounds { kept: Duration::from_hours(720), smallest_group: 0 };

/// A collector without its port.
pub(super) struct Service {
    pub(super) collector: CollectorService,
    pub(super) analytics: AnalyticsService,
    pub(super) reports: ReportsService,
    alerts: AlertsService,
    pub(super) metrics: Metrics,
    /// What was raised and not waited for.
    told: tokio::sync::Mutex<broadcast::Receiver<Arc<Alert>>>,
    _hands: ManualClock,
}

/// An application may make two calls in a minute.
fn two_a_minute() -> detect::Rules {
    let setting = detect::Setting::<Duration> {
        mode: Some(detect::Mode::Fixed),
        threshold: Some(2.0),
        ..detect::Setting::default()
    };
    let mut rules = detect::Rules::default();
    rules.set(detect::Alarm::AbnormalRequestsPerMin, &setting).unwrap();
    rules
}

/// Two calls a minute are allowed. The clock stands still, but for groups, which need no time.
pub(super) async fn start(place: &Place) -> Service {
    let (clock, hands) =
        Clock::manual(UNIX_EPOCH + Duration::from_micros(NOW_US.try_into().unwrap()));
    let folder = place.folder.path();
    let store = place.open(Probe::default()).unwrap();
    let (reader, metrics) = (reader(&store), Metrics::default());
    let history = History::open(&folder.join("alerts.jsonl"), 1000).unwrap();
    let alarm = Arc::new(Alarm::new(history, metrics.clone()));
    let raised = tokio::sync::Mutex::new(alarm.watch());
    let database = folder.join("country.mmdb");
    geo_tests::write(&database, 4, &[("81.0.0.0/8", geo_tests::flat("DE"))]);
    let geo = geo::Config { attribution: "A".into(), ..geo_tests::config(&database) };
    let desk = Arc::new(Desk {
        geo: Geo::open(geo),
        addresses: Addresses::open(Keep::Truncated, &folder.join("address.key")).unwrap(),
        agents: Agents::default(),
        config: Config { oldest: Duration::from_hours(168), ahead: Duration::from_hours(1) },
    });
    let kept = Kept::new(folder.join("alerts.state"));
    let (shutdown, sources) = (Shutdown::new(Readiness::default()), Arc::<Sources>::default());
    let (told, stop) = (Arc::clone(&alarm), shutdown.clone());
    let (responses, _) = Responses::new(told, true, None, clock.clone(), stop);
    let (lookout, watching) = Lookout::new(
        kept.resume(two_a_minute()),
        kept,
        Arc::new(responses),
        Arc::clone(&sources),
        metrics.clone(),
        clock.clone(),
        shutdown.clone(),
    );
    let window = Window { since_us: NOW_US - 10 * MINUTE_US, until_us: i64::MAX };
    lookout.recall(&alarm.list(&Wanted::default(), 1000), &minutes(&reader, window).await.unwrap());
    chassis::task::Tasks::default().spawn("lookout", watching.run());
    let seeing = lookout.clone();
    let tail = Arc::new(Tail::default());
    let shown = Arc::clone(&tail);
    let committer = Committer {
        store,
        gather: Duration::ZERO,
        on_stored: Arc::new(move |batch| {
            seeing.see(batch);
            shown.offer(&batch.calls);
        }),
        flush: Arc::new(Notify::new()),
        writable: Readiness::default().condition("store"),
        metrics: metrics.clone(),
        clock: clock.clone(),
    };
    let replayed = Arc::clone(&reader);
    let (intake, committing) = committer.start();
    chassis::task::Tasks::default().spawn("commit", committing);
    Service {
        reports: ReportsService {
            reader: Arc::clone(&reader),
            bounds: BOUNDS,
            clock: clock.clone(),
        },
        analytics: AnalyticsService {
            reader,
            desk: Arc::clone(&desk),
            tail,
            bounds: BOUNDS,
            metrics: metrics.clone(),
            clock: clock.clone(),
            shutdown: shutdown.clone(),
        },
        alerts: AlertsService {
            alarm,
            lookout,
            reader: replayed,
            turn: Arc::new(Semaphore::new(1)),
            clock: clock.clone(),
            shutdown: shutdown.clone(),
        },
        collector: CollectorService {
            desk,
            intake,
            sources,
            metrics: metrics.clone(),
            clock,
            shutdown,
        },
        metrics,
        told: raised,
        _hands: hands,
    }
}

pub(super) fn event(at_us: i64, api: &str) -> Event {
    Event {
        at_us,
        api: api.to_owned(),
        api_version: "1.0.0".to_owned(),
        application: "shop".to_owned(),
        status: 200,
        client_ip: vec![81, 2, 3, 4],
        ..Event::default()
    }
}

pub(super) fn request(sequence: u64, events: Vec<Event>) -> CollectRequest {
    let (source, epoch) = ("g".to_owned(), "e".to_owned());
    CollectRequest { source, epoch, sequence, events, dropped: 0 }
}

impl Service {
    /// Sends batches as one stream and says how it was answered.
    pub(super) async fn send(&self, requests: Vec<CollectRequest>) -> String {
        let requests = stream::iter(requests.into_iter().map(Ok::<_, Status>));
        let answers = self.collector.acknowledge(requests);
        let answers = answers.map(|answer| match answer {
            Ok(acknowledged) => acknowledged.sequence.to_string(),
            Err(status) => status.message().to_owned(),
        });
        answers.collect::<Vec<_>>().await.join(" ")
    }

    pub(super) async fn calls(&self) -> u64 {
        let filter = turnpike_proto::usage::v1::Filter {
            since: Some(prost_types::Timestamp {
                seconds: NOW_US / 1_000_000 - 8 * 86_400,
                nanos: 0,
            }),
            until: Some(prost_types::Timestamp { seconds: NOW_US / 1_000_000 + 7200, nanos: 0 }),
            ..Default::default()
        };
        let request = UsageRequest { filter: Some(filter), interval: None };
        let answer = self.analytics.usage(tonic::Request::new(request)).await.unwrap();
        answer.into_inner().rows.iter().map(|row| row.calls).sum()
    }

    /// Waits until so many more alerts were raised.
    pub(super) async fn told(&self, alerts: u64) {
        let mut told = self.told.lock().await;
        let mut left = alerts;
        while left > 0 {
            let next = tokio::time::timeout(Duration::from_mins(1), told.recv()).await.unwrap();
            left -= match next {
                Ok(_) => 1,
                Err(RecvError::Lagged(missed)) => missed,
                Err(RecvError::Closed) => panic!("{left} alerts are not raised"),
            };
        }
    }

    pub(super) async fn alerts(&self) -> String {
        let request = tonic::Request::new(ListAlertsRequest::default());
        let alerts = self.alerts.list(request).await.unwrap().into_inner().alerts;
        let said: Vec<_> = alerts
            .iter()
            .map(|alert| format!("{}={}", alert.api, alert.evidence["calls"]))
            .collect();
        said.join(" ")
    }
}

/// One stream of batches, its answers, and how many calls are stored then.
async fn check(requests: Vec<CollectRequest>, answers: &str, calls: u64) {
    let place = Place::new();
    let service = start(&place).await;
    assert_eq!(service.send(requests).await, answers);
    assert_eq!(service.calls().await, calls);
}

fn some(sequence: u64) -> CollectRequest {
    request(sequence, vec![event(NOW_US - 1, "orders")])
}

#[tokio::test]
async fn acknowledged_calls_are_counted_at_once_and_repeats_are_not() {
    check(vec![some(1), some(2), some(2), some(1), some(3)], "1 2 2 1 3", 3).await;
}

#[tokio::test]
async fn more_batches_than_fit_in_flight_are_acknowledged_in_order() {
    let numbers: Vec<String> = (1..=60).map(|n| n.to_string()).collect();
    check((1..=60).map(some).collect(), &numbers.join(" "), 60).await;
}

#[tokio::test]
async fn a_malformed_batch_ends_the_stream_and_takes_nothing_else_along() {
    check(vec![some(1), some(0), some(2)], "1 sequence must not be 0", 1).await;
    let nameless = CollectRequest { source: String::new(), ..some(1) };
    check(vec![nameless], "source must have 1 to 256 bytes", 0).await;
    let long = CollectRequest { epoch: "e".repeat(257), ..some(1) };
    check(vec![long], "epoch must have 1 to 256 bytes", 0).await;
    let many = request(2, vec![Event::default(); 10_001]);
    check(vec![some(1), many], "1 events must be at most 10000, not 10001", 1).await;
}

#[tokio::test]
async fn an_empty_batch_is_acknowledged() {
    check(vec![request(1, vec![]), some(2)], "1 2", 1).await;
}

#[tokio::test]
async fn calls_with_a_wrong_clock_are_left_out_alone_and_counted() {
    let place = Place::new();
    let service = start(&place).await;
    let year = 365 * 24 * 60 * MINUTE_US;
    let times = [0, NOW_US - year, NOW_US + year, i64::MIN, i64::MAX, NOW_US, NOW_US - 1000];
    let events = times.map(|at_us| event(at_us, "orders")).to_vec();
    assert_eq!(service.send(vec![request(1, events)]).await, "1");
    let refused = |reason| service.metrics.refused.get_or_create(&Reason { reason }).get();
    assert_eq!((service.calls().await, refused("too_old"), refused("in_the_future")), (2, 3, 2));
}

#[tokio::test]
async fn over_long_fields_are_cut_between_characters() {
    let place = Place::new();
    let service = start(&place).await;
    let path = format!("{}é/rest", "x".repeat(1023));
    let event = Event { path, request_id: vec![1, 2, 3], ..event(NOW_US, "orders") };
    let batch = service.collector.desk.batch_of(request(1, vec![event]), None, NOW_US).unwrap();
    let path = batch.rows.column_by_name("path").unwrap();
    let path = path.as_any().downcast_ref::<arrow::array::StringArray>().unwrap();
    assert_eq!((path.value(0).len(), batch.losses.cut), (1023, 2));
}

#[tokio::test]
async fn what_a_source_drops_or_leaves_out_is_counted() {
    let place = Place::new();
    let service = start(&place).await;
    let dropped = CollectRequest { dropped: 17, ..some(5) };
    assert_eq!(service.send(vec![some(1), dropped]).await, "1 5");
    let counts = (service.metrics.dropped_by_source.get(), service.metrics.left_out.get());
    assert_eq!(counts, (17, 3));
}

#[tokio::test]
async fn calls_are_placed_and_clients_counted_though_addresses_are_truncated() {
    let place = Place::new();
    let service = start(&place).await;
    let from = |ip: [u8; 4]| Event { client_ip: ip.to_vec(), ..event(NOW_US - 1, "orders") };
    let events = vec![
        from([81, 2, 3, 4]),
        from([81, 2, 3, 5]),
        from([81, 2, 3, 4]),
        from([9, 9, 9, 9]),
        from([10, 0, 0, 1]),
    ];
    service.send(vec![request(1, events)]).await;
    let answer =
        service.analytics.geography(tonic::Request::new(GeographyRequest::default())).await;
    let answer = answer.unwrap().into_inner();
    let said: Vec<_> = answer
        .rows
        .iter()
        .map(|row| format!("{}={}/{}", row.country, row.calls, row.addresses))
        .collect();
    assert_eq!(
        (said.join(" ").as_str(), answer.attribution.as_str()),
        ("DE=3/2 unknown=1/1 ZZ=1/1", "A")
    );
}

#[tokio::test]
async fn too_many_calls_in_a_minute_are_an_alert_also_over_a_restart_and_late() {
    let place = Place::new();
    let service = start(&place).await;
    let late = NOW_US - 5 * MINUTE_US;
    service.send(vec![some(1), request(2, vec![event(late, "users"); 2])]).await;
    assert_eq!(service.alerts().await, "");
    drop(service);

    let mut service = Err(crate::store::StoreError::InUse(PathBuf::new()));
    for _ in 0..200 {
        // The store is free as soon as the last task of the first life has ended.
        match place.open(Probe::default()) {
            Ok(store) => {
                drop(store);
                service = Ok(start(&place).await);
                break;
            }
            Err(error) => service = Err(error),
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let service = service.unwrap();
    let mut watch = service
        .alerts
        .watch(tonic::Request::new(WatchAlertsRequest {}))
        .await
        .unwrap()
        .into_inner();
    service
        .send(vec![some(2), request(3, vec![event(late, "users")]), some(4), some(5), some(6)])
        .await;
    service.told(2).await;
    assert_eq!(service.alerts().await, "orders=3 users=3");
    let first = watch.next().await.unwrap().unwrap();
    let second = watch.next().await.unwrap().unwrap();
    assert_eq!((first.api.as_str(), second.api.as_str()), ("users", "orders"));
    assert_eq!(first.message, "shop made more than 2 calls to users:1.0.0 in a minute.");
    assert_eq!(first.evidence["minute"], "2026-11-22T23:55:00Z");
}

#[tokio::test]
async fn a_watcher_that_lags_is_told_so() {
    let place = Place::new();
    let service = start(&place).await;
    let watch = service.alerts.watch(tonic::Request::new(WatchAlertsRequest {})).await.unwrap();
    let events = (0..900).map(|n| event(NOW_US - 1, &(n / 3).to_string())).collect();
    service.send(vec![request(1, events)]).await;
    service.told(300).await;
    let first = watch.into_inner().next().await.unwrap().unwrap_err();
    assert_eq!(first.code(), tonic::Code::Aborted);
    let limit = tonic::Request::new(ListAlertsRequest { limit: 1001, ..Default::default() });
    assert_eq!(service.alerts.list(limit).await.unwrap_err().message(), "limit is more than 1000");
}

/// A replay of all calls of the last day by which an application may make so many in a minute.
fn replay_by(threshold: f64) -> tonic::Request<ReplayAlertsRequest> {
    let setting = AlertSetting {
        r#type: "AbnormalRequestsPerMin".to_owned(),
        mode: Some(alert_type::Mode::Fixed.into()),
        threshold: Some(threshold),
        ..AlertSetting::default()
    };
    let rules = Some(AlertRules { settings: vec![setting], ..AlertRules::default() });
    tonic::Request::new(ReplayAlertsRequest { rules, ..ReplayAlertsRequest::default() })
}

#[tokio::test]
async fn stored_calls_are_looked_at_again_by_other_rules_and_nothing_is_raised() {
    let place = Place::new();
    let service = start(&place).await;
    let at = |minutes: i64, api| event(NOW_US - minutes * MINUTE_US, api);
    let early = [at(900, "orders"), at(900, "orders"), at(26 * 60, "pay"), at(26 * 60, "pay")];
    let late = [at(30, "users"), at(30, "users"), at(10, "orders")];
    let batches = [early.to_vec(), late.to_vec()];
    let batches = batches.into_iter().zip(1..).map(|(events, number)| request(number, events));
    service.send(batches.collect()).await;
    for (threshold, expected) in [(1.0, "orders users"), (2.0, "")] {
        let parts = service.alerts.replay(replay_by(threshold)).await.unwrap().into_inner();
        let parts: Vec<_> = parts.map(Result::unwrap).collect().await;
        let alerts = parts.iter().flat_map(|part| &part.alerts);
        let told: Vec<&str> = alerts.map(|alert| alert.api.as_str()).collect();
        assert_eq!(told.join(" "), expected);
        let last = parts.last().unwrap();
        assert_eq!((last.calls, last.cut), (5, false));
        assert_eq!(last.until.unwrap().seconds, NOW_US / 1_000_000);
    }
    assert_eq!(service.alerts().await, "");
}

#[tokio::test]
async fn one_replay_runs_at_a_time() {
    let place = Place::new();
    let service = start(&place).await;
    let first = service.alerts.replay(replay_by(1.0)).await.unwrap();
    let refused = service.alerts.replay(replay_by(1.0)).await.err().unwrap();
    assert_eq!(refused.code(), tonic::Code::ResourceExhausted);
    drop(first);
    assert!(service.alerts.replay(replay_by(1.0)).await.is_ok());
}
