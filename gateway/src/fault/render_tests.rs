//! What a client reads when the gateway refuses.

use base64::Engine as _;
use http_body_util::BodyExt as _;
use prost::Message as _;

use super::*;
use crate::fault::{Limit, TokenRefused};

/// 2026-02-28T23:59:30Z.
const NOW: i64 = 1_772_323_170;

fn shown(fault: &Fault, format: Format) -> String {
    let answer = render(fault, format, NOW);
    let mut text = format!("{}\n", answer.status().as_u16());
    for (name, value) in answer.headers() {
        let _ = writeln!(text, "{name}: {}", value.to_str().unwrap());
    }
    let body = futures_util::FutureExt::now_or_never(answer.into_body().collect());
    let body = body.unwrap().unwrap().to_bytes();
    text.push_str(std::str::from_utf8(&body).unwrap());
    text
}

#[track_caller]
fn check(fault: &Fault, format: Format, expected: &str) {
    assert_eq!(shown(fault, format), expected);
}

const THROTTLED: Fault =
    Fault::Throttled { limit: Limit::Subscription, retry_after_us: 30_000_001 };

#[test]
fn a_missing_api_is_told_as_wso2_tells_it() {
    check(
        &Fault::NoApi,
        Format::Json,
        "404\ncontent-type: application/json\n\
         {\"code\":\"404\",\"type\":\"Status report\",\"message\":\"Not Found\",\
         \"description\":\"The requested resource is not available.\"}",
    );
}

#[test]
fn an_invalid_token_is_challenged_with_its_error() {
    check(
        &Fault::InvalidToken(TokenRefused::Refused(jose::Refusal::Expired)),
        Format::Xml,
        "401\ncontent-type: application/xml; charset=utf-8\n\
         www-authenticate: Bearer realm=\"Turnpike\", error=\"invalid_token\", \
         error_description=\"The access token expired\"\n\
         <ams:fault xmlns:ams=\"http://wso2.org/apimanager/security\"><ams:code>900901</ams:code>\
         <ams:message>Invalid Credentials</ams:message><ams:description>Invalid Credentials. \
         Make sure you have provided the correct security credentials</ams:description>\
         </ams:fault>",
    );
}

#[test]
fn a_missing_token_is_challenged_without_an_error() {
    let text = shown(&Fault::MissingCredentials, Format::Json);
    assert!(text.contains("\nwww-authenticate: Bearer realm=\"Turnpike\"\n"), "{text}");
}

#[test]
fn a_missing_scope_names_what_is_needed() {
    let text = shown(&Fault::MissingScope { scopes: "a b".to_owned() }, Format::Json);
    let challenge = "Bearer realm=\"Turnpike\", error=\"insufficient_scope\", scope=\"a b\"\n";
    assert!(text.starts_with("403\n") && text.contains(challenge), "{text}");
}

#[test]
fn every_401_has_a_challenge_and_only_a_bad_token_is_blamed() {
    let bad = Fault::InvalidToken(TokenRefused::Issuer);
    for (fault, challenged, blamed) in [
        (bad, true, true),
        (Fault::MissingCredentials, true, false),
        (Fault::SubscriptionBlocked, true, false),
        (Fault::SubscriptionInactive, true, false),
        (Fault::BackendRefusedToken, true, false),
        (Fault::NotSubscribed, false, false),
        (Fault::NoEndpoint { key_type: "sandbox" }, false, false),
        (Fault::BackendBusy, false, false),
    ] {
        let text = shown(&fault, Format::Json);
        assert_eq!(text.starts_with("401\n"), challenged, "{text}");
        let challenge = text.lines().find(|line| line.starts_with("www-authenticate: Bearer "));
        assert_eq!(challenge.is_some(), challenged, "{text}");
        assert_eq!(challenge.is_some_and(|line| line.contains("error=")), blamed, "{text}");
    }
}

#[test]
fn a_throttled_client_is_told_when_to_come_again() {
    check(
        &THROTTLED,
        Format::Json,
        "429\ncontent-type: application/json\nretry-after: 31\n\
         {\"code\":\"900804\",\"message\":\"Message throttled out\",\
         \"description\":\"You have exceeded your quota. You can access API after 31 seconds\",\
         \"nextAccessTime\":\"2026-Mar-01 00:00:01+0000 UTC\"}",
    );
}

