//! Is the audit log whole, and does it still tell of the history that is there?

use audit_chain::{Anchor, Verdict, Walk};

use super::ledger::{End, Keyed, line};
use crate::store::{AUDIT, AUDIT_HEAD, Range, Store, StoreError, audit_key, end_of};

/// So many lines are read at a time.
const PAGE: usize = 1000;

pub(super) async fn verify(
    store: &dyn Store,
    chain: &Keyed,
    anchor: Option<&Anchor>,
) -> Result<Verdict, StoreError> {
    // Read first: lines that are written meanwhile stand behind it.
    let end = End::read(store.get(AUDIT_HEAD).await?.as_ref())?.unwrap_or_default();
    let mut walk = Walk::new(chain, anchor);
    let behind = end_of(AUDIT).min(audit_key(end.sequence.saturating_add(1)));
    let mut from = AUDIT.to_owned();
    loop {
        let range = Range { from, to: behind.clone(), most: PAGE, newest_first: false };
        let page = store.scan(&range).await?;
        let Some(last) = page.last() else { break };
        from = format!("{}\0", last.key);
        for entry in &page {
            let found = line(entry);
            // A line that stands under another key was moved there.
            if audit_key(found.sequence) == entry.key {
                walk.step(&found);
            } else {
                walk.step(&audit_chain::Line { hash: String::new(), ..found });
            }
        }
    }
    Ok(walk.end(&end.head()))
}
