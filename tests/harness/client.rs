//! How does a caller see the gateway? One kept-alive HTTP/1.1 connection, and what came back.

use std::net::SocketAddr;

use bytes::Bytes;
use http::{HeaderMap, Request, StatusCode};
use http_body_util::{BodyExt as _, Full};
use hyper::client::conn::http1::SendRequest;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

/// What came back.
#[derive(Debug, Clone)]
pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Bytes,
}

impl Answer {
    /// The body as JSON; null where it is none.
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }

    /// A header field as text; empty where it is missing.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    /// Status and fault code, for example `401 900902`; the code is `-` where there is none.
    pub fn verdict(&self) -> String {
        let json = self.json();
        let code = json.get("code").map_or("-".to_owned(), |code| match code {
            serde_json::Value::String(text) => text.clone(),
            other => other.to_string(),
        });
        format!("{} {code}", self.status.as_u16())
    }
}

/// A caller that keeps its connection.
#[derive(Debug)]
pub struct Client {
    address: SocketAddr,
    token: Option<String>,
    connection: Option<SendRequest<Full<Bytes>>>,
}

impl Client {
    pub fn new(address: SocketAddr) -> Self {
        Self { address, token: None, connection: None }
    }

    /// Shows this access token from now on.
    #[must_use]
    pub fn with_token(mut self, token: &str) -> Self {
        self.token = Some(token.to_owned());
        self
    }

    /// GET; fails the test when no answer comes.
    pub async fn get(&mut self, target: &str) -> Answer {
        self.try_call("GET", target, &[], Bytes::new()).await.expect("an answer")
    }

    /// Any call; fails the test when no answer comes.
    pub async fn call(
        &mut self,
        method: &str,
        target: &str,
        headers: &[(&str, &str)],
        body: impl Into<Bytes>,
    ) -> Answer {
        self.try_call(method, target, headers, body.into()).await.expect("an answer")
    }

    /// Any call; `Err` when the connection breaks or cannot be made.
    pub async fn try_call(
        &mut self,
        method: &str,
        target: &str,
        headers: &[(&str, &str)],
        body: Bytes,
    ) -> Result<Answer, anyhow::Error> {
        let mut request = Request::builder().method(method).uri(target);
        if !headers.iter().any(|(name, _)| *name == "host") {
            request = request.header("host", "localhost");
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        if let Some(token) = &self.token {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        let request = request.body(Full::new(body))?;
        let result = self.send(request).await;
        if result.is_err() {
            self.connection = None;
        }
        result
    }

    async fn send(&mut self, request: Request<Full<Bytes>>) -> Result<Answer, anyhow::Error> {
        // A server may close a kept connection at any time: that is no failed call.
        let mut connection = match self.connection.take() {
            Some(mut kept) => match kept.ready().await {
                Ok(()) => kept,
                Err(_) => connect(self.address).await?,
            },
            None => connect(self.address).await?,
        };
        let response = connection.send_request(request).await?;
        let (head, body) = response.into_parts();
        let body = body.collect().await?.to_bytes();
        self.connection = Some(connection);
        Ok(Answer { status: head.status, headers: head.headers, body })
    }
}

async fn connect(address: SocketAddr) -> Result<SendRequest<Full<Bytes>>, anyhow::Error> {
    let stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    let (sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    tokio::spawn(connection);
    Ok(sender)
}
