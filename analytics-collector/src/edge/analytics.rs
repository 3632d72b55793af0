//! Who is told what the events say?

use std::pin::Pin;
use std::sync::Arc;

use chassis::clock::Clock;
use chassis::shutdown::Shutdown;
use futures_util::stream::{Stream, StreamExt as _};
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status};
use turnpike_proto::usage::v1::analytics_server::Analytics;
use turnpike_proto::usage::v1::{
    CompareRequest, CompareResponse, ErrorsRequest, ErrorsResponse, GeographyRequest,
    GeographyResponse, LastUsedRequest, LastUsedResponse, LatencyRequest, LatencyResponse,
    LogsRequest, LogsResponse, QueryRequest, QueryResponse, TailRequest, TailResponse,
    UsageRequest, UsageResponse, ViewRequest,
};

use super::from_event::Desk;
use super::{from_filter, from_logs, from_query, to_proto};
use crate::live::tail::MOST_WATCHERS;
use crate::live::{Seen, Tail};
use crate::metrics::Metrics;
use crate::question::Question;
use crate::report::compare::compare;
use crate::report::{self, Bounds, ReportError, View};
use crate::store::Reader;

/// Answers questions.
#[derive(Debug)]
pub struct AnalyticsService {
    /// Asks the store.
    pub reader: Arc<Reader>,
    /// Knows whose country data it is.
    pub desk: Arc<Desk>,
    /// Shows calls as they are stored.
    pub tail: Arc<Tail>,
    /// What may be asked.
    pub bounds: Bounds,
    /// Counts.
    pub metrics: Metrics,
    /// The time.
    pub clock: Clock,
    /// Ends the watches.
    pub shutdown: Shutdown,
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
        let answer = report::usage::usage(&self.reader, &filter, interval, &self.bounds);
        let rows = self.timed(answer).await?.into_iter().map(to_proto::usage).collect();
        Ok(Response::new(UsageResponse { rows }))
    }

    async fn latency(
        &self,
        request: Request<LatencyRequest>,
    ) -> Result<Response<LatencyResponse>, Status> {
        let LatencyRequest { filter, interval } = request.into_inner();
        let filter = from_filter::filter(filter, self.clock.unix_us())?;
        let interval = from_filter::interval(interval)?;
        let answer = report::latency::latency(&self.reader, &filter, interval, &self.bounds);
        let rows = self.timed(answer).await?.into_iter().map(to_proto::latency).collect();
        Ok(Response::new(LatencyResponse { rows }))
    }

    async fn errors(
        &self,
        request: Request<ErrorsRequest>,
    ) -> Result<Response<ErrorsResponse>, Status> {
        let filter = from_filter::filter(request.into_inner().filter, self.clock.unix_us())?;
        let answer = report::errors::errors(&self.reader, &filter, &self.bounds);
        let rows = self.timed(answer).await?.into_iter().map(to_proto::error).collect();
        Ok(Response::new(ErrorsResponse { rows }))
    }

    async fn geography(
        &self,
        request: Request<GeographyRequest>,
    ) -> Result<Response<GeographyResponse>, Status> {
        let GeographyRequest { filter, detail } = request.into_inner();
        let filter = from_filter::filter(filter, self.clock.unix_us())?;
        let detail = from_query::places(&detail)?;
        let answer = report::geography::geography(&self.reader, &filter, &detail, &self.bounds);
        let places = self.timed(answer).await?;
        let rows = places.rows.into_iter().map(to_proto::geography).collect();
        let attribution = self.desk.geo.attribution().to_owned();
        Ok(Response::new(GeographyResponse {
            rows,
            attribution,
            hidden_calls: places.hidden_calls,
        }))
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

    async fn query(
        &self,
        request: Request<QueryRequest>,
    ) -> Result<Response<QueryResponse>, Status> {
        let request = request.into_inner();
        let limited = request.limit > 0;
        let question = from_query::query(request, self.clock.unix_us())?;
        self.answer(question, limited).await
    }

    async fn compare(
        &self,
        request: Request<CompareRequest>,
    ) -> Result<Response<CompareResponse>, Status> {
        let (question, before_us) =
            from_query::compare(request.into_inner(), self.clock.unix_us())?;
        let answer = compare(&self.reader, &question, before_us, &self.bounds);
        let mut rows = self.timed(answer).await?;
        let more = rows.len() > question.most;
        rows.truncate(question.most);
        let (by, measures) = to_proto::columns(&question.by, &question.measures);
        let rows = rows.into_iter().map(to_proto::compared).collect();
        let span_us = question.window.until_us.saturating_sub(question.window.since_us);
        Ok(Response::new(CompareResponse {
            by,
            measures,
            rows,
            before_since: Some(to_proto::timestamp(before_us)),
            since: Some(to_proto::timestamp(question.window.since_us)),
            span: Some(to_proto::duration(span_us)),
            more,
        }))
    }

    async fn devices(
        &self,
        request: Request<ViewRequest>,
    ) -> Result<Response<QueryResponse>, Status> {
        self.view(View::Devices, request.into_inner()).await
    }

    async fn backends(
        &self,
        request: Request<ViewRequest>,
    ) -> Result<Response<QueryResponse>, Status> {
        self.view(View::Backends, request.into_inner()).await
    }

    async fn cache(
        &self,
        request: Request<ViewRequest>,
    ) -> Result<Response<QueryResponse>, Status> {
        self.view(View::Cache, request.into_inner()).await
    }

    async fn throttled(
        &self,
        request: Request<ViewRequest>,
    ) -> Result<Response<QueryResponse>, Status> {
        self.view(View::Throttled, request.into_inner()).await
    }

    async fn logs(&self, request: Request<LogsRequest>) -> Result<Response<LogsResponse>, Status> {
        let asked = from_logs::logs(request.into_inner(), self.clock.unix_us())?;
        let answer = async {
            self.bounds.check(asked.search.window)?;
            Ok(self.reader.search(&asked.search).await?)
        };
        let found = self.timed(answer).await?;
        let next_page_token = found.next.map(|place| asked.token(place)).unwrap_or_default();
        let calls = found.rows.into_iter().map(to_proto::call).collect();
        Ok(Response::new(LogsResponse { calls, next_page_token }))
    }

    type TailStream = Pin<Box<dyn Stream<Item = Result<TailResponse, Status>> + Send>>;

    async fn tail(
        &self,
        request: Request<TailRequest>,
    ) -> Result<Response<Self::TailStream>, Status> {
        let wanted = from_logs::tail(request.into_inner())?;
        let calls = self.tail.watch(wanted).ok_or_else(|| {
            Status::resource_exhausted(format!(
                "{MOST_WATCHERS} watch calls already; ask again when one of them has ended"
            ))
        })?;
        let calls = ReceiverStream::new(calls).map(|Seen { row, left_out }| {
            Ok(TailResponse { call: Some(to_proto::call(row)), left_out })
        });
        Ok(Response::new(Box::pin(self.shutdown.ends(calls))))
    }
}

impl AnalyticsService {
    async fn view(
        &self,
        view: View,
        asked: ViewRequest,
    ) -> Result<Response<QueryResponse>, Status> {
        let ViewRequest { filter, interval, limit, conditions } = asked;
        let filter = from_filter::filter(filter, self.clock.unix_us())?;
        let also = from_query::conditions(conditions)?;
        let mut question = view.question(&filter, also, from_filter::interval(interval)?);
        question.most = from_query::limit(limit)?;
        self.answer(question, limit > 0).await
    }

    /// Too many groups are an error where nobody has said how many there may be.
    async fn answer(
        &self,
        question: Question,
        limited: bool,
    ) -> Result<Response<QueryResponse>, Status> {
        let (by, measures) = (question.by.clone(), question.measures.clone());
        let answer = async {
            let answer = report::ask(&self.reader, question, &self.bounds).await?;
            if answer.more && !limited { Err(ReportError::TooManyGroups) } else { Ok(answer) }
        };
        let answer = self.timed(answer).await?;
        Ok(Response::new(to_proto::answer(&by, &measures, answer)))
    }

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
