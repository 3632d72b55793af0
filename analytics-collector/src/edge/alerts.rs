//! Who is told what was raised?

use std::pin::Pin;
use std::sync::Arc;

use chassis::clock::Clock;
use chassis::shutdown::Shutdown;
use detect::span::DAY_US;
use detect::{Alarm as Kind, Rules};
use futures_util::stream::{Stream, StreamExt as _};
use tokio::sync::Semaphore;
use tokio_stream::wrappers::BroadcastStream;
use tokio_stream::wrappers::errors::BroadcastStreamRecvError::Lagged;
use tonic::{Request, Response, Status};
use turnpike_proto::usage::v1::alert::Severity as Bad;
use turnpike_proto::usage::v1::alert_type::Mode;
use turnpike_proto::usage::v1::alerts_server::Alerts;
use turnpike_proto::usage::v1::{
    Alert, AlertType, AlertTypesRequest, AlertTypesResponse, ListAlertsRequest, ListAlertsResponse,
    ReplayAlertsRequest, ReplayAlertsResponse, WatchAlertsRequest,
};

use super::{from_filter, from_rules, to_proto};
use crate::alert::replay::{Part, ReplayError};
use crate::alert::{Alarm, Lookout, Replay, Severity, Wanted};
use crate::question::Window;
use crate::report::ReportError;
use crate::store::Reader;

const FEW: u32 = 100;
const MOST: u32 = 1000;

/// Shows alerts.
#[derive(Debug)]
pub struct AlertsService {
    /// Has them.
    pub alarm: Arc<Alarm>,
    /// Knows the rules.
    pub lookout: Lookout,
    /// Has the calls.
    pub reader: Arc<Reader>,
    /// Who replays has it.
    pub turn: Arc<Semaphore>,
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
        let request = request.into_inner();
        let severity = request.severity.map(|_| wanted(request.severity()));
        let ListAlertsRequest { since, limit, api, application, r#type: kind, .. } = request;
        let yesterday = self.clock.unix_us() - DAY_US;
        let since_us = since.map_or(Ok(yesterday), |since| from_filter::instant("since", since))?;
        let limit = match limit {
            0 => FEW,
            1..=MOST => limit,
            _ => return Err(Status::invalid_argument(format!("limit is more than {MOST}"))),
        };
        let wanted = Wanted { since_us, api, application, kind, severity };
        let alerts = self.alarm.list(&wanted, limit as usize);
        let alerts = alerts.iter().map(|alert| to_proto::alert(alert)).collect();
        Ok(Response::new(ListAlertsResponse { alerts }))
    }

    async fn types(
        &self,
        _request: Request<AlertTypesRequest>,
    ) -> Result<Response<AlertTypesResponse>, Status> {
        let (lookout, rules, series) = (&self.lookout, self.lookout.rules(), self.lookout.series());
        let known = |kind| series.get(&kind).copied().unwrap_or(0);
        let mut types: Vec<AlertType> = Kind::ALL
            .into_iter()
            .map(|kind| shown(kind, lookout.severity(kind), &rules, known(kind)))
            .collect();
        types.sort_by(|one, other| one.r#type.cmp(&other.r#type));
        Ok(Response::new(AlertTypesResponse { types }))
    }

    type ReplayStream = Pin<Box<dyn Stream<Item = Result<ReplayAlertsResponse, Status>> + Send>>;

    async fn replay(
        &self,
        request: Request<ReplayAlertsRequest>,
    ) -> Result<Response<Self::ReplayStream>, Status> {
        let ReplayAlertsRequest { since, until, rules } = request.into_inner();
        let now_us = self.clock.unix_us();
        let until_us =
            until.map_or(Ok(now_us), |until| from_filter::instant("until", until))?.min(now_us);
        let since_us = since.map_or(Ok(until_us.saturating_sub(DAY_US)), |since| {
            from_filter::instant("since", since)
        })?;
        if since_us > until_us {
            return Err(from_filter::refused("since", "is after until"));
        }
        let in_force = self.lookout.rules();
        let rules = rules.map_or_else(
            || Ok(in_force.clone()),
            |asked| from_rules::rules(asked, in_force.series()),
        )?;
        let turn = Arc::clone(&self.turn).try_acquire_owned().map_err(|_| {
            Status::resource_exhausted("another replay runs; ask again when it has ended")
        })?;
        let window = Window { since_us, until_us };
        let parts = Replay::new(Arc::clone(&self.reader), rules, window, turn).parts();
        let parts = parts.map(|part| part.map(shown_part).map_err(failed));
        Ok(Response::new(Box::pin(self.shutdown.ends(parts))))
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

fn shown_part(part: Part) -> ReplayAlertsResponse {
    let Part { alerts, calls, until_us, cut } = part;
    let alerts = alerts.iter().map(to_proto::alert).collect();
    ReplayAlertsResponse { alerts, calls, until: Some(to_proto::timestamp(until_us)), cut }
}

fn failed(error: ReplayError) -> Status {
    match error {
        ReplayError::Query(error) => to_proto::status(&ReportError::Query(error)),
        ReplayError::Broken => Status::internal(error.to_string()),
    }
}

fn shown(kind: Kind, severity: Severity, rules: &Rules, series: usize) -> AlertType {
    let (rule, knobs) = (rules.of(kind, "", ""), kind.knobs());
    let (apis, applications) = rules.different_for(kind);
    let mode = match rule.mode {
        detect::Mode::Learned => Mode::Learned,
        detect::Mode::Fixed => Mode::Fixed,
    };
    let severity = match severity {
        Severity::Severe => Bad::Severe,
        Severity::Moderate => Bad::Moderate,
        Severity::Mild => Bad::Mild,
    };
    let (seconds, rest) =
        (rule.quiet_us.div_euclid(1_000_000), rule.quiet_us.rem_euclid(1_000_000));
    let nanos = i32::try_from(rest * 1000).unwrap_or(0);
    AlertType {
        r#type: kind.name().to_owned(),
        severity: severity.into(),
        enabled: rule.enabled,
        mode: mode.into(),
        threshold: rule.threshold,
        unit: knobs.unit.to_owned(),
        sensitivity: rule.sensitivity,
        learning: rule.learning,
        suppression: Some(prost_types::Duration { seconds, nanos }),
        fixed_when: knobs.fixed.to_owned(),
        learned_when: knobs.learned.to_owned(),
        series: series as u64,
        apis: apis.into_iter().collect(),
        applications: applications.into_iter().collect(),
    }
}

const fn wanted(severity: Bad) -> Severity {
    match severity {
        Bad::Severe => Severity::Severe,
        Bad::Moderate => Severity::Moderate,
        Bad::Mild => Severity::Mild,
    }
}
