//! How are our values written as messages?

use prost_types::Timestamp;
use serde_json::Value;
use turnpike_proto::identity::v1 as proto;
use turnpike_proto::identity::v1::revocation::What;

use crate::domain::{Ended, LiveToken, Revocation, User};
use crate::endpoint::{Authenticated, Reply};
use crate::federation::{self, KnownKeys, Member};
use crate::issue::{Ring, Scheduled};
use crate::revocation::Batch;
use crate::store::{AuditLine, StoredSecret};

pub(super) fn key_set(issuer: &str, ring: &Ring) -> proto::KeySet {
    proto::KeySet { issuer: issuer.to_owned(), jwks: ring.jwks().to_owned() }
}

pub(super) fn signing_key(scheduled: Scheduled) -> proto::SigningKey {
    let Scheduled { key, until } = scheduled;
    proto::SigningKey {
        kid: key.kid,
        algorithm: key.algorithm.name().to_owned(),
        state: key.state.name().to_owned(),
        home: key.home.name().to_owned(),
        since: Some(time(key.since)),
        // An active key without a next one waits for that first.
        until: Some(until).filter(|until| *until > 0).map(time),
    }
}

/// Without when they were read: nothing changes for a gateway when they are read again.
pub(super) fn provider_keys(keys: &[KnownKeys]) -> proto::ProviderKeys {
    let one = |known: &KnownKeys| proto::ProviderKeySet {
        key_manager: known.provider.clone(),
        keys: Some(proto::KeySet { issuer: known.issuer.clone(), jwks: known.jwks.clone() }),
        read_at: None,
    };
    proto::ProviderKeys { providers: keys.iter().map(one).collect() }
}

pub(super) fn provider(member: &Member, status: federation::Status) -> proto::ProviderStatus {
    let provider = &member.provider;
    proto::ProviderStatus {
        name: provider.name.clone(),
        issuer: provider.issuer.clone(),
        enabled: provider.enabled,
        healthy: status.healthy,
        keys: u32::try_from(status.keys).unwrap_or(u32::MAX),
        keys_read_at: (status.keys_at > 0).then(|| time(status.keys_at)),
        last_error: status.error,
        last_error_at: (status.error_at > 0).then(|| time(status.error_at)),
    }
}

/// What a provider said of a token; `None`: it is not good.
pub(super) fn told(claims: Option<serde_json::Map<String, Value>>) -> proto::IntrospectResponse {
    let Some(claims) = claims else { return proto::IntrospectResponse::default() };
    proto::IntrospectResponse {
        active: true,
        claims: Value::Object(claims).to_string(),
        ..proto::IntrospectResponse::default()
    }
}

pub(super) fn client_secret(secret: StoredSecret) -> proto::ClientSecret {
    proto::ClientSecret {
        secret_id: secret.id,
        label: secret.label,
        created_at: Some(time(secret.created_at)),
        expires_at: secret.expires_at.map(time),
    }
}

pub(super) fn batch(batch: Batch) -> proto::WatchRevocationsResponse {
    proto::WatchRevocationsResponse {
        epoch: batch.epoch,
        sequence: batch.sequence,
        revocations: batch.revocations.into_iter().map(revocation).collect(),
        more: batch.more,
    }
}

pub(super) fn audit_line(line: AuditLine) -> proto::AuditLine {
    let AuditLine { sequence, note, hash, .. } = line;
    // What somebody changed may be no JSON any more; the rest of the line is shown all the same.
    let details = serde_json::from_str(&note.details).unwrap_or_default();
    proto::AuditLine {
        sequence,
        at: Some(time(note.at)),
        event: note.event,
        who: note.who,
        client: note.client,
        address: note.address,
        outcome: note.outcome,
        details,
        hash,
    }
}

pub(super) fn pending(user: User) -> proto::PendingUser {
    proto::PendingUser {
        user_id: user.id,
        name: user.name.to_string(),
        signed_up_at: Some(time(user.created_at)),
    }
}

fn revocation(revocation: Revocation) -> proto::Revocation {
    let (what, issued_until) = match revocation.entry.what {
        Ended::Token(jti) => (What::Jti(jti), None),
        Ended::Family(id) => (What::Family(id), None),
        Ended::Client(id, until) => (What::ClientId(id.to_string()), Some(until)),
        Ended::Subject(subject, until) => (What::Subject(subject), Some(until)),
    };
    proto::Revocation {
        sequence: revocation.sequence,
        issuer: revocation.entry.issuer,
        what: Some(what),
        issued_until: issued_until.map(time),
        forget_after: Some(time(revocation.entry.forget_after)),
    }
}

pub(super) fn introspected(found: Option<(LiveToken, String)>) -> proto::IntrospectResponse {
    let Some((token, claims)) = found else { return proto::IntrospectResponse::default() };
    proto::IntrospectResponse {
        active: true,
        client_id: token.client_id,
        subject: token.subject,
        scopes: token.scopes,
        issuer: token.issuer,
        audience: token.audience,
        expires_at: Some(time(token.expires_at)),
        issued_at: Some(time(token.issued_at)),
        jti: token.jti,
        confirmation_key: token.confirmation.key.unwrap_or_default(),
        confirmation_certificate: token.confirmation.certificate.unwrap_or_default(),
        roles: token.roles,
        allowed_ips: token.restrictions.networks,
        allowed_domains: token.restrictions.domains,
        claims,
    }
}

/// `issuer`: whose revocations of the person count.
pub(super) fn authenticated(found: Authenticated, issuer: &str) -> proto::AuthenticateResponse {
    match found {
        Authenticated::Person { user, at } => proto::AuthenticateResponse {
            user: Some(proto::AuthenticatedUser {
                roles: user.roles().iter().map(str::to_owned).collect(),
                subject: user.id,
                name: user.name.to_string(),
                authenticated_at: Some(time(at)),
                issuer: issuer.to_owned(),
            }),
            locked_seconds: 0,
        },
        Authenticated::Nobody => proto::AuthenticateResponse::default(),
        Authenticated::Locked { seconds } => {
            proto::AuthenticateResponse { user: None, locked_seconds: seconds }
        }
    }
}

/// `with_body`: a HEAD is answered without one.
pub(super) fn response(reply: Reply, with_body: bool) -> proto::ForwardResponse {
    let (head, body) = reply.into_parts();
    let field = |(name, value): (&http::HeaderName, &http::HeaderValue)| proto::HeaderField {
        name: name.as_str().to_owned(),
        value: value.as_bytes().to_vec(),
    };
    proto::ForwardResponse {
        status: u32::from(head.status.as_u16()),
        headers: head.headers.iter().map(field).collect(),
        body: if with_body { body.to_vec() } else { Vec::new() },
    }
}

/// Unix seconds.
fn time(seconds: i64) -> Timestamp {
    Timestamp { seconds, nanos: 0 }
}
