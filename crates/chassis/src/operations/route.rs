//! What does a service add to its operations port?

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;

use bytes::Bytes;
use http::{Method, StatusCode};

use crate::telemetry;

type Answer = Pin<Box<dyn Future<Output = Reply> + Send>>;

/// One path that a service answers besides `/livez`, `/readyz` and `/metrics`.
#[derive(Clone)]
pub struct Route {
    pub(super) method: Method,
    pub(super) path: &'static str,
    pub(super) answer: Arc<dyn Fn(Ask) -> Answer + Send + Sync>,
}

/// What was asked.
#[derive(Clone, Debug, Default)]
pub struct Ask {
    /// What stands behind the question mark.
    pub query: String,
    /// The body, of at most 64 KiB.
    pub body: Bytes,
}

/// What is answered.
#[derive(Clone, Debug)]
pub struct Reply {
    /// The status.
    pub status: StatusCode,
    /// The content type.
    pub content_type: &'static str,
    /// The body.
    pub body: Bytes,
}

impl Route {
    /// Answers `GET path` (and `HEAD`).
    pub fn get<F, Fut>(path: &'static str, answer: F) -> Self
    where
        F: Fn(Ask) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Reply> + Send + 'static,
    {
        Self::on(Method::GET, path, answer)
    }

    /// Answers `PUT path`.
    pub fn put<F, Fut>(path: &'static str, answer: F) -> Self
    where
        F: Fn(Ask) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Reply> + Send + 'static,
    {
        Self::on(Method::PUT, path, answer)
    }

    /// Answers another method.
    pub fn on<F, Fut>(method: Method, path: &'static str, answer: F) -> Self
    where
        F: Fn(Ask) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Reply> + Send + 'static,
    {
        Self { method, path, answer: Arc::new(move |ask| Box::pin(answer(ask))) }
    }
}

impl Reply {
    /// Plain text.
    pub fn text(status: StatusCode, body: impl Into<Bytes>) -> Self {
        Self { status, content_type: "text/plain; charset=utf-8", body: body.into() }
    }

    /// JSON, already written.
    pub fn json(body: impl Into<Bytes>) -> Self {
        Self { status: StatusCode::OK, content_type: "application/json", body: body.into() }
    }
}

impl fmt::Debug for Route {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.method, self.path)
    }
}

/// `GET /loglevel` shows what is logged; `PUT /loglevel` with `info,gateway=debug` changes it.
pub fn loglevel() -> [Route; 2] {
    let show = |_| async { Reply::text(StatusCode::OK, telemetry::level() + "\n") };
    let set = |ask: Ask| async move {
        let directives = String::from_utf8_lossy(&ask.body).trim().to_owned();
        match telemetry::set_level(&directives) {
            Ok(()) => Reply::text(StatusCode::OK, telemetry::level() + "\n"),
            Err(error) => Reply::text(StatusCode::BAD_REQUEST, format!("{error}\n")),
        }
    };
    [Route::get("/loglevel", show), Route::put("/loglevel", set)]
}
