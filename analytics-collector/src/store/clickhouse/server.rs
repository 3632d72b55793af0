//! How is a ClickHouse spoken to?
//!
//! By HTTP, one request and one answer, which is held back until the query has ended, so that its
//! status is the truth. Of several replicas one is asked until it cannot be reached.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use chassis::Secret;
use chassis::clock::Clock;
use chassis::outbound::{self, Client, Reach, Rules};
use http::{Method, Request, Response, request};
use serde_json::Value as Json;
use url::Url;

use crate::store::arguments::Arguments;
use crate::store::value::Value;

/// Characters of a refusal that are repeated.
const LONGEST_REFUSAL: usize = 500;
/// A query that somebody else has stopped, or that ran out of time.
const TOO_LONG: u32 = 159;
/// One that needed too much memory.
const TOO_LARGE: u32 = 241;
/// The longest text of a query, bytes: one over many years names what is counted of each day.
const LONGEST_QUERY: &str = "4194304";
/// Too many run already.
const TOO_MANY: u32 = 202;

/// As whom and where the collector asks.
#[derive(Clone, Debug)]
pub struct Account {
    /// Addresses of the replicas, `http://HOST:PORT` or `https://HOST:PORT`; at least one.
    pub urls: Vec<Url>,
    /// The user; empty: the server's default one.
    pub username: String,
    /// Their password.
    pub password: Option<Secret>,
    /// PEM of authorities that the servers are believed by, beside those of the system.
    pub authorities: Vec<u8>,
}

/// What a request may cost.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// How long it may take.
    pub timeout: Duration,
    /// How many may be under way; further ones wait within their time.
    pub at_once: usize,
    /// The largest answer, bytes.
    pub largest: usize,
}

/// Why there was no answer.
#[derive(Debug, thiserror::Error)]
pub enum ServerError {
    /// Nobody knows whether the query was run.
    #[error("there was no answer")]
    Away(#[from] outbound::Error),
    /// The server says why.
    #[error("it says {text}")]
    Refused {
        /// ClickHouse's number of the reason; 0: none was said.
        code: u32,
        /// In its words, cut.
        text: String,
    },
    /// What came back is no answer to the question.
    #[error("the answer is none")]
    Odd,
}

impl ServerError {
    /// Whether the query took longer than it may.
    pub const fn is_late(&self) -> bool {
        matches!(self, Self::Away(outbound::Error::Late(_)) | Self::Refused { code: TOO_LONG, .. })
    }

    /// Whether it needed more memory than it may use, or its answer was too long.
    pub const fn is_large(&self) -> bool {
        matches!(self, Self::Away(outbound::Error::Body(_)) | Self::Refused { code: TOO_LARGE, .. })
    }

    /// Whether the server has enough to do.
    pub const fn is_busy(&self) -> bool {
        matches!(self, Self::Away(outbound::Error::Busy) | Self::Refused { code: TOO_MANY, .. })
    }
}

/// One ClickHouse, or the replicas of one.
#[derive(Debug)]
pub struct Server {
    client: Client,
    account: Account,
    /// Which of the addresses is asked.
    turn: AtomicUsize,
}

impl Server {
    /// Nothing is asked yet.
    pub fn new(account: Account, bounds: Bounds, clock: Clock) -> Result<Self, outbound::Error> {
        let Bounds { timeout, at_once, largest } = bounds;
        let rules = Rules { reach: Reach::Anywhere, limit: timeout, largest, at_once };
        let client = Client::new(clock, rules, &account.authorities)?;
        Ok(Self { client, account, turn: AtomicUsize::new(0) })
    }

    /// Runs a query and says what it answered.
    pub async fn run(&self, sql: String, arguments: &Arguments) -> Result<Bytes, ServerError> {
        let parameters = arguments.values().iter().zip(1..);
        let parameters = parameters.map(|(value, n)| (format!("param_p{n}"), escaped(value)));
        // Nobody waits for the answer once the connection is closed.
        let settings = [
            ("cancel_http_readonly_queries_on_client_close", "1"),
            ("max_query_size", LONGEST_QUERY),
        ];
        let settings = settings.map(|(name, value)| (name.to_owned(), value.to_owned()));
        self.send(parameters.chain(settings).collect(), sql.into()).await
    }

