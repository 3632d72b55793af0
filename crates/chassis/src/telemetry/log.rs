//! What is logged, and how does a line look?

use std::borrow::Cow;
use std::fmt::Write as _;
use std::io;
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
    if directives.trim().is_empty() {
        return Err(Error::Nothing);
    }
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
    let lines = fmt::layer().with_writer(|| OneLine(io::stderr()));
    Ok(match config.format {
        Format::Text => lines.with_ansi(false).with_target(false).boxed(),
        Format::Json => lines.json().flatten_event(true).with_current_span(false).boxed(),
    }
    .with_filter(filter))
}

/// Writes an event as one line: what somebody else sent neither begins another one nor reaches a
/// terminal as an order.
struct OneLine<W>(W);

impl<W: io::Write> io::Write for OneLine<W> {
    /// An event comes in one piece, with the end of its line.
    fn write(&mut self, event: &[u8]) -> io::Result<usize> {
        self.0.write_all(plain(event).as_ref())?;
        Ok(event.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

fn plain(event: &[u8]) -> Cow<'_, [u8]> {
    let text = String::from_utf8_lossy(event);
    let (line, end) = text.strip_suffix('\n').map_or((&*text, ""), |line| (line, "\n"));
    let harmless = |c: char| !c.is_control() || c == '\t';
    if line.chars().all(harmless) {
        return Cow::Borrowed(event);
    }
    let mut plain = String::with_capacity(text.len());
    for c in line.chars() {
        if harmless(c) {
            plain.push(c);
        } else {
            // A string takes everything.
            let _ = write!(plain, "{}", c.escape_default());
        }
    }
    plain.push_str(end);
    Cow::Owned(plain.into_bytes())
}

fn filter(directives: &str) -> Result<EnvFilter, Error> {
    EnvFilter::builder()
        .parse(directives)
        .map_err(|source| Error::Directives { directives: directives.to_owned(), source })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(event: &str, line: &str) {
        assert_eq!(String::from_utf8_lossy(&plain(event.as_bytes())), line);
    }

    #[test]
    fn an_event_is_one_line() {
        check("INFO all is well name=\u{e4}\tx\n", "INFO all is well name=\u{e4}\tx\n");
        check("INFO name=x\nINFO forged\r\n", "INFO name=x\\nINFO forged\\r\n");
        check("\u{1b}[31m\u{9b}\u{7}\n", "\\u{1b}[31m\\u{9b}\\u{7}\n");
        check("no end", "no end");
    }

    #[test]
    fn an_empty_order_does_not_end_the_log() {
        for nothing in ["", " ", "\n"] {
            assert!(matches!(set_level(nothing), Err(Error::Nothing)), "{nothing:?}");
        }
        assert!(set_level("no=such=level").is_err());
    }
}
