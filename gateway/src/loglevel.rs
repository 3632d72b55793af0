//! What is logged, of everything and of single APIs?
//!
//! `GET /loglevel` shows both. `PUT /loglevel` with `info,gateway=debug` as its body changes the
//! first, `PUT /loglevel?api=orders:1.0.0&level=debug&for=10m` the second.

use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use chassis::Clock;
use chassis::config::duration;
use chassis::operations::{Ask, Reply, Route};
use chassis::telemetry;
use http::StatusCode;

use crate::watched::{Level, Watch, Watched};

/// How long an API is looked at where nothing is said.
const USUAL: Duration = Duration::from_mins(10);
/// And at most.
const LONGEST: Duration = Duration::from_hours(24);
const QUESTION: &str = "the question is ?api=NAME:VERSION&level=debug|warn|error|off&for=10m (at \
                        most 24h), or directives in the body\n";

/// The routes.
pub fn routes(watched: &Arc<Watched>, clock: &Clock) -> [Route; 2] {
    let (shown, when) = (Arc::clone(watched), clock.clone());
    let show = Route::get("/loglevel", move |_| {
        let text = show(&shown, when.unix_seconds());
        async move { Reply::text(StatusCode::OK, text) }
    });
    let (changed, when) = (Arc::clone(watched), clock.clone());
    let set = Route::put("/loglevel", move |ask| {
        let reply = set(&changed, when.unix_seconds(), &ask);
        async move { reply }
    });
    [show, set]
}

fn show(watched: &Watched, now: i64) -> String {
    let mut text = telemetry::level() + "\n";
    for (api, watch) in watched.list(now) {
        let (level, left) = (watch.level, watch.until - now);
        // Writing to a `String` cannot fail.
        let _ = writeln!(text, "{api} {level:?} for {left}s");
    }
    text
}

fn set(watched: &Watched, now: i64, ask: &Ask) -> Reply {
    let refused = |text: String| Reply::text(StatusCode::BAD_REQUEST, text);
    if ask.query.is_empty() {
        let directives = String::from_utf8_lossy(&ask.body).trim().to_owned();
        return match telemetry::set_level(&directives) {
            Ok(()) => Reply::text(StatusCode::OK, show(watched, now)),
            Err(error) => refused(format!("{error}\n")),
        };
    }
    let Some((api, watch)) = parse(&ask.query, now) else { return refused(QUESTION.to_owned()) };
    match watched.set(&api, watch, now) {
        Ok(()) => Reply::text(StatusCode::OK, show(watched, now)),
        Err(error) => refused(format!("{error}\n")),
    }
}

/// Which API is looked at how; `None` for how: no more.
fn parse(query: &str, now: i64) -> Option<(String, Option<Watch>)> {
    let (mut api, mut level, mut span) = (None, "debug", USUAL);
    for part in query.split('&') {
        match part.split_once('=')? {
            ("api", name) if !name.is_empty() => api = Some(name.replace("%3A", ":")),
            ("level", name) => level = name,
            ("for", text) => span = duration::parse(text).ok().filter(|span| *span <= LONGEST)?,
            _ => return None,
        }
    }
    if level == "off" {
        return Some((api?, None));
    }
    let until = now.saturating_add(i64::try_from(span.as_secs()).ok()?);
    Some((api?, Some(Watch { level: Level::parse(level)?, until })))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What `?query` makes of a gateway that looks at `a:1`, at second 1000.
    #[track_caller]
    fn check(query: &str, status: u16, shown: &str) {
        let watched = Watched::default();
        let watch = Watch { level: Level::Debug, until: 1060 };
        watched.set("a:1", Some(watch), 1000).unwrap();
        let ask = Ask { query: query.to_owned(), ..Ask::default() };
        assert_eq!(set(&watched, 1000, &ask).status, status, "{query}");
        let text = show(&watched, 1000);
        let lines: Vec<&str> = text.lines().skip(1).collect();
        assert_eq!(lines.join(", "), shown, "{query}");
    }

    #[test]
    fn an_api_is_looked_at_for_the_time_that_is_said() {
        check("api=b:1&level=warn&for=1m", 200, "a:1 Debug for 60s, b:1 Warn for 60s");
        check("api=b:1", 200, "a:1 Debug for 60s, b:1 Debug for 600s");
        check("api=a:1&level=off", 200, "");
    }

    #[test]
    fn what_is_not_understood_changes_nothing() {
        for bad in ["api", "level=debug", "api=b:1&level=loud", "api=b:1&for=25h", "api=b:1&x=1"] {
            check(bad, 400, "a:1 Debug for 60s");
        }
    }
}
