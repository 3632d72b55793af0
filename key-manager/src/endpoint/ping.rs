//! How does a client hear that a person has answered? (OpenID Connect CIBA section 10.2, KM-037)
//!
//! Where it registered an address, it is told there that the answer can be fetched; the answer itself
//! is not in it. Who is not reached asks for it all the same.

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, header};
use serde::{Deserialize, Serialize};
use serde_json::json;
use url::Url;

use super::{Authority, Refusal};
use crate::store::StoredDevice;

/// The longest `client_notification_token`, in bytes (section 7.1).
const LONGEST_TOKEN: usize = 1024;
const PURPOSE: &str = "notification of a client";

/// What is kept of a request until its person answers, sealed.
#[derive(Serialize, Deserialize)]
struct Bell {
    auth_req_id: String,
    token: String,
}

/// What is kept with a request; `token` is the client's, by which it knows us.
pub(super) fn kept(
    authority: &Authority,
    auth_req_id: &str,
    token: Option<&str>,
) -> Result<String, Refusal> {
    let token = token.ok_or_else(|| Refusal::invalid("client_notification_token is missing"))?;
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~+/=".contains(&byte);
    if token.len() > LONGEST_TOKEN || !token.bytes().all(plain) {
        return Err(Refusal::invalid("client_notification_token is no bearer token"));
    }
    let bell = Bell { auth_req_id: auth_req_id.to_owned(), token: token.to_owned() };
    authority.seal(PURPOSE, &bell)
}

/// Tells the client of a request that its person has answered.
pub(super) async fn ring(authority: &Authority, device: &StoredDevice) -> Result<(), Refusal> {
    if device.bell.is_empty() {
        return Ok(());
    }
    let Some(stored) = authority.store.client(&device.grant.client_id).await? else {
        return Ok(());
    };
    let client = stored.client;
    let url = client.terms.notify.as_deref().and_then(|uri| Url::parse(uri).ok());
    let bell = authority.open::<Bell>(PURPOSE, &device.bell);
    let (Some(url), Some(bell)) = (url, bell) else { return Ok(()) };
    let Ok(bearer) = HeaderValue::from_str(&format!("Bearer {}", bell.token)) else {
        return Ok(());
    };
    let mut headers = HeaderMap::new();
    headers.insert(header::AUTHORIZATION, bearer);
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    let body = Bytes::from(json!({ "auth_req_id": bell.auth_req_id }).to_string());
    authority.farewells.post(&client, &url, &headers, body);
    Ok(())
}