    /// Runs a query with some settings (`a = 1, b = 2`) and says its rows.
    pub async fn rows(
        &self,
        sql: &str,
        settings: &str,
        arguments: &Arguments,
    ) -> Result<Vec<Vec<Json>>, ServerError> {
        // Servers are configured differently.
        let plain = "output_format_json_quote_64bit_integers = 0";
        let comma = if settings.is_empty() { "" } else { ", " };
        let sql = format!("{sql} SETTINGS {plain}{comma}{settings} FORMAT JSONCompactEachRow");
        let answer = self.run(sql, arguments).await?;
        let lines = answer.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
        lines.map(serde_json::from_slice).collect::<Result<_, _>>().map_err(|_| ServerError::Odd)
    }

    /// Runs an INSERT with rows.
    pub async fn insert(&self, sql: String, rows: Vec<u8>) -> Result<(), ServerError> {
        self.send(vec![("query".to_owned(), sql)], rows.into()).await.map(drop)
    }

    async fn send(
        &self,
        parameters: Vec<(String, String)>,
        body: Bytes,
    ) -> Result<Bytes, ServerError> {
        let turn = self.turn.load(Ordering::Relaxed);
        let mut failed = ServerError::Odd;
        for at in (turn..).take(self.account.urls.len()) {
            let Some(url) = self.account.urls.get(at % self.account.urls.len()) else { break };
            let mut url = url.clone();
            url.query_pairs_mut().append_pair("wait_end_of_query", "1").extend_pairs(&parameters);
            match self.client.send(&url, self.request(), body.clone()).await {
                Ok(answer) => return answered(answer),
                // What was not sent can be sent to the next one.
                Err(error @ outbound::Error::Connect(_)) => failed = error.into(),
                Err(error) => {
                    self.turn.store(at.wrapping_add(1), Ordering::Relaxed);
                    return Err(error.into());
                }
            }
            self.turn.store(at.wrapping_add(1), Ordering::Relaxed);
        }
        Err(failed)
    }

    fn request(&self) -> request::Builder {
        let mut request = Request::builder().method(Method::POST);
        if !self.account.username.is_empty() {
            request = request.header("x-clickhouse-user", &self.account.username);
        }
        if let Some(password) = &self.account.password {
            request = request.header("x-clickhouse-key", password.expose());
        }
        request
    }
}

fn answered(answer: Response<Bytes>) -> Result<Bytes, ServerError> {
    if answer.status().is_success() {
        return Ok(answer.into_body());
    }
    let code = answer.headers().get("x-clickhouse-exception-code");
    let code = code.and_then(|code| code.to_str().ok()?.parse().ok()).unwrap_or(0);
    let text = String::from_utf8_lossy(answer.body());
    let text = text.trim().chars().take(LONGEST_REFUSAL).collect();
    Err(ServerError::Refused { code, text })
}

/// A parameter as ClickHouse reads one.
fn escaped(value: &Value) -> String {
    match value {
        Value::Number(number) => number.to_string(),
        Value::Amount(number) => number.to_string(),
        Value::Real(number) => number.to_string(),
        Value::Flag(yes) => yes.to_string(),
        Value::Bytes(bytes) => data_encoding::HEXUPPER.encode(bytes),
        Value::Text(text) => {
            let mut escaped = String::with_capacity(text.len());
            for letter in text.chars() {
                match letter {
                    '\\' => escaped.push_str("\\\\"),
                    '\t' => escaped.push_str("\\t"),
                    '\n' => escaped.push_str("\\n"),
                    '\r' => escaped.push_str("\\r"),
                    '\0' => escaped.push_str("\\0"),
                    other => escaped.push(other),
                }
            }
            escaped
        }
    }
}
