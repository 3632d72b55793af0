//! Does every row of the model of limits hold where a Redis counts?

use std::sync::Arc;

use chassis::Host;
use gateway::limits::store::{Config, Mode, Store};
use gateway::limits::{Figures, Ways};
use prometheus_client::registry::Registry;

use crate::limit_model::{ROWS, Row, trusting};
use crate::redis::{Redis, is_installed};
use crate::shared_limits::config;
use crate::stand::Stand;

/// Every row at a gateway of its own, whose tiers all count in this way.
async fn check(counting: &str) {
    if !is_installed() {
        return;
    }
    let redis = Redis::start();
    for (number, row) in ROWS.iter().enumerate() {
        let mut attempt = 0;
        while !tried(row, counting, &redis, &format!("row-{number}-{attempt}")).await {
            attempt += 1;
            assert!(attempt < 5, "{}: nobody counts", row.name);
        }
    }
}

/// The row at a gateway whose counters are called by `prefix`: what one has used up is nothing to the next.
async fn tried(row: &Row, counting: &str, redis: &Redis, prefix: &str) -> bool {
    let store = Config { prefix: prefix.to_owned(), ..config(Mode::Single, redis.url()) };
    let ways = |host: &Host| {
        let figures = Figures::new(&mut Registry::default());
        let store = Store::open(&store, "gateway", &figures, &host.clock).unwrap();
        Ways { store: Some(Arc::new(store)), ..Ways::default() }
    };
    let stand = Stand::sharing_with(&row.resources(counting), trusting, ways).await;
    row.check(&stand).await
}

#[tokio::test]
async fn every_limit_refuses_in_its_turn_where_a_redis_is_asked_call_by_call() {
    check("strategy: strict, authority: store, onFailure: closed").await;
}

#[tokio::test]
async fn every_limit_refuses_in_its_turn_where_a_redis_gives_leases() {
    check("strategy: lease, authority: store, onFailure: closed").await;
}
