//! Which numbers does this process show to Prometheus?
//!
//! One registry per process; every name in it starts with `turnpike_`.

use std::sync::{Arc, Mutex, PoisonError};

use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use super::process::Usage;

/// The registry of one process; cheap to clone.
#[derive(Clone, Debug)]
pub struct Metrics(Arc<Mutex<Registry>>);

/// The content type of [`Metrics::render`].
pub const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

impl Metrics {
    /// A registry that already tells which service this is and what the process uses.
    pub fn new(service: &'static str) -> Self {
        let mut registry = Registry::with_prefix("turnpike");
        let build = Family::<[(&str, &str); 2], Gauge>::default();
        let labels = [("service", service), ("version", env!("CARGO_PKG_VERSION"))];
        build.get_or_create(&labels).set(1);
        registry.register("build", "Always 1; the labels say which build this is", build);
        registry.register_collector(Box::new(Usage));
        Self(Arc::new(Mutex::new(registry)))
    }

    /// Adds metrics. Called at start-up; names come without the prefix.
    pub fn register<T>(&self, add: impl FnOnce(&mut Registry) -> T) -> T {
        add(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Everything, as `OpenMetrics` text.
    pub fn render(&self) -> Result<String, std::fmt::Error> {
        let mut text = String::new();
        let registry = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        prometheus_client::encoding::text::encode(&mut text, &registry)?;
        Ok(text)
    }
}

#[cfg(test)]
mod tests {
    use prometheus_client::metrics::counter::Counter;

    use super::*;

    #[test]
    fn every_name_carries_the_prefix() {
        let metrics = Metrics::new("gateway");
        let calls = Counter::<u64>::default();
        metrics.register(|registry| registry.register("calls", "Calls", calls.clone()));
        calls.inc();
        let text = metrics.render().expect("text");
        assert!(text.contains("turnpike_calls_total 1"), "{text}");
        assert!(text.contains("turnpike_build{service=\"gateway\""), "{text}");
        assert!(text.contains("turnpike_process_resident_memory_bytes "), "{text}");
        let names = text.lines().filter(|line| !line.starts_with('#'));
        assert!(names.into_iter().all(|line| line.starts_with("turnpike_")), "{text}");
    }
}
