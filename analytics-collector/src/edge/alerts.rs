//! Who is told what was raised?

use std::pin::Pin;
use std::sync::Arc;

use chassis::clock::Clock;
use chassis::shutdown::Shutdown;
use futures_util::stream::{Stream, StreamExt as _};
use tokio_stream::wrappers::BroadcastStream;
use tokio_stream::wrappers::errors::BroadcastStreamRecvError::Lagged;
use tonic::{Request, Response, Status};
use turnpike_proto::usage::v1::alerts_server::Alerts;
use turnpike_proto::usage::v1::{Alert, ListAlertsRequest, ListAlertsResponse, WatchAlertsRequest};

use super::{from_filter, to_proto};
use crate::alert::Alarm;

const DAY_US: i64 = 24 * 3600 * 1_000_000;
const FEW: u32 = 100;
const MOST: u32 = 1000;

/// Shows alerts.
#[derive(Debug)]
pub struct AlertsService {
    /// Has them.
    pub alarm: Arc<Alarm>,
    /// The time.
    pub clock: Clock,
    /// Ends the watches.
    pub shutdown: Shutdown,
}

#[tonic::async_trait]
impl Alerts for AlertsService {
    async fn list(
        &self,
        request: Request<ListAlertsRequest>,
    ) -> Result<Response<ListAlertsResponse>, Status> {
        let ListAlertsRequest { since, limit } = request.into_inner();
        let yesterday = self.clock.unix_us() - DAY_US;
        let since_us = since.map_or(Ok(yesterday), |since| from_filter::instant("since", since))?;
        let limit = match limit {
            0 => FEW,
            1..=MOST => limit,
            _ => return Err(Status::invalid_argument(format!("limit is more than {MOST}"))),
        };
        let alerts = self.alarm.list(since_us, limit as usize);
        let alerts = alerts.iter().map(|alert| to_proto::alert(alert)).collect();
        Ok(Response::new(ListAlertsResponse { alerts }))
    }

    type WatchStream = Pin<Box<dyn Stream<Item = Result<Alert, Status>> + Send>>;

    async fn watch(
        &self,
        _request: Request<WatchAlertsRequest>,
    ) -> Result<Response<Self::WatchStream>, Status> {
        let alerts = BroadcastStream::new(self.alarm.watch()).map(|next| match next {
            Ok(alert) => Ok(to_proto::alert(&alert)),
            // The watcher lists what it missed and watches again.
            Err(Lagged(missed)) => Err(Status::aborted(format!(
                "the watch lagged and missed {missed} alerts; list them and watch again"
            ))),
        });
        Ok(Response::new(Box::pin(self.shutdown.ends(alerts))))
    }
}
