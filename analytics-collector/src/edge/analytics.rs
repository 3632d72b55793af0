//! Who is told what the events say?

use std::sync::Arc;

use chassis::clock::Clock;
use tonic::{Request, Response, Status};
use turnpike_proto::usage::v1::analytics_server::Analytics;
use turnpike_proto::usage::v1::{
    ErrorsRequest, ErrorsResponse, GeographyRequest, GeographyResponse, LastUsedRequest,
    LastUsedResponse, LatencyRequest, LatencyResponse, UsageRequest, UsageResponse,
};

use super::from_event::Desk;
use super::{from_filter, to_proto};
use crate::metrics::Metrics;
use crate::report::{self, ReportError};
use crate::store::Reader;

/// Answers questions.
#[derive(Debug)]
pub struct AnalyticsService {
    /// Asks the store.
    pub reader: Arc<Reader>,
    /// Knows whose country data it is.
    pub desk: Arc<Desk>,
    /// Counts.
    pub metrics: Metrics,
    /// The time.
    pub clock: Clock,
}

#[tonic::async_trait]
impl Analytics for AnalyticsService {
    async fn usage(
        &self,
        request: Request<UsageRequest>,
    ) -> Result<Response<UsageResponse>, Status> {
        let UsageRequest { filter, interval } = request.into_inner();
        let filter = from_filter::filter(filter, self.clock.unix_us())?;
        let interval = from_filter::interval(interval)?;
        let rows = self.timed(report::usage::usage(&self.reader, &filter, interval)).await?;
        let rows = rows.into_iter().map(to_proto::usage).collect();
        Ok(Response::new(UsageResponse { rows }))
    }

    async fn latency(
        &self,
        request: Request<LatencyRequest>,
    ) -> Result<Response<LatencyResponse>, Status> {
        let LatencyRequest { filter, interval } = request.into_inner();
        let filter = from_filter::filter(filter, self.clock.unix_us())?;
        let interval = from_filter::interval(interval)?;
        let rows = self.timed(report::latency::latency(&self.reader, &filter, interval)).await?;
        let rows = rows.into_iter().map(to_proto::latency).collect();
        Ok(Response::new(LatencyResponse { rows }))
    }

    async fn errors(
        &self,
        request: Request<ErrorsRequest>,
    ) -> Result<Response<ErrorsResponse>, Status> {
        let filter = from_filter::filter(request.into_inner().filter, self.clock.unix_us())?;
        let rows = self.timed(report::errors::errors(&self.reader, &filter)).await?;
        let rows = rows.into_iter().map(to_proto::error).collect();
        Ok(Response::new(ErrorsResponse { rows }))
    }

    async fn geography(
        &self,
        request: Request<GeographyRequest>,
    ) -> Result<Response<GeographyResponse>, Status> {
        let filter = from_filter::filter(request.into_inner().filter, self.clock.unix_us())?;
        let rows = self.timed(report::geography::geography(&self.reader, &filter)).await?;
        let rows = rows.into_iter().map(to_proto::geography).collect();
        let attribution = self.desk.geo.attribution().to_owned();
        Ok(Response::new(GeographyResponse { rows, attribution }))
    }

    async fn last_used(
        &self,
        request: Request<LastUsedRequest>,
    ) -> Result<Response<LastUsedResponse>, Status> {
        let keys = from_filter::keys(request.into_inner())?;
        let answer = report::last_used::last_used(&self.reader, &keys, self.clock.unix_us());
        let rows = self.timed(answer).await?.into_iter().map(to_proto::last_used).collect();
        Ok(Response::new(LastUsedResponse { rows }))
    }
}

impl AnalyticsService {
    async fn timed<T>(
        &self,
        answer: impl Future<Output = Result<T, ReportError>>,
    ) -> Result<T, Status> {
        let began = self.clock.instant();
        let answer = answer.await;
        self.metrics.query_seconds.observe((self.clock.instant() - began).as_secs_f64());
        answer.map_err(|error| {
            self.metrics.query_failures.inc();
            tracing::warn!(error = &error as &dyn std::error::Error, "a query has no answer");
            to_proto::status(&error)
        })
    }
}