#[test]
fn every_limit_is_told_in_every_form() {
    for (limit, status, code, grpc) in [
        (Limit::Api, "429", "900800", "8"),
        (Limit::Backend, "503", "900801", "14"),
        (Limit::Operation, "429", "900802", "8"),
        (Limit::Application, "429", "900803", "8"),
        (Limit::Subscription, "429", "900804", "8"),
        (Limit::Custom, "429", "900806", "8"),
        (Limit::SubscriptionBurst, "429", "900807", "8"),
        (Limit::ApplicationBurst, "429", "900809", "8"),
    ] {
        let fault = Fault::Throttled { limit, retry_after_us: 30_000_001 };
        let when = "nextAccessTime";
        for (format, number) in [
            (Format::Json, format!("\"code\":\"{code}\"")),
            (Format::Problem, format!("\"code\":\"{code}\"")),
            (Format::Xml, format!("<amt:code>{code}</amt:code>")),
            (Format::Soap11, format!("<amt:code>{code}</amt:code>")),
            (Format::Soap12, format!("<amt:code>{code}</amt:code>")),
        ] {
            let text = shown(&fault, format);
            assert!(text.starts_with(status) && text.contains(&number), "{text}");
            assert!(text.contains("\nretry-after: 31\n") && text.contains(when), "{text}");
        }
        let answer = render(&fault, Format::Grpc, NOW);
        assert_eq!(
            (answer.status().as_u16(), answer.headers()["grpc-status"].to_str().unwrap()),
            (200, grpc)
        );
        assert_eq!(answer.headers()["retry-after"], "31");
    }
}

#[test]
fn a_throttled_grpc_client_is_told_when_to_come_again() {
    let status = grpc_status(&THROTTLED);
    let [info, retry] = status.details.as_slice() else { panic!("{status:?}") };
    let info = grpc::ErrorInfo::decode(info.value.as_slice()).unwrap();
    let retry = grpc::RetryInfo::decode(retry.value.as_slice()).unwrap();
    let delay = retry.retry_delay.unwrap();
    assert_eq!((status.code, info.reason.as_str(), delay.seconds), (8, "900804", 31));
}

#[test]
fn a_problem_carries_the_same_number() {
    check(
        &Fault::BackendTimeout,
        Format::Problem,
        "504\ncontent-type: application/problem+json\n\
         {\"type\":\"urn:turnpike:fault:101504\",\"title\":\"Gateway Timeout\",\"status\":504,\
         \"detail\":\"The back end did not answer in time\",\"code\":\"101504\"}",
    );
}

#[test]
fn a_soap_client_reads_whose_fault_it_is() {
    let auth = shown(&Fault::MissingCredentials, Format::Soap11);
    assert!(auth.contains("<faultcode>soapenv:Client</faultcode>"), "{auth}");
    let throttled = shown(&THROTTLED, Format::Soap12);
    assert!(throttled.contains("<soapenv:Value>soapenv:Receiver</soapenv:Value>"), "{throttled}");
}

#[test]
fn a_refused_method_lists_the_others() {
    let text = shown(&Fault::MethodNotAllowed { allow: "GET, PUT".to_owned() }, Format::Json);
    assert!(text.starts_with("405\n") && text.contains("\nallow: GET, PUT\n"), "{text}");
}

#[test]
fn a_grpc_client_gets_a_status_with_our_number_in_its_details() {
    let answer = render(&Fault::NotSubscribed, Format::Grpc, NOW);
    assert_eq!(answer.status(), 200);
    assert!(answer.body().is_empty());
    assert_eq!(answer.headers()["grpc-status"], "7");
    let status = grpc_status(&Fault::NotSubscribed);
    let info = grpc::ErrorInfo::decode(status.details[0].value.as_slice()).unwrap();
    assert_eq!((status.code, info.reason.as_str()), (7, "900908"));
}

fn grpc_status(fault: &Fault) -> grpc::Status {
    let answer = render(fault, Format::Grpc, NOW);
    let details = answer.headers()["grpc-status-details-bin"].as_bytes();
    let details = base64::engine::general_purpose::STANDARD_NO_PAD.decode(details).unwrap();
    grpc::Status::decode(details.as_slice()).unwrap()
}
