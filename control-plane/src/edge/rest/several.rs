//! How are many resources applied, gateways listed and keys made over REST?

use http::{HeaderMap, StatusCode};
use turnpike_proto::admin::v1::GenerateKeyRequest;

use super::fault::Fault;
use super::input::{Language, Query, read, resources};
use super::reply::{Reply, reply};
use super::waves::{NAMES, waves};
use crate::distribute::Whom;
use crate::edge::desk::{ApplyOptions, Desk, WaitOptions, wait_limit};
use crate::edge::{json, status};
use crate::people::Caller;
use crate::rollout::{Begin, RolloutError};

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
    let plan = waves(&mut query)?;
    let own = ["dryRun", "partial", "wait", "timeout", "reason", "fields"];
    query.done(&[&own[..], &NAMES[..]].concat())?;
    let response = match plan {
        Some(plan) if !partial && wait.is_none() => {
            let begin = Begin { upserts: resources(&body)?, plan, dry_run, reason };
            desk.roll_out(by, begin).await.map_err(|error| match error {
                RolloutError::Manage(error) => Fault::Manage(error),
                error => Fault::Status(status::of_rollout(&error)),
            })?
        }
        Some(_) => {
            let what = "a rollout is of all resources or none, and goes on after the answer: \
                        `partial` and `wait` are not for it";
            return Err(Fault::Request(what.to_owned()));
        }
        None => {
            let options = ApplyOptions { dry_run, partial, wait, reason, fields, prune: None };
            desk.apply(by, resources(&body)?, options).await?
        }
    };
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
