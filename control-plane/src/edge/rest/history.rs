//! How is the past told, and put back, over REST?

use bytes::Bytes;
use http::{HeaderMap, StatusCode};
use prost_types::Timestamp;
use turnpike_proto::admin::v1::{DiffRequest, GetAsOfRequest, ListHistoryRequest, RollbackRequest};
use turnpike_proto::identity::v1::ListAuditRequest;

use super::fault::Fault;
use super::input::{Query, read};
use super::reply::{Reply, reply};
use crate::edge::desk::Desk;
use crate::edge::json;
use crate::manage::ManageError;
use crate::people::Caller;

pub(super) const LIST: &[&str] = &["key", "kind", "by", "since", "until", "pageSize", "pageToken"];
pub(super) const AS_OF: &[&str] = &["key", "revision", "pageSize", "pageToken"];
pub(super) const DIFF: &[&str] = &["key", "from", "to"];
pub(super) const AUDIT: &[&str] = &["since", "after", "limit"];

pub(super) async fn list(desk: &Desk, by: &Caller, mut query: Query) -> Result<Reply, Fault> {
    let request = ListHistoryRequest {
        key: query.take("key").unwrap_or_default(),
        kind: query.take("kind").unwrap_or_default(),
        by: query.take("by").unwrap_or_default(),
        since: time(&mut query, "since")?,
        until: time(&mut query, "until")?,
        page_size: number(&mut query, "pageSize")?,
        page_token: query.take("pageToken").unwrap_or_default(),
    };
    query.done(LIST)?;
    let listed = desk.history(by, request).await?;
    Ok(reply(StatusCode::OK, &json::of("turnpike.admin.v1.ListHistoryResponse", &listed)))
}

pub(super) async fn as_of(desk: &Desk, by: &Caller, mut query: Query) -> Result<Reply, Fault> {
    let request = GetAsOfRequest {
        key: query.take("key").unwrap_or_default(),
        revision: number(&mut query, "revision")?,
        page_size: number(&mut query, "pageSize")?,
        page_token: query.take("pageToken").unwrap_or_default(),
    };
    query.done(AS_OF)?;
    let found = desk.as_of(by, request).await?;
    let resources: Vec<_> = found.resources.iter().map(plan::to_json).collect();
    let body = serde_json::json!({
        "resources": resources, "nextPageToken": found.next_page_token,
    });
    Ok(reply(StatusCode::OK, &body))
}

pub(super) async fn diff(desk: &Desk, by: &Caller, mut query: Query) -> Result<Reply, Fault> {
    let request = DiffRequest {
        key: query.take("key").unwrap_or_default(),
        from: number(&mut query, "from")?,
        to: number(&mut query, "to")?,
    };
    query.done(DIFF)?;
    let differing = desk.diff(by, request).await?;
    Ok(reply(StatusCode::OK, &json::of("turnpike.admin.v1.DiffResponse", &differing)))
}

pub(super) async fn rollback(
    desk: &Desk,
    by: &Caller,
    headers: &HeaderMap,
    body: Bytes,
) -> Result<Reply, Fault> {
    let request: RollbackRequest = read("turnpike.admin.v1.RollbackRequest", headers, &body)?;
    let done = desk.rollback(by, request).await?;
    if !done.problems.is_empty() {
        return Err(ManageError::Refused(done.problems).into());
    }
    Ok(reply(StatusCode::OK, &json::of("turnpike.admin.v1.RollbackResponse", &done)))
}

pub(super) async fn audit(desk: &Desk, by: &Caller, mut query: Query) -> Result<Reply, Fault> {
    let request = ListAuditRequest {
        since: time(&mut query, "since")?,
        after: number(&mut query, "after")?,
        limit: number(&mut query, "limit")?,
    };
    query.done(AUDIT)?;
    let lines = desk.audit_lines(by, request).await?;
    Ok(reply(StatusCode::OK, &json::of("turnpike.identity.v1.ListAuditResponse", &lines)))
}

/// 0 where it is not given, which means what an absent field means.
fn number<N: std::str::FromStr + Default>(query: &mut Query, name: &str) -> Result<N, Fault> {
    let Some(text) = query.take(name) else { return Ok(N::default()) };
    text.parse().map_err(|_| Fault::Request(format!("{name} is a number, not `{text}`")))
}

fn time(query: &mut Query, name: &str) -> Result<Option<Timestamp>, Fault> {
    let Some(text) = query.take(name) else { return Ok(None) };
    let time = text.parse::<Timestamp>();
    time.map(Some).map_err(|_| {
        Fault::Request(format!("{name} is a time like 2026-01-31T12:00:00Z, not `{text}`"))
    })
}
