//! How are steps in the life of APIs taken, and versions made, over REST?

use bytes::Bytes;
use http::{HeaderMap, StatusCode};
use turnpike_proto::admin::v1::{ChangeLifecycleRequest, GetLifecycleRequest, NewVersionRequest};

use super::fault::Fault;
use super::input::read;
use super::reply::{Reply, reply};
use crate::edge::desk::Desk;
use crate::edge::json;
use crate::people::Caller;

pub(super) fn lifecycle(desk: &Desk, by: &Caller, id: &str) -> Result<Reply, Fault> {
    let (name, version) = parts(id);
    let told = desk.lifecycle(by, &GetLifecycleRequest { name, version })?;
    Ok(reply(StatusCode::OK, &json::of("turnpike.admin.v1.LifecycleStatus", &told)))
}

pub(super) async fn change(
    desk: &Desk,
    by: &Caller,
    id: &str,
    headers: &HeaderMap,
    body: Bytes,
) -> Result<Reply, Fault> {
    let mut request: ChangeLifecycleRequest =
        read("turnpike.admin.v1.ChangeLifecycleRequest", headers, &body)?;
    (request.name, request.version) = parts(id);
    let changed = desk.change_lifecycle(by, request).await?;
    let status = if changed.waiting.is_empty() { StatusCode::OK } else { StatusCode::ACCEPTED };
    Ok(reply(status, &json::of("turnpike.admin.v1.ChangeLifecycleResponse", &changed)))
}

pub(super) async fn new_version(
    desk: &Desk,
    by: &Caller,
    id: &str,
    headers: &HeaderMap,
    body: Bytes,
) -> Result<Reply, Fault> {
    let mut request: NewVersionRequest =
        read("turnpike.admin.v1.NewVersionRequest", headers, &body)?;
    (request.name, request.version) = parts(id);
    let made = desk.new_version(by, request).await?;
    Ok(reply(StatusCode::CREATED, &json::of("turnpike.admin.v1.NewVersionResponse", &made)))
}

/// `name:version`; without a version there is no such API, which is said where it is looked for.
fn parts(id: &str) -> (String, String) {
    let (name, version) = id.split_once(':').unwrap_or((id, ""));
    (name.to_owned(), version.to_owned())
}
