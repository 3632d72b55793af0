//! Is the log whole? (`audit_chain::Walk` says what that means.)

use audit_chain::Walk;
pub use audit_chain::{Anchor, Break, Verdict};

use crate::store::{Chain, Store, StoreError};

/// So many lines are read at a time.
const PAGE: u32 = 1000;

pub async fn verify(
    store: &dyn Store,
    chain: &dyn Chain,
    anchor: Option<&Anchor>,
) -> Result<Verdict, StoreError> {
    // Read first: lines that are written meanwhile stand behind it.
    let head = store.audit_head().await?;
    let mut walk = Walk::new(chain, anchor);
    let mut after = 0;
    loop {
        let page = store.audit(after, i64::MIN, PAGE).await?;
        let page: Vec<_> = page.iter().filter(|line| line.sequence <= head.sequence).collect();
        let Some(last) = page.last() else { break };
        after = last.sequence;
        for line in page {
            walk.step(line);
        }
    }
    Ok(walk.end(&head))
}
