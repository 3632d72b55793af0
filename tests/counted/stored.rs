//! How often has the collector stored each call?

use std::collections::HashMap;
use std::ops::Range;
use std::time::{Duration, SystemTime};

use tonic::Status;
use turnpike_proto::usage::v1::analytics_client::AnalyticsClient;
use turnpike_proto::usage::v1::{Filter, QueryRequest, QueryResponse};

use crate::pair::{API, Pair};

/// Calls of so long are asked for at a time: an answer has at most 10,000 different paths.
const PART: Duration = Duration::from_secs(1);

/// The calls that began from `since` on until now, by their paths.
pub(crate) async fn by_path(pair: &Pair, since: SystemTime) -> HashMap<String, u64> {
    let (mut from, end) = (since, SystemTime::now() + PART);
    let mut stored = HashMap::new();
    while from < end {
        let answer = counted(pair, (API, "path"), from..from + PART, 0).await.expect("an answer");
        for group in answer.groups {
            let (path, calls) = (group.values.into_iter().next(), group.measures.first());
            let calls = whole(*calls.expect("a count"));
            *stored.entry(path.expect("a path")).or_default() += calls;
        }
        from += PART;
    }
    stored
}

/// All calls of the API since then.
pub(crate) async fn calls(pair: &Pair, since: SystemTime) -> Result<u64, Status> {
    let until = SystemTime::now() + PART;
    let answer = counted(pair, (API, "api"), since..until, 0).await?;
    Ok(answer.groups.iter().filter_map(|group| group.measures.first()).map(|n| whole(*n)).sum())
}

/// Counts calls of an API by a dimension; a `limit` of 0 refuses more groups than an answer may have.
pub(crate) async fn counted(
    pair: &Pair,
    (api, by): (&str, &str),
    time: Range<SystemTime>,
    limit: u32,
) -> Result<QueryResponse, Status> {
    let filter = Filter {
        since: Some(time.start.into()),
        until: Some(time.end.into()),
        api: api.to_owned(),
        ..Filter::default()
    };
    let by = vec![by.to_owned()];
    let request = QueryRequest { filter: Some(filter), by, limit, ..QueryRequest::default() };
    let mut client = AnalyticsClient::new(pair.channel("admin"));
    client.query(request).await.map(tonic::Response::into_inner)
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a count far below 2^53"
)]
fn whole(count: f64) -> u64 {
    count as u64
}
