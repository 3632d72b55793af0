//! `turnpike explain`: what would become of a call, and which rule decides?
//!
//! The gateway that would serve the call is asked, so that what is told is what is in force there. It calls
//! no backend for it.

use std::time::Duration;

use bytes::Bytes;
use chassis::clock::Clock;
use chassis::outbound;
use clap::Args;
use http::{HeaderName, HeaderValue, Method, Request, header};
use serde::Deserialize;
use serde_json::{Map, Value};
use url::Url;

use crate::addresses::Addresses;
use crate::failure::Failure;
use crate::output::{Report, Table};
use crate::{https, rpc, test_keys};

const PATIENCE: Duration = Duration::from_secs(15);
/// The field that asks, and by which an answer says that it is an explanation.
const FIELD: &str = "turnpike-explain";

#[derive(Args, Clone, Debug)]
pub(crate) struct Explain {
    /// The method of the call, for example GET
    #[arg(value_name = "METHOD", value_parser = method)]
    method: Method,
    /// Where it would go: a URL at a gateway, or a path with its query
    #[arg(value_name = "URL")]
    url: String,
    /// A field that the call would have, as 'Name: value'; may be given several times
    #[arg(short = 'H', long = "header", value_name = "FIELD", value_parser = field)]
    fields: Vec<(HeaderName, HeaderValue)>,
    /// The gateway, where the URL is a path [default: the one of the installation]
    #[arg(long, value_name = "URL", env = "TURNPIKE_GATEWAY", hide_env = true)]
    gateway: Option<Url>,
}

/// Why nothing was explained.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ExplainError {
    #[error("{0}: neither a URL at a gateway nor a path")]
    Url(String, #[source] url::ParseError),
    #[error("the gateway at {url} gave no answer")]
    NoAnswer { url: String, source: Box<outbound::Error> },
    #[error("nothing explains this at {url}: {reason} (status {status})")]
    Unexplained { url: String, status: u16, reason: String },
}

/// What a gateway says.
#[derive(Debug, Deserialize)]
struct Said {
    answers: String,
    refusal: Option<Refusal>,
    stages: Vec<Step>,
}

#[derive(Debug, Deserialize)]
struct Refusal {
    stage: String,
    status: u16,
    code: String,
    reason: String,
}

#[derive(Debug, Deserialize)]
struct Step {
    stage: String,
    verdict: String,
    facts: Map<String, Value>,
}

pub(crate) async fn explain(
    connection: &rpc::Options,
    clock: &Clock,
    asked: &Explain,
) -> Result<Report, Failure> {
    let url = asked.place(|| Ok(Addresses::of(&connection.data)?.http))?;
    let mut request = Request::builder().method(asked.method.clone()).header(FIELD, "1");
    for (name, value) in &asked.fields {
        request = request.header(name, value);
    }
    if !asked.fields.iter().any(|(name, _)| name == test_keys::FIELD) {
        let key = test_keys::explaining(connection).await?;
        request = request.header(test_keys::FIELD, key.expose());
    }
    let no_answer =
        |source| ExplainError::NoAnswer { url: url.to_string(), source: Box::new(source) };
    let client = https::client(clock, PATIENCE, &connection.authority()?).map_err(no_answer)?;
    let answer = client.send(&url, request, Bytes::new()).await.map_err(no_answer)?;
    let document = serde_json::from_slice::<Value>(answer.body()).unwrap_or_default();
    let said = answer.headers().get(FIELD).and_then(|_| Said::deserialize(&document).ok());
    let Some(said) = said else {
        let status = answer.status().as_u16();
        let reason = document.get("description").and_then(Value::as_str);
        let reason = reason.unwrap_or("the answer is no explanation").to_owned();
        return Err(ExplainError::Unexplained { url: url.to_string(), status, reason }.into());
    };
    Ok(report(asked, &url, document, &said))
}

impl Explain {
    /// Where to ask; `local` says where the gateway of the installation is.
    fn place(&self, local: impl FnOnce() -> Result<String, Failure>) -> Result<Url, Failure> {
        let wrong = |source| ExplainError::Url(self.url.clone(), source);
        if !self.url.starts_with('/') {
            return Ok(Url::parse(&self.url).map_err(wrong)?);
        }
        let gateway = match &self.gateway {
            Some(gateway) => gateway.clone(),
            None => Url::parse(&local()?).map_err(wrong)?,
        };
        // A path alone, whatever it begins with, leads to no other host.
        let origin = gateway.origin().ascii_serialization();
        Ok(Url::parse(&format!("{origin}{}", self.url)).map_err(wrong)?)
    }
}

