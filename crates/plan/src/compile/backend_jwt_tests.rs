//! What backends are told, and what is refused.

use crate::fixtures::{lines, resources};
use crate::{BackendJwtPlan, Objects, Part, Plan, admit};

/// The plan of an API with this `backendJwt`, and what admission says to it otherwise.
fn made(spec: &str) -> Result<(Plan, BackendJwtPlan), String> {
    let api = resources(&format!("api a 1 /a + {spec}"));
    let admitted = admit(&Objects::new(), &api, &[]).map_err(|problems| lines(&problems))?;
    let all: Vec<_> =
        admitted.upserts.iter().map(|one| (one.key().clone(), one.bytes().clone())).collect();
    let plan = Plan::empty().next(&all, &[]).0;
    let jwt = plan.api("a:1").unwrap().backend_jwt.as_deref().cloned();
    Ok((plan, jwt.expect("a plan")))
}

/// Compares field, audience, seconds, algorithm, dialect and encoding, and whether it is on.
#[track_caller]
fn check(written: &str, expected: &str) {
    let (plan, jwt) = made(&format!("backendJwt: {{{written}}}")).unwrap();
    let said = format!(
        "{} {} {} {} {:?} {:?}{}",
        jwt.header,
        jwt.audience.as_deref().unwrap_or("-"),
        jwt.lifetime.as_secs(),
        jwt.algorithm,
        jwt.dialect,
        jwt.encoding,
        if jwt.enabled { "" } else { " off" }
    );
    assert_eq!(said, expected);
    assert!(plan.jwt_fields().eq([&jwt.header]));
    assert_eq!(plan.jwt_algorithms().next().is_some(), jwt.enabled);
}

/// What admission says.
fn said(spec: &str) -> String {
    made(spec).err().unwrap_or_else(|| "ok".to_owned())
}

#[test]
fn what_is_not_written_has_a_default() {
    check("", "x-jwt-assertion - 60 ES256 Turnpike Base64url");
    check("enabled: false", "x-jwt-assertion - 60 ES256 Turnpike Base64url off");
    check(
        "header: X-Caller, audience: 'urn:orders', lifetime: 30s, algorithm: EdDSA, dialect: wso2, \
         encoding: base64",
        "x-caller urn:orders 30 EdDSA Wso2 Base64",
    );
}

#[test]
fn claims_are_cut_into_parts_when_published() {
    let spec = "backendJwt: {claims: {a: 'v1', b: '${token.claims.email}', \
                c: '${user.name}@${request.header.X-Tenant}', d: '$${x}'}}";
    let (_, jwt) = made(spec).unwrap();
    let spelled = |part: &Part| match part {
        Part::Text(text) => text.to_string(),
        Part::Variable(variable) => format!("<{variable:?}>"),
    };
    let all = jwt.claims.iter().map(|claim| {
        format!("{}={}", claim.name, claim.value.iter().map(spelled).collect::<String>())
    });
    let expected = [
        "a=v1",
        "b=<TokenClaim(\"email\")>",
        "c=<UserName>@<RequestHeader(\"x-tenant\")>",
        "d=${x}",
    ];
    assert_eq!(all.collect::<Vec<_>>(), expected);
}

#[test]
fn what_cannot_be_told_is_refused_with_its_place() {
    insta::assert_snapshot!(
        said("backendJwt: {header: Transfer-Encoding, lifetime: 61s, algorithm: none, encoding: base64}"),
        @"
Api/a:1: spec.backendJwt.header: `Transfer-Encoding` is written by the gateway already; leave it out, or name a field of your own
Api/a:1: spec.backendJwt.lifetime: it is not from 5s to 60s
Api/a:1: spec.backendJwt.algorithm: `none` is nothing that is signed with here; write ES256, ES384, EdDSA or RS256
Api/a:1: spec.backendJwt.encoding: a JWT in `base64` is read by no library, only by backends of WSO2; leave it out, or write `dialect: wso2`
"
    );
    insta::assert_snapshot!(
        said("backendJwt: {header: x-request-id, algorithm: HS256, claims: {sub: a, app: b, e: '', \
              f: '${request.id}', g: '${token.claims.}', h: '${request.header.cookie}', i: '${user.nam}', \
              j: '${x'}}"),
        @"
Api/a:1: spec.backendJwt.header: `x-request-id` is written by the gateway already; leave it out, or name a field of your own
Api/a:1: spec.backendJwt.algorithm: `HS256` is nothing that is signed with here; write ES256, ES384, EdDSA or RS256
Api/a:1: spec.backendJwt.claims.app: the gateway says this claim itself; choose another name
Api/a:1: spec.backendJwt.claims.e: a value is missing; leave the claim out
Api/a:1: spec.backendJwt.claims.f: it would be another one in every call, and each would have to be signed; backends find the call's name in `X-Request-Id`
Api/a:1: spec.backendJwt.claims.g: the name of a claim has 1 to 256 bytes; write for example `${token.claims.email}`
Api/a:1: spec.backendJwt.claims.h: `cookie` carries credentials of the client; name another field
Api/a:1: spec.backendJwt.claims.i: there is no variable `user.nam`; did you mean `user.name`?
Api/a:1: spec.backendJwt.claims.j: a `${` is not closed; write `}` behind it, or `$${` for `${`
Api/a:1: spec.backendJwt.claims.sub: the gateway says this claim itself; choose another name
"
    );
    insta::assert_snapshot!(
        said("backendJwt: {dialect: wso2, claims: {app: mine, 'http://wso2.org/claims/tier': x}}"),
        @r#"Api/a:1: spec.backendJwt.claims["http://wso2.org/claims/tier"]: the gateway says this claim itself; choose another name"#
    );
}

#[test]
fn a_field_has_one_writer() {
    let spec = "backendJwt: {header: X-Key}, endpoints: {production: {urls: ['http://127.0.0.1:1'], \
                security: {apiKey: {header: x-key, secret: key}}}}";
    let both = resources(&format!("secret key s\napi a 1 /a + {spec}"));
    let problems = admit(&Objects::new(), &both, &[]).expect_err("two writers");
    insta::assert_snapshot!(lines(&problems), @"Api/a:1: spec.backendJwt.header: an endpoint has its own credential in `x-key`; name another field");
}

#[test]
fn what_no_api_says_any_more_is_forgotten() {
    let (plan, _) = made("backendJwt: {header: X-Mine, algorithm: RS256}").unwrap();
    let key = plan.api("a:1").unwrap().key.clone();
    let plan = plan.next(&[], &[key]).0;
    assert_eq!((plan.jwt_fields().len(), plan.jwt_algorithms().len()), (0, 0));
}
