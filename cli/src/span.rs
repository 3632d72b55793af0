//! How is a span of time written on the command line? As in the configuration: `30s`, `1h30m`.

use std::time::Duration;

use chassis::config::duration::{self, NotASpan};

pub(crate) fn parse(text: &str) -> Result<Duration, NotASpan> {
    duration::parse(text)
}

/// 10,000 years, the most that a span in a message may say.
const MOST: Duration = Duration::from_hours(87_660_000);

/// Spans of more than 10,000 years are cut.
pub(crate) fn to_proto(span: Duration) -> prost_types::Duration {
    prost_types::Duration::try_from(span.min(MOST)).unwrap_or_default()
}
