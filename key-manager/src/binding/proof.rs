//! Does this proof show that its sender holds a key, here and now? (RFC 9449 section 4.3)
//!
//! What is said of every proof is asked in `jose`; here are our addresses, our nonces and the memory of
//! what was used.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::HeaderMap;
use jose::{Freshness, PROOF_ALGORITHMS, ProofMisfit};
use url::Url;

use super::nonce::Nonces;
use crate::domain::ClientId;
use crate::store::{Store, StoreError, Use, Used};

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
    #[error("the DPoP proof is none for this request: {0}")]
    Misfit(#[from] ProofMisfit),
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
        self.token.as_deref() == Some(jose::token_hash(token).as_str())
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
        let text = field.to_str().unwrap_or_default();
        let proof = jose::verify_proof(text, &PROOF_ALGORITHMS)?;
        let fresh =
            Freshness { window_seconds: self.window_seconds, skew_seconds: self.skew_seconds };
        let until = proof.fits(method, |htu| self.is_here(htu, name), fresh, now)?;
        if let Some(nonces) = &self.nonces {
            let given = proof.text("nonce").unwrap_or_default();
            if !nonces.accepts(given, now) {
                return Err(ProofError::Nonce(nonces.current(now)));
            }
        }
        let token = proof.text("ath").ok().map(str::to_owned);
        let name = URL_SAFE_NO_PAD.encode(proof.name().ok_or(ProofMisfit::Claim("jti"))?);
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
