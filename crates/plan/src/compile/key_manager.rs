//! Whose tokens are believed, and how are they checked?

use std::sync::Arc;

use jose::{Algorithm, Claims, Expectation, KeySet};
use turnpike_proto::config::v1::{KeyManager, KeyManagerSpec};

use super::claim_names::{ClaimNames, compile_claim_names};
use super::head::{has_control, required};
use super::provider::check_provider;
use super::token_pattern::TokenPattern;
use crate::problem::{At, Problems, did_you_mean, nearest};

const RESIDENT: &str = "resident";
/// How opaque access tokens of our own key manager begin.
const OPAQUE_PREFIX: &str = "kmat_";
const DEFAULT_SKEW_SECONDS: u32 = 5;
const MAX_SKEW_SECONDS: u32 = 300;
const MOST_CACHE_SECONDS: u32 = 60;
const MOST_PATTERNS: usize = 16;

/// A key manager, ready to verify.
#[derive(Clone, Debug)]
pub struct KeyManagerPlan {
    /// Its name.
    pub name: Arc<str>,
    /// The `iss` of its tokens. Empty for the built-in `resident`: it comes with its keys.
    pub issuer: Arc<str>,
    /// Whether it is in use.
    pub enabled: bool,
    /// Its keys, where the resource holds them. `None`: they come from the key manager over gRPC.
    pub keys: Option<Arc<KeySet>>,
    /// What its tokens must be; `issuer` as above.
    pub expectation: Expectation,
    /// The claim that holds the client identifier; `None`: `client_id`, else `azp`.
    pub consumer_key_claim: Option<Arc<str>>,
    /// What its scopes and claims are called here.
    pub names: ClaimNames,
    /// How it is asked about tokens; `None`: it is not.
    pub introspection: Option<IntrospectionPlan>,
    /// Which tokens that are no JWT are its own.
    pub token_patterns: Vec<TokenPattern>,
}

/// How a key manager is asked about tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IntrospectionPlan {
    /// Whether it is asked about its JWTs too.
    pub jwt: bool,
    /// How long an answer counts.
    pub cache_seconds: u32,
}

impl KeyManagerPlan {
    /// The client identifier of a token.
    pub fn consumer_key<'c>(&self, claims: &'c Claims) -> Option<&'c str> {
        match &self.consumer_key_claim {
            Some(claim) => claims.text(claim),
            None => claims.client_id.as_deref(),
        }
    }
}

/// What our own key manager may sign with.
const OURS: [Algorithm; 5] =
    [Algorithm::ES256, Algorithm::RS256, Algorithm::ES384, Algorithm::PS256, Algorithm::EdDSA];

/// How our own key manager is asked about tokens that say nothing by themselves.
const RESIDENT_INTROSPECTION: IntrospectionPlan =
    IntrospectionPlan { jwt: false, cache_seconds: MOST_CACHE_SECONDS };

/// Whether a token that names no issuer is one of our own key manager's.
pub(crate) fn is_of_resident(token: &str) -> bool {
    token.starts_with(OPAQUE_PREFIX)
}

/// `resident` where no resource describes it.
pub(crate) fn built_in_resident() -> KeyManagerPlan {
    KeyManagerPlan {
        name: RESIDENT.into(),
        issuer: "".into(),
        keys: None,
        expectation: Expectation { algorithms: OURS.to_vec(), ..Expectation::access_token("") },
        enabled: true,
        consumer_key_claim: None,
        names: ClaimNames::default(),
        introspection: Some(RESIDENT_INTROSPECTION),
        token_patterns: Vec::new(),
    }
}

pub(crate) fn compile_key_manager(
    name: &str,
    key_manager: &KeyManager,
    problems: &mut Problems,
) -> Option<KeyManagerPlan> {
    let spec = required(key_manager.spec.as_ref(), problems)?;
    let root = At::ROOT;
    let at = root.name("spec");
    if spec.issuer.is_empty() || spec.issuer.len() > 2_048 || has_control(&spec.issuer) {
        let reason = "an issuer is the `iss` of the tokens, at most 2048 bytes";
        problems.add(&at.name("issuer"), reason, "write it as the tokens do");
    }
    let algorithms = match spec.algorithms.as_slice() {
        [] => vec![Algorithm::ES256, Algorithm::RS256],
        names => compile_algorithms(names, &at.name("algorithms"), problems),
    };
    let keys = compile_keys(name, spec, &algorithms, &at.name("jwks"), problems);
    let skew_seconds = spec.clock_skew_seconds.unwrap_or(DEFAULT_SKEW_SECONDS);
    if skew_seconds > MAX_SKEW_SECONDS {
        let reason = format!("{skew_seconds} seconds are too far, at most {MAX_SKEW_SECONDS}");
        problems.add(&at.name("clockSkewSeconds"), reason, "set the clocks");
    }
    for (index, audience) in spec.audiences.iter().enumerate() {
        if audience.is_empty() || audience.len() > 2_048 {
            let reason = "an audience has 1 to 2048 bytes";
            problems.add(&at.name("audiences").index(index), reason, "");
        }
    }
    if name != RESIDENT && spec.audiences.is_empty() && !spec.any_audience {
        let reason = "tokens that were issued for anybody else would be taken";
        let suggestion = "name the audiences, or write `anyAudience: true`";
        problems.add(&at.name("audiences"), reason, suggestion);
    }
    if spec.any_audience && !spec.audiences.is_empty() {
        problems.add(&at.name("anyAudience"), "audiences are named too", "leave out one of them");
    }
    if spec.consumer_key_claim.len() > 256 {
        problems.add(&at.name("consumerKeyClaim"), "a claim's name has at most 256 bytes", "");
    }
    let names = compile_claim_names(spec, &at, problems);
    let introspection = if name == RESIDENT && keys.is_none() {
        Some(RESIDENT_INTROSPECTION)
    } else {
        compile_introspection(spec, &at.name("introspection"), problems)
    };
    let token_patterns = compile_patterns(spec, &at.name("tokenPatterns"), problems);
    check_provider(name == RESIDENT, spec, &at, problems);
    let base = Expectation::access_token(spec.issuer.as_str());
    // Our own tokens say `at+jwt` (RFC 9068); other issuers seldom do.
    let base = if name == RESIDENT && keys.is_none() { base } else { base.any_jwt_type() };
    problems.is_empty().then(|| KeyManagerPlan {
        name: name.into(),
        issuer: spec.issuer.as_str().into(),
        enabled: spec.enabled.unwrap_or(true),
        keys: keys.map(Arc::new),
        expectation: Expectation {
            audiences: spec.audiences.clone(),
            algorithms,
            skew_seconds,
            ..base
        },
        consumer_key_claim: (!spec.consumer_key_claim.is_empty())
            .then(|| spec.consumer_key_claim.as_str().into()),
        names,
        introspection,
        token_patterns,
    })
}

