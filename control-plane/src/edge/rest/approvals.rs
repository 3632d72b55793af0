//! How is decided about what waits, over REST?

use bytes::Bytes;
use http::{HeaderMap, StatusCode};
use turnpike_proto::admin::v1::{DecideWorkflowRequest, ListWorkflowRequest};

use super::fault::Fault;
use super::input::{Query, read};
use super::reply::{Reply, reply};
use crate::edge::desk::Desk;
use crate::edge::json;
use crate::manage::workflow::Verdict;
use crate::people::Caller;

pub(super) fn list(desk: &Desk, by: &Caller, mut query: Query) -> Result<Reply, Fault> {
    let all = query.switch("all")?;
    let page_size = match query.take("pageSize") {
        Some(size) => size
            .parse()
            .map_err(|_| Fault::Request(format!("pageSize is a number, not `{size}`")))?,
        None => 0,
    };
    let page_token = query.take("pageToken").unwrap_or_default();
    query.done(&["all", "pageSize", "pageToken"])?;
    let page = desk.requests(by, ListWorkflowRequest { all, page_size, page_token })?;
    Ok(reply(StatusCode::OK, &json::of("turnpike.admin.v1.ListWorkflowResponse", &page)))
}

pub(super) fn get(desk: &Desk, by: &Caller, id: &str) -> Result<Reply, Fault> {
    let found = desk.request(by, id)?;
    Ok(reply(StatusCode::OK, &json::of("turnpike.config.v1.WorkflowRequest", &found)))
}

pub(super) async fn decide(
    desk: &Desk,
    by: &Caller,
    id: String,
    (headers, body): (&HeaderMap, Bytes),
    verdict: Verdict,
) -> Result<Reply, Fault> {
    let mut request: DecideWorkflowRequest =
        read("turnpike.admin.v1.DecideWorkflowRequest", headers, &body)?;
    request.id = id;
    let decided = desk.decide(by, request, verdict).await?;
    Ok(reply(StatusCode::OK, &json::of("turnpike.config.v1.WorkflowRequest", &decided)))
}
