//! How does a fault look on the wire?
//!
//! The only place that writes an error. Bodies are those that clients of the WSO2 gateway already
//! parse, and RFC 9457 for those who accept it.

use std::fmt::Write as _;

use http::header::{
    ALLOW, CONTENT_TYPE, RETRY_AFTER, SEC_WEBSOCKET_VERSION, UPGRADE, WWW_AUTHENTICATE,
};
use http::{HeaderValue, Response, StatusCode};

use super::challenge::bearer;
use super::code::{Class, Row};
use super::format::Format;
use super::grpc;
use super::reason::{Fault, Worded};
use crate::body::Body;
use crate::date::{Date, time_of_day};

/// The answer that tells `fault`; `now_unix` is the time in seconds.
pub fn render(fault: &Fault, format: Format, now_unix: i64) -> Response<Body> {
    let mut row = fault.row();
    let worded = match fault {
        Fault::NotPermitted(worded) => worded.as_deref(),
        _ => None,
    };
    if let Some(worded) = worded {
        row.status = worded.status;
    }
    let mut answer = match (format, worded) {
        (Format::Grpc, _) => trailers_only(fault, row),
        (_, Some(worded)) => in_words(worded, fault, row, format, now_unix),
        (_, None) => with_body(fault, row, format, now_unix),
    };
    let headers = answer.headers_mut();
    if let Some(seconds) = fault.retry_after_s() {
        headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
    }
    match fault {
        Fault::MethodNotAllowed { allow } => {
            if let Ok(allow) = HeaderValue::try_from(allow.as_str()) {
                headers.insert(ALLOW, allow);
            }
        }
        Fault::WebSocketVersion => {
            headers.insert(SEC_WEBSOCKET_VERSION, HeaderValue::from_static("13"));
            headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
        }
        _ => {}
    }
    if let Some(challenge) = bearer(fault)
        && let Ok(challenge) = HeaderValue::try_from(challenge)
    {
        headers.insert(WWW_AUTHENTICATE, challenge);
    }
    answer
}

/// The answer that somebody else words, as far as they do. A client of gRPC reads no other words
/// than a status.
fn in_words(
    worded: &Worded,
    fault: &Fault,
    row: Row,
    format: Format,
    now_unix: i64,
) -> Response<Body> {
    let mut answer = with_body(fault, row, format, now_unix);
    let headers = answer.headers_mut();
    let kept = worded.body.is_empty().then(|| headers.remove(CONTENT_TYPE)).flatten();
    headers.clone_from(&worded.headers);
    if let Some(kept) = kept {
        headers.insert(CONTENT_TYPE, kept);
    } else if !headers.contains_key(CONTENT_TYPE) {
        // Nobody is to guess that it is a page.
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    }
    if row.status == StatusCode::UNAUTHORIZED && !headers.contains_key(WWW_AUTHENTICATE) {
        headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer realm=\"Turnpike\""));
    }
    if !worded.body.is_empty() {
        *answer.body_mut() = Body::full(worded.body.clone());
    }
    answer
}

fn with_body(fault: &Fault, row: Row, format: Format, now_unix: i64) -> Response<Body> {
    let (media, text) = match format {
        Format::Problem => ("application/problem+json", problem(fault, row, now_unix)),
        Format::Xml => ("application/xml; charset=utf-8", xml(fault, row, now_unix)),
        Format::Soap11 => ("text/xml; charset=utf-8", soap11(fault, row, now_unix)),
        Format::Soap12 => ("application/soap+xml; charset=utf-8", soap12(fault, row, now_unix)),
        Format::Json | Format::Grpc => ("application/json", json(fault, row, now_unix)),
    };
    let mut answer = Response::new(Body::full(text));
    *answer.status_mut() = row.status;
    answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(media));
    answer
}

/// What WSO2 clients parse; the order is theirs too.
#[derive(serde::Serialize)]
struct Report<'a> {
    code: String,
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    kind: Option<&'static str>,
    message: &'a str,
    description: String,
    #[serde(rename = "nextAccessTime", skip_serializing_if = "Option::is_none")]
    next_access_time: Option<String>,
}

/// RFC 9457 §3.1, and our number.
#[derive(serde::Serialize)]
struct Problem<'a> {
    #[serde(rename = "type")]
    kind: String,
    title: &'a str,
    status: u16,
    detail: String,
    code: String,
    #[serde(rename = "nextAccessTime", skip_serializing_if = "Option::is_none")]
    next_access_time: Option<String>,
}

