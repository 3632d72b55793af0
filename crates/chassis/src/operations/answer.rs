//! What is the answer to a question on the operations port?

use std::fmt::Write as _;
use std::time::Duration;

use bytes::Bytes;
use http::header::{ALLOW, CONTENT_LENGTH, CONTENT_TYPE};
use http::{HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Incoming;

use super::route::{Ask, Reply, Route};
use crate::clock::Clock;
use crate::metrics::{self, Metrics};
use crate::readiness::Readiness;

const BODY_BYTES: usize = 64 * 1024;
const BODY_WITHIN: Duration = Duration::from_secs(10);

/// Everything the operations port can answer.
pub(super) struct Desk {
    pub(super) ready: Readiness,
    pub(super) metrics: Metrics,
    pub(super) clock: Clock,
    pub(super) routes: Vec<Route>,
}

impl Desk {
    pub(super) async fn answer(&self, request: Request<Incoming>) -> Response<Full<Bytes>> {
        let (parts, body) = request.into_parts();
        let (method, path) = (parts.method, parts.uri.path());
        let reading = matches!(method, Method::GET | Method::HEAD);
        let reply = match path {
            "/livez" if reading => Reply::text(StatusCode::OK, "ok\n"),
            "/readyz" if reading => self.readiness(),
            "/metrics" if reading => self.metrics(),
            "/livez" | "/readyz" | "/metrics" => not_allowed(),
            _ => match self.find(&method, path) {
                Ok(route) => match self.body(body).await {
                    Ok(body) => {
                        let query = parts.uri.query().unwrap_or_default().to_owned();
                        (route.answer)(Ask { query, body }).await
                    }
                    Err(reply) => reply,
                },
                Err(reply) => reply,
            },
        };
        let mut response = render(reply);
        if method == Method::HEAD {
            *response.body_mut() = Full::default();
        }
        if response.status() == StatusCode::METHOD_NOT_ALLOWED {
            response.headers_mut().insert(ALLOW, self.allowed(path));
        }
        response
    }

    fn readiness(&self) -> Reply {
        let is_ready = self.ready.is_ready();
        let mut text = if is_ready { "ok\n".to_owned() } else { String::new() };
        let reasons = if is_ready { Vec::new() } else { self.ready.reasons() };
        for (condition, what) in reasons.into_iter().chain(self.ready.remarks()) {
            // Writing to a `String` cannot fail.
            let _ = writeln!(text, "{condition}: {what}");
        }
        let status = if is_ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
        Reply::text(status, text)
    }

    fn metrics(&self) -> Reply {
        match self.metrics.render() {
            Ok(text) => Reply {
                status: StatusCode::OK,
                content_type: metrics::CONTENT_TYPE,
                body: text.into(),
            },
            Err(error) => Reply::text(StatusCode::INTERNAL_SERVER_ERROR, format!("{error}\n")),
        }
    }

    fn find(&self, method: &Method, path: &str) -> Result<&Route, Reply> {
        let method = if method == Method::HEAD { &Method::GET } else { method };
        let mut here = self.routes.iter().filter(|route| route.path == path).peekable();
        if here.peek().is_none() {
            return Err(Reply::text(StatusCode::NOT_FOUND, "there is nothing at this path\n"));
        }
        here.find(|route| route.method == *method).ok_or_else(not_allowed)
    }

    async fn body(&self, body: Incoming) -> Result<Bytes, Reply> {
        let collected = Limited::new(body, BODY_BYTES).collect();
        match self.clock.timeout(BODY_WITHIN, collected).await {
            Ok(Ok(body)) => Ok(body.to_bytes()),
            Ok(Err(_)) => {
                Err(Reply::text(StatusCode::PAYLOAD_TOO_LARGE, "the body cannot be read\n"))
            }
            Err(_) => Err(Reply::text(StatusCode::REQUEST_TIMEOUT, "the body did not come\n")),
        }
    }

    fn allowed(&self, path: &str) -> HeaderValue {
        let methods: Vec<&str> = self
            .routes
            .iter()
            .filter(|route| route.path == path)
            .map(|route| route.method.as_str())
            .collect();
        let methods = if methods.is_empty() { "GET".to_owned() } else { methods.join(", ") };
        HeaderValue::try_from(methods).unwrap_or_else(|_| HeaderValue::from_static("GET"))
    }
}

fn not_allowed() -> Reply {
    Reply::text(StatusCode::METHOD_NOT_ALLOWED, "this method is not known here\n")
}

fn render(reply: Reply) -> Response<Full<Bytes>> {
    let length = HeaderValue::from(reply.body.len());
    let mut response = Response::new(Full::new(reply.body));
    *response.status_mut() = reply.status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_LENGTH, length);
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(reply.content_type));
    response
}