fn report(asked: &Explain, url: &Url, document: Value, said: &Said) -> Report {
    let decision = match &said.refusal {
        Some(Refusal { stage, status, code, reason }) => {
            format!("refused by {stage}: status {status}, code {code}: {reason}")
        }
        None => format!("allowed; the {} answers", said.answers),
    };
    let mut table = Table::new("no stages", &["STAGE", "VERDICT", "FACTS"]);
    for Step { stage, verdict, facts } in &said.stages {
        let facts = facts.iter().map(|(name, value)| match value {
            Value::String(text) => format!("{name}={text}"),
            other => format!("{name}={other}"),
        });
        let facts = facts.collect::<Vec<_>>().join("  ");
        table.row(vec![stage.as_str().into(), words(verdict).into(), facts.into()]);
    }
    let call = format!("{} {url}", asked.method);
    Report::new(document).text(format!("{call}: {}", plain(&decision))).table(table)
}

/// `notAsked` for people.
fn words(verdict: &str) -> String {
    let mut words = String::new();
    for letter in verdict.chars() {
        if letter.is_ascii_uppercase() {
            words.push(' ');
        }
        words.push(letter.to_ascii_lowercase());
    }
    words
}

/// Part of it may be somebody else's text, which must not steer a terminal.
fn plain(text: &str) -> String {
    text.chars().map(|one| if one.is_control() { '?' } else { one }).collect()
}

fn method(text: &str) -> Result<Method, String> {
    let method: Method = text.parse().map_err(|_| format!("`{text}` is no method"))?;
    if method == Method::HEAD {
        return Err("an answer to HEAD has no room for an explanation; ask about GET".to_owned());
    }
    Ok(method)
}

fn field(text: &str) -> Result<(HeaderName, HeaderValue), String> {
    let wrong = || format!("`{text}` is no field; write 'Name: value'");
    let (name, value) = text.split_once(':').ok_or_else(wrong)?;
    let name: HeaderName = name.trim().parse().map_err(|_| wrong())?;
    if name == header::HOST {
        return Err("the host is that of the URL".to_owned());
    }
    let value = HeaderValue::from_str(value.trim()).map_err(|_| wrong())?;
    Ok((name, value))
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::output::Part;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        explain: Explain,
    }

    /// Where a command line asks, the local gateway being at port 8280.
    #[track_caller]
    fn check(line: &str, place: &str) {
        let Line { explain } = Line::parse_from(format!("explain {line}").split(' '));
        let local = || Ok("http://127.0.0.1:8280".to_owned());
        let said = explain.place(local).map_or_else(|error| error.to_string(), String::from);
        assert_eq!(said, place);
    }

    #[test]
    fn a_path_is_asked_at_the_gateway_and_a_url_where_it_is() {
        check("GET /orders/1.0/x?a=b", "http://127.0.0.1:8280/orders/1.0/x?a=b");
        check("GET https://api.example/x", "https://api.example/x");
        check("GET /x --gateway https://g:1/y", "https://g:1/x");
        check("GET //evil.example/x", "http://127.0.0.1:8280//evil.example/x");
        check("GET orders", "orders: neither a URL at a gateway nor a path");
    }

    #[test]
    fn a_field_is_a_name_and_a_value() {
        assert_eq!(field("Authorization: Bearer a").unwrap().1, "Bearer a");
        for wrong in ["Authorization", "a b: c", "x: a\nb", "Host: a"] {
            assert!(field(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn what_a_gateway_says_is_shown_for_people() {
        let Line { explain } = Line::parse_from(["explain", "GET", "/x"]);
        let document = serde_json::json!({
            "allowed": false, "answers": "gateway",
            "refusal": { "stage": "scopes", "status": 403, "code": "900910", "message": "m", "reason": "r\u{1b}" },
            "stages": [{ "stage": "scopes", "verdict": "notReached", "facts": { "wanted": "a" } }],
        });
        let said = Said::deserialize(&document).unwrap();
        let url = Url::parse("http://g/x").unwrap();
        let report = report(&explain, &url, document, &said);
        let lines = report.parts.iter().map(|part| match part {
            Part::Table(table) => table.to_string(),
            Part::Text(text) | Part::Picture(text) => format!("{text}\n"),
        });
        let shown: String = lines.collect();
        insta::assert_snapshot!(shown, @r"
        GET http://g/x: refused by scopes: status 403, code 900910: r?
        STAGE   VERDICT      FACTS
        scopes  not reached  wanted=a
        ");
    }
}
