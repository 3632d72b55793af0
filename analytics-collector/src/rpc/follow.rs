//! How does the collector hear which rules and channels were applied?

use std::sync::Arc;

use chassis::{Backoff, Host};
use tonic::transport::Channel;
use tonic::{Request, Status, Streaming};
use turnpike_proto::config::v1::alerting_client::AlertingClient;
use turnpike_proto::config::v1::{AlertingSet, WatchAlertingRequest};

use super::disk::Disk;
use super::from_proto;
use crate::alert::Controls;

/// Follows control planes.
#[derive(Debug)]
pub struct Following {
    control_planes: Vec<Channel>,
    controls: Arc<Controls>,
    disk: Disk,
    host: Host,
    /// The hash of what is in force; empty: nothing was ever applied.
    known: String,
}

impl Following {
    /// Puts in force what the last run knew. Without any control plane nothing was applied, and what is
    /// on the disk is let alone.
    pub fn new(control_planes: Vec<Channel>, controls: Controls, disk: Disk, host: Host) -> Self {
        let (controls, known) = (Arc::new(controls), String::new());
        let mut this = Self { control_planes, controls, disk, host, known };
        if !this.control_planes.is_empty()
            && let Some(set) = this.disk.read()
        {
            put(&this.controls, &set);
            this.known = set.hash;
        }
        this
    }

    /// Follows one of the control planes until shutdown, the next one whenever it is lost.
    pub async fn run(mut self) {
        let mut backoff = Backoff::new();
        let (control_planes, host) = (self.control_planes.clone(), self.host.clone());
        for control_plane in control_planes.iter().cycle() {
            tokio::select! {
                () = self.hear(control_plane, &mut backoff) => {}
                () = host.shutdown.wait() => return,
            }
            tokio::select! {
                () = host.clock.sleep(backoff.next()) => {}
                () = host.shutdown.wait() => return,
            }
        }
    }

    /// Takes over each set, until the stream ends.
    async fn hear(&mut self, control_plane: &Channel, backoff: &mut Backoff) {
        let mut sets = match watch(control_plane, &self.known).await {
            Ok(sets) => sets,
            Err(status) => return tracing::debug!(%status, "no word about alerts"),
        };
        loop {
            let set = match sets.message().await {
                Ok(Some(set)) => set,
                Ok(None) => return,
                Err(status) => return tracing::debug!(%status, "no more word about alerts"),
            };
            backoff.reset();
            self.known.clone_from(&set.hash);
            let (controls, disk) = (Arc::clone(&self.controls), self.disk.clone());
            // Rules wait for the batch that is being looked at.
            let taken = self.host.tasks.blocking(move || {
                put(&controls, &set);
                disk.put(&set)
            });
            if let Ok(Err(error)) = taken.await {
                let error = &error as &dyn std::error::Error;
                tracing::warn!(error, "the rules and channels are not on disk");
            }
        }
    }
}

fn put(controls: &Controls, set: &AlertingSet) {
    controls.put(&from_proto::rules(set), from_proto::channels(set));
}

async fn watch(
    control_plane: &Channel,
    known: &str,
) -> Result<Streaming<AlertingSet>, Box<Status>> {
    let request = WatchAlertingRequest { known: known.to_owned() };
    let request = chassis::rpc::traced(Request::new(request));
    let client = AlertingClient::new(control_plane.clone());
    let answer = client
        .max_decoding_message_size(chassis::rpc::MESSAGE_BYTES)
        .watch(request)
        .await
        .map_err(Box::new)?;
    Ok(answer.into_inner())
}
