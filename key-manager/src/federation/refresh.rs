//! When are the metadata and the keys of a provider read again? (KM-094)
//!
//! Every few minutes, and when somebody met a key that is not there; but never twice within the pause,
//! whatever is asked: one task reads, and nobody waits for it. While the provider does not answer, what
//! was read last is good for a day.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use super::error::FederationError;
use super::key_set::PublishedKeys;
use super::member::Member;
use super::metadata::Metadata;
use crate::domain::ProviderKeys;

/// Metadata change so rarely that they need not be read each time.
const METADATA_SECONDS: i64 = 3600;

/// How often is read.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pace {
    /// Without any reason.
    pub(super) every: Duration,
    /// At most.
    pub(super) pause: Duration,
}

/// Keeps what is known of a provider fresh for as long as it is run; `news` is told of each reading.
pub(super) async fn tend(member: Arc<Member>, pace: Pace, news: watch::Sender<u64>) {
    loop {
        let read = read(&member).await;
        let every = if member.went(read).is_ok() { pace.every } else { pace.pause };
        news.send_modify(|count| *count = count.wrapping_add(1));
        // INVARIANT: nothing shortens this pause.
        member.clock.sleep(pace.pause).await;
        tokio::select! {
            () = member.clock.sleep(every.saturating_sub(pace.pause)) => {}
            () = member.wanted.notified() => {}
        }
    }
}

async fn read(member: &Member) -> Result<(), FederationError> {
    let provider = &member.provider;
    if let Some(connector) = &member.connector {
        let issuer = connector.issuer().await?;
        if issuer != provider.issuer {
            return Err(FederationError::Issuer(issuer));
        }
    }
    let now = member.clock.unix_seconds();
    let old = now.saturating_sub(member.metadata_at()) >= METADATA_SECONDS;
    let needed = provider.keys == ProviderKeys::Discovered
        || provider.introspection.as_ref().is_some_and(|it| it.endpoint.is_none())
        || provider.registration.as_ref().is_some_and(|it| it.endpoint.is_none())
        || provider.login.is_some();
    if needed && old {
        read_metadata(member).await?;
    }
    let url = match &provider.keys {
        ProviderKeys::Pinned if provider.login.is_none() => return Ok(()),
        ProviderKeys::At(url) => Some(url.clone()),
        ProviderKeys::Pinned | ProviderKeys::Discovered => {
            member.metadata().and_then(|metadata| metadata.keys.clone())
        }
    };
    let what = "the address of the keys";
    let url = url.ok_or(FederationError::NoEndpoint("address of its keys"))?;
    let answer = member.get(what, &url).await?;
    let keys = PublishedKeys::parse(answer.body(), &provider.algorithms)?;
    member.put_keys(keys, now);
    Ok(())
}

async fn read_metadata(member: &Member) -> Result<(), FederationError> {
    let url = member.provider.metadata.as_ref();
    let url = url.ok_or(FederationError::NoEndpoint("metadata"))?;
    let answer = member.get("the document with the metadata", url).await?;
    member.put_metadata(Metadata::parse(answer.body(), &member.provider.issuer)?);
    Ok(())
}
