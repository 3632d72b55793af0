//! What do callers show? Twelve kinds of credential, of each a good one that is known, a good one that is
//! new, a forged one, one that was revoked and one that has expired.

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use chassis::Clock;
use jose::{Algorithm, SigningKey};
use serde_json::{Value, json};

use crate::partners::Partners;
use crate::scripted::Knowledge;

pub(crate) const ISSUER: &str = "https://id.example/oauth2";
pub(crate) const PROVIDER: &str = "https://corp.example";
pub(crate) const CORP: &str = "corp";
/// How a client names the gateway.
pub(crate) const HOST: &str = "api.example";

/// How a credential stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    /// Good, and it was shown before.
    Known,
    /// Good, and never shown before.
    New,
    /// Made by somebody else, or stolen.
    Forged,
    /// It was good, was shown, and was taken back.
    Revoked,
    /// Its time is over.
    Expired,
}

pub(crate) const STANDINGS: [Standing; 5] =
    [Standing::Known, Standing::New, Standing::Forged, Standing::Revoked, Standing::Expired];

/// The kinds of credential.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Jwt,
    ProviderJwt,
    Opaque,
    ProviderOpaque,
    DpopJwt,
    CertificateJwt,
    KeyInField,
    KeyInQuery,
    Password,
    KnownCertificate,
    SignedCertificate,
    JwtAndCertificate,
}

pub(crate) const KINDS: [Kind; 12] = [
    Kind::Jwt,
    Kind::ProviderJwt,
    Kind::Opaque,
    Kind::ProviderOpaque,
    Kind::DpopJwt,
    Kind::CertificateJwt,
    Kind::KeyInField,
    Kind::KeyInQuery,
    Kind::Password,
    Kind::KnownCertificate,
    Kind::SignedCertificate,
    Kind::JwtAndCertificate,
];

impl Kind {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Jwt => "JWT",
            Self::ProviderJwt => "JWT of a provider",
            Self::Opaque => "opaque token",
            Self::ProviderOpaque => "opaque token of a provider",
            Self::DpopJwt => "JWT bound to a key",
            Self::CertificateJwt => "JWT bound to a certificate",
            Self::KeyInField => "API key in a field",
            Self::KeyInQuery => "API key in the query",
            Self::Password => "name and password",
            Self::KnownCertificate => "certificate that is known",
            Self::SignedCertificate => "certificate of an authority",
            Self::JwtAndCertificate => "JWT and certificate",
        }
    }

    /// The API that is called.
    const fn api(self) -> &'static str {
        match self {
            Self::KeyInField | Self::KeyInQuery => "keys",
            Self::Password => "basic",
            Self::KnownCertificate => "known",
            Self::SignedCertificate => "signed",
            Self::JwtAndCertificate => "both",
            _ => "tokens",
        }
    }
}

/// Everybody who calls.
pub(crate) struct Callers {
    ours: SigningKey,
    corp: SigningKey,
    stranger: SigningKey,
    proven: SigningKey,
    pub(crate) partners: Partners,
    clock: Clock,
}

fn key() -> SigningKey {
    SigningKey::generate(Algorithm::ES256).expect("a key")
}

pub(crate) fn sum(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(digest(&SHA256, bytes))
}

impl Callers {
    pub(crate) fn new() -> Self {
        Self {
            ours: key(),
            corp: key(),
            stranger: key(),
            proven: key(),
            partners: Partners::new(),
            clock: Clock::system(),
        }
    }

    /// What the key manager knows of them.
    pub(crate) fn knowledge(&self) -> Knowledge {
        let set = |key: &SigningKey| json!({ "keys": [key.public_jwk()] }).to_string();
        let sets = |key: &SigningKey| [set(key), set(&self.stranger)];
        let mut known = Knowledge {
            issuer: ISSUER.to_owned(),
            keys: sets(&self.ours),
            provider: (CORP.to_owned(), PROVIDER.to_owned(), sets(&self.corp)),
            ..Knowledge::default()
        };
        for standing in [Standing::Known, Standing::New, Standing::Revoked] {
            for (kind, key_manager, issuer) in
                [(Kind::Opaque, "", ISSUER), (Kind::ProviderOpaque, CORP, PROVIDER)]
            {
                let claims = self.claims(kind, issuer, standing, &json!({}));
                known.tokens.insert((key_manager.to_owned(), opaque(kind, standing)), claims);
            }
            known.people.insert(person(standing), "correct horse".to_owned());
        }
        known
    }

    fn claims(&self, kind: Kind, issuer: &str, standing: Standing, more: &Value) -> Value {
        let now = self.clock.unix_seconds();
        let ends = if standing == Standing::Expired { now - 60 } else { now + 3_600 };
        let mut claims = json!({
            "iss": issuer, "sub": "live", "client_id": "live", "aud": "any",
            "jti": jti(kind, standing), "iat": now - 120, "exp": ends,
        });
        for (name, value) in more.as_object().into_iter().flatten() {
            claims[name] = value.clone();
        }
        claims
    }

