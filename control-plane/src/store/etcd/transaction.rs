//! How does one of our transactions become one of etcd's?

use etcd_client::{Compare, CompareOp, Txn, TxnOp};
use prost::Message;

use super::super::contract::{Change, Expected, Limits, Revision, Transaction};
use super::generation::Generation;
use super::keys::Keys;

/// etcd takes 128 operations in a transaction, and as many again inside of each that is itself a
/// transaction: `BRANCHES` times `PER_BRANCH` changes under one revision, with room for guards.
const BRANCHES: usize = 60;
const PER_BRANCH: usize = 60;
/// 1.5 MiB is etcd's own bound for a request; the rest is framing and the generation.
const BYTES: usize = 1_400_000;

pub(super) const LIMITS: Limits =
    Limits { changes: BRANCHES * PER_BRANCH, bytes: BYTES, guards: BRANCHES };

/// The etcd transaction that makes `transaction` after its base, and shows the generation otherwise.
pub(super) fn txn(keys: &Keys, transaction: &Transaction, after: &Generation) -> Txn {
    let key = keys.generation();
    let same = |key: String, revision: Revision| {
        let revision = i64::try_from(revision).unwrap_or(i64::MAX);
        Compare::mod_revision(key, CompareOp::Equal, revision)
    };
    let mut compares = vec![same(key.clone(), transaction.base)];
    let guards = transaction.guards.iter();
    compares.extend(guards.map(|guard| same(keys.whole(&guard.key), guard.revision)));
    compares.extend(transaction.expected.iter().map(|expected| expectation(keys, expected)));
    let mut all = vec![TxnOp::put(key.as_str(), after.encode_to_vec(), None)];
    all.extend(operations(keys, &transaction.changes));
    Txn::new().when(compares).and_then(all).or_else([TxnOp::get(key, None)])
}

/// The changes, in branches where there are many.
pub(super) fn operations(keys: &Keys, changes: &[Change]) -> Vec<TxnOp> {
    let changes: Vec<TxnOp> = changes.iter().map(|change| operation(keys, change)).collect();
    if changes.len() <= PER_BRANCH {
        return changes;
    }
    let branches = changes.chunks(PER_BRANCH);
    branches.map(|branch| TxnOp::txn(Txn::new().and_then(branch))).collect()
}

/// That a key holds exactly this.
pub(super) fn expectation(keys: &Keys, expected: &Expected) -> Compare {
    let key = keys.whole(&expected.key);
    match &expected.value {
        Some(value) => Compare::value(key, CompareOp::Equal, value.to_vec()),
        None => Compare::create_revision(key, CompareOp::Equal, 0),
    }
}

fn operation(keys: &Keys, change: &Change) -> TxnOp {
    match change {
        Change::Put { key, value } => TxnOp::put(keys.whole(key), value.to_vec(), None),
        Change::Delete { key } => TxnOp::delete(keys.whole(key), None),
    }
}
