//! Does this proof show that its sender holds a key, here and now? (RFC 9449 section 4.3)

use aws_lc_rs::digest;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::HeaderMap;
use jose::Algorithm;
use serde_json::{Map, Value};
use url::Url;

use super::nonce::Nonces;
use crate::domain::ClientId;
use crate::store::{Store, StoreError, Use, Used};

/// How proofs may be signed.
pub const PROOF_ALGORITHMS: [Algorithm; 4] =
    [Algorithm::ES256, Algorithm::ES384, Algorithm::PS256, Algorithm::EdDSA];

/// The longest proof, in bytes: an RSA key of 8192 bits and its signature fit three times.
const LONGEST: usize = 8 * 1024;
/// The longest `jti`, in bytes.
const LONGEST_JTI: usize = 256;

/// What holds for every proof.
#[derive(Debug)]
pub struct ProofRules {
    /// Under which addresses clients reach the endpoints, without the endpoint's name.
    pub bases: Vec<String>,
    /// How old a proof may be, in seconds.
    pub window_seconds: u32,
    /// How far clocks may differ, in seconds.
    pub skew_seconds: u32,
    /// How many proofs of one client are remembered at a time (KM-122).
    pub remembered: u32,
    /// `None`: proofs need no nonce.
    pub nonces: Option<Nonces>,
}

/// A proof that holds, except that it may have been used before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Possession {
    /// The `jkt` of the key.
    pub key: String,
    /// The `ath`: the hash of the access token that it came with.
    token: Option<String>,
    /// The digest of key and `jti`.
    name: String,
    /// When it is too old, Unix seconds.
    until: i64,
}

