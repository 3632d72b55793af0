//! With what is an API tried out by those who answer for it?
//!
//! A test key is signed like an access token and is none: its type and its audience are its own, and it
//! names no client, so that nobody who takes the one takes the other.

use jose::Expectation;
use serde::Serialize;
use serde_json::{Map, Value};
use turnpike_proto::test_key::{APIS, AUDIENCE, CLAIM, EXPLAIN_ONLY, SANDBOX, TYPE};

use super::IssueError;
use super::origin::Origin;
use super::recognise::expectation;
use crate::domain::LiveToken;

/// What stands before the name of whoever has asked: no person and no client is called so.
const SUBJECT_PREFIX: &str = "test-key:";

/// A test key to be made.
#[derive(Clone, Copy, Debug)]
pub struct TestKeyOrder<'o> {
    /// The APIs that it opens, `name:version`; empty: every one.
    pub apis: &'o [String],
    pub sandbox: bool,
    /// Whether it only explains.
    pub explain_only: bool,
    /// Who has asked for it.
    pub asked_by: &'o str,
    /// Its life.
    pub seconds: u32,
    /// Unix seconds.
    pub now: i64,
}

/// A test key to be handed out; it is not stored.
pub struct TestKey {
    pub key: String,
    /// By which it is known in the audit log.
    pub jti: String,
    /// Unix seconds.
    pub expires_at: i64,
}

impl std::fmt::Debug for TestKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TestKey").field("jti", &self.jti).finish_non_exhaustive()
    }
}

#[derive(Debug, Serialize)]
struct Claims<'t> {
    iss: &'t str,
    sub: String,
    aud: &'t str,
    iat: i64,
    exp: i64,
    jti: &'t str,
    #[serde(flatten)]
    ours: Map<String, Value>,
}

/// Makes a test key.
pub async fn issue_test_key(
    order: TestKeyOrder<'_>,
    origin: Origin<'_>,
) -> Result<TestKey, IssueError> {
    let jti = chassis::random::token(16);
    let expires_at = order.now.saturating_add(i64::from(order.seconds));
    let mut said = Map::new();
    if !order.apis.is_empty() {
        said.insert(APIS.to_owned(), Value::from(order.apis));
    }
    for (name, is) in [(SANDBOX, order.sandbox), (EXPLAIN_ONLY, order.explain_only)] {
        if is {
            said.insert(name.to_owned(), Value::Bool(true));
        }
    }
    let claims = Claims {
        iss: origin.issuer(),
        sub: format!("{SUBJECT_PREFIX}{}", order.asked_by),
        aud: AUDIENCE,
        iat: order.now,
        exp: expires_at,
        jti: &jti,
        ours: Map::from_iter([(CLAIM.to_owned(), Value::Object(said))]),
    };
    let signer = origin.ring.signer(origin.rules.algorithm)?;
    let key = signer.sign(TYPE, &claims).await?;
    Ok(TestKey { key, jti, expires_at })
}

/// Reads a test key back that is alive, apart from revocation, to end it. `None`: it is none of ours.
pub fn recognise_test_key(key: &str, origin: Origin<'_>, now: i64) -> Option<LiveToken> {
    let expect = Expectation {
        types: vec![TYPE.to_owned()],
        audiences: vec![AUDIENCE.to_owned()],
        ..expectation(origin.issuer())
    };
    let claims = jose::verify(key, origin.ring.verifying(), &expect, now).ok()?;
    let live = LiveToken {
        issuer: claims.issuer,
        subject: claims.subject?,
        audience: claims.audience,
        issued_at: claims.issued_at?,
        expires_at: claims.expires_at,
        jti: claims.jti?,
        ..LiveToken::default()
    };
    (live.expires_at > now).then_some(live)
}
