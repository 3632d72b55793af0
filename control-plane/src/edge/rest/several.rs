//! How are many resources applied, gateways listed and keys made over REST?

use http::{HeaderMap, StatusCode};
use turnpike_proto::admin::v1::GenerateKeyRequest;

use super::fault::Fault;
use super::input::{Language, Query, read, resources};
use super::reply::{Reply, reply};
use crate::distribute::Whom;
use crate::edge::desk::{ApplyOptions, Desk, WaitOptions, wait_limit};
use crate::edge::json;
use crate::people::Caller;

pub(super) async fn apply(
    desk: &Desk,
    by: &Caller,
    mut query: Query,
    headers: &HeaderMap,
    body: bytes::Bytes,
) -> Result<Reply, Fault> {
    Language::of(headers)?;
    let dry_run = query.switch("dryRun")?;
    let partial = query.switch("partial")?;
    let timeout = query.span("timeout")?;
    let wait = match query.take("wait").as_deref() {
        None | Some("none") => None,
        Some("all") => Some(WaitOptions { whom: Whom::All, limit: wait_limit(timeout) }),
        Some("quorum") => Some(WaitOptions { whom: Whom::Quorum, limit: wait_limit(timeout) }),
        Some(other) => {
            return Err(Fault::Request(format!("wait is all, quorum or none, not `{other}`")));
        }
    };
    let reason = query.take("reason").unwrap_or_default();
    let fields = query.switch("fields")?;
    query.done(&["dryRun", "partial", "wait", "timeout", "reason", "fields"])?;
    let options = ApplyOptions { dry_run, partial, wait, reason, fields, prune: None };
    let response = desk.apply(by, resources(&body)?, options).await?;
    Ok(reply(StatusCode::OK, &json::of("turnpike.admin.v1.ApplyResponse", &response)))
}

pub(super) fn gateways(desk: &Desk, by: &Caller, query: Query) -> Result<Reply, Fault> {
    query.done(&[])?;
    let gateways = desk.gateways(by)?;
    Ok(reply(StatusCode::OK, &json::of("turnpike.admin.v1.ListGatewaysResponse", &gateways)))
}

pub(super) async fn generate_key(
    desk: &Desk,
    by: &Caller,
    application: String,
    headers: &HeaderMap,
    body: bytes::Bytes,
) -> Result<Reply, Fault> {
    let mut request: GenerateKeyRequest =
        read("turnpike.admin.v1.GenerateKeyRequest", headers, &body)?;
    request.application = application;
    let made = desk.generate_key(by, request).await?;
    Ok(reply(StatusCode::CREATED, &json::of("turnpike.admin.v1.GenerateKeyResponse", &made)))
}
