//! The signatures that AWS publishes for its test suite and in its guides.

use plan::{CredentialPlan, Plan};

use super::*;

const SECRET: &str = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";
/// 2015-08-30T12:36:00Z
const SUITE: i64 = 1_440_938_160;
const NOTHING: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

/// Keys as they come out of a configuration.
fn keys(access_key: &str, secret: &str, service: &str) -> AwsPlan {
    let yaml = format!(
        "{{apiVersion: turnpike/v1, kind: Secret, metadata: {{name: s}}, spec: {{value: \"{secret}\"}}}}\n\
         ---\n\
         {{apiVersion: turnpike/v1, kind: Api, metadata: {{name: a, version: \"1\"}}, spec: {{\
         context: /a, lifecycle: PUBLISHED, endpoints: {{production: {{urls: [\"https://b\"], \
         security: {{aws: {{accessKey: {access_key}, secret: s, region: us-east-1, \
         service: {service}}}}}}}}}}}}}"
    );
    let (resources, problems) = plan::read_document(&yaml, "");
    assert!(problems.is_empty(), "{problems:?}");
    let stored: Vec<_> =
        resources.iter().map(|one| (plan::key(one).unwrap(), plan::encode(one))).collect();
    let (plan, rejected) = Plan::empty().next(&stored, &[]);
    assert!(rejected.is_empty(), "{rejected:?}");
    let endpoint = plan.api("a:1").unwrap().production.clone().unwrap();
    match endpoint.credential.as_deref() {
        Some(CredentialPlan::Aws(aws)) => (**aws).clone(),
        other => panic!("{other:?}"),
    }
}

/// `head` is a request line and fields; the answer is the end of the Authorization field.
#[track_caller]
fn check(plan: &AwsPlan, unix: i64, head: &str, payload: &str, names: &str, signature: &str) {
    let head = head.replace('\n', "\r\n");
    let said = authorization(plan, &time(unix), payload, head.as_bytes());
    let end = format!("/aws4_request, SignedHeaders={names}, Signature={signature}");
    assert!(said.ends_with(&end), "{said}\n{end}");
}

#[track_caller]
fn suite(line: &str, fields: &str, payload: &str, names: &str, signature: &str) {
    let head = format!(
        "{line} HTTP/1.1\nhost: example.amazonaws.com\nx-amz-date: 20150830T123600Z\n{fields}"
    );
    let keys = keys("AKIDEXAMPLE", SECRET, "service");
    check(&keys, SUITE, &head, payload, names, signature);
}

#[test]
fn the_vectors_of_the_suite_come_out() {
    let plain = |line, signature| suite(line, "", NOTHING, "host;x-amz-date", signature);
    plain("GET /", "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31");
    plain(
        "GET /?Param2=value2&Param1=value1",
        "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500",
    );
    plain(
        "GET /?Param1=value2&Param1=Value1",
        "eedbc4e291e521cf13422ffca22be7d2eb8146eecf653089df300a15b2382bd1",
    );
    plain("GET /ሴ", "8318018e0b0f223aa2bbf98705b62bb787dc9c0e678f255a891fd03141be5d85");
    plain(
        "GET /-._~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz",
        "07ef7494c76fa4850883e2b006601f940f8a34d404d0cfa977f52a65bbf5f24f",
    );
    plain("GET //", "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31");
    suite(
        "POST /",
        "content-type: application/x-www-form-urlencoded\n",
        &hash(b"Param1=value1"),
        "content-type;host;x-amz-date",
        "ff11897932ad3f4e8b18135d722051e5ac45fc38421b1da7b9d196a0fe09473a",
    );
}

#[test]
fn the_example_of_the_general_reference_comes_out() {
    check(
        &keys("AKIDEXAMPLE", SECRET, "iam"),
        SUITE,
        "GET /?Action=ListUsers&Version=2010-05-08 HTTP/1.1\nhost: iam.amazonaws.com\n\
         x-amz-date: 20150830T123600Z\ncontent-type: application/x-www-form-urlencoded; charset=utf-8\n",
        NOTHING,
        "content-type;host;x-amz-date",
        "5d672d79c15b13162d9279b0855cfba6789a8edb4c82c400e06b5924a6f2b5d7",
    );
}

#[test]
fn every_field_that_is_needed_is_added_and_signed() {
    let mut out = b"GET /a%20b//c?x=1+2&x=%7e HTTP/1.1\r\nhost: b\r\nx-amz-meta-a:  1   2 \r\n\
        x-amz-meta-a: 3\r\naccept: x\r\n"
        .to_vec();
    let start = out.len();
    sign(&keys("AKID", "s", "s3"), SUITE, UNSIGNED, &mut out);
    let added = String::from_utf8(out.split_off(start)).unwrap();
    let lines: Vec<&str> = added.lines().collect();
    assert_eq!(lines[0], "x-amz-date: 20150830T123600Z");
    assert_eq!(lines[1], "x-amz-content-sha256: UNSIGNED-PAYLOAD");
    assert!(lines[2].starts_with("authorization: AWS4-HMAC-SHA256 Credential=AKID/20150830/"));
    assert!(
        lines[2].contains("SignedHeaders=host;x-amz-content-sha256;x-amz-date;x-amz-meta-a, "),
        "{}",
        lines[2]
    );
    assert_eq!(lines.len(), 3);
    assert_eq!(sorted("x=1+2&x=%7e&b"), "b=&x=1%202&x=~");
}

#[test]
fn s3_takes_a_path_as_it_is_and_others_encode_it_again() {
    let path = |service| canonical_path(&keys("A", "s", service), "/a%20b//c%2Fd/");
    assert_eq!(path("s3"), "/a%20b//c/d/");
    assert_eq!(path("execute-api"), "/a%2520b/c%252Fd/");
}
