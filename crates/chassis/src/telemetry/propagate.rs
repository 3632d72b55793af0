//! How does one trace run through several processes?
//!
//! As W3C Trace Context: `traceparent` and `tracestate`. While spans are not exported, nothing is
//! read or written and the question costs one relaxed load.

use std::sync::atomic::{AtomicBool, Ordering};

use http::{HeaderMap, HeaderName, HeaderValue};
use opentelemetry::Context;
use opentelemetry::propagation::{Extractor, Injector, TextMapPropagator as _};
use opentelemetry::trace::TraceContextExt as _;
use opentelemetry_sdk::propagation::TraceContextPropagator;
use tracing::Span;
use tracing_opentelemetry::OpenTelemetrySpanExt as _;

static ENABLED: AtomicBool = AtomicBool::new(false);

const TRACEPARENT: &str = "traceparent";

/// Whether spans are exported.
#[inline]
pub fn enabled() -> bool {
    ENABLED.load(Ordering::Relaxed)
}

pub(super) fn enable(on: bool) {
    ENABLED.store(on, Ordering::Relaxed);
}

/// The span of another process that caused the work here; may be nobody's.
#[derive(Clone, Debug, Default)]
pub struct Parent(Option<Context>);

/// The caller's span, from the headers of a request. For gRPC: `metadata.as_ref()`.
pub fn extract(headers: &HeaderMap) -> Parent {
    if !enabled() || !headers.contains_key(TRACEPARENT) {
        return Parent(None);
    }
    let extracted =
        TraceContextPropagator::new().extract_with_context(&Context::new(), &Headers(headers));
    Parent(extracted.span().span_context().is_valid().then_some(extracted))
}

/// Writes the current span into the headers of a request. For gRPC: `metadata.as_mut()`.
pub fn inject(headers: &mut HeaderMap) {
    if enabled() {
        inject_span(&Span::current(), headers);
    }
}

/// The current span as the value of a `traceparent` header, to be sent inside a message.
pub fn traceparent() -> Option<String> {
    let mut headers = HeaderMap::new();
    inject(&mut headers);
    headers.get(TRACEPARENT)?.to_str().ok().map(str::to_owned)
}

fn inject_span(span: &Span, headers: &mut HeaderMap) {
    let context = span.context();
    if context.span().span_context().is_valid() {
        TraceContextPropagator::new().inject_context(&context, &mut HeadersMut(headers));
    }
}

impl Parent {
    /// The parent named by the value of a `traceparent` header.
    pub fn from_traceparent(value: &str) -> Self {
        let Ok(value) = HeaderValue::from_str(value) else { return Self(None) };
        extract(&HeaderMap::from_iter([(HeaderName::from_static(TRACEPARENT), value)]))
    }

    /// Makes `span` its child. To be said before the span is entered.
    pub fn adopt(self, span: &Span) {
        if let Some(context) = self.0 {
            // Refused only when the span is not recorded, and then it has no parent to lose.
            let _ = span.set_parent(context);
        }
    }
}

struct Headers<'a>(&'a HeaderMap);

impl Extractor for Headers<'_> {
    fn get(&self, key: &str) -> Option<&str> {
        self.0.get(key)?.to_str().ok()
    }

    fn keys(&self) -> Vec<&str> {
        self.0.keys().map(HeaderName::as_str).collect()
    }
}

struct HeadersMut<'a>(&'a mut HeaderMap);

impl Injector for HeadersMut<'_> {
    fn set(&mut self, key: &str, value: String) {
        let name = HeaderName::try_from(key);
        let value = HeaderValue::try_from(value);
        if let (Ok(name), Ok(value)) = (name, value)
            && !value.is_empty()
        {
            self.0.insert(name, value);
        }
    }
}
