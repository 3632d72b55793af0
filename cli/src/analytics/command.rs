//! What can be asked, and who answers?

use std::time::{Duration, SystemTime};

use chassis::clock::Clock;
use clap::{Args, Subcommand};
use turnpike_proto::usage::v1::analytics_client::AnalyticsClient;
use turnpike_proto::usage::v1::{
    CompareRequest, ErrorsRequest, GeographyRequest, LatencyRequest, QueryRequest, UsageRequest,
    ViewRequest,
};

use super::selection::{Conditions, Moment, Selection, proto_span};
use super::{calls, counts, month, summaries};
use crate::failure::Failure;
use crate::output::Report;
use crate::rpc;
use crate::span;

#[derive(Clone, Debug, Subcommand)]
pub(crate) enum Question {
    /// How often what was called, and how it ended
    Usage(Intervals),
    /// How long calls took
    Latency(Intervals),
    /// What went wrong
    Errors(Selection),
    /// Which limits refused calls, and whose
    Throttled(View),
    /// From where calls came
    Geo(Geo),
    /// Which devices, operating systems and programs call
    Devices(View),
    /// How backends answer, and how long they take
    Backends(View),
    /// How often the cache answered
    Cache(View),
    /// Who or what comes first: users, paths, consumer keys, or any other dimension
    Top(Top),
    /// Any measures, grouped by anything
    Query(Query),
    /// The same about two times, side by side
    Compare(Compare),
    /// The calls themselves, newest first
    Logs(calls::Logs),
    /// Calls as they are stored, until Ctrl-C
    Tail(calls::Tail),
    /// What happened in a month, as a file
    Report(month::Wanted),
}

#[derive(Args, Clone, Debug)]
pub(crate) struct Intervals {
    #[command(flatten)]
    selection: Selection,
    /// One row per interval instead of one for the whole time, for example 1m
    #[arg(long, value_name = "SPAN", value_parser = span::parse)]
    interval: Option<Duration>,
}

#[derive(Args, Clone, Debug)]
pub(crate) struct Geo {
    #[command(flatten)]
    selection: Selection,
    /// Tell apart beyond the country: subdivision, city, asn
    #[arg(long, value_name = "D,D", value_delimiter = ',')]
    detail: Vec<String>,
}

#[derive(Args, Clone, Debug)]
pub(crate) struct View {
    #[command(flatten)]
    intervals: Intervals,
    #[command(flatten)]
    conditions: Conditions,
    /// At most so many rows
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=10_000))]
    limit: Option<u32>,
}

#[derive(Args, Clone, Debug)]
pub(crate) struct Top {
    /// By what calls are told apart: user, path, city, agent, …
    #[arg(value_name = "DIMENSION")]
    of: String,
    /// What is counted; those with most of it come first
    #[arg(long, value_name = "M", default_value = "calls")]
    measure: String,
    #[command(flatten)]
    selection: Selection,
    #[command(flatten)]
    conditions: Conditions,
    /// At most so many rows
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    limit: u32,
}

#[derive(Args, Clone, Debug)]
pub(crate) struct Query {
    #[command(flatten)]
    intervals: Intervals,
    #[command(flatten)]
    counted: Counted,
}

#[derive(Args, Clone, Debug)]
pub(crate) struct Compare {
    #[command(flatten)]
    selection: Selection,
    #[command(flatten)]
    counted: Counted,
    /// When the earlier time begins; it is as long as the later one, and ends where that begins
    /// where nothing is said
    #[arg(long, value_name = "TIME", value_parser = Moment::parse)]
    before: Option<Moment>,
}

/// What is counted.
#[derive(Args, Clone, Debug)]
pub(crate) struct Counted {
    /// Calls with equal values are counted together: api, status, user, …
    #[arg(long, value_name = "D,D", value_delimiter = ',')]
    by: Vec<String>,
    /// What is counted: calls, errors, `p95_total`, `sum_response_bytes`, …
    #[arg(long, value_name = "M,M", value_delimiter = ',')]
    measure: Vec<String>,
    #[command(flatten)]
    conditions: Conditions,
    /// Most of this measure first; `-M`: least of it; `values`: in the order of the values
    #[arg(long, value_name = "M", allow_hyphen_values = true)]
    order: Option<String>,
    /// At most so many rows
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=10_000))]
    limit: Option<u32>,
}