#[derive(Debug, thiserror::Error)]
pub enum ProofError {
    #[error("there is more than one DPoP proof")]
    Several,
    #[error("the DPoP proof does not hold: {0}")]
    Refused(#[from] jose::Refusal),
    #[error("the claim `{0}` of the DPoP proof is missing or malformed")]
    Claim(&'static str),
    #[error("the DPoP proof is for another method")]
    Method,
    #[error("the DPoP proof is for another address")]
    Address,
    #[error("the DPoP proof was not made just now")]
    Time,
    /// With the nonce to be used.
    #[error("the DPoP proof needs the nonce that is given with this answer")]
    Nonce(String),
    #[error("the DPoP proof was used before")]
    Replayed,
    #[error("the client uses more DPoP proofs than are remembered")]
    Full,
    #[error("its use could not be noted")]
    Store(#[from] StoreError),
}

impl Possession {
    /// Whether it was made for `token` (RFC 9449 section 4.2).
    pub fn is_for(&self, token: &str) -> bool {
        let hash = digest::digest(&digest::SHA256, token.as_bytes());
        self.token.as_deref() == Some(URL_SAFE_NO_PAD.encode(hash).as_str())
    }
}

impl ProofRules {
    /// The proof among the fields of a request of `method` to the endpoint `name`; `None`: there is
    /// none.
    pub fn read(
        &self,
        headers: &HeaderMap,
        method: &str,
        name: &str,
        now: i64,
    ) -> Result<Option<Possession>, ProofError> {
        let mut fields = headers.get_all("dpop").iter();
        let Some(field) = fields.next() else { return Ok(None) };
        if fields.next().is_some() {
            return Err(ProofError::Several);
        }
        let text = field.to_str().ok().filter(|text| text.len() <= LONGEST);
        let proof = jose::verify_proof(text.unwrap_or_default(), &PROOF_ALGORITHMS)?;
        let claims = &proof.claims;
        if take(claims, "htm")? != method {
            return Err(ProofError::Method);
        }
        if !self.is_here(take(claims, "htu")?, name) {
            return Err(ProofError::Address);
        }
        let made = claims.get("iat").and_then(Value::as_i64).ok_or(ProofError::Claim("iat"))?;
        let until = made.saturating_add(i64::from(self.window_seconds));
        let latest = now.saturating_add(i64::from(self.skew_seconds));
        if made > latest || until.saturating_add(i64::from(self.skew_seconds)) < now {
            return Err(ProofError::Time);
        }
        let jti = take(claims, "jti")?;
        if !(1..=LONGEST_JTI).contains(&jti.len()) {
            return Err(ProofError::Claim("jti"));
        }
        if let Some(nonces) = &self.nonces {
            let given = claims.get("nonce").and_then(Value::as_str).unwrap_or_default();
            if !nonces.accepts(given, now) {
                return Err(ProofError::Nonce(nonces.current(now)));
            }
        }
        let token = claims.get("ath").and_then(Value::as_str).map(str::to_owned);
        let digest = digest::digest(
            &digest::SHA256,
            &[proof.thumbprint.as_bytes(), b" ", jti.as_bytes()].concat(),
        );
        let name = URL_SAFE_NO_PAD.encode(digest);
        let until = until.saturating_add(i64::from(self.skew_seconds));
        Ok(Some(Possession { key: proof.thumbprint, token, name, until }))
    }

    /// Notes that `client` used the proof; once (RFC 9449 section 11.1).
    pub async fn spend(
        &self,
        store: &dyn Store,
        client: &ClientId,
        proof: &Possession,
        now: i64,
    ) -> Result<(), ProofError> {
        // A slash stands in no identifier: proofs and assertions have rooms of their own.
        let owner = format!("dpop/{client}");
        let (name, until) = (proof.name.as_str(), proof.until);
        let used = Used { owner: &owner, name, until, now, most: self.remembered };
        match store.use_once(&used).await? {
            Use::First => Ok(()),
            Use::Again => Err(ProofError::Replayed),
            Use::Full => Err(ProofError::Full),
        }
    }

    /// Whether `htu` is one of our addresses of the endpoint; query and fragment do not count. The
    /// `Host` of the request does not either: whoever sends it may choose it.
    fn is_here(&self, htu: &str, name: &str) -> bool {
        let Some(htu) = plain(htu) else { return false };
        self.bases.iter().any(|base| plain(&format!("{base}/{name}")).as_ref() == Some(&htu))
    }
}

fn take<'c>(claims: &'c Map<String, Value>, name: &'static str) -> Result<&'c str, ProofError> {
    claims.get(name).and_then(Value::as_str).ok_or(ProofError::Claim(name))
}

/// An address in its normal form (RFC 3986 section 6.2.2), without query and fragment.
fn plain(text: &str) -> Option<Url> {
    let mut url = Url::parse(text).ok()?;
    if !url.username().is_empty() || url.password().is_some() {
        return None;
    }
    url.set_query(None);
    url.set_fragment(None);
    Some(url)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(htu: &str, here: bool) {
        let bases = ["https://id.example/oauth2", "https://gate.example:8443"];
        let rules = ProofRules {
            bases: bases.map(str::to_owned).to_vec(),
            window_seconds: 60,
            skew_seconds: 5,
            remembered: 1,
            nonces: None,
        };
        assert_eq!(rules.is_here(htu, "token"), here, "{htu}");
    }

    #[test]
    fn a_proof_is_for_one_of_our_addresses() {
        check("https://id.example/oauth2/token", true);
        check("HTTPS://ID.example:443/oauth2/token?a=b#c", true);
        check("https://gate.example:8443/token", true);
    }

    #[test]
    fn a_proof_for_another_address_is_refused() {
        for htu in [
            "",
            "/oauth2/token",
            "http://id.example/oauth2/token",
            "https://id.example/oauth2/token/",
            "https://id.example/oauth2/revoke",
            "https://id.example/oauth2",
            "https://id.example:8443/oauth2/token",
            "https://id.example.evil/oauth2/token",
            "https://evil@id.example/oauth2/token",
            "https://id.example\\@evil/oauth2/token",
            "https://id.example/OAUTH2/token",
        ] {
            check(htu, false);
        }
    }
}
