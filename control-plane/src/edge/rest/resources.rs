//! How are resources of one kind got, listed, put and deleted over REST?

use http::{HeaderMap, StatusCode};
use plan::{Kind, Resource, ResourceKey};
use serde_json::{Value, json};

use super::fault::Fault;
use super::input::{Condition, Language, Query, resources};
use super::reply::{Reply, reply, tagged};
use crate::edge::desk::{Desk, PutOptions};
use crate::manage::{ManageError, Page, PageRequest};
use crate::people::Caller;

pub(super) fn list(desk: &Desk, kind: Kind, mut query: Query) -> Result<Reply, Fault> {
    let mut wanted = PageRequest::default();
    for labels in query.take_all("labels") {
        for label in labels.split(',') {
            let pair = label.split_once('=');
            let (name, value) = pair.ok_or_else(|| {
                Fault::Request(format!("labels are written name=value, not `{label}`"))
            })?;
            wanted.labels.insert(name.to_owned(), value.to_owned());
        }
    }
    if let Some(size) = query.take("pageSize") {
        let number = size.parse();
        wanted.size =
            number.map_err(|_| Fault::Request(format!("pageSize is a number, not `{size}`")))?;
    }
    wanted.token = query.take("pageToken").unwrap_or_default();
    query.done(&["labels", "pageSize", "pageToken"])?;
    let Page { items, next, revision } = desk.list(kind, &wanted)?;
    let items: Vec<Value> = items.iter().map(plan::to_json).collect();
    let body = json!({
        "items": items, "nextPageToken": next, "revision": revision.to_string(),
    });
    Ok(reply(StatusCode::OK, &body))
}

pub(super) fn get(desk: &Desk, key: &ResourceKey) -> Result<Reply, Fault> {
    Ok(shown(StatusCode::OK, &desk.get(key)?))
}

pub(super) async fn put(
    desk: &Desk,
    by: &Caller,
    key: &ResourceKey,
    headers: &HeaderMap,
    body: bytes::Bytes,
) -> Result<Reply, Fault> {
    let condition = Condition::of(headers)?;
    let resource = named(key, one(key, Language::of(headers)?, &body)?, condition.revision)?;
    let options = PutOptions { create_only: condition.absent };
    let (stored, created) =
        desk.put(by, resource, options).await.map_err(|error| unmet(error, condition))?;
    Ok(shown(if created { StatusCode::CREATED } else { StatusCode::OK }, &stored))
}

pub(super) async fn delete(
    desk: &Desk,
    by: &Caller,
    key: ResourceKey,
    headers: &HeaderMap,
) -> Result<Reply, Fault> {
    let condition = Condition::of(headers)?;
    let deleted = desk.delete(by, key, condition.revision).await;
    let revision = deleted.map_err(|error| unmet(error, condition))?;
    Ok(reply(StatusCode::OK, &json!({ "revision": revision.to_string() })))
}

fn shown(status: StatusCode, resource: &Resource) -> Reply {
    let revision = plan::metadata(resource).map_or(0, |metadata| metadata.revision);
    tagged(status, &plan::to_json(resource), revision)
}

/// The one resource of the body. A JSON body may leave out what the path says.
fn one(key: &ResourceKey, language: Language, body: &bytes::Bytes) -> Result<Resource, Fault> {
    if language == Language::Yaml {
        let mut found = resources(body)?;
        return match (found.pop(), found.is_empty()) {
            (Some(resource), true) => Ok(resource),
            _ => Err(Fault::Request("the body must be one resource".to_owned())),
        };
    }
    let mut value: Value = serde_json::from_slice(body)
        .map_err(|error| Fault::Request(format!("the body is not JSON: {error}")))?;
    if let (Value::Object(members), Some(kind)) = (&mut value, key.kind()) {
        members.entry("apiVersion").or_insert_with(|| "turnpike/v1".into());
        members.entry("kind").or_insert_with(|| kind.name().into());
        let metadata = members.entry("metadata").or_insert_with(|| json!({}));
        if let Value::Object(metadata) = metadata {
            metadata.entry("name").or_insert_with(|| key.name().into());
            if let Some(version) = key.version() {
                metadata.entry("version").or_insert_with(|| version.into());
            }
        }
    }
    plan::from_json(value, "").map_err(Fault::Problems)
}

/// The body must be what the path names.
fn named(key: &ResourceKey, mut resource: Resource, revision: u64) -> Result<Resource, Fault> {
    if plan::key(&resource).as_ref() != Some(key) {
        let found = plan::key(&resource).map_or_else(|| "nothing".to_owned(), |k| k.to_string());
        return Err(Fault::Request(format!("the path names {key}, and the body {found}")));
    }
    if let Some(metadata) = plan::metadata_mut(&mut resource)
        && revision != 0
    {
        metadata.revision = revision;
    }
    Ok(resource)
}

/// A revision that came as a condition fails as one.
fn unmet(error: ManageError, condition: Condition) -> Fault {
    match error {
        ManageError::Stale { .. } if condition != Condition::default() => {
            Fault::Precondition(error.to_string())
        }
        other => other.into(),
    }
}