pub(crate) async fn ask(
    connection: &rpc::Options,
    clock: &Clock,
    question: &Question,
) -> Result<Report, Failure> {
    let wire = connection.analytics()?;
    let mut client =
        AnalyticsClient::new(wire.channel()).max_decoding_message_size(chassis::rpc::MESSAGE_BYTES);
    let now = clock.now();
    let refused = |status| wire.error(status);
    Ok(match question {
        Question::Usage(asked) => {
            let request =
                UsageRequest { filter: Some(asked.selection.filter(now)), interval: asked.span() };
            summaries::usage(&client.usage(request).await.map_err(refused)?.into_inner())
        }
        Question::Latency(asked) => {
            let request = LatencyRequest {
                filter: Some(asked.selection.filter(now)),
                interval: asked.span(),
            };
            summaries::latency(&client.latency(request).await.map_err(refused)?.into_inner())
        }
        Question::Errors(asked) => {
            let request = ErrorsRequest { filter: Some(asked.filter(now)) };
            summaries::errors(&client.errors(request).await.map_err(refused)?.into_inner())
        }
        Question::Geo(Geo { selection, detail }) => {
            let (filter, detail) = (Some(selection.filter(now)), detail.clone());
            let answer = client.geography(GeographyRequest { filter, detail }).await;
            summaries::geography(&answer.map_err(refused)?.into_inner())
        }
        Question::Throttled(asked) => {
            let answer = client.throttled(asked.to_proto(now)).await.map_err(refused)?;
            counts::counts(&answer.into_inner(), asked.intervals.interval)
        }
        Question::Devices(asked) => {
            let answer = client.devices(asked.to_proto(now)).await.map_err(refused)?;
            counts::counts(&answer.into_inner(), asked.intervals.interval)
        }
        Question::Backends(asked) => {
            let answer = client.backends(asked.to_proto(now)).await.map_err(refused)?;
            counts::counts(&answer.into_inner(), asked.intervals.interval)
        }
        Question::Cache(asked) => {
            let answer = client.cache(asked.to_proto(now)).await.map_err(refused)?;
            counts::counts(&answer.into_inner(), asked.intervals.interval)
        }
        Question::Top(asked) => {
            let answer = client.query(asked.to_proto(now)).await.map_err(refused)?;
            counts::counts(&answer.into_inner(), None)
        }
        Question::Query(Query { intervals, counted }) => {
            let mut request = counted.to_proto(&intervals.selection, now);
            request.interval = intervals.span();
            let answer = client.query(request).await.map_err(refused)?;
            counts::counts(&answer.into_inner(), intervals.interval)
        }
        Question::Compare(Compare { selection, counted, before }) => {
            let query = Some(counted.to_proto(selection, now));
            let before = before.and_then(|before| before.instant(now)).map(Into::into);
            let answer = client.compare(CompareRequest { query, before }).await;
            counts::compared(&answer.map_err(refused)?.into_inner())
        }
        Question::Logs(asked) => calls::logs(&wire, now, asked).await?,
        // They print by themselves and never come here.
        Question::Tail(_) | Question::Report(_) => Report::default(),
    })
}

impl Intervals {
    fn span(&self) -> Option<prost_types::Duration> {
        proto_span(self.interval)
    }
}

impl View {
    fn to_proto(&self, now: SystemTime) -> ViewRequest {
        ViewRequest {
            filter: Some(self.intervals.selection.filter(now)),
            interval: self.intervals.span(),
            limit: self.limit.unwrap_or(0),
            conditions: self.conditions.to_proto(),
        }
    }
}

impl Top {
    fn to_proto(&self, now: SystemTime) -> QueryRequest {
        QueryRequest {
            filter: Some(self.selection.filter(now)),
            conditions: self.conditions.to_proto(),
            interval: None,
            by: vec![self.of.clone()],
            measures: vec![self.measure.clone()],
            order: String::new(),
            limit: self.limit,
        }
    }
}

impl Counted {
    fn to_proto(&self, selection: &Selection, now: SystemTime) -> QueryRequest {
        QueryRequest {
            filter: Some(selection.filter(now)),
            conditions: self.conditions.to_proto(),
            interval: None,
            by: self.by.clone(),
            measures: self.measure.clone(),
            order: self.order.clone().unwrap_or_default(),
            limit: self.limit.unwrap_or(0),
        }
    }
}
