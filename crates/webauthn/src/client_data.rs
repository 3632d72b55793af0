//! What does the browser say that it did? (§5.8.1)

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;

use crate::{Refusal, Site};

/// Browsers add members as they like.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ClientData {
    #[serde(rename = "type")]
    kind: String,
    challenge: String,
    origin: String,
    #[serde(default)]
    cross_origin: bool,
    top_origin: Option<String>,
}

/// That it did `kind` for one of our pages, with this challenge.
pub(crate) fn check(
    bytes: &[u8],
    kind: &str,
    challenge: &[u8],
    site: &Site,
) -> Result<(), Refusal> {
    let data: ClientData = serde_json::from_slice(bytes).map_err(|_| Refusal::ClientData)?;
    if data.kind != kind {
        return Err(Refusal::Kind);
    }
    if data.challenge != URL_SAFE_NO_PAD.encode(challenge) {
        return Err(Refusal::Challenge);
    }
    if !site.origins.contains(&data.origin) {
        return Err(Refusal::Origin);
    }
    if data.cross_origin || data.top_origin.is_some() {
        return Err(Refusal::Framed);
    }
    Ok(())
}