fn json(fault: &Fault, row: Row, now_unix: i64) -> String {
    written(&Report {
        code: row.code.to_string(),
        kind: report_type(row),
        message: row.message,
        description: fault.to_string(),
        next_access_time: next_access(fault, now_unix),
    })
}

fn problem(fault: &Fault, row: Row, now_unix: i64) -> String {
    written(&Problem {
        kind: format!("urn:turnpike:fault:{}", row.code),
        title: row.message,
        status: row.status.as_u16(),
        detail: fault.to_string(),
        code: row.code.to_string(),
        next_access_time: next_access(fault, now_unix),
    })
}

/// Text and numbers always have a JSON form, so nothing is lost by the default.
fn written(body: &impl serde::Serialize) -> String {
    serde_json::to_string(body).unwrap_or_default()
}

fn report_type(row: Row) -> Option<&'static str> {
    matches!(row.class, Class::Target | Class::Other).then_some("Status report")
}

fn xml(fault: &Fault, row: Row, now_unix: i64) -> String {
    let (prefix, namespace) = match row.class {
        Class::Auth => ("ams", "http://wso2.org/apimanager/security"),
        Class::Throttled => ("amt", "http://wso2.org/apimanager/throttling"),
        Class::Target | Class::Other => ("am", "http://wso2.org/apimanager"),
    };
    let mut body = format!("<{prefix}:fault xmlns:{prefix}=\"{namespace}\">");
    let mut element = |name: &str, text: &str| {
        let _ = write!(body, "<{prefix}:{name}>{}</{prefix}:{name}>", escaped(text));
    };
    element("code", &row.code.to_string());
    if let Some(kind) = report_type(row) {
        element("type", kind);
    }
    element("message", row.message);
    element("description", &fault.to_string());
    if let Some(at) = next_access(fault, now_unix) {
        element("nextAccessTime", &at);
    }
    let _ = write!(body, "</{prefix}:fault>");
    body
}

fn soap11(fault: &Fault, row: Row, now_unix: i64) -> String {
    let side = if row.class == Class::Auth { "Client" } else { "Server" };
    format!(
        "<soapenv:Envelope xmlns:soapenv=\"http://schemas.xmlsoap.org/soap/envelope/\">\
         <soapenv:Body><soapenv:Fault><faultcode>soapenv:{side}</faultcode>\
         <faultstring>{}</faultstring><detail>{}</detail>\
         </soapenv:Fault></soapenv:Body></soapenv:Envelope>",
        escaped(row.message),
        xml(fault, row, now_unix)
    )
}

fn soap12(fault: &Fault, row: Row, now_unix: i64) -> String {
    let side = if row.class == Class::Auth { "Sender" } else { "Receiver" };
    format!(
        "<soapenv:Envelope xmlns:soapenv=\"http://www.w3.org/2003/05/soap-envelope\">\
         <soapenv:Body><soapenv:Fault><soapenv:Code><soapenv:Value>soapenv:{side}\
         </soapenv:Value></soapenv:Code><soapenv:Reason>\
         <soapenv:Text xml:lang=\"en\">{}</soapenv:Text></soapenv:Reason>\
         <soapenv:Detail>{}</soapenv:Detail>\
         </soapenv:Fault></soapenv:Body></soapenv:Envelope>",
        escaped(row.message),
        xml(fault, row, now_unix)
    )
}

fn trailers_only(fault: &Fault, row: Row) -> Response<Body> {
    let mut answer = Response::new(Body::Empty);
    let headers = answer.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
    for (name, value) in grpc::fields(fault, row) {
        headers.insert(name, value);
    }
    answer
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

/// When a throttled client may come again, as `2026-Jan-31 23:59:59+0000 UTC`.
fn next_access(fault: &Fault, now_unix: i64) -> Option<String> {
    let Fault::Throttled { retry_after_us, .. } = fault else { return None };
    if now_unix <= 0 {
        return None;
    }
    let wait = i64::try_from(retry_after_us.div_ceil(1_000_000)).ok()?;
    let at = now_unix.checked_add(wait)?;
    let date = Date::of(at);
    let (hour, minute, second) = time_of_day(at);
    let (year, month, day) = (date.year, date.month_name(), date.day);
    Some(format!("{year:04}-{month}-{day:02} {hour:02}:{minute:02}:{second:02}+0000 UTC"))
}

#[cfg(test)]
#[path = "render_tests.rs"]
mod tests;
