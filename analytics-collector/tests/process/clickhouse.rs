//! Is each call in a ClickHouse once, as itself or in a count, whoever is killed?

use std::process::Command;
use std::time::Duration;

use crate::clickhouse_server::{ClickHouse, PASSWORD, USER};
use crate::{EVENTS, PATIENCE, Stage};

/// The collector is killed twenty times, while it starts and while it is sent batches, and its
/// ClickHouse ten times around an INSERT.
#[tokio::test(flavor = "multi_thread")]
async fn acknowledged_events_are_in_a_clickhouse_once_whoever_is_killed() {
    let Some(mut server) = ClickHouse::start() else { return };
    let mut stage = Stage::new();
    stage.clickhouse = server.url();
    let (mut acknowledged, mut sent) = (0, 0);
    for life in 0_u64..20 {
        if life % 4 > 1 {
            server.kill_at_insert(if life % 8 > 3 { "before" } else { "after" });
        }
        stage.start();
        if life % 2 == 0 {
            stage.until_listening().await;
            let pid = stage.child.as_ref().unwrap().id().to_string();
            let killing = async {
                tokio::time::sleep(Duration::from_millis(life * 311 % 2_400)).await;
                Command::new("kill").args(["-9", &pid]).status().unwrap();
            };
            sent = acknowledged + 40;
            let collecting = stage.collect(acknowledged + 1, sent);
            (acknowledged, ()) = tokio::join!(collecting, killing);
        } else {
            tokio::time::sleep(Duration::from_millis(life * 173 % 1_500)).await;
        }
        stage.kill();
        server.restart();
    }
    stage.start();
    stage.until_up().await;
    sent += 1;
    assert_eq!(stage.collect(acknowledged + 1, sent).await, sent);
    stage.until_calls(sent * EVENTS).await;
    let metrics = stage.metrics().await;
    assert!(metrics.contains("collector_rows_in_segments 0\n"), "{metrics}");
}

/// The collector is killed twelve times while it has calls of several days counted, and its ClickHouse six
/// times around an INSERT or ALTER.
#[tokio::test(flavor = "multi_thread")]
async fn old_events_are_counted_in_a_clickhouse_once_whoever_is_killed() {
    let Some(mut server) = ClickHouse::start() else { return };
    let mut stage = Stage::new();
    stage.clickhouse = server.url();
    stage.days_ago = 5;
    stage.start();
    stage.until_up().await;
    let enough = 40;
    assert_eq!(stage.collect(1, enough).await, enough);
    stage.until_calls(enough * EVENTS).await;
    stage.kill();

    stage.more = vec![("TURNPIKE_STORE_RETENTION", "1d".into())];
    for life in 0_u32..12 {
        if life % 2 == 1 {
            server.kill_at_write(if life % 4 == 1 { "before" } else { "after" }, life % 5);
        }
        stage.start();
        stage.until_listening().await;
        tokio::time::sleep(Duration::from_millis(u64::from(life) * 70)).await;
        stage.kill();
        server.restart();
    }
    stage.start();
    stage.until_up().await;
    let deadline = tokio::time::Instant::now() + PATIENCE;
    while stage.found().await.unwrap() > 0 {
        assert_eq!(stage.calls().await.unwrap(), enough * EVENTS);
        assert!(tokio::time::Instant::now() < deadline, "calls are not counted");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(stage.calls().await.unwrap(), enough * EVENTS);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clickhouse_with_tls_gets_calls_by_its_password_alone() {
    let Some(server) = ClickHouse::guarded() else { return };
    let mut stage = Stage::new();
    stage.clickhouse = server.url();
    let file = stage.folder.path().join("password");
    stage.more = vec![
        ("TURNPIKE_STORE_CLICKHOUSE_USERNAME", USER.into()),
        ("TURNPIKE_STORE_CLICKHOUSE_PASSWORD_FILE", file.clone()),
        ("TURNPIKE_STORE_CLICKHOUSE_CA", server.authority()),
    ];
    std::fs::write(&file, "wrong").unwrap();
    stage.start();
    stage.until_listening().await;
    // What is acknowledged waits in the collector's folder.
    assert_eq!(stage.collect(1, 3).await, 3);
    assert!(stage.calls().await.is_err());
    stage.kill();

    std::fs::write(&file, format!("{PASSWORD}\n")).unwrap();
    stage.start();
    stage.until_up().await;
    stage.until_calls(3 * EVENTS).await;
}
