//! How does what a service noticed itself become an alert?
//!
//! A signal names itself, so one that is reported again, or by another process that noticed the
//! same, is raised once.

use std::sync::Arc;

use tonic::{Request, Response, Status};
use turnpike_proto::usage::v1::alert::Severity as Bad;
use turnpike_proto::usage::v1::signals_server::Signals;
use turnpike_proto::usage::v1::{ReportSignalsRequest, ReportSignalsResponse, Signal};

use crate::alert::{Alarm, Alert, Severity};

const MOST: usize = 100;
const LONGEST_NAME: usize = 64;
const LONGEST_MESSAGE: usize = 512;
const MOST_EVIDENCE: usize = 16;
const LONGEST_EVIDENCE: usize = 256;

/// Takes signals.
#[derive(Debug)]
pub struct SignalsService {
    /// Raises them.
    pub alarm: Arc<Alarm>,
}

#[tonic::async_trait]
impl Signals for SignalsService {
    async fn report(
        &self,
        request: Request<ReportSignalsRequest>,
    ) -> Result<Response<ReportSignalsResponse>, Status> {
        let ReportSignalsRequest { signals, dropped } = request.into_inner();
        if signals.len() > MOST {
            return Err(Status::invalid_argument(format!("signals: more than {MOST}")));
        }
        let alerts = signals.into_iter().map(alert).collect::<Result<Vec<_>, _>>()?;
        if dropped > 0 {
            tracing::warn!(dropped, "a service had to drop signals");
        }
        let alarm = Arc::clone(&self.alarm);
        let raised = tokio::task::spawn_blocking(move || alarm.raise(alerts)).await;
        raised.map_err(|_| Status::internal("the alerts could not be raised"))?;
        Ok(Response::new(ReportSignalsResponse {}))
    }
}

fn alert(signal: Signal) -> Result<Alert, Status> {
    let severity = match signal.severity() {
        Bad::Severe => Severity::Severe,
        Bad::Moderate => Severity::Moderate,
        Bad::Mild => Severity::Mild,
    };
    let Signal { id, r#type, at, message, evidence, .. } = signal;
    let fits = |text: &str, longest: usize| !text.is_empty() && text.len() <= longest;
    let wrong = |field: &str| Status::invalid_argument(format!("signals: {field} does not fit"));
    if !fits(&id, LONGEST_NAME) {
        return Err(wrong("id"));
    }
    if !fits(&r#type, LONGEST_NAME) {
        return Err(wrong("type"));
    }
    if !fits(&message, LONGEST_MESSAGE) {
        return Err(wrong("message"));
    }
    let long = |text: &String| text.len() > LONGEST_EVIDENCE;
    if evidence.len() > MOST_EVIDENCE
        || evidence.iter().any(|(name, value)| long(name) || long(value))
    {
        return Err(wrong("evidence"));
    }
    let at = at.ok_or_else(|| wrong("at"))?;
    let micros = at.seconds.checked_mul(1_000_000);
    let raised_at_us = micros.and_then(|us| us.checked_add(i64::from(at.nanos) / 1000));
    let raised_at_us = raised_at_us.ok_or_else(|| wrong("at"))?;
    Ok(Alert {
        id,
        kind: r#type,
        severity,
        raised_at_us,
        minute: at.seconds.div_euclid(60),
        message,
        api: String::new(),
        api_version: String::new(),
        application: String::new(),
        cause: String::new(),
        evidence,
    })
}

#[cfg(test)]
mod tests {
    use prost_types::Timestamp;

    use super::*;
    use crate::alert::{History, Wanted};
    use crate::metrics::Metrics;

    fn service(folder: &std::path::Path) -> SignalsService {
        let history = History::open(&folder.join("alerts.jsonl"), 10).unwrap();
        SignalsService { alarm: Arc::new(Alarm::new(history, Metrics::default())) }
    }

    fn signal(id: &str) -> Signal {
        Signal {
            id: id.to_owned(),
            r#type: "RefreshTokenReuse".to_owned(),
            severity: Bad::Severe.into(),
            at: Some(Timestamp { seconds: 90, nanos: 5000 }),
            message: "Somebody else has a refresh token.".to_owned(),
            evidence: [("client".to_owned(), "app".to_owned())].into(),
        }
    }

    /// `change` makes a good signal into the one that is sent; `said` is the refusal, or "".
    #[track_caller]
    fn check(change: impl Fn(&mut Signal), said: &str) {
        let mut sent = signal("a");
        change(&mut sent);
        let refusal = alert(sent).err().map(|status| status.message().to_owned());
        assert_eq!(refusal.unwrap_or_default(), said);
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        check(|_| {}, "");
        check(|signal| signal.id.clear(), "signals: id does not fit");
        check(|signal| signal.r#type = "x".repeat(65), "signals: type does not fit");
        check(|signal| signal.message = "x".repeat(513), "signals: message does not fit");
        check(|signal| signal.at = None, "signals: at does not fit");
        check(
            |signal| signal.at = Some(Timestamp { seconds: i64::MAX, nanos: 0 }),
            "signals: at does not fit",
        );
        check(
            |signal| signal.evidence.extend((0..16).map(|n| (n.to_string(), String::new()))),
            "signals: evidence does not fit",
        );
    }

    #[tokio::test]
    async fn a_signal_is_raised_once_also_after_a_restart() {
        let folder = tempfile::tempdir().unwrap();
        for _ in 0..2 {
            let service = service(folder.path());
            for signals in [vec![signal("a")], vec![signal("a"), signal("b"), signal("b")]] {
                let request = ReportSignalsRequest { signals, dropped: 0 };
                service.report(Request::new(request)).await.unwrap();
            }
            let alerts = service.alarm.list(&Wanted::default(), 10);
            let ids: Vec<_> = alerts.iter().map(|alert| alert.id.as_str()).collect();
            assert_eq!(ids, ["b", "a"]);
            assert_eq!(alerts[0].raised_at_us, 90_000_005);
        }
        let service = service(folder.path());
        let many = ReportSignalsRequest { signals: vec![signal("c"); 101], dropped: 0 };
        assert!(service.report(Request::new(many)).await.is_err());
    }
}
