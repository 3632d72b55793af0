//! What is logged, and how does a line look?

use std::sync::OnceLock;

use serde::Deserialize;
use tracing_subscriber::filter::EnvFilter;
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::{Layer, fmt, reload};

use super::install::{Config, Error};

/// How a line of the log looks. Lines go to the standard error.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

struct Level {
    current: Box<dyn Fn() -> String + Send + Sync>,
    replace: Box<dyn Fn(EnvFilter) + Send + Sync>,
}

static LEVEL: OnceLock<Level> = OnceLock::new();

/// The directives in force, like `info,gateway=debug`; empty before telemetry is installed.
pub fn level() -> String {
    LEVEL.get().map(|level| (level.current)()).unwrap_or_default()
}

/// Puts other directives in force, at once and until the process ends.
pub fn set_level(directives: &str) -> Result<(), Error> {
    let filter = filter(directives)?;
    if let Some(level) = LEVEL.get() {
        (level.replace)(filter);
    }
    Ok(())
}

pub(super) fn layer<S>(config: &Config) -> Result<impl Layer<S> + use<S>, Error>
where
    S: tracing::Subscriber + for<'a> LookupSpan<'a>,
{
    let (filter, handle) = reload::Layer::<EnvFilter, S>::new(filter(&config.log)?);
    let current = handle.clone();
    // The first installation wins, as it does for the subscriber itself.
    let _ = LEVEL.set(Level {
        current: Box::new(move || current.with_current(EnvFilter::to_string).unwrap_or_default()),
        replace: Box::new(move |filter| {
            // Fails only when the subscriber is gone, and then nobody logs.
            let _ = handle.reload(filter);
        }),
    });
    let lines = fmt::layer().with_writer(std::io::stderr);
    Ok(match config.format {
        Format::Text => lines.with_ansi(false).with_target(false).boxed(),
        Format::Json => lines.json().flatten_event(true).with_current_span(false).boxed(),
    }
    .with_filter(filter))
}

fn filter(directives: &str) -> Result<EnvFilter, Error> {
    EnvFilter::builder()
        .parse(directives)
        .map_err(|source| Error::Directives { directives: directives.to_owned(), source })
}
