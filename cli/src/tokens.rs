//! `turnpike token`: how does a client get a token?

use std::time::Duration;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use chassis::clock::Clock;
use chassis::config::Secret;
use chassis::outbound;
use clap::{Args, ValueEnum};
use http::{Method, Request, header};
use serde_json::Value;
use url::Url;
use url::form_urlencoded::{Serializer, byte_serialize};

use crate::addresses::Addresses;
use crate::applications::Which;
use crate::clients::Client;
use crate::failure::Failure;
use crate::https;
use crate::kept::Home;
use crate::output::Report;
use crate::rpc;

const PATIENCE: Duration = Duration::from_secs(15);

#[derive(Args, Clone, Debug)]
pub(crate) struct Options {
    #[command(flatten)]
    pub(crate) which: Which,
    /// How the token is asked for
    #[arg(long, value_name = "GRANT", default_value = "client_credentials")]
    pub(crate) grant: Grant,
    /// A scope to ask for; may be given several times
    #[arg(long = "scope", value_name = "SCOPE")]
    pub(crate) scopes: Vec<String>,
    /// Where to ask [default: /oauth2/token of the gateway]
    #[arg(long, value_name = "URL", env = "TURNPIKE_TOKEN_ENDPOINT", hide_env = true)]
    pub(crate) token_endpoint: Option<Url>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum Grant {
    #[value(name = "client_credentials")]
    ClientCredentials,
}

/// Why there was no token.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TokenError {
    #[error(
        "no {key_type} key of application `{application}` is known here; make one with \
         `turnpike keys generate --app {application} --type {key_type}`"
    )]
    NoClient { application: String, key_type: String },
    #[error("{0}: no address of a token endpoint")]
    Endpoint(String, #[source] url::ParseError),
    #[error("the token endpoint {url} gave no answer")]
    NoAnswer { url: String, source: Box<outbound::Error> },
    #[error("the token endpoint {url} refused: {reason} (status {status})")]
    Refused { url: String, status: u16, reason: String },
}

impl TokenError {
    /// Whether the key manager does not know the client, or not with this secret.
    pub(crate) fn is_unknown_client(&self) -> bool {
        matches!(self, Self::Refused { status: 401, .. })
    }
}

/// A token, and the whole answer that it came with.
#[derive(Debug)]
pub(crate) struct Token {
    pub(crate) access_token: Secret,
    answer: Value,
}

impl Token {
    /// How long it is good from now on, as far as the key manager has said.
    pub(crate) fn life(&self) -> Option<Duration> {
        self.answer.get("expires_in").and_then(Value::as_u64).map(Duration::from_secs)
    }
}

pub(crate) async fn token(
    connection: &rpc::Options,
    home: &Home,
    clock: &Clock,
    options: &Options,
) -> Result<Report, Failure> {
    let authority = connection.authority()?;
    let Which { app, key_type, key_manager } = &options.which;
    let client =
        home.clients(&authority)?.find(app, key_type.name(), key_manager)?.ok_or_else(|| {
            TokenError::NoClient { application: app.clone(), key_type: key_type.name().to_owned() }
        })?;
    let endpoint = match &options.token_endpoint {
        Some(url) => url.clone(),
        None => endpoint(&Addresses::of(&connection.data)?)?,
    };
    let http = self::client(clock, PATIENCE, &authority, &endpoint)?;
    let token = ask(&http, &endpoint, &client, &options.scopes).await?;
    // Only the token, so that `$(turnpike token --app shop)` is one.
    Ok(Report::new(camel_case(token.answer)).text(token.access_token.expose()))
}

/// The token endpoint of an installation, as its clients see it.
pub(crate) fn endpoint(addresses: &Addresses) -> Result<Url, TokenError> {
    let text = format!("{}/oauth2/token", addresses.https);
    Url::parse(&text).map_err(|source| TokenError::Endpoint(text, source))
}

/// Asks the token endpoint `url`.
pub(crate) fn client(
    clock: &Clock,
    limit: Duration,
    authority: &[u8],
    url: &Url,
) -> Result<outbound::Client, TokenError> {
    https::client(clock, limit, authority).map_err(|source| no_answer(url, source))
}

fn no_answer(url: &Url, source: outbound::Error) -> TokenError {
    TokenError::NoAnswer { url: url.to_string(), source: Box::new(source) }
}

/// The client credentials grant (RFC 6749 section 4.4), with the secret in the `Authorization`
/// field (section 2.3.1).
pub(crate) async fn ask(
    http: &outbound::Client,
    url: &Url,
    client: &Client,
    scopes: &[String],
) -> Result<Token, TokenError> {
    let encode = |text: &str| byte_serialize(text.as_bytes()).collect::<String>();
    let secret = client.consumer_secret.expose();
    let pair = format!("{}:{}", encode(&client.consumer_key), encode(secret));
    let mut form = Serializer::new(String::new());
    form.append_pair("grant_type", "client_credentials");
    if !scopes.is_empty() {
        form.append_pair("scope", &scopes.join(" "));
    }
    let request = Request::builder()
        .method(Method::POST)
        .header(header::AUTHORIZATION, format!("Basic {}", BASE64_STANDARD.encode(pair)))
        .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
        .header(header::ACCEPT, "application/json");
    let answer = http.send(url, request, Bytes::from(form.finish())).await;
    let answer = answer.map_err(|source| no_answer(url, source))?;
    let status = answer.status().as_u16();
    let body: Value = serde_json::from_slice(answer.body()).unwrap_or_default();
    match body.get("access_token").and_then(Value::as_str) {
        Some(token) if status == 200 => {
            Ok(Token { access_token: Secret::new(token), answer: body })
        }
        _ => Err(TokenError::Refused { url: url.to_string(), status, reason: reason(&body) }),
    }
}

/// RFC 6749 section 5.2, or a fault of the gateway.
fn reason(body: &Value) -> String {
    let text = |name: &str| body.get(name).and_then(Value::as_str);
    match (text("error"), text("error_description"), text("description").or(text("message"))) {
        (Some(error), Some(description), _) => format!("{error}: {description}"),
        (Some(error), None, _) => error.to_owned(),
        (None, _, Some(description)) => description.to_owned(),
        _ => "it gave no reason".to_owned(),
    }
}

/// `expires_in` is `expiresIn`, as in every other answer of this program.
fn camel_case(answer: Value) -> Value {
    let Value::Object(fields) = answer else { return answer };
    let renamed = fields.into_iter().map(|(name, value)| {
        let mut words = name.split('_');
        let mut camel = words.next().unwrap_or_default().to_owned();
        for word in words {
            let mut letters = word.chars();
            camel.extend(letters.next().map(|first| first.to_ascii_uppercase()));
            camel.push_str(letters.as_str());
        }
        (camel, value)
    });
    Value::Object(renamed.collect())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[track_caller]
    fn check(body: &Value, said: &str) {
        assert_eq!(reason(body), said);
    }

    #[test]
    fn a_refusal_is_told_in_the_words_of_whoever_refused() {
        check(&json!({ "error": "invalid_client" }), "invalid_client");
        check(
            &json!({ "error": "invalid_scope", "error_description": "unknown scope" }),
            "invalid_scope: unknown scope",
        );
        check(&json!({ "code": "101503", "message": "m", "description": "d" }), "d");
        check(&json!("no"), "it gave no reason");
    }

    #[test]
    fn an_answer_is_renamed_for_programs() {
        let answer = json!({ "access_token": "t", "expires_in": 3600, "scope": "" });
        let camel = json!({ "accessToken": "t", "expiresIn": 3600, "scope": "" });
        assert_eq!(camel_case(answer), camel);
    }
}
