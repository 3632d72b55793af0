//! How does the circle of providers follow what the control plane says?

use std::sync::Arc;

use chassis::{Backoff, Host};
use tonic::transport::Channel;
use turnpike_proto::config::v1::ProviderSet;

use super::circle::Federation;
use super::disk::Disk;
use crate::rpc::{ProviderSets, from_proto};

/// Puts in force what the last run knew, and follows one of the control planes until shutdown, the next
/// one whenever it is lost; without any, there are no providers.
pub async fn follow(federation: Federation, control_planes: Vec<Channel>, disk: Disk, host: Host) {
    let disk = Arc::new(disk);
    let mut said = None;
    if let Some(set) = disk.providers() {
        federation.put(from_proto(&set));
        federation.restore(&disk.keys());
        said = Some(set);
    }
    let (keeping, on) = (keep(federation.clone(), Arc::clone(&disk), host.clone()), host.clone());
    host.tasks.spawn("keep the keys of providers", async move {
        tokio::select! {
            () = keeping => {}
            () = on.shutdown.wait() => {}
        }
    });
    let mut backoff = Backoff::new();
    for control_plane in control_planes.iter().cycle() {
        tokio::select! {
            () = hear(&federation, control_plane, &disk, &host, &mut said, &mut backoff) => {}
            () = host.shutdown.wait() => return,
        }
        tokio::select! {
            () = host.clock.sleep(backoff.next()) => {}
            () = host.shutdown.wait() => return,
        }
    }
}

/// Takes over each set, until the stream ends.
async fn hear(
    federation: &Federation,
    control_plane: &Channel,
    disk: &Arc<Disk>,
    host: &Host,
    said: &mut Option<ProviderSet>,
    backoff: &mut Backoff,
) {
    let mut sets = match ProviderSets::watch(control_plane).await {
        Ok(sets) => sets,
        Err(status) => return tracing::debug!(%status, "no word about providers"),
    };
    loop {
        let set = match sets.next().await {
            Ok(Some(set)) => set,
            Ok(None) => return,
            Err(status) => return tracing::debug!(%status, "no more word about providers"),
        };
        backoff.reset();
        if said.as_ref() == Some(&set) {
            continue;
        }
        federation.put(from_proto(&set));
        let (to, written) = (Arc::clone(disk), set.clone());
        *said = Some(set);
        let written = host.tasks.blocking(move || to.put_providers(&written)).await;
        if let Ok(Err(error)) = written {
            tracing::warn!(%error, "providers are not on disk");
        }
    }
}

/// Writes the keys down as soon as they have changed: what gateways were told is known at the next start,
/// however this one ends. What changes while it writes is written together.
async fn keep(federation: Federation, disk: Arc<Disk>, host: Host) {
    let mut news = federation.news();
    let mut kept = disk.keys();
    while news.changed().await.is_ok() {
        let keys = federation.keys();
        if keys != kept {
            let (to, written) = (Arc::clone(&disk), keys.clone());
            kept = keys;
            if let Ok(Err(error)) = host.tasks.blocking(move || to.put_keys(&written)).await {
                tracing::warn!(%error, "keys of providers are not on disk");
            }
        }
    }
}
