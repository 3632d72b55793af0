//! How does AWS know who sent a request, and that nobody changed it?
//!
//! Signature Version 4, over the request head as it was written so far: method, path, query, Host,
//! `content-type` and every `x-amz-*` field. What is signed is what is sent.

use aws_lc_rs::{digest, hmac};
use plan::AwsPlan;

use crate::date::{Date, time_of_day};
use crate::escape::{decoded, encoded};
use crate::hex;

const ALGORITHM: &str = "AWS4-HMAC-SHA256";
/// Stands for the hash of a body that is not here whole.
pub(super) const UNSIGNED: &str = "UNSIGNED-PAYLOAD";

/// Whether the field called `name` (in lower case) is written by the signature.
pub(super) fn writes(name: &str) -> bool {
    matches!(name, "authorization" | "x-amz-date" | "x-amz-content-sha256" | "x-amz-security-token")
}

/// The hash of a body, in hexadecimal.
pub(super) fn hash(body: &[u8]) -> String {
    hex::text(digest::digest(&digest::SHA256, body).as_ref())
}

/// Adds the fields that sign the request whose head `out` holds so far.
pub(super) fn sign(plan: &AwsPlan, unix: i64, payload: &str, out: &mut Vec<u8>) {
    let time = time(unix);
    let mut field = |name: &str, value: &str| {
        for part in [name, ": ", value, "\r\n"] {
            out.extend_from_slice(part.as_bytes());
        }
    };
    field("x-amz-date", &time);
    field("x-amz-content-sha256", payload);
    if let Some(token) = &plan.session_token {
        field("x-amz-security-token", token.expose());
    }
    let authorization = authorization(plan, &time, payload, out);
    for part in ["authorization: ", &authorization, "\r\n"] {
        out.extend_from_slice(part.as_bytes());
    }
}

/// The value of the Authorization field for `head`.
fn authorization(plan: &AwsPlan, time: &str, payload: &str, head: &[u8]) -> String {
    let head = String::from_utf8_lossy(head);
    let mut lines = head.split("\r\n");
    let mut words = lines.next().unwrap_or_default().split(' ');
    let (method, target) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let mut fields: Vec<(&str, String)> = lines
        .filter_map(|line| line.split_once(':'))
        .filter(|(name, _)| matches!(*name, "host" | "content-type") || name.starts_with("x-amz-"))
        .map(|(name, value)| (name, value.split_whitespace().collect::<Vec<_>>().join(" ")))
        .collect();
    // Fields of one name keep their order and are joined.
    fields.sort_by_key(|(name, _)| *name);
    fields.dedup_by(|next, first| {
        let same = next.0 == first.0;
        if same {
            first.1.push(',');
            first.1.push_str(&next.1);
        }
        same
    });
    let names: Vec<&str> = fields.iter().map(|(name, _)| *name).collect();
    let names = names.join(";");
    let mut request = format!("{method}\n{}\n{}\n", canonical_path(plan, path), sorted(query));
    for (name, value) in &fields {
        for part in [name, ":", value, "\n"] {
            request.push_str(part);
        }
    }
    for part in ["\n", &names, "\n", payload] {
        request.push_str(part);
    }
    let (day, _) = time.split_at_checked(8).unwrap_or_default();
    let scope = format!("{day}/{}/{}/aws4_request", plan.region, plan.service);
    let text = format!("{ALGORITHM}\n{time}\n{scope}\n{}", hash(request.as_bytes()));
    let mut key = format!("AWS4{}", plan.secret.expose()).into_bytes();
    for part in [day, &plan.region, &plan.service, "aws4_request", &text] {
        let signing = hmac::Key::new(hmac::HMAC_SHA256, &key);
        key = hmac::sign(&signing, part.as_bytes()).as_ref().to_vec();
    }
    let (id, signature) = (&plan.access_key, hex::text(&key));
    format!("{ALGORITHM} Credential={id}/{scope}, SignedHeaders={names}, Signature={signature}")
}

/// S3 signs the path as it is; everybody else encodes what is sent once more and takes several
/// slashes for one.
fn canonical_path(plan: &AwsPlan, path: &str) -> String {
    let path = if path.is_empty() { "/" } else { path };
    if &*plan.service == "s3" {
        return encoded(&decoded(path, false), b"/");
    }
    let mut out = String::with_capacity(path.len());
    for part in path.split('/').filter(|part| !part.is_empty()) {
        out.push('/');
        out.push_str(&encoded(part.as_bytes(), b""));
    }
    if out.is_empty() || path.ends_with('/') {
        out.push('/');
    }
    out
}

/// The query by name and value, each encoded in the one way.
fn sorted(query: &str) -> String {
    let mut pairs: Vec<String> = query
        .split('&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let once = |text: &str| encoded(&decoded(text, true), b"");
            format!("{}={}", once(name), once(value))
        })
        .collect();
    pairs.sort();
    pairs.join("&")
}

/// `20150830T123600Z`.
fn time(unix: i64) -> String {
    let Date { year, month, day, .. } = Date::of(unix);
    let (hour, minute, second) = time_of_day(unix);
    format!("{year:04}{:02}{day:02}T{hour:02}{minute:02}{second:02}Z", month + 1)
}

#[cfg(test)]
#[path = "sigv4_tests.rs"]
mod tests;
