//! What is read and written in etcd beside the line of transactions?
//!
//! The generation stays as it is: no transaction of ours notices, but by what it expects.

use etcd_client::{DeleteOptions, GetOptions, KeyValue, SortOrder, SortTarget, Txn};

use super::super::contract::{Beside, Change, Entry, Range, StoreError};
use super::store::Shared;
use super::transaction::{expectation, operations};

/// So many entries at once at most. Values may have a mebibyte each.
const MOST: usize = 100;

impl Shared {
    pub(super) async fn write_beside(&self, beside: &Beside) -> Result<(), StoreError> {
        let expected = beside.expected.iter().map(|one| expectation(&self.keys, one));
        let compares: Vec<_> = expected.collect();
        let txn = Txn::new().when(compares).and_then(operations(&self.keys, &beside.changes));
        let ended = self.connection.transact(&txn).await?;
        let made =
            ended.answer.succeeded() || ended.repeated && self.stands(&beside.changes).await?;
        if made { Ok(()) } else { Err(self.broken(&[], &beside.expected).await?) }
    }

    /// Whether all of it is as `changes` want it.
    async fn stands(&self, changes: &[Change]) -> Result<bool, StoreError> {
        for change in changes {
            let (key, wanted) = match change {
                Change::Put { key, value } => (key, Some(value)),
                Change::Delete { key } => (key, None),
            };
            let answer = self.get(self.keys.whole(key), GetOptions::new()).await?;
            if answer.kvs().first().map(KeyValue::value) != wanted.map(|value| &value[..]) {
                return Ok(false);
            }
        }
        Ok(true)
    }

    pub(super) async fn scan(&self, range: &Range) -> Result<Vec<Entry>, StoreError> {
        if range.from >= range.to || range.most == 0 {
            return Ok(Vec::new());
        }
        let most = i64::try_from(range.most.min(MOST)).unwrap_or(i64::MAX);
        let order = if range.newest_first { SortOrder::Descend } else { SortOrder::Ascend };
        let options = GetOptions::new()
            .with_range(self.keys.whole(&range.to))
            .with_limit(most)
            .with_sort(SortTarget::Key, order);
        let mut answer = self.get(self.keys.whole(&range.from), options).await?;
        Ok(answer.take_kvs().into_iter().filter_map(|found| self.entry(found)).collect())
    }

    pub(super) async fn erase(&self, from: &str, to: &str) -> Result<(), StoreError> {
        if from >= to {
            return Ok(());
        }
        let (from, to) = (self.keys.whole(from), self.keys.whole(to));
        self.connection
            .call(|mut etcd| {
                let (from, options) = (from.clone(), DeleteOptions::new().with_range(to.clone()));
                async move { etcd.delete(from, Some(options)).await }
            })
            .await?;
        Ok(())
    }
}
