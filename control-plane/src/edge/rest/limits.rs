//! How full are limits, and how do they begin afresh, over REST?

use http::{HeaderMap, StatusCode};
use turnpike_proto::admin::v1::{LimitResetRequest, LimitUsageRequest};

use super::fault::Fault;
use super::input::{Query, read};
use super::reply::{Reply, reply};
use crate::edge::desk::Desk;
use crate::edge::json;
use crate::people::Caller;

pub(super) async fn usage(
    desk: &Desk,
    by: &Caller,
    application: String,
    mut query: Query,
) -> Result<Reply, Fault> {
    let (api, user) =
        (query.take("api").unwrap_or_default(), query.take("user").unwrap_or_default());
    let limit = query.span("timeout")?;
    query.done(&["api", "user", "timeout"])?;
    let request = LimitUsageRequest { application, api, user, timeout: None };
    let told = desk.limit_usage(by, request, limit).await?;
    Ok(reply(StatusCode::OK, &json::of("turnpike.admin.v1.LimitUsageResponse", &told)))
}

pub(super) async fn reset(
    desk: &Desk,
    by: &Caller,
    application: String,
    headers: &HeaderMap,
    body: bytes::Bytes,
) -> Result<Reply, Fault> {
    let mut request: LimitResetRequest =
        read("turnpike.admin.v1.LimitResetRequest", headers, &body)?;
    request.application = application;
    let limit = request.timeout.map(std::time::Duration::try_from).transpose();
    let limit = limit.map_err(|_| Fault::Request("`timeout` is not a span of time".to_owned()))?;
    let told = desk.limit_reset(by, request, limit).await?;
    Ok(reply(StatusCode::OK, &json::of("turnpike.admin.v1.LimitResetResponse", &told)))
}
