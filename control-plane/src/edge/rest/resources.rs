//! How are resources of one kind got, listed, put and deleted over REST?

use http::header::{CACHE_CONTROL, ETAG};
use http::{HeaderMap, HeaderValue, Response, StatusCode};
use plan::{Kind, Resource, ResourceKey};
use serde_json::{Value, json};
use turnpike_proto::config::v1::lifecycle::State as Lifecycle;
use url::form_urlencoded;

use super::fault::Fault;
use super::input::{Condition, Language, Query, Stored, is_known, resources};
use super::kinds::plurals;
use super::reply::{Content, Reply, reply, tagged, with_next};
use crate::edge::desk::{Desk, PutOptions};
use crate::edge::json;
use crate::manage::{ManageError, Page, PageRequest};
use crate::people::Caller;

/// What a list understands; `labels` and `pageSize` are the older names.
pub(super) const FILTERS: [&str; 9] =
    ["label", "owner", "name", "context", "lifecycle", "pageSize", "pageToken", "labels", "limit"];

/// A page: by key, so by name and then by version, as bytes.
pub(super) fn list(desk: &Desk, by: &Caller, kind: Kind, mut query: Query) -> Result<Reply, Fault> {
    let mut again = form_urlencoded::Serializer::new(String::new());
    let mut wanted = PageRequest::default();
    let mut labels = query.take_all("label");
    for several in query.take_all("labels") {
        labels.extend(several.split(',').map(str::to_owned));
    }
    for label in labels {
        let pair = label.split_once('=');
        let (name, value) = pair.ok_or_else(|| {
            Fault::Request(format!("labels are written name=value, not `{label}`"))
        })?;
        again.append_pair("label", &label);
        wanted.labels.insert(name.to_owned(), value.to_owned());
    }
    for (name, field) in [
        ("owner", &mut wanted.owner),
        ("name", &mut wanted.name_prefix),
        ("context", &mut wanted.context),
    ] {
        if let Some(text) = query.take(name) {
            again.append_pair(name, &text);
            *field = text;
        }
    }
    for name in query.take_all("lifecycle") {
        let state = Lifecycle::from_str_name(&name);
        wanted.lifecycles.push(state.ok_or_else(|| {
            let known = "CREATED, PROTOTYPED, PUBLISHED, BLOCKED, DEPRECATED and RETIRED";
            Fault::Request(format!("`{name}` is no state; states are {known}"))
        })?);
        again.append_pair("lifecycle", &name);
    }
    for name in ["pageSize", "limit"] {
        if let Some(size) = query.take(name) {
            let number = size.parse::<u32>().ok().and_then(|size| usize::try_from(size).ok());
            wanted.size = number
                .ok_or_else(|| Fault::Request(format!("{name} is a number, not `{size}`")))?;
            again.append_pair("pageSize", &size);
        }
    }
    wanted.token = query.take("pageToken").unwrap_or_default();
    query.done(&FILTERS)?;
    let Page { items, next, revision } = desk.list(by, kind, &wanted)?;
    let items: Vec<Value> = items.iter().map(plan::to_json).collect();
    let mut body = json!({
        "items": items, "nextPageToken": next, "revision": revision.to_string(),
    });
    if next.is_empty() {
        return Ok(tagged(StatusCode::OK, &body, revision));
    }
    let parameters = again.append_pair("pageToken", &next).finish();
    let plural = plurals().iter().find(|plural| plural.kind == kind);
    let next = format!("/api/v1/{}?{parameters}", plural.map_or("", |plural| &plural.name));
    if let Some(members) = body.as_object_mut() {
        members.insert("next".to_owned(), next.clone().into());
    }
    Ok(with_next(tagged(StatusCode::OK, &body, revision), &next))
}

pub(super) fn get(desk: &Desk, by: &Caller, key: &ResourceKey) -> Result<Reply, Fault> {
    Ok(shown(StatusCode::OK, &desk.get(by, key)?))
}

pub(super) async fn put(
    desk: &Desk,
    by: &Caller,
    key: &ResourceKey,
    headers: &HeaderMap,
    body: bytes::Bytes,
) -> Result<Reply, Fault> {
    let condition = Condition::of(headers)?;
    let revision = demanded(desk, by, key, &condition)?;
    let resource = named(key, one(key, Language::of(headers)?, &body)?, revision)?;
    let options = PutOptions { create_only: condition.absent };
    let (stored, created) =
        desk.put(by, resource, options).await.map_err(|error| unmet(error, &condition))?;
    Ok(shown(if created { StatusCode::CREATED } else { StatusCode::OK }, &stored))
}

pub(super) async fn delete(
    desk: &Desk,
    by: &Caller,
    key: ResourceKey,
    headers: &HeaderMap,
) -> Result<Reply, Fault> {
    let condition = Condition::of(headers)?;
    let revision = demanded(desk, by, &key, &condition)?;
    let deleted = desk.delete(by, key, revision).await;
    let deleted = deleted.map_err(|error| unmet(error, &condition))?;
    // What only waits is still there.
    let status = if deleted.waiting.is_empty() { StatusCode::OK } else { StatusCode::ACCEPTED };
    Ok(reply(status, &json::of("turnpike.admin.v1.DeleteResponse", &deleted)))
}

/// The revision that must be stored for `If-Match` to hold; 0: none is asked for. It is compared once
/// more by the write itself.
fn demanded(
    desk: &Desk,
    by: &Caller,
    key: &ResourceKey,
    condition: &Condition,
) -> Result<u64, Fault> {
    let Some(stored) = &condition.stored else { return Ok(0) };
    let found = match desk.get(by, key) {
        Ok(resource) => plan::metadata(&resource).map_or(0, |metadata| metadata.revision),
        Err(ManageError::NotFound(_)) => {
            return Err(Fault::Precondition(format!("there is no {key}")));
        }
        Err(other) => return Err(other.into()),
    };
    match stored {
        // The write compares it, and says who has changed the resource since.
        Stored::OneOf(revisions) if let [one] = revisions.as_slice() => Ok(*one),
        Stored::OneOf(revisions) if !revisions.contains(&found) => {
            Err(Fault::Precondition(format!("{key} is at revision {found}: read it again")))
        }
        Stored::OneOf(_) | Stored::Anything => Ok(found),
    }
}

/// 304 for whoever has it already (RFC 9110 section 13.1.2).
pub(super) fn unless_known(response: Reply, headers: &HeaderMap) -> Result<Reply, Fault> {
    let Some(tag) = response.headers().get(ETAG).cloned() else { return Ok(response) };
    if !is_known(headers, &tag)? {
        return Ok(response);
    }
    let mut known = Response::new(Content::default());
    *known.status_mut() = StatusCode::NOT_MODIFIED;
    known.headers_mut().insert(ETAG, tag);
    known.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(known)
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
fn unmet(error: ManageError, condition: &Condition) -> Fault {
    match error {
        ManageError::Stale { .. } if *condition != Condition::default() => {
            Fault::Precondition(error.to_string())
        }
        other => other.into(),
    }
}
