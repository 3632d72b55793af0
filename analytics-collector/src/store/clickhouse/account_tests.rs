//! Does a server that asks who comes get its calls, from who may and from nobody else?

use super::front::Front;
use super::schema::Table;
use super::{Account, Name, Tables};
use crate::fixture::{DAY_US, NOW_US, Place, call, handing_on, put};
use crate::store::{Arguments, Probe, keep};

/// Calls are handed on by an account that is not quite the right one: what is said of it, and whether the calls
/// come once they are handed on by the right one.
async fn check(change: impl Fn(&mut Account), said: &str) {
    let Some(front) = Front::guarded() else { return };
    let (place, tables) = (Place::new(), Front::tables());
    let store = handing_on(place.folder.path(), Probe::default(), 1 << 30).unwrap();
    put(&store, "e", 1, (0..10).map(|n| call(NOW_US + n, "orders", "shop")).collect());
    keep::flush(&store).unwrap();
    let mut account = front.own_account();
    change(&mut account);
    let refused = Front::shipper_as(account, &store, &tables).ship_once().await.unwrap_err();
    let refused = format!("{:#}", anyhow::Error::new(refused));
    assert!(refused.contains(said), "{refused}");
    assert!(!refused.contains("secret"), "{refused}");
    assert_eq!(store.sizes().2, 10);

    let mut shipper = Front::shipper_as(front.own_account(), &store, &tables);
    assert_eq!(shipper.ship_once().await.unwrap(), 10);
    assert_eq!(store.sizes(), (0, 0, 0));
    let counted = format!("SELECT count() FROM {} FORMAT TSVRaw", tables.sql(Table::Events));
    let server = Front::server_as(front.own_account());
    let counted = server.run(counted, &Arguments::default()).await.unwrap();
    assert_eq!(String::from_utf8_lossy(&counted).trim(), "10");
}

#[tokio::test]
async fn a_password_that_is_wrong_or_missing_is_told_and_nothing_is_lost() {
    check(|account| account.password = Some(chassis::Secret::new("wrong")), "516").await;
    check(|account| account.password = None, "516").await;
    check(|account| account.username = "other".to_owned(), "Authentication failed").await;
}

#[tokio::test]
async fn a_server_of_another_authority_gets_nothing() {
    let other = tempfile::tempdir().unwrap();
    chassis::pki::development(other.path(), &["clickhouse"]).unwrap();
    let other = std::fs::read(other.path().join("ca.pem")).unwrap();
    check(|account| account.authorities.clone_from(&other), "TLS failed").await;
    check(|account| account.authorities.clear(), "TLS failed").await;
}

#[tokio::test]
async fn a_server_of_tls_is_not_spoken_to_without_it() {
    let plain = |account: &mut Account| {
        for url in &mut account.urls {
            url.set_scheme("http").unwrap();
        }
    };
    check(plain, "there was no answer").await;
}

/// No server of ours has a cluster; this is what one would be told.
#[test]
fn a_table_of_a_cluster_is_made_on_all_of_its_servers() {
    let (database, cluster): (Name, Name) = ("calls".parse().unwrap(), "all".parse().unwrap());
    let mut tables = Tables { database, cluster: Some(cluster), kept_us: 30 * DAY_US };
    let sql = tables.create(Table::Events);
    let (begins, rest) = sql.split_once(" (").unwrap();
    assert_eq!(begins, "CREATE TABLE IF NOT EXISTS \"calls\".events ON CLUSTER \"all\"");
    let (_, engine) = rest.split_once(" ENGINE = ").unwrap();
    assert!(engine.starts_with("ReplicatedMergeTree PARTITION BY "), "{engine}");
    assert!(engine.contains("replicated_deduplication_window = 10000"), "{engine}");
    assert_eq!(
        tables.alter(Table::Events, "ADD COLUMN a UInt8"),
        "ALTER TABLE \"calls\".events ON CLUSTER \"all\" ADD COLUMN a UInt8"
    );
    tables.cluster = None;
    assert!(
        !tables.create(Table::Events).contains("CLUSTER")
            && !tables.create(Table::Events).contains("Replicated")
    );
}
