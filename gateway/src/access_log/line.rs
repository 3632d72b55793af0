//! How does a call look in the access log?
//!
//! As one JSON object with the names of `turnpike.usage.v1.Event`; what is not known is left out.

use std::io::Write as _;
use std::net::IpAddr;

use serde::Serialize;
use spool::Call;

use crate::hex::hex;

#[derive(Serialize)]
struct Line<'a> {
    at_us: i64,
    request_id: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    trace_id: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    api: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    api_version: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    operation: &'a str,
    method: &'a str,
    path: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    host: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    application: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    user: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    tier: &'a str,
    client_ip: Option<IpAddr>,
    #[serde(skip_serializing_if = "str::is_empty")]
    user_agent: &'a str,
    protocol: &'a str,
    status: u16,
    #[serde(skip_serializing_if = "is_zero")]
    backend_status: u16,
    #[serde(skip_serializing_if = "str::is_empty")]
    backend: &'a str,
    #[serde(skip_serializing_if = "is_none")]
    fault_code: u32,
    total_us: u64,
    backend_us: u64,
    security_us: u64,
    throttling_us: u64,
    request_bytes: u64,
    response_bytes: u64,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it so")]
const fn is_zero(number: &u16) -> bool {
    *number == 0
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it so")]
const fn is_none(number: &u32) -> bool {
    *number == 0
}

/// Appends the line of `call`.
pub(super) fn write(call: &Call<'_>, to: &mut Vec<u8>) {
    let (name, trace) = (hex(call.request_id), hex(call.trace_id));
    let line = Line {
        at_us: call.at_us,
        request_id: str::from_utf8(&name).unwrap_or_default(),
        trace_id: if call.trace_id == [0; 16] {
            ""
        } else {
            str::from_utf8(&trace).unwrap_or_default()
        },
        api: call.api,
        api_version: call.api_version,
        operation: call.operation,
        method: call.method,
        path: call.path,
        host: call.host,
        application: call.application,
        user: call.user,
        tier: call.tier,
        client_ip: call.client_ip,
        user_agent: str::from_utf8(call.user_agent).unwrap_or("?"),
        protocol: call.protocol,
        status: call.status,
        backend_status: call.backend_status,
        backend: call.backend,
        fault_code: call.fault_code,
        total_us: call.total_us,
        backend_us: call.backend_us,
        security_us: call.security_us,
        throttling_us: call.throttling_us,
        request_bytes: call.request_bytes,
        response_bytes: call.response_bytes,
    };
    let start = to.len();
    if serde_json::to_writer(&mut *to, &line).is_err() {
        // Half a line would spoil the next one.
        to.truncate(start);
        return;
    }
    // Writing to memory cannot fail.
    let _ = to.write_all(b"\n");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_one_object_whatever_the_client_sends() {
        let mut lines = Vec::new();
        let call = Call {
            path: "/a\"\n\u{1}b",
            user_agent: b"x\"}\r\n{",
            method: "GET",
            status: 200,
            request_id: [0xab; 16],
            ..Call::default()
        };
        write(&call, &mut lines);
        write(&call, &mut lines);
        let text = String::from_utf8(lines).unwrap();
        assert_eq!(text.lines().count(), 2);
        let line: serde_json::Value = serde_json::from_str(text.lines().next().unwrap()).unwrap();
        assert_eq!(line["path"], "/a\"\n\u{1}b");
        assert_eq!(line["user_agent"], "x\"}\r\n{");
        assert_eq!(line["request_id"], "ab".repeat(16));
        assert_eq!(line.get("application"), None);
    }
}