fn compile_introspection(
    spec: &KeyManagerSpec,
    at: &At<'_>,
    problems: &mut Problems,
) -> Option<IntrospectionPlan> {
    let asked = spec.introspection.as_ref();
    // A connector is asked whether that is said or not.
    if asked.is_none() && spec.connector.is_none() {
        return None;
    }
    let jwt = asked.is_some_and(|asked| asked.jwt);
    let cache_seconds = asked.and_then(|asked| asked.cache_seconds);
    let cache_seconds = cache_seconds.unwrap_or(MOST_CACHE_SECONDS);
    if !(1..=MOST_CACHE_SECONDS).contains(&cache_seconds) {
        let reason = format!("an answer counts 1 to {MOST_CACHE_SECONDS} seconds");
        problems.add(&at.name("cacheSeconds"), reason, "");
    }
    Some(IntrospectionPlan { jwt, cache_seconds })
}

fn compile_patterns(
    spec: &KeyManagerSpec,
    at: &At<'_>,
    problems: &mut Problems,
) -> Vec<TokenPattern> {
    if spec.token_patterns.len() > MOST_PATTERNS {
        problems.add(at, format!("there are more than {MOST_PATTERNS}"), "");
        return Vec::new();
    }
    let nobody = spec.introspection.is_none() && spec.connector.is_none();
    if !spec.token_patterns.is_empty() && nobody {
        let suggestion = "write `introspection`, or leave out the patterns";
        problems.add(at, "nobody is asked about the tokens", suggestion);
    }
    let mut patterns = Vec::with_capacity(spec.token_patterns.len());
    for (index, text) in spec.token_patterns.iter().enumerate() {
        match TokenPattern::parse(text) {
            Ok(pattern) => patterns.push(pattern),
            Err(reason) => problems.add(&at.index(index), reason, ""),
        }
    }
    patterns
}

/// Signature algorithms by their names.
pub(crate) fn compile_algorithms(
    names: &[String],
    at: &At<'_>,
    problems: &mut Problems,
) -> Vec<Algorithm> {
    let mut algorithms = Vec::with_capacity(Algorithm::ALL.len());
    for (index, text) in names.iter().enumerate() {
        match text.parse::<Algorithm>() {
            Ok(algorithm) if algorithms.contains(&algorithm) => {
                problems.add(&at.index(index), "the algorithm stands twice", "keep one of them");
            }
            Ok(algorithm) => algorithms.push(algorithm),
            Err(error) => {
                let near = nearest(text, Algorithm::ALL.map(Algorithm::name));
                problems.add(&at.index(index), error.to_string(), did_you_mean(near));
            }
        }
    }
    algorithms
}

fn compile_keys(
    name: &str,
    spec: &KeyManagerSpec,
    algorithms: &[Algorithm],
    at: &At<'_>,
    problems: &mut Problems,
) -> Option<KeySet> {
    if spec.jwks.is_empty() {
        return None;
    }
    if name != RESIDENT && !spec.jwks_uri.is_empty() {
        problems.add(at, "`jwksUri` says where its keys are", "leave out one of them");
    }
    let keys = match KeySet::parse(&spec.jwks) {
        Ok(keys) => keys,
        Err(error) => {
            problems.add(at, error.to_string(), "");
            return None;
        }
    };
    let usable = |key: &jose::Key| algorithms.iter().any(|algorithm| key.fits(*algorithm));
    if !keys.keys().iter().any(usable) {
        let names: Vec<&str> = algorithms.iter().map(|algorithm| algorithm.name()).collect();
        let reason = format!("no key of the set can verify {}", names.join(" or "));
        problems.add(at, reason, "add a key, or its algorithm to `algorithms`");
    }
    Some(keys)
}
