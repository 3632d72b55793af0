//! Does a restart, or a process that ends anyhow, keep everything?

use key_manager::store::Store as _;

use crate::databases::each;
use crate::stand::{BEGIN, Stand};

#[tokio::test]
async fn a_new_process_on_the_same_store_goes_on_where_the_old_one_ended() {
    each(async |scratch| {
        let first = Stand::on(&scratch).await;
        let client = first.client(&["a"]).await;
        let (good, ended) = (first.token(&client).await, first.token(&client).await);
        first.post("/revoke", &client, &format!("token={ended}")).await;
        let kids = first.kids().await;
        let ledger = first.store.ledger().await.expect("a ledger");
        first.store.close().await;

        let second = Stand::at(&scratch, scratch.folder.path(), BEGIN + 10).await;
        assert_eq!(second.kids().await, kids);
        assert!(second.active(&client, &good).await);
        assert!(!second.active(&client, &ended).await);
        assert!(second.active(&client, &second.token(&client).await).await);
        assert_eq!(second.store.ledger().await.expect("a ledger"), ledger);
    })
    .await;
}
