//! Is it told when what nobody has asked for fails, and when it works again?

use std::fs;
use std::time::UNIX_EPOCH;

use chassis::Readiness;
use prometheus_client::encoding::text;
use prometheus_client::registry::Registry;

use super::*;
use crate::fixture::{DAY_US, NOW_US, Place, call, counting, put};
use crate::store::Probe;
use crate::store::clickhouse::Account;
use crate::store::clickhouse::front::Front;

/// Two tries of a chore that are hindered and one that is not: what is told of them? A try says whether it could
/// be made.
async fn check(what: &str, store: Arc<Store>, attempt: impl AsyncFn(&Upkeep, bool) -> bool) {
    let at = UNIX_EPOCH + Duration::from_micros(NOW_US.try_into().unwrap());
    let (metrics, clock) = (Metrics::default(), Clock::fixed(at));
    let upkeep = Upkeep { store, metrics, clock, shutdown: Shutdown::new(Readiness::default()) };
    let failing = |tries| format!("upkeep_failing{{what=\"{what}\"}} {tries}");
    let failures = |tries| format!("upkeep_failures_total{{what=\"{what}\"}} {tries}");

    assert!(told(&upkeep, " 0").contains(&failing(0)));
    assert_eq!(told(&upkeep, ""), told(&upkeep, " 0"));
    for tries in 1..=2 {
        assert!(attempt(&upkeep, true).await);
        let expected = [failing(tries), failures(tries)];
        assert_eq!(told(&upkeep, &format!(" {tries}")), expected);
    }
    if attempt(&upkeep, false).await {
        assert_eq!(told(&upkeep, " 2"), [failures(2)]);
    }
}

/// What is scraped about upkeep with this at its end.
fn told(upkeep: &Upkeep, end: &str) -> Vec<String> {
    let (mut registry, mut scraped) = (Registry::default(), String::new());
    upkeep.metrics.register(&mut registry);
    text::encode(&mut scraped, &registry).unwrap();
    let lines = scraped.lines().filter_map(|line| line.strip_prefix("collector_"));
    let about = lines.filter(|line| line.starts_with("upkeep_") && line.ends_with(end));
    let mut about: Vec<_> = about.map(str::to_owned).collect();
    about.sort_unstable();
    about
}

/// The chore that is due where there are so many segments of calls of so many days ago. It is hindered by a
/// manifest that cannot be written.
async fn check_here(what: &str, segments: u64, days: i64) {
    let place = Place::new();
    let store = counting(place.folder.path(), Probe::default(), None).unwrap();
    for sequence in 1..=segments {
        put(&store, "e", sequence, vec![call(NOW_US - days * DAY_US, "orders", "shop")]);
        keep::flush(&store).unwrap();
    }
    let hindrance = place.folder.path().join("manifest.json.tmp");
    check(what, store, async |upkeep, is_hindered| {
        if is_hindered {
            fs::create_dir_all(&hindrance).unwrap();
        } else {
            fs::remove_dir(&hindrance).unwrap();
        }
        upkeep.tidy_once().await;
        true
    })
    .await;
}

#[tokio::test]
async fn a_rollup_that_fails_is_told() {
    check_here("rollup", 1, 5).await;
}

#[tokio::test]
async fn a_merge_that_fails_is_told() {
    check_here("merge", 8, 0).await;
}

#[tokio::test]
async fn a_removal_that_fails_is_told() {
    check_here("retention", 1, 200).await;
}

#[tokio::test]
async fn a_rollup_that_fails_in_a_clickhouse_is_told_and_no_look_at_home_hides_it() {
    let place = Place::new();
    let store = counting(place.folder.path(), Probe::default(), Some(1 << 30)).unwrap();
    let tables = Front::tables();
    let nobody = Account {
        urls: vec!["http://127.0.0.1:1".parse().unwrap()],
        username: String::new(),
        password: None,
        authorities: Vec::new(),
    };
    check("rollup", Arc::clone(&store), async |upkeep, is_hindered| {
        let server = if is_hindered {
            Front::server_as(nobody.clone())
        } else {
            let Some(front) = Front::shared() else { return false };
            front.server()
        };
        let roller = Roller::new(Arc::clone(&store), server, tables.clone(), 1);
        assert_eq!(upkeep.roll_up_once(&mut roller.unwrap()).await, !is_hindered);
        upkeep.tidy_once().await;
        true
    })
    .await;
}