    fn jwt(&self, kind: Kind, standing: Standing, more: &Value) -> String {
        let (key, issuer) = match kind {
            Kind::ProviderJwt => (&self.corp, PROVIDER),
            _ => (&self.ours, ISSUER),
        };
        let claims = self.claims(kind, issuer, standing, more);
        if standing != Standing::Forged || kind != Kind::Jwt && kind != Kind::ProviderJwt {
            return key.sign("at+jwt", &claims).expect("a token");
        }
        // By another key, which calls itself the right one.
        let header = json!({ "typ": "at+jwt", "alg": "ES256", "kid": key.kid() });
        self.stranger.sign_under(&header.to_string(), &claims).expect("a token")
    }

    /// A proof of `key` for a call of `target` with `token`.
    fn proof(&self, key: &SigningKey, target: &str, token: &str) -> String {
        let mut jwk = key.public_jwk();
        for name in ["kid", "alg", "use"] {
            jwk.as_object_mut().expect("a key").remove(name);
        }
        let header = json!({ "typ": "dpop+jwt", "alg": "ES256", "jwk": jwk });
        let claims = json!({
            "jti": chassis::random::token(16), "htm": "GET", "ath": sum(token.as_bytes()),
            "htu": format!("http://{HOST}{target}"), "iat": self.clock.unix_seconds(),
        });
        key.sign_under(&header.to_string(), &claims).expect("a proof")
    }

    /// Target and fields of a call, at the API that goes on or the one that is `strict`.
    pub(crate) fn shows(&self, kind: Kind, standing: Standing, strict: bool) -> (String, String) {
        let strict = if strict { "-strict" } else { "" };
        let target = format!("/{}{strict}/1.0/x", kind.api());
        let bearer = |token: &str| format!("authorization: Bearer {token}\r\n");
        let none = json!({});
        let fields = match kind {
            Kind::Jwt | Kind::ProviderJwt => bearer(&self.jwt(kind, standing, &none)),
            Kind::Opaque | Kind::ProviderOpaque => bearer(&opaque(kind, standing)),
            Kind::DpopJwt => {
                let bound = json!({ "cnf": { "jkt": self.proven.kid() } });
                let token = self.jwt(kind, standing, &bound);
                let stolen = standing == Standing::Forged;
                let key = if stolen { &self.stranger } else { &self.proven };
                let proof = self.proof(key, &target, &token);
                format!("authorization: DPoP {token}\r\ndpop: {proof}\r\n")
            }
            Kind::CertificateJwt => {
                let [owner, thief, _] = &self.partners.known;
                let bound = json!({ "cnf": { "x5t#S256": sum(&owner.der) } });
                let shown = if standing == Standing::Forged { thief } else { owner };
                bearer(&self.jwt(kind, standing, &bound)) + &shown.field()
            }
            Kind::KeyInField => format!("apikey: {}\r\n", api_key(kind, standing)),
            Kind::KeyInQuery => {
                return (format!("{target}?key={}", api_key(kind, standing)), String::new());
            }
            Kind::Password => {
                let wrong = if standing == Standing::Forged { "?" } else { "" };
                let both = format!("{}:correct horse{wrong}", person(standing));
                format!("authorization: Basic {}\r\n", STANDARD.encode(both))
            }
            Kind::KnownCertificate => self.partners.known(standing).field(),
            Kind::SignedCertificate => self.partners.signed(standing).field(),
            Kind::JwtAndCertificate => {
                let stolen = standing == Standing::Forged;
                let shown = if stolen { &self.partners.unknown } else { &self.partners.known[0] };
                bearer(&self.jwt(kind, standing, &none)) + &shown.field()
            }
        };
        (target, fields)
    }
}

/// Takes back what was good.
pub(crate) fn take_back(known: &mut Knowledge) {
    for kind in KINDS {
        for issuer in [ISSUER, PROVIDER] {
            known.revoked.insert((issuer.to_owned(), jti(kind, Standing::Revoked)));
        }
    }
    known.people.remove(&person(Standing::Revoked));
    known.ended.insert(person(Standing::Revoked));
    known.tokens.retain(|(_, token), _| !token.ends_with("revoked"));
}

fn jti(kind: Kind, standing: Standing) -> String {
    format!("{kind:?}-{standing:?}")
}

fn opaque(kind: Kind, standing: Standing) -> String {
    let begins = if kind == Kind::Opaque { "kmat_" } else { "corp_" };
    format!("{begins}{standing:?}").to_lowercase()
}

fn person(standing: Standing) -> String {
    format!("{standing:?}").to_lowercase()
}

pub(crate) fn api_key(kind: Kind, standing: Standing) -> String {
    format!("kmak_production_{kind:?}{standing:?}")
}
