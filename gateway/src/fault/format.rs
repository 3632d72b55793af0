//! In which form does a client want to read a fault?
//!
//! What it accepts decides, by quality (RFC 9110 §12.5.1); where that says nothing, the form in
//! which it wrote; and JSON otherwise.

use http::header::{ACCEPT, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue};

/// The forms of a fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    Json,
    /// RFC 9457.
    Problem,
    Xml,
    Soap11,
    Soap12,
    Grpc,
}

impl Format {
    /// The form for the client that sent these header fields.
    pub fn for_request(headers: &HeaderMap) -> Self {
        let written = headers.get(CONTENT_TYPE).and_then(media_type);
        // These protocols leave no choice: the client's library reads nothing else.
        match written {
            Some(media) if starts_with(media, "application/grpc") => return Self::Grpc,
            Some(media) if media.eq_ignore_ascii_case("application/soap+xml") => {
                return Self::Soap12;
            }
            Some(media) if is_xml(media) && headers.contains_key("soapaction") => {
                return Self::Soap11;
            }
            _ => {}
        }
        accepted(headers).unwrap_or_else(|| match written {
            Some(media) if is_xml(media) => Self::Xml,
            _ => Self::Json,
        })
    }
}

/// The best of the forms that are named; `None` where none is.
fn accepted(headers: &HeaderMap) -> Option<Format> {
    let mut best: Option<(Format, f32)> = None;
    for value in headers.get_all(ACCEPT) {
        for range in value.to_str().ok()?.split(',') {
            let mut parts = range.split(';').map(str::trim);
            let Some(format) = parts.next().and_then(named) else { continue };
            let quality = parts
                .find_map(|part| part.strip_prefix("q=").or_else(|| part.strip_prefix("Q=")))
                .map_or(Some(1.0), |quality| quality.parse::<f32>().ok())?;
            if quality > 0.0 && best.is_none_or(|(_, known)| quality > known) {
                best = Some((format, quality));
            }
        }
    }
    best.map(|(format, _)| format)
}

fn named(media: &str) -> Option<Format> {
    if media.eq_ignore_ascii_case("application/problem+json") {
        Some(Format::Problem)
    } else if media.eq_ignore_ascii_case("application/json") {
        Some(Format::Json)
    } else if is_xml(media) {
        Some(Format::Xml)
    } else {
        None
    }
}

fn is_xml(media: &str) -> bool {
    media.eq_ignore_ascii_case("application/xml") || media.eq_ignore_ascii_case("text/xml")
}

fn media_type(value: &HeaderValue) -> Option<&str> {
    value.to_str().ok()?.split(';').next().map(str::trim)
}

fn starts_with(text: &str, prefix: &str) -> bool {
    text.get(..prefix.len()).is_some_and(|start| start.eq_ignore_ascii_case(prefix))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `headers` is "name: value" lines.
    #[track_caller]
    fn check(headers: &str, expected: Format) {
        let headers = headers
            .lines()
            .filter_map(|line| line.split_once(':'))
            .map(|(name, value)| (name.trim().parse().unwrap(), value.trim().parse().unwrap()))
            .collect::<Vec<(http::HeaderName, HeaderValue)>>();
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(name, value);
        }
        assert_eq!(Format::for_request(&map), expected);
    }

    #[test]
    fn who_asks_for_nothing_gets_json() {
        check("", Format::Json);
        check("accept: */*", Format::Json);
        check("accept: text/html, image/*;q=0.2", Format::Json);
    }

    #[test]
    fn the_accepted_form_with_the_highest_quality_wins() {
        check("accept: application/xml", Format::Xml);
        check("accept: application/xml;q=0.5, application/problem+json;q=0.8", Format::Problem);
        check("accept: text/xml;q=0, application/json;q=0.1", Format::Json);
        check("accept: text/html\naccept: TEXT/XML", Format::Xml);
    }

    #[test]
    fn who_accepts_anything_is_answered_as_they_wrote() {
        check("content-type: application/xml; charset=utf-8", Format::Xml);
        check("content-type: text/xml\naccept: */*", Format::Xml);
        check("content-type: text/xml\naccept: application/json", Format::Json);
    }

    #[test]
    fn soap_and_grpc_clients_get_what_their_protocol_reads() {
        check("content-type: text/xml\nsoapaction: \"x\"\naccept: */*", Format::Soap11);
        check("content-type: application/soap+xml; action=x", Format::Soap12);
        check("content-type: application/grpc+proto\naccept: application/json", Format::Grpc);
    }

    #[test]
    fn an_accept_field_that_cannot_be_read_asks_for_nothing() {
        check("accept: application/xml;q=high", Format::Json);
    }
}
